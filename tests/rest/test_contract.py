"""The records over REST have the members of the contract's messages: none forgotten, none renamed."""

import pytest
from pydantic import BaseModel

from dropcopy import proto as pb
from dropcopyd.rest import account_schemas, instrument_schemas, order_schemas

OURS = {
    "Order": {"created_at"},
    "Trade": set[str](),
    "Position": set[str](),
    "IntentAction": {
        "order_id",
        "outcome",
        "outcome_reason_code",
        "outcome_reason",
        "outcome_at",
    },
}
"""Members that REST has beyond the message."""


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        (pb.BrokerOrder, order_schemas.Order),
        (pb.BrokerTrade, order_schemas.Trade),
        (pb.BrokerPosition, account_schemas.Position),
        (pb.IntentAction, order_schemas.IntentAction),
    ],
)
def test_records(message: type[pb.BrokerOrder], shape: type[BaseModel]) -> None:
    fields = set(message.DESCRIPTOR.fields_by_name)
    assert set(shape.model_fields) == fields | OURS[shape.__name__]


@pytest.mark.parametrize(
    "name", ["Equity", "Future", "OptionInstrument", "Currency", "Crypto", "Perpetual", "Prediction"]
)
def test_instruments(name: str) -> None:
    fields = set(getattr(pb, name).DESCRIPTOR.fields_by_name)
    assert set(getattr(instrument_schemas, name).model_fields) == fields | {"asset_class"}

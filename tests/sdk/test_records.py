"""Messages and REST rows as records: complete, equal from both sides, and never stopped by the future."""

from dataclasses import fields
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dropcopy
from dropcopy import _enums, _subscription, proto
from dropcopy._decode import MalformedError, from_json, from_message
from tests.sdk.peers import ACCOUNT

ENUMS = [kind for kind in vars(_enums).values() if isinstance(kind, type) and issubclass(kind, _enums.OpenEnum)]
ENUMS.remove(_enums.OpenEnum)
INSTRUMENTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "future": (
        proto.Future(symbol="ESZ7", root="ES", exchange="CME", tick_size="0.25", multiplier="50", currency="USD"),
        {
            "asset_class": "FUTURE",
            "root": "ES",
            "exchange": "CME",
            "tick_size": "0.25",
            "multiplier": "50",
            "currency": "USD",
        },
    ),
    "option_instrument": (
        proto.OptionInstrument(
            symbol="ESZ7",
            underlying="AAPL",
            strike="200",
            option_type=proto.OPTION_TYPE_CALL,
            exercise_style=proto.EXERCISE_STYLE_AMERICAN,
            multiplier="100",
        ),
        {
            "asset_class": "OPTION",
            "underlying": "AAPL",
            "strike": "200",
            "option_type": "CALL",
            "exercise_style": "AMERICAN",
            "multiplier": "100",
        },
    ),
    "crypto": (
        proto.Crypto(
            symbol="ESZ7",
            base="BTC",
            quote="USD",
            venue="PAPER",
            price_increment="0.01",
            quantity_increment="0.00000001",
        ),
        {
            "asset_class": "CRYPTO",
            "base": "BTC",
            "quote": "USD",
            "venue": "PAPER",
            "price_increment": "0.01",
            "quantity_increment": "0.00000001",
        },
    ),
    "perpetual": (
        proto.Perpetual(
            symbol="ESZ7",
            base="BTC",
            quote="USD",
            venue="PAPER",
            underlying=proto.PERPETUAL_UNDERLYING_CRYPTO,
            settlement=proto.SETTLEMENT_INVERSE,
            multiplier="1",
            funding=proto.FundingSchedule(interval_seconds=28800),
            tick_size="0.5",
            quantity_increment="1",
        ),
        {
            "asset_class": "PERPETUAL",
            "base": "BTC",
            "quote": "USD",
            "venue": "PAPER",
            "underlying": "CRYPTO",
            "settlement": "INVERSE",
            "multiplier": "1",
            "funding": {"interval_seconds": 28800},
            "tick_size": "0.5",
            "quantity_increment": "1",
        },
    ),
    "prediction": (
        proto.Prediction(
            symbol="ESZ7",
            market="M",
            outcome=proto.PREDICTION_OUTCOME_UNSPECIFIED,
            venue="PAPER",
            payout="1",
            currency="USD",
            tick_size="0.01",
        ),
        {
            "asset_class": "PREDICTION",
            "market": "M",
            "outcome": None,
            "venue": "PAPER",
            "payout": "1",
            "currency": "USD",
            "tick_size": "0.01",
        },
    ),
}


@pytest.mark.parametrize("kind", ENUMS)
def test_an_enum_has_every_word_of_the_contract(kind: type[_enums.OpenEnum]) -> None:
    contract = getattr(proto, kind.__name__)
    prefix = contract.keys()[0].removesuffix("UNSPECIFIED")
    assert {prefix + member.value: member.number for member in kind} == dict(contract.items())
    assert all(kind.known(member.number) is member for member in kind)


def test_every_enum_that_a_caller_meets_is_there() -> None:
    contract = {enum for enum in dir(proto) if hasattr(getattr(proto, enum), "DESCRIPTOR") and enum[0].isupper()}
    enums = {name for name in contract if hasattr(getattr(proto, name), "Name")}
    assert enums - {kind.__name__ for kind in ENUMS} == {"FutureMonth", "OrderDelivery"}


@pytest.mark.parametrize("member", sorted(_subscription._RECORDS))
def test_a_record_has_every_field_of_its_message(member: str) -> None:
    record = _subscription._RECORDS[member]
    message = proto.TradingEvent.DESCRIPTOR.fields_by_name[member].message_type
    wire = {f.metadata.get("wire", f.name.removesuffix("_ns")) for f in fields(record)}
    assert message is not None
    assert {f.name for f in message.fields} <= wire


def test_every_kind_has_its_record() -> None:
    kinds = {kind.value.lower() for kind in dropcopy.EventType if kind != dropcopy.EventType.UNSPECIFIED}
    assert kinds == set(_subscription._RECORDS)


def test_an_instrument_has_every_term_of_the_contract() -> None:
    record = {f.metadata.get("wire", f.name.removesuffix("_ns")) for f in fields(dropcopy.Instrument)}
    others = {"price_increment", "funding"}  # tick_size and funding_interval_s
    for member in proto.Instrument.DESCRIPTOR.fields:
        assert member.message_type is not None
        assert {field.name for field in member.message_type.fields} <= record | others


@pytest.mark.parametrize("member", sorted(INSTRUMENTS))
def test_an_instrument_is_the_same_from_stream_and_record(member: str) -> None:
    message, row = INSTRUMENTS[member]
    position = proto.BrokerPosition(account_id=ACCOUNT, symbol="ESZ7", quantity="-1", average_cost="2")
    getattr(position.instrument, member).CopyFrom(message)
    streamed = from_message(dropcopy.Position, position)
    data = {"account_id": ACCOUNT, "symbol": "ESZ7", "quantity": "-1", "average_cost": "2", "broker": None}
    stored = from_json(dropcopy.Position, data | {"instrument": row | {"symbol": "ESZ7"}})
    assert streamed == stored
    assert streamed.instrument is not None
    assert streamed.instrument.tick_size is not None or member == "option_instrument"
    assert hash(streamed) == hash(stored)


def test_an_instrument_from_the_future_keeps_its_symbol() -> None:
    data = {"account_id": ACCOUNT, "symbol": "X", "quantity": "1", "average_cost": None}
    held = from_json(dropcopy.Position, data | {"instrument": {"asset_class": "BOND", "symbol": "X"}})
    assert held.instrument is not None
    assert held.instrument.asset_class is dropcopy.AssetClass.UNSPECIFIED
    assert held.unrecognized == {"instrument": "BOND"}
    assert (
        from_message(dropcopy.Position, proto.BrokerPosition(quantity="1", instrument=proto.Instrument())).instrument
        is None
    )


@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from(["order_status", "order_side", "time_in_force", "broker"]))
def test_no_enum_number_ever_stops_an_order(number: int, name: str) -> None:
    message = proto.BrokerOrder(order_id="1", quantity="1", filled_quantity="0")
    setattr(message, name, number)
    order = from_message(dropcopy.Order, message)
    known = number in getattr(proto, "".join(w.capitalize() for w in name.split("_"))).values()
    assert (order.unrecognized == {}) == known
    if not known:
        assert getattr(order, name) == "UNSPECIFIED"
        assert order.unrecognized[name] == number


def test_an_order_of_unknown_status_counts_as_working() -> None:
    message = proto.BrokerOrder(order_id="1", quantity="1", filled_quantity="0")
    assert from_message(dropcopy.Order, message).is_working
    message.order_state = proto.ORDER_STATE_CLOSED
    assert not from_message(dropcopy.Order, message).is_working
    message.in_doubt_since.seconds = 5
    assert from_message(dropcopy.Order, message).is_working


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_malformed(data: bytes) -> None:
    try:
        message = proto.TradingEvent.FromString(data)
    except Exception:
        return
    member = message.WhichOneof("event") or ""
    if member in _subscription._RECORDS or not member:
        _subscription.read_record(member, message, data, None)


@pytest.mark.parametrize("name", ["quantity", "filled_quantity"])
def test_a_malformed_member_is_named(name: str) -> None:
    message = proto.BrokerOrder(order_id="1", quantity="1", filled_quantity="0")
    setattr(message, name, "1e5")
    with pytest.raises(MalformedError, match=name):
        from_message(dropcopy.Order, message)


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01t00:00:00.000000001z", 1),
        ("1970-01-01T02:00:00.25+02:00", 250_000_000),
        ("1969-12-31T23:59:59.75Z", -250_000_000),
        ("2026-11-22T09:47:33.498996468Z", 1_795_340_853_498_996_468),
    ],
)
def test_times_are_exact(text: str, at_ns: int) -> None:
    row = {"account_id": ACCOUNT, "symbol": "X", "quantity": "1", "average_cost": None, "received_at": text}
    held = from_json(dropcopy.Position, row)
    assert held.received_at_ns == at_ns
    assert held.received_at is not None
    assert held.received_at.timestamp() == pytest.approx(at_ns / 1e9, abs=1e-6)


def test_records_are_frozen_and_slotted() -> None:
    for name in dropcopy.__all__:
        record: Any = getattr(dropcopy, name)
        if hasattr(record, "__dataclass_fields__") and name != "StreamCounters":
            assert record.__dataclass_params__.frozen, name
            assert "__slots__" in vars(record), name


def test_a_trade_of_unknown_side_has_no_sign() -> None:
    message = proto.BrokerTrade(quantity="1", price="2", side=proto.ORDER_SIDE_SELL_SHORT)
    assert from_message(dropcopy.Trade, message).signed_quantity == -1
    message.side = 9  # type: ignore[assignment]
    with pytest.raises(ValueError, match="no known side"):
        _ = from_message(dropcopy.Trade, message).signed_quantity


def test_the_hints_of_every_record_can_be_read() -> None:
    for record in _subscription._RECORDS.values():
        hints: dict[str, Any] = get_type_hints(record)
        assert "place" in hints

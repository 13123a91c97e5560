"""The public streaming contract as data, and a client's message classes built from it.

Transcribed by hand from the published tables, without our extensions. It shares nothing with proto/ and with the
generated package, so a test that talks through it stands for a client that has never heard of us.

    public = PublicContract()
    request = public.message("Subscribe")(subscriptions=[public.number("EVENT_TYPE_BROKER_ORDER")])
"""

import re
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import DESCRIPTOR as TIMESTAMP_FILE

PACKAGE = "trading"
FILES = (
    "trading/trading_service.proto",
    "trading/trading_models.proto",
    "trading/trading_types.proto",
    "trading/trading_instruments.proto",
)
STREAM_EVENTS_PATH = "/trading.TradingService/StreamEvents"
SUBSCRIBE_EVENTS_PATH = "/trading.TradingService/SubscribeEvents"

# Method -> (request, request is a stream, answer, answer is a stream).
SERVICE = {
    "StreamEvents": ("StreamEventsRequest", True, "TradingEvent", True),
    "SubscribeEvents": ("Subscribe", False, "TradingEvent", True),
}

# Enum -> values from 1, without prefix; the value 0 is UNSPECIFIED everywhere.
ENUMS = {
    "EventType": "BROKER_ORDER BROKER_POSITION BROKER_TRADE INTENT_ACTION",
    "OrderDelivery": "LIVE PRIMED",
    "Broker": "LIGHTSPEED_CONNECT ALPACA",
    "OrderType": "LIMIT MARKET FILL_OR_KILL LIMIT_ON_OPEN LIMIT_ON_CLOSE MARKET_ON_OPEN MARKET_ON_CLOSE STOP STOP_LIMIT"
    " TRAILING_STOP",
    "TimeInForce": "DAY GOOD_TILL_CANCEL AT_OPEN IMMEDIATE_OR_CANCEL FILL_OR_KILL EXT AT_CLOSE",
    "OrderSide": "BUY SELL SELL_SHORT",
    "OrderVenue": "SMART AMEX ARCA BATS BATY EDGA EDGX NSDQ NYSE",
    "OrderStatus": "PENDING_NEW NEW PARTIALLY_FILLED FILLED PENDING_CANCEL CANCELLED PENDING_REPLACE REPLACED STOPPED"
    " REJECTED",
    "OrderState": "OPEN CLOSED REJECTED",
    "IntentActionType": "CREATE REPLACE CANCEL",
    "IntentPrincipalType": "API_KEY USER SERVICE",
    "AssetClass": "EQUITY FUTURE OPTION CURRENCY CRYPTO PERPETUAL PREDICTION",
    "OptionType": "CALL PUT",
    "ExerciseStyle": "AMERICAN EUROPEAN",
    "PerpetualUnderlying": "CRYPTO FUTURE PREDICTION",
    "Settlement": "LINEAR INVERSE",
    "PredictionOutcome": "YES NO",
    "FutureMonth": "JANUARY FEBRUARY MARCH APRIL MAY JUNE JULY AUGUST SEPTEMBER OCTOBER NOVEMBER DECEMBER",
}

# Message -> "number name [optional|repeated] type" of each field; a field without a type is a string.
MESSAGES = {
    "StreamEventsRequest": "1 subscribe Subscribe, 2 unsubscribe Unsubscribe",
    "Subscribe": "1 trading_account_id, 2 subscriptions repeated EventType, 3 instrument_key, 4 instrument_class,"
    " 5 order_delivery OrderDelivery",
    "Unsubscribe": "1 trading_account_id",
    "Status": "1 message",
    "Error": "1 message",
    "Heartbeat": "1 sent_at Timestamp",
    "Primed": "1 event_type EventType",
    "TradingEvent": "1 heartbeat Heartbeat, 2 error Error, 3 status Status, 4 broker_order BrokerOrder,"
    " 5 broker_position BrokerPosition, 6 broker_trade BrokerTrade, 7 intent_action IntentAction, 8 primed Primed",
    "BrokerOrder": "1 order_id, 2 intent_id, 3 command_seq int64, 4 external_order_id optional, 5 account_id,"
    " 6 broker Broker, 7 symbol, 8 order_state OrderState, 9 order_status OrderStatus, 10 order_type OrderType,"
    " 11 order_side OrderSide, 12 limit_price optional, 13 stop_price optional, 14 average_price optional,"
    " 15 order_venue OrderVenue, 16 quantity, 17 filled_quantity, 18 time_in_force TimeInForce,"
    " 19 received_at Timestamp, 20 organization_id, 21 client_reference_id optional,"
    " 22 broker_sent_at optional Timestamp, 23 instrument Instrument",
    "BrokerPosition": "1 account_id, 2 symbol, 3 quantity, 4 average_cost, 5 received_at Timestamp, 6 organization_id,"
    " 7 broker Broker, 8 broker_sent_at optional Timestamp, 9 instrument optional Instrument, 10 realized_pnl optional,"
    " 11 daily_pnl optional, 12 value_bought optional, 13 value_sold optional",
    "BrokerTrade": "1 account_id, 2 order_id, 3 client_order_id, 4 symbol, 5 side OrderSide, 6 quantity, 7 price,"
    " 8 received_at Timestamp, 9 organization_id, 10 exec_id optional, 11 cumulative_quantity optional,"
    " 12 order_quantity optional, 13 leaves_quantity optional, 14 broker_sent_at optional Timestamp,"
    " 15 instrument optional Instrument",
    "IntentAction": "1 intent_id, 2 organization_id, 3 account_id, 4 seq int64, 5 action_type IntentActionType,"
    " 6 symbol, 7 order_side OrderSide, 8 order_type OrderType, 9 limit_price optional, 10 stop_price optional,"
    " 11 order_venue OrderVenue, 12 time_in_force optional TimeInForce, 13 quantity, 14 client_reference_id optional,"
    " 15 principal_type IntentPrincipalType, 16 received_at Timestamp, 17 created_at Timestamp",
    "Instrument": "1 equity Equity, 2 future Future, 3 option_instrument OptionInstrument, 4 currency Currency,"
    " 5 crypto Crypto, 6 perpetual Perpetual, 7 prediction Prediction",
    "Equity": "1 symbol, 2 exchange optional",
    "Future": "1 symbol, 2 root, 3 exchange, 4 expiration Timestamp, 5 tick_size, 6 multiplier, 7 currency",
    "OptionInstrument": "1 symbol, 2 underlying, 3 expiration Timestamp, 4 strike, 5 option_type OptionType,"
    " 6 exercise_style ExerciseStyle, 7 multiplier, 8 exchange optional, 9 tick_size optional",
    "Currency": "1 symbol, 2 base, 3 quote",
    "Crypto": "1 symbol, 2 base, 3 quote, 4 venue, 5 price_increment, 6 quantity_increment",
    "Perpetual": "1 symbol, 2 base, 3 quote, 4 venue, 5 underlying PerpetualUnderlying, 6 settlement Settlement,"
    " 7 multiplier, 8 funding FundingSchedule, 9 tick_size, 10 quantity_increment",
    "FundingSchedule": "1 interval_seconds uint32",
    "Prediction": "1 symbol, 2 market, 3 outcome PredictionOutcome, 4 venue, 5 payout, 6 currency, 7 tick_size,"
    " 8 expiration optional Timestamp",
    "ContractMonth": "1 root, 2 month FutureMonth, 3 year int32",
}

# Message -> the oneof that holds all of its fields.
ONEOFS = {"StreamEventsRequest": "msg", "TradingEvent": "event", "Instrument": "instrument"}

SCALARS = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "fixed64": FieldDescriptorProto.TYPE_FIXED64,
}
LABELS = {"", "optional", "repeated"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field as the tables print it. label: empty, `optional` or `repeated`; oneof: empty outside of one."""

    number: int
    name: str
    label: str
    type: str
    oneof: str


def parse_fields(text: str, oneof: str = "") -> frozenset[Field]:
    """The fields of one table line. A field that names `in ONEOF` at its end is a member of that oneof."""
    found = set()
    for part in text.split(", "):
        match = re.fullmatch(r"(\d+) (\w+)(?: (optional|repeated))?(?: (?!in )(\w+))?(?: in (\w+))?", part)
        if match is None:
            raise ValueError(f"not a field: {part}")
        number, name, label, kind, member_of = match.groups()
        found.add(Field(int(number), name, label or "", kind or "string", member_of or oneof))
    return frozenset(found)


def parse_values(enum: str, names: str, first: int = 1) -> dict[str, int]:
    """Value name with prefix -> number, counted from `first`."""
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum).upper()
    return {f"{prefix}_{name}": number for number, name in enumerate(names.split(), first)}


def public_fields(message: str) -> frozenset[Field]:
    return parse_fields(MESSAGES[message], ONEOFS.get(message, ""))


def public_values(enum: str) -> dict[str, int]:
    return parse_values(enum, "UNSPECIFIED " + ENUMS[enum], 0)


def _message(name: str) -> DescriptorProto:
    message = DescriptorProto(name=name)
    if name in ONEOFS:
        message.oneof_decl.add(name=ONEOFS[name])
    for spec in sorted(public_fields(name), key=lambda field: field.number):
        repeated = spec.label == "repeated"
        field = message.field.add(name=spec.name, number=spec.number)
        field.label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
        if spec.type in SCALARS:
            field.type = SCALARS[spec.type]
        else:
            field.type = FieldDescriptorProto.TYPE_ENUM if spec.type in ENUMS else FieldDescriptorProto.TYPE_MESSAGE
            field.type_name = ".google.protobuf.Timestamp" if spec.type == "Timestamp" else f".{PACKAGE}.{spec.type}"
        if spec.oneof:
            field.oneof_index = 0
        elif spec.label == "optional":
            # proto3 stores the presence of a single field as a oneof of its own.
            field.proto3_optional = True
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{spec.name}")
    return message


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="public_contract.proto", package=PACKAGE, syntax="proto3")
    file.dependency.append(TIMESTAMP_FILE.name)
    file.message_type.extend(_message(name) for name in MESSAGES)
    for enum in ENUMS:
        values = file.enum_type.add(name=enum).value
        for name, number in public_values(enum).items():
            values.add(name=name, number=number)
    return file


class PublicContract:
    """Message classes and enum numbers of the public contract, in a descriptor pool of their own."""

    def __init__(self) -> None:
        self.pool = DescriptorPool()
        self.pool.AddSerializedFile(TIMESTAMP_FILE.serialized_pb)
        self.pool.AddSerializedFile(_file().SerializeToString())
        self._numbers = {name: number for enum in ENUMS for name, number in public_values(enum).items()}

    def message(self, name: str) -> Any:
        """The class of a message, for example "Subscribe". KeyError if the public contract has no such message."""
        return GetMessageClass(self.pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))

    def number(self, value: str) -> int:
        """The number of an enum value, for example "EVENT_TYPE_BROKER_ORDER". KeyError if it has no such value."""
        return self._numbers[value]

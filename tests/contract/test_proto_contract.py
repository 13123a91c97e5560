"""proto/ against the published tables: every public name and number, and every extension, exactly."""

from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.message import Message

import dropcopy.proto as ours
from tests.contract import public_contract as contract

FIRST_EXTENSION = 1000

# What we add to public messages, in the notation of public_contract.MESSAGES.
EXTENSIONS = {
    "TradingEvent": "1000 sequence int64, 1001 account_id, 1002 kind_sequence int64, 1003 chain fixed64,"
    " 1010 account_status AccountStatus in event, 1011 account_balance AccountBalance in event,"
    " 1012 trade_amendment TradeAmendment in event, 1013 adjustment Adjustment in event,"
    " 1014 command_outcome CommandOutcome in event",
    "Subscribe": "1000 resume repeated Cursor",
    "StreamEventsRequest": "1000 arm Arm in msg",
    "Status": "1000 trading_account_id, 1001 head int64, 1002 epoch, 1003 resumes repeated Resume, 1004 code",
    "Error": "1000 trading_account_id, 1001 code",
    "Primed": "1000 trading_account_id, 1001 as_of int64",
    "Heartbeat": "1000 delivered int64, 1001 heads repeated AccountHead",
    "BrokerOrder": "1000 in_doubt_since optional Timestamp, 1001 reason_code optional, 1002 reason optional,"
    " 1003 leaves_quantity optional, 1004 origin OrderOrigin, 1005 strategy_id optional, 1006 raw_status optional,"
    " 1007 trail_amount optional, 1008 trail_percent optional",
    "IntentAction": "1005 strategy_id optional, 1007 trail_amount optional, 1008 trail_percent optional",
    "BrokerTrade": "1000 intent_id, 1001 origin OrderOrigin, 1002 strategy_id, 1003 fees repeated Fee, 1004 trade_date,"
    " 1005 venue, 1006 liquidity Liquidity",
}

# Messages of our own; their numbers start at 1.
OWN_MESSAGES = {
    "StreamRequest": "1 subscribe Subscribe in msg, 2 unsubscribe Unsubscribe in msg, 1000 arm Arm in msg",
    "Cursor": "1 account_id, 2 epoch, 3 sequence int64, 4 chain fixed64",
    "Arm": "1 account_id, 2 strategy_id, 3 grace_s uint32",
    "Resume": "1 account_id, 2 outcome ResumeOutcome, 3 head int64, 4 oldest int64",
    "AccountHead": "1 account_id, 2 epoch, 3 sequence int64, 4 head int64, 5 chain fixed64",
    "Fee": "1 kind, 2 amount, 3 currency",
    "AccountStatus": "1 account_id, 2 organization_id, 3 connection AccountConnection, 4 reason_code, 5 reason,"
    " 6 since Timestamp",
    "AccountBalance": "1 account_id, 2 organization_id, 3 currency, 4 cash optional, 5 buying_power optional,"
    " 6 equity optional, 7 initial_margin optional, 8 maintenance_margin optional, 9 received_at Timestamp",
    "TradeAmendment": "1 account_id, 2 organization_id, 3 kind TradeAmendmentKind, 4 exec_id, 5 new_exec_id optional,"
    " 6 order_id, 7 client_order_id, 8 intent_id, 9 symbol, 10 side OrderSide, 11 quantity_before, 12 price_before,"
    " 13 quantity_after, 14 price_after, 15 reason, 16 received_at Timestamp, 17 broker_sent_at optional Timestamp",
    "Adjustment": "1 account_id, 2 organization_id, 3 kind AdjustmentKind, 4 symbol, 5 quantity_delta, 6 cost_delta,"
    " 7 cash_delta, 8 note, 9 received_at Timestamp, 1000 adjustment_id, 1001 currency optional,"
    " 1002 broker_sent_at optional Timestamp, 1003 instrument optional Instrument, 1004 marks repeated Mark",
    "Mark": "1 instrument Instrument, 2 price",
    "CommandOutcome": "1 intent_id, 2 seq int64, 3 account_id, 4 organization_id, 5 outcome CommandOutcomeKind,"
    " 6 reason_code, 7 reason, 8 at Timestamp",
}
ENUM_EXTENSIONS = {
    "EventType": "ACCOUNT_STATUS ACCOUNT_BALANCE TRADE_AMENDMENT ADJUSTMENT COMMAND_OUTCOME",
    "Broker": "PAPER FIX",
}
OWN_ENUMS = {
    "ResumeOutcome": "LIVE RESUMED RESET",
    "OrderOrigin": "PLATFORM EXTERNAL",
    "Liquidity": "ADDED REMOVED AUCTION",
    "AccountConnection": "LIVE CATCHING_UP BLIND HALTED",
    "TradeAmendmentKind": "BUST CORRECTION",
    "AdjustmentKind": "OPENING TRANSFER SPLIT EXPIRY ASSIGNMENT FUNDING FEE DAY_ROLL MANUAL",
    "CommandOutcomeKind": "PENDING ACCEPTED REFUSED IN_DOUBT WITHHELD NOT_SENT",
}
OWN_SERVICE = {"Stream": ("StreamRequest", True, "TradingEvent", True)}

FILES = [FileDescriptorProto.FromString(serialized) for serialized in ours.FILE_DESCRIPTORS.values()]
CONTRACT_FILES = [file for file in FILES if file.package == contract.PACKAGE]
MESSAGES = {message.name: message for file in CONTRACT_FILES for message in file.message_type}
ENUMS = {enum.name: enum for file in CONTRACT_FILES for enum in file.enum_type}
SERVICES = {service.name: service for file in CONTRACT_FILES for service in file.service}


def last(type_name: str) -> str:
    return type_name.rpartition(".")[2]


def shape(message: DescriptorProto) -> frozenset[contract.Field]:
    """The message's fields in the notation of the tables."""
    scalars = {number: name for name, number in contract.SCALARS.items()}
    found = set()
    for field in message.field:
        in_oneof = field.HasField("oneof_index") and not field.proto3_optional
        repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
        label = "repeated" if repeated else "optional" if field.proto3_optional else ""
        kind = last(field.type_name) or scalars.get(field.type, "?")
        oneof = message.oneof_decl[field.oneof_index].name if in_oneof else ""
        found.add(contract.Field(field.number, field.name, label, kind, oneof))
    return frozenset(found)


def numbers(enum: EnumDescriptorProto) -> dict[str, int]:
    return {value.name: value.number for value in enum.value}


def methods(service: ServiceDescriptorProto) -> dict[str, tuple[str, bool, str, bool]]:
    return {
        method.name: (
            last(method.input_type),
            method.client_streaming,
            last(method.output_type),
            method.server_streaming,
        )
        for method in service.method
    }


def test_files_package_and_syntax_are_as_published() -> None:
    assert {file.name for file in CONTRACT_FILES} == {*contract.FILES, "streaming.proto"}
    assert {file.name for file in FILES if file not in CONTRACT_FILES} == {"google/protobuf/timestamp.proto"}
    assert {file.syntax for file in CONTRACT_FILES} == {"proto3"}


def test_all_files_share_one_go_package() -> None:
    assert len({file.options.go_package for file in CONTRACT_FILES}) == 1
    assert CONTRACT_FILES[0].options.go_package.endswith(";tradingpb")


@pytest.mark.parametrize("name", contract.MESSAGES)
def test_public_message_has_its_public_fields_and_ours_from_1000_up(name: str) -> None:
    fields = shape(MESSAGES[name])
    extensions = contract.parse_fields(EXTENSIONS[name]) if name in EXTENSIONS else frozenset()
    assert {field for field in fields if field.number < FIRST_EXTENSION} == contract.public_fields(name)
    assert {field for field in fields if field.number >= FIRST_EXTENSION} == extensions


@pytest.mark.parametrize("name", contract.ENUMS)
def test_public_enum_has_its_public_values_and_ours_from_1000_up(name: str) -> None:
    values = numbers(ENUMS[name])
    extensions = contract.parse_values(name, ENUM_EXTENSIONS.get(name, ""), FIRST_EXTENSION)
    assert values == contract.public_values(name) | extensions


def test_messages_of_our_own() -> None:
    own = {name: shape(MESSAGES[name]) for name in MESSAGES.keys() - contract.MESSAGES.keys()}
    assert own == {name: contract.parse_fields(text) for name, text in OWN_MESSAGES.items()}


def test_enums_of_our_own() -> None:
    own = {name: numbers(ENUMS[name]) for name in ENUMS.keys() - contract.ENUMS.keys()}
    assert own == {name: contract.parse_values(name, "UNSPECIFIED " + text, 0) for name, text in OWN_ENUMS.items()}


def test_no_table_names_what_does_not_exist() -> None:
    assert EXTENSIONS.keys() <= contract.MESSAGES.keys()
    assert ENUM_EXTENSIONS.keys() <= contract.ENUMS.keys()


def test_services_methods_and_paths() -> None:
    found = {name: methods(service) for name, service in SERVICES.items()}
    assert found == {"TradingService": contract.SERVICE, "StreamingService": OWN_SERVICE}
    assert ours.SERVICES == ("trading.StreamingService", "trading.TradingService")
    assert ours.STREAM_EVENTS_PATH == contract.STREAM_EVENTS_PATH
    assert ours.SUBSCRIBE_EVENTS_PATH == contract.SUBSCRIBE_EVENTS_PATH
    assert ours.STREAM_PATH == "/trading.StreamingService/Stream"


def value_for(kind: str, number: int) -> Any:
    """A value that tells fields apart; for an enum the highest number, which is one of ours where there is one."""
    if kind in ENUMS:
        return max(value.number for value in ENUMS[kind].value)
    return f"{kind} {number}" if kind == "string" else number + 1


def fill(message: Message, below: int, members: frozenset[str]) -> None:
    """Set every field whose number is below `below`; of a oneof only the member that `members` names."""
    if isinstance(message, ours.Timestamp):
        message.FromNanoseconds(1_700_000_000_123_456_789)
        return
    for field in shape(MESSAGES[message.DESCRIPTOR.name]):
        if field.number >= below or (field.oneof and field.name not in members):
            continue
        if field.type in MESSAGES or field.type == "Timestamp":
            held = getattr(message, field.name)
            fill(held.add() if field.label == "repeated" else held, below, members)
        elif field.label == "repeated":
            getattr(message, field.name).append(value_for(field.type, field.number))
        else:
            setattr(message, field.name, value_for(field.type, field.number))


def event_with(member: str, below: int) -> ours.TradingEvent:
    """An event of that kind with every field set; instruments are futures."""
    event = ours.TradingEvent()
    fill(event, below, frozenset({member, "future"}))
    return event


PUBLIC_KINDS = [field.name for field in contract.public_fields("TradingEvent")]


@pytest.mark.parametrize("member", sorted(PUBLIC_KINDS))
def test_public_client_finds_nothing_changed_in_an_extended_event(member: str) -> None:
    everything = event_with(member, below=10_000).SerializeToString()
    plain = event_with(member, below=FIRST_EXTENSION).SerializeToString()
    assert everything != plain

    received = contract.PublicContract().message("TradingEvent").FromString(everything)

    assert received.WhichOneof("event") == member
    received.DiscardUnknownFields()
    assert received.SerializeToString(deterministic=True) == plain


def test_public_client_skips_kinds_that_it_does_not_know() -> None:
    event = event_with("command_outcome", below=10_000)
    received = contract.PublicContract().message("TradingEvent").FromString(event.SerializeToString())
    assert received.WhichOneof("event") is None
    assert ours.TradingEvent.FromString(received.SerializeToString()) == event


def test_public_client_keeps_an_enum_number_that_it_does_not_know() -> None:
    order = ours.BrokerOrder(broker=ours.BROKER_PAPER)
    received = contract.PublicContract().message("BrokerOrder").FromString(order.SerializeToString())
    assert received.broker == ours.BROKER_PAPER


def test_request_of_a_public_client_is_understood() -> None:
    public = contract.PublicContract()
    request = public.message("StreamEventsRequest")(
        subscribe=public.message("Subscribe")(
            trading_account_id="a",
            subscriptions=[public.number("EVENT_TYPE_BROKER_ORDER"), public.number("EVENT_TYPE_INTENT_ACTION")],
            instrument_key="ESZ6",
            instrument_class="future",
            order_delivery=public.number("ORDER_DELIVERY_PRIMED"),
        )
    )
    expected = ours.Subscribe(
        trading_account_id="a",
        subscriptions=[ours.EVENT_TYPE_BROKER_ORDER, ours.EVENT_TYPE_INTENT_ACTION],
        instrument_key="ESZ6",
        instrument_class="future",
        order_delivery=ours.ORDER_DELIVERY_PRIMED,
    )
    assert ours.StreamEventsRequest.FromString(request.SerializeToString()).subscribe == expected
    assert ours.StreamRequest.FromString(request.SerializeToString()).subscribe == expected

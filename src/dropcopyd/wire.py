"""Domain records to the bytes of the contract, and the stamp that completes a journal event.

The only module, with `rpc`, that knows the message classes. `frame` puts gRPC's length prefix before a message;
gRPC-Web and Connect use the same one, so an event is framed once for everybody.
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from dropcopy import proto as pb
from dropcopyd.domain import instrument as instruments
from dropcopyd.domain.account import AccountStatus, BrokerKind
from dropcopyd.domain.adjustment import Adjustment
from dropcopyd.domain.amendment import Amendment
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.command import Command
from dropcopyd.domain.event import AccountMoved, Event, EventType, Trade
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.money import render
from dropcopyd.domain.order import Order, OrderSide, state_of
from dropcopyd.domain.position import Position
from dropcopyd.ports import AccountHead, ResumeAnswer, Said

_PREFIX: Final = struct.Struct(">BI")
_SEQUENCE: Final = b"\xc0\x3e"
_ACCOUNT_ID: Final = b"\xca\x3e"
_KIND_SEQUENCE: Final = b"\xd0\x3e"
_CHAIN: Final = b"\xd9\x3e"
"""The tags of TradingEvent's fields 1000 to 1003."""
_NANOSECONDS: Final = 1_000_000_000
_Word = TypeVar("_Word", bound=StrEnum)


def frame(message: bytes) -> bytes:
    """The message with its 5-byte prefix: not compressed, length big-endian."""
    return _PREFIX.pack(0, len(message)) + message


def _varint(number: int) -> bytes:
    """A whole number >= 0 as protobuf writes it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def messages_of(segment: bytes) -> Iterator[bytes]:
    """The messages of framed ones, without their prefixes."""
    start = 0
    while start < len(segment):
        start += _PREFIX.size
        stop = start + int.from_bytes(segment[start - 4 : start], "big")
        yield segment[start:stop]
        start = stop


def event_json(message: bytes) -> tuple[int, str]:
    """A TradingEvent's sequence, and the whole in protobuf's JSON form with the contract's field names, on one line."""
    event = pb.TradingEvent.FromString(message)
    return event.sequence, json_format.MessageToJson(event, indent=None, preserving_proto_field_name=True)


def unstamped(message: bytes) -> bytes:
    """A journal event's bytes without what `stamp` has added: replayed state carries sequence 0."""
    event = pb.TradingEvent.FromString(message)
    for name in ("sequence", "account_id", "kind_sequence", "chain"):
        event.ClearField(name)
    return event.SerializeToString(deterministic=True)


def numbers(words: type[_Word], prefix: str) -> Mapping[_Word, Any]:
    """Contract numbers of a domain enum whose members are spelled as the contract's values without the prefix."""
    return {word: getattr(pb, f"{prefix}_{word.value}") for word in words}


EVENT_TYPE_NUMBERS: Final = numbers(EventType, "EVENT_TYPE")
EVENT_TYPES: Final[Mapping[int, EventType]] = {int(number): kind for kind, number in EVENT_TYPE_NUMBERS.items()}

_TAGS: Final[Mapping[str, bytes]] = {
    field.name: _varint(field.number << 3 | 2)
    for field in pb.TradingEvent.DESCRIPTOR.fields
    if field.message_type is not None
}
"""How each member of a TradingEvent begins that is a message."""
_BROKER: Final = numbers(BrokerKind, "BROKER")
_SIDE: Final = numbers(OrderSide, "ORDER_SIDE")


@cache
def _enum(prefix: str, word: StrEnum | None) -> Any:
    """The contract's number of one word, 0 (unspecified) for None."""
    return getattr(pb, f"{prefix}_{'UNSPECIFIED' if word is None else word.value}")


def timestamp(at_ns: int) -> pb.Timestamp:
    """Nanoseconds UTC as a Timestamp."""
    seconds, nanos = divmod(at_ns, _NANOSECONDS)
    return pb.Timestamp(seconds=seconds, nanos=nanos)


def _event(member: str, message: Message) -> bytes:
    """The bytes of a TradingEvent that has this member alone: put around the message's own, not made anew with it."""
    content = message.SerializeToString(deterministic=True)
    return _TAGS[member] + _varint(len(content)) + content


def _maybe(value: Decimal | None) -> str | None:
    return None if value is None else render(value)


def _maybe_time(at_ns: int | None) -> pb.Timestamp | None:
    return None if at_ns is None else timestamp(at_ns)


class ProtobufEncoder:
    """The `Encoder` port. Instruments are encoded once each and kept: there are few, and they never change."""

    def __init__(self) -> None:
        self._instruments: dict[Instrument, pb.Instrument] = {}

    def encode(self, event: Event) -> bytes:
        """TradingEvent bytes of a domain event, without sequence fields. Deterministic."""
        match event.record:
            case Order() as order:
                return _event("broker_order", self.order(order))
            case Trade() as trade:
                return _event("broker_trade", self._trade(trade))
            case Amendment() as amendment:
                return _event("trade_amendment", _amendment(amendment))
            case Position() as position:
                return _event("broker_position", self.position(position))
            case Adjustment() as adjustment:
                return _event("adjustment", self._adjustment(adjustment))
            case Balance() as balance:
                return _event("account_balance", _balance(balance))
            case Command() as command if event.kind is EventType.INTENT_ACTION:
                return _event("intent_action", _action(command))
            case Command() as command:
                return _event("command_outcome", _outcome(command))
            case AccountMoved() as moved:
                ids = (moved.account.account_id, moved.account.organization_id)
                return _event("account_status", _account_status(*ids, moved.status))

    def stamp(
        self, encoded: bytes, account_id: str, sequence: int, kind_sequence: int, previous: bytes
    ) -> tuple[bytes, bytes]:
        """The event with sequence, account_id, kind_sequence and chain appended, and its 32-byte hash.

        Protobuf messages concatenate, so the fields are appended to the ready bytes. The hash is
        SHA-256(previous hash, then the event's bytes with 1000 to 1002 and without 1003); the chain is its first 8
        bytes as a big-endian number (contract.md, TradingEvent.1003).
        """
        name = account_id.encode()
        numbered = b"".join(
            (
                encoded,
                _SEQUENCE,
                _varint(sequence),
                _ACCOUNT_ID,
                _varint(len(name)),
                name,
                _KIND_SEQUENCE,
                _varint(kind_sequence),
            )
        )
        digest = hashlib.sha256(previous + numbered).digest()
        return numbered + _CHAIN + digest[7::-1], digest

    def _instrument(self, instrument: Instrument) -> pb.Instrument:
        message = self._instruments.get(instrument)
        if message is None:
            message = self._instruments[instrument] = instrument_message(instrument)
        return message

    def order(self, order: Order) -> pb.BrokerOrder:
        """The message of an order."""
        terms, status = order.terms, order.status
        return pb.BrokerOrder(
            order_id=order.order_id,
            intent_id=order.intent_id,
            command_seq=order.command_seq,
            external_order_id=order.external_order_id,
            account_id=order.account_id,
            broker=_BROKER[order.broker],
            symbol=order.instrument.symbol,
            order_state=_enum("ORDER_STATE", state_of(status)),
            order_status=_enum("ORDER_STATUS", status),
            order_type=_enum("ORDER_TYPE", terms.order_type),
            order_side=_SIDE[order.order_side],
            limit_price=_maybe(terms.limit_price),
            stop_price=_maybe(terms.stop_price),
            average_price=_maybe(order.average_price),
            order_venue=_enum("ORDER_VENUE", order.order_venue),
            quantity=render(terms.quantity),
            filled_quantity=render(order.filled_quantity),
            time_in_force=_enum("TIME_IN_FORCE", terms.time_in_force),
            received_at=timestamp(order.received_at_ns),
            organization_id=order.organization_id,
            client_reference_id=order.client_reference_id,
            broker_sent_at=_maybe_time(order.broker_sent_at_ns),
            instrument=self._instrument(order.instrument),
            in_doubt_since=_maybe_time(order.in_doubt_since_ns),
            reason_code=order.reason_code,
            reason=order.reason,
            leaves_quantity=render(order.leaves_quantity),
            origin=_enum("ORDER_ORIGIN", order.origin),
            strategy_id=order.strategy_id,
            raw_status=order.raw_status,
            trail_amount=_maybe(terms.trail_amount),
            trail_percent=_maybe(terms.trail_percent),
        )

    def _trade(self, trade: Trade) -> pb.BrokerTrade:
        return pb.BrokerTrade(
            account_id=trade.account_id,
            order_id=trade.external_order_id or "",
            client_order_id=trade.order_id,
            symbol=trade.instrument.symbol,
            side=_SIDE[trade.order_side],
            quantity=render(trade.quantity),
            price=render(trade.price),
            received_at=timestamp(trade.received_at_ns),
            organization_id=trade.organization_id,
            exec_id=trade.exec_id,
            cumulative_quantity=render(trade.cumulative_quantity),
            order_quantity=render(trade.order_quantity),
            leaves_quantity=render(trade.leaves_quantity),
            broker_sent_at=_maybe_time(trade.broker_sent_at_ns),
            instrument=self._instrument(trade.instrument),
            intent_id=trade.intent_id,
            origin=_enum("ORDER_ORIGIN", trade.origin),
            strategy_id=trade.strategy_id or "",
            fees=[pb.Fee(kind=fee.kind, amount=render(fee.amount), currency=fee.currency) for fee in trade.fees],
            trade_date=trade.trade_date or "",
            venue=trade.venue or "",
            liquidity=_enum("LIQUIDITY", trade.liquidity),
        )

    def position(self, position: Position) -> pb.BrokerPosition:
        """The message of a position."""
        return pb.BrokerPosition(
            account_id=position.account_id,
            symbol=position.instrument.symbol,
            quantity=render(position.quantity),
            average_cost=render(position.average_cost),
            received_at=timestamp(position.received_at_ns),
            organization_id=position.organization_id,
            broker=_BROKER[position.broker],
            broker_sent_at=_maybe_time(position.broker_sent_at_ns),
            instrument=self._instrument(position.instrument),
            realized_pnl=render(position.realized_pnl),
            daily_pnl=_maybe(position.daily_pnl),
            value_bought=render(position.value_bought),
            value_sold=render(position.value_sold),
        )

    def _adjustment(self, adjustment: Adjustment) -> pb.Adjustment:
        instrument = adjustment.instrument
        return pb.Adjustment(
            account_id=adjustment.account_id,
            organization_id=adjustment.organization_id,
            kind=_enum("ADJUSTMENT_KIND", adjustment.kind),
            symbol="" if instrument is None else instrument.symbol,
            quantity_delta=render(adjustment.quantity_delta),
            cost_delta=_maybe(adjustment.cost_delta) or "",
            cash_delta=render(adjustment.cash_delta),
            note=adjustment.note,
            received_at=timestamp(adjustment.received_at_ns),
            adjustment_id=adjustment.adjustment_id,
            currency=adjustment.currency,
            broker_sent_at=_maybe_time(adjustment.broker_sent_at_ns),
            instrument=None if instrument is None else self._instrument(instrument),
            marks=[
                pb.Mark(instrument=self._instrument(one), price=render(mark)) for one, mark in adjustment.marks.items()
            ],
        )


def _balance(balance: Balance) -> pb.AccountBalance:
    return pb.AccountBalance(
        account_id=balance.account_id,
        organization_id=balance.organization_id,
        currency=balance.currency,
        cash=_maybe(balance.cash),
        buying_power=_maybe(balance.buying_power),
        equity=_maybe(balance.equity),
        initial_margin=_maybe(balance.initial_margin),
        maintenance_margin=_maybe(balance.maintenance_margin),
        received_at=timestamp(balance.received_at_ns),
    )


def _amendment(amendment: Amendment) -> pb.TradeAmendment:
    return pb.TradeAmendment(
        account_id=amendment.account_id,
        organization_id=amendment.organization_id,
        kind=_enum("TRADE_AMENDMENT_KIND", amendment.kind),
        exec_id=amendment.exec_id or "",
        new_exec_id=amendment.new_exec_id,
        order_id=amendment.external_order_id or "",
        client_order_id=amendment.order_id,
        intent_id=amendment.intent_id,
        symbol=amendment.instrument.symbol,
        side=_SIDE[amendment.order_side],
        quantity_before=render(amendment.quantity_before),
        price_before=render(amendment.price_before),
        quantity_after=render(amendment.quantity_after),
        price_after=render(amendment.price_after),
        reason=amendment.reason or "",
        received_at=timestamp(amendment.received_at_ns),
        broker_sent_at=_maybe_time(amendment.broker_sent_at_ns),
    )


def _action(command: Command) -> pb.IntentAction:
    terms = command.terms
    return pb.IntentAction(
        intent_id=command.intent_id,
        organization_id=command.organization_id,
        account_id=command.account_id,
        seq=command.seq,
        action_type=_enum("INTENT_ACTION_TYPE", command.action_type),
        symbol=command.instrument.symbol,
        order_side=_SIDE[command.order_side],
        order_type=_enum("ORDER_TYPE", terms.order_type),
        limit_price=_maybe(terms.limit_price),
        stop_price=_maybe(terms.stop_price),
        order_venue=_enum("ORDER_VENUE", command.order_venue),
        time_in_force=_enum("TIME_IN_FORCE", terms.time_in_force),
        quantity=render(terms.quantity),
        client_reference_id=command.client_reference_id,
        principal_type=_enum("INTENT_PRINCIPAL_TYPE", command.principal_type),
        received_at=timestamp(command.stamps.received_ns),
        created_at=timestamp(command.stamps.committed_ns),
        strategy_id=command.strategy_id,
        trail_amount=_maybe(terms.trail_amount),
        trail_percent=_maybe(terms.trail_percent),
    )


def _outcome(command: Command) -> pb.CommandOutcome:
    return pb.CommandOutcome(
        intent_id=command.intent_id,
        seq=command.seq,
        account_id=command.account_id,
        organization_id=command.organization_id,
        outcome=_enum("COMMAND_OUTCOME_KIND", command.outcome),
        reason_code=command.reason_code or "",
        reason=command.reason or "",
        at=timestamp(command.outcome_at_ns),
    )


def _account_status(account_id: str, organization_id: str, status: AccountStatus) -> pb.AccountStatus:
    return pb.AccountStatus(
        account_id=account_id,
        organization_id=organization_id,
        connection=_enum("ACCOUNT_CONNECTION", status.connection),
        reason_code=status.reason_code,
        reason=status.reason,
        since=timestamp(status.since_ns),
    )


def instrument_message(instrument: Instrument) -> pb.Instrument:
    """The contract's Instrument; what the catalogue does not know stays absent or unspecified."""
    match instrument:
        case instruments.Equity():
            return pb.Instrument(equity=pb.Equity(symbol=instrument.symbol, exchange=instrument.exchange))
        case instruments.Future():
            return pb.Instrument(
                future=pb.Future(
                    symbol=instrument.symbol,
                    root=instrument.root,
                    exchange=instrument.exchange,
                    expiration=timestamp(instrument.expiration_ns),
                    tick_size=render(instrument.tick_size),
                    multiplier=render(instrument.multiplier),
                    currency=instrument.currency,
                )
            )
        case instruments.OptionInstrument():
            return pb.Instrument(option_instrument=_option(instrument))
        case instruments.Currency():
            return pb.Instrument(
                currency=pb.Currency(symbol=instrument.symbol, base=instrument.base, quote=instrument.quote)
            )
        case instruments.Crypto():
            return pb.Instrument(
                crypto=pb.Crypto(
                    symbol=instrument.symbol,
                    base=instrument.base,
                    quote=instrument.quote,
                    venue=instrument.venue,
                    price_increment=render(instrument.tick_size),
                    quantity_increment=render(instrument.quantity_increment),
                )
            )
        case instruments.Perpetual():
            return pb.Instrument(perpetual=_perpetual(instrument))
        case instruments.Prediction():
            return pb.Instrument(prediction=_prediction(instrument))


def _option(option: instruments.OptionInstrument) -> pb.OptionInstrument:
    return pb.OptionInstrument(
        symbol=option.symbol,
        underlying=option.underlying,
        expiration=timestamp(option.expiration_ns),
        strike=render(option.strike),
        option_type=_enum("OPTION_TYPE", option.option_type),
        exercise_style=_enum("EXERCISE_STYLE", option.exercise_style),
        multiplier=render(option.multiplier),
        exchange=option.exchange,
        tick_size=_maybe(option.tick_size),
    )


def _perpetual(perpetual: instruments.Perpetual) -> pb.Perpetual:
    return pb.Perpetual(
        symbol=perpetual.symbol,
        base=perpetual.base,
        quote=perpetual.quote,
        venue=perpetual.venue,
        underlying=_enum("PERPETUAL_UNDERLYING", perpetual.underlying),
        settlement=_enum("SETTLEMENT", perpetual.settlement),
        multiplier=render(perpetual.multiplier),
        funding=pb.FundingSchedule(interval_seconds=perpetual.funding_interval_s),
        tick_size=render(perpetual.tick_size),
        quantity_increment=render(perpetual.quantity_increment),
    )


def _prediction(prediction: instruments.Prediction) -> pb.Prediction:
    return pb.Prediction(
        symbol=prediction.symbol,
        market=prediction.market,
        outcome=_enum("PREDICTION_OUTCOME", prediction.outcome),
        venue=prediction.venue,
        payout=render(prediction.payout),
        currency=prediction.currency,
        tick_size=render(prediction.tick_size),
        expiration=_maybe_time(prediction.expiration_ns),
    )


class ProtobufSessionEncoder:
    """The `SessionEncoder` port."""

    def __init__(self, encoder: ProtobufEncoder) -> None:
        self._encoder = encoder

    def frame(self, payload: bytes) -> bytes:
        return frame(payload)

    def state(self, event: Event | Said) -> bytes:
        return frame(unstamped(event.payload) if isinstance(event, Said) else self._encoder.encode(event))

    def status(
        self, message: str, code: str, account_id: str, head: int, epoch: str, resumes: Sequence[ResumeAnswer]
    ) -> bytes:
        answers = [
            pb.Resume(
                account_id=answer.account_id,
                outcome=getattr(pb, f"RESUME_OUTCOME_{answer.outcome}"),
                head=answer.head,
                oldest=answer.oldest,
            )
            for answer in resumes
        ]
        status = pb.Status(
            message=message, code=code, trading_account_id=account_id, head=head, epoch=epoch, resumes=answers
        )
        return frame(pb.TradingEvent(status=status).SerializeToString())

    def error(self, message: str, code: str, account_id: str) -> bytes:
        error = pb.Error(message=message, code=code, trading_account_id=account_id)
        return frame(pb.TradingEvent(error=error).SerializeToString())

    def primed(self, kind: EventType, account_id: str, as_of: int) -> bytes:
        primed = pb.Primed(event_type=EVENT_TYPE_NUMBERS[kind], trading_account_id=account_id, as_of=as_of)
        return frame(pb.TradingEvent(primed=primed).SerializeToString())

    def heartbeat(self, at_ns: int, delivered: int, epoch: str, heads: Sequence[AccountHead]) -> bytes:
        beat = pb.Heartbeat(
            sent_at=timestamp(at_ns),
            delivered=delivered,
            heads=[
                pb.AccountHead(
                    account_id=head.account_id, epoch=epoch, sequence=head.sequence, head=head.head, chain=head.chain
                )
                for head in heads
            ],
        )
        return frame(pb.TradingEvent(heartbeat=beat).SerializeToString())

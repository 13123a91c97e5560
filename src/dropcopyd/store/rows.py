"""Records to rows of the projections and back. One list of columns per table; amounts as decimal strings.

Words are taken by `_value_`: `value` is a descriptor that costs, over a commit, as much as one of its statements.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Final

from dropcopyd.domain import money
from dropcopyd.domain.account import Account, AccountConnection, AccountStatus, BrokerKind, PrincipalType
from dropcopyd.domain.command import Command, OutcomeKind, Stamps
from dropcopyd.domain.event import Trade
from dropcopyd.domain.instrument import AssetClass, Instrument, InstrumentKey
from dropcopyd.domain.order import (
    ActionType,
    Order,
    OrderOrigin,
    OrderSide,
    OrderTerms,
    OrderType,
    OrderVenue,
    PendingRequest,
    Split,
    TimeInForce,
)
from dropcopyd.domain.report import Fee, Liquidity

Row = sqlite3.Row
Instruments = Callable[[InstrumentKey], Instrument]
Values = dict[str, Any]


_NO_INTENT: Final = "external|"
"""Instead of an intent's id, with the order's: an order from outside has none at first, and the column is unique."""
ORDER_FIXED: Final = frozenset(
    {
        "account",
        "intent_id",
        "asset_class",
        "symbol",
        "order_side",
        "created_at_ns",
        "origin",
        "client_reference_id",
        "strategy_id",
    }
)
"""Columns of an order that never change; left out of updates, or their indexes would be written each time."""
_EXTERNAL_FIXED: Final = ORDER_FIXED - {"intent_id", "client_reference_id", "strategy_id"}


def order_fixed(order: Order) -> frozenset[str]:
    """The columns of this order that never change: one from outside gets its intent with the first command on it."""
    return _EXTERNAL_FIXED if order.origin is OrderOrigin.EXTERNAL else ORDER_FIXED


def upsert_sql(table: str, columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    """INSERT of those named columns that updates the row with the same key in place (its number stays)."""
    begin, end = upsert_parts(table, columns, key)
    return f"{begin} VALUES ({', '.join(f':{name}' for name in columns)}){end}"


@cache
def upsert_parts(
    table: str, columns: tuple[str, ...], key: tuple[str, ...], fixed: frozenset[str] = frozenset()
) -> tuple[str, str]:
    """What stands before and after the VALUES of an INSERT of those columns: without a key it only inserts, with one
    it updates the row with the same key in place, but for the `fixed` columns."""
    begin = f"INSERT INTO {table} ({', '.join(columns)})"
    if not key:
        return begin, ""
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in {*key, *fixed})
    return begin, f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"


@cache
def insert_sql(table: str, columns: tuple[str, ...]) -> str:
    """INSERT of those named columns."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})"  # noqa: S608


def order_values(account: int, order: Order) -> Values:
    """The row of an order."""
    return {
        "account": account,
        "order_id": order.order_id,
        "intent_id": order.intent_id or f"{_NO_INTENT}{order.order_id}",
        **_instrument_values(order.instrument),
        "order_side": order.order_side._value_,
        "order_venue": order.order_venue._value_,
        **_terms_values(order.terms),
        "last_seq": order.last_seq,
        "command_seq": order.command_seq,
        "created_at_ns": order.created_at_ns,
        "received_at_ns": order.received_at_ns,
        "origin": order.origin._value_,
        "client_reference_id": order.client_reference_id,
        "strategy_id": order.strategy_id,
        "external_order_id": order.external_order_id,
        "filled_quantity": money.render(order.filled_quantity),
        "filled_value": money.render(order.filled_value),
        "order_status": order.status._value_,
        "is_accepted": int(order.is_accepted),
        "is_rejected": int(order.is_rejected),
        "is_closed": int(order.is_closed),
        "closed_seq": order.closed_seq,
        "is_stopped": int(order.is_stopped),
        "is_done_for_day": int(order.is_done_for_day),
        "external_command_id": order.external_command_id,
        "pending": _pending(order.pending),
        "in_doubt_since_ns": order.in_doubt_since_ns,
        "reason_code": order.reason_code,
        "reason": order.reason,
        "raw_status": order.raw_status,
        "broker_sent_at_ns": order.broker_sent_at_ns,
        "is_working": int(order.is_working),
        "terms_sent_at_ns": order.terms_sent_at_ns,
        "splits": _splits_text(order.splits) if order.splits else "[]",
    }


def _splits_text(splits: Iterable[Split]) -> str:
    return json.dumps(
        [[one.at_ns, money.render(one.quantity_before), money.render(one.quantity_after)] for one in splits]
    )


def _splits_of(text: str) -> tuple[Split, ...]:
    if text == "[]":
        return ()
    return tuple(Split(at_ns, Decimal(before), Decimal(after)) for at_ns, before, after in json.loads(text))


def order_of(row: Row, account: Account, instruments: Instruments) -> Order:
    """The order of a row."""
    return Order(
        order_id=row["order_id"],
        intent_id="" if row["intent_id"].startswith(_NO_INTENT) else row["intent_id"],
        account_id=account.account_id,
        organization_id=account.organization_id,
        broker=account.broker,
        instrument=_instrument_of(row, instruments),
        order_side=OrderSide(row["order_side"]),
        order_venue=OrderVenue(row["order_venue"]),
        terms=_terms_of(row),
        last_seq=row["last_seq"],
        command_seq=row["command_seq"],
        created_at_ns=row["created_at_ns"],
        received_at_ns=row["received_at_ns"],
        origin=OrderOrigin(row["origin"]),
        client_reference_id=row["client_reference_id"],
        strategy_id=row["strategy_id"],
        external_order_id=row["external_order_id"],
        filled_quantity=Decimal(row["filled_quantity"]),
        filled_value=Decimal(row["filled_value"]),
        is_accepted=bool(row["is_accepted"]),
        is_rejected=bool(row["is_rejected"]),
        is_closed=bool(row["is_closed"]),
        closed_seq=row["closed_seq"],
        is_stopped=bool(row["is_stopped"]),
        is_done_for_day=bool(row["is_done_for_day"]),
        external_command_id=row["external_command_id"],
        pending=tuple(PendingRequest(seq, ActionType(action)) for seq, action in json.loads(row["pending"])),
        in_doubt_since_ns=row["in_doubt_since_ns"],
        reason_code=row["reason_code"],
        reason=row["reason"],
        raw_status=row["raw_status"],
        broker_sent_at_ns=row["broker_sent_at_ns"],
        terms_sent_at_ns=row["terms_sent_at_ns"],
        splits=_splits_of(row["splits"]),
    )


def command_values(account: int, command: Command) -> Values:
    """The row of a command."""
    stamps = command.stamps
    return {
        "account": account,
        "intent_id": command.intent_id,
        "seq": command.seq,
        "order_id": command.order_id,
        "broker_command_id": command.broker_command_id,
        "action_type": command.action_type._value_,
        **_instrument_values(command.instrument),
        "order_side": command.order_side._value_,
        "order_venue": command.order_venue._value_,
        **_terms_values(command.terms),
        "principal_type": command.principal_type._value_,
        "principal_id": command.principal_id,
        "client_reference_id": command.client_reference_id,
        "strategy_id": command.strategy_id,
        "deadline_ns": command.deadline_ns,
        "outcome": command.outcome._value_,
        "outcome_at_ns": command.outcome_at_ns,
        "reason_code": command.reason_code,
        "reason": command.reason,
        "received_ns": stamps.received_ns,
        "committed_ns": stamps.committed_ns,
        "attempt_begun_ns": stamps.attempt_begun_ns,
        "acknowledged_ns": stamps.acknowledged_ns,
        "first_fill_ns": stamps.first_fill_ns,
        "last_fill_ns": stamps.last_fill_ns,
    }


def command_of(row: Row, account: Account, instruments: Instruments) -> Command:
    """The command of a row."""
    return Command(
        intent_id=row["intent_id"],
        seq=row["seq"],
        order_id=row["order_id"],
        organization_id=account.organization_id,
        account_id=account.account_id,
        broker_command_id=row["broker_command_id"],
        action_type=ActionType(row["action_type"]),
        instrument=_instrument_of(row, instruments),
        order_side=OrderSide(row["order_side"]),
        order_venue=OrderVenue(row["order_venue"]),
        terms=_terms_of(row),
        principal_type=PrincipalType(row["principal_type"]),
        principal_id=row["principal_id"],
        stamps=Stamps(
            received_ns=row["received_ns"],
            committed_ns=row["committed_ns"],
            attempt_begun_ns=row["attempt_begun_ns"],
            acknowledged_ns=row["acknowledged_ns"],
            first_fill_ns=row["first_fill_ns"],
            last_fill_ns=row["last_fill_ns"],
        ),
        deadline_ns=row["deadline_ns"],
        client_reference_id=row["client_reference_id"],
        strategy_id=row["strategy_id"],
        outcome=OutcomeKind(row["outcome"]),
        outcome_at_ns=row["outcome_at_ns"],
        reason_code=row["reason_code"],
        reason=row["reason"],
    )


def trade_values(account: int, trade: Trade) -> Values:
    """The row of an execution."""
    return {
        "account": account,
        "order_id": trade.order_id,
        "intent_id": trade.intent_id,
        "external_order_id": trade.external_order_id,
        **_instrument_values(trade.instrument),
        "order_side": trade.order_side._value_,
        "quantity": money.render(trade.quantity),
        "price": money.render(trade.price),
        "received_at_ns": trade.received_at_ns,
        "execution_key": trade.execution_key,
        "exec_id": trade.exec_id,
        "cumulative_quantity": money.render(trade.cumulative_quantity),
        "order_quantity": money.render(trade.order_quantity),
        "leaves_quantity": money.render(trade.leaves_quantity),
        "broker_sent_at_ns": trade.broker_sent_at_ns,
        "origin": trade.origin._value_,
        "strategy_id": trade.strategy_id,
        "fees": _fees(trade.fees),
        "trade_date": trade.trade_date,
        "venue": trade.venue,
        "liquidity": trade.liquidity,
        "effective_quantity": _maybe_text(trade.effective_quantity),
        "effective_price": _maybe_text(trade.effective_price),
    }


def trade_of(row: Row, account: Account, instruments: Instruments) -> Trade:
    """The execution of a row."""
    return Trade(
        account_id=account.account_id,
        organization_id=account.organization_id,
        order_id=row["order_id"],
        intent_id=row["intent_id"],
        external_order_id=row["external_order_id"],
        instrument=_instrument_of(row, instruments),
        order_side=OrderSide(row["order_side"]),
        quantity=Decimal(row["quantity"]),
        price=Decimal(row["price"]),
        received_at_ns=row["received_at_ns"],
        execution_key=row["execution_key"],
        exec_id=row["exec_id"],
        cumulative_quantity=Decimal(row["cumulative_quantity"]),
        order_quantity=Decimal(row["order_quantity"]),
        leaves_quantity=Decimal(row["leaves_quantity"]),
        broker_sent_at_ns=row["broker_sent_at_ns"],
        origin=OrderOrigin(row["origin"]),
        strategy_id=row["strategy_id"],
        fees=tuple(Fee(kind, Decimal(amount), currency) for kind, amount, currency in json.loads(row["fees"])),
        trade_date=row["trade_date"],
        venue=row["venue"],
        liquidity=None if row["liquidity"] is None else Liquidity(row["liquidity"]),
        effective_quantity=_maybe_amount(row["effective_quantity"]),
        effective_price=_maybe_amount(row["effective_price"]),
    )


def account_of(row: Row) -> Account:
    """The account of a row."""
    return Account(
        number=row["number"],
        account_id=row["account_id"],
        organization_id=row["organization_id"],
        name=row["name"],
        broker=BrokerKind(row["broker"]),
        broker_settings=row["broker_settings"],
        time_zone=row["time_zone"],
        roll_time=row["roll_time"],
        reconcile_s=row["reconcile_s"],
        reconcile_version=row["reconcile_version"],
        created_at_ns=row["created_at_ns"],
        disabled_at_ns=row["disabled_at_ns"],
    )


def status_of(row: Row) -> AccountStatus:
    """The connection of an account's row."""
    return AccountStatus(
        connection=AccountConnection(row["connection"]),
        since_ns=row["connection_since_ns"],
        reason_code=row["reason_code"],
        reason=row["reason"],
    )


def _maybe_text(amount: Decimal | None) -> str | None:
    return None if amount is None else money.render(amount)


def _maybe_amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


_TERMS_DECIMALS: Final = ("limit_price", "stop_price", "trail_amount", "trail_percent")


def _terms_values(terms: OrderTerms) -> Values:
    return {
        "order_type": terms.order_type._value_,
        "quantity": money.render(terms.quantity),
        "time_in_force": terms.time_in_force._value_,
        "limit_price": _maybe_text(terms.limit_price),
        "stop_price": _maybe_text(terms.stop_price),
        "trail_amount": _maybe_text(terms.trail_amount),
        "trail_percent": _maybe_text(terms.trail_percent),
    }


def _pending(pending: Sequence[PendingRequest]) -> str:
    return json.dumps([[request.seq, request.action_type.value] for request in pending]) if pending else "[]"


def _fees(fees: Sequence[Fee]) -> str:
    return json.dumps([[fee.kind, money.render(fee.amount), fee.currency] for fee in fees]) if fees else "[]"


def _terms_of(row: Row) -> OrderTerms:
    return OrderTerms(
        order_type=OrderType(row["order_type"]),
        quantity=Decimal(row["quantity"]),
        time_in_force=TimeInForce(row["time_in_force"]),
        **{name: _maybe_amount(row[name]) for name in _TERMS_DECIMALS},
    )


def _instrument_values(instrument: Instrument) -> Values:
    return {"asset_class": instrument.asset_class._value_, "symbol": instrument.symbol}


def _instrument_of(row: Row, instruments: Instruments) -> Instrument:
    return instruments((AssetClass(row["asset_class"]), row["symbol"]))

"""Positions with their changes, adjustments and balances: records to rows and back, and pieces of folds.

Loading functions read within the caller's transaction.
"""

import json
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from dropcopyd.domain import money
from dropcopyd.domain.account import Account
from dropcopyd.domain.adjustment import NO_ROLL, Adjustment, AdjustmentKind, DayRoll
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.fold import Change, Execution, History, Posting, Step
from dropcopyd.domain.instrument import AssetClass, InstrumentKey, key_of
from dropcopyd.domain.position import Position
from dropcopyd.store import rows

Connection = sqlite3.Connection
_AMOUNTS: Final = (
    "quantity",
    "cost",
    "realized_pnl",
    "value_bought",
    "value_sold",
    "day_quantity",
    "day_cost",
    "day_realized_pnl",
)
_NUMBERS: Final = ("day_ns", "fold_ns", "fold_number")
_LAST_NS: Final = 2**63 - 1
_BALANCE_AMOUNTS: Final = ("cash", "buying_power", "equity", "initial_margin", "maintenance_margin")


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else money.render(amount)


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _figures_of(position: Position) -> rows.Values:
    """What the fold makes of a position."""
    return {
        **{name: money.render(getattr(position, name)) for name in _AMOUNTS},
        **{name: getattr(position, name) for name in _NUMBERS},
        "day_mark": _text(position.day_mark),
        "is_day_known": int(position.is_day_known),
    }


def _position(
    account: Account, key: InstrumentKey, figures: Any, instruments: rows.Instruments, **more: Any
) -> Position:
    facts: dict[str, Any] = {name: Decimal(figures[name]) for name in _AMOUNTS}
    facts.update((name, figures[name]) for name in _NUMBERS)
    return Position(
        account_id=account.account_id,
        organization_id=account.organization_id,
        broker=account.broker,
        instrument=instruments(key),
        day_mark=_amount(figures["day_mark"]),
        is_day_known=bool(figures["is_day_known"]),
        **facts,
        **more,
    )


def position_values(account: int, position: Position) -> rows.Values:
    """The row of a position."""
    return {
        "account": account,
        "asset_class": position.instrument.asset_class.value,
        "symbol": position.instrument.symbol,
        **_figures_of(position),
        "received_at_ns": position.received_at_ns,
        "broker_sent_at_ns": position.broker_sent_at_ns,
        "daily_pnl": _text(position.daily_pnl),
        "change_count": position.change_count,
        "is_quiet": int(position.is_quiet),
    }


def position_of(row: rows.Row, account: Account, instruments: rows.Instruments) -> Position:
    """The position of a row."""
    return _position(
        account,
        _key_of(row),
        row,
        instruments,
        received_at_ns=row["received_at_ns"],
        broker_sent_at_ns=row["broker_sent_at_ns"],
        daily_pnl=_amount(row["daily_pnl"]),
        change_count=row["change_count"],
    )


def change_values(account: int, posting: Posting) -> Iterator[rows.Values]:
    """The rows of what a posting has new."""
    for step in posting.written:
        yield {
            "account": account,
            "asset_class": posting.key[0].value,
            "symbol": posting.key[1],
            "fold_ns": step.change.fold_ns,
            "number": step.change.number,
            "ref": step.change.ref,
            **_effect_values(step.change.effect),
            "after": _after(step),
        }


def _effect_values(effect: Execution | Adjustment) -> rows.Values:
    if isinstance(effect, Adjustment):
        return {"signed_quantity": None, "price": None, "adjustment_id": effect.adjustment_id}
    signed, price = money.render(effect.signed_quantity), money.render(effect.price)
    return {"signed_quantity": signed, "price": price, "adjustment_id": None}


def _after(step: Step) -> str | None:
    return json.dumps(_figures_of(step.after)) if step.is_checkpoint else None


def adjustment_values(account: int, adjustment: Adjustment) -> rows.Values:
    """The row of an adjustment."""
    instrument = adjustment.instrument
    marks = {key_of(one): money.render(mark) for one, mark in adjustment.marks.items()}
    return {
        "account": account,
        "adjustment_id": adjustment.adjustment_id,
        "kind": adjustment.kind.value,
        "asset_class": None if instrument is None else instrument.asset_class.value,
        "symbol": None if instrument is None else instrument.symbol,
        "quantity_delta": money.render(adjustment.quantity_delta),
        "cost_delta": _text(adjustment.cost_delta),
        "cash_delta": money.render(adjustment.cash_delta),
        "currency": adjustment.currency,
        "note": adjustment.note,
        "received_at_ns": adjustment.received_at_ns,
        "broker_sent_at_ns": adjustment.broker_sent_at_ns,
        "marks": json.dumps([[key[0].value, key[1], mark] for key, mark in marks.items()]),
    }


def adjustment_of(row: rows.Row, account: Account, instruments: rows.Instruments) -> Adjustment:
    """The adjustment of a row."""
    marks = _marks_of(row)
    return Adjustment(
        account_id=account.account_id,
        organization_id=account.organization_id,
        adjustment_id=row["adjustment_id"],
        kind=AdjustmentKind(row["kind"]),
        received_at_ns=row["received_at_ns"],
        instrument=None if row["symbol"] is None else instruments(_key_of(row)),
        quantity_delta=Decimal(row["quantity_delta"]),
        cost_delta=_amount(row["cost_delta"]),
        cash_delta=Decimal(row["cash_delta"]),
        currency=row["currency"],
        note=row["note"],
        broker_sent_at_ns=row["broker_sent_at_ns"],
        marks={instruments(key): mark for key, mark in marks.items()},
    )


def balance_values(account: int, balance: Balance) -> rows.Values:
    """The row of a balance."""
    return {
        "account": account,
        "currency": balance.currency,
        **{name: _text(getattr(balance, name)) for name in _BALANCE_AMOUNTS},
        "received_at_ns": balance.received_at_ns,
    }


def balances(connection: Connection, account: Account) -> tuple[Balance, ...]:
    """An account's balances, by currency."""
    return tuple(
        Balance(
            account_id=account.account_id,
            organization_id=account.organization_id,
            currency=row["currency"],
            received_at_ns=row["received_at_ns"],
            **{name: _amount(row[name]) for name in _BALANCE_AMOUNTS},
        )
        for row in connection.execute("SELECT * FROM balances WHERE account = ? ORDER BY currency", (account.number,))
    )


def last_roll(connection: Connection, account: Account) -> DayRoll:
    """Where the account's day began."""
    row = connection.execute(
        "SELECT broker_sent_at_ns, marks FROM adjustments WHERE account = ? AND kind = 'DAY_ROLL'"
        " ORDER BY broker_sent_at_ns DESC LIMIT 1",
        (account.number,),
    ).fetchone()
    return NO_ROLL if row is None else DayRoll(row["broker_sent_at_ns"], _marks_of(row))


def find_adjustment(
    connection: Connection, account: Account, instruments: rows.Instruments, adjustment_id: str
) -> Adjustment | None:
    """The account's adjustment with that id."""
    row = connection.execute(
        "SELECT * FROM adjustments WHERE account = ? AND adjustment_id = ?", (account.number, adjustment_id)
    ).fetchone()
    return None if row is None else adjustment_of(row, account, instruments)


def find_position(
    connection: Connection, account: Account, instruments: rows.Instruments, key: InstrumentKey
) -> Position | None:
    """The account's position of that instrument."""
    row = connection.execute(
        "SELECT * FROM positions WHERE account = ? AND asset_class = ? AND symbol = ?",
        (account.number, key[0].value, key[1]),
    ).fetchone()
    return None if row is None else position_of(row, account, instruments)


def history(
    connection: Connection,
    account: Account,
    instruments: rows.Instruments,
    key: InstrumentKey,
    *,
    ref: str | None = None,
    fold_ns: int = 0,
) -> History | None:
    """The fold from the checkpoint before a change, or before a time; None for a change that is not there."""
    place = (fold_ns, 0)
    if ref is not None:
        row = connection.execute(
            "SELECT fold_ns, number FROM position_changes WHERE account = ? AND ref = ?", (account.number, ref)
        ).fetchone()
        if row is None:
            return None
        place = row["fold_ns"], row["number"]
    return history_between(connection, account, instruments, key, first=place)


def history_between(
    connection: Connection,
    account: Account,
    instruments: rows.Instruments,
    key: InstrumentKey,
    *,
    first: tuple[int, int],
    last: tuple[int, int] = (_LAST_NS, 0),
) -> History:
    """The fold from the checkpoint before a place up to another one, included."""
    whose = (account.number, key[0].value, key[1])
    of_position = "SELECT * FROM position_changes WHERE account = ? AND asset_class = ? AND symbol = ?"
    start = connection.execute(
        f"{of_position} AND (fold_ns, number) < (?, ?) AND after IS NOT NULL"
        " ORDER BY fold_ns DESC, number DESC LIMIT 1",
        (*whose, *first),
    ).fetchone()
    figures = _ORIGIN if start is None else json.loads(start["after"])
    found = connection.execute(
        f"{of_position} AND (fold_ns, number) > (?, ?) AND (fold_ns, number) <= (?, ?) ORDER BY fold_ns, number",
        (*whose, figures["fold_ns"], figures["fold_number"], *last),
    ).fetchall()
    return History(
        _position(account, key, figures, instruments),
        tuple((_change_of(connection, row, account, instruments), row["after"] is not None) for row in found),
    )


_ORIGIN: Final[rows.Values] = {
    **dict.fromkeys(_AMOUNTS, "0"),
    **dict.fromkeys(_NUMBERS, 0),
    "day_mark": None,
    "is_day_known": 1,
}


def _change_of(connection: Connection, row: rows.Row, account: Account, instruments: rows.Instruments) -> Change:
    effect: Execution | Adjustment
    if row["adjustment_id"] is None:
        effect = Execution(Decimal(row["signed_quantity"]), Decimal(row["price"]))
    else:
        found = find_adjustment(connection, account, instruments, row["adjustment_id"])
        if found is None:
            raise sqlite3.IntegrityError(f"adjustment {row['adjustment_id']!r} is missing")
        effect = found
    return Change(row["fold_ns"], row["number"], row["ref"], effect)


def _marks_of(row: rows.Row) -> dict[InstrumentKey, Decimal]:
    return {(AssetClass(one), symbol): Decimal(mark) for one, symbol, mark in json.loads(row["marks"])}


def _key_of(row: rows.Row) -> InstrumentKey:
    return AssetClass(row["asset_class"]), row["symbol"]

"""Adjustments, the roll of the day, and balances."""

from dataclasses import replace

from dropcopyd.domain import money
from dropcopyd.domain.adjustment import Adjustment, AdjustmentKind, DayRoll
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.breaks import Break, BreakKind
from dropcopyd.domain.event import Batch, Event, EventType
from dropcopyd.domain.fold import adjustment_ref
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.machine.connection import take_cursor
from dropcopyd.domain.posting import PositionDraft
from dropcopyd.domain.report import AdjustmentReport, BalanceReport
from dropcopyd.domain.state import AccountState

_POSITION_KINDS = frozenset(AdjustmentKind) - {AdjustmentKind.FEE, AdjustmentKind.DAY_ROLL}


def take_adjustment(
    state: AccountState, report: AdjustmentReport, instrument: Instrument | None, now_ns: int
) -> Batch | None:
    """A change of a position or of cash that the broker reports; `instrument` is the one that `report.key` names.

    The same adjustment_id again changes nothing; with other content, or with an instrument that the catalogue does not
    have, it is a break. A broker does not roll our day: such a report is passed over. Raises
    NeedsRecords.
    """
    known = state.adjustment_of(report.adjustment_id)
    at_ns = max(now_ns, state.last_ns)
    adjustment = _adjustment_of(state, report, instrument, at_ns)
    problem = _problem_of(report, adjustment, known)
    if problem is not None:
        detail = f"adjustment {report.adjustment_id!r} ({report.kind}) {problem}"
        told = Break(kind=BreakKind.ADJUSTMENT_REFUSED, subject=report.adjustment_id, detail=detail, at_ns=at_ns)
        cursor = report.cursor or None
        return Batch(account_id=state.account.account_id, at_ns=at_ns, report_cursor=cursor, breaks=(told,))
    if known is not None:
        return take_cursor(state, report.cursor, now_ns)
    return _adjusted(state, adjustment, report.cursor or None)


def _problem_of(report: AdjustmentReport, adjustment: Adjustment, known: Adjustment | None) -> str | None:
    if report.kind is AdjustmentKind.DAY_ROLL:
        return "is not the broker's to report"
    if report.key is not None and adjustment.instrument is None:
        return f"concerns {report.key[0]} {report.key[1]}, which is not in the catalogue: the position is wrong now"
    if known is not None and replace(known, received_at_ns=adjustment.received_at_ns) != adjustment:
        return "was reported again with other content"
    return None


def _adjustment_of(
    state: AccountState, report: AdjustmentReport, instrument: Instrument | None, at_ns: int
) -> Adjustment:
    return Adjustment(
        account_id=state.account.account_id,
        organization_id=state.account.organization_id,
        adjustment_id=report.adjustment_id,
        kind=report.kind,
        received_at_ns=at_ns,
        instrument=instrument,
        quantity_delta=report.quantity_delta or money.ZERO,
        cost_delta=report.cost_delta,
        cash_delta=report.cash_delta or money.ZERO,
        currency=report.currency,
        note=report.note,
        broker_sent_at_ns=report.broker_sent_at_ns,
    )


def _adjusted(state: AccountState, adjustment: Adjustment, cursor: str | None) -> Batch:
    draft = PositionDraft(state, adjustment.received_at_ns)
    events = [Event(EventType.ADJUSTMENT, adjustment)]
    if adjustment.instrument is not None and adjustment.kind in _POSITION_KINDS:
        ref = adjustment_ref(adjustment.adjustment_id)
        position = draft.take(adjustment.instrument, ref, adjustment, adjustment.broker_sent_at_ns)
        events.append(Event(EventType.BROKER_POSITION, position))
    return Batch(
        account_id=adjustment.account_id,
        at_ns=adjustment.received_at_ns,
        events=tuple(events),
        positions=draft.positions,
        postings=draft.postings,
        adjustments=(adjustment,),
        report_cursor=cursor,
    )


def roll_day(state: AccountState, roll_at_ns: int, day: str, now_ns: int) -> Batch | None:
    """A new day of the account began at `roll_at_ns`; None when that is known.

    What is held is marked with the prices known now, and every position that is held or moved since the last roll is
    published again with its day begun anew. Raises NeedsRecords.
    """
    if state.roll.at_ns >= roll_at_ns:
        return None
    at_ns = max(now_ns, state.last_ns)
    held = [position.instrument for position in state.positions.values() if position.quantity]
    marks = {one: mark for one in held if (mark := state.marks(one)) is not None}
    adjustment = Adjustment(
        account_id=state.account.account_id,
        organization_id=state.account.organization_id,
        adjustment_id=f"day-roll|{day}|{roll_at_ns}",
        kind=AdjustmentKind.DAY_ROLL,
        received_at_ns=at_ns,
        note=day,
        broker_sent_at_ns=roll_at_ns,
        marks=marks,
    )
    roll = DayRoll(roll_at_ns, {key_of(one): mark for one, mark in marks.items()})
    draft = PositionDraft(state, at_ns)
    positions = draft.day_roll(roll)
    return Batch(
        account_id=state.account.account_id,
        at_ns=at_ns,
        events=(
            Event(EventType.ADJUSTMENT, adjustment),
            *(Event(EventType.BROKER_POSITION, position) for position in positions),
        ),
        positions=draft.positions,
        postings=draft.postings,
        adjustments=(adjustment,),
        roll=roll,
    )


def take_balance(state: AccountState, report: BalanceReport, now_ns: int) -> Batch | None:
    """The broker's figures of one currency; None when nothing of them changed."""
    at_ns = max(now_ns, state.last_ns)
    balance = Balance(
        account_id=state.account.account_id,
        organization_id=state.account.organization_id,
        currency=report.currency,
        received_at_ns=at_ns,
        cash=report.cash,
        buying_power=report.buying_power,
        equity=report.equity,
        initial_margin=report.initial_margin,
        maintenance_margin=report.maintenance_margin,
    )
    known = state.balances.get(report.currency)
    if known is not None and replace(known, received_at_ns=at_ns) == balance:
        return take_cursor(state, report.cursor, now_ns)
    return Batch(
        account_id=balance.account_id,
        at_ns=at_ns,
        events=(Event(EventType.ACCOUNT_BALANCE, balance),),
        balances=(balance,),
        report_cursor=report.cursor or None,
    )

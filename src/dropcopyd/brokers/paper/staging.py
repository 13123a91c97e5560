"""Where an order is in time: waiting for its hours, live, due in an auction, or over. Pure.

A function of the order, its instrument's hours and the time, so that an exchange that comes back after any pause finds
every order where it belongs.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dropcopyd.brokers.paper.records import PaperOrder, Reason
from dropcopyd.brokers.paper.rules import Objection, expiration_of
from dropcopyd.brokers.paper.sessions import HOUR_NS, Hours, auction_of, render_moment
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.order import OrderTerms, TimeInForce

AUCTION_LATE_NS: Final = HOUR_NS
"""An auction that the exchange was not there for, or had no quote for, is held up to so long after its time."""
AT_ONCE: Final = frozenset({TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL})


class Stage(StrEnum):
    WAITING = "waiting"
    LIVE = "live"
    AUCTION = "auction"
    """Its auction's time has come."""
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Staged:
    """An order's stage, until when it lasts (None: for good), and the trading day that it belongs to."""

    stage: Stage
    until_ns: int | None
    trade_date: str


def stage_of(order: PaperOrder, hours: Hours, at_ns: int) -> Staged:
    """Where the order is at that time."""
    staged = _by_hours(order.terms, hours, order.since_ns, at_ns)
    expires_ns = expiration_of(order.instrument)
    if expires_ns is None:
        return staged
    if at_ns >= expires_ns:
        return Staged(Stage.OVER, None, staged.trade_date)
    until_ns = expires_ns if staged.until_ns is None else min(staged.until_ns, expires_ns)
    return Staged(staged.stage, until_ns, staged.trade_date)


def objection_to_time(instrument: Instrument, terms: OrderTerms, hours: Hours, at_ns: int) -> Objection | None:
    """Why an order cannot be entered, or changed to these terms, at that time, or None."""
    kind = auction_of(terms)
    if kind is not None:
        call = hours.auction_after(kind, at_ns)
        if call is None:
            return Reason.NO_AUCTION, f"{instrument.symbol} has no {kind} auction"
        if at_ns >= call.cutoff_ns:
            cutoff, held = render_moment(call.cutoff_ns), render_moment(call.at_ns)
            return Reason.AUCTION_CUTOFF, f"the {kind} auction of {held} took orders until {cutoff}"
        return None
    staged = _by_hours(terms, hours, at_ns, at_ns)
    if terms.time_in_force in AT_ONCE and staged.stage is not Stage.LIVE:
        opens = render_moment(staged.until_ns or at_ns)
        return Reason.MARKET_CLOSED, f"{instrument.symbol} trades again from {opens}; nothing can fill at once"
    return None


def objection_to_withdrawal(order: PaperOrder, hours: Hours, at_ns: int) -> Objection | None:
    """Why an order can no longer be cancelled or changed: its auction's cut-off is past."""
    kind = auction_of(order.terms)
    call = None if kind is None else hours.auction_after(kind, order.since_ns)
    if call is None or at_ns < call.cutoff_ns:
        return None
    cutoff, held = render_moment(call.cutoff_ns), render_moment(call.at_ns)
    return Reason.AUCTION_CUTOFF, f"orders for the {call.kind} auction of {held} stand since {cutoff}"


def trade_date_at(instrument_hours: Hours, at_ns: int) -> str:
    """The trading day of something that happens at that time."""
    return instrument_hours.session_after(at_ns, is_extended=True).trade_date


def _by_hours(terms: OrderTerms, hours: Hours, since_ns: int, at_ns: int) -> Staged:
    kind = auction_of(terms)
    if kind is not None:
        call = hours.auction_after(kind, since_ns)
        if call is None:
            return Staged(Stage.OVER, None, trade_date_at(hours, since_ns))
        if at_ns < call.at_ns:
            return Staged(Stage.WAITING, call.at_ns, call.trade_date)
        is_due = at_ns < call.at_ns + AUCTION_LATE_NS
        return Staged(Stage.AUCTION if is_due else Stage.OVER, call.at_ns + AUCTION_LATE_NS, call.trade_date)
    is_extended = terms.time_in_force is TimeInForce.EXT
    is_kept = terms.time_in_force is TimeInForce.GOOD_TILL_CANCEL
    session = hours.session_after(at_ns if is_kept else since_ns, is_extended=is_extended)
    begins_ns = session.begins_ns if is_extended else session.open_ns
    ends_ns = session.ends_ns if is_extended else session.close_ns
    if at_ns < begins_ns:
        return Staged(Stage.WAITING, begins_ns, session.trade_date)
    if at_ns < ends_ns:
        return Staged(Stage.LIVE, ends_ns, session.trade_date)
    return Staged(Stage.OVER, None, session.trade_date)

"""Breaks: what a broker says that cannot be true together with what it said before, or that names what nobody knows;
and where its snapshots differ from the record.

A break is kept, logged and counted; it never changes an order by itself. What is in doubt is settled by a person or by
reconciliation, not by a guess.
"""

from dataclasses import dataclass
from enum import StrEnum


class BreakKind(StrEnum):
    EXECUTION_DIFFERS = "EXECUTION_DIFFERS"
    """An execution was reported again with other figures; the first ones stand."""
    EXECUTION_UNREADABLE = "EXECUTION_UNREADABLE"
    """An execution, or an amendment of one, without a quantity or price that has a value; not taken in."""
    EXECUTION_UNKNOWN = "EXECUTION_UNKNOWN"
    """An amendment of an execution that nobody here knows; it waits for it."""
    AMENDMENT_DIFFERS = "AMENDMENT_DIFFERS"
    """An amendment was reported again with other figures; the first ones stand."""
    CUMULATIVE_DIFFERS = "CUMULATIVE_DIFFERS"
    """The broker's cumulative quantity is not the sum of the executions taken in."""
    OVERFILLED = "OVERFILLED"
    """More was filled than the order asked for; it counts."""
    FILLED_RAISED = "FILLED_RAISED"
    """A filled order's quantity was raised at a broker that is said not to do that; it is in force."""
    ORDER_UNKNOWN = "ORDER_UNKNOWN"
    """A report of an order that nobody here knows, without a description to keep it by."""
    INSTRUMENT_UNKNOWN = "INSTRUMENT_UNKNOWN"
    """An order of somebody else in an instrument that is not in the catalogue."""
    ORDER_ID_REUSED = "ORDER_ID_REUSED"
    """The broker's order id names another order than before; they are kept apart."""
    DEAD_ORDER_ALIVE = "DEAD_ORDER_ALIVE"
    """An order taken for dead is alive at the broker: the broker is the truth."""
    COMMAND_OVERTURNED = "COMMAND_OVERTURNED"
    """A replace or cancel taken for ended is done at the broker: the broker is the truth."""
    ADJUSTMENT_REFUSED = "ADJUSTMENT_REFUSED"
    """An adjustment that cannot be booked: with other content than before, in an unknown instrument, or not the
    broker's to report."""
    PARKED_FULL = "PARKED_FULL"
    """Too many reports wait for what they name; this one is lost."""
    # found by reconciliation, see domain/reconciliation.py
    MISSING_FILL = "MISSING_FILL"
    """The broker lists an execution that was never told."""
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    """The broker has an order open that nobody here knows."""
    QUANTITY = "QUANTITY"
    """A quantity of an order or execution differs, or whether the order works at all."""
    PRICE = "PRICE"
    """A price of an order or execution differs."""
    POSITION = "POSITION"
    CASH = "CASH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One break. The same `kind` and `subject` again is the same break: it is counted, not repeated."""

    kind: BreakKind
    subject: str
    """What it is about, as precisely as it has a name: an order, an execution, a command."""
    detail: str
    at_ns: int
    order_id: str | None = None

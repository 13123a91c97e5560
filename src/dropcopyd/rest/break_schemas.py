"""The shapes of reconciliations, breaks and explanations, and the body of a resolution.

Answers are described, and written by hand in their routes; a test proves every answer to be one of these.
"""

from typing import Annotated, Literal

from pydantic import Field

from dropcopyd.domain.amendment import AmendmentKind
from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.order import OrderSide
from dropcopyd.domain.reconciliation import BreakStatus, Closing, Figure, ResolutionAction, Trigger, Verdict
from dropcopyd.rest.account_schemas import Position
from dropcopyd.rest.control_bodies import Whole
from dropcopyd.rest.shapes import Amount, Shape, Time, Uuid

_AMOUNT = r"[0-9]{1,20}(\.[0-9]{1,18})?$"
Signed = Annotated[str, Field(pattern=f"^-?{_AMOUNT}", description="An exact decimal, never a JSON number.")]
Unsigned = Annotated[str, Field(pattern=f"^{_AMOUNT}", description="An exact decimal, never a JSON number.")]


class Reconciliation(Shape):
    """One comparison of the record with the broker's snapshots."""

    reconciliation_id: Uuid
    account_id: Uuid
    trigger: Trigger
    verdict: Verdict
    begun_at: Time
    ended_at: Time
    snapshots: int
    mended: int = Field(description="Reports taken in from what the broker lists.")
    healed: int = Field(description="Breaks found that the broker's own list has mended.")
    opened: int
    closed: int
    standing: int = Field(description="Tickets open or accepted after it.")
    detail: str | None


class Interval(Shape):
    """How often an account is reconciled: its own interval, null = as the gateway does, 0 = never by the timer."""

    account_id: Uuid
    organization_id: Uuid
    reconcile_s: int | None
    version: int


class SetInterval(Shape):
    """Seconds between reconciliations; 0 = none by the timer, null = as the gateway does."""

    reconcile_s: Whole | None


class ReconciliationPage(Shape):
    """Newest first."""

    data: list[Reconciliation]
    next_cursor: str | None


class Resolution(Shape):
    """What a person decided; `asked` is the rest of his request, `booked` the id of what was booked."""

    action: ResolutionAction
    reason: str
    principal_id: str
    at: Time
    asked: dict[str, str]
    booked: str | None


class Break(Shape):
    """A break. Where reconciliation found it, `ours` and `theirs` are the two figures of `figure`; where a broker said
    what cannot be, only `detail` tells."""

    break_id: Uuid
    account_id: Uuid
    kind: BreakKind
    status: BreakStatus
    subject: str
    figure: Figure | None
    ours: str | None
    theirs: str | None
    difference: Amount | None = Field(description="The broker's amount less ours.")
    detail: str
    asset_class: AssetClass | None
    symbol: str | None
    order_id: str | None
    first_at: Time
    last_at: Time
    times: int
    actions: list[ResolutionAction] = Field(description="What may be decided about it.")
    closing: Closing | None
    closed_at: Time | None
    resolution: Resolution | None


class BreakPage(Shape):
    """Newest first."""

    data: list[Break]
    next_cursor: str | None


class Resolve(Shape):
    """A decision about a break. What is left out is taken from the break where it says it."""

    action: Literal["ACCEPT", "BOOK_ADJUSTMENT", "BOOK_EXECUTION", "BOOK_CORRECTION", "CLOSE_ORDER"]
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    kind: Literal["MANUAL", "OPENING", "TRANSFER"] = "MANUAL"
    quantity_delta: Signed | None = None
    cost_delta: Signed | None = None
    cash_delta: Signed | None = None
    order_id: Uuid | None = None
    quantity: Unsigned | None = None
    price: Signed | None = None
    executed_at: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class ExplainedAmendment(Shape):
    """A bust or correction of an execution, in the order they came."""

    kind: AmendmentKind
    sequence: int | None
    at: Time
    exec_id: str | None
    new_exec_id: str | None
    quantity_before: Amount
    price_before: Amount
    quantity_after: Amount
    price_after: Amount
    reason: str | None


class Running(Shape):
    """The position after a change."""

    quantity: Amount
    average_cost: Amount
    cost: Amount
    realized_pnl: Amount


class Change(Shape):
    """One change of a position at its place. `kind` is EXECUTION or an adjustment's kind; quantity and price of an
    execution are those in force, `reported_` those first told."""

    kind: str
    sequence: int | None = Field(description="Of its event in the journal.")
    at: Time
    broker_sent_at: Time | None
    quantity_delta: Amount
    price: Amount | None
    order_id: str | None
    intent_id: str | None
    external_order_id: str | None
    exec_id: str | None
    side: OrderSide | None
    reported_quantity: Amount | None
    reported_price: Amount | None
    is_placeholder: bool
    amendments: list[ExplainedAmendment]
    adjustment_id: str | None
    cost_delta: Amount | None
    cash_delta: Amount | None
    note: str | None
    after: Running


class Explanation(Shape):
    """A page of the changes that make a position, in the order of the fold, and the position they make."""

    data: list[Change]
    next_cursor: str | None
    position: Position
    changes: int = Field(description="How many there are in all.")
    head: int = Field(description="The journal's head at which all of it was read.")

"""The shapes of flattens."""

from typing import Literal

from dropcopyd.rest.shapes import Amount, Shape, Time, Uuid


class FlattenLeg(Shape):
    """One position on its way to zero; `quantity` is what was held when it was first seen."""

    symbol: str
    asset_class: str
    quantity: Amount
    status: Literal["WAITING", "CLOSING", "FLAT", "FAILED"]
    reason_code: str | None
    reason: str | None
    intent_id: str | None
    order_quantity: Amount | None


class Flatten(Shape):
    """A flatten: DONE when nothing works and nothing is held, INCOMPLETE when something is left and why."""

    flatten_id: Uuid
    account_id: Uuid
    status: Literal["RUNNING", "DONE", "INCOMPLETE"]
    key_id: str
    reason: str | None
    started_at: Time
    deadline: Time
    finished_at: Time | None
    positions: list[FlattenLeg]


class FlattenPage(Shape):
    """By when they began."""

    data: list[Flatten]
    next_cursor: str | None

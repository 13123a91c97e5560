"""The shapes of cancel on disconnect."""

from dropcopyd.rest.shapes import Shape, Time


class Arming(Shape):
    """Cancel on disconnect of one strategy; null = every order of the account."""

    strategy_id: str | None
    grace_s: int
    armed: bool
    connected: bool
    key_id: str
    armed_at: Time
    fired_at: Time | None


class ArmingPage(Shape):
    """By strategy."""

    data: list[Arming]
    next_cursor: None

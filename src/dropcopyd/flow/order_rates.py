"""Order rates: how many orders a second a control lets pass."""

from collections import deque
from typing import Final

from dropcopyd.domain.controls import Control, Objection, Place
from dropcopyd.ports import Clock

_NS: Final = 1_000_000_000


class OrderRates:
    """The orders of the last second, of each control that limits them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: dict[Place, deque[int]] = {}

    def objection(self, control: Control) -> Objection | None:
        """Whether one order more would be too many now."""
        limit = control.limits.orders_per_second_max
        if limit is None:
            return None
        count = len(self._recent(control))
        if count < limit:
            return None
        text = f"{count + 1} orders within a second, above {limit}"
        return Objection(control.scope, control.subject, "orders_per_second_max", str(limit), str(count + 1), text)

    def count(self, control: Control) -> None:
        """An order has passed."""
        if control.limits.orders_per_second_max is None:
            self._times.pop(control.place, None)
        else:
            self._recent(control).append(self._clock.monotonic_ns())

    def _recent(self, control: Control) -> deque[int]:
        """When the orders of the last second were taken; never more than the limit."""
        times = self._times.setdefault(control.place, deque())
        since_ns = self._clock.monotonic_ns() - _NS
        while times and times[0] <= since_ns:
            times.popleft()
        return times

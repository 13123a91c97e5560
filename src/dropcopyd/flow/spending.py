"""What attenuated keys may send and have sent: counters in memory, committed with each command, read back at a start.

Judged inside the account's serial section; judging and counting are one turn of the event loop, so that two accounts
cannot both use the last of a key's day.
"""

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from dropcopyd.domain import money
from dropcopyd.domain.account import Account
from dropcopyd.domain.attenuation import UNATTENUATED, Attenuation, Spending
from dropcopyd.domain.controls import Ask, Control, ControlScope, Objection, Risk
from dropcopyd.domain.day import latest_roll
from dropcopyd.domain.key_limits import (
    added_notional,
    control_of,
    day_objection,
    minute_objection,
    standing_objection,
)
from dropcopyd.domain.keys import KeyRecord
from dropcopyd.domain.order import OrderTerms
from dropcopyd.ports import Spent

_MINUTE_NS: Final = 60_000_000_000
_DAYS_KEPT: Final = 3


@dataclass(frozen=True, slots=True)
class KeyAsk:
    """A command of an attenuated key that is to be judged; `before` are the terms that a replace would replace."""

    control: Control
    limits: Attenuation
    account: Account
    ask: Ask
    before: OrderTerms | None


class KeySpending:
    """The counters of all attenuated keys."""

    def __init__(self) -> None:
        self._limits: dict[str, Attenuation] = {}
        self._notionals: dict[str, dict[tuple[str, str], Decimal]] = {}
        """By key: (currency, day) -> what was sent."""
        self._orders: dict[str, deque[int]] = {}
        self._revoked: set[str] = set()

    def load(self, spent: Spent) -> None:
        """Take up what was committed before."""
        self._limits.update(spent.limits)
        for (key_id, day, currency), notional in spent.notionals.items():
            self._notionals.setdefault(key_id, {})[currency, day] = notional
        for key_id, at_ns in spent.orders:
            self._orders.setdefault(key_id, deque()).append(at_ns)

    def learn(self, key_id: str, limits: Attenuation, organization_id: str) -> Control:
        """The key's rules as they are now, kept for the moment when its commands are about to leave."""
        self._limits[key_id] = limits
        return control_of(key_id, organization_id, limits)

    def forget(self, key_id: str) -> None:
        """The key is not attenuated, or not any more."""
        self._limits.pop(key_id, None)

    def renew(self, record: KeyRecord) -> None:
        """Take up a key as it is now, before one of its commands leaves."""
        if record.is_disabled:
            self._revoked.add(record.key_id)
        elif record.settings.attenuation == UNATTENUATED:
            self.forget(record.key_id)
        else:
            self._limits[record.key_id] = record.settings.attenuation

    def revoked(self, key_id: str | None) -> Objection | None:
        """The objection to what a revoked key has sent and has not left yet."""
        if key_id is None or key_id not in self._revoked:
            return None
        return Objection(ControlScope.KEY, key_id, "key_revoked", "false", "true", "the key that sent it was revoked")

    def known(self, key_id: str | None, organization_id: str) -> tuple[Control, Attenuation] | None:
        """The rules of whoever sent a command, if they are any."""
        limits = self._limits.get(key_id or "")
        return None if key_id is None or limits is None else (control_of(key_id, organization_id, limits), limits)

    def objection(self, asked: KeyAsk, risk: Risk) -> Objection | None:
        """The first limit that the command breaks."""
        key_id, limits, ask = asked.control.subject, asked.limits, asked.ask
        found = standing_objection(asked.control, limits, ask, risk)
        if found is None and limits.orders_per_minute_max is not None:
            found = minute_objection(key_id, limits.orders_per_minute_max, self._count(key_id, ask.now_ns))
        if found is None and limits.day_notional_max is not None:
            added = added_notional(ask, asked.before)
            spent = self._spent(asked)
            found = day_objection(key_id, limits.day_notional_max, spent, added, ask.instrument.symbol)
        return found

    def spend(self, asked: KeyAsk) -> Spending:
        """Count a command that has passed everything; what it leaves is committed with it."""
        key_id, limits, ask = asked.control.subject, asked.limits, asked.ask
        day, currency = latest_roll(asked.account, ask.now_ns).day, ask.instrument.currency
        notional = None
        if limits.day_notional_max is not None:
            notional = money.add(self._spent(asked), added_notional(ask, asked.before) or money.ZERO)
            self._keep(key_id, currency, day, notional)
        counts_order = limits.orders_per_minute_max is not None
        if counts_order:
            self._orders.setdefault(key_id, deque()).append(ask.now_ns)
        return Spending(
            key_id=key_id, at_ns=ask.now_ns, day=day, currency=currency, notional=notional, counts_order=counts_order
        )

    def _spent(self, asked: KeyAsk) -> Decimal:
        day = latest_roll(asked.account, asked.ask.now_ns).day
        days = self._notionals.get(asked.control.subject, {})
        return days.get((asked.ask.instrument.currency, day), money.ZERO)

    def _keep(self, key_id: str, currency: str, day: str, notional: Decimal) -> None:
        days = self._notionals.setdefault(key_id, {})
        days[currency, day] = notional
        of_currency = sorted(place for place in days if place[0] == currency)
        for place in of_currency[:-_DAYS_KEPT]:
            if place[1] != day:  # a clock that was put back makes today an early one
                del days[place]

    def _count(self, key_id: str, now_ns: int) -> int:
        """Orders of the last minute; a clock that was put back leaves them counted."""
        times = self._orders.get(key_id)
        if times is None:
            return 0
        while times and times[0] <= now_ns - _MINUTE_NS:
            times.popleft()
        return len(times)

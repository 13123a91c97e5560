"""Daily loss and drawdown, watched: a breach latches its control, cancels what works and, if set, flattens.

Looked at four times a second, however often prices move in between, each instrument's price once a look. A loss is
judged in each currency by itself. Where a price that is needed is missing or too old the loss is not known: that is
said, no order passes that may make it larger, and nothing is latched on a guess.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

import structlog

from dropcopyd.domain import money
from dropcopyd.domain.account import Account, Principal, PrincipalType
from dropcopyd.domain.audit import GATEWAY
from dropcopyd.domain.controls import REFERENCE_AGE_S, Breach, Control, ControlScope, Place, Reference
from dropcopyd.domain.instrument import Instrument, InstrumentKey, key_of
from dropcopyd.domain.losses import HighWater, Standing, standings
from dropcopyd.errors import DropcopyError
from dropcopyd.flow.controls import Controls
from dropcopyd.flow.flatten import Flattener
from dropcopyd.flow.judging import References
from dropcopyd.flow.masscancel import MassCancel
from dropcopyd.flow.ownership import Actor, Actors
from dropcopyd.ports import Clock, Store

_log = structlog.get_logger()
_NS: Final = 1_000_000_000
_LOOK_S: Final = 0.25
_KEEP_NS: Final = _NS
"""A mark that rises is written this often at most."""


@dataclass(slots=True)
class _Realized:
    """What an account has realized, by position and in sum by currency."""

    by_key: dict[InstrumentKey, Decimal] = field(default_factory=dict)
    totals: dict[str, Decimal] = field(default_factory=dict)

    def take(self, instrument: Instrument, amount: Decimal) -> None:
        """A position's figure as it is now."""
        key = key_of(instrument)
        before = self.by_key.get(key, money.ZERO)
        if amount != before:
            self.by_key[key] = amount
            total = self.totals.get(instrument.currency, money.ZERO)
            self.totals[instrument.currency] = money.add(total, money.subtract(amount, before))


class _Look:
    """One look: prices and standings, each found once."""

    def __init__(self, references: References, now_ns: int) -> None:
        self._references = references
        self._now_ns = now_ns
        self._prices: dict[tuple[str, InstrumentKey], Reference | None] = {}
        self.standings: dict[tuple[str, int], dict[str, Standing]] = {}

    def price(self, account: Account, instrument: Instrument, age_s: int) -> Decimal | str:
        """The price of now, or why there is none."""
        place = account.broker.value, key_of(instrument)
        if place not in self._prices:
            self._prices[place] = self._references(account, instrument)
        found = self._prices[place]
        if found is None:
            return f"there is no price of {instrument.symbol}"
        if self._now_ns - found.at_ns > age_s * _NS:
            return f"the price of {instrument.symbol} is older than {age_s} s"
        return found.price


@dataclass(slots=True)
class _Mark:
    """A high-water mark as it is, and as it was written last."""

    now: HighWater
    written_ns: int
    is_written: bool = False


class LossWatch:
    """Watches the losses of every account and organization that has a limit for them."""

    def __init__(
        self,
        *,
        actors: Actors,
        controls: Controls,
        cancels: MassCancel,
        flattener: Flattener,
        store: Store,
        clock: Clock,
        references: References,
    ) -> None:
        self._actors = actors
        self._controls = controls
        self._cancels = cancels
        self._flattener = flattener
        self._store = store
        self._clock = clock
        self._references = references
        self._realized: dict[str, _Realized] = {}
        self._marks: dict[Place, dict[str, _Mark]] = {}
        self._flattened: set[tuple[str, int]] = set()
        self._seen: set[Place] = set()

    async def open(self) -> None:
        """Read the marks, and look once: before anything is judged."""
        for mark in await self._store.high_waters():
            place = mark.organization_id, ControlScope(mark.scope), mark.subject
            self._marks.setdefault(place, {})[mark.currency] = _Mark(mark, 0, is_written=True)
        await self.turn()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.turn()

    async def turn(self) -> None:
        """Look at every watched control once."""
        watched = self._controls.kept.watched()
        await self._forget(watched)
        if not watched:
            return
        look = _Look(self._references, self._clock.now_ns())
        for control in watched:
            try:
                await self._watch(control, look)
            except DropcopyError as error:
                _log.error("losses.failed", scope=control.scope.value, subject=control.subject, code=error.code.value)

    async def figures(self, account: Account) -> list[tuple[str, Standing, Decimal | None]]:
        """How an account stands now, by currency: with its own control's high-water mark."""
        actor = await self._actors.get(account.account_id)
        control = self._controls.kept.control(account.organization_id, ControlScope.ACCOUNT, account.account_id)
        look = _Look(self._references, self._clock.now_ns())
        found = await self._standings(actor, look, _age_s(control))
        marks = self._marks.get(control.place, {})
        return [
            (currency, standing, marks[currency].now.amount if currency in marks else None)
            for currency, standing in sorted(found.items())
        ]

    # --- one control ----------------------------------------------------------------------------------------------

    async def _watch(self, control: Control, look: _Look) -> None:
        actors = [actor for actor in self._actors if _is_in(control, actor.account)]
        sums: dict[str, Standing] = {}
        for actor in actors:
            for currency, standing in (await self._standings(actor, look, _age_s(control))).items():
                sums.setdefault(currency, Standing()).take(standing)
        self._controls.judging.cannot_judge(control, _unknown(control, sums))
        for currency, standing in sorted(sums.items()):
            breach = await self._judge(control, currency, standing)
            if breach is not None and control.breach is None:
                control = await self._latch(control, breach, actors)
        if control.breach is not None and control.limits.flattens_on_breach:
            await self._flatten(control, control.breach, actors)

    async def _standings(self, actor: Actor, look: _Look, age_s: int) -> dict[str, Standing]:
        account = actor.account
        place = account.account_id, age_s
        found = look.standings.get(place)
        if found is None:
            realized = await self._realized_of(actor)
            positions = list(actor.state.positions.values())
            for position in positions:
                realized.take(position.instrument, position.realized_pnl)
            found = standings(positions, realized.totals, lambda one: look.price(account, one, age_s))
            look.standings[place] = found
        return found

    async def _realized_of(self, actor: Actor) -> _Realized:
        """Read once; from then on what moves is in memory long enough to be seen."""
        account_id = actor.account.account_id
        known = self._realized.get(account_id)
        if known is None:
            known = _Realized()
            for instrument, amount in await self._store.realized(account_id):
                known.take(instrument, amount)
            self._realized[account_id] = known
        return known

    async def _judge(self, control: Control, currency: str, standing: Standing) -> Breach | None:
        """What the standing breaks, by the limits as they are; the high-water mark is kept up."""
        limits = control.limits
        loss_max, drawdown_max = limits.daily_loss_max, limits.drawdown_max
        now_ns = self._clock.now_ns()
        if loss_max is not None and standing.daily_pnl is not None:
            loss = money.negate(standing.daily_pnl)
            if loss > loss_max:
                return _breach("daily_loss_max", loss_max, loss, currency, now_ns)
        if drawdown_max is None or standing.profit is None:
            return None
        mark = self._raised(control, currency, standing.profit)
        drawdown = money.subtract(mark.now.amount, standing.profit)
        is_broken = drawdown > drawdown_max
        if is_broken:
            mark.now, mark.is_written = replace(mark.now, is_spent=True), mark.is_written and mark.now.is_spent
        if not mark.is_written and (is_broken or now_ns - mark.written_ns >= _KEEP_NS):
            mark.is_written, mark.written_ns = True, now_ns
            await self._store.put_high_water(mark.now)
        return _breach("drawdown_max", drawdown_max, drawdown, currency, now_ns) if is_broken else None

    def _raised(self, control: Control, currency: str, profit: Decimal) -> _Mark:
        """The mark with this profit taken in; after a release it begins anew."""
        marks = self._marks.setdefault(control.place, {})
        mark = marks.get(currency)
        begins = mark is None or (mark.now.is_spent and not control.is_killed)
        if mark is None or begins or profit > mark.now.amount:
            fresh = HighWater(
                organization_id=control.organization_id,
                scope=control.scope.value,
                subject=control.subject,
                currency=currency,
                amount=profit,
                at_ns=self._clock.now_ns(),
                is_spent=mark is not None and mark.now.is_spent and not begins,
            )
            mark = marks[currency] = _Mark(fresh, 0 if begins or mark is None else mark.written_ns)
        return mark

    async def _latch(self, control: Control, breach: Breach, actors: Iterable[Actor]) -> Control:
        """Stop what the control covers."""
        _log.warning(
            "limit.breached",
            scope=control.scope.value,
            subject=control.subject,
            control=breach.rule,
            limit=breach.limit,
            actual=breach.actual,
            currency=breach.currency,
        )
        latched = await self._controls.kept.latch_by(control, breach)
        for actor in actors:
            if not actor.is_halted:
                await self._cancels.stop(actor.account)
        return latched

    async def _flatten(self, control: Control, breach: Breach, actors: Iterable[Actor]) -> None:
        """Flatten every account of the control once since the breach, also when the gateway was restarted between."""
        for actor in actors:
            account = actor.account
            place = account.account_id, breach.at_ns
            if place in self._flattened or actor.is_halted:
                continue
            if await self._store.last_flatten_ns(account.account_id) < breach.at_ns:
                gateway = Principal(account.organization_id, GATEWAY, frozenset(), PrincipalType.SERVICE)
                await self._flattener.start(gateway, account, f"{breach.rule} of {control.scope.value} was breached")
            self._flattened.add(place)

    async def _forget(self, watched: Iterable[Control]) -> None:
        """What belonged to limits that are gone: set again, they begin anew."""
        seen = {control.place: control for control in watched}
        for place in self._seen - seen.keys():
            self._controls.judging.cannot_judge(self._controls.kept.control(*place), None)
        self._seen = set(seen)
        marked = {place for place, control in seen.items() if control.limits.drawdown_max is not None}
        for place in [place for place in self._marks if place not in marked]:
            del self._marks[place]
            try:
                await self._store.forget_high_waters(self._controls.kept.control(*place))
            except DropcopyError as error:
                _log.error("losses.failed", subject=place[2], code=error.code.value)


def _unknown(control: Control, sums: dict[str, Standing]) -> tuple[str, Decimal, str] | None:
    """The first limited loss that is not known."""
    limits = control.limits
    for standing in sums.values():
        for rule, limit, figure in (
            ("daily_loss_max", limits.daily_loss_max, standing.daily_pnl),
            ("drawdown_max", limits.drawdown_max, standing.profit),
        ):
            if limit is not None and figure is None:
                return rule, limit, "; ".join(sorted({one.why for one in standing.unknown})[:3])
    return None


def _breach(rule: str, limit: Decimal, actual: Decimal, currency: str, at_ns: int) -> Breach:
    return Breach(rule=rule, limit=money.render(limit), actual=money.render(actual), currency=currency, at_ns=at_ns)


def _is_in(control: Control, account: Account) -> bool:
    if account.organization_id != control.organization_id:
        return False
    return control.scope is ControlScope.ORGANIZATION or control.subject == account.account_id


def _age_s(control: Control) -> int:
    return control.limits.reference_age_s_max or REFERENCE_AGE_S

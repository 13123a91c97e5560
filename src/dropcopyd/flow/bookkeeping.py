"""Bookkeeping: what a broker says of money and of positions beside its executions, and the roll of the day."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from dropcopyd.domain import machine
from dropcopyd.domain.account import Account
from dropcopyd.domain.day import latest_roll, next_roll_ns
from dropcopyd.domain.report import AdjustmentReport, BalanceReport
from dropcopyd.errors import DropcopyError
from dropcopyd.flow.ownership import Actor, Actors
from dropcopyd.flow.taking import Instruments
from dropcopyd.ports import Clock, Store

_log = structlog.get_logger()
_NS: Final = 1_000_000_000
_LOOK_S: Final = 5.0
"""Accounts are looked at this often: one may be new, or its day may begin at another time now."""


class Bookkeeper:
    """Takes balances and adjustments in."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    async def take(self, actor: Actor, report: BalanceReport | AdjustmentReport) -> asyncio.Future[None] | None:
        """Decide about a report, and do not wait for the commit. Raises DropcopyError."""
        if isinstance(report, BalanceReport):
            return await actor.decide_soon(lambda state, now_ns: machine.take_balance(state, report, now_ns))
        instrument = None if report.key is None else await self._instruments.find(report.key)
        return await actor.decide_soon(lambda state, now_ns: machine.take_adjustment(state, report, instrument, now_ns))

    async def take_balances(self, actor: Actor, reports: Iterable[BalanceReport]) -> None:
        """The balances of a snapshot."""
        for report in reports:
            await self.take(actor, report)


class DayRoller:
    """Begins each account's day when it is due, or as soon as the gateway runs again: the latest day only, once."""

    def __init__(self, store: Store, actors: Actors, clock: Clock) -> None:
        self._store = store
        self._actors = actors
        self._clock = clock

    async def run(self) -> None:
        """For ever, until cancelled."""
        while True:
            pause_s = await self.turn()
            await asyncio.sleep(pause_s)

    async def turn(self) -> float:
        """Begin what is due; seconds until there may be more to do."""
        pause_s = _LOOK_S
        try:
            accounts = await self._store.accounts()
            for account in accounts:
                await self._roll(account)
                due_s = (next_roll_ns(account, self._clock.now_ns()) - self._clock.now_ns()) / _NS
                pause_s = min(pause_s, max(0.0, due_s))
        except DropcopyError as error:
            _log.error("day.failed", code=error.code.value, cause=error.message)
        return pause_s

    async def _roll(self, account: Account) -> None:
        roll = latest_roll(account, self._clock.now_ns())
        if roll.at_ns <= account.created_at_ns:
            return
        actor = await self._actors.get(account.account_id)
        if actor.is_halted or actor.state.roll.at_ns >= roll.at_ns:
            return
        await actor.decide(lambda state, now_ns: machine.roll_day(state, roll.at_ns, roll.day, now_ns))
        _log.info("day.rolled", account_id=account.account_id, day=roll.day)

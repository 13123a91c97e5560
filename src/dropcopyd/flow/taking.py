"""Taking reports in: each is decided about in its account's section, then those that waited for what it tells.

Whatever hears a broker's reports (its session, a snapshot, a list, an answer) hands them in here, so that orders from
outside are adopted and amendments are parked wherever they come from.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from dropcopyd.domain import machine
from dropcopyd.domain.catalogue import Catalogue
from dropcopyd.domain.event import Batch
from dropcopyd.domain.instrument import AssetClass, Instrument, InstrumentKey
from dropcopyd.domain.parking import Parked
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.domain.state import AccountState
from dropcopyd.errors import NotFoundError
from dropcopyd.flow.ownership import Actor
from dropcopyd.ports import Store


class Instruments:
    """The catalogue, with what was imported since the start."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue

    async def find(self, key: InstrumentKey) -> Instrument | None:
        """The instrument that a broker names; None where there is none. Raises StoreError."""
        if key not in self._catalogue:
            for instrument in await self._store.instruments():
                self._catalogue.add(instrument)
        return self._catalogue.find(key[1], key[0]) if key in self._catalogue else None

    async def named(self, symbol: str, asset_class: AssetClass | None) -> Instrument:
        """The instrument that a caller names. Raises DropcopyError (UNKNOWN_SYMBOL, AMBIGUOUS_SYMBOL), StoreError."""
        try:
            return self._catalogue.find(symbol, asset_class)
        except NotFoundError:
            for instrument in await self._store.instruments():
                self._catalogue.add(instrument)
            return self._catalogue.find(symbol, asset_class)


class OrderReports:
    """Takes reports of orders in."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    async def take(
        self, actor: Actor, report: OrderReport, is_still_so: Callable[[], bool] = lambda: True
    ) -> asyncio.Future[None] | None:
        """Decide about one report, then about those that waited for what it tells; the commit is not waited for.

        `is_still_so` is asked when it is decided: False, and the report is passed over. None when nothing changed.
        Raises DropcopyError.
        """
        instrument = None if report.order is None else await self._instruments.find(report.order.key)
        if report.order is not None and report.external_order_id is not None:
            described = (report.external_order_id, report.order.key, report.order.order_side)
            order_id = machine.adopted_order_id(actor.account.account_id, *described)
            async with actor.serial():
                await actor.load(order_id=order_id)
        done = await actor.decide_about(
            lambda state, now_ns: machine.take_report(state, report, now_ns, instrument) if is_still_so() else None,
            broker_command_id=report.broker_command_id,
            external_order_id=report.external_order_id,
        )
        if actor.state.parked and report.kind is not ReportKind.REQUEST_REFUSED:
            return await self._take_parked(actor, report) or done
        return done

    async def _take_parked(self, actor: Actor, told: OrderReport) -> asyncio.Future[None] | None:
        """What waited and may go on, each in its turn: one may be what another waits for."""
        last: asyncio.Future[None] | None = None
        is_moving = True
        while is_moving:
            is_moving = False
            for parked in tuple(actor.state.parked.values()):
                if not machine.is_about(actor.state, parked.order_id, parked.report, told):
                    continue
                done = await actor.decide_about(
                    partial(_unparking, parked),
                    order_id=parked.order_id or None,
                    broker_command_id=parked.report.broker_command_id,
                    external_order_id=parked.report.external_order_id,
                )
                last, is_moving = done or last, is_moving or done is not None
        return last


def _unparking(parked: Parked, state: AccountState, now_ns: int) -> Batch | None:
    return machine.take_parked(state, parked, now_ns)

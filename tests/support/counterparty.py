"""A broker with a book of its own over the scripted one: it tells the gateway what it is told to tell, and no more.

And a whole gateway on it, in this process, with a REST client.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2

from dropcopyd import config
from dropcopyd.brokers.scripted import ScriptedBroker
from dropcopyd.domain.account import BrokerKind, Scope
from dropcopyd.domain.instrument import AssetClass, InstrumentKey
from dropcopyd.domain.order import OrderSide, OrderTerms, OrderType, TimeInForce
from dropcopyd.domain.report import (
    BalanceReport,
    BrokerReport,
    BrokerSnapshot,
    FindResult,
    Found,
    NotFound,
    OrderClaim,
    OrderReport,
    PositionClaim,
    ReportedOrder,
    ReportKind,
    SnapshotPart,
)
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.access import digest, mint_key
from dropcopyd.node import Addresses, Node, read_pepper, seed_instruments
from dropcopyd.ports import Submission
from dropcopyd.rest.times import render_time
from dropcopyd.store.admin import Admin
from dropcopyd.store.audit import audit
from dropcopyd.system import RandomIds, SystemClock

WAIT_S = 30.0
DAY = "2026-11-25"
K = ReportKind


@dataclass
class Placed:
    """An order in the broker's book."""

    command_id: str
    external_id: str
    symbol: str
    side: OrderSide
    quantity: Decimal
    price: Decimal
    is_open: bool = True
    is_described: bool = False
    filled: Decimal = Decimal(0)
    executions: list[OrderReport] = field(default_factory=list)

    @property
    def key(self) -> InstrumentKey:
        return AssetClass.EQUITY, self.symbol

    def described(self) -> ReportedOrder | None:
        if not self.is_described:
            return None
        terms = OrderTerms(
            order_type=OrderType.LIMIT,
            quantity=self.quantity,
            time_in_force=TimeInForce.DAY,
            limit_price=self.price,
        )
        return ReportedOrder(key=self.key, order_side=self.side, terms=terms)

    def report(self, kind: ReportKind, **facts: Any) -> OrderReport:
        return OrderReport(
            kind=kind,
            broker_command_id=self.command_id,
            external_order_id=self.external_id,
            order=self.described(),
            **facts,
        )

    def claim(self) -> OrderClaim:
        return OrderClaim(
            broker_command_id=self.command_id,
            external_order_id=self.external_id,
            key=self.key,
            is_open=True,
            quantity=self.quantity,
            limit_price=self.price,
            cumulative_quantity=self.filled,
            order=self.described(),
        )


class Counterparty(ScriptedBroker):
    """The broker's book of one account."""

    def __init__(self, account_id: str) -> None:
        super().__init__([account_id])
        self.account_id = account_id
        self.orders: list[Placed] = []
        self.positions: dict[str, Decimal] = {}
        self.cash: Decimal | None = None
        self.lacks: frozenset[SnapshotPart] = frozenset()
        self.fails = False
        self.is_mute = False
        """Whether it answers no questions about single orders."""
        self.snapshots_given = 0
        self.before_snapshot: Callable[[int], Awaitable[None]] | None = None
        """Called with the number of each snapshot before it is made."""
        self.keys: list[str] = []
        self._numbers = 0

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    async def tell(self, report: BrokerReport) -> None:
        await self.say(self.account_id, report)

    async def taken(self) -> Placed:
        """The next create that arrives, accepted and told."""
        async with asyncio.timeout(WAIT_S):
            command = (await self.arrived()).command
        terms = command.terms
        assert terms.limit_price is not None
        placed = Placed(
            command.broker_command_id,
            f"X{self._number()}",
            command.instrument.symbol,
            command.order_side,
            terms.quantity,
            terms.limit_price,
        )
        self.orders.append(placed)
        await self.tell(placed.report(K.ACCEPTED))
        return placed

    def place(self, quantity: str, *, is_described: bool, symbol: str = "AAPL") -> Placed:
        """An order that somebody gave to the broker by telephone; not told."""
        placed = Placed(
            "", f"X{self._number()}", symbol, OrderSide.BUY, Decimal(quantity), Decimal(100), is_described=is_described
        )
        self.orders.append(placed)
        return placed

    def fill(self, placed: Placed, quantity: str, price: str = "100") -> OrderReport:
        """An execution in the book; the report that would tell it."""
        size = Decimal(quantity)
        placed.filled += size
        placed.is_open = placed.is_open and placed.filled < placed.quantity
        signed = size if placed.side is OrderSide.BUY else -size
        self.positions[placed.symbol] = self.positions.get(placed.symbol, Decimal(0)) + signed
        told = placed.report(
            K.TRADE,
            exec_id=f"E{self._number()}",
            last_quantity=size,
            last_price=Decimal(price),
            cumulative_quantity=placed.filled,
            trade_date=DAY,
        )
        placed.executions.append(told)
        return told

    def amend(self, placed: Placed, kind: ReportKind, exec_ref_id: str, **figures: Any) -> OrderReport:
        """A bust or a correction in the book; the report that would tell it."""
        told = placed.report(
            kind, exec_id=f"{kind}{self._number()}", exec_ref_id=exec_ref_id, trade_date=DAY, **figures
        )
        placed.executions.append(told)
        return told

    async def find(self, submission: Submission, timeout_s: float) -> FindResult:
        named = submission.command.broker_command_id
        placed = next((one for one in self.orders if one.command_id == named), None)
        if self.is_mute or placed is None:
            return NotFound()
        end = () if placed.is_open or placed.filled == placed.quantity else (placed.report(K.CANCELLED),)
        return Found((placed.report(K.ACCEPTED), *placed.executions, *end))

    async def snapshot(
        self, account_id: str, after_cursor: str, timeout_s: float, listed_after: str = ""
    ) -> BrokerSnapshot:
        self.snapshots_given += 1
        if self.before_snapshot is not None:
            await self.before_snapshot(self.snapshots_given)
        if self.fails:
            raise DropcopyError(Code.NOT_READY, "page 2 of 3 did not come")
        return BrokerSnapshot(
            reports=(),
            orders=tuple(one.claim() for one in self.orders if one.is_open),
            positions=tuple(
                PositionClaim((AssetClass.EQUITY, symbol), held) for symbol, held in self.positions.items() if held
            ),
            cursor="",
            balances=() if self.cash is None else (BalanceReport(currency="USD", cash=self.cash),),
            executions=tuple(execution for one in self.orders for execution in one.executions),
            lacks=self.lacks,
        )


@dataclass
class Site:
    """A gateway on that broker."""

    client: httpx2.AsyncClient
    broker: Counterparty
    folder: Path
    account_id: str
    foreign_key: str
    read_key: str

    @property
    def path(self) -> str:
        return f"/v1/accounts/{self.account_id}"

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.client.get(f"{self.path}/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def all(self, path: str, **query: Any) -> list[Any]:
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.get(path, **query, **cursor)
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            cursor = {"next_cursor": page["next_cursor"]}

    async def reconcile(self) -> Any:
        answer = await self.client.post(f"{self.path}/reconciliations")
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def resolve(self, break_id: str, action: str, reason: str = "asked the desk", **body: Any) -> Any:
        """The answer, whatever it is."""
        url = f"{self.path}/breaks/{break_id}/resolution"
        return await self.client.post(url, json={"action": action, "reason": reason, **body})

    async def resolved(self, break_id: str, action: str, **body: Any) -> Any:
        answer = await self.resolve(break_id, action, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def order(self, quantity: str = "10", symbol: str = "AAPL", side: str = "BUY") -> Placed:
        """A limit order at 100, accepted at the broker and here."""
        spec = {"Limit": {"price": "100", "quantity": quantity, "time_in_force": "DAY"}}
        payload = {"symbol": symbol, "order_side": side, "spec": spec}
        body = {"command": {"action_type": "CREATE", "payload": payload}}
        answer = await self.client.post(f"{self.path}/intents", json=body)
        assert answer.status_code == 201, answer.text
        placed = await self.broker.taken()
        await self.until("orders", lambda order: order["external_order_id"] == placed.external_id)
        return placed

    async def until(self, path: str, is_it: Any, **query: Any) -> Any:
        """The first record of a list that is so, once there is one."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for record in await self.all(path, **query):
                    if is_it(record):
                        return record
                await asyncio.sleep(0.01)

    async def order_of(self, placed: Placed) -> Any:
        """Our record of an order."""
        (order,) = (await self.get("orders", external_order_id=placed.external_id))["data"]
        return order

    async def held(self, symbol: str = "AAPL") -> str:
        found = (await self.get("positions", symbol=symbol))["data"]
        return found[0]["quantity"] if found else "0"


@contextlib.asynccontextmanager
async def site(folder: Path, *, broker: Counterparty | None = None, **limits: float) -> AsyncIterator[Site]:
    """A gateway that reconciles when asked only, unless a limit says otherwise. With a broker that had one before:
    again on the same folder."""
    ids, clock = RandomIds(), SystemClock()
    account_id = broker.account_id if broker is not None else ids.uuid()
    broker = broker or Counterparty(account_id)
    keys = broker.keys = broker.keys or _prepare(folder, account_id, ids, clock)
    wanted = {"reconcile_s": 0.0, "reconcile_confirm_s": 0.02, **limits}
    settings = config.load(data=folder, rest_port=0, grpc_port=0, limits=wanted)
    ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    stop, begun_at = asyncio.Event(), render_time(clock.now_ns())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Node(settings, broker=broker).run(ready.set_result, stop))
        try:
            addresses = await asyncio.wait_for(asyncio.shield(ready), WAIT_S)
            await asyncio.wait_for(broker.is_up.wait(), WAIT_S)
            headers = {"x-api-key": keys[0]}
            async with httpx2.AsyncClient(base_url=addresses.rest, headers=headers, timeout=WAIT_S) as client:
                running = Site(client, broker, folder, account_id, keys[1], keys[2])
                await running.until(
                    "reconciliations", lambda run: run["trigger"] == "CONNECT" and run["begun_at"] >= begun_at
                )
                yield running
        finally:
            stop.set()
    assert not audit(folder).differences, "the journal alone tells the same"


def _prepare(folder: Path, account_id: str, ids: RandomIds, clock: SystemClock) -> list[str]:
    """Ours with an account, another organization; keys: ours, theirs, one of ours that only reads."""
    seed_instruments(folder, clock.now_ns())
    ours, theirs, keys = ids.uuid(), ids.uuid(), []
    admin = Admin(folder, clock.now_ns())
    try:
        admin.add_organization(ours, "ours")
        admin.add_organization(theirs, "theirs")
        admin.add_account(account_id, ours, "main", BrokerKind.PAPER)
        everything = frozenset(Scope)
        for owner, scopes in ((ours, everything), (theirs, everything), (ours, frozenset({Scope.RECORDS_READ}))):
            key_id, key = mint_key(ids)
            admin.add_key(key_id, owner, key_id, digest(read_pepper(folder, ids), key), scopes)
            keys.append(key)
    finally:
        admin.close()
    return keys


def corrected(report: OrderReport, **figures: Decimal) -> OrderReport:
    """The execution as the broker lists it after a correction that nobody was told."""
    return replace(report, **figures)  # type: ignore[arg-type]

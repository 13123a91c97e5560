"""`dropcopyd scenarios run`: published order lifecycles played through a whole gateway, judged by its stream.

A path is a list of rows: what a client sends goes in over REST, what a broker says comes from a scripted broker, and
after every row the order as the stream last told it is compared with what the row prints.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import grpc
import httpx2

from dropcopy import proto as pb
from dropcopyd import config
from dropcopyd.brokers.scripted import ScriptedBroker
from dropcopyd.domain.account import BrokerKind, Scope
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.order import OrderSide, OrderTerms, OrderType, TimeInForce
from dropcopyd.domain.report import UNKNOWN_ORDER_REASON, BalanceReport, OrderReport, ReportedOrder, ReportKind
from dropcopyd.flow.access import digest, mint_key
from dropcopyd.node import Addresses, Node, read_pepper, seed_instruments
from dropcopyd.ports import Submission
from dropcopyd.store.admin import Admin
from dropcopyd.system import RandomIds, SystemClock

_WAIT_S: Final = 20.0
_SYMBOL: Final = "AAPL"
_Row = dict[str, Any]
_KINDS: Final = {
    "NEW": ReportKind.ACCEPTED,
    "PARTIAL_FILL": ReportKind.TRADE,
    "FILL": ReportKind.TRADE,
    "TRADE": ReportKind.TRADE,
    "TRADE_CANCEL": ReportKind.BUST,
    "TRADE_CORRECT": ReportKind.CORRECTION,
    "CANCELED": ReportKind.CANCELLED,
    "EXPIRED": ReportKind.CANCELLED,
    "CALCULATED": ReportKind.CANCELLED,
    "PENDING_CANCEL": ReportKind.PENDING_CANCEL,
    "PENDING_REPLACE": ReportKind.PENDING_REPLACE,
    "REPLACE": ReportKind.REPLACED,
    "REPLACED": ReportKind.REPLACED,
    "RESTATED": ReportKind.RESTATED,
    "DONE_FOR_DAY": ReportKind.DONE_FOR_DAY,
    "STOPPED": ReportKind.STOPPED,
    "TRIGGERED": ReportKind.TRIGGERED,
}
_ANSWERED: Final = {**_KINDS, "PARTIALLY_FILLED": ReportKind.ACCEPTED, "FILLED": ReportKind.ACCEPTED}
_SAME_WORD: Final = ("NEW", "PARTIALLY_FILLED", "FILLED", "PENDING_CANCEL", "PENDING_REPLACE", "STOPPED", "REJECTED")


class _MismatchError(Exception):
    """A row that the stream contradicts, or one that cannot be played."""


def kinds_of(out: _Row) -> list[ReportKind]:
    """What an execution report means: its transaction type first, and for a rejection its OrdStatus [F.1.b]."""
    transaction, status = out.get("exec_trans_type"), out.get("ord_status")
    if transaction == "CANCEL":
        return [ReportKind.BUST]
    if transaction == "CORRECT":
        return [ReportKind.CORRECTION]
    kind = None if transaction == "STATUS" else _KINDS.get(out.get("exec_type") or "")
    if kind is not None:
        return [kind]
    if status == "REJECTED":
        return [ReportKind.REJECTED]
    answered = _ANSWERED.get(status or "")
    return [ReportKind.STATUS] if answered is None else [answered, ReportKind.STATUS]


def expected_status(out: _Row) -> str:
    """The contract's status of an OrdStatus."""
    status, filled, quantity = out["ord_status"], out.get("cum_qty") or 0, out.get("order_qty")
    if status in _SAME_WORD:
        return str(status)
    if status in ("CANCELED", "EXPIRED"):
        return "CANCELLED"
    if status == "CALCULATED" or (status == "DONE_FOR_DAY" and not out.get("leaves_qty")):
        return "FILLED" if filled == quantity else "CANCELLED"
    if status == "PENDING_NEW":
        return "PENDING_NEW"
    return "PARTIALLY_FILLED" if filled else "NEW"


@dataclass(slots=True)
class _Named:
    """What a ClOrdID names: a command of ours."""

    submission: Submission

    @property
    def order_id(self) -> str:
        return self.submission.command.order_id


@dataclass(slots=True)
class Verdict:
    """How one path went. `quirks` are rows that the source itself breaks, told apart."""

    name: str
    problem: str | None = None
    quirks: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        told = "passed" if self.problem is None else f"FAILED {self.problem}"
        return f"{self.name}: {told}" + "".join(f"; quirk {quirk}" for quirk in self.quirks)


class _Stage:
    """One account of the gateway with its stream."""

    def __init__(self, account_id: str, broker: ScriptedBroker, client: httpx2.AsyncClient, call: Any) -> None:
        self.account_id = account_id
        self.broker = broker
        self._client = client
        self._call = call
        self._marks = 0
        self.orders: dict[str, Any] = {}

    async def until(self, is_it: Callable[[Any], bool]) -> None:
        """Read the stream up to an event."""
        async with asyncio.timeout(_WAIT_S):
            while True:
                event = await self._call.read()
                if not event:
                    raise _MismatchError("the stream ended")
                if event.WhichOneof("event") == "broker_order":
                    self.orders[event.broker_order.order_id] = event.broker_order
                if is_it(event):
                    return

    async def settle(self) -> None:
        """Until the stream has told all that was said before: a balance said after it comes out after it."""
        self._marks += 1
        cash = Decimal(self._marks)
        await self.broker.say(self.account_id, BalanceReport(currency="USD", cash=cash))
        text = str(self._marks)
        await self.until(
            lambda event: event.WhichOneof("event") == "account_balance" and event.account_balance.cash == text
        )

    async def submit(self, action: str, payload: dict[str, Any]) -> _Named:
        body = {"command": {"action_type": action, "payload": payload}}
        answer = await self._client.post(f"/v1/accounts/{self.account_id}/intents", json=body)
        if answer.status_code != 201:
            raise _MismatchError(f"{action} was refused: {answer.text}")
        async with asyncio.timeout(_WAIT_S):
            return _Named(await self.broker.arrived())


class _Play:
    """One path on its stage."""

    def __init__(self, stage: _Stage, rows: list[_Row], quirks: list[str]) -> None:
        self._stage = stage
        self._rows = rows
        self._quirky = {int(t) for quirk in quirks for t in re.findall(r"\bt=(\d+)", quirk)}
        self._named: dict[str, _Named] = {}
        self._executions = 0
        self._is_external = not self._has_order()
        outs = [row["out"] for row in rows if row.get("out")]
        is_long = any("day" in row for row in rows) or any(
            out.get("ord_status") == "DONE_FOR_DAY" and out.get("leaves_qty") for out in outs
        )
        self._time_in_force = TimeInForce.GOOD_TILL_CANCEL if is_long else TimeInForce.DAY
        self._quantity = next((out["order_qty"] for out in outs if out.get("order_qty")), 1)

    def _has_order(self) -> bool:
        """Whether a client sends an order here (one in cash is taken like one by telephone)."""
        ins = [row["in"] for row in self._rows if row.get("in")]
        return any(one["type"] != "NewOrder" or one.get("qty") is not None for one in ins)

    async def run(self) -> list[str]:
        """The mismatches of quirky rows; raises _MismatchError at the first other one."""
        told: list[str] = []
        for row in self._rows:
            try:
                if row.get("in"):
                    await self._take_in(row["in"])
                if row.get("out"):
                    await self._say(row["out"])
            except _MismatchError as mismatch:
                where = f"at t={row.get('t')}" + (f" day {row['day']}" if "day" in row else "")
                if row.get("t") not in self._quirky:
                    raise _MismatchError(f"{where}: {mismatch}") from mismatch
                told.append(f"{where}: {mismatch}")
        return told

    async def _take_in(self, said: _Row) -> None:
        clordid, kind = said.get("clordid"), said["type"]
        if self._is_external or clordid in self._named or kind not in ("NewOrder", "Replace", "Cancel"):
            return  # nothing that this gateway sends
        if kind == "NewOrder":
            self._named[str(clordid)] = await self._create(said.get("qty") or self._quantity)
            return
        original = self._named.get(str(said.get("orig")))
        if original is None:
            original = self._named[str(said.get("orig"))] = await self._create(said.get("qty") or self._quantity)
        payload: dict[str, Any] = {"ref_intent_id": original.submission.command.intent_id}
        if kind == "Replace":
            payload["spec"] = self._spec(said.get("qty") or self._quantity)
        named = self._named[str(clordid)] = await self._stage.submit(kind.upper(), payload)
        wanted = original.submission.command.broker_command_id
        if named.submission.original_command_id != wanted:
            raise _MismatchError(f"{kind} {clordid} does not name {said.get('orig')}")

    def _spec(self, quantity: object) -> dict[str, Any]:
        return {"Limit": {"price": "1", "quantity": str(quantity), "time_in_force": self._time_in_force.value}}

    async def _create(self, quantity: object) -> _Named:
        payload = {"symbol": _SYMBOL, "order_side": "BUY", "spec": self._spec(quantity)}
        return await self._stage.submit("CREATE", payload)

    async def _say(self, out: _Row) -> None:
        named = self._named.get(str(out.get("clordid")))
        if named is None and self._named:
            raise _MismatchError(f"the row names {out.get('clordid')!r}, which nobody sent")
        before = dict(self._stage.orders)
        for report in self._reports(out, named):
            await self._stage.broker.say(self._stage.account_id, report)
        await self._stage.settle()
        if out["type"] == "CancelReject" and out.get("ord_status") == "REJECTED":
            changed = [one for one, order in self._stage.orders.items() if one in before and before[one] != order]
            if changed or len(self._stage.orders) > max(1, len(before)):
                raise _MismatchError("a refusal for an unknown order changed an order or made one")
            return
        self._compare(out, named)

    def _reports(self, out: _Row, named: _Named | None) -> list[OrderReport]:
        if out["type"] == "CancelReject":
            unknown = out.get("ord_status") == "REJECTED"
            reason = UNKNOWN_ORDER_REASON if unknown else "refused"
            return [self._report(ReportKind.REQUEST_REFUSED, {**out, "order_qty": None}, named, reason_code=reason)]
        return [self._report(kind, out, named) for kind in kinds_of(out)]

    def _report(self, kind: ReportKind, out: _Row, named: _Named | None, **facts: Any) -> OrderReport:
        if kind in (ReportKind.TRADE, ReportKind.CORRECTION, ReportKind.BUST):
            self._executions += 1
            facts["exec_id"] = out.get("exec_id") or f"execution-{self._executions}"
            facts["exec_ref_id"] = out.get("exec_ref_id")
        if kind in (ReportKind.TRADE, ReportKind.CORRECTION):
            facts["last_quantity"] = _amount(out.get("last_qty"))
            facts["last_price"] = _amount(out.get("last_px") or 1)
        if named is None:
            facts |= {"external_order_id": f"desk-{self._stage.account_id}", "order": self._described()}
        return OrderReport(
            kind=kind,
            broker_command_id="" if named is None else named.submission.command.broker_command_id,
            raw_status=out.get("ord_status"),
            quantity=_amount(out.get("order_qty")),
            cumulative_quantity=_amount(out.get("cum_qty")),
            **facts,
        )

    def _described(self) -> ReportedOrder:
        terms = OrderTerms(
            order_type=OrderType.LIMIT,
            quantity=Decimal(str(self._quantity)),
            time_in_force=self._time_in_force,
            limit_price=Decimal(1),
        )
        return ReportedOrder(key=(AssetClass.EQUITY, _SYMBOL), order_side=OrderSide.BUY, terms=terms)

    def _compare(self, out: _Row, named: _Named | None) -> None:
        order = self._find(named)
        theirs: dict[str, object] = {"status": expected_status(out)}
        ours: dict[str, object] = {"status": pb.OrderStatus.Name(order.order_status).removeprefix("ORDER_STATUS_")}
        if named is None:
            theirs["external_order_id"], ours["external_order_id"] = (
                f"desk-{self._stage.account_id}",
                order.external_order_id,
            )
        else:
            theirs["command_seq"], ours["command_seq"] = named.submission.command.seq, order.command_seq
        if out["type"] != "CancelReject":
            for column, name in (
                ("order_qty", "quantity"),
                ("cum_qty", "filled_quantity"),
                ("leaves_qty", "leaves_quantity"),
            ):
                if out.get(column) is not None:
                    theirs[name], ours[name] = Decimal(str(out[column])), Decimal(getattr(order, name))
        different = [f"{name} is {ours[name]}, not {theirs[name]}" for name in theirs if ours[name] != theirs[name]]
        if different:
            raise _MismatchError(", ".join(different))

    def _find(self, named: _Named | None) -> Any:
        orders = self._stage.orders
        order = orders.get(named.order_id) if named is not None else next(iter(orders.values()), None)
        if order is None:
            raise _MismatchError("the stream has no such order")
        return order


def _amount(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


async def play_file(path: Path) -> AsyncIterator[Verdict]:
    """Every path of a file, each on an account of its own, in one gateway in a folder that is thrown away."""
    scenarios = json.loads(path.read_text("utf-8"))  # noqa: ASYNC240  before anything runs
    paths = [
        (f"{one['id']} ({one.get('fix', '?')}) {name}", rows, one.get("quirks", []))
        for one in scenarios
        for name, rows in zip(one.get("path_names") or map(str, range(len(one["paths"]))), one["paths"], strict=False)
    ]
    with tempfile.TemporaryDirectory(prefix="dropcopy-scenarios-") as folder:
        async for verdict in _play_all(Path(folder), paths):
            yield verdict


async def _play_all(folder: Path, paths: list[tuple[str, list[_Row], list[str]]]) -> AsyncIterator[Verdict]:
    ids, clock = RandomIds(), SystemClock()
    accounts = [ids.uuid() for _ in paths]
    api_key = _prepare(folder, accounts, ids, clock)
    broker = ScriptedBroker(accounts)
    settings = config.load(data=folder, rest_port=0, grpc_port=0, grpc_tls_port=None, prices=["synthetic"])
    ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Node(settings, broker=broker).run(ready.set_result, stop))
        try:
            addresses = await asyncio.wait_for(asyncio.shield(ready), _WAIT_S)
            await asyncio.wait_for(broker.is_up.wait(), _WAIT_S)
            headers = {"x-api-key": api_key}
            async with (
                httpx2.AsyncClient(base_url=addresses.rest, headers=headers, timeout=_WAIT_S) as client,
                grpc.aio.insecure_channel(str(addresses.grpc)) as channel,
            ):
                for (name, rows, quirks), account_id in zip(paths, accounts, strict=True):
                    yield await _play_one(name, rows, quirks, account_id, broker, client, channel, api_key)
        finally:
            stop.set()


async def _play_one(
    name: str,
    rows: list[_Row],
    quirks: list[str],
    account_id: str,
    broker: ScriptedBroker,
    client: httpx2.AsyncClient,
    channel: Any,
    api_key: str,
) -> Verdict:
    verdict = Verdict(name)
    call = channel.stream_stream(
        pb.STREAM_EVENTS_PATH,
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=pb.TradingEvent.FromString,
    )(metadata=(("x-api-key", api_key),))
    stage = _Stage(account_id, broker, client, call)
    try:
        subscribe = pb.Subscribe(trading_account_id=account_id)
        subscribe.subscriptions.extend([pb.EVENT_TYPE_BROKER_ORDER, pb.EVENT_TYPE_ACCOUNT_BALANCE])
        await call.write(pb.StreamEventsRequest(subscribe=subscribe))
        await stage.until(lambda event: event.WhichOneof("event") == "status")
        verdict.quirks = await _Play(stage, rows, quirks).run()
    except _MismatchError as mismatch:
        verdict.problem = str(mismatch)
    except Exception as error:  # noqa: BLE001  a path that cannot be played is a line, not the end
        verdict.problem = f"cannot be played: {type(error).__name__}: {error}"
    finally:
        call.cancel()
    return verdict


def _prepare(folder: Path, accounts: list[str], ids: RandomIds, clock: SystemClock) -> str:
    """Organization, accounts and a key that may do everything."""
    seed_instruments(folder, clock.now_ns())
    key_id, api_key = mint_key(ids)
    organization_id = ids.uuid()
    admin = Admin(folder, clock.now_ns())
    try:
        admin.add_organization(organization_id, "scenarios")
        for number, account_id in enumerate(accounts, start=1):
            admin.add_account(account_id, organization_id, f"path {number}", BrokerKind.PAPER)
        admin.add_key(key_id, organization_id, "scenarios", digest(read_pepper(folder, ids), api_key), frozenset(Scope))
    finally:
        admin.close()
    return api_key

"""The SDK against the real daemon, `dropcopyd dev` on free ports: trade, lose connections, restart, compare."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

import dropcopy
from dropcopy import Client, Limit, Market
from tests.sdk.network import Proxy
from tests.sdk.peers import sequences, until

ROOT = Path(__file__).resolve().parents[2]
START_S = 30.0
WAIT_S = 60.0


class Daemon:
    """`dropcopyd dev` on one folder; started and ended at will."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: asyncio.subprocess.Process | None = None
        self.line: dict[str, Any] = {}

    async def start(self, *more: str) -> dict[str, Any]:
        """Start it and read how to connect."""
        ports = ("--rest-port", "0", "--grpc-port", "0", "--grpc-tls-port", "0")
        with (self.folder.parent / "daemon.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "dropcopyd", "dev", "--json", "--data", str(self.folder), *ports, *more),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        self.line = json.loads(await asyncio.wait_for(self.process.stdout.readline(), START_S))
        return self.line

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(number)
        try:
            await asyncio.wait_for(process.wait(), START_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        if process.stdout is not None:
            await process.stdout.read()

    def client(self, **changes: Any) -> Client:
        """A client of it, over plaintext unless changed."""
        line = self.line
        options = {"rest": line["rest"], "grpc": line["grpc"], "api_key": line["api_key"]}
        return Client(**(options | {"account_id": line["account_id"]} | changes))


@asynccontextmanager
async def daemon(folder: Path, *more: str) -> AsyncIterator[Daemon]:
    """A running daemon, ended on the way out."""
    running = Daemon(folder / "data")
    try:
        async with asyncio.timeout(WAIT_S):
            await running.start("--heartbeat-s", "0.3", *more)
            yield running
    finally:
        await running.end()


def is_order(intent_id: str, *statuses: str) -> Any:
    """Whether an event is that intent's order in one of these statuses."""
    return lambda event: (
        isinstance(event, dropcopy.Order) and event.intent_id == intent_id and event.order_status in statuses
    )


async def test_submit_replace_cancel_and_what_comes_of_it(tmp_path: Path) -> None:
    async with daemon(tmp_path) as running, running.client() as client:
        account = client.account_id or ""
        async with client.stream(account) as stream:
            await until(stream, lambda e: isinstance(e, dropcopy.Primed) and e.event_type == "BROKER_ORDER")
            resting = await client.submit(
                account, symbol="AAPL", side="BUY", spec=Limit("1.00", 10), client_reference_id="mine"
            )
            events = await until(stream, is_order(resting, "NEW"))
            await client.replace(account, resting, Limit("1.01", 12))
            events += await until(stream, lambda e: isinstance(e, dropcopy.Order) and e.quantity == 12)
            await client.cancel(account, resting)
            events += await until(stream, is_order(resting, "CANCELLED"))
            filled = await client.submit(account, symbol="AAPL", side="BUY", spec=Market("10"))
            events += await until(stream, is_order(filled, "FILLED"))
            events += await until(stream, lambda e: isinstance(e, dropcopy.Position))
            # one may be made between a commit and its announcement, and the position is not the last to be committed
            await until(stream, lambda e: isinstance(e, dropcopy.Heartbeat) and bool(e.heads) and stream.lag == 0)
            assert stream.counters.gaps == stream.counters.disconnections == stream.counters.unknown == 0
        got = sequences(events)
        assert got == list(range(got[0], got[0] + len(got)))
        outcomes = [
            (e.intent_id, e.seq) for e in events if isinstance(e, dropcopy.CommandOutcome) and e.outcome == "ACCEPTED"
        ]
        assert outcomes == [(resting, 1), (resting, 2), (resting, 3), (filled, 1)]
        streamed = {e.order_id: e for e in events if isinstance(e, dropcopy.Order)}
        stored = {row.order_id: row async for row in client.each(client.orders, account, limit=1)}
        assert stored == streamed
        trades = [e for e in events if isinstance(e, dropcopy.Trade)]
        assert [row async for row in client.each(client.trades, account)] == trades[::-1]
        (held,) = (await client.positions(account)).data
        assert held == [e for e in events if isinstance(e, dropcopy.Position)][-1]
        assert held.quantity == sum((trade.signed_quantity for trade in trades), Decimal())
        assert [action.seq for action in (await client.actions(account, resting)).data] == [1, 2, 3]
        latest = await client.latest_action(account, resting)
        assert (latest.action_type, latest.outcome) == ("CANCEL", "ACCEPTED")
        assert latest.client_reference_id == "mine"


async def held(client: Client, account_id: str, quantity: str) -> None:
    """Until the record holds so much, whatever the stream has told."""
    while [row.quantity for row in (await client.positions(account_id)).data] != [Decimal(quantity)]:
        await asyncio.sleep(0.05)


async def test_a_stream_through_cuts_and_restarts_is_the_journal(tmp_path: Path) -> None:
    async with daemon(tmp_path) as running, Proxy(running.line["grpc"]).serving() as proxy:
        client = running.client(grpc=proxy.target)
        account = client.account_id or ""
        stream = client.stream(account)
        events = await until(stream, lambda e: isinstance(e, dropcopy.Heartbeat) and bool(e.heads))
        for number in range(4):
            for _ in range(5):
                await client.submit(account, symbol="EURUSD", side="BUY", spec=Market(1000), retries=2)
            for writer in proxy.writers:
                writer.transport.abort()
            if number == 2:
                await held(client, account, "15000")  # or a kill could prove some as not sent
                await client.aclose()
                cursor = stream.cursor
                await running.end(signal.SIGKILL)
                await running.start("--heartbeat-s", "0.3")
                client = running.client()
                stream = client.stream(account, resume=cursor)
            filled = 5 * (number + 1)
            events += await until(
                stream,
                lambda e, n=filled: isinstance(e, dropcopy.Position) and e.quantity == 1000 * n,  # type: ignore[misc]
            )
        assert stream.counters.resets == 0
        await client.aclose()
    counts = Counter(sequences(events))
    assert sorted(counts) == list(range(min(counts), max(counts) + 1))
    repeated = [sequence for sequence, count in counts.items() if count > 1]
    assert len(repeated) <= 1  # the event that was in hand when its process "died" comes again: at least once


async def test_the_same_key_is_the_same_intent_and_another_command_a_conflict(tmp_path: Path) -> None:
    async with daemon(tmp_path) as running, running.client() as client:
        account = client.account_id or ""
        terms: dict[str, Any] = {"symbol": "AAPL", "side": "BUY", "idempotency_key": "once"}
        first = await client.submit(account, spec=Limit("1.00", 10), **terms)
        assert await client.submit(account, spec=Limit("1.0", "10.0"), **terms) == first
        with pytest.raises(dropcopy.Conflict) as conflict:
            await client.submit(account, spec=Limit("1.00", 11), **terms)
        assert conflict.value.pointer.endswith("/quantity")
        assert len((await client.orders(account)).data) == 1


async def test_errors_are_the_sdks_own(tmp_path: Path) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    async with daemon(tmp_path) as running, running.client() as client, running.client(api_key="wrong") as wrong:
        account = client.account_id or ""
        with pytest.raises(dropcopy.InvalidRequest) as unknown:
            await client.submit(account, symbol="NOPE", side="BUY", spec=Market(1))
        assert unknown.value.code == "unknown_symbol"
        for spec in (Market(0), Market("-1"), Limit("0", 1)):
            with pytest.raises(dropcopy.InvalidRequest):
                await client.submit(account, symbol="AAPL", side="BUY", spec=spec)
        with pytest.raises(dropcopy.NotFound):
            await client.cancel(account, nobody)
        with pytest.raises(dropcopy.NotFound):
            await client.orders(nobody)
        with pytest.raises(dropcopy.Unauthenticated):
            await wrong.orders(account)
        for broken, error in (
            (wrong.stream(account), dropcopy.Unauthenticated),
            (client.stream(nobody), dropcopy.NotFound),
            (client.stream("not-a-uuid"), dropcopy.InvalidRequest),
        ):
            with pytest.raises(error):
                await until(broken, never)
        with pytest.raises(dropcopy.InvalidRequest) as negative:
            await until(client.stream(account, resume=dropcopy.Cursor(account, "x", -1)), never)
        assert negative.value.code == "invalid_cursor"
        first = await until(client.stream(account, resume=dropcopy.Cursor(account, "x", 1)), is_reset)
        assert first[-1].account_id == account  # type: ignore[union-attr]


def never(event: dropcopy.Event) -> bool:
    return False


def is_reset(event: dropcopy.Event) -> bool:
    return isinstance(event, dropcopy.Reset)


async def test_tls_with_the_development_ca_and_the_whole_organization(tmp_path: Path) -> None:
    async with daemon(tmp_path) as running:
        secure = {"grpc": running.line["grpc_tls"], "ca": running.line["ca"]}
        async with running.client(**secure) as client, client.stream() as stream:
            await until(stream, lambda e: isinstance(e, dropcopy.Heartbeat) and bool(e.heads))
            stream.acknowledge()
            assert client.account_id in stream.cursors
        async with running.client(grpc=running.line["grpc_tls"], plaintext=False) as client:
            with pytest.raises(dropcopy.ConnectionFailed):
                await anext(client.stream(client.account_id, connect_timeout_s=1))


async def test_the_demo_ends_by_itself_and_its_figures_agree() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "scripts" / "demo.py"),
        env=os.environ | {"DEMO_SECONDS": "8"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 90)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    text = out.decode()
    assert process.returncode == 0, text + err.decode()
    assert "trade    " in text
    assert "(0 still working)" in text
    assert text.endswith("stream and record agree\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
async def test_nothing_outlives_the_demo(tmp_path: Path, number: signal.Signals) -> None:
    async with asyncio.timeout(90):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "scripts" / "demo.py")),
            env=os.environ | {"DEMO_DATA": str(tmp_path)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        bot_log = tmp_path / "demo-bot.log"
        try:
            while not (bot_log.exists() and "submit" in bot_log.read_text()):
                await asyncio.sleep(0.1)
            url = json.loads((tmp_path / "demo-connect.json").read_text())["rest"]
            assert await is_open(url)
            process.send_signal(number)
            await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
        while await is_open(url):
            await asyncio.sleep(0.1)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0)


async def is_open(url: str) -> bool:
    """Whether something listens there."""
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def test_a_client_with_tokens_trades_and_its_stream_outlives_each_of_them(tmp_path: Path) -> None:
    async with daemon(tmp_path) as running:
        given: list[str] = []

        def token() -> str:
            answer = httpx2.post(
                f"{running.line['rest']}/v1/tokens",
                json={"lifetime_s": 2},
                headers={"x-api-key": running.line["api_key"]},
            )
            given.append(answer.json()["token"])
            return given[-1]

        async with running.client(api_key=None, token=token) as client, client.stream(client.account_id) as stream:
            await until(stream, lambda e: isinstance(e, dropcopy.Status))
            (*_, lost) = await until(stream, lambda e: isinstance(e, dropcopy.Disconnected))
            assert isinstance(lost, dropcopy.Disconnected)
            assert lost.code == "token_expired"
            await until(stream, lambda e: isinstance(e, dropcopy.Status))
            intent = await client.submit(client.account_id or "", symbol="AAPL", side="BUY", spec=Market("1"))
            await until(stream, is_order(intent, "FILLED"))
        assert len(set(given)) >= 3

        async with running.client(api_key=None, token=given[0]) as late, late.stream(late.account_id) as stream:
            with pytest.raises(dropcopy.Unauthenticated) as refused:
                await anext(stream)
            assert refused.value.code == "token_expired"
            with pytest.raises(dropcopy.Unauthenticated):
                await late.orders(late.account_id or "")


async def test_a_lost_client_leaves_no_orders_of_the_strategy_it_armed(tmp_path: Path) -> None:
    """Armed before the first event, and on a stream that is connected already; disarmed, a stream may be closed."""
    async with daemon(tmp_path) as running, running.client() as client:
        account = client.account_id or ""
        orders = {
            strategy: await client.submit(
                account, symbol="AAPL", side="BUY", spec=Limit("1.00", 10), strategy_id=strategy
            )
            for strategy in ("first", "second", "third")
        }
        async with client.stream(account) as watcher:
            for intent in orders.values():
                await until(watcher, is_order(intent, "NEW"))
            stream = client.stream(account)
            stream.arm("first", grace_s=0)
            await until(stream, is_armed)
            for strategy in ("second", "third"):
                stream.arm(strategy, grace_s=0)
            await until(stream, lambda e: is_armed(e) and stream.counters.connections == 2)
            await until(stream, is_armed)
            await until(stream, is_armed)
            await client.disarm(account, "third")
            await stream.aclose()
            for strategy in ("first", "second"):
                await until(watcher, is_order(orders[strategy], "CANCELLED"))
        page = await client.orders(account)
        assert {order.intent_id for order in page.data if order.order_status == "NEW"} == {orders["third"]}


def is_armed(event: Any) -> bool:
    """Whether an event confirms a cancel on disconnect."""
    return isinstance(event, dropcopy.Status) and event.code == "armed"

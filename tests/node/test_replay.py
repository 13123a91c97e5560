"""`dropcopyd replay`: the real program beside a real daemon, over real sockets, for the same key."""

import asyncio
import base64
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from dropcopy import proto as pb
from dropcopyd.config import Settings
from dropcopyd.errors import DropcopyError
from dropcopyd.flow.replay import Replay
from dropcopyd.ports import Head
from dropcopyd.replay import ReplayNode, Started, Wish, time_of
from tests.support.daemon import Daemon, Rest
from tests.support.streams import ALL_KINDS, StreamClient, has, new_channel

WAIT_S = 60.0
STATE_KINDS = ("account_status", "account_balance", "broker_position", "broker_order")


@asynccontextmanager
async def replaying(folder: Path, *arguments: str) -> AsyncIterator[tuple[dict[str, Any], asyncio.subprocess.Process]]:
    """A replay of the folder; its announcement."""
    with folder.with_suffix(".replay.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dropcopyd", "replay", "--json", "--data", str(folder), "--grpc-port", "0"),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=dict(os.environ),
        )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), WAIT_S)
        assert line, folder.with_suffix(".replay.log").read_text()
        yield json.loads(line), process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), WAIT_S)


class Raw:
    """One SubscribeEvents call that keeps the bytes of every message."""

    def __init__(self, target: str, key: str, request: pb.Subscribe) -> None:
        self.messages: list[bytes] = []
        self._channel = new_channel(target)
        self._call = self._channel.unary_stream(
            pb.SUBSCRIBE_EVENTS_PATH,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=lambda raw: raw,
        )(request, metadata=(("x-api-key", key),))

    async def until(self, is_so: Callable[[list[pb.TradingEvent]], bool]) -> None:
        """Read on until the predicate over all events so far is true."""
        events: list[pb.TradingEvent] = []
        async with asyncio.timeout(WAIT_S):
            while not is_so(events):
                raw = await self._call.read()
                assert isinstance(raw, bytes), "the stream ended"
                self.messages.append(raw)
                events.append(pb.TradingEvent.FromString(raw))

    @property
    def journal(self) -> list[bytes]:
        """The messages that are journal events."""
        return [raw for raw in self.messages if pb.TradingEvent.FromString(raw).sequence]

    @property
    def state(self) -> list[bytes]:
        """The pieces of replayed state."""
        events = ((raw, pb.TradingEvent.FromString(raw)) for raw in self.messages)
        return [raw for raw, event in events if not event.sequence and event.WhichOneof("event") in STATE_KINDS]

    async def close(self) -> None:
        self._call.cancel()
        await self._channel.close(None)


@asynccontextmanager
async def subscribed(target: str, info: dict[str, Any], **fields: Any) -> AsyncIterator[Raw]:
    request = pb.Subscribe(trading_account_id=info["account_id"], subscriptions=ALL_KINDS, **fields)
    raw = Raw(target, info["api_key"], request)
    try:
        yield raw
    finally:
        await raw.close()


def upto(sequence: int) -> Callable[[list[pb.TradingEvent]], bool]:
    return lambda events: bool(events) and events[-1].sequence == sequence


def primed(events: Sequence[pb.TradingEvent]) -> bool:
    return any(e.WhichOneof("event") == "primed" and e.primed.event_type == pb.EVENT_TYPE_BROKER_ORDER for e in events)


async def trade(rest: Rest, client: StreamClient) -> None:
    """Orders that fill, one that works on, one that is cancelled."""
    for number, (symbol, side) in enumerate((("AAPL", "BUY"), ("MSFT", "BUY"), ("AAPL", "SELL"))):
        await rest.create(symbol, side, "3")
        await client.until(has("broker_trade", number + 1), "the fill")
    await rest.create("AAPL", "BUY", "1", price="1")
    cancelled = await rest.create("MSFT", "BUY", "1", price="1")
    await rest.submit({"action_type": "CANCEL", "payload": {"ref_intent_id": cancelled}})
    await client.until(
        lambda events: any(e.broker_order.order_status == pb.ORDER_STATUS_CANCELLED for e in events), "the cancel"
    )


async def test_a_day_is_streamed_again_byte_for_byte(tmp_path: Path) -> None:
    """The live stream's bytes, from the first event on and from a cursor; states on the way are those that were."""
    folder = tmp_path / "data"
    async with Daemon(folder, "--heartbeat-s", "0.5") as daemon, Rest(daemon.info) as rest:
        info = daemon.info
        async with (
            subscribed(info["grpc"], info) as live,
            StreamClient(info["grpc"], info["api_key"]) as client,
        ):
            client.subscribe(info["account_id"])
            await client.until(has("primed"), "the state")
            await trade(rest, client)
            head = (await rest.client.get(f"/v1/accounts/{info['account_id']}/journal")).json()["head"]
            await live.until(upto(head))
        events = (await rest.client.get(f"/v1/accounts/{info['account_id']}/journal", params={"limit": 100})).json()
        at = {event["sequence"]: event["at"] for event in events["data"]}
        assert head <= len(at) <= 100

        async with replaying(folder, "--speed", "1000", "--to", at[head][:-1] + "+00:00") as (started, _):
            assert started["events"] == sum(one < at[head] for one in at.values())
        async with replaying(folder, "--speed", "1000", "--account", info["account_id"]) as (started, _):
            assert started["events"] >= head
            async with subscribed(started["grpc"], info, order_delivery=pb.ORDER_DELIVERY_PRIMED) as again:
                await again.until(upto(head))
            assert again.journal == [base64.b64decode(event["bytes"]) for event in events["data"][:head]]
            assert again.journal[-len(live.journal) :] == live.journal
            assert len(again.state) == 1, "before the first event there is the account's status only"
            middle = pb.TradingEvent.FromString(again.journal[head // 2])
            cursor = pb.Cursor(account_id=info["account_id"], epoch=epoch_of(live), sequence=middle.sequence)
            cursor.chain = middle.chain
            async with subscribed(started["grpc"], info, resume=[cursor]) as resumed:
                await resumed.until(upto(head))
            assert resumed.journal == again.journal[head // 2 + 1 :]
            for key, code in (("dc_x_" + "A" * 40, "UNAUTHENTICATED"), (info["api_key"][:-1] + "-", "UNAUTHENTICATED")):
                stranger = Raw(started["grpc"], key, pb.Subscribe(trading_account_id=info["account_id"]))
                with pytest.raises(grpc.aio.AioRpcError) as refusal:
                    await stranger.until(lambda _: False)
                assert refusal.value.code().name == code
                await stranger.close()

        state = (await rest.client.get(f"/v1/accounts/{info['account_id']}/state", params={"as_of": head})).json()
        begin = later(at[head])
        async with (
            replaying(folder, "--from", begin) as (started, _),
            subscribed(started["grpc"], info, order_delivery=pb.ORDER_DELIVERY_PRIMED) as late,
        ):
            await late.until(primed)
            told = [pb.TradingEvent.FromString(raw) for raw in late.state]
            positions = {e.broker_position.symbol: e.broker_position for e in told if e.HasField("broker_position")}
            assert {one: position.quantity for one, position in positions.items()} == {
                one["symbol"]: one["quantity"] for one in state["positions"]
            }
            orders = {e.broker_order.order_id: e.broker_order for e in told if e.HasField("broker_order")}
            assert {one["order_id"] for one in state["orders"]} == {
                order_id for order_id, order in orders.items() if order.order_state == pb.ORDER_STATE_OPEN
            }
            assert len(orders) == 5, "orders that closed within the hour are retained"
            originals = {unstamped(raw) for raw in again.journal}
            assert set(late.state) <= originals, "state is told in the words of its last event"


def epoch_of(raw: Raw) -> str:
    for message in raw.messages:
        event = pb.TradingEvent.FromString(message)
        if event.WhichOneof("event") == "status":
            return event.status.epoch
    raise AssertionError("no status")


def unstamped(raw: bytes) -> bytes:
    event = pb.TradingEvent.FromString(raw)
    for name in ("sequence", "account_id", "kind_sequence", "chain"):
        event.ClearField(name)
    return event.SerializeToString(deterministic=True)


def later(at: str) -> str:
    """A time behind that of an event."""
    digits = int(at[-10:-1]) + 1
    return f"{at[:-10]}{digits:09d}Z"


async def test_it_ends_by_itself_when_asked_and_says_what_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert "no daemon has run" in await refused("--data", str(tmp_path / "none"))
    async with Daemon(folder) as daemon, Rest(daemon.info) as rest:
        info = daemon.info
        await rest.create("AAPL", "BUY", "1", price="1")
    wish = Wish(["00000000-0000-4000-8000-000000000000"], None, None, 1)
    with pytest.raises(DropcopyError, match="there is no account"):
        await ReplayNode(Settings(data=folder), wish).run(print, print, asyncio.Event())
    with pytest.raises(DropcopyError, match="--from"):
        time_of("yesterday", "--from")
    async with replaying(folder, "--speed", "1000", "--stop-at-end") as (started, process):
        async with StreamClient(started["grpc"], info["api_key"]) as client:
            client.subscribe("")
            error = await client.ended()
            assert len(client.journal) == started["events"] > 0
            assert error.code().name == "UNAVAILABLE"
        assert await asyncio.wait_for(process.wait(), WAIT_S) == 0


async def test_time_begins_when_the_first_stream_is_attached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the attach reads: nothing happens before it knows where the account stands."""
    folder = tmp_path / "data"
    async with Daemon(folder) as daemon, Rest(daemon.info) as rest:
        info = daemon.info
        await rest.create("AAPL", "BUY", "1", price="1")
    real = Replay.head_of

    def slow(self: Replay, account_id: str) -> Head:
        time.sleep(0.5)  # in the reader's thread
        return real(self, account_id)

    monkeypatch.setattr(Replay, "head_of", slow)
    started: asyncio.Future[Started] = asyncio.get_running_loop().create_future()
    node = ReplayNode(Settings(data=folder, grpc_port=0), Wish((), None, None, 1000, stops_at_end=True))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(node.run(started.set_result, lambda _count: None, asyncio.Event()))
        begun = await asyncio.wait_for(started, WAIT_S)
        async with StreamClient(str(begun.grpc), info["api_key"]) as client:
            client.subscribe("")
            await client.ended()
            assert len(client.journal) == begun.events > 0


async def refused(*arguments: str) -> str:
    """What the program says when it does not start."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dropcopyd", "replay", *arguments), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode == 2
    return errors.decode()

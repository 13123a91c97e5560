"""A stop of the real program: what each stream hears, in which order, and that nothing committed is lost by it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from dropcopy import proto as pb
from dropcopyd.rpc import frames
from tests.rpc.peers import ClosedError, RawPeer, framed, raw_peer, unframed
from tests.support.daemon import Daemon, Rest, create_command
from tests.support.streams import StreamClient, has, trailer

NO_ERROR, UNAVAILABLE = 0, "14"


def request_of(**member: pb.Subscribe | pb.Unsubscribe) -> bytes:
    return framed(pb.StreamEventsRequest(**member).SerializeToString())  # type: ignore[arg-type]


class Heard:
    """What a raw peer hears of one stream: messages, GOAWAYs and trailers in their order."""

    def __init__(self, peer: RawPeer) -> None:
        self._peer = peer
        self.order: list[str] = []
        self.goaways: list[int] = []
        self.trailers: dict[str, str] = {}
        self.statuses: list[pb.Status] = []

    async def until(self, wanted: str) -> None:
        while wanted not in self.order:
            await self._take()

    async def until_closed(self) -> None:
        with pytest.raises(ClosedError):
            await self.until("never")

    async def _take(self) -> None:
        kind, flags, _, payload = await self._peer.frame()
        if kind == frames.DATA:
            self._peer.update(len(payload), 1)
            for message in unframed(payload):
                event = pb.TradingEvent.FromString(message)
                if event.HasField("status"):
                    self.statuses.append(event.status)
                    self.order.append(event.status.code)
        elif kind == frames.GOAWAY:
            self.goaways.append(int.from_bytes(payload[4:8], "big"))
            self.order.append("GOAWAY")
        elif kind == frames.HEADERS and flags & frames.END_STREAM:
            self.trailers = self._peer.heads[-1]
            self.order.append("trailers")


@pytest.mark.parametrize("is_subscribed", [True, False], ids=["subscribed", "unsubscribed"])
@pytest.mark.parametrize("uses_tls", [False, True], ids=["plaintext", "TLS"])
async def test_a_stop_is_announced_in_order(tmp_path: Path, uses_tls: bool, is_subscribed: bool) -> None:
    async with Daemon(tmp_path / "data") as daemon:
        tls = ssl.create_default_context(cafile=daemon.info["ca"])
        tls.set_alpn_protocols(["h2"])
        target = daemon.info["grpc_tls" if uses_tls else "grpc"]
        async with raw_peer(int(target.rpartition(":")[2]), context=tls if uses_tls else None) as peer:
            account_id = daemon.info["account_id"]
            peer.request(1, pb.STREAM_EVENTS_PATH, x_api_key=daemon.info["api_key"])
            subscribe = pb.Subscribe(trading_account_id=account_id, subscriptions=[pb.EVENT_TYPE_BROKER_ORDER])
            peer.send(frames.DATA, request_of(subscribe=subscribe), stream=1)
            heard = Heard(peer)
            await heard.until("subscribed")
            if not is_subscribed:
                unsubscribe = pb.Unsubscribe(trading_account_id=account_id)
                peer.send(frames.DATA, request_of(unsubscribe=unsubscribe), stream=1)
                await heard.until("unsubscribed")
            await asyncio.gather(daemon.stop(), heard.until_closed())
            assert await daemon.ended() == 0
    last = "subscribed" if is_subscribed else "unsubscribed"
    assert (heard.statuses[-1].code, heard.statuses[-1].message) == ("draining", last)
    assert heard.goaways == [NO_ERROR]
    assert heard.order[-1] == "trailers"
    assert set(heard.order[-3:-1]) == {"draining", "GOAWAY"}
    assert (heard.trailers["grpc-status"], heard.trailers["dropcopy-code"]) == (UNAVAILABLE, "draining")


async def trade_until_refused(rest: Rest) -> int:
    """Submit orders one after the other until the gateway drains or is gone; how many it has taken."""
    taken = 0
    while True:
        try:
            answer = await rest.submit(create_command("AAPL", "BUY", "1"))
        except Exception:  # the port is closed, or the answer was cut off
            return taken
        if answer.status_code == 503:
            return taken
        assert answer.status_code == 201, answer.text
        taken += 1


class Follower:
    """A client that comes back with its cursor after every stop; `journal` is all that it has ever heard."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._epoch = ""
        self.journal: list[pb.TradingEvent] = []

    @asynccontextmanager
    async def following(self) -> AsyncIterator[StreamClient]:
        account_id = self._daemon.info["account_id"]
        resume = []
        if self.journal:
            last = self.journal[-1]
            resume = [pb.Cursor(account_id=account_id, epoch=self._epoch, sequence=last.sequence, chain=last.chain)]
        async with StreamClient(self._daemon.info["grpc"], self._daemon.info["api_key"]) as client:
            client.subscribe(account_id, resume=resume)
            await client.until(has("status"))
            status = client.of("status")[0]
            self._epoch = status.epoch
            assert not resume or status.resumes[0].outcome == pb.RESUME_OUTCOME_RESUMED
            yield client
            self.journal += client.journal


async def test_what_is_committed_while_it_stops_comes_with_the_resume(tmp_path: Path) -> None:
    """Trading goes on until the very end, twice."""
    daemon = Daemon(tmp_path / "data")
    follower = Follower(daemon)
    taken = 0
    for _ in range(2):
        async with daemon, Rest(daemon.info) as rest, follower.following() as client:
            trading = asyncio.create_task(trade_until_refused(rest))
            await client.until(has("broker_trade", 10), "some trading")
            await daemon.stop()
            error = await client.ended()
            assert (error.code(), trailer(error, "dropcopy-code")) == (grpc.StatusCode.UNAVAILABLE, "draining")
            taken += await trading
    async with daemon, Rest(daemon.info) as rest, follower.following() as client:
        head = client.of("status")[0].head
        await client.until(lambda _: follower.journal[-1].sequence >= head or client.journal[-1:], "what was missed")
        orders = len(await rest.all("orders"))
        await client.until(lambda _: settled(follower.journal + client.journal) == orders, "every order's end")
    sequences = [event.sequence for event in follower.journal]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    created = {event.intent_action.intent_id for event in follower.journal if event.HasField("intent_action")}
    assert len(created) == orders
    assert orders >= taken > 0


def settled(journal: list[pb.TradingEvent]) -> int:
    """How many orders have ended, as the journal tells it."""
    ends = {pb.ORDER_STATUS_FILLED, pb.ORDER_STATUS_REJECTED, pb.ORDER_STATUS_CANCELLED}
    orders = [event.broker_order for event in journal if event.HasField("broker_order")]
    return len({order.order_id for order in orders if order.order_status in ends})


async def test_a_client_that_takes_nothing_holds_up_no_other_and_no_stop(tmp_path: Path) -> None:
    patience = {"DROPCOPYD_LIMITS__DRAIN_S": "1"}
    async with Daemon(tmp_path / "data", **patience) as daemon, Rest(daemon.info) as rest:
        port = int(daemon.info["grpc"].rpartition(":")[2])
        async with (
            raw_peer(port, window=0) as deaf,
            StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as client,
        ):
            account_id = daemon.info["account_id"]
            deaf.request(1, pb.STREAM_EVENTS_PATH, x_api_key=daemon.info["api_key"])
            subscribe = pb.Subscribe(trading_account_id=account_id, subscriptions=[pb.EVENT_TYPE_BROKER_ORDER])
            deaf.send(frames.DATA, request_of(subscribe=subscribe), stream=1)
            client.subscribe(account_id)
            await client.until(has("status"))
            await rest.create("AAPL", "BUY", "1")
            await client.until(has("broker_trade"))
            stopping = asyncio.create_task(daemon.stop())
            error = await client.ended()
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            trailers = await deaf.trailers()
            assert (trailers["grpc-status"], trailers["dropcopy-code"]) == (UNAVAILABLE, "draining")
            await stopping
            assert await daemon.ended() == 0

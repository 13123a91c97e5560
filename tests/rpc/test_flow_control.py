"""The windows, seen from a raw peer: nothing is sent that was not allowed, and everything arrives in the end."""

import asyncio
import contextlib

import pytest

from dropcopyd.rpc import frames
from dropcopyd.rpc.calls import ServerStream
from dropcopyd.rpc.fanout import Response, ResponseStream, StreamGoneError
from tests.rpc.peers import (
    Events,
    ListSource,
    RawPeer,
    Service,
    events_port,
    eventually,
    framed,
    limits,
    raw_peer,
    serving,
    unframed,
)

CANCEL = (8).to_bytes(4, "big")
MESSAGES = [bytes([65 + n]) * 40 for n in range(10)]
WIRE = b"".join(map(framed, MESSAGES))
BOTH_PATHS = pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])


@BOTH_PATHS
async def test_a_window_opened_byte_by_byte_lets_through_byte_by_byte(plain: bool) -> None:
    async with (
        events_port(Events(lambda: MESSAGES), plain=plain) as listener,
        raw_peer(listener.port, window=0) as peer,
    ):
        peer.request()
        await peer.headers()
        await peer.quiet()
        got = b""
        for _ in WIRE:
            peer.update(1, stream=1)
            _, _, _, payload = await peer.until(frames.DATA)
            assert len(payload) == 1
            got += payload
        assert got == WIRE
        assert (await peer.trailers())["grpc-status"] == "0"


async def test_a_segment_is_split_at_the_window_and_the_peers_frame_size() -> None:
    message = bytes(range(256)) * 400
    async with events_port(Events(lambda: [message])) as listener, raw_peer(listener.port, window=50_000) as peer:
        peer.request()
        sizes = [len((await peer.until(frames.DATA))[3]) for _ in range(4)]
        assert sizes == [16_384, 16_384, 16_384, 50_000 - 3 * 16_384]
        await peer.quiet()
        peer.settings(frame=20_000)
        peer.update(1 << 20)
        peer.update(1 << 20, stream=1)
        sizes = [len((await peer.until(frames.DATA))[3]) for _ in range(3)]
        assert sizes == [20_000, 20_000, len(framed(message)) - 90_000]


async def test_a_segment_below_its_limit_is_split_at_the_frame_size_too() -> None:
    message = bytes(range(250)) * 120
    async with events_port(Events(lambda: [message])) as listener, raw_peer(listener.port) as peer:
        peer.request()
        sizes = [len((await peer.until(frames.DATA))[3]) for _ in range(2)]
        assert sizes == [16_384, 30_005 - 16_384]


@pytest.mark.parametrize("is_late", [False, True], ids=["waits from the start", "waits when the window is shut"])
async def test_a_response_that_is_complete_ends_although_the_connections_window_is_shut(is_late: bool) -> None:
    """Stream 1 has sent all in whole turns, so it was not asked again; stream 3 took the rest of the window."""
    thousand = framed(b"t" * 995)
    responses: list[Response] = []
    greedy = ListSource([b"g" * 595])

    class Whole:
        has_more = True
        left = 65

        def pull(self, budget_bytes: int) -> bytes:
            if not self.left:
                return b""
            self.left -= 1
            if not self.left:
                responses[0].wake()
            return thousand

    async def handler(stream: ServerStream) -> None:
        await stream.send_initial_metadata()
        if not responses:
            responses.append(listener.fanout.open(stream, greedy))
            await asyncio.Event().wait()
        response = listener.fanout.open(stream, Whole())
        response.wake()
        if is_late:
            await eventually(lambda: responses[0].unsent_bytes)
        await response.drained()

    turns = limits(segment_bytes_max=1_000)
    async with (
        serving(Service(Events=handler), limits=turns) as listener,
        raw_peer(listener.port, window=1 << 20) as peer,
    ):
        peer.request(3)
        await eventually(lambda: responses)
        peer.request(5)
        trailers = await peer.trailers()
        assert trailers["grpc-status"] == "0"
        assert responses[0].unsent_bytes == 65


async def test_many_connections_woken_in_one_turn_are_all_served() -> None:
    events = Events(forever=True)
    async with events_port(events) as listener, contextlib.AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(raw_peer(listener.port)) for _ in range(150)]
        for peer in peers:
            peer.request()
        await eventually(lambda: len(events.responses) == 150)
        for source, response in zip(events.sources, events.responses, strict=True):
            source.waiting.append(framed(b"now"))
            response.wake()
        for peer in peers:
            assert await peer.data(8) == framed(b"now")


@BOTH_PATHS
async def test_a_window_made_negative_by_settings_is_paid_back_first(plain: bool) -> None:
    events = Events(lambda: [b"m" * 5_000])
    async with events_port(events, plain=plain) as listener, raw_peer(listener.port, window=1_000) as peer:
        peer.request()
        got = await peer.data(1_000)
        peer.settings(window=100)  # the stream's window is now -900
        peer.update(900, stream=1)  # 0
        await peer.until(frames.SETTINGS)
        await peer.quiet()
        peer.update(7, stream=1)
        got += (await peer.until(frames.DATA))[3]
        assert len(got) == 1_007
        peer.settings(window=10_000)  # raises every stream's window
        got += await peer.data(5_005 - 1_007)
        assert unframed(got) == [b"m" * 5_000]


@BOTH_PATHS
async def test_the_connections_window_alone_holds_up_and_lets_go(plain: bool) -> None:
    events = Events(lambda: [b"c" * 100_000])
    async with events_port(events, plain=plain) as listener, raw_peer(listener.port, window=1 << 20) as peer:
        peer.request()
        got = await peer.data(65_535)
        await peer.quiet()
        peer.update(1_000)
        got += await peer.data(1_000)
        await peer.quiet()
        peer.update(1 << 20)
        got += await peer.data(100_005 - len(got))
        assert unframed(got) == [b"c" * 100_000]


async def test_streams_share_a_short_connection_window_in_turn() -> None:
    events = Events(lambda: [b"x" * 995] * 200)
    quantum = limits(segment_bytes_max=10_000)
    async with events_port(events, limits=quantum) as listener, raw_peer(listener.port, window=1 << 20) as peer:
        peer.request(1)
        head_start = len(await peer.data(65_535))  # all that the connection's window allows
        for stream in (3, 5):
            peer.request(stream)
        await eventually(lambda: len(events.responses) == 3)
        sent = {1: head_start, 3: 0, 5: 0}
        allowed = 65_535
        while sum(sent.values()) < 600_000:
            while sum(sent.values()) < min(allowed, 600_000):
                _, _, stream, payload = await peer.until(frames.DATA)
                sent[stream] += len(payload)
            if max(sent.values()) < 200_000:
                late = [sent[1] - head_start, sent[3], sent[5]]
                assert max(late) - min(late) <= 2 * 10_000
            peer.update(7_001)
            allowed += 7_001
        assert set(sent.values()) == {200_000}


async def test_a_stream_whose_own_window_is_shut_does_not_hold_up_its_neighbour() -> None:
    events = Events(lambda: MESSAGES)
    async with events_port(events) as listener, raw_peer(listener.port, window=10) as peer:
        peer.request(1)
        assert await peer.data(10) == WIRE[:10]
        peer.request(3)
        assert await peer.data(10, stream=3) == WIRE[:10]
        peer.update(1_000, stream=3)
        assert await peer.data(len(WIRE) - 10, stream=3) == WIRE[10:]
        assert events.responses[0].unsent_bytes == len(WIRE) - 10
        peer.update(1_000, stream=1)
        assert await peer.data(len(WIRE) - 10, stream=1) == WIRE[10:]


@BOTH_PATHS
async def test_a_reset_within_a_segment_ends_that_stream_alone(plain: bool) -> None:
    events = Events(lambda: [b"y" * 100_000])
    async with events_port(events, plain=plain) as listener, raw_peer(listener.port, window=30_000) as peer:
        peer.request(1)
        peer.request(3)
        got = b""
        while len(got) < 30_000:
            _, _, stream, payload = await peer.until(frames.DATA)
            got += payload if stream == 3 else b""
        peer.send(frames.RST_STREAM, CANCEL, stream=1)
        await asyncio.wait_for(events.over.wait(), 5)
        assert isinstance(events.ended[0], asyncio.CancelledError | StreamGoneError)
        peer.update(1 << 20)
        peer.update(1 << 20, stream=1)  # late, for a stream that is gone
        peer.update(1 << 20, stream=3)
        while len(got) < 100_005:
            _, _, stream, payload = await peer.until(frames.DATA)
            assert stream == 3
            got += payload
        (protocol,) = listener.connections
        await eventually(lambda: not protocol.connection.lane.streams)
        assert not protocol.connection.lane.ready


async def test_a_closed_response_is_forgotten_in_each_state() -> None:
    sources = [ListSource(MESSAGES), ListSource(MESSAGES), ListSource()]
    seen: list[tuple[bool, int]] = []

    async def handler(stream: ServerStream) -> None:
        await stream.send_initial_metadata()
        response = listener.fanout.open(stream, sources.pop())
        assert isinstance(response, ResponseStream)
        response.wake()
        if len(sources) != 1:  # the second closes before its first turn
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        lane = stream._stream.connection.lane
        response.close()
        response.close()
        response.wake()
        with pytest.raises(StreamGoneError):
            await response.drained()
        seen.append((bool(lane.streams), len(lane.ready) + len(lane._blocked)))

    async with serving(Service(Events=handler)) as listener, raw_peer(listener.port, window=5) as peer:
        for stream in (1, 3, 5):  # idle, ready, blocked
            peer.request(stream)
            headers = await peer.headers()
            assert headers[":status"] == "200"
            assert (await peer.trailers())["grpc-status"] == "0"
    assert seen == [(False, 0)] * 3


async def test_a_peer_that_stops_reading_its_socket_costs_a_bounded_buffer() -> None:
    events = Events(lambda: (b"%09d" % n * 100 for n in range(40_000)))  # 36 MB
    small = limits(segment_bytes_max=16_384, write_buffer_bytes_max=65_536)
    async with events_port(events, limits=small) as listener, raw_peer(listener.port, window=(1 << 31) - 1) as peer:
        peer.update((1 << 31) - 1 - 65_535)
        peer.request()
        await eventually(lambda: events.responses and events.responses[0].stalled_since_ns is not None)
        (protocol,) = listener.connections
        assert protocol.transport.get_write_buffer_size() <= 2 * 65_536 + 20 * 9
        assert events.responses[0].unsent_bytes <= 16_384
        assert len(events.sources[0].waiting) > 10_000
        peer.request(3)
        await eventually(lambda: len(events.responses) == 2 and events.responses[1].stalled_since_ns)
        assert events.sources[1].pulled <= 20  # at most asked, for its handler waits; nothing is sent
        assert events.responses[1].bytes_sent == 0
        peer.send(frames.RST_STREAM, CANCEL, stream=3)
        got = 0
        while got < 40_000 * 905:
            got += len((await peer.until(frames.DATA))[3])
        assert (await peer.trailers())["grpc-status"] == "0"
        assert events.responses[0].stalled_since_ns is None


async def test_stalled_since_counts_from_the_last_progress() -> None:
    events = Events(lambda: MESSAGES, forever=True)
    async with events_port(events) as listener, raw_peer(listener.port, window=10) as peer:
        peer.request()
        await peer.data(10)
        response = events.responses[0]
        first = response.stalled_since_ns
        assert first is not None
        assert response.bytes_sent == 10
        peer.update(5, stream=1)
        await peer.data(5)
        second = response.stalled_since_ns
        assert second is not None
        assert second > first
        peer.update(10_000, stream=1)
        await peer.data(len(WIRE) - 15)
        assert response.stalled_since_ns is None
        assert (response.bytes_sent, response.unsent_bytes) == (len(WIRE), 0)


async def test_a_waiting_stream_is_stalled_when_the_connections_window_is_shut() -> None:
    events = Events(lambda: [b"q" * 65_530], forever=True)
    async with events_port(events) as listener, raw_peer(listener.port, window=1 << 20) as peer:
        peer.request(1)
        await peer.data(65_535)
        assert events.responses[0].stalled_since_ns is None
        peer.request(3)
        await eventually(lambda: len(events.responses) == 2 and events.responses[1].stalled_since_ns)
        assert events.responses[1].unsent_bytes == 0
        peer.update(1 << 20)
        assert unframed(await peer.data(65_535, stream=3)) == [b"q" * 65_530]


@BOTH_PATHS
async def test_trailers_come_after_the_data_also_when_the_window_was_shut(plain: bool) -> None:
    async with (
        events_port(Events(lambda: MESSAGES), plain=plain) as listener,
        raw_peer(listener.port, window=15) as peer,
    ):
        peer.request()
        await peer.data(15)
        peer.update(1_000, stream=1)
        kinds: list[int] = []
        while not kinds or kinds[-1] != frames.HEADERS:
            kind, _, _, _ = await peer.frame()
            kinds.append(kind)
        assert frames.DATA in kinds


async def test_an_end_flushes_for_a_bounded_time_and_then_drops() -> None:
    async def handler(stream: ServerStream) -> None:
        await stream.send_initial_metadata()
        listener.fanout.open(stream, ListSource(MESSAGES)).wake()  # and returns: the end flushes

    async with serving(Service(Events=handler)) as listener:
        async with raw_peer(listener.port, window=1_000) as peer:
            peer.request()
            assert await peer.data(len(WIRE)) == WIRE
            await peer.headers()
        async with raw_peer(listener.port, window=15) as peer:
            peer.request()
            await peer.data(15)
            await peer.quiet()
            trailers = await peer.headers()
            assert trailers["grpc-status"] == "14"


@BOTH_PATHS
async def test_a_source_that_raises_ends_its_own_call_only(plain: bool) -> None:
    class Broken:
        has_more = True

        def pull(self, budget_bytes: int) -> bytes:
            raise RuntimeError("a secret")

    good = Events(lambda: MESSAGES)

    async def bad(stream: ServerStream) -> None:
        await stream.send_initial_metadata()
        listener.fanout.open(stream, Broken()).wake()
        await asyncio.Event().wait()

    async with serving(Service(Events=good, Bad=bad), plain=plain) as listener, raw_peer(listener.port) as peer:
        good.listener = listener
        peer.request(1, "/t.T/Bad")
        peer.request(3)
        assert await peer.data(len(WIRE), stream=3) == WIRE
        await eventually_ended(peer, 2)
        ends = [head for head in peer.heads if "grpc-status" in head]
        assert sorted(end["grpc-status"] for end in ends) == ["0", "13"]
        assert {end.get("grpc-message") for end in ends} == {None, "internal error"}
        assert "secret" not in str(peer.heads)


async def eventually_ended(peer: RawPeer, calls: int) -> None:
    while sum("grpc-status" in head for head in peer.heads) < calls:
        await peer.frame()


async def test_both_paths_put_the_same_bytes_on_a_stream_whatever_the_windows() -> None:
    """Frames may be cut differently; what they carry may not."""
    messages = [bytes([n % 256]) * size for n, size in enumerate([0, 1, 250, 16_379, 16_384, 70_000, 5, 200_000, 3])]
    wire = b"".join(map(framed, messages))
    carried = []
    for plain in (False, True):
        async with (
            events_port(Events(lambda: messages), plain=plain) as listener,
            raw_peer(listener.port, window=777) as peer,
        ):
            peer.request()
            got, step = b"", 1
            while len(got) < len(wire):
                kind, _, _, payload = await peer.frame()
                if kind == frames.DATA:
                    got += payload
                    step = step * 5 % 40_009  # odd amounts, now small, now more than a frame
                    peer.update(len(payload) + step)
                    peer.update(len(payload) + step, stream=1)
            assert (await peer.trailers())["grpc-status"] == "0"
            carried.append(got)
    assert carried == [wire, wire]

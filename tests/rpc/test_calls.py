"""One call: whatever its handler does, the client gets one clean end and never the text of an exception."""

import asyncio
import contextlib
from typing import Any

import grpc
import grpc.aio
import pytest
from grpclib.const import Cardinality, Status
from grpclib.exceptions import GRPCError
from grpclib.health.service import Health
from grpclib.health.v1 import health_pb2

from dropcopyd.errors import Code, DropcopyError
from dropcopyd.rpc import frames
from dropcopyd.rpc.calls import Ending, ServerStream, default_ending
from dropcopyd.rpc.fanout import StreamGoneError
from dropcopyd.rpc.requests import CallError
from tests.rpc.peers import (
    EOF,
    SMALL_WINDOWS,
    Events,
    ListSource,
    Service,
    channel_to,
    events_port,
    framed,
    limits,
    pairs,
    raw_peer,
    serving,
)

SECRET = "password=hunter2"


async def end_of(service: Service, path: str = "/t.T/Call", **options: Any) -> grpc.aio.AioRpcError:
    """How a call without requests ends; it must fail."""
    async with (
        serving(service, **options) as listener,
        channel_to(listener.port) as channel,
    ):
        call = channel.stream_stream(path)(iter(()))

        async def read_all() -> None:
            while await call.read() is not EOF:
                pass

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read_all()
        return caught.value


def raising(error: BaseException, *, after: bytes | None = None) -> Service:
    async def handler(stream: ServerStream) -> None:
        if after is not None:
            await stream.send_message(after)
        raise error

    return Service(Call=handler)


@pytest.mark.parametrize("after", [None, b"something"])
@pytest.mark.parametrize("error", [ValueError(SECRET), KeyError(SECRET), TimeoutError(SECRET), AssertionError(SECRET)])
async def test_an_unknown_exception_is_an_internal_error_without_its_text(
    error: Exception, after: bytes | None
) -> None:
    end = await end_of(raising(error, after=after))
    assert (end.code(), end.details()) == (grpc.StatusCode.INTERNAL, "internal error")
    assert SECRET not in str(end)
    assert pairs(end.trailing_metadata())["dropcopy-code"] == "internal"


async def test_a_status_that_a_handler_raises_is_its_end() -> None:
    end = await end_of(raising(GRPCError(Status.NOT_FOUND, "no such thing, schön")))
    assert (end.code(), end.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing, schön")


def ending_of(error: Exception, method: str) -> Ending:
    if isinstance(error, DropcopyError):
        return Ending(Status.RESOURCE_EXHAUSTED, error.message, (("dropcopy-code", error.code), ("m", method)))
    if isinstance(error, KeyError):
        raise RuntimeError(SECRET)
    if isinstance(error, IndexError):
        return Ending(Status.OK, "", (("not allowed", "\n"),))
    return default_ending(error, method)


async def test_the_hook_decides_how_errors_end() -> None:
    error = DropcopyError(Code.STREAM_STALLED, "too slow")
    end = await end_of(raising(error), ending_of=ending_of)
    assert (end.code(), end.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too slow")
    assert pairs(end.trailing_metadata()) == {"dropcopy-code": "stream_stalled", "m": "/t.T/Call"}


@pytest.mark.parametrize("error", [KeyError(), IndexError()], ids=["it raises", "its trailers cannot be sent"])
async def test_a_broken_hook_still_gives_an_end(error: Exception) -> None:
    end = await end_of(raising(error), ending_of=ending_of)
    assert (end.code(), end.details()) == (grpc.StatusCode.INTERNAL, "internal error")
    assert SECRET not in str(end)


async def test_an_unknown_method_is_unimplemented() -> None:
    end = await end_of(raising(ValueError()), path="/t.T/Other")
    assert end.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_deadline_ends_the_handler() -> None:
    events = Events(lambda: [b"x"], forever=True)
    async with events_port(events) as listener, raw_peer(listener.port) as peer:
        peer.request(grpc_timeout="50m")
        trailers = await peer.trailers()
        assert trailers["grpc-status"] == "4"
        assert isinstance(events.ended[0], asyncio.CancelledError)


async def test_a_unary_handler_without_a_message_is_our_fault() -> None:
    async def silent(stream: ServerStream) -> None:
        await stream.recv_message()

    async with (
        serving(Service(Cardinality.UNARY_UNARY, Call=silent)) as listener,
        channel_to(listener.port) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/t.T/Call")(b"")
        assert caught.value.code() is grpc.StatusCode.INTERNAL


async def test_protobuf_services_of_grpclib_run_and_refuse_what_they_cannot_read() -> None:
    async with (
        serving(Health()) as listener,  # type: ignore[arg-type]
        channel_to(listener.port) as channel,
    ):
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        answer = health_pb2.HealthCheckResponse.FromString(await check(b""))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(b"\xff\xff\xff")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_trailing_metadata_follows_the_rest_of_the_response() -> None:
    async def handler(stream: ServerStream) -> None:
        await stream.send_initial_metadata(metadata={"early": "yes"})
        listener.fanout.open(stream, ListSource([b"a", b"b"])).wake()
        await stream.send_trailing_metadata(metadata={"dropcopy-code": "done"})
        await stream.send_trailing_metadata()  # only the first counts

    async with (
        serving(Service(Call=handler)) as listener,
        channel_to(listener.port) as channel,
    ):
        call = channel.stream_stream("/t.T/Call")(iter(()))
        assert [message async for message in call] == [b"a", b"b"]
        assert pairs(await call.initial_metadata())["early"] == "yes"
        assert pairs(await call.trailing_metadata())["dropcopy-code"] == "done"


async def test_a_stalled_client_that_is_cut_gets_its_status_at_once() -> None:
    cut = asyncio.Event()

    async def handler(stream: ServerStream) -> None:
        await stream.send_initial_metadata()
        response = listener.fanout.open(stream, ListSource([b"x" * 3_000_000]))
        response.wake()
        await cut.wait()
        assert response.unsent_bytes
        response.close()
        raise CallError(Status.RESOURCE_EXHAUSTED, Code.STREAM_STALLED, "no progress")

    slow = limits(end_flush_s=60.0)
    async with serving(Service(Call=handler), limits=slow) as listener:
        async with raw_peer(listener.port, window=20) as peer:
            peer.request(1, "/t.T/Call")
            await peer.data(20)
            cut.set()
            trailers = await peer.trailers()
            assert (trailers["grpc-status"], trailers["dropcopy-code"]) == ("8", "stream_stalled")
        cut.clear()
        async with channel_to(listener.port, **SMALL_WINDOWS) as channel:
            call = channel.stream_stream("/t.T/Call")(iter(()))
            await call.initial_metadata()
            await asyncio.sleep(0.1)  # it takes what its window allows, in the middle of the message
            cut.set()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await asyncio.wait_for(call.read(), 10)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert caught.value.details() == "no progress"


async def test_a_cancelled_call_ends_its_handler_and_leaves_nothing() -> None:
    events = Events(lambda: [b"x"], forever=True)
    async with (
        events_port(events) as listener,
        channel_to(listener.port) as channel,
    ):
        call = channel.stream_stream("/t.T/Events")(iter(()))
        assert await call.read() == b"x"
        call.cancel()
        await asyncio.wait_for(events.over.wait(), 5)
        (protocol,) = listener.connections
        assert not protocol.connection.lane.streams
        assert isinstance(events.ended[0], asyncio.CancelledError)


async def test_a_client_that_goes_on_asking_after_the_end_is_told_to_stop() -> None:
    async def brief(stream: ServerStream) -> None:
        await stream.send_message(b"done")

    async with serving(Service(Call=brief)) as listener, raw_peer(listener.port) as peer:
        peer.request(1, "/t.T/Call")  # and never ends its side
        assert (await peer.trailers())["grpc-status"] == "0"
        assert (await peer.until(frames.RST_STREAM))[2:] == (1, bytes(4))  # NO_ERROR
        peer.send(0, framed(b"late"), stream=1)
        await peer.ponged()


async def test_a_client_has_time_to_end_its_side_after_the_response() -> None:
    """A reset right behind the trailers meets clients in the middle of a write, which fails in its place."""

    async def brief(stream: ServerStream) -> None:
        await stream.send_message(b"done")

    async with serving(Service(Call=brief), limits=limits(linger_s=3600)) as listener, raw_peer(listener.port) as peer:
        peer.request(1, "/t.T/Call")
        assert (await peer.trailers())["grpc-status"] == "0"
        await peer.quiet()
        for _ in range(30):  # more than the connection's window, if it were not given back
            peer.send(frames.DATA, bytes(16_000), stream=1)
            await peer.ponged()
        peer.send(frames.DATA, flags=frames.END_STREAM, stream=1)
        await peer.quiet()


async def test_of_streams_that_their_clients_leave_open_only_so_many_wait() -> None:
    async def brief(stream: ServerStream) -> None:
        await stream.send_message(b"done")

    count = 300
    async with serving(Service(Call=brief), limits=limits(linger_s=3600)) as listener, raw_peer(listener.port) as peer:
        for index in range(count):
            peer.request(2 * index + 1, "/t.T/Call")
        kinds = [(await peer.until(frames.RST_STREAM))[2] for _ in range(count - 256)]
        assert kinds == [2 * index + 1 for index in range(256, count)]
        await peer.quiet()


async def test_a_refusal_lets_the_first_message_come() -> None:
    """grpcio's asyncio API tells a write that meets the end of its call as an internal error."""
    refused = asyncio.Event()

    async def refuse(_stream: ServerStream) -> None:
        refused.set()
        raise CallError(Status.UNAUTHENTICATED, Code.UNAUTHENTICATED, "who are you?")

    patient = limits(first_message_s=3600)
    async with serving(Service(Call=refuse), limits=patient) as listener, raw_peer(listener.port) as peer:
        peer.request(1, "/t.T/Call")
        await asyncio.wait_for(refused.wait(), 5)
        await peer.quiet()
        peer.send(frames.DATA, framed(b"hello"), stream=1)
        assert (await peer.trailers())["dropcopy-code"] == "unauthenticated"
        peer.request(3, "/t.T/Call", end=True)  # nothing to wait for
        assert (await peer.trailers())["dropcopy-code"] == "unauthenticated"
    async with serving(Service(Call=refuse)) as listener, raw_peer(listener.port) as peer:
        peer.request(1, "/t.T/Call")  # a silent client is told all the same
        assert (await peer.trailers())["dropcopy-code"] == "unauthenticated"


async def test_no_data_follows_a_reset_by_the_handler() -> None:
    async def handler(stream: ServerStream) -> None:
        await stream.send_initial_metadata()
        response = listener.fanout.open(stream, ListSource([b"never sent"]))
        response.wake()
        await stream.cancel()
        with pytest.raises(StreamGoneError):
            await response.drained()

    async with serving(Service(Call=handler)) as listener, raw_peer(listener.port) as peer:
        peer.request(1, "/t.T/Call")
        await peer.until(3)  # RST_STREAM
        await peer.quiet()


async def test_metadata_of_one_name_is_all_there() -> None:
    seen: list[list[str]] = []

    async def handler(stream: ServerStream) -> None:
        assert stream.metadata is not None
        seen.append([str(value) for value in stream.metadata.getall("twice")])

    async with serving(Service(Call=handler)) as listener, channel_to(listener.port) as channel:
        await channel.stream_stream("/t.T/Call")(iter(()), metadata=[("twice", "a"), ("twice", "b")]).code()
    assert seen == [["a", "b"]]


async def test_a_handler_that_ignores_its_cancellation_is_not_waited_for_for_ever() -> None:
    release = asyncio.Event()

    async def stubborn(stream: ServerStream) -> None:
        await stream.send_message(b"x")
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    async with (
        serving(Service(Call=stubborn)) as listener,
        channel_to(listener.port) as channel,
    ):
        call = channel.stream_stream("/t.T/Call")(iter(()))
        assert await call.read() == b"x"
        await listener.close(0)
        assert not listener.connections
        release.set()


async def test_tasks_of_an_ending_owner_refuse_the_stream() -> None:
    async def never(stream: ServerStream) -> None:
        raise AssertionError

    async with serving(Service(Call=never)) as listener, raw_peer(listener.port) as peer:
        (protocol,) = listener.connections
        group = asyncio.TaskGroup()
        async with group:
            pass
        protocol.handler._tasks = group  # type: ignore[attr-defined]
        peer.request(1, "/t.T/Call")
        kind, _, stream, payload = await peer.until(3)
        assert (kind, stream, payload) == (3, 1, (7).to_bytes(4, "big"))

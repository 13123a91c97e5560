"""The stream when things go wrong: losses, repeats, altered history, silence, fatal ends, values from the future."""

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc
import pytest

import dropcopy
from dropcopy import proto as pb
from tests.sdk.network import Proxy
from tests.sdk.peers import (
    ACCOUNT,
    EPOCH,
    KEY,
    OTHER,
    WAIT_S,
    Cut,
    Gateway,
    Journal,
    Plan,
    connected,
    drop,
    is_at,
    is_live,
    of_type,
    order,
    position,
    sequences,
    serving,
    start,
    trade,
    until,
)

UNAVAILABLE = Cut(grpc.StatusCode.UNAVAILABLE)
GONE = Cut(grpc.StatusCode.UNAVAILABLE, "draining", "the gateway is shutting down")


# --- gaps, repeats, altered history


async def test_a_lost_event_is_noticed_before_what_follows_and_read_again() -> None:
    gateway = Gateway(Journal().fill(8))
    gateway.plans = [drop(6)]  # heartbeat, status, then event 5 is message 6
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start()) as stream:
        events = await until(stream, is_at(8))
        assert stream.counters.gaps == 1
    assert sequences(events) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [lost.code for lost in of_type(events, dropcopy.Disconnected)] == ["gap"]


async def test_a_lost_event_of_some_kinds_comes_late_but_in_the_order_of_its_kind() -> None:
    kinds = ["broker_order", "broker_trade", "broker_position"]
    gateway = Gateway(Journal().fill(8))
    gateway.plans = [drop(6)]
    async with connected(gateway) as client, client.stream(ACCOUNT, kinds=kinds, resume=start()) as stream:
        events = await until(stream, is_at(8))
    assert sequences(events) == [1, 2, 3, 4, 6, 7, 5, 8]
    assert [event.place.kind_sequence for event in of_type(events, dropcopy.Position)] == [1, 2, 3]


async def test_a_lost_last_event_is_noticed_by_the_next_heartbeat() -> None:
    gateway = Gateway(Journal().fill(3))
    gateway.plans = [drop(2)]
    async with (
        connected(gateway) as client,
        client.stream(ACCOUNT, kinds=["broker_position"], resume=start(1)) as stream,
    ):
        events = await until(stream, is_at(2))
        assert stream.counters.gaps == 1
    assert sequences(events) == [2]


async def test_repeats_are_dropped_and_counted() -> None:
    gateway = Gateway(Journal().fill(6))
    gateway.plans = [Plan(alter=lambda number, message: (message, message) if 2 <= number < 8 else (message,))]
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start()) as stream:
        events = await until(stream, is_live)
        assert stream.counters.duplicates == 6
        assert stream.counters.gaps == 0
    assert sequences(events) == [1, 2, 3, 4, 5, 6]


async def test_an_event_that_is_gone_for_good_ends_in_a_reset() -> None:
    journal = Journal().fill(9)
    gone = journal.entries[4]  # a position
    gateway = Gateway(journal)
    gateway.states = [position(5)]
    gateway.plans = [Plan(alter=lambda _, message: () if message == gone.payload else (message,)) for _ in range(3)]
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start()) as stream:
        events = await until(stream, lambda event: isinstance(event, dropcopy.Reset))
        assert stream.counters.gaps == 3  # the hole, the hole in its kind, and that one read again
        after = await until(stream, is_live)
        stream.acknowledge()
        assert stream.cursor is not None
        assert stream.cursor.sequence == 9
    assert sequences(events) == [1, 2, 3, 4, 6, 7]
    assert [(s.first, s.last) for s in of_type(events, dropcopy.Skipped)] == [(5, 5)]
    assert of_type(after, dropcopy.Position)


@pytest.mark.parametrize("lost", [1, 2, 4, 5, 7, 8])
async def test_whatever_is_lost_of_some_kinds_is_put_right_once(lost: int) -> None:
    journal = Journal().fill(9)
    payload = journal.entries[lost - 1].payload
    gateway = Gateway(journal)
    gateway.plans = [Plan(alter=lambda _, message: () if message == payload else (message,))]
    kinds = ["broker_trade", "broker_position"]
    async with connected(gateway) as client, client.stream(ACCOUNT, kinds=kinds, resume=start()) as stream:
        events = await until(stream, is_live)
        stream.acknowledge()
        assert stream.counters.gaps == 1
        assert stream.cursor == dropcopy.Cursor(ACCOUNT, EPOCH, 9, journal.chain_at(9))
    assert sorted(sequences(events)) == [1, 2, 4, 5, 7, 8]
    for kind in (dropcopy.Trade, dropcopy.Position):
        assert [event.place.kind_sequence for event in of_type(events, kind)] == [1, 2, 3]


async def test_a_loss_that_a_cut_hides_is_put_right_all_the_same() -> None:
    journal = Journal().fill(9)
    payload = journal.entries[4].payload  # a position; the connection ends before any heartbeat could count

    def alter(number: int, message: bytes) -> Iterable[bytes]:
        if number == 6:
            raise UNAVAILABLE
        return () if message == payload else (message,)

    gateway = Gateway(journal)
    gateway.plans = [Plan(alter=alter)]
    kinds = ["broker_trade", "broker_position"]
    async with connected(gateway) as client, client.stream(ACCOUNT, kinds=kinds, resume=start()) as stream:
        events = await until(stream, is_live)
        assert stream.counters.gaps == 0
        assert stream.counters.duplicates == 3
    assert sequences(events) == [1, 2, 4, 5, 7, 8]


@pytest.mark.parametrize(
    ("lost", "resume_at", "options"),
    [
        (4, 3, {"kinds": ["broker_trade"]}),  # the first of its kind here, and 7 was taken: its number came before
        (5, 0, {"instrument": "AAPL"}),  # a filtered kind has no proof of its own order
    ],
)
async def test_a_loss_whose_order_cannot_be_restored_gives_a_reset(
    lost: int, resume_at: int, options: dict[str, Any]
) -> None:
    journal = Journal().fill(9)
    payload = journal.entries[lost - 1].payload
    gateway = Gateway(journal)
    gateway.plans = [Plan(alter=lambda _, message: () if message == payload else (message,))]
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start(resume_at), **options) as stream:
        events = await until(stream, lambda event: isinstance(event, dropcopy.Reset))
        assert lost not in sequences(events)
        assert stream.cursor is None  # since the Disconnected: nothing to resume from
        await until(stream, is_live)
        assert [cursor.sequence for cursor in stream.cursors.values()] == [9]


async def test_kinds_from_the_future_are_passed_over_and_told() -> None:
    journal = Journal().fill(2)
    for number in (3, 4):
        journal.add(pb.TradingEvent(), kind=1999)
        journal.add(order(number))
    gateway = Gateway(journal)
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start()) as stream:
        events = await until(stream, is_at(6))
        assert stream.counters.gaps == 1  # once, to be sure; then it is known
    assert sequences(events) == [1, 2, 4, 6]
    assert [(s.first, s.last) for s in of_type(events, dropcopy.Skipped)] == [(3, 3), (5, 5)]


async def test_an_altered_history_is_refused() -> None:
    journal = Journal().fill(5)
    forged = pb.TradingEvent.FromString(journal.entries[2].payload)
    forged.broker_order.quantity = "11"
    forged.ClearField("chain")
    tail = pb.TradingEvent(chain=journal.chain_at(3)).SerializeToString()

    def alter(number: int, message: bytes) -> Iterable[bytes]:
        return (forged.SerializeToString() + tail if message == journal.entries[2].payload else message,)

    gateway = Gateway(journal)
    gateway.plans = [Plan(alter=alter), Plan(alter=alter)]
    events: list[dropcopy.Event] = []

    def collect(event: dropcopy.Event) -> bool:
        events.append(event)
        return False

    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start()) as stream:
        with pytest.raises(dropcopy.ChainBroken, match="event 3"):
            await until(stream, collect)
    assert sequences(events) == [1, 2]


async def test_another_history_at_the_cursor_is_noticed_by_the_heartbeat() -> None:
    journal = Journal().fill(3)

    def alter(number: int, message: bytes) -> Iterable[bytes]:
        event = pb.TradingEvent.FromString(message)
        for head in event.heartbeat.heads:
            head.chain ^= 1
        return (event.SerializeToString() if event.heartbeat.heads else message,)

    gateway = Gateway(journal)
    gateway.plans = [Plan(alter=alter)]
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start()) as stream:
        events = await until(stream, is_live)
        assert stream.counters.gaps == 1
    assert sequences(events) == [1, 2, 3]


# --- silence


async def test_a_silent_stream_is_torn_down_and_resumed() -> None:
    gateway = Gateway(Journal().fill(6))
    gateway.plans = [Plan(after=4, is_silent=True)]
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start(), heartbeat_s=0.1) as stream:
        loop = asyncio.get_running_loop()
        began = loop.time()
        events = await until(stream, is_at(6))
        assert loop.time() - began >= 0.25
    assert sequences(events) == [1, 2, 3, 4, 5, 6]
    assert [lost.code for lost in of_type(events, dropcopy.Disconnected)] == ["heartbeat_missed"]


async def test_events_without_heartbeats_do_not_count_as_a_sign_of_life() -> None:
    async def mute(request: pb.Subscribe) -> Any:
        async for message in gateway.answer(request):
            is_beat = pb.TradingEvent.FromString(message).HasField("heartbeat")
            if gateway.requests[1:] or not is_beat:
                yield message
            if is_beat:
                await asyncio.sleep(gateway.heartbeat_s)
                journal.add(order(journal.head + 1))

    journal = Journal()
    gateway = Gateway(journal, heartbeat_s=0.02)
    gateway.script = mute
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start(), heartbeat_s=0.2) as stream:
        events = await until(stream, is_live)
    first, *again = of_type(events, dropcopy.Disconnected)
    assert {lost.code for lost in (first, *again)} == {"heartbeat_missed"}  # again: a machine that is slow for so long
    assert sequences(events) == list(range(1, len(sequences(events)) + 1))
    assert 2 < len(sequences(events[: events.index(first)])) < 250  # some 25 in the time that is waited


async def test_a_half_open_connection_is_left_for_a_new_one() -> None:
    gateway = Gateway(Journal().fill(2))
    async with (
        asyncio.timeout(WAIT_S),
        serving(gateway),
        Proxy(gateway.target).serving() as proxy,
        dropcopy.Client(rest="http://127.0.0.1:9", grpc=proxy.target, api_key=KEY) as client,
        client.stream(ACCOUNT, resume=start(), heartbeat_s=0.1) as stream,
    ):
        await until(stream, is_live)
        proxy.is_silent = True
        lost = await until(stream, lambda event: isinstance(event, dropcopy.Disconnected))
        proxy.is_silent = False
        gateway.journals[ACCOUNT].fill(2)
        events = await until(stream, is_at(4))
    assert lost[-1].code == "heartbeat_missed"  # type: ignore[union-attr]
    assert sequences(events) == [3, 4]
    assert proxy.connections == 2


async def test_streams_share_no_connection() -> None:
    gateway = Gateway(Journal())
    async with (
        asyncio.timeout(WAIT_S),
        serving(gateway),
        Proxy(gateway.target).serving() as proxy,
        dropcopy.Client(rest="http://127.0.0.1:9", grpc=proxy.target, api_key=KEY) as client,
    ):
        for stream in (client.stream(ACCOUNT), client.stream(ACCOUNT)):
            await until(stream, is_live)
        assert proxy.connections == 2  # or one stream's silent death would be the other's


async def test_a_slow_caller_is_not_taken_for_a_silent_gateway() -> None:
    gateway = Gateway(Journal().fill(3), heartbeat_s=0.05)
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start(), heartbeat_s=0.1) as stream:
        async for event in stream:
            await asyncio.sleep(0.15)
            if is_live(event):
                break
        await asyncio.sleep(1)
        gateway.journals[ACCOUNT].fill(1)
        await until(stream, is_at(4))
        assert stream.counters.disconnections == 0


async def test_the_interval_is_learnt_from_the_heartbeats() -> None:
    gateway = Gateway(Journal(), heartbeat_s=0.4)
    async with connected(gateway) as client, client.stream(ACCOUNT) as stream:
        for _ in range(6):
            await until(stream, is_live)
        assert stream._heartbeat_s == 1.0  # observed 0.4 s, held at the least


# --- what ends a stream for good


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "unauthenticated", dropcopy.Unauthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, "permission_denied", dropcopy.PermissionDenied),
        (grpc.StatusCode.NOT_FOUND, "account_not_found", dropcopy.NotFound),
        (grpc.StatusCode.INVALID_ARGUMENT, "invalid_cursor", dropcopy.InvalidRequest),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "stream_quota_exceeded", dropcopy.QuotaExceeded),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "request_too_large", dropcopy.QuotaExceeded),
        (grpc.StatusCode.UNIMPLEMENTED, "not_supported", dropcopy.InternalError),
    ],
)
async def test_what_reconnecting_cannot_help_is_raised_with_its_code(
    status: grpc.StatusCode, code: str, error: type[dropcopy.ApiError]
) -> None:
    gateway = Gateway(Journal())
    gateway.plans = [Plan(after=0, fault=Cut(status, code, "no such thing"))]
    async with connected(gateway) as client, client.stream(ACCOUNT) as stream:
        with pytest.raises(error) as caught:
            await anext(stream)
        assert (caught.value.code, caught.value.detail) == (code, "no such thing")
        assert KEY not in str(caught.value)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert len(gateway.requests) == 1


async def test_the_quota_does_not_end_a_stream_whose_own_dead_connection_may_fill_it() -> None:
    quota = Cut(grpc.StatusCode.RESOURCE_EXHAUSTED, "stream_quota_exceeded")
    gateway = Gateway(Journal().fill(4))
    gateway.plans = [Plan(after=4, fault=UNAVAILABLE), Plan(after=0, fault=quota), Plan(after=0, fault=quota)]
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start()) as stream:
        events = await until(stream, is_at(4))
    assert [lost.attempt for lost in of_type(events, dropcopy.Disconnected)] == [1, 2, 3]
    assert sequences(events) == [1, 2, 3, 4]


async def test_no_gateway_at_all_is_an_error_in_time() -> None:
    async with (
        asyncio.timeout(WAIT_S),
        dropcopy.Client(rest="http://127.0.0.1:9", grpc="127.0.0.1:9", api_key=KEY) as client,
        client.stream(ACCOUNT, connect_timeout_s=0.5) as stream,
    ):
        with pytest.raises(dropcopy.ConnectionFailed, match=r"127\.0\.0\.1:9"):
            await anext(stream)


async def test_a_stream_gives_up_after_the_time_it_was_given() -> None:
    gateway = Gateway(Journal())
    async with asyncio.timeout(WAIT_S):
        async with serving(gateway):
            client = dropcopy.Client(rest="http://127.0.0.1:9", grpc=gateway.target, api_key=KEY)
            stream = client.stream(ACCOUNT, give_up_after_s=0.5)
            await until(stream, is_live)
        with pytest.raises(dropcopy.ConnectionFailed):
            await until(stream, lambda event: False)
        await client.aclose()


# --- values from the future


async def test_unknown_enum_numbers_are_delivered() -> None:
    journal = Journal()
    journal.add(order(1, order_status=77, order_side=88, broker=1999))
    journal.add(trade(2, liquidity=9))
    async with connected(Gateway(journal)) as client, client.stream(ACCOUNT, resume=start()) as stream:
        events = await until(stream, is_at(2))
        assert stream.counters.unrecognized == 2
    (found,) = of_type(events, dropcopy.Order)
    assert found.order_status is dropcopy.OrderStatus.UNSPECIFIED
    assert found.unrecognized == {"order_status": 77, "order_side": 88, "broker": 1999}
    (fill,) = of_type(events, dropcopy.Trade)
    assert fill.unrecognized == {"liquidity": 9}


async def test_unknown_fields_and_kinds_are_delivered() -> None:
    journal = Journal()
    journal.add(order(1), foreign=bytes.fromhex("c2fa0103616263"))  # member 4008, "abc"
    journal.add(pb.TradingEvent(), kind=pb.EVENT_TYPE_BROKER_ORDER, foreign=bytes.fromhex("c2fa0103616263"))
    async with connected(Gateway(journal)) as client, client.stream(ACCOUNT, resume=start()) as stream:
        events = await until(stream, is_at(2))
    assert of_type(events, dropcopy.Order)[0].order_id == "order-1"
    (unknown,) = of_type(events, dropcopy.Unknown)
    assert unknown.field_numbers == (4008,)
    assert unknown.payload == journal.entries[1].payload
    assert unknown.place.sequence == 2


@pytest.mark.parametrize("quantity", ["", "1e5", "NaN", "1,000"])
async def test_a_value_that_makes_no_sense_is_delivered_as_unknown(quantity: str) -> None:
    journal = Journal()
    event = order(1)
    event.broker_order.quantity = quantity
    journal.add(event)
    async with connected(Gateway(journal)) as client, client.stream(ACCOUNT, resume=start()) as stream:
        events = await until(stream, is_at(1))
        assert stream.counters.unknown == 1
    (unknown,) = of_type(events, dropcopy.Unknown)
    assert "quantity" in unknown.problem


async def test_a_message_that_is_no_message_is_a_gap() -> None:
    gateway = Gateway(Journal().fill(3))
    gateway.plans = [Plan(alter=lambda number, message: (b"\xff\xff",) if number == 3 else (message,))]
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start()) as stream:
        assert sequences(await until(stream, is_at(3))) == [1, 2, 3]
        assert stream.counters.gaps == 1


async def test_errors_and_drains_in_the_stream_are_handed_out() -> None:
    async def script(request: pb.Subscribe) -> Any:
        yield gateway.beat(0, {})
        yield pb.TradingEvent(error=pb.Error(message="not now", code="not_supported")).SerializeToString()
        yield pb.TradingEvent(status=pb.Status(message="subscribed", code="draining")).SerializeToString()
        raise GONE

    gateway = Gateway(Journal())
    gateway.plans = [Plan()]
    gateway.script = script
    async with connected(gateway) as client, client.stream(ACCOUNT, connect_timeout_s=0.3) as stream:
        await anext(stream)
        refused, draining = await anext(stream), await anext(stream)
        assert refused == dropcopy.RequestRefused(message="not now", code="not_supported")
        assert isinstance(draining, dropcopy.Status)
        assert draining.code == "draining"
        assert not stream.is_live  # "draining" confirms no subscription


# --- an organization


async def test_an_organization_has_a_cursor_for_each_account() -> None:
    gateway = Gateway(Journal().fill(3), Journal(account_id=OTHER).fill(2))
    gateway.states = [order(1)]
    gateway.plans = [Plan(after=9, fault=UNAVAILABLE)]
    async with connected(gateway) as client, client.stream() as stream:
        await until(stream, is_live)
        stream.acknowledge()
        assert {name: cursor.sequence for name, cursor in stream.cursors.items()} == {ACCOUNT: 3, OTHER: 2}
        gateway.journals[OTHER].fill(1)
        gateway.journals[ACCOUNT].fill(1)
        events = await until(stream, lambda event: isinstance(event, dropcopy.Disconnected))
        gateway.journals[ACCOUNT].fill(1)
        events += await until(stream, is_at(5))
        assert stream.counters.gaps == 0
    assert sorted(sequences(events)) == [3, 4, 5]
    assert {c.account_id: c.sequence for c in gateway.requests[1].resume} == {ACCOUNT: 4, OTHER: 3}
    assert not of_type(events, dropcopy.Reset)


async def test_an_account_of_an_organization_without_a_cursor_begins_anew_with_a_reset() -> None:
    gateway = Gateway(Journal().fill(3), Journal(account_id=OTHER).fill(2))
    gateway.states = [order(1)]
    gateway.plans = [Plan(after=5, fault=UNAVAILABLE)]  # within the replay: no account has a place yet
    async with connected(gateway) as client, client.stream() as stream:
        events = await until(stream, is_live)
        stream.acknowledge()
        assert {name: cursor.sequence for name, cursor in stream.cursors.items()} == {ACCOUNT: 3, OTHER: 2}
        assert stream.counters.resets == 2
    assert not gateway.requests[1].resume
    again = events[[type(event) for event in events].index(dropcopy.Disconnected) :]
    kinds = [type(event).__name__ for event in again if not isinstance(event, dropcopy.Primed)]
    assert kinds == ["Disconnected", "Heartbeat", "Status", "Reset", "Order", "Reset", "Heartbeat"]
    assert [reset.account_id for reset in of_type(again, dropcopy.Reset)] == [ACCOUNT, OTHER]

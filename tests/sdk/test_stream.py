"""The stream against a gateway on a real gRPC port: what it hands out, its cursor, lost connections, resets."""

import asyncio

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dropcopy
from dropcopy import proto as pb
from tests.sdk.peers import (
    ACCOUNT,
    EPOCH,
    KEY,
    Cut,
    Gateway,
    Journal,
    Plan,
    connected,
    is_at,
    is_live,
    of_type,
    order,
    position,
    sequences,
    start,
    trade,
    until,
)

UNAVAILABLE = Cut(grpc.StatusCode.UNAVAILABLE)
GONE = Cut(grpc.StatusCode.UNAVAILABLE, "draining", "the gateway is shutting down")


# --- the plain way


async def test_state_then_primed_then_live_with_typed_exact_values() -> None:
    gateway = Gateway(Journal().fill(4))
    gateway.states = [order(1), position(5)]
    async with connected(gateway) as client, client.stream(ACCOUNT) as stream:
        attach = await until(stream, is_live)
        gateway.journals[ACCOUNT].add(trade(9, quantity="0.000000000000000001"))
        live = await until(stream, is_at(5))
    kinds = [type(event).__name__ for event in attach]
    assert kinds == ["Heartbeat", "Status", "Primed", "Position", "Primed", "Order", "Primed", "Heartbeat"]
    (found,) = of_type(attach, dropcopy.Order)
    assert str(found.limit_price) == "187.20"
    assert found.received_at_ns == 1_700_000_001_123_456_789
    assert found.received_at.isoformat() == "2023-11-14T22:13:21.123456+00:00"
    assert found.stop_price is None
    assert found.place is None
    assert found.instrument.asset_class is dropcopy.AssetClass.EQUITY
    (fill,) = of_type(live, dropcopy.Trade)
    assert format(fill.quantity, "f") == "0.000000000000000001"
    assert fill.place.kind_sequence == 3
    assert gateway.metadata[0]["x-api-key"] == KEY


async def test_what_is_asked_for_is_what_the_gateway_hears() -> None:
    gateway = Gateway(Journal())
    async with connected(gateway) as client:
        stream = client.stream(
            ACCOUNT.upper(),
            kinds=["broker_order", dropcopy.EventType.BROKER_TRADE],
            instrument="AAPL",
            instrument_class="equity",
            primed=False,
            resume=start(),
        )
        async with stream:
            await until(stream, is_live)
    (request,) = gateway.requests
    assert request.trading_account_id == ACCOUNT
    assert sorted(request.subscriptions) == [pb.EVENT_TYPE_BROKER_ORDER, pb.EVENT_TYPE_BROKER_TRADE]
    assert (request.instrument_key, request.instrument_class) == ("AAPL", "equity")
    assert request.order_delivery == pb.ORDER_DELIVERY_LIVE
    assert [(c.account_id, c.epoch, c.sequence) for c in request.resume] == [(ACCOUNT, EPOCH, 0)]


# --- cursors


async def test_the_cursor_follows_processing_not_reception() -> None:
    journal = Journal().fill(3)
    async with connected(Gateway(journal)) as client, client.stream(ACCOUNT, resume=start()) as stream:
        await until(stream, is_at(2))
        assert stream.cursor is not None
        assert stream.cursor.sequence == 1  # 2 is in the caller's hands
        stream.acknowledge()
        assert stream.cursor == dropcopy.Cursor(ACCOUNT, EPOCH, 2, journal.chain_at(2))
        assert dropcopy.Cursor.parse(str(stream.cursor)) == stream.cursor


async def test_there_is_no_cursor_before_the_replay_is_processed() -> None:
    gateway = Gateway(Journal().fill(4))
    gateway.states = [order(1)]
    async with connected(gateway) as client, client.stream(ACCOUNT) as stream:
        async for event in stream:
            if isinstance(event, dropcopy.Primed) and event.event_type == dropcopy.EventType.BROKER_ORDER:
                assert stream.cursor is None
                stream.acknowledge()
                assert stream.cursor is not None
                assert stream.cursor.sequence == 4
                return


async def test_the_cursor_moves_over_events_of_kinds_not_asked_for() -> None:
    journal = Journal().fill(7)
    async with connected(Gateway(journal)) as client:
        async with client.stream(ACCOUNT, kinds=["broker_trade"], resume=start()) as stream:
            events = await until(stream, is_live)
            stream.acknowledge()
            assert sequences(events) == [1, 4, 7]
            assert stream.cursor == dropcopy.Cursor(ACCOUNT, EPOCH, 7, journal.chain_at(7))
        journal.add(order(8))
        async with client.stream(ACCOUNT, kinds=["broker_trade"], resume=stream.cursor) as stream:
            await until(stream, is_live)
            stream.acknowledge()
            assert stream.cursor is not None
            assert stream.cursor.sequence == 8
            assert stream.counters.gaps == 0


# --- disconnects


FAULTS = (
    UNAVAILABLE,
    GONE,
    None,
    Cut(grpc.StatusCode.INTERNAL),
    Cut(grpc.StatusCode.RESOURCE_EXHAUSTED, "stream_stalled"),
)


def test_whatever_the_disconnect_points_the_events_are_the_journal() -> None:
    with asyncio.Runner() as runner:

        @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(
            plans=st.lists(st.tuples(st.integers(0, 9), st.sampled_from(FAULTS)), max_size=5),
            kinds=st.sampled_from([None, ["broker_order", "broker_trade"], ["broker_position"]]),
            at=st.integers(0, 3),
        )
        def check(plans: list[tuple[int, Cut | None]], kinds: list[str] | None, at: int) -> None:
            runner.run(scenario(plans, kinds, at))

        check()


async def scenario(plans: list[tuple[int, Cut | None]], kinds: list[str] | None, at: int) -> None:
    journal = Journal().fill(12)
    gateway = Gateway(journal)
    gateway.plans = [Plan(after=after, fault=fault) for after, fault in plans]
    wanted = {pb.EventType.Value(f"EVENT_TYPE_{kind.upper()}") for kind in kinds or ()}
    expected = [e.sequence for e in journal.entries if e.sequence > at and (not kinds or e.kind in wanted)]
    async with connected(gateway) as client, client.stream(ACCOUNT, kinds=kinds, resume=start(at)) as stream:
        events = await until(stream, lambda e: is_live(e) and e.heads[0].sequence == 12)  # type: ignore[union-attr]
    assert sequences(events) == expected
    assert stream.counters.gaps == 0
    assert not of_type(events, dropcopy.Reset)


async def test_a_lost_connection_is_told_at_once_and_resumed() -> None:
    gateway = Gateway(Journal().fill(6))
    gateway.plans = [Plan(after=5, fault=GONE)]
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start()) as stream:
        events = await until(stream, is_at(6))
        assert stream.is_live
    assert sequences(events) == [1, 2, 3, 4, 5, 6]
    (lost,) = of_type(events, dropcopy.Disconnected)
    assert (lost.code, lost.attempt) == ("draining", 1)
    assert 0 <= lost.retry_in_s <= 0.2
    assert [c.sequence for c in gateway.requests[1].resume] == [3]
    assert gateway.requests[1].resume[0].chain == gateway.journals[ACCOUNT].chain_at(3)


async def test_a_replay_that_was_cut_off_begins_anew_after_a_reset() -> None:
    gateway = Gateway(Journal().fill(4))
    gateway.states = [position(5), order(1)]
    gateway.plans = [Plan(after=4, fault=UNAVAILABLE)]
    async with connected(gateway) as client, client.stream(ACCOUNT) as stream:
        events = await until(stream, is_live)
    assert not gateway.requests[1].resume
    kinds = [type(event).__name__ for event in events]
    again = kinds.index("Reset")
    assert kinds[:again] == ["Heartbeat", "Status", "Primed", "Position", "Disconnected", "Heartbeat", "Status"]
    assert kinds[again:] == ["Reset", "Primed", "Position", "Primed", "Order", "Primed", "Heartbeat"]


async def test_cancelling_a_wait_loses_nothing() -> None:
    gateway = Gateway(Journal().fill(3), heartbeat_s=5)
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start()) as stream:
        await until(stream, is_live)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.05)
        gateway.journals[ACCOUNT].fill(2)
        events = await until(stream, is_at(5))
    assert sequences(events) == [4, 5]


async def test_a_stream_closed_by_another_task_ends_the_iteration() -> None:
    async with connected(Gateway(Journal(), heartbeat_s=5)) as client:
        stream = client.stream(ACCOUNT)

        async def read() -> list[dropcopy.Event]:
            return [event async for event in stream]

        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(read())
            while not stream.is_live:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            await stream.aclose()
        assert len(reading.result()) >= 2


# --- RESET


@pytest.mark.parametrize("resume", [start(2, epoch="another"), start(9), dropcopy.Cursor(ACCOUNT, EPOCH, 2, 12345)])
async def test_a_cursor_that_cannot_be_honoured_gives_a_reset_before_the_state(resume: dropcopy.Cursor) -> None:
    gateway = Gateway(Journal().fill(4))
    gateway.states = [order(1)]
    async with connected(gateway) as client, client.stream(ACCOUNT, primed=False, resume=resume) as stream:
        events = await until(stream, is_live)
        stream.acknowledge()
        assert stream.cursor is not None
        assert (stream.cursor.epoch, stream.cursor.sequence) == (EPOCH, 4)
    kinds = [type(event).__name__ for event in events]
    assert kinds == ["Heartbeat", "Status", "Reset", "Primed", "Primed", "Order", "Primed", "Heartbeat"]
    (reset,) = of_type(events, dropcopy.Reset)
    assert (reset.account_id, reset.head, reset.oldest) == (ACCOUNT, 4, 1)


async def test_a_restored_journal_resets_a_running_stream() -> None:
    gateway = Gateway(Journal().fill(4))
    gateway.plans = [Plan(after=6, fault=UNAVAILABLE)]
    async with connected(gateway) as client, client.stream(ACCOUNT, resume=start()) as stream:
        await until(stream, is_at(4))
        gateway.journals[ACCOUNT] = Journal(epoch="epoch-2").fill(2)
        events = await until(stream, lambda event: isinstance(event, dropcopy.Reset))
        assert stream.cursor is not None
        assert stream.cursor.epoch == EPOCH  # the reset itself is not processed yet
        stream.acknowledge()
        assert stream.cursor is None
        gateway.journals[ACCOUNT].add(order(3))
        events = await until(stream, is_at(3))
        stream.acknowledge()
        assert stream.cursor.epoch == "epoch-2"
    assert sequences(events) == [3]

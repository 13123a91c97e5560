"""The stream over real sockets: attach, replay, resume, bad requests, keys, drain, health and reflection."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from dropcopy import proto as pb
from tests.support.daemon import Daemon, Rest
from tests.support.streams import StreamClient, has, new_channel, trailer

ORDER, POSITION, TRADE = pb.EVENT_TYPE_BROKER_ORDER, pb.EVENT_TYPE_BROKER_POSITION, pb.EVENT_TYPE_BROKER_TRADE
UNKNOWN_UUID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with Daemon(tmp_path / "data", "--heartbeat-s", "0.3") as running:
        yield running


@pytest.fixture
async def rest(daemon: Daemon) -> AsyncIterator[Rest]:
    async with Rest(daemon.info) as client:
        yield client


def open_client(daemon: Daemon, key: str | None = None) -> StreamClient:
    return StreamClient(daemon.info["grpc"], key or daemon.info["api_key"])


def admin(daemon: Daemon, *words: str) -> str:
    """Run an operator's command beside the running daemon."""
    command = [sys.executable, "-m", "dropcopyd", *words, "--data", str(daemon.folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def filled(events: list[pb.TradingEvent], count: int = 1) -> bool:
    return sum(event.broker_order.order_status == pb.ORDER_STATUS_FILLED for event in events) >= count


def errors(events: list[pb.TradingEvent]) -> list[Any]:
    return [event.error for event in events if event.HasField("error")]


async def test_attach_replays_state_in_order_each_kind_closed_by_primed(daemon: Daemon, rest: Rest) -> None:
    account_id = daemon.info["account_id"]
    async with open_client(daemon) as client:
        client.subscribe(account_id)
        await client.until(has("status"))
        await rest.create("AAPL", "BUY", "3")
        working = await rest.create("AAPL", "BUY", "5", price="1.00")
        await client.until(lambda events: filled(events) and len(client.of("command_outcome")) >= 4)
    async with open_client(daemon) as client:
        client.subscribe(account_id, order_delivery=pb.ORDER_DELIVERY_PRIMED)
        await client.until(has("primed", 4), "four primed kinds")
        kinds = [event.WhichOneof("event") for event in client.events]
        assert kinds[0] == "heartbeat"
        replay = [kind for kind in kinds[kinds.index("status") :] if kind != "heartbeat"]
        assert replay[:2] == ["status", "account_status"]
        assert list(dict.fromkeys(replay)) == [
            "status",
            "account_status",
            "primed",
            "broker_position",
            "broker_order",
        ]
        assert [primed.event_type for primed in client.of("primed")] == [
            pb.EVENT_TYPE_ACCOUNT_STATUS,
            pb.EVENT_TYPE_ACCOUNT_BALANCE,
            POSITION,
            ORDER,
        ]
        status = client.of("status")[0]
        assert all(primed.as_of == status.head for primed in client.of("primed"))
        assert all(event.sequence == 0 for event in client.events)
        assert {order.order_status for order in client.of("broker_order")} == {
            pb.ORDER_STATUS_FILLED,
            pb.ORDER_STATUS_NEW,
        }
        assert client.of("account_status")[0].connection == pb.ACCOUNT_CONNECTION_LIVE
        payload = {"ref_intent_id": working}
        await rest.submit({"action_type": "CANCEL", "payload": payload})
        await client.until(lambda _: client.journal)
        assert client.journal[0].sequence == status.head + 1


async def test_a_resume_gets_exactly_what_it_missed(daemon: Daemon, rest: Rest) -> None:
    account_id = daemon.info["account_id"]
    async with open_client(daemon) as client:
        client.subscribe(account_id)
        await client.until(has("status"))
        await rest.create("AAPL", "BUY", "3")
        await client.until(filled)
        heard, epoch = client.journal, client.of("status")[0].epoch
    for _ in range(3):
        await rest.create("MSFT", "SELL", "2")
    last = heard[-1]
    cursor = pb.Cursor(account_id=account_id, epoch=epoch, sequence=last.sequence, chain=last.chain)
    async with open_client(daemon) as client:
        client.subscribe(account_id, resume=[cursor])
        await client.until(lambda events: filled(events, 3))
        answer = client.of("status")[0].resumes[0]
        assert answer.outcome == pb.RESUME_OUTCOME_RESUMED
        assert not client.of("primed")
        sequences = [event.sequence for event in heard + client.journal]
        assert sequences == list(range(heard[0].sequence, heard[0].sequence + len(sequences)))
        beat = await client.until(lambda _: [b for b in client.of("heartbeat") if b.delivered == len(client.journal)])
        head = beat[0].heads[0]
        assert (head.sequence, head.chain) == (client.journal[-1].sequence, client.journal[-1].chain)


@pytest.mark.parametrize(
    ("change", "why"),
    [({"epoch": "other"}, "epoch"), ({"sequence": 10_000}, "beyond the head"), ({"chain": 1}, "chain")],
)
async def test_a_cursor_that_cannot_be_honoured_is_reset_with_state(
    daemon: Daemon, rest: Rest, change: dict[str, Any], why: str
) -> None:
    account_id = daemon.info["account_id"]
    async with open_client(daemon) as client:
        client.subscribe(account_id)
        await client.until(has("status"))
        await rest.create("AAPL", "BUY", "3")
        await client.until(filled)
        last, epoch = client.journal[-1], client.of("status")[0].epoch
    fields = {"account_id": account_id, "epoch": epoch, "sequence": last.sequence, "chain": last.chain, **change}
    async with open_client(daemon) as client:
        client.subscribe(account_id, resume=[pb.Cursor(**fields)])
        await client.until(has("primed", 4), why)
        assert client.of("status")[0].resumes[0].outcome == pb.RESUME_OUTCOME_RESET
        assert client.of("broker_order"), "a reset replays orders whatever the delivery"


async def test_bad_requests_are_answered_in_the_stream_which_stays_as_it_was(daemon: Daemon, rest: Rest) -> None:
    account_id = daemon.info["account_id"]
    foreign = admin(daemon, "accounts", "add", "theirs", "--org", admin(daemon, "orgs", "add", "others"))
    async with open_client(daemon) as client:
        client.subscribe(account_id, (ORDER,))
        await client.until(has("status"))
        requests: list[tuple[Any, str]] = [
            (lambda: client.subscribe("not-a-uuid", (ORDER,)), "invalid_argument"),
            (lambda: client.subscribe(UNKNOWN_UUID, (ORDER,)), "account_not_found"),
            (lambda: client.subscribe(foreign, (ORDER,)), "account_not_found"),
            (lambda: client.subscribe(account_id, ()), "no_known_event_type"),
            (lambda: client.subscribe(account_id, (0, 777)), "no_known_event_type"),
            (lambda: client.subscribe(account_id, (ORDER,), instrument_class="bonds"), "invalid_instrument_class"),
            (lambda: client.subscribe(account_id, (ORDER,), resume=[pb.Cursor(sequence=-1)]), "invalid_cursor"),
            (lambda: client.unsubscribe("nonsense"), "invalid_argument"),
            (lambda: client.send(pb.StreamEventsRequest()), "invalid_argument"),
            (lambda: client.send(pb.StreamEventsRequest(arm=pb.Arm(account_id=account_id))), "not_supported"),
        ]
        for number, (request, code) in enumerate(requests, start=1):
            request()
            await client.until(has("error", number), code)
            assert errors(client.events)[-1].code == code
        messages = {error.code: error.message for error in errors(client.events) if error.code == "account_not_found"}
        assert len(messages) == 1
        client.subscribe(account_id, (0, 777, TRADE, ORDER))  # unknown and zero kinds beside known ones are ignored
        await client.until(has("status", 2))
        await rest.create("AAPL", "BUY", "2")
        await client.until(has("broker_trade"))


async def test_an_oversized_request_ends_the_call(daemon: Daemon) -> None:
    async with open_client(daemon) as client:
        client.subscribe("x" * 66_000, (ORDER,))
        error = await client.ended()
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert trailer(error, "dropcopy-code") == "request_too_large"


async def test_keys_wrong_disabled_and_without_the_scope(daemon: Daemon) -> None:
    unscoped = json.loads(admin(daemon, "keys", "add", "records", "--org", "dev", "--scope", "records:read"))
    disabled = json.loads(admin(daemon, "keys", "add", "old", "--org", "dev"))
    async with open_client(daemon, disabled["api_key"]) as client:
        await client.until(has("heartbeat"))
    admin(daemon, "keys", "disable", disabled["key_id"])
    wrong = daemon.info["api_key"][:-1] + ("a" if daemon.info["api_key"][-1] != "a" else "b")
    for key, code in (
        (wrong, grpc.StatusCode.UNAUTHENTICATED),
        (disabled["api_key"], grpc.StatusCode.UNAUTHENTICATED),
        (unscoped["api_key"], grpc.StatusCode.PERMISSION_DENIED),
    ):
        async with open_client(daemon, key) as client:
            error = await client.ended()
            assert error.code() is code
            assert key not in (error.details() or "")
            assert not client.events


async def test_subscribe_events_ends_with_a_status_when_the_subscription_is_bad(daemon: Daemon) -> None:
    channel: Any = new_channel(daemon.info["grpc"])
    method = channel.unary_stream(
        pb.SUBSCRIBE_EVENTS_PATH,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=pb.TradingEvent.FromString,
    )
    for fields, code in (
        ({"trading_account_id": "x", "subscriptions": [ORDER]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"trading_account_id": daemon.info["account_id"]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"trading_account_id": UNKNOWN_UUID, "subscriptions": [ORDER]}, grpc.StatusCode.NOT_FOUND),
    ):
        call = method(pb.Subscribe(**fields), metadata=(("x-api-key", daemon.info["api_key"]),))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in call:
                pass
        assert caught.value.code() is code
    await channel.close(None)


async def test_half_closing_ends_requests_and_not_events(daemon: Daemon, rest: Rest) -> None:
    async with open_client(daemon) as client:
        client.subscribe(daemon.info["account_id"], (ORDER,))
        client.half_close()
        await client.until(has("status"))
        await rest.create("AAPL", "BUY", "2")
        await client.until(filled)


async def test_an_organization_wide_stream_includes_an_account_made_later(daemon: Daemon, rest: Rest) -> None:
    async with open_client(daemon) as client:
        client.subscribe("", (ORDER, TRADE))
        await client.until(has("status"))
        later = admin(daemon, "accounts", "add", "later", "--org", "dev")
        answer = await rest.submit(
            {
                "action_type": "CREATE",
                "payload": {"symbol": "AAPL", "order_side": "BUY", "spec": {"Market": {"quantity": "2"}}},
            },
            account_id=later,
        )
        assert answer.status_code == 201
        await rest.create("AAPL", "BUY", "1")
        await client.until(lambda events: filled(events, 2))
        assert {event.account_id for event in client.journal} == {later, daemon.info["account_id"]}


async def test_a_stop_tells_the_clients_and_ends_them_as_unavailable(daemon: Daemon) -> None:
    async with open_client(daemon) as client:
        client.subscribe(daemon.info["account_id"], (ORDER,))
        await client.until(has("status"))
        await asyncio.gather(daemon.stop(), client.ended())
        assert client.of("status")[-1].code == "draining"
        assert client.of("status")[-1].message == "subscribed"
        assert client.error is not None
        assert client.error.code() is grpc.StatusCode.UNAVAILABLE
        assert await daemon.ended() == 0


async def test_health_and_reflection_need_no_key(daemon: Daemon) -> None:
    channel: Any = new_channel(daemon.info["grpc"])
    health = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert await health(b"") == b"\x08\x01"  # SERVING
    reflect = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    call = reflect(iter([b"\x3a\x00"]))  # list_services: ""
    answer = await call.read()
    assert b"trading.TradingService" in answer
    assert b"trading.StreamingService" in answer
    call = reflect(iter([b"\x22\x16trading.TradingService"]))  # file_containing_symbol
    assert b"StreamEvents" in await call.read()
    await channel.close(None)


async def test_the_same_folder_keeps_ids_key_and_epoch_over_a_restart(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "data")
    epochs = []
    infos = []
    for _ in range(2):
        async with daemon:
            async with open_client(daemon) as client:
                client.subscribe(daemon.info["account_id"], (ORDER,))
                await client.until(has("status"))
                epochs.append(client.of("status")[0].epoch)
            infos.append({name: daemon.info[name] for name in ("api_key", "organization_id", "account_id", "ca")})
            await daemon.stop()
    assert epochs[0] == epochs[1]
    assert infos[0] == infos[1]


async def test_a_second_daemon_on_the_folder_is_refused(daemon: Daemon) -> None:
    second = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dropcopyd", "dev", "--data", str(daemon.folder), "--rest-port", "0"),
        *("--grpc-port", "0", "--grpc-tls-port", "0"),
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    _, error = await asyncio.wait_for(second.communicate(), 30)
    assert second.returncode == 1
    assert b"in use by another dropcopyd" in error
    assert b"Traceback" not in error

"""The plain path of the gRPC port gives a client the same bytes as the fast one."""

from pathlib import Path
from typing import Any

from dropcopy import proto as pb
from tests.support.daemon import Daemon, Rest
from tests.support.streams import ALL_KINDS, StreamClient, has, new_channel

_STATE = ("broker_position", "broker_order")


async def heard(daemon: Daemon, request: pb.Subscribe, is_last: Any) -> list[tuple[pb.TradingEvent, bytes]]:
    """What one subscription brings, each message also as its bytes, heartbeats left out."""
    request.subscriptions.extend(ALL_KINDS)
    got: list[tuple[pb.TradingEvent, bytes]] = []
    async with new_channel(daemon.info["grpc"]) as channel:
        raw: Any = channel
        metadata = (("x-api-key", daemon.info["api_key"]),)
        call = raw.unary_stream(pb.SUBSCRIBE_EVENTS_PATH)(request.SerializeToString(), metadata=metadata)
        async for message in call:
            event = pb.TradingEvent.FromString(message)
            if not event.HasField("heartbeat"):
                got.append((event, message))
            if is_last(event):
                break
        call.cancel()
    return got


async def replayed(daemon: Daemon, epoch: str, head: int) -> tuple[list[bytes], list[bytes]]:
    """The journal up to `head` and the state of orders and positions, as bytes in their order."""
    account_id = daemon.info["account_id"]
    cursor = pb.Cursor(account_id=account_id, epoch=epoch, sequence=0)
    resume = pb.Subscribe(trading_account_id=account_id, resume=[cursor])
    journal = await heard(daemon, resume, lambda event: event.sequence == head)
    fresh = pb.Subscribe(trading_account_id=account_id, order_delivery=pb.ORDER_DELIVERY_PRIMED)
    state = await heard(daemon, fresh, lambda event: event.primed.event_type == pb.EVENT_TYPE_BROKER_ORDER)
    return (
        [message for event, message in journal if event.sequence],
        [message for event, message in state if event.WhichOneof("event") in _STATE],
    )


async def test_both_paths_give_the_same_bytes(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "data")
    async with daemon, Rest(daemon.info) as rest:
        async with StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as client:
            client.subscribe(daemon.info["account_id"])
            await client.until(has("status"))
            for number in range(1, 13):
                await rest.create("AAPL", "BUY", str(number))
                await rest.create("MSFT", "SELL", str(number), price="9999.00")
            await client.until(
                lambda _: client.of("broker_trade")[11:] and client.of("command_outcome")[47:], "24 ends"
            )
            epoch, head = client.of("status")[0].epoch, client.journal[-1].sequence
        fast = await replayed(daemon, epoch, head)
        await daemon.stop()
    await daemon.start(DROPCOPYD_PLAIN_WRITER="true")
    try:
        plain = await replayed(daemon, epoch, head)
    finally:
        await daemon.kill()
    assert len(fast[0]) == head > 50
    assert len(fast[1]) > 12
    assert plain == fast

"""A client built from the public contract alone, sharing no generated module with the product."""

import asyncio
from pathlib import Path
from typing import Any

from tests.contract.public_contract import STREAM_EVENTS_PATH, PublicContract
from tests.support.daemon import Daemon, Rest
from tests.support.streams import new_channel


async def test_a_public_client_sees_heartbeat_status_orders_positions_and_their_end(tmp_path: Path) -> None:
    public = PublicContract()
    request, event = public.message("StreamEventsRequest"), public.message("TradingEvent")
    kinds = [public.number("EVENT_TYPE_BROKER_ORDER"), public.number("EVENT_TYPE_BROKER_POSITION")]
    async with Daemon(tmp_path / "data", "--heartbeat-s", "0.3") as daemon, Rest(daemon.info) as rest:
        account_id = daemon.info["account_id"]
        channel: Any = new_channel(daemon.info["grpc"])
        call = channel.stream_stream(
            STREAM_EVENTS_PATH,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=event.FromString,
        )(metadata=(("x-api-key", daemon.info["api_key"]),))

        async def until(kind: str) -> Any:
            async with asyncio.timeout(20):
                while True:
                    message = await call.read()
                    assert message, "the stream ended"
                    seen.append(message.WhichOneof("event"))
                    if message.WhichOneof("event") == kind:
                        return getattr(message, kind)

        seen: list[str | None] = []
        await until("heartbeat")
        subscribe = public.message("Subscribe")(trading_account_id=account_id, subscriptions=kinds)
        await call.write(request(subscribe=subscribe))
        assert (await until("status")).message == "subscribed"
        await rest.create("AAPL", "BUY", "7")
        order = await until("broker_order")
        assert order.symbol == "AAPL"
        assert order.quantity == "7"
        assert order.instrument.equity.symbol == "AAPL"
        position = await until("broker_position")
        assert position.account_id == account_id
        await call.write(request(unsubscribe=public.message("Unsubscribe")(trading_account_id=account_id)))
        while (await until("status")).message != "unsubscribed":
            pass
        seen.clear()
        await rest.create("AAPL", "BUY", "1")
        await until("heartbeat")
        await until("heartbeat")
        assert set(seen) == {"heartbeat"}
        call.cancel()
        await channel.close(None)

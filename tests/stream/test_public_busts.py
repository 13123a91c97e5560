"""A client that knows the public contract alone never takes a bust for a trade: over real sockets, both calls."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dropcopyd.domain.report import BalanceReport, OrderReport, ReportKind
from dropcopyd.scenarios import gateway
from dropcopyd.system import RandomIds
from tests.contract.public_contract import STREAM_EVENTS_PATH, SUBSCRIBE_EVENTS_PATH, PublicContract
from tests.domain.build import bust, correction, trade
from tests.support.streams import new_channel

K = ReportKind
PUBLIC = PublicContract()
KINDS = [
    PUBLIC.number(f"EVENT_TYPE_{name}") for name in ("BROKER_ORDER", "BROKER_POSITION", "BROKER_TRADE", "INTENT_ACTION")
]
WAIT_S = 30.0


@dataclass
class Books:
    """What such a client makes of the stream: it adds trades up, and keeps the last word on orders and positions."""

    bought: Decimal = Decimal(0)
    trades: list[tuple[str, str, str]] = field(default_factory=list)
    order: Any = None
    position: Any = None

    def take(self, event: Any) -> str | None:
        kind: str | None = event.WhichOneof("event")
        if kind == "broker_trade":
            one = event.broker_trade
            self.trades.append((one.exec_id, one.quantity, one.price))
            self.bought += Decimal(one.quantity)
        elif kind == "broker_order":
            self.order = event.broker_order
        elif kind == "broker_position":
            self.position = event.broker_position
        return kind


def opened(call_name: str, target: str, api_key: str, account_id: str) -> tuple[Any, Any]:
    """An open call of the public client, subscribed to every kind that it knows: (call, its channel)."""
    channel: Any = new_channel(target)
    subscribe = PUBLIC.message("Subscribe")(trading_account_id=account_id, subscriptions=KINDS)
    metadata = (("x-api-key", api_key),)
    answers = PUBLIC.message("TradingEvent").FromString
    if call_name == "SubscribeEvents":
        method = channel.unary_stream(SUBSCRIBE_EVENTS_PATH, request_serializer=_bytes, response_deserializer=answers)
        return method(subscribe, metadata=metadata), channel

    async def requests() -> AsyncIterator[Any]:
        yield PUBLIC.message("StreamEventsRequest")(subscribe=subscribe)
        await asyncio.Event().wait()

    method = channel.stream_stream(STREAM_EVENTS_PATH, request_serializer=_bytes, response_deserializer=answers)
    return method(requests(), metadata=metadata), channel


def _bytes(message: Any) -> bytes:
    return bytes(message.SerializeToString())


@pytest.mark.parametrize("call_name", ["StreamEvents", "SubscribeEvents"])
async def test_a_bust_is_never_a_trade_to_a_public_client(tmp_path: Path, call_name: str) -> None:
    """4 at 99 and 6 at 101 are bought; the 4 are busted, the 6 corrected to 5 at 100.

    Two trades are told, of 10 together, and no third one; the order and the position end at 5.
    """
    books, seen = Books(), []
    account_id = RandomIds().uuid()
    async with gateway(tmp_path, [account_id]) as running:
        addresses, broker, api_key = running.addresses, running.broker, running.api_key
        call, channel = opened(call_name, str(addresses.grpc), api_key, account_id)

        async def until(is_so: Any) -> None:
            async with asyncio.timeout(WAIT_S):
                while not is_so():
                    event = await call.read()
                    assert event, "the stream ended"
                    seen.append(books.take(event))

        await until(lambda: "status" in seen)
        async with httpx2.AsyncClient(base_url=addresses.rest, headers={"x-api-key": api_key}, timeout=WAIT_S) as http:
            spec = {"Limit": {"price": "101", "quantity": "10", "time_in_force": "DAY"}}
            payload = {"symbol": "AAPL", "order_side": "BUY", "spec": spec}
            body = {"command": {"action_type": "CREATE", "payload": payload}}
            answer = await http.post(f"/v1/accounts/{account_id}/intents", json=body)
            assert answer.status_code == 201, answer.text
        command_id = (await broker.arrived()).command.broker_command_id
        for said in (
            OrderReport(kind=K.ACCEPTED, broker_command_id=command_id),
            trade("e1", "4", "99", command_id),
            trade("e2", "6", "101", command_id),
            bust("e3", "e1", command_id),
            correction("e4", "e2", "5", "100", command_id),
            BalanceReport(currency="USD", cash=Decimal(1)),
        ):
            await broker.say(account_id, said)
        await until(lambda: books.order is not None and books.order.filled_quantity == "5")
        await until(lambda: books.position is not None and books.position.quantity == "5")
        heartbeats = seen.count("heartbeat")
        await until(lambda: seen.count("heartbeat") > heartbeats)  # and nothing of it comes afterwards
        call.cancel()
        await channel.close(None)
    assert books.trades == [("e1", "4", "99"), ("e2", "6", "101")]
    assert books.bought == 10
    assert set(seen) <= {
        "heartbeat",
        "status",
        "primed",
        "broker_order",
        "broker_position",
        "broker_trade",
        "intent_action",
    }
    assert (books.order.filled_quantity, books.order.average_price, books.position.average_cost) == ("5", "100", "100")

"""One account of the gateway as a scenario sees it: orders go in over REST, the stream tells what became of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import httpx2

from dropcopyd.brokers.scripted import ScriptedBroker
from dropcopyd.domain.report import BalanceReport
from dropcopyd.ports import Submission

WAIT_S: Final = 20.0


class MismatchError(Exception):
    """A row that the stream contradicts, or one that cannot be played."""


@dataclass(slots=True)
class Named:
    """What a ClOrdID names: a command of ours."""

    submission: Submission

    @property
    def order_id(self) -> str:
        return self.submission.command.order_id


class Stage:
    """One account of the gateway with its stream."""

    def __init__(self, account_id: str, broker: ScriptedBroker, client: httpx2.AsyncClient, call: Any) -> None:
        self.account_id = account_id
        self.broker = broker
        self._client = client
        self._call = call
        self._marks = 0
        self.orders: dict[str, Any] = {}

    async def until(self, is_it: Callable[[Any], bool]) -> None:
        """Read the stream up to an event."""
        async with asyncio.timeout(WAIT_S):
            while True:
                event = await self._call.read()
                if not event:
                    raise MismatchError("the stream ended")
                if event.WhichOneof("event") == "broker_order":
                    self.orders[event.broker_order.order_id] = event.broker_order
                if is_it(event):
                    return

    async def settle(self) -> None:
        """Until the stream has told all that was said before: a balance said after it comes out after it."""
        self._marks += 1
        cash = Decimal(self._marks)
        await self.broker.say(self.account_id, BalanceReport(currency="USD", cash=cash))
        text = str(self._marks)
        await self.until(
            lambda event: event.WhichOneof("event") == "account_balance" and event.account_balance.cash == text
        )

    async def submit(self, action: str, payload: dict[str, Any]) -> Named:
        body = {"command": {"action_type": action, "payload": payload}}
        answer = await self._client.post(f"/v1/accounts/{self.account_id}/intents", json=body)
        if answer.status_code != 201:
            raise MismatchError(f"{action} was refused: {answer.text}")
        async with asyncio.timeout(WAIT_S):
            return Named(await self.broker.arrived())

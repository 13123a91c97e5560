"""A whole node in this process, real ports and files, with the clock or the broker that a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropcopyd import config, dev
from dropcopyd.node import Addresses, Node
from dropcopyd.ports import Broker, Clock
from dropcopyd.system import RandomIds, SystemClock
from tests.support.daemon import Rest

_WAIT_S = 30.0


@dataclass
class Running:
    """Where it is reached, in the words of `dropcopyd dev --json`."""

    info: dict[str, Any]
    rest: Rest

    async def order(self, intent_id: str) -> dict[str, Any]:
        """The order of an intent as REST has it."""
        return next(order for order in await self.rest.all("orders") if order["intent_id"] == intent_id)

    async def until(self, intent_id: str, **facts: object) -> dict[str, Any]:
        """The order once it is so; says how it was last when that does not come."""

        async def look() -> dict[str, Any] | None:
            order = await self.order(intent_id)
            return order if all(order[name] == value for name, value in facts.items()) else None

        try:
            found: dict[str, Any] = await until(look)
        except TimeoutError:
            raise AssertionError(f"never {facts}: {await self.order(intent_id)}") from None
        return found

    async def trades_of(self, intent_id: str) -> list[dict[str, Any]]:
        """Its executions, oldest first."""
        order_id = (await self.order(intent_id))["order_id"]
        return [trade for trade in reversed(await self.rest.all("trades")) if trade["client_order_id"] == order_id]


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    """Look until there is something; TimeoutError when nothing comes."""
    async with asyncio.timeout(_WAIT_S):
        while not (found := await look()):
            await asyncio.sleep(0.02)
    return found


@asynccontextmanager
async def running(
    folder: Path, *, clock: Clock | None = None, broker: Callable[[str], Broker] | None = None, **settings: Any
) -> AsyncIterator[Running]:
    """A node on the folder with one paper account, as `dropcopyd dev` makes it; `broker` is made for that account."""
    identity = dev.settle_identity(folder, SystemClock(), RandomIds())
    ports: dict[str, Any] = {"rest_port": 0, "grpc_port": 0, "grpc_tls_port": None}
    chosen = config.load(data=folder, **{**ports, **settings})
    node = Node(chosen, broker=None if broker is None else broker(identity.account_id), clock=clock)
    ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(node.run(ready.set_result, stop))
        try:
            addresses = await asyncio.wait_for(asyncio.shield(ready), _WAIT_S)
            info = {
                "rest": addresses.rest,
                "grpc": addresses.grpc,
                "api_key": identity.api_key,
                "account_id": identity.account_id,
            }
            async with Rest(info) as rest:
                yield Running(info, rest)
        finally:
            stop.set()

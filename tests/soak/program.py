"""The real node on a folder, whose journal also takes batches at the word of its parent: one JSON line each way.

`python -m tests.soak.program FOLDER SEED`; settings come from the environment, as for `dropcopyd serve`. It says where
it listens, then takes commands on stdin and answers each when its events are durable:

- {"lives": NUMBER, "batches": N}: the next batches in the life of account NUMBER (tests/store/build.py);
- {"burst": NUMBER, "events": N}: the same order published so many times, in large batches.
"""

import asyncio
import json
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from dropcopyd import config
from dropcopyd.collecting import tune_collector
from dropcopyd.domain.event import Batch
from dropcopyd.domain.instrument import Instrument
from dropcopyd.node import Addresses, Node, packaged_instruments
from dropcopyd.observe import configure_logs
from dropcopyd.store.sqlite import SqliteStore
from dropcopyd.system import allow_open_files
from tests.store.build import Desk

_BURST_BATCH = 500


def instruments() -> tuple[Instrument, ...]:
    """Two of each class in the packaged catalogue."""
    found: dict[str, list[Instrument]] = {}
    for instrument in packaged_instruments():
        found.setdefault(instrument.asset_class.value, []).append(instrument)
    return tuple(instrument for those in found.values() for instrument in those[:2])


class Lives:
    """Batches without end for each account."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._instruments = instruments()
        self._desks: dict[int, Desk] = {}
        self._due: dict[int, list[Batch]] = {}

    def next(self, number: int) -> Batch:
        """What is decided next for the account."""
        if not self._due.get(number):
            desk = self._desks.setdefault(number, Desk(number))
            self._due[number] = list(desk.life(self._rng.choice(self._instruments), fills=self._rng.randrange(4)))
            desk.play.batches.clear()
        return self._due[number].pop(0)

    def burst(self, number: int, count: int) -> Batch:
        """One order, published again and again. Its order is closed: it leaves the replayed state after an hour."""
        order = Desk(number).create_batch().orders[0]
        order = replace(order, order_id=f"burst-{number}", intent_id=f"burst-{number}", is_closed=True)
        event = replace(Desk(number).create_batch().events[1], record=order)
        return Batch(account_id=order.account_id, at_ns=order.received_at_ns, events=(event,) * count, orders=(order,))


class DrivenNode(Node):
    """A node that also commits what it is told."""

    async def _serve(
        self, group: asyncio.TaskGroup, store: SqliteStore, on_ready: Callable[[Addresses], None], stop: asyncio.Event
    ) -> None:
        group.create_task(self._drive(store))
        await super()._serve(group, store, on_ready, stop)

    async def _drive(self, store: SqliteStore) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        lives = Lives(int(sys.argv[2]))
        while line := await reader.readline():
            await _obey(store, lives, json.loads(line))
            print(json.dumps({"done": True}), flush=True)


async def _obey(store: SqliteStore, lives: Lives, command: dict[str, Any]) -> None:
    if "lives" in command:
        await asyncio.gather(*(store.commit(lives.next(command["lives"])) for _ in range(command["batches"])))
        return
    left = int(command["events"])
    while left:
        size = min(_BURST_BATCH, left)
        await store.commit(lives.burst(command["burst"], size))
        left -= size


def main() -> None:
    settings = config.load(data=Path(sys.argv[1]), rest_port=0, grpc_port=0)
    configure_logs("info")

    allow_open_files()

    def ready(addresses: Addresses) -> None:
        tune_collector()
        print(json.dumps(asdict(addresses)), flush=True)

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await DrivenNode(settings).run(ready, stop)

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


if __name__ == "__main__":
    main()

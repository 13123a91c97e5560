"""The record under load: every list walked to its end while an account is written to, and past states against a fold.

    python -m tests.rest.walking [--rounds 3] [--points 1000] [--rate 1000]

The journal is written by the product's machine, straight into the store: one batch is one write. What a walk must have
found is told by the database itself, in the order of its own numbers, without a line of the product's queries.
"""

import argparse
import asyncio
import itertools
import json
import math
import random
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format

from bench.rebuild import History
from dropcopy import proto as pb
from dropcopyd.node import packaged_instruments
from dropcopyd.store.migrate import DATABASE_NAME
from tests.rest.gateway import Gateway, opened, populate
from tests.rest.test_exports import ns_of
from tests.rest.test_pages import fill

STRATEGIES: Final = ("s0", "s1")
BEGIN_NS: Final = 1_790_000_000_000_000_000


@dataclass(frozen=True)
class Walk:
    """A list, and the SQL that tells what is in it, oldest first. `member` identifies a record."""

    path: str
    member: str
    sql: str
    query: tuple[tuple[str, str], ...] = ()


WALKS: Final = (
    Walk("journal", "sequence", "SELECT sequence FROM journal WHERE account = ? ORDER BY sequence"),
    Walk("trades", "exec_id", "SELECT exec_id FROM trades WHERE account = ? ORDER BY number"),
    Walk(
        "trades",
        "exec_id",
        "SELECT exec_id FROM trades WHERE account = ? AND order_side = 'BUY' ORDER BY number",
        (("side", "BUY"),),
    ),
    Walk("orders", "order_id", "SELECT order_id FROM orders WHERE account = ? ORDER BY number"),
    Walk(
        "orders",
        "order_id",
        "SELECT order_id FROM orders WHERE account = ? AND symbol = 'AAPL' AND strategy_id = 's0' ORDER BY number",
        (("symbol", "AAPL"), ("strategy_id", "s0")),
    ),
    Walk("intents", "intent_id", "SELECT intent_id FROM orders WHERE account = ? ORDER BY number"),
)
"""Lists that only grow, at their newer end; those that grow fastest first, while they are short."""


class Writing:
    """One account's life, written at a pace. `written` counts batches."""

    def __init__(self, gateway: Gateway, history: History, rate: int, batches_max: float) -> None:
        self._gateway = gateway
        self._batches_max = batches_max
        self._history = history
        self._rate = rate
        self.written = 0
        self.is_over = False

    @classmethod
    async def of(cls, gateway: Gateway, rate: int, batches_max: float) -> "Writing":
        state = await gateway.store.load_account(gateway.tenants.account_id, 0)
        state.is_partial = False
        equities = tuple(one for one in packaged_instruments() if one.asset_class.value == "EQUITY")
        return cls(gateway, History(state, equities, BEGIN_NS, strategies=STRATEGIES, resting=20), rate, batches_max)

    async def write(self, orders: int) -> None:
        """So many orders, as fast as it goes."""
        for _ in range(orders):
            for batch in self._history.next_order():
                await self._gateway.store.commit(batch)
                self.written += 1

    async def run(self) -> float:
        """At the pace, until it is over; the writes per second that it was."""
        loop = asyncio.get_running_loop()
        begun, before, pending = loop.time(), self.written, None
        for batch in itertools.chain.from_iterable(self._history.next_order() for _ in itertools.count()):
            if self.is_over or self.written >= self._batches_max:
                break
            pending = self._gateway.store.commit(batch)
            self.written += 1
            ahead_s = begun + (self.written - before) / self._rate - loop.time()
            await asyncio.sleep(max(0.0, ahead_s))
        if pending is not None:
            await pending
        return (self.written - before) / (loop.time() - begun)


class Truth:
    """The database, read on a connection of the test's own."""

    def __init__(self, folder: Path, account_id: str) -> None:
        self._connection = sqlite3.connect(folder / DATABASE_NAME)
        (self.account,) = self._connection.execute(
            "SELECT number FROM accounts WHERE account_id = ?", (account_id,)
        ).fetchone()

    def column(self, sql: str) -> list[Any]:
        return [row[0] for row in self._connection.execute(sql, (self.account,))]

    def journal(self) -> list[tuple[int, int, bytes]]:
        """(sequence, time, bytes) of each event."""
        return self._connection.execute(
            "SELECT sequence, at_ns, payload FROM journal WHERE account = ? ORDER BY sequence", (self.account,)
        ).fetchall()

    def close(self) -> None:
        self._connection.close()


async def walked(gateway: Gateway, path: str, member: str, enough: float = math.inf, **query: Any) -> list[Any]:
    """Every record of a list by following its cursors, to the end or to `enough` of them."""
    found: list[Any] = []
    while True:
        page = await gateway.get(path, **query)
        found += [record[member] for record in page["data"]]
        if page["next_cursor"] is None or len(found) >= enough:
            return found
        query["next_cursor"] = page["next_cursor"]


async def check_walk(gateway: Gateway, truth: Truth, walk: Walk, sort: str, limit: int) -> int:
    """Walk one list while it grows: what was found is the list without a gap, from one end to where it was met.

    From old to new a list may grow as fast as it is walked: then it is left behind what was written meanwhile.
    """
    before = truth.column(walk.sql)
    enough = len(before) + 2 * limit if sort == "asc" else math.inf
    found = await walked(gateway, walk.path, walk.member, enough, order=sort, limit=limit, **dict(walk.query))
    after = truth.column(walk.sql)
    if sort == "desc":
        assert found == after[after.index(found[0]) :: -1], (walk, sort)
    else:
        assert found == after[: len(found)], (walk, sort)
    assert len(found) >= len(before), "what was there has been found"
    return len(found)


async def check_positions(gateway: Gateway, truth: Truth, sort: str) -> None:
    """Positions have no time: each symbol once, in order, and all that were there."""
    sql = "SELECT symbol FROM positions WHERE account = ? ORDER BY asset_class, symbol"
    before = truth.column(sql)
    found = await walked(gateway, "positions", "symbol", order=sort, limit=2)
    assert found == sorted(set(found), reverse=sort == "desc")
    assert set(before) <= set(found) <= set(truth.column(sql))


async def check_search(gateway: Gateway, truth: Truth) -> None:
    """A search goes from new to old."""
    sql = "SELECT order_id FROM orders WHERE account = ? AND strategy_id = 's1' ORDER BY number"
    query: dict[str, Any] = {"q": "s1", "limit": 25}
    found: list[str] = []
    before = truth.column(sql)
    while True:
        page = (await gateway.client.get("/v1/search", params=query)).json()
        found += [hit["order"]["order_id"] for hit in page["data"]]
        if page["next_cursor"] is None:
            break
        query["next_cursor"] = page["next_cursor"]
    after = truth.column(sql)
    assert found == after[after.index(found[0]) :: -1]
    assert set(before) <= set(found)


async def check_chain(gateway: Gateway, executions: int) -> None:
    """An order's timeline, and its intent's actions, while it is being filled."""
    intent_id = await gateway.create(symbol="MSFT", spec={"Market": {"quantity": str(10 * executions)}})
    order_id = (await gateway.get("orders", symbol="MSFT", limit=1, order="desc"))["data"][0]["order_id"]

    async def trade() -> None:
        for number in range(executions):
            await gateway.report(intent_id, fill(f"chain-{number}"))

    for sort in ("asc", "desc"):
        writing = asyncio.get_running_loop().create_task(trade()) if sort == "asc" else None
        found = await walked(gateway, f"orders/{order_id}/timeline", "sequence", order=sort, limit=3)
        assert found == sorted(set(found), reverse=sort == "desc")
        if writing is not None:
            await writing
    events = await gateway.get(f"orders/{order_id}/timeline", limit=100)
    assert len(found) >= len(events["data"]) > 2 * min(executions, 40)


# --- past states ------------------------------------------------------------------------------------------------------


class Fold:
    """An account's working orders and positions by its events, taken one after another. No line of the product's."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.positions: dict[str, dict[str, Any]] = {}

    def take(self, event: dict[str, Any]) -> None:
        """One event in protobuf's JSON form."""
        if "broker_order" in event:
            order = event["broker_order"]
            if order["order_state"] == "ORDER_STATE_OPEN" or "in_doubt_since" in order:
                self.orders[order["order_id"]] = order
            else:
                self.orders.pop(order["order_id"], None)
        if "broker_position" in event:
            self.positions[event["broker_position"]["symbol"]] = event["broker_position"]


def assert_says(record: dict[str, Any], message: dict[str, Any]) -> None:
    """A record of the answer says what the message does, member by member."""
    for name, value in record.items():
        if name in ("created_at", "instrument"):
            continue
        told = message.get(name)
        if value is None:
            assert not told, name
        elif name.endswith(("_at", "_since")):
            assert ns_of(value) == ns_of(str(told)), name
        else:
            prefix = "ORDER_ORIGIN_" if name == "origin" else f"{name.upper()}_"
            assert str(value) == str(told).removeprefix(prefix), (name, value, told)


async def check_past(gateway: Gateway, truth: Truth, points: int, chance: random.Random) -> None:
    """The state at so many random points, half of them sequences, half times, is the fold up to there."""
    journal = truth.journal()
    fold, place = Fold(), 0
    for number in sorted(chance.randrange(len(journal) + 1) for _ in range(points)):
        for _, _, payload in journal[place:number]:
            message = pb.TradingEvent.FromString(payload)
            fold.take(json_format.MessageToDict(message, preserving_proto_field_name=True))
        place = number
        as_of: str | int = number
        if number and number < len(journal) and journal[number][1] > journal[number - 1][1] and chance.random() < 0.5:
            at_ns = chance.randrange(journal[number - 1][1], journal[number][1])
            as_of = f"{datetime.fromtimestamp(at_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%S}.{at_ns % 10**9:09d}Z"
        state = await gateway.get("state", as_of=as_of)
        assert state["sequence"] == number, as_of
        for members, known, key in (("orders", fold.orders, "order_id"), ("positions", fold.positions, "symbol")):
            records = {record[key]: record for record in state[members]}
            assert set(records) == set(known), (as_of, members)
            for name, record in records.items():
                assert_says(record, known[name])


# --- all of it --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def written_to(gateway: Gateway, writing: Writing) -> AsyncIterator[None]:
    """While the account is written to."""
    task = asyncio.get_running_loop().create_task(writing.run())
    try:
        yield
    finally:
        writing.is_over = True
        rate = await task
        print(f"{writing.written:,} batches, {rate:,.0f}/s")


async def campaign(
    folder: Path,
    *,
    orders: int,
    rounds: int,
    points: int,
    rate: int,
    limit: int,
    batches_max: float = math.inf,
    seed: int = 1,
) -> None:
    """Every list in both directions, so many times, under writes; then past states."""
    async with opened(folder, populate(folder)) as gateway:
        truth = Truth(folder, gateway.tenants.account_id)
        writing = await Writing.of(gateway, rate, batches_max)
        await writing.write(orders)
        async with written_to(gateway, writing):
            for round_number in range(rounds):
                counts = await _round(gateway, truth, limit + round_number)
                print(json.dumps(counts))
        await check_past(gateway, truth, points, random.Random(seed))
        truth.close()


async def _round(gateway: Gateway, truth: Truth, limit: int) -> Sequence[int]:
    counts = []
    for walk, sort in itertools.product(WALKS, ("desc", "asc")):
        counts.append(await check_walk(gateway, truth, walk, sort, limit))
    for sort in ("desc", "asc"):
        await check_positions(gateway, truth, sort)
    await check_search(gateway, truth)
    return counts


def main() -> None:
    """The long version."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--points", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--limit", type=int, default=90)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(campaign(Path(name), **vars(options)))
    print("nothing missed, nothing twice; every past state is its fold")


if __name__ == "__main__":
    main()

"""How long the record takes to answer at 100,000, 1,000,000 and 10,000,000 journal events (`make bench-record`).

A day of trading is written by the product's own machine and store: orders with ten fills, of five strategies, and a
hundred more at work at any time. It is then copied by SQL, day after day, with new ids, numbers, sequences and times,
up to the size wanted; what the events' bytes say of their own sequence stays that of the first day. The real daemon
serves the folder, and one client asks it over HTTP, each time for something else. Beside what the client waits stands
what the daemon worked: a figure that a busy machine leaves alone. The folder is deleted at the end.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from bench.rebuild import QUEUED_MAX, History, Trading, show
from dropcopyd import dev
from dropcopyd.domain.limits import Limits
from dropcopyd.node import packaged_instruments, seed_instruments
from dropcopyd.rest.cursor import make_cursor
from dropcopyd.rest.times import render_time
from dropcopyd.store.sqlite import open_store
from dropcopyd.store.tallying import Tallies
from dropcopyd.system import NoFailpoints, RandomIds, SystemClock
from dropcopyd.wire import ProtobufEncoder

SIZES: Final = (100_000, 1_000_000, 10_000_000)
DAY_NS: Final = 86_400_000_000_000
DAY_EVENTS: Final = 100_000
STEP_NS: Final = 2_000_000_000
STRATEGIES: Final = ("alpha", "beta", "gamma", "delta", "epsilon")
RESTING: Final = 100
ASKED: Final = 400
LIMIT_MS: Final = 50.0
RATIO_MAX: Final = 2.0


async def write_day(folder: Path, events: int) -> str:
    """A folder whose account traded for a day, long ago; the account's id."""
    clock = SystemClock()
    identity = dev.settle_identity(folder, clock, RandomIds())
    seed_instruments(folder, clock.now_ns())
    store = open_store(
        folder,
        encoder=ProtobufEncoder(),
        clock=clock,
        ids=RandomIds(),
        limits=Limits(),
        failpoints=NoFailpoints(),
        on_committed=lambda _committed: None,
    )
    try:
        state = await store.load_account(identity.account_id, 0)
        state.is_partial = False
        equities = tuple(one for one in packaged_instruments() if one.asset_class.value == "EQUITY")
        begin_ns = (clock.now_ns() // DAY_NS - 1_000) * DAY_NS
        history = History(state, equities, begin_ns, step_ns=STEP_NS, strategies=STRATEGIES, resting=RESTING)
        written = waiting = 0
        while written < events or not history.is_flat:
            for batch in history.next_order():
                pending = store.commit(batch)
                written += len(batch.events)
                waiting += 1
                if waiting > QUEUED_MAX:
                    await pending
                    waiting = 0
        for batch in history.end():
            await store.commit(batch)
    finally:
        await store.close()
    return identity.account_id


_COLUMNS: Final = "SELECT name FROM pragma_table_info(?)"
_SHIFTS: Final = {
    "journal": {
        "sequence": "sequence + :events",
        "kind_sequence": "kind_sequence + :events",
        "at_ns": "at_ns + :ns",
        "order_number": "order_number + :orders",
    },
    "orders": {
        "number": "number + :orders",
        "order_id": ":name || substr(order_id, 9)",
        "intent_id": ":name || substr(intent_id, 9)",
        "created_at_ns": "created_at_ns + :ns",
        "received_at_ns": "received_at_ns + :ns",
        "external_order_id": "external_order_id || '.' || :name",
    },
    "commands": {
        "order_id": ":name || substr(order_id, 9)",
        "intent_id": ":name || substr(intent_id, 9)",
        "broker_command_id": ":name || substr(broker_command_id, 9)",
        **{
            name: f"{name} + :ns"
            for name in (
                *("outcome_at_ns", "received_ns", "committed_ns", "attempt_begun_ns", "acknowledged_ns"),
                *("first_fill_ns", "last_fill_ns"),
            )
        },
    },
    "trades": {
        "number": "number + :trades",
        "order_id": ":name || substr(order_id, 9)",
        "intent_id": ":name || substr(intent_id, 9)",
        "external_order_id": "external_order_id || '.' || :name",
        "exec_id": "exec_id || '.' || :name",
        "received_at_ns": "received_at_ns + :ns",
    },
    "state_events": {"sequence": "sequence + :events"},
    "working_sets": {
        "sequence": "sequence + :events",
        "orders": "(SELECT json_group_array(value + :orders) FROM json_each(orders))",
    },
    "tallies": {"period": "period + iif(grain = 'D', 1, 24) * :days"},
}


def lengthen(folder: Path, days: int) -> int:
    """Copy the folder's one day so that there are so many; the number of events then."""
    connection = sqlite3.connect(folder / "dropcopy.db", isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -2000000", "foreign_keys = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    Tallies(connection).settle()
    connection.execute("COMMIT")
    (events,) = connection.execute("SELECT head FROM accounts").fetchone()
    (orders,) = connection.execute("SELECT max(number) FROM orders").fetchone()
    (trades,) = connection.execute("SELECT max(number) FROM trades").fetchone()
    firsts = {
        "journal": ("sequence", events),
        "state_events": ("sequence", events),
        "working_sets": ("sequence", events),
    }
    firsts |= {"orders": ("number", orders), "trades": ("number", trades)}
    (day,) = connection.execute("SELECT min(period) FROM tallies WHERE grain = 'D'").fetchone()
    for table, shifts in _SHIFTS.items():
        names = [name for (name,) in connection.execute(_COLUMNS, (table,))]
        source = _source(table, firsts, day)
        columns = ", ".join(shifts.get(name, name) for name in names)
        begun = time.monotonic()
        connection.execute("BEGIN")
        for copy in range(1, days):
            values = {"events": copy * events, "orders": copy * orders, "trades": copy * trades, "days": copy}
            values |= {"ns": copy * DAY_NS}
            connection.execute(
                f"INSERT INTO {table} ({', '.join(names)}) SELECT {columns} FROM {source}",
                {**values, "name": f"{copy:08x}"},
            )
        connection.execute("COMMIT")
        show(f"  {table}: {time.monotonic() - begun:.0f} s")
    last = (days - 1) * events
    connection.execute(
        "UPDATE accounts SET head = head + ?, last_ns = last_ns + ? WHERE head > 0", (last, (days - 1) * DAY_NS)
    )
    connection.execute("UPDATE kind_heads SET head = head + ?", (last,))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return int(events + last)


def _source(table: str, firsts: dict[str, tuple[str, int]], day: int) -> str:
    """The rows of the first day."""
    if table in firsts:
        column, last = firsts[table]
        return f"{table} WHERE {column} <= {last}"
    if table == "tallies":
        return f"tallies WHERE period = {day} AND grain = 'D' OR period / 24 = {day} AND grain = 'H'"
    return (
        f"(SELECT * FROM {table} WHERE order_id IN (SELECT order_id FROM orders WHERE number <= {firsts['orders'][1]}))"
    )


@dataclass
class Account:
    """What a client may ask about: ids and times taken from all over the account."""

    account_id: str
    first_ns: int
    last_ns: int
    events: int
    orders: int
    trades: int
    order_ids: list[str]
    external_ids: list[str]
    kinds: list[tuple[str, str]]
    """Symbol and strategy of orders."""
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    @classmethod
    def of(cls, folder: Path, account_id: str) -> "Account":
        connection = sqlite3.connect(folder / "dropcopy.db")

        def one(sql: str) -> Any:
            return connection.execute(sql).fetchone()[0]

        orders = one("SELECT max(number) FROM orders")
        numbers = random.Random(5).choices(range(1, orders + 1), k=500)
        found = [
            connection.execute(
                "SELECT order_id, external_order_id, symbol, strategy_id FROM orders WHERE number = ?", (number,)
            ).fetchone()
            for number in numbers
        ]
        account = cls(
            account_id=account_id,
            first_ns=one("SELECT at_ns FROM journal ORDER BY account, sequence LIMIT 1"),
            last_ns=one("SELECT max(last_ns) FROM accounts"),
            events=one("SELECT max(head) FROM accounts"),
            orders=orders,
            trades=one("SELECT max(number) FROM trades"),
            order_ids=[row[0] for row in found],
            external_ids=[row[1] for row in found],
            kinds=[row[2:] for row in found],
        )
        connection.close()
        return account

    def time(self) -> str:
        return render_time(self.chance.randrange(self.first_ns, self.last_ns))

    def late(self) -> str:
        """A time with enough before it to fill a page, at every size."""
        return render_time(self.chance.randrange((self.first_ns + self.last_ns) // 2, self.last_ns))

    def early(self) -> str:
        """A time with enough after it."""
        return render_time(self.chance.randrange(self.first_ns, (self.first_ns + self.last_ns) // 2))

    def kind(self) -> dict[str, str]:
        return dict(zip(("symbol", "strategy_id"), self.chance.choice(self.kinds), strict=True))

    def day(self) -> str:
        return self.time()[:10]

    def cursor(self, kind: str, last: int, sort: str = "desc") -> str:
        """Somewhere in an unfiltered list."""
        return make_cursor(
            repr((kind, self.account_id, sort, (), None, None)), str(self.chance.randrange(min(200, last // 2), last))
        )


Ask = Callable[[Account], str]
"""A path below the account, or below the root where it begins with a slash."""


def query(path: str, **parameters: str) -> str:
    return f"{path}?{urlencode(parameters)}"


QUESTIONS: Final[dict[str, Ask]] = {
    "one order, by its id": lambda a: f"orders/{a.chance.choice(a.order_ids)}",
    "orders, first page": lambda _: "orders",
    "trades, first page": lambda _: "trades",
    "journal, first page": lambda _: "journal",
    "orders, deep page": lambda a: query("orders", next_cursor=a.cursor("orders", a.orders)),
    "trades, deep page": lambda a: query("trades", next_cursor=a.cursor("trades", a.trades)),
    "journal, deep page": lambda a: query("journal", next_cursor=a.cursor("journal", a.events, "asc")),
    "orders, two filters and a time, 20": lambda a: query("orders", until=a.late(), limit="20", **a.kind()),
    "orders, three filters and a time, 20": lambda a: query(
        "orders",
        order_status="CANCELLED",
        order_side="SELL",
        strategy_id=a.kind()["strategy_id"],
        since=a.early(),
        limit="20",
    ),
    "trades, symbol, side and a time, 20": lambda a: query(
        "trades",
        symbol=a.kind()["symbol"],
        side=a.chance.choice(("BUY", "SELL")),
        since=a.early(),
        order="asc",
        limit="20",
    ),
    "search, an order's id at the broker": lambda a: query("/v1/search", q=a.chance.choice(a.external_ids)),
    "search, a strategy": lambda a: query("/v1/search", q=a.chance.choice(STRATEGIES)),
    "order timeline": lambda a: f"orders/{a.chance.choice(a.order_ids)}/timeline",
    "state as of a time": lambda a: query("state", as_of=a.time()),
    "day metrics": lambda a: query("metrics", day=a.day()),
    "day metrics by symbol": lambda a: query("metrics", day=a.day(), group_by="symbol"),
}
WHOLE: Final = "whole-range metrics"
"""Free of the limit."""


def worked_ns(pid: int) -> int:
    """Processor time of a process and all its threads."""
    return sum(int(file.read_text().split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat"))


Taken = list[tuple[float, float]]
"""Milliseconds of each answer: what the client waited, what the daemon worked."""


async def ask(daemon: Trading, account: Account, question: Ask, count: int) -> Taken:
    """So many answers, one after another, by a few lines of HTTP."""
    info, process = daemon.info, daemon.process
    assert process is not None
    host, port = info["rest"].removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=16 * 1024 * 1024)
    taken: Taken = []
    for number in range(count + 20):
        path = question(account)
        path = path if path.startswith("/") else f"/v1/accounts/{account.account_id}/{path}"
        worked, begun = worked_ns(process.pid), time.perf_counter()
        writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nx-api-key: {info['api_key']}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        waited_ms = (time.perf_counter() - begun) * 1_000
        if number >= 20:
            taken.append((waited_ms, (worked_ns(process.pid) - worked) / 1e6))
        assert head.startswith(b"HTTP/1.1 200"), (path, body)
    writer.close()
    await writer.wait_closed()
    return taken


Figures = dict[str, tuple[float, float, float, float]]
"""Question -> p50 and p99 of the wait, p50 and p99 of the work, in milliseconds."""


def figures_of(taken: Taken) -> tuple[float, float, float, float]:
    waits, works = (sorted(one[index] for one in taken) for index in (0, 1))
    p50, p99 = len(taken) // 2, min(len(taken) - 1, int(len(taken) * 0.99))
    return waits[p50], waits[p99], works[p50], works[p99]


def measure(folder: Path, account_id: str, asked: int) -> Figures:
    """Serve the folder and ask."""
    account = Account.of(folder, account_id)
    daemon = Trading(folder)
    daemon.start()
    try:
        figures = {}
        for name, question in QUESTIONS.items():
            figures[name] = figures_of(asyncio.run(ask(daemon, account, question, asked)))
        span = {"since": render_time(account.first_ns)[:13] + ":00:00Z", "until": render_time(account.last_ns)[:13]}
        span["until"] += ":00:00Z"
        whole = asyncio.run(ask(daemon, account, lambda _: query("metrics", group_by="symbol", **span), 10))
        figures[WHOLE] = figures_of(whole)
        return figures
    finally:
        daemon.kill()


def build(folder: Path, events: int, day_events: int = DAY_EVENTS) -> str:
    """A folder of about so many events, so many of them a day; the account's id."""
    begun = time.monotonic()
    day_events = min(events, day_events)
    account_id = asyncio.run(write_day(folder, day_events))
    count = lengthen(folder, events // day_events)
    size_gb = sum(file.stat().st_size for file in folder.iterdir()) / 1e9
    show(f"{count:,} events in {time.monotonic() - begun:.0f} s, {size_gb:.1f} GB")
    return account_id


def report(found: dict[int, Figures]) -> list[str]:
    """The table, and what misses the aim: waits above it, and work that grows with the account."""
    sizes = list(found)
    show("\n| wait p50 / p99 (work p50 / p99), ms | " + " | ".join(f"{size:,}" for size in sizes) + " |")
    show("| --- |" + " --- |" * len(sizes))
    missed = []
    for name in found[sizes[0]]:
        cells = ["{:.1f} / {:.1f} ({:.1f} / {:.1f})".format(*found[size][name]) for size in sizes]
        show(f"| {name} | " + " | ".join(cells) + " |")
        if name == WHOLE:
            continue
        waits = {size: found[size][name][1] for size in sizes}
        missed += [f"{name}: p99 {wait:.0f} ms at {size:,}" for size, wait in waits.items() if wait >= LIMIT_MS]
        ratio = found[sizes[-1]][name][2] / found[sizes[0]][name][2]
        if ratio > RATIO_MAX:
            missed.append(f"{name}: the work grows {ratio:.1f} times from {sizes[0]:,} to {sizes[-1]:,}")
    return missed


def main() -> None:
    """Build, ask and delete, size by size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--asked", type=int, default=ASKED)
    parser.add_argument("--folder", type=Path, help="where the folders are made; needs 12 GB for 10,000,000 events")
    arguments = parser.parse_args()
    show(f"python {sys.version.split()[0]}, sqlite {sqlite3.sqlite_version}, {os.cpu_count()} cores")
    found: dict[int, Figures] = {}
    for size in arguments.sizes:
        folder = Path(tempfile.mkdtemp(prefix="dropcopy-record-", dir=arguments.folder))
        try:
            account_id = build(folder / "data", size)
            found[size] = measure(folder / "data", account_id, arguments.asked)
            show(json.dumps({name: [round(one, 2) for one in pair] for name, pair in found[size].items()}))
        finally:
            shutil.rmtree(folder)
    missed = report(found)
    show("\n" + ("\n".join(["MISSED", *missed]) if missed else "every aim is reached"))


if __name__ == "__main__":
    main()

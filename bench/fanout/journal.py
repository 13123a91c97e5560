"""The journal that every run reads: committed once, through the real store, and what that cost."""

import asyncio
import statistics
import struct
import time
from collections import deque
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from bench.fanout.plan import MESSAGE_BYTES, RIVAL_MESSAGES
from bench.product import Site, order_event
from dropcopyd.domain.account import BrokerKind
from dropcopyd.domain.event import Batch, Event, EventType
from dropcopyd.domain.instrument import Equity
from dropcopyd.domain.order import Order, OrderSide, OrderTerms, OrderType, OrderVenue, TimeInForce
from dropcopyd.ports import Committed
from dropcopyd.store.sqlite import SqliteStore
from dropcopyd.system import RandomIds, SystemClock
from dropcopyd.wire import ProtobufEncoder

SYMBOL = "AAPL"
_MARK = "@@"
_DIGITS = 16
_IN_FLIGHT = 256
_ALONE = 100
_MEASURED = 10_000
"""Events committed one by one and measured; the rest of a journal is filled by batches, which is quicker."""
_FILLED = 1_000
_EVERYTHING = 2**62
_LONG_AGO_NS = 7_200 * 1_000_000_000
"""The order has left the replayed state: a stream's attach is not what is measured."""


@dataclass(frozen=True, slots=True)
class Journal:
    """A site whose journal holds `rows` events, and the cost of having committed them."""

    site: Site
    rows: int
    messages: Path
    """The first events as the rivals send them, each behind its length in four bytes."""
    commit_cpu_us: float
    """CPU of the whole process per event: encode, queue, stamp, hash, journal row, order row, fsync, announce."""
    commit_wall_us: float
    """Time per event with many in flight, so that they share transactions."""
    alone_p50_us: float
    """From the call to its answer with nothing else in flight: a transaction and an fsync of its own."""


class SizedEncoder(ProtobufEncoder):
    """Encodes as the product does, then gives bytes of the agreed size: same messages for every server."""

    def __init__(self, account_id: str) -> None:
        super().__init__()
        stamped, _ = self.stamp(b"", account_id, 100_000, 100_000, bytes(32))
        self._message = order_event(MESSAGE_BYTES - len(stamped), _MARK + "0" * _DIGITS)

    def encode(self, event: Event) -> bytes:
        super().encode(event)
        return self._message


def now_stamp() -> bytes:
    """The time, as the client looks for it in a message."""
    return b"%016x" % time.monotonic_ns()


def stamped(payload: bytes) -> bytes:
    """The message with the time at its mark."""
    at = payload.index(_MARK.encode()) + len(_MARK)
    return payload[:at] + now_stamp() + payload[at + _DIGITS :]


def one_event(site: Site) -> Batch:
    """What a broker's report makes: one event and the order it changed."""
    clock, ids = SystemClock(), RandomIds()
    at_ns = clock.now_ns() - _LONG_AGO_NS
    order = Order(
        order_id=ids.uuid(),
        intent_id=ids.uuid(),
        account_id=site.account_id,
        organization_id=site.organization_id,
        broker=BrokerKind.PAPER,
        instrument=Equity(symbol=SYMBOL),
        order_side=OrderSide.BUY,
        order_venue=OrderVenue.SMART,
        terms=OrderTerms(order_type=OrderType.MARKET, quantity=Decimal(100), time_in_force=TimeInForce.DAY),
        last_seq=1,
        command_seq=1,
        created_at_ns=at_ns,
        received_at_ns=at_ns,
        is_closed=True,
    )
    events = (Event(EventType.BROKER_ORDER, order),)
    return Batch(account_id=site.account_id, at_ns=at_ns, events=events, orders=(order,))


async def commit_many(store: SqliteStore, batch: Batch, count: int) -> tuple[float, float]:
    """(CPU, time) in us per batch, with so many in flight that they share transactions."""
    begin_s, cpu_s = time.perf_counter(), time.process_time()
    waiting = deque(store.commit(batch) for _ in range(min(_IN_FLIGHT, count)))
    for _ in range(count - len(waiting)):
        await waiting.popleft()
        waiting.append(store.commit(batch))
    while waiting:
        await waiting.popleft()
    return (time.process_time() - cpu_s) / count * 1e6, (time.perf_counter() - begin_s) / count * 1e6


async def commit_alone(store: SqliteStore, batch: Batch, count: int) -> float:
    """Median us from the call to its answer."""
    times = []
    for _ in range(count):
        begin_s = time.perf_counter()
        await store.commit(batch)
        times.append((time.perf_counter() - begin_s) * 1e6)
    return statistics.median(times)


async def _fill(store: SqliteStore, batch: Batch, count: int) -> None:
    while count:
        size = min(_FILLED, count)
        await store.commit(replace(batch, events=batch.events * size))
        count -= size


async def read_all(store: SqliteStore, account_id: str, count: int) -> list[Committed]:
    """The first events of the account's journal, as the store announced them."""
    events: list[Committed] = []
    while len(events) < count:
        limit = min(4_096, count - len(events))
        page = await store.read_events(account_id, len(events), _EVERYTHING, frozenset({EventType.BROKER_ORDER}), limit)
        if not page.events:
            break
        events.extend(page.events)
    return events


async def write(folder: Path, rows: int) -> Journal:
    """Make a site in `folder` and commit its journal."""
    site = Site.make(folder / "site")
    store = site.open_store(SizedEncoder(site.account_id))
    try:
        batch = one_event(site)
        alone, many = min(_ALONE, rows // 10), min(_MEASURED, rows // 2)
        alone_us = await commit_alone(store, batch, alone)
        cpu_us, wall_us = await commit_many(store, batch, many)
        await _fill(store, batch, rows - alone - many)
        events = await read_all(store, site.account_id, min(rows, RIVAL_MESSAGES))
    finally:
        await store.close()
    messages = folder / "messages"
    messages.write_bytes(b"".join(struct.pack(">I", len(event.payload)) + event.payload for event in events))
    return Journal(site, rows, messages, cpu_us, wall_us, alone_us)


def write_now(folder: Path, rows: int) -> Journal:
    """The same, for callers without an event loop."""
    return asyncio.run(write(folder, rows))

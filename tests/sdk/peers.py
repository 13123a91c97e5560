"""Test peers of the SDK: a gateway on a real gRPC port with scripted faults, and words for its events.

The gateway follows the contract by a code of its own (the daemon's is not used here): journal, chain, resume, reset.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

import dropcopy
from dropcopy import proto as pb

ACCOUNT = "7f3c0a52-1d7e-4b0e-9a39-0d9f5a3d1c11"
OTHER = "9b1f52a0-0000-4000-8000-00000000beef"
KEY = "dk_test_0123456789abcdef"
EPOCH = "epoch-1"
WAIT_S = 60.0
KINDS = {
    "broker_order": pb.EVENT_TYPE_BROKER_ORDER,
    "broker_position": pb.EVENT_TYPE_BROKER_POSITION,
    "broker_trade": pb.EVENT_TYPE_BROKER_TRADE,
    "intent_action": pb.EVENT_TYPE_INTENT_ACTION,
    "account_status": pb.EVENT_TYPE_ACCOUNT_STATUS,
    "command_outcome": pb.EVENT_TYPE_COMMAND_OUTCOME,
}
EQUITY = pb.Instrument(equity=pb.Equity(symbol="AAPL", exchange="NASDAQ"))


def order(number: int, **changes: Any) -> pb.TradingEvent:
    """An order's state; `number` makes it unmistakable."""
    record = pb.BrokerOrder(
        order_id=f"order-{number}",
        intent_id=f"intent-{number}",
        command_seq=1,
        account_id=ACCOUNT,
        broker=pb.BROKER_PAPER,
        symbol="AAPL",
        order_state=pb.ORDER_STATE_OPEN,
        order_status=pb.ORDER_STATUS_NEW,
        order_type=pb.ORDER_TYPE_LIMIT,
        order_side=pb.ORDER_SIDE_BUY,
        limit_price="187.20",
        order_venue=pb.ORDER_VENUE_SMART,
        quantity="10",
        filled_quantity="0",
        time_in_force=pb.TIME_IN_FORCE_DAY,
        received_at=pb.Timestamp(seconds=1_700_000_000 + number, nanos=123_456_789),
        instrument=EQUITY,
    )
    record.MergeFrom(pb.BrokerOrder(**changes))
    return pb.TradingEvent(broker_order=record)


def trade(number: int, **changes: Any) -> pb.TradingEvent:
    """An execution."""
    record = pb.BrokerTrade(
        account_id=ACCOUNT,
        order_id=f"external-{number}",
        client_order_id=f"order-{number}",
        symbol="AAPL",
        side=pb.ORDER_SIDE_BUY,
        quantity="10",
        price="187.19",
        exec_id=f"exec-{number}",
        leaves_quantity="0",
        instrument=EQUITY,
    )
    record.MergeFrom(pb.BrokerTrade(**changes))
    return pb.TradingEvent(broker_trade=record)


def position(number: int) -> pb.TradingEvent:
    """A position's state."""
    record = pb.BrokerPosition(
        account_id=ACCOUNT, symbol="AAPL", quantity=str(number), average_cost="187.2", instrument=EQUITY
    )
    return pb.TradingEvent(broker_position=record)


MAKERS: tuple[Callable[[int], pb.TradingEvent], ...] = (order, trade, position)


@dataclass(frozen=True)
class Entry:
    """One journal event as stored."""

    sequence: int
    kind: int
    payload: bytes
    chain: int


@dataclass
class Journal:
    """One account's journal, stamped as contract.md says for TradingEvent 1000 to 1003."""

    account_id: str = ACCOUNT
    epoch: str = EPOCH
    entries: list[Entry] = field(default_factory=list)
    digest: bytes = bytes(32)
    counts: dict[int, int] = field(default_factory=dict)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def head(self) -> int:
        return len(self.entries)

    def chain_at(self, sequence: int) -> int:
        return self.entries[sequence - 1].chain if sequence else 0

    def add(self, event: pb.TradingEvent, *, kind: int | None = None, foreign: bytes = b"") -> Entry:
        """Append an event. `foreign` is the encoded member of a kind that no SDK knows yet."""
        member = event.WhichOneof("event")
        kind = kind if kind is not None else KINDS[member or ""]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        stamp = pb.TradingEvent(sequence=self.head + 1, account_id=self.account_id, kind_sequence=self.counts[kind])
        stamped = event.SerializeToString() + foreign + stamp.SerializeToString()
        self.digest = hashlib.sha256(self.digest + stamped).digest()
        chain = int.from_bytes(self.digest[:8], "big")
        entry = Entry(self.head + 1, kind, stamped + pb.TradingEvent(chain=chain).SerializeToString(), chain)
        self.entries.append(entry)
        self.grown.set()
        return entry

    def fill(self, count: int) -> "Journal":
        """Append `count` events of mixed kinds."""
        for number in range(self.head + 1, self.head + count + 1):
            self.add(MAKERS[number % len(MAKERS)](number))
        return self


class Cut(Exception):  # noqa: N818 # an end, not always an error
    """Ends the call with a status and the gateway's code."""

    def __init__(self, status: grpc.StatusCode, code: str = "", text: str = "cut by the test") -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


@dataclass
class Plan:
    """What goes wrong in one call. `after` counts the messages of the call; None = nothing goes wrong."""

    after: int | None = None
    fault: Cut | None = None
    is_silent: bool = False
    alter: Callable[[int, bytes], Iterable[bytes]] | None = None
    """(number of the message in the call from 0, the message) -> what is sent instead."""


Messages = AsyncIterator[bytes]


class Gateway:
    """SubscribeEvents on a real port. Each call takes the next plan; with none left it behaves."""

    def __init__(self, *journals: Journal, heartbeat_s: float = 0.05) -> None:
        self.journals = {journal.account_id: journal for journal in journals}
        self.plans: list[Plan] = []
        self.requests: list[pb.Subscribe] = []
        self.metadata: list[dict[str, str]] = []
        self.states: list[pb.TradingEvent] = []
        self.heartbeat_s = heartbeat_s
        self.script: Callable[[pb.Subscribe], Messages] | None = None
        self.sent = 0
        self.target = ""

    async def subscribe(self, request: pb.Subscribe, context: Any) -> Messages:
        """The handler."""
        self.requests.append(request)
        self.metadata.append({str(name): str(value) for name, value in context.invocation_metadata() or ()})
        plan = self.plans.pop(0) if self.plans else Plan()
        number = 0
        try:
            async for message in (self.script or self.answer)(request):
                if plan.after is not None and number >= plan.after:
                    if plan.is_silent:
                        await asyncio.Event().wait()
                    if plan.fault is None:
                        return
                    raise plan.fault
                for altered in [message] if plan.alter is None else plan.alter(number, message):
                    yield altered
                number += 1
        except Cut as cut:
            trailers = (("dropcopy-code", cut.code),) if cut.code else ()
            await context.abort(cut.status, cut.text, trailers)

    async def answer(self, request: pb.Subscribe) -> Messages:
        """A call as the contract wants it."""
        wanted = set(request.subscriptions)
        delivered = 0
        places = {c.account_id: c for c in request.resume}
        accounts = [request.trading_account_id] if request.trading_account_id else list(self.journals)
        at: dict[str, int] = {}
        yield self.beat(0, {})
        resumes = []
        for account_id in accounts:
            journal = self.journals[account_id]
            outcome = self.outcome(journal, places.get(account_id))
            at[account_id] = places[account_id].sequence if outcome == pb.RESUME_OUTCOME_RESUMED else -1
            if request.trading_account_id or account_id in places:
                resumes.append(pb.Resume(account_id=account_id, outcome=outcome, head=journal.head, oldest=1))
        yield status(request.trading_account_id, resumes, self.head(request.trading_account_id), self.epoch)
        is_reset = any(resume.outcome == pb.RESUME_OUTCOME_RESET for resume in resumes)
        if any(sequence < 0 for sequence in at.values()):
            for message in self.replay(request, wanted, is_reset=is_reset):
                yield message
        at = {name: self.journals[name].head if sequence < 0 else sequence for name, sequence in at.items()}
        while True:
            for account_id in accounts:
                journal = self.journals[account_id]
                journal.grown.clear()
                while at[account_id] < journal.head:
                    entry = journal.entries[at[account_id]]
                    at[account_id] += 1
                    if entry.kind in wanted:
                        delivered += 1
                        yield entry.payload
            yield self.beat(delivered, at)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.journals[accounts[0]].grown.wait(), self.heartbeat_s)

    @property
    def epoch(self) -> str:
        return next(iter(self.journals.values())).epoch

    def head(self, account_id: str) -> int:
        return self.journals[account_id].head if account_id else 0

    def outcome(self, journal: Journal, cursor: pb.Cursor | None) -> Any:
        """RESUMED only for a cursor of this very history."""
        if cursor is None:
            return pb.RESUME_OUTCOME_LIVE
        is_good = (
            cursor.epoch == journal.epoch
            and cursor.sequence <= journal.head
            and (not cursor.chain or cursor.chain == journal.chain_at(cursor.sequence))
        )
        return pb.RESUME_OUTCOME_RESUMED if is_good else pb.RESUME_OUTCOME_RESET

    def replay(self, request: pb.Subscribe, wanted: set[Any], *, is_reset: bool) -> Iterator[bytes]:
        """State and Primed of each kind asked for."""
        kinds = [pb.EVENT_TYPE_ACCOUNT_STATUS, pb.EVENT_TYPE_BROKER_POSITION]
        if request.order_delivery == pb.ORDER_DELIVERY_PRIMED or is_reset:
            kinds.append(pb.EVENT_TYPE_BROKER_ORDER)
        for kind in kinds:
            if kind not in wanted:
                continue
            for state in self.states:
                if KINDS[state.WhichOneof("event") or ""] == kind:
                    yield state.SerializeToString()
            primed = pb.Primed(
                event_type=kind,
                trading_account_id=request.trading_account_id,
                as_of=self.head(request.trading_account_id),
            )
            yield pb.TradingEvent(primed=primed).SerializeToString()

    def beat(self, delivered: int, at: dict[str, int]) -> bytes:
        self.sent += 1
        heads = [
            pb.AccountHead(
                account_id=account_id,
                epoch=self.journals[account_id].epoch,
                sequence=sequence,
                head=self.journals[account_id].head,
                chain=self.journals[account_id].chain_at(sequence),
            )
            for account_id, sequence in at.items()
        ]
        sent_at = pb.Timestamp(seconds=1_700_000_000, nanos=self.sent * int(self.heartbeat_s * 1e9) % 1_000_000_000)
        beat = pb.Heartbeat(sent_at=sent_at, delivered=delivered, heads=heads)
        return pb.TradingEvent(heartbeat=beat).SerializeToString()


def status(account_id: str, resumes: Iterable[pb.Resume], head: int, epoch: str) -> bytes:
    """The confirmation of a Subscribe."""
    confirmed = pb.Status(
        message="subscribed", code="subscribed", trading_account_id=account_id, head=head, epoch=epoch, resumes=resumes
    )
    return pb.TradingEvent(status=confirmed).SerializeToString()


@asynccontextmanager
async def serving(gateway: Gateway) -> AsyncIterator[Gateway]:
    """The gateway on a free port of this machine."""
    server = grpc.aio.server()
    handler = grpc.unary_stream_rpc_method_handler(gateway.subscribe, pb.Subscribe.FromString, None)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("trading.TradingService", {"SubscribeEvents": handler}),)
    )
    gateway.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield gateway
    finally:
        await server.stop(grace=None)


@asynccontextmanager
async def connected(gateway: Gateway, **options: Any) -> AsyncIterator[dropcopy.Client]:
    """A served gateway and a client of it, all within a deadline."""
    async with (
        asyncio.timeout(WAIT_S),
        serving(gateway),
        dropcopy.Client(rest="http://127.0.0.1:9", grpc=gateway.target, api_key=KEY, **options) as client,
    ):
        yield client


async def until(stream: dropcopy.Stream, is_last: Callable[[dropcopy.Event], bool]) -> list[dropcopy.Event]:
    """Events up to and including the first that `is_last` says so of."""
    events = []
    async for event in stream:
        events.append(event)
        if is_last(event):
            return events
    raise AssertionError("the stream ended")


def sequences(events: Iterable[dropcopy.Event]) -> list[int]:
    """The journal sequences among the events, in the order of their coming."""
    places = (getattr(event, "place", None) for event in events)
    return [place.sequence for place in places if place is not None]


def is_at(sequence: int) -> Callable[[dropcopy.Event], bool]:
    """Whether an event is the journal's with that sequence."""
    return lambda event: sequences([event]) == [sequence]


def is_live(event: dropcopy.Event) -> bool:
    """Whether it is a heartbeat of the attached account: everything before is there."""
    return isinstance(event, dropcopy.Heartbeat) and bool(event.heads)


def start(sequence: int = 0, epoch: str = EPOCH, account_id: str = ACCOUNT) -> dropcopy.Cursor:
    return dropcopy.Cursor(account_id, epoch, sequence)


def of_type(events: Iterable[dropcopy.Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def drop(*numbers: int) -> Plan:
    """Leaves out messages of a call, by number."""
    return Plan(alter=lambda number, message: () if number in numbers else (message,))

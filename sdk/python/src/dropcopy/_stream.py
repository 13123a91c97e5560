"""One subscription as an async iterator: reconnects, resumes, and hands out no gap and no repeat.

It reads only when the next event is asked for: no task of its own, and a slow caller is felt by the gateway as
back-pressure. The cursor moves when the caller asks for the next event, that is, when the last one is processed.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlencode

from google.protobuf.message import DecodeError

from dropcopy import proto
from dropcopy._channel import QUOTA, Call, CallEnded, Target
from dropcopy._continuity import Arrival, Continuity
from dropcopy._credential import EXPIRED
from dropcopy._decode import from_message
from dropcopy._enums import EventType, ResumeOutcome
from dropcopy._errors import ChainBroken, ConnectionFailed, QuotaExceeded, StreamGap
from dropcopy._events import (
    Disconnected,
    Event,
    Heartbeat,
    JournalEvent,
    Primed,
    RequestRefused,
    Reset,
    Skipped,
    Status,
    Unknown,
)
from dropcopy._models import Cursor, Place
from dropcopy._subscription import StreamCounters, Subscription, read_record

_NS: Final = 1_000_000_000
_TOLERANCE: Final = 2.5
_ASSUMED_HEARTBEAT_S: Final = 5.0
_OBSERVED_S: Final = (1.0, 60.0)
"""Bounds of a heartbeat interval taken from observation."""
_BACKOFF_S: Final = (0.2, 10.0)
"""Longest wait before the first reconnect, and before any."""
_SETTLED_S: Final = 10.0
"""A connection that lived this long was good: the next failure is a first one."""
_QUOTA_ATTEMPTS_MAX: Final = 8
"""Reconnects refused for the quota, before that counts: our own dead connection may hold the place a while."""


class _HeartbeatMissed(Exception):  # noqa: N818 # an event, handled by the stream itself
    """Nothing has shown for too long that the gateway is alive."""


@dataclass(eq=False, slots=True)
class _Link:
    """One connection. `fresh`: accounts that begin anew on it; `waited_s`: spent waiting for the next heartbeat."""

    call: Call
    opened_at: float
    resumed: frozenset[str]
    is_subscribed: bool = False
    is_replaying: bool = False
    last_primed: EventType | None = None
    fresh: set[str] = field(default_factory=set)
    received: int = 0
    waited_s: float = 0.0
    beats: int = 0
    beat_at_ns: int | None = None


class Stream:
    """Events of one account, or of an organization, for ever: `async for event in stream`.

    Use it as a context manager, or call `aclose`. Cancelling a wait for the next event drops the connection; the next
    wait resumes, nothing is lost. Raises ApiError for what reconnecting cannot help (key, account, arguments, quota),
    ConnectionFailed if the first connection does not succeed in time, ChainBroken for an altered history. Everything
    else is mended, and told: by Disconnected, Status, Reset and Skipped events, and by `counters`.

    Order: an account's events come by `sequence`. The one exception is a stream of some kinds only (or one that
    had to skip some) whose connection lost an event and noticed late: that event then comes after later ones of
    other kinds, never of its own.
    """

    def __init__(self, target: Target, subscription: Subscription, resume: Iterable[Cursor] = ()) -> None:
        self.counters = StreamCounters()
        self.lag = 0
        """Journal events that the gateway had not sent here yet, at the last heartbeat."""
        self._target = target
        self._subscription = subscription
        self._continuities: dict[str, Continuity] = {}
        self._cursors: dict[str, Cursor] = {}
        for cursor in resume:
            self._continuity(cursor.account_id).attach(cursor.epoch, cursor.sequence, cursor.chain)
            self._cursors[cursor.account_id] = cursor
        self._link: _Link | None = None
        self._ready: deque[tuple[Event, dict[str, Cursor | None]]] = deque()
        self._processed: dict[str, Cursor | None] = {}
        self._epoch = ""
        self._heartbeat_s = subscription.heartbeat_s or _ASSUMED_HEARTBEAT_S
        self._alive_at: float | None = None
        self._failures = 0
        self._retry_in_s = 0.0
        self._arms: dict[tuple[str, str], int] = {}
        self._is_cut = False
        self._is_closed = False
        self._is_reading = False

    # --- for the caller ------------------------------------------------------------------------------------------

    @property
    def cursor(self) -> Cursor | None:
        """The place of a named account's stream after the last processed event; None while there is none.

        Stored and given to `resume` after a restart, it brings every later event; the one that was being processed
        comes again. After a gap (Disconnected with code "gap") it may have gone back, so that what was lost is read.
        """
        return self._cursors.get(self._subscription.account_id)

    @property
    def cursors(self) -> Mapping[str, Cursor]:
        """The same by account id, for every account that the stream knows a place of."""
        return dict(self._cursors)

    @property
    def is_closed(self) -> bool:
        """Whether the iteration has ended for good."""
        return self._is_closed

    @property
    def is_live(self) -> bool:
        """Whether the stream is connected and subscribed, as far as it has been read."""
        return self._link is not None and self._link.is_subscribed

    def acknowledge(self) -> None:
        """Count the last event as processed now, instead of when the next is asked for: `cursor` includes it."""
        for account_id, cursor in self._processed.items():
            if cursor is None:
                self._cursors.pop(account_id, None)
            else:
                self._cursors[account_id] = cursor
        self._processed = {}

    def arm(self, strategy_id: str, *, grace_s: int, account_id: str | None = None) -> None:
        """Cancel on disconnect: lost for longer than `grace_s`, this stream takes the strategy's working orders along.

        "" is every order of the account. `account_id` may be left out on a named account's stream. Every reconnect
        arms again, so that what comes back within the grace keeps its orders. A stream that is connected already
        reconnects once, unseen, to arm. A Status with code "armed" confirms; a refusal (the key must hold
        `intents:edit`) is raised as ApiError. Closing the stream is losing it: `Client.disarm` first to leave the
        orders alone.
        """
        account_id = account_id or self._subscription.account_id
        if not account_id:
            raise ValueError("a stream of the whole organization is armed for an account: name it")
        if grace_s < 0:
            raise ValueError("grace_s is negative")
        self._arms[account_id, strategy_id] = grace_s
        self._is_cut = self._is_cut or self._link is not None

    async def aclose(self) -> None:
        """Disconnect and end the iteration. The last event handed out does not count as processed. Idempotent."""
        self._is_closed = True
        link, self._link = self._link, None
        if link is not None:
            await link.call.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._is_reading:
            raise RuntimeError("two tasks wait for the same stream")
        self._is_reading = True
        try:
            self.acknowledge()
            while not self._ready and not self._is_closed:
                await self._step()
            if self._is_closed:
                raise StopAsyncIteration
            event, self._processed = self._ready.popleft()
            return event
        finally:
            self._is_reading = False

    # --- connection ----------------------------------------------------------------------------------------------

    async def _step(self) -> None:
        """Connect, or read one message; what comes of it is in `_ready`."""
        if self._is_cut:
            self._is_cut = False
            await self._drop()
        if self._link is None:
            await self._connect()
            return
        try:
            self._take(self._link, await self._read(self._link))
        except (CallEnded, _HeartbeatMissed, StreamGap, ChainBroken) as cause:
            if not self._is_closed:
                await self._lose(cause)
        except asyncio.CancelledError:
            self._is_cut = True  # gRPC ends a call whose read is cancelled
            raise

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        if self._alive_at is None:
            self._alive_at = loop.time()
        retry_in_s, self._retry_in_s = self._retry_in_s, 0.0
        await asyncio.sleep(retry_in_s)
        if self._is_closed:
            return
        cursors = [c for c in (known.cursor for known in self._continuities.values()) if c is not None]
        call = Call(self._target, self._subscription.request(cursors), self._arm_metadata())
        self._link = _Link(call, loop.time(), frozenset(cursor.account_id for cursor in cursors))

    def _arm_metadata(self) -> list[tuple[str, str]]:
        """What the call is to be armed with from its beginning."""
        arms = (
            {"account_id": account_id, "strategy_id": strategy_id, "grace_s": grace_s}
            for (account_id, strategy_id), grace_s in self._arms.items()
        )
        return [("dropcopy-arm", urlencode(arm)) for arm in arms]

    async def _read(self, link: _Link) -> bytes:
        """The next message. Raises _HeartbeatMissed when the waits since the last heartbeat add up to too much.

        Only waiting counts: the time that the caller takes between two events says nothing about the gateway.
        """
        loop = asyncio.get_running_loop()
        patience_s = self._heartbeat_s * _TOLERANCE if link.is_subscribed else self._subscription.connect_timeout_s
        began = loop.time()
        try:
            async with asyncio.timeout(max(patience_s - link.waited_s, 0.01)):
                return await link.call.read()
        except TimeoutError:
            raise _HeartbeatMissed(f"no sign of life for {patience_s:g} s") from None
        finally:
            link.waited_s += loop.time() - began

    async def _drop(self) -> None:
        """Close the connection; a replay that it did not finish counts for nothing."""
        link, self._link = self._link, None
        if link is None:
            return
        if link.is_replaying:
            for account_id in link.fresh:
                self._continuity(account_id).forget()
        for continuity in self._continuities.values():
            continuity.rewind()
        await link.call.close()

    async def _lose(self, cause: CallEnded | _HeartbeatMissed | StreamGap | ChainBroken) -> None:
        """Close the connection, then raise what the caller must know or get ready to reconnect."""
        link, now = self._link, asyncio.get_running_loop().time()
        await self._drop()
        if link is not None and link.is_subscribed:
            self._alive_at = now
            if link.received or now - link.opened_at >= _SETTLED_S:
                self._failures = 0
        self._failures += 1
        self.counters.disconnections += 1
        code = self._count(cause, link)
        self._raise_if_fatal(cause, now)
        first_s, max_s = _BACKOFF_S
        bound_s = min(first_s * 2.0 ** min(self._failures - 1, 16), max_s)
        self._retry_in_s = secrets.SystemRandom().uniform(0, bound_s)
        if self.counters.connections:
            lost = Disconnected(code=code, reason=str(cause), attempt=self._failures, retry_in_s=self._retry_in_s)
            self._hand(lost, self._places(self._cursors) if code == "gap" else {})

    def _count(self, cause: Exception, link: _Link | None) -> str:
        """Count the loss; its code."""
        if isinstance(cause, StreamGap):
            self.counters.gaps += 1
            return "gap"
        if isinstance(cause, _HeartbeatMissed):
            self.counters.missed_heartbeats += 1
            if link is not None and link.beats <= 1 and self._subscription.heartbeat_s is None:
                # the gateway's interval may be longer than assumed: one heartbeat does not show it
                self._heartbeat_s = min(self._heartbeat_s * 2, _OBSERVED_S[1])
            return "heartbeat_missed"
        if isinstance(cause, CallEnded):
            return cause.code or ("ended" if cause.status.name == "OK" else "connection_lost")
        return "chain_broken"

    def _raise_if_fatal(self, cause: Exception, now: float) -> None:
        error: Exception | None = cause if isinstance(cause, ChainBroken) else None
        if isinstance(cause, CallEnded):
            is_renewable = cause.code == EXPIRED and self._target.credential.is_renewable
            error = None if is_renewable else cause.as_error()
            is_own_place = isinstance(error, QuotaExceeded) and error.code == QUOTA and self.counters.connections
            if is_own_place and self._failures < _QUOTA_ATTEMPTS_MAX:
                error = None
        settings = self._subscription
        limit_s = settings.give_up_after_s if self.counters.connections else settings.connect_timeout_s
        if error is None and limit_s is not None and self._alive_at is not None and now - self._alive_at >= limit_s:
            error = ConnectionFailed(f"no stream from {self._target.address}: {cause}")
        if error is not None:
            self._is_closed = True
            raise error from None

    # --- what comes in -------------------------------------------------------------------------------------------

    def _take(self, link: _Link, data: bytes) -> None:
        """Put what a message means into `_ready`. Raises StreamGap or ChainBroken."""
        try:
            message = proto.TradingEvent.FromString(data)
        except DecodeError:
            raise StreamGap("a message could not be read") from None
        member = message.WhichOneof("event") or ""
        if message.sequence:
            self._take_journal(link, member, message, data)
        elif member == "heartbeat":
            self._take_heartbeat(link, from_message(Heartbeat, message.heartbeat))
        elif member == "status":
            self._take_status(link, from_message(Status, message.status))
        elif member == "primed":
            self._take_primed(link, from_message(Primed, message.primed))
        elif member == "error":
            self._hand(from_message(RequestRefused, message.error))
        else:
            state = self._decode(member, message, data, None)
            self._announce(link, state.account_id)
            self._hand(state)

    def _take_journal(self, link: _Link, member: str, message: proto.TradingEvent, data: bytes) -> None:
        link.received += 1
        link.is_replaying = False
        account_id = message.account_id or self._subscription.account_id
        continuity = self._continuity(account_id)
        continuity.adopt_epoch(self._epoch)
        place = Place(message.sequence, message.kind_sequence, message.chain)
        admission = continuity.admit(Arrival(member, place, data))
        if not admission.is_new:
            self.counters.duplicates += 1
            return
        self._hand_skipped(account_id, admission.skipped)
        self.counters.journal_events += 1
        self._hand(self._decode(member, message, data, place), {account_id: continuity.cursor})

    def _take_heartbeat(self, link: _Link, beat: Heartbeat) -> None:
        if link.is_subscribed:
            link.waited_s = 0.0
        self._observe(link, beat.sent_at_ns)
        if beat.delivered > link.received:
            raise StreamGap(f"{beat.delivered} events were sent on this connection, {link.received} came")
        cursors: dict[str, Cursor | None] = {}
        if link.is_subscribed and not link.is_replaying:
            for head in beat.heads:
                continuity = self._continuity(head.account_id)
                if continuity.cursor is None and head.sequence:
                    self._announce(link, head.account_id)
                self._hand_skipped(head.account_id, continuity.confirm(head))
                cursors[head.account_id] = continuity.cursor
        self.lag = sum(max(head.head - head.sequence, 0) for head in beat.heads)
        self._hand(beat, cursors)

    def _observe(self, link: _Link, sent_at_ns: int | None) -> None:
        """Learn the gateway's heartbeat interval, unless the caller has set it."""
        link.beats += 1
        if link.beat_at_ns is not None and sent_at_ns is not None and self._subscription.heartbeat_s is None:
            least_s, most_s = _OBSERVED_S
            self._heartbeat_s = min(max((sent_at_ns - link.beat_at_ns) / _NS, least_s), most_s)
        link.beat_at_ns = sent_at_ns

    def _take_status(self, link: _Link, status: Status) -> None:
        self._hand(status)
        if (status.code or status.message) != "subscribed":
            return
        link.is_subscribed, link.waited_s = True, 0.0
        self.counters.connections += 1
        self._epoch = status.epoch
        answers = {resume.account_id: resume for resume in status.resumes}
        named = frozenset({self._subscription.account_id} - {""})
        is_reset = False
        for account_id in sorted(link.resumed | named):
            answer = answers.get(account_id)
            continuity = self._continuity(account_id)
            if account_id in link.resumed and answer is not None and answer.outcome == ResumeOutcome.RESUMED:
                if (asked := continuity.epoch) != status.epoch:
                    continuity.forget()
                    raise StreamGap(f"resumed in epoch {status.epoch}, asked for {asked}")
                continue
            head = status.head if answer is None else answer.head
            is_reset = is_reset or account_id in link.resumed
            self._begin(link, account_id, head, 0 if answer is None else answer.oldest)
        self._expect_replay(link, is_reset=is_reset)

    def _begin(self, link: _Link, account_id: str, head: int, oldest: int) -> None:
        """An account begins anew on this connection, at its journal's head."""
        link.fresh.add(account_id)
        self._continuity(account_id).attach(self._epoch, head)
        if account_id in link.resumed or self.counters.connections > 1:
            reason = "the cursor is no longer good" if account_id in link.resumed else "there was no cursor to resume"
            self.counters.resets += 1
            self._hand(Reset(account_id=account_id, reason=reason, head=head, oldest=oldest), {account_id: None})

    def _expect_replay(self, link: _Link, *, is_reset: bool) -> None:
        """Which Primed ends the replay, and the cursors at once if none is due."""
        settings = self._subscription
        link.last_primed = settings.last_primed(is_reset=is_reset)
        begins = bool(link.fresh) or (not settings.account_id and not link.resumed)
        if begins and link.last_primed is not None:
            link.is_replaying = True
        else:
            self._ready[-1][1].update(self._places(link.fresh))

    def _take_primed(self, link: _Link, primed: Primed) -> None:
        is_last = link.is_replaying and primed.event_type == link.last_primed
        if is_last:
            link.is_replaying = False
        self._hand(primed, self._places(link.fresh) if is_last else {})

    # --- helpers -------------------------------------------------------------------------------------------------

    def _announce(self, link: _Link, account_id: str) -> None:
        """Before an account's first state on a reconnect without its cursor: say that it begins anew."""
        if account_id in link.fresh or account_id in link.resumed or self._subscription.account_id:
            return
        link.fresh.add(account_id)
        if self.counters.connections > 1:
            self.counters.resets += 1
            reason = "there was no cursor to resume"
            self._hand(Reset(account_id=account_id, reason=reason), {account_id: None})

    def _decode(self, member: str, message: proto.TradingEvent, data: bytes, place: Place | None) -> JournalEvent:
        record = read_record(member, message, data, place)
        if isinstance(record, Unknown):
            self.counters.unknown += 1
        elif record.unrecognized:
            self.counters.unrecognized += 1
        return record

    def _hand(self, event: Event, cursors: Mapping[str, Cursor | None] | None = None) -> None:
        self._ready.append((event, dict(cursors or {})))

    def _hand_skipped(self, account_id: str, skipped: tuple[int, int] | None) -> None:
        if skipped is not None:
            self._hand(Skipped(account_id=account_id, first=skipped[0], last=skipped[1]))

    def _places(self, accounts: Iterable[str]) -> dict[str, Cursor | None]:
        return {account_id: self._continuity(account_id).cursor for account_id in accounts}

    def _continuity(self, account_id: str) -> Continuity:
        known = self._continuities.get(account_id)
        if known is None:
            known = self._continuities[account_id] = self._subscription.continuity(account_id)
        return known

"""One stream as a set of cursors: attach, replay and live in one order, for every kind of edge.

The edge pulls framed bytes (`pull`) when it can write and is told when there are some (`on_ready`). A session queues
only its own messages and replayed state, bounded by `_CONTROL_BYTES_MAX` through back-pressure; journal events stay
in the rings and the store. Attach (contract.md section 4): listen first, read the state at one head H, deliver what
the scopes in force still owe up to H, confirm, replay, then go on live from H. Nothing can fall between.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import structlog

from dropcopyd.domain.account import Principal
from dropcopyd.domain.event import AccountMoved, Event, EventType
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError, InvalidError, StoreError
from dropcopyd.flow.access import Access, parse_uuid
from dropcopyd.flow.hub import NARROWED, Feed, Hub, Selection
from dropcopyd.flow.ownership import Spawn
from dropcopyd.ports import AccountHead, AttachedState, Clock, Head, ResumeAnswer, SessionEncoder, Store

_log = structlog.get_logger()
_CONTROL_BYTES_MAX: Final = 256 * 1024
_RETRY_S: Final = 1.0
_CLASSES: Final = frozenset(
    {"", "equity", "future", "option", "currency", "crypto", "perpetual", "prediction", "unspecified"}
)
_REPLAYED: Final = (
    EventType.ACCOUNT_STATUS,
    EventType.ACCOUNT_BALANCE,
    EventType.BROKER_POSITION,
    EventType.BROKER_ORDER,
)
_ORGANIZATION: Final = ""
_NOT_STARTED: Final = -1


@dataclass(frozen=True, slots=True)
class CursorRequest:
    """A client's place in one account's journal; a chain of 0 is not compared."""

    account_id: str
    epoch: str
    sequence: int
    chain: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeRequest:
    """A Subscribe as parsed at the edge. `kinds` holds the known kinds only; account_id "" = the organization."""

    account_id: str
    kinds: frozenset[EventType]
    instrument_key: str = ""
    instrument_class: str = ""
    is_primed: bool = False
    resume: tuple[CursorRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """A sequence of an account's journal and the chain there."""

    sequence: int
    chain: int


@dataclass(eq=False, slots=True)
class _Track:
    """The session's cursor in one account. Held: not live, an attach or a catch-up moves it."""

    feed: Feed
    cursor: int
    chain: int
    selection: Selection
    is_held: bool = False
    beaten: int = -1
    """The cursor in the last heartbeat."""
    pulled: int = -1
    """The cursor behind what the edge has pulled; `cursor` is ahead of it by what is queued."""
    surely_sent: int = -1
    """`pulled` before the last pull: what an edge that keeps a part of its last pull has surely sent."""

    def place(self, place: "_Place | Head") -> None:
        """Go on from there, never back."""
        if place.sequence >= self.cursor:
            self.cursor, self.chain = place.sequence, place.chain


@dataclass(slots=True)
class _Scope:
    """One subscription in force."""

    parts: tuple[tuple[EventType, str, str], ...]
    kinds: frozenset[EventType] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = frozenset(kind for kind, _, _ in self.parts)


class Session:
    """One open stream of a principal. All methods run in the event loop; requests are handled one at a time."""

    def __init__(
        self,
        *,
        principal: Principal,
        access: Access,
        hub: Hub,
        store: Store,
        encoder: SessionEncoder,
        clock: Clock,
        limits: Limits,
        spawn: Spawn,
    ) -> None:
        self._principal = principal
        self._access = access
        self._hub = hub
        self._store = store
        self._encoder = encoder
        self._clock = clock
        self._limits = limits
        self._spawn = spawn
        self._control: deque[tuple[bytes, _Track | None, int]] = deque()
        """Frames, and the cursor of a track that is reached behind them."""
        self._moved: list[_Track] = []
        """Tracks that the last pull has moved."""
        self._control_bytes = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._scopes: dict[str, _Scope] = {}
        self._tracks: dict[str, _Track] = {}
        self._ready: dict[_Track, None] = {}
        self._attaching = asyncio.Lock()
        self._is_attaching_all = False
        self._is_open = True
        self._beat_is_pending = False
        self._heads_all = False
        self.delivered = 0
        self.on_ready: Callable[[], None] = lambda: None

    # --- the edge's side ------------------------------------------------------------------------------------------

    def pull(self, budget_bytes: int) -> bytes:
        """Frames for the wire, about `budget_bytes`, whole messages; b"" when there are none now."""
        moved, ready = self._moved, self._ready
        if moved:
            for track in moved:
                track.surely_sent = track.pulled
            moved.clear()
        if self._control or len(ready) > 1:
            return self._pull_mixed(budget_bytes)
        return self._pull_live(ready.popitem()[0], budget_bytes) if ready else b""

    def _pull_mixed(self, budget_bytes: int) -> bytes:
        """The session's own frames, then live accounts in turn."""
        control, ready = self._control, self._ready
        parts: list[bytes] = []
        size = 0
        while control and size < budget_bytes:
            frames, place, to = control.popleft()
            self._control_bytes -= len(frames)
            parts.append(frames)
            size += len(frames)
            if place is not None:
                place.pulled = to
                self._moved.append(place)
        if not control:
            self._beat_is_pending = False
        if self._control_bytes < _CONTROL_BYTES_MAX:
            self._has_room.set()
        while not control and ready and size < budget_bytes:
            track = next(iter(ready))
            del ready[track]
            frames = self._pull_live(track, budget_bytes)
            parts.append(frames)
            size += len(frames)
        return b"".join(parts)

    def _pull_live(self, track: _Track, budget_bytes: int) -> bytes:
        """The next frames of a track that was taken out of the ready ones; puts it back behind the others."""
        feed, cursor = track.feed, track.cursor
        while cursor < feed.head:
            segment = feed.segment(cursor, track.selection, budget_bytes)
            if segment is None:
                track.is_held = True
                self._spawn(self._catch_up(track))
                return b""
            cursor = track.cursor = track.pulled = segment.to
            track.chain = segment.chain
            self.delivered += segment.count
            self._moved.append(track)
            if segment.frames:
                if cursor < feed.head:
                    self._ready[track] = None
                return segment.frames
        return b""

    def note(self, feed: Feed, before: int) -> None:
        """The hub: the feed has grown."""
        track = self._tracks.get(feed.account_id)
        if track is None:
            if not self._is_open:
                return
            is_held = self._is_attaching_all  # the attach places it; an account too new for that begins at its start
            cursor = _NOT_STARTED if is_held else before
            track = _Track(feed, cursor, 0, self._selection(feed.account_id), is_held)
            track.pulled = track.surely_sent = cursor
            self._tracks[feed.account_id] = track
        if not track.is_held:
            self._ready[track] = None
            self.on_ready()

    def beat(self) -> None:
        """Queue a heartbeat, unless the last one still waits; its heads are true where it stands in the stream."""
        if self._beat_is_pending:
            return
        heads = []
        for account_id, track in self._tracks.items():
            if track.cursor == _NOT_STARTED:
                continue
            if account_id not in self._scopes and not self._heads_all and track.beaten == track.cursor:
                continue
            track.beaten = track.cursor
            head = max(track.feed.head, track.cursor)
            heads.append(AccountHead(account_id, track.cursor, head, track.chain))
        self._heads_all = False
        self._queue(self._encoder.heartbeat(self._clock.now_ns(), self.delivered, self._store.epoch, heads))
        self._beat_is_pending = True

    def close(self) -> None:
        """Forget everything; nothing is pulled after."""
        self._is_open = False
        for track in self._tracks.values():
            self._hub.unlisten(track.feed, self)
        self._hub.unlisten_organization(self._principal.organization_id, self)
        self._tracks.clear()
        self._ready.clear()
        self._control.clear()
        self._control_bytes = 0
        self._has_room.set()

    def cursors(self, *, has_unsent: bool = False) -> list[tuple[str, int]]:
        """(account_id, sequence) of each account in the stream: a resume from there misses nothing.

        `has_unsent`: the edge still holds a part of what it pulled last. Accounts whose state has not gone out
        whole are left out: they are to be attached anew.
        """
        places = (
            (track.feed.account_id, track.surely_sent if has_unsent else track.pulled)
            for track in self._tracks.values()
        )
        return [(account_id, sequence) for account_id, sequence in places if sequence != _NOT_STARTED]

    @property
    def epoch(self) -> str:
        """The store's epoch, which belongs to every cursor."""
        return self._store.epoch

    def refuse(self, error: DropcopyError, account_id: str) -> None:
        """Answer a bad request in the stream, which stays as it was."""
        self._queue(self._encoder.error(error.message, error.code.value, account_id))

    def announce(self, message: str, code: str) -> None:
        """A status about the stream itself."""
        self._queue(self._encoder.status(message, code, "", 0, self._store.epoch, ()))

    # --- requests -------------------------------------------------------------------------------------------------

    async def subscribe(self, request: SubscribeRequest) -> None:
        """Attach a scope. Raises InvalidError, NotFoundError or DropcopyError and leaves all as it was."""
        account_id = self._validate(request)
        await self.room()
        async with self._attaching:
            if account_id == _ORGANIZATION:
                await self._attach_organization(request)
            else:
                await self._access.account(self._principal, account_id, "/trading_account_id")
                await self._attach_account(account_id, request)

    async def room(self) -> None:
        """Until the client has taken enough of what is queued for it: before a further request is looked at."""
        await self._has_room.wait()

    async def unsubscribe(self, account_id: str) -> None:
        """Remove a scope, if there is one, and confirm. Raises InvalidError for a malformed id."""
        if account_id:
            account_id = parse_uuid(account_id, "/trading_account_id")
        await self.room()
        async with self._attaching:
            if self._scopes.pop(account_id, None) is not None:
                self._after_unsubscribe(account_id)
            self._queue(self._encoder.status("unsubscribed", "unsubscribed", account_id, 0, self._store.epoch, ()))

    def _after_unsubscribe(self, account_id: str) -> None:
        if account_id == _ORGANIZATION:
            self._hub.unlisten_organization(self._principal.organization_id, self)
        for covered, track in list(self._tracks.items()):
            if covered in self._scopes or _ORGANIZATION in self._scopes:
                track.selection = self._selection(covered)
            else:
                self._drop(track)

    def _validate(self, request: SubscribeRequest) -> str:
        """The canonical account id."""
        account_id = request.account_id
        if account_id:
            account_id = parse_uuid(account_id, "/trading_account_id")
        if not request.kinds:
            raise InvalidError(
                "subscriptions holds no known event type", pointer="/subscriptions", code=Code.NO_KNOWN_EVENT_TYPE
            )
        if request.instrument_class not in _CLASSES:
            raise InvalidError(
                "instrument_class is none of equity, future, option, currency, crypto, perpetual, prediction,"
                " unspecified",
                pointer="/instrument_class",
                code=Code.INVALID_INSTRUMENT_CLASS,
            )
        if account_id not in self._scopes and len(self._scopes) >= self._limits.subscriptions_per_stream:
            raise DropcopyError(
                Code.SUBSCRIPTION_LIMIT_EXCEEDED,
                f"a stream holds at most {self._limits.subscriptions_per_stream} subscriptions",
            )
        self._validate_cursors(account_id, request.resume)
        return account_id

    def _validate_cursors(self, account_id: str, cursors: tuple[CursorRequest, ...]) -> None:
        if account_id and len(cursors) > 1:
            raise InvalidError(
                "at most one cursor resumes a named account", pointer="/resume", code=Code.INVALID_CURSOR
            )
        seen: set[str] = set()
        for cursor in cursors:
            named = parse_uuid(cursor.account_id, "/resume/account_id") if cursor.account_id else account_id
            if cursor.sequence < 0 or named in seen or (account_id and named != account_id) or not named:
                raise InvalidError(
                    "a cursor is negative, given twice, or of another account",
                    pointer="/resume",
                    code=Code.INVALID_CURSOR,
                )
            seen.add(named)

    def _refuse_behind(self, cursors: Iterable[tuple[str, CursorRequest]]) -> None:
        """What was sent on this stream is not sent again; asked while the tracks are held."""
        for account_id, cursor in cursors:
            track = self._tracks.get(account_id)
            if track is not None and cursor.sequence < track.cursor:
                raise InvalidError(
                    "the cursor is behind this stream's own in an account it covers already",
                    pointer="/resume",
                    code=Code.INVALID_CURSOR,
                )

    # --- attach ---------------------------------------------------------------------------------------------------

    async def _attach_account(self, account_id: str, request: SubscribeRequest) -> None:
        feed = self._hub.feed(account_id, self._principal.organization_id)
        track = self._hold(feed)
        try:
            self._refuse_behind((account_id, cursor) for cursor in request.resume)
            state = await self._store.read_state(account_id, self._changed_after_ns())
            cursor = request.resume[0] if request.resume else None
            answer, place = await self._answer(state, cursor)
            if account_id in self._scopes or _ORGANIZATION in self._scopes:
                await self._deliver(track, (place or state.head).sequence)
            self._scopes[account_id] = _scope_of(request)
            track.selection = self._selection(account_id)
            head, epoch = state.head.sequence, self._store.epoch
            await self._send(self._encoder.status("subscribed", "subscribed", account_id, head, epoch, [answer]))
            await self._start(track, state, answer, place, request)
        except BaseException:
            if account_id not in self._scopes and _ORGANIZATION not in self._scopes:
                self._drop(track)
            raise
        finally:
            self._release(track)

    async def _attach_organization(self, request: SubscribeRequest) -> None:
        organization_id = self._principal.organization_id
        if self._is_open:
            self._hub.listen_organization(organization_id, self)
        self._is_attaching_all = True
        for track in self._tracks.values():
            self._hold(track.feed)
        try:
            self._refuse_behind((parse_uuid(cursor.account_id, "/resume"), cursor) for cursor in request.resume)
            states = await self._store.read_states(organization_id, self._changed_after_ns())
            cursors = self._cursors_by_account(request, states)
            answers = {s.account.account_id: await self._answer(s, cursors.get(s.account.account_id)) for s in states}
            for state in states:
                covered = self._tracks.get(state.account.account_id)
                if covered is not None and (state.account.account_id in self._scopes or _ORGANIZATION in self._scopes):
                    place = answers[state.account.account_id][1]
                    await self._deliver(covered, (place or state.head).sequence)
            self._scopes[_ORGANIZATION] = _scope_of(request, is_organization=True)
            given = [answers[account_id][0] for account_id in cursors]
            await self._send(self._encoder.status("subscribed", "subscribed", "", 0, self._store.epoch, given))
            await self._start_all(states, answers, request)
            for track in self._tracks.values():
                track.selection = self._selection(track.feed.account_id)
            self._heads_all = True
        except BaseException:
            if _ORGANIZATION not in self._scopes:
                self._after_unsubscribe(_ORGANIZATION)
            raise
        finally:
            self._is_attaching_all = False
            for track in list(self._tracks.values()):
                self._release(track)

    async def _start_all(
        self,
        states: Iterable[AttachedState],
        answers: dict[str, tuple[ResumeAnswer, _Place | None]],
        request: SubscribeRequest,
    ) -> None:
        """Replay each kind over all accounts and close it once, then what the resumed accounts missed."""
        fresh = [state for state in states if answers[state.account.account_id][1] is None]
        is_reset = any(answer.outcome == "RESET" for answer, _ in answers.values())
        for kind in self._replayed_kinds(request, is_reset) if fresh or not answers else ():
            for state in fresh:
                is_primed = request.is_primed or answers[state.account.account_id][0].outcome == "RESET"
                if kind is not EventType.BROKER_ORDER or is_primed:
                    await self._send_state(kind, state, request)
            await self._send(self._encoder.primed(kind, "", 0))
        for state in states:
            account_id = state.account.account_id
            track = self._hold(self._hub.feed(account_id, state.account.organization_id))
            track.selection = self._selection(account_id)
            track.place(answers[account_id][1] or state.head)
            await self._send(b"", track, track.cursor)
            await self._deliver(track, state.head.sequence)

    def _cursors_by_account(
        self, request: SubscribeRequest, states: Iterable[AttachedState]
    ) -> dict[str, CursorRequest]:
        owned = {state.account.account_id for state in states}
        cursors = {parse_uuid(cursor.account_id, "/resume"): cursor for cursor in request.resume}
        if not cursors.keys() <= owned:
            raise InvalidError(
                "a cursor names an account that is not the organization's",
                pointer="/resume",
                code=Code.INVALID_CURSOR,
            )
        return cursors

    async def _start(
        self,
        track: _Track,
        state: AttachedState,
        answer: ResumeAnswer,
        place: _Place | None,
        request: SubscribeRequest,
    ) -> None:
        """What follows the confirmation: the missed events of a resume, else the state as asked."""
        if place is not None:
            track.place(place)
            await self._send(b"", track, track.cursor)
            await self._deliver(track, state.head.sequence)
            return
        for kind in self._replayed_kinds(request, answer.outcome == "RESET"):
            await self._send_state(kind, state, request)
            await self._send(self._encoder.primed(kind, state.account.account_id, state.head.sequence))
        track.place(state.head)
        await self._send(b"", track, track.cursor)

    async def _answer(self, state: AttachedState, cursor: CursorRequest | None) -> tuple[ResumeAnswer, _Place | None]:
        """How the account is attached, and where a resume goes on from (None: state is replayed)."""
        account_id, head = state.account.account_id, state.head
        if cursor is None:
            return ResumeAnswer(account_id, "LIVE", head.sequence, head.oldest), None
        place = None
        if cursor.epoch == self._store.epoch and head.oldest <= cursor.sequence + 1 <= head.sequence + 1:
            chain = await self._store.chain_at(account_id, cursor.sequence)
            if not cursor.chain or cursor.chain == chain:
                place = _Place(cursor.sequence, chain or 0)
        outcome = "RESET" if place is None else "RESUMED"
        return ResumeAnswer(account_id, outcome, head.sequence, head.oldest), place

    def _replayed_kinds(self, request: SubscribeRequest, is_reset: bool) -> list[EventType]:
        """Kinds whose state is replayed, in the contract's order; orders only when primed or reset."""
        kinds: list[EventType] = [kind for kind in _REPLAYED if kind in request.kinds]
        if not request.is_primed and not is_reset and EventType.BROKER_ORDER in kinds:
            kinds.remove(EventType.BROKER_ORDER)
        return kinds

    async def _send_state(self, kind: EventType, state: AttachedState, request: SubscribeRequest) -> None:
        narrowed = _part_of(kind, request, is_organization=request.account_id == _ORGANIZATION)
        records: Iterable[Event] = ()
        if kind is EventType.ACCOUNT_STATUS:
            records = (Event(kind, AccountMoved(state.account, state.status)),)
        elif kind is EventType.BROKER_POSITION:
            records = (Event(kind, p) for p in state.positions if _is_wanted(p.instrument, narrowed))
        elif kind is EventType.BROKER_ORDER:
            records = (Event(kind, o) for o in state.orders if _is_wanted(o.instrument, narrowed))
        for event in records:
            await self._send(self._encoder.state(event))

    # --- delivery by pages ----------------------------------------------------------------------------------------

    async def _catch_up(self, track: _Track) -> None:
        """A track that fell out of its ring reads the store until the ring has what follows."""
        async with self._attaching:
            if self._is_in_force(track):
                self._hold(track.feed)  # an attach that came first has released it
            while self._is_in_force(track) and track.cursor < track.feed.head:
                if track.feed.segment(track.cursor, track.selection, 1) is not None:
                    break
                try:
                    await self._deliver(track, track.feed.head)
                except StoreError as error:
                    _log.error("session.catch_up_failed", account_id=track.feed.account_id, code=error.code.value)
                    await asyncio.sleep(_RETRY_S)
            self._release(track)

    def _is_in_force(self, track: _Track) -> bool:
        """Whether the session still has this cursor; an unsubscribe or the end takes it away."""
        return self._tracks.get(track.feed.account_id) is track

    async def _deliver(self, track: _Track, to: int) -> None:
        """Send the selected events up to a sequence, from the store, with back-pressure."""
        account_id = track.feed.account_id
        while self._is_open and track.cursor < to:
            page = await self._store.read_events(
                account_id, track.cursor, to, track.selection.kinds, self._limits.replay_page_events
            )
            frames = [
                self._encoder.frame(event.payload)
                for event in page.events
                if track.selection.takes(event.kind, event.symbol, event.asset_class)
            ]
            await self._send(b"".join(frames), track, page.scanned_to)
            self.delivered += len(frames)
            track.cursor, track.chain = page.scanned_to, page.chain

    async def _send(self, frames: bytes, track: _Track | None = None, to: int = 0) -> None:
        """Queue bytes of the session's own, waiting while too many are unread; behind them `track` is at `to`."""
        await self._has_room.wait()
        if self._is_open:
            self._queue(frames, track, to)

    def _queue(self, frames: bytes, track: _Track | None = None, to: int = 0) -> None:
        self._control.append((frames, track, to))
        self._control_bytes += len(frames)
        if self._control_bytes >= _CONTROL_BYTES_MAX:
            self._has_room.clear()
        self.on_ready()

    # --- tracks ---------------------------------------------------------------------------------------------------

    def _hold(self, feed: Feed) -> _Track:
        """The account's track, not live until released; made, and listening, if there is none."""
        track = self._tracks.get(feed.account_id)
        if track is None:
            track = _Track(feed, _NOT_STARTED, 0, self._selection(feed.account_id))
            self._tracks[feed.account_id] = track
        if self._is_open:
            self._hub.listen(feed, self)
        track.is_held = True
        self._ready.pop(track, None)
        return track

    def _release(self, track: _Track) -> None:
        track.is_held = False
        if self._is_in_force(track) and track.cursor < track.feed.head:
            self._ready[track] = None
            self.on_ready()

    def _drop(self, track: _Track) -> None:
        self._tracks.pop(track.feed.account_id, None)
        self._ready.pop(track, None)
        self._hub.unlisten(track.feed, self)

    def _selection(self, account_id: str) -> Selection:
        """What the scopes in force take: the named scope for its kinds, the organization's for the rest."""
        named, whole = self._scopes.get(account_id), self._scopes.get(_ORGANIZATION)
        parts = list(named.parts) if named is not None else []
        if whole is not None:
            taken = named.kinds if named is not None else frozenset()
            parts.extend(part for part in whole.parts if part[0] not in taken)
        return self._hub.selection(parts)

    def _changed_after_ns(self) -> int:
        return self._clock.now_ns() - int(self._limits.retention_s * 1_000_000_000)


def _scope_of(request: SubscribeRequest, *, is_organization: bool = False) -> _Scope:
    parts = (_part_of(kind, request, is_organization=is_organization) for kind in sorted(request.kinds))
    return _Scope(tuple(parts))


def _part_of(kind: EventType, request: SubscribeRequest, *, is_organization: bool) -> tuple[EventType, str, str]:
    """One kind with its instrument filter: orders and positions of a named account only, and only by symbol."""
    if is_organization or kind not in NARROWED or not request.instrument_key:
        return (kind, "", "")
    asset_class = "" if request.instrument_class == "unspecified" else request.instrument_class.upper()
    return (kind, request.instrument_key, asset_class)


def _is_wanted(instrument: Instrument, part: tuple[EventType, str, str]) -> bool:
    _, symbol, asset_class = part
    return not symbol or (symbol == instrument.symbol and asset_class in ("", instrument.asset_class.value))

"""What goes out on a stream: one track per account, and the session's own messages, in one order.

The edge pulls framed bytes when it can write (`pull`, the hot path) and is told when there are some (`on_ready`).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from dropcopyd.domain.limits import Limits
from dropcopyd.errors import StoreError
from dropcopyd.flow.hub import Feed, Hub, Selection
from dropcopyd.flow.ownership import Spawn
from dropcopyd.flow.session.requests import ORGANIZATION, Part, Scope
from dropcopyd.ports import AccountHead, Head, SessionEncoder, Store

_log = structlog.get_logger()
_CONTROL_BYTES_MAX: Final = 256 * 1024
_RETRY_S: Final = 1.0
NOT_STARTED: Final = -1


@dataclass(frozen=True, slots=True)
class Place:
    """A sequence of an account's journal and the chain there."""

    sequence: int
    chain: int


@dataclass(eq=False, slots=True)
class Track:
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

    def place(self, place: "Place | Head") -> None:
        """Go on from there, never back."""
        if place.sequence >= self.cursor:
            self.cursor, self.chain = place.sequence, place.chain


class Delivery:
    """The scopes in force, their tracks and the session's own messages. Everything runs in the event loop."""

    def __init__(
        self,
        *,
        organization_id: str,
        hub: Hub,
        store: Store,
        encoder: SessionEncoder,
        limits: Limits,
        spawn: Spawn,
    ) -> None:
        self.organization_id = organization_id
        self.scopes: dict[str, Scope] = {}
        self.tracks: dict[str, Track] = {}
        self.lock = asyncio.Lock()
        """Held by an attach, an unsubscribe and a catch-up: whoever moves tracks that are held."""
        self.is_attaching_all = False
        self.is_open = True
        self.delivered = 0
        self.has_more = True
        """Whether there may be something behind the last pull; False until the next `on_ready`."""
        self.on_ready: Callable[[], None] = lambda: None
        self._hub = hub
        self._store = store
        self._encoder = encoder
        self._limits = limits
        self._spawn = spawn
        self._ready: dict[Track, None] = {}
        self._control: deque[tuple[bytes, Track | None, int]] = deque()
        """Frames, and the cursor of a track that is reached behind them."""
        self._control_bytes = 0
        self._moved: list[Track] = []
        """Tracks that the last pull has moved."""
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._beat_is_pending = False
        self._heads_all = False

    # --- the edge's side ------------------------------------------------------------------------------------------

    def pull(self, budget_bytes: int) -> bytes:
        """Frames for the wire, about `budget_bytes`, whole messages; b"" when there are none now."""
        moved, ready = self._moved, self._ready
        if moved:
            for track in moved:
                track.surely_sent = track.pulled
            moved.clear()
        self.has_more = False
        if self._control or len(ready) != 1:
            frames = self._pull_mixed(budget_bytes) if self._control or ready else b""
            self.has_more = bool(self._control or ready)
            return frames
        track, _ = ready.popitem()
        feed = track.feed
        if track.cursor != feed.last_after or track.selection is not feed.last_selection:
            return self._pull_live(track, budget_bytes)
        segment = feed.last  # the usual case, written out: many sessions take the same segment one after the other
        if not segment.count or segment.to != feed.head or len(segment.frames) > budget_bytes:
            return self._pull_live(track, budget_bytes)
        track.cursor = track.pulled = segment.to
        track.chain = segment.chain
        moved.append(track)
        self.delivered += segment.count
        return segment.frames

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

    def _pull_live(self, track: Track, budget_bytes: int) -> bytes:
        """The next frames of a track that was taken out of the ready ones; puts it back behind the others."""
        feed, cursor = track.feed, track.cursor
        head = feed.head
        while cursor < head:
            segment = feed.segment(cursor, track.selection, budget_bytes)
            if segment is None:
                track.is_held = True
                self._spawn(self._catch_up(track))
                return b""
            track.cursor = track.pulled = cursor = segment.to
            track.chain = segment.chain
            self._moved.append(track)
            frames = segment.frames
            if frames:
                self.delivered += segment.count
                if cursor < head:
                    self._ready[track] = None
                    self.has_more = True
                return frames
        return b""

    def note(self, feed: Feed, before: int) -> None:
        """The hub: the feed has grown."""
        track = self.tracks.get(feed.account_id)
        if track is None:
            if not self.is_open:
                return
            is_held = self.is_attaching_all  # the attach places it; an account too new for that begins at its start
            cursor = NOT_STARTED if is_held else before
            track = Track(feed, cursor, 0, self.selection(feed.account_id), is_held)
            track.pulled = track.surely_sent = cursor
            self.tracks[feed.account_id] = track
        if not track.is_held:
            self._ready[track] = None
            self.on_ready()

    def close(self) -> None:
        """Forget everything; nothing is pulled after."""
        self.is_open = False
        for track in self.tracks.values():
            self._hub.unlisten(track.feed, self)
        self._hub.unlisten_organization(self.organization_id, self)
        self.tracks.clear()
        self._ready.clear()
        self._control.clear()
        self._control_bytes = 0
        self._has_room.set()

    def places(self, *, has_unsent: bool) -> list[tuple[str, int]]:
        """(account_id, sequence) behind what has surely gone out; accounts not attached whole are left out."""
        found = (
            (track.feed.account_id, track.surely_sent if has_unsent else track.pulled) for track in self.tracks.values()
        )
        return [(account_id, sequence) for account_id, sequence in found if sequence != NOT_STARTED]

    def heads(self) -> list[tuple[str, int, int]]:
        """(account_id, pulled, published head) of each attached account."""
        tracks = (track for track in self.tracks.values() if track.pulled != NOT_STARTED)
        return [(track.feed.account_id, track.pulled, max(track.feed.head, track.pulled)) for track in tracks]

    @property
    def is_settled(self) -> bool:
        """Whether the edge has pulled all that is published of each account in the stream, each attached."""
        tracks = self.tracks.values()
        return not self.is_attaching_all and all(NOT_STARTED != one.pulled >= one.feed.head for one in tracks)

    @property
    def queued_bytes(self) -> int:
        """What waits in memory for the client, the rings aside."""
        return self._control_bytes

    # --- the session's own messages -------------------------------------------------------------------------------

    async def room(self) -> None:
        """Until the client has taken enough of what is queued for it."""
        await self._has_room.wait()

    async def send(self, frames: bytes, track: Track | None = None, to: int = 0) -> None:
        """Queue bytes of the session's own, waiting while too many are unread; behind them `track` is at `to`."""
        await self._has_room.wait()
        if self.is_open:
            self.queue(frames, track, to)

    def queue(self, frames: bytes, track: Track | None = None, to: int = 0) -> None:
        """Queue bytes of the session's own at once."""
        self._control.append((frames, track, to))
        self._control_bytes += len(frames)
        if self._control_bytes >= _CONTROL_BYTES_MAX:
            self._has_room.clear()
        self.on_ready()

    def beat(self, at_ns: int) -> None:
        """Queue a heartbeat, unless the last one still waits; its heads are true where it stands in the stream."""
        if self._beat_is_pending:
            return
        frames = self._encoder.heartbeat(at_ns, self.delivered, self._store.epoch, self._heads())
        self.queue(frames)
        self._beat_is_pending = True

    def _heads(self) -> list[AccountHead]:
        """Named accounts always; of the organization's all after an attach, then those that moved."""
        heads = []
        for account_id, track in self.tracks.items():
            if track.cursor == NOT_STARTED:
                continue
            if account_id not in self.scopes and not self._heads_all and track.beaten == track.cursor:
                continue
            track.beaten = track.cursor
            head = max(track.feed.head, track.cursor)
            heads.append(AccountHead(account_id, track.cursor, head, track.chain))
        self._heads_all = False
        return heads

    def show_all_heads(self) -> None:
        """The next heartbeat names every account."""
        self._heads_all = True

    # --- delivery by pages ----------------------------------------------------------------------------------------

    async def deliver(self, track: Track, to: int) -> None:
        """Send the selected events up to a sequence, from the store, with back-pressure."""
        account_id = track.feed.account_id
        while self.is_open and track.cursor < to:
            page = await self._store.read_events(
                account_id, track.cursor, to, track.selection.kinds, self._limits.replay_page_events
            )
            frames = [
                self._encoder.frame(event.payload)
                for event in page.events
                if track.selection.takes(event.kind, event.symbol, event.asset_class)
            ]
            await self.send(b"".join(frames), track, page.scanned_to)
            self.delivered += len(frames)
            track.cursor, track.chain = page.scanned_to, page.chain

    async def _catch_up(self, track: Track) -> None:
        """A track that fell out of its ring reads the store until the ring has what follows."""
        async with self.lock:
            if self._is_in_force(track):
                self.hold(track.feed)  # an attach that came first has released it
            while self._is_in_force(track) and track.cursor < track.feed.head:
                if track.feed.segment(track.cursor, track.selection, 1) is not None:
                    break
                try:
                    await self.deliver(track, track.feed.head)
                except StoreError as error:
                    _log.error("session.catch_up_failed", account_id=track.feed.account_id, code=error.code.value)
                    await asyncio.sleep(_RETRY_S)
            self.release(track)

    def _is_in_force(self, track: Track) -> bool:
        """Whether the session still has this cursor; an unsubscribe or the end takes it away."""
        return self.tracks.get(track.feed.account_id) is track

    # --- tracks ---------------------------------------------------------------------------------------------------

    def hold(self, feed: Feed) -> Track:
        """The account's track, not live until released; made, and listening, if there is none."""
        track = self.tracks.get(feed.account_id)
        if track is None:
            track = Track(feed, NOT_STARTED, 0, self.selection(feed.account_id))
            self.tracks[feed.account_id] = track
        if self.is_open:
            self._hub.listen(feed, self)
        track.is_held = True
        self._ready.pop(track, None)
        return track

    def release(self, track: Track) -> None:
        """Go on live from the cursor, if the track is still in force."""
        track.is_held = False
        if self._is_in_force(track) and track.cursor < track.feed.head:
            self._ready[track] = None
            self.on_ready()

    def drop(self, track: Track) -> None:
        """The account is covered no longer."""
        self.tracks.pop(track.feed.account_id, None)
        self._ready.pop(track, None)
        self._hub.unlisten(track.feed, self)

    def remove_scope(self, account_id: str) -> None:
        """Tracks that another scope still covers go on at their cursors; the others end."""
        self.scopes.pop(account_id, None)
        if account_id == ORGANIZATION:
            self._hub.unlisten_organization(self.organization_id, self)
        for covered, track in list(self.tracks.items()):
            if self.covers(covered):
                track.selection = self.selection(covered)
            else:
                self.drop(track)

    def covers(self, account_id: str) -> bool:
        """Whether a scope in force covers the account."""
        return account_id in self.scopes or ORGANIZATION in self.scopes

    def selection(self, account_id: str) -> Selection:
        """What the scopes in force take: the named scope for its kinds, the organization's for the rest."""
        named, whole = self.scopes.get(account_id), self.scopes.get(ORGANIZATION)
        parts: list[Part] = list(named.parts) if named is not None else []
        if whole is not None:
            taken = named.kinds if named is not None else frozenset()
            parts.extend(part for part in whole.parts if part[0] not in taken)
        return self._hub.selection(parts)

    def select_anew(self, account_ids: Iterable[str]) -> None:
        """The scopes have changed: what those accounts' tracks take."""
        for account_id in account_ids:
            self.tracks[account_id].selection = self.selection(account_id)

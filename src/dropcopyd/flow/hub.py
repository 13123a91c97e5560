"""The hub: committed events to the sessions that wait for them.

One feed per account: a ring of the newest events, framed once, for as long as somebody listens. Sessions are cursors
over feeds; those with the same cursor and selection share one joined segment. The hub holds nothing that the journal
does not: a session that falls out of a ring reads the store.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from weakref import WeakValueDictionary

from dropcopyd.domain.event import EventType
from dropcopyd.domain.limits import Limits
from dropcopyd.observe import Metrics
from dropcopyd.ports import Committed, SessionEncoder

_SEGMENT_BYTES: Final = 256
"""What a kept segment costs beside its frames."""
_SEGMENTS_BYTES_MAX: Final = 1024 * 1024
"""Joined segments kept per account for sessions that follow at the same cursor."""
NARROWED = frozenset({EventType.BROKER_ORDER, EventType.BROKER_POSITION})
"""Kinds that an instrument filter narrows (contract.md, Subscribe.3)."""


class Selection:
    """Which events of an account a session takes: kind -> (symbol, asset class), "" = any. Interned by the hub."""

    __slots__ = ("__weakref__", "_all", "_narrowed", "kinds")

    def __init__(self, parts: frozenset[tuple[EventType, str, str]]) -> None:
        self.kinds = frozenset(kind for kind, _, _ in parts)
        self._all = frozenset(kind for kind, symbol, _ in parts if not symbol)
        self._narrowed = {kind: (symbol, asset_class) for kind, symbol, asset_class in parts if symbol}

    def takes(self, kind: EventType, symbol: str, asset_class: str) -> bool:
        """Whether an event belongs to the selection."""
        if kind in self._all:
            return True
        wanted = self._narrowed.get(kind)
        if wanted is None or wanted[0] != symbol:
            return False
        return not wanted[1] or wanted[1] == asset_class


@dataclass(frozen=True, slots=True)
class Segment:
    """Joined frames of the selected events after a cursor, and the cursor behind them."""

    frames: bytes
    to: int
    count: int
    chain: int


_NO_SEGMENT: Final = Segment(b"", 0, 0, 0)


class Listener(Protocol):
    """A session as the hub sees it."""

    def note(self, feed: "Feed", before: int) -> None:
        """The feed has grown; `before` is the published head before these events."""


class Feed:
    """One account's ring. Entries are consecutive sequences; `first` is the oldest one still in it."""

    __slots__ = (
        "_cache",
        "_cached_bytes",
        "_entries",
        "account_id",
        "bytes",
        "chain",
        "first",
        "head",
        "last",
        "last_after",
        "last_budget_bytes",
        "last_selection",
        "listeners",
        "organization_id",
    )

    def __init__(self, account_id: str, organization_id: str) -> None:
        self.account_id = account_id
        self.organization_id = organization_id
        self.head = 0
        """The last published sequence of this run; 0 before the first."""
        self.chain = 0
        self.first = 1
        self.bytes = 0
        self.listeners: dict[Listener, None] = {}
        self._entries: list[tuple[EventType, str, str, bytes, int]] = []
        self._cache: dict[tuple[int, int, Selection], Segment] = {}
        self._cached_bytes = 0
        self.last = _NO_SEGMENT
        """The segment given last: most sessions follow at the same cursor, one after the other."""
        self.last_after = -1
        self.last_budget_bytes = 0
        self.last_selection: Selection | None = None

    def append(self, event: Committed, framed: bytes) -> None:
        """Take the next event in."""
        if not self._entries:
            self.first = event.sequence
        self._entries.append((event.kind, event.symbol, event.asset_class, framed, event.chain))
        self.bytes += len(framed)
        if self._cache:
            self._forget_segments()

    def trim(self, events_max: int, bytes_max: int) -> int:
        """Let the oldest events go until both bounds hold; returns the bytes freed. Cuts in strides, to stay cheap."""
        count, freed = len(self._entries), 0
        if count <= events_max and self.bytes <= bytes_max:
            return 0
        cut = max(0, count - events_max)
        freed = sum(len(entry[3]) for entry in self._entries[:cut])
        while cut < count and self.bytes - freed > bytes_max * 3 // 4:
            freed += len(self._entries[cut][3])
            cut += 1
        spare = min(count - cut, events_max // 8)
        freed += sum(len(entry[3]) for entry in self._entries[cut : cut + spare])
        self._drop(cut + spare, freed)
        return freed

    def clear(self) -> int:
        """Forget the ring; returns the bytes freed."""
        freed = self.bytes
        self._drop(len(self._entries), freed)
        return freed

    def _drop(self, count: int, freed: int) -> None:
        del self._entries[:count]
        self.first += count
        self.bytes -= freed
        self._forget_segments()

    def _forget_segments(self) -> None:
        self._cache.clear()
        self._cached_bytes = 0
        self.last, self.last_after, self.last_selection = _NO_SEGMENT, -1, None

    def segment(self, after: int, selection: Selection, budget_bytes: int) -> Segment | None:
        """Selected events after the cursor, whole messages up to about the budget; None when the ring has lost some."""
        if after == self.last_after and selection is self.last_selection and budget_bytes == self.last_budget_bytes:
            return self.last
        if after + 1 < self.first or not self._entries:
            return None
        key = (after, budget_bytes, selection)
        found = self._cache.get(key)
        if found is None:
            found = self._join(after, selection, budget_bytes)
            if self._cached_bytes + len(found.frames) > _SEGMENTS_BYTES_MAX:
                self._forget_segments()
            self._cache[key] = found
            self._cached_bytes += len(found.frames) + _SEGMENT_BYTES
        self.last, self.last_after = found, after
        self.last_selection, self.last_budget_bytes = selection, budget_bytes
        return found

    def _join(self, after: int, selection: Selection, budget_bytes: int) -> Segment:
        parts: list[bytes] = []
        size, to, chain = 0, after, 0
        takes = selection.takes
        for index in range(after + 1 - self.first, len(self._entries)):
            kind, symbol, asset_class, framed, entry_chain = self._entries[index]
            if takes(kind, symbol, asset_class):
                if size and size + len(framed) > budget_bytes:
                    break
                parts.append(framed)
                size += len(framed)
            to, chain = self.first + index, entry_chain
        return Segment(b"".join(parts), to, len(parts), chain)


class Hub:
    """All feeds of this node. Everything runs in the event loop."""

    def __init__(self, encoder: SessionEncoder, limits: Limits, metrics: Metrics) -> None:
        self._frame = encoder.frame
        self._limits = limits
        self._metrics = metrics
        self._feeds: dict[str, Feed] = {}
        self._organizations: dict[str, dict[Listener, None]] = {}
        self._selections: WeakValueDictionary[frozenset[tuple[EventType, str, str]], Selection] = WeakValueDictionary()
        self._bytes = 0

    def publish(self, committed: Sequence[Committed]) -> None:
        """Committed events, in commit order. Wakes each listening session once per account."""
        grown: dict[Feed, int] = {}
        for event in committed:
            feed = self.feed(event.account_id, event.organization_id)
            grown.setdefault(feed, event.sequence - 1)
            if feed.listeners or feed.organization_id in self._organizations:
                framed = self._frame(event.payload)
                feed.append(event, framed)
                self._bytes += len(framed)
            feed.head, feed.chain = event.sequence, event.chain
        self._metrics.committed.inc(len(committed))
        for feed, before in grown.items():
            self._bytes -= feed.trim(self._limits.ring_events_per_account, self._limits.ring_bytes_per_account)
            for listener in tuple(feed.listeners):
                listener.note(feed, before)
            for listener in tuple(self._organizations.get(feed.organization_id, ())):
                if listener not in feed.listeners:
                    listener.note(feed, before)
        self._keep_budget()

    def feed(self, account_id: str, organization_id: str) -> Feed:
        """The account's feed."""
        feed = self._feeds.get(account_id)
        if feed is None:
            feed = self._feeds[account_id] = Feed(account_id, organization_id)
        return feed

    def selection(self, parts: Iterable[tuple[EventType, str, str]]) -> Selection:
        """The one selection object of these parts, so that equal sessions share segments."""
        key = frozenset(parts)
        selection = self._selections.get(key)
        if selection is None:
            selection = self._selections[key] = Selection(key)
        return selection

    def listen(self, feed: Feed, listener: Listener) -> None:
        """Tell the listener of this account from now on."""
        feed.listeners[listener] = None

    def unlisten(self, feed: Feed, listener: Listener) -> None:
        """No longer; the ring goes with its last listener."""
        feed.listeners.pop(listener, None)
        if not feed.listeners and feed.organization_id not in self._organizations:
            self._bytes -= feed.clear()

    def listen_organization(self, organization_id: str, listener: Listener) -> None:
        """Tell the listener of every account of the organization, later ones included."""
        self._organizations.setdefault(organization_id, {})[listener] = None

    def unlisten_organization(self, organization_id: str, listener: Listener) -> None:
        """No longer; rings without listeners go."""
        listeners = self._organizations.get(organization_id, {})
        listeners.pop(listener, None)
        if listeners:
            return
        self._organizations.pop(organization_id, None)
        for feed in self._feeds.values():
            if feed.organization_id == organization_id and not feed.listeners:
                self._bytes -= feed.clear()

    def _keep_budget(self) -> None:
        """Under the global byte budget: the largest rings go first, their sessions read the store."""
        while self._bytes > self._limits.ring_bytes_total:
            largest = max(self._feeds.values(), key=lambda feed: feed.bytes)
            self._bytes -= largest.clear()

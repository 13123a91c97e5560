"""The hub's rings: bounded in events and bytes, gone without listeners, and never holding one listener for another."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropcopyd.domain.event import EventType
from dropcopyd.domain.limits import Limits
from dropcopyd.flow.hub import Feed, Hub
from dropcopyd.observe import Metrics
from dropcopyd.ports import Committed
from dropcopyd.wire import ProtobufEncoder, ProtobufSessionEncoder


class Ear:
    """A listener that remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, int]] = []
        self.then: Any = lambda: None

    def note(self, feed: Feed, before: int) -> None:
        self.notes.append((feed.account_id, before))
        self.then()


def hub_of(**limits: int) -> Hub:
    return Hub(ProtobufSessionEncoder(ProtobufEncoder()), Limits(**limits), Metrics())


def event(sequence: int, account: str = "a", size: int = 10, kind: EventType = EventType.BROKER_ORDER) -> Committed:
    return Committed(
        account_id=account,
        organization_id="o",
        sequence=sequence,
        kind=kind,
        symbol="AAPL",
        asset_class="EQUITY",
        payload=bytes(size),
        chain=sequence,
    )


ORDERS = [(EventType.BROKER_ORDER, "", "")]


def test_nothing_is_kept_where_nobody_listens() -> None:
    hub = hub_of()
    hub.publish([event(1), event(2)])
    feed = hub.feed("a", "o")
    assert (feed.head, feed.chain, feed.bytes) == (2, 2, 0)
    ear = Ear()
    hub.listen(feed, ear)
    hub.publish([event(3), event(4)])
    assert (feed.first, feed.bytes) == (3, 30)
    assert ear.notes == [("a", 2)], "woken once for a commit"
    hub.unlisten(feed, ear)
    assert (feed.bytes, hub._bytes) == (0, 0)


def test_an_organizations_listener_hears_every_account_once() -> None:
    hub, ear = hub_of(), Ear()
    hub.listen_organization("o", ear)
    hub.listen(hub.feed("a", "o"), ear)
    hub.publish([event(1), event(1, "b"), event(2)])
    assert sorted(ear.notes) == [("a", 0), ("b", 0)]
    hub.unlisten_organization("o", ear)
    assert hub.feed("b", "o").bytes == 0
    assert hub.feed("a", "o").bytes > 0, "it still listens to this one"
    hub.unlisten(hub.feed("a", "o"), ear)
    assert hub._bytes == 0


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=60),
    st.integers(1, 20),
    st.integers(1, 2_000),
    st.integers(1, 2_000),
)
def test_a_ring_is_a_bounded_tail_of_the_journal(sizes: list[int], events: int, own: int, total: int) -> None:
    hub, ear = hub_of(ring_events_per_account=events, ring_bytes_per_account=own, ring_bytes_total=total), Ear()
    feed, selection = hub.feed("a", "o"), hub.selection(ORDERS)
    hub.listen(feed, ear)
    for sequence, size in enumerate(sizes, start=1):
        hub.publish([event(sequence, size=size)])
        assert len(feed._entries) <= events
        assert feed.bytes <= min(own, total)
        assert feed.bytes == hub._bytes == sum(len(entry[3]) for entry in feed._entries)
        for after in range(sequence):
            segment = feed.segment(after, selection, 10**9)
            if after + 1 < feed.first or not feed._entries:
                assert segment is None
            else:
                assert segment is not None
                assert (segment.to, segment.count, segment.chain) == (sequence, sequence - after, sequence)
                assert len(segment.frames) == sum(size + 5 for size in sizes[after:sequence])


def test_joined_segments_are_bounded_too() -> None:
    """A thousand sessions at a thousand cursors of a quiet account cost no thousand copies of its ring."""
    hub, ear = hub_of(), Ear()
    feed, selection = hub.feed("a", "o"), hub.selection(ORDERS)
    hub.listen(feed, ear)
    hub.publish([event(sequence, size=1_000) for sequence in range(1, 2_001)])
    for after in range(2_000):
        assert feed.segment(after, selection, 65_536) is not None
    assert sum(len(segment.frames) for segment in feed._cache.values()) <= 1024 * 1024


def test_the_total_takes_from_the_largest_ring() -> None:
    hub = hub_of(ring_bytes_total=1_000)
    ears = [Ear(), Ear()]
    for ear, name in zip(ears, "ab", strict=True):
        hub.listen(hub.feed(name, "o"), ear)
    hub.publish([event(1, "a", size=100)])
    hub.publish([event(1, "b", size=700)])
    hub.publish([event(2, "a", size=300)])
    assert (hub.feed("a", "o").bytes, hub.feed("b", "o").bytes) == (410, 0)


def test_a_listener_may_leave_while_it_is_told() -> None:
    hub, ears = hub_of(), [Ear(), Ear()]
    feed = hub.feed("a", "o")
    for ear in ears:
        hub.listen(feed, ear)
        hub.listen_organization("o", ear)

    def leave() -> None:
        hub.unlisten(feed, ears[1])
        hub.unlisten_organization("o", ears[1])

    ears[0].then = leave
    hub.publish([event(1)])
    assert ears[0].notes == [("a", 0)]


def test_a_budget_takes_whole_messages_and_at_least_one() -> None:
    hub, ear = hub_of(), Ear()
    feed, selection = hub.feed("a", "o"), hub.selection(ORDERS)
    hub.listen(feed, ear)
    hub.publish([event(1), event(2), event(3, kind=EventType.BROKER_TRADE), event(4)])
    for budget, to, count in [(1, 1, 1), (29, 1, 1), (30, 3, 2), (44, 3, 2), (45, 4, 3)]:
        segment = feed.segment(0, selection, budget)
        assert segment is not None
        assert (segment.to, segment.count) == (to, count)


@pytest.mark.parametrize("parts", [ORDERS, [(EventType.BROKER_ORDER, "AAPL", "")]])
def test_equal_selections_are_one(parts: list[tuple[EventType, str, str]]) -> None:
    hub = hub_of()
    assert hub.selection(parts) is hub.selection(list(parts))

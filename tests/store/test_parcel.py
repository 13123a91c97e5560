"""What goes to the writer's process arrives there as it was, and what comes back does."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropcopyd.domain.event import Batch, EventType
from dropcopyd.domain.tally import Leg, LegTime
from dropcopyd.ports import Committed
from dropcopyd.store.committing import Group
from dropcopyd.store.parcel import Frames, Packer, frame, pack_group, unpack, unpack_group
from tests.store.build import Desk, account, lives


def test_batches_of_whole_lives_arrive_as_they_were() -> None:
    desk, packer = Desk(1), Packer()
    batches = [*lives(desk, 10), desk.moved(), desk.create_batch("a key")]
    for together in (1, 7):
        for at in range(0, len(batches), together):
            items = [(account(1), batch, (b"\x00", b"")) for batch in batches[at : at + together]]
            assert repr(unpack(packer.pack(items))) == repr(items), "repr: members of enumerations are equal as texts"
    assert repr(unpack(packer.pack([account(2)]))) == repr([account(2)])


@settings(max_examples=60, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.from_type(Batch))
def test_any_batch_arrives_as_it_was(batch: Batch) -> None:
    """Every class of record, in every shape that its types allow."""
    assert repr(unpack(Packer().pack([(account(1), batch, ())]))) == repr([(account(1), batch, ())])


def test_a_record_that_takes_the_place_of_another_in_memory_is_not_taken_for_it() -> None:
    packer = Packer()
    for number in range(1, 2_000):
        one = account(number)
        (arrived,) = unpack(packer.pack([one]))
        assert arrived == one
        del one


@given(st.lists(st.binary(max_size=300), max_size=12), st.data())
def test_frames_in_pieces_of_any_size(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame(body) for body in bodies)
    frames, got = Frames(), list[bytes]()
    while stream:
        length = data.draw(st.integers(1, len(stream)))
        got += frames.take(stream[:length])
        stream = stream[length:]
    assert got == bodies


def test_what_became_of_a_group_comes_back() -> None:
    committed = [Committed("a", "o", 2**40, kind, "AAPL", "EQUITY", b"\x00\xff", 2**64 - 1) for kind in EventType]
    group = Group([None, "an earlier batch of this account failed"], committed, [LegTime(leg, 2**40) for leg in Leg])
    arrived = unpack_group(pack_group(group))
    assert repr(arrived) == repr(group)

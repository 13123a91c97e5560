"""The proof of completeness by itself: many journals, losses, repeats and cuts, without a network."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropcopy import AccountHead, Place, StreamGap
from dropcopy._continuity import Arrival, Continuity
from tests.sdk.peers import ACCOUNT, EPOCH, MAKERS, Entry, Journal

NAMES = {1: "broker_order", 2: "broker_position", 3: "broker_trade"}
KINDS = sorted(NAMES)


def journal_of(kinds: Sequence[int]) -> Journal:
    journal = Journal()
    makers = {1: MAKERS[0], 3: MAKERS[1], 2: MAKERS[2]}
    for number, kind in enumerate(kinds, 1):
        journal.add(makers[kind](number))
    return journal


def arrival(entry: Entry, entries: Sequence[Entry]) -> Arrival:
    kind_sequence = sum(other.kind == entry.kind for other in entries[: entry.sequence])
    return Arrival(NAMES[entry.kind], Place(entry.sequence, kind_sequence, entry.chain), entry.payload)


def head(journal: Journal, sequence: int | None = None) -> AccountHead:
    sequence = journal.head if sequence is None else sequence
    return AccountHead(
        account_id=ACCOUNT, epoch=EPOCH, sequence=sequence, head=journal.head, chain=journal.chain_at(sequence)
    )


class Reader:
    """What a stream does with a Continuity, without the stream: reads, resumes, begins anew."""

    def __init__(self, journal: Journal, kinds: frozenset[int]) -> None:
        self.journal = journal
        self.kinds = kinds
        names = frozenset(NAMES[kind] for kind in kinds)
        self.continuity = Continuity(ACCOUNT, proves_sequence=len(kinds) == len(KINDS), proven_kinds=names)
        self.continuity.attach(EPOCH, 0)
        self.taken: list[Entry] = []
        self.resets = 0
        self.skips = 0

    def connect(self, losses: set[int], repeats: set[int], cut: int | None) -> bool:
        """One connection; whether it came to the end with everything confirmed."""
        is_good = self.read(losses, repeats, cut)
        if not is_good:
            self.continuity.rewind()
        return is_good

    def read(self, losses: set[int], repeats: set[int], cut: int | None) -> bool:
        cursor = self.continuity.cursor
        if cursor is None:
            self.resets += 1
            self.continuity.attach(EPOCH, self.journal.head)
            return True
        wanted = [e for e in self.journal.entries if e.sequence > cursor.sequence and e.kind in self.kinds]
        received = 0
        try:
            for entry in wanted:
                if cut is not None and received >= cut:
                    return False
                if entry.sequence in losses:
                    continue
                received += 1
                for _ in range(2 if entry.sequence in repeats else 1):
                    admission = self.continuity.admit(arrival(entry, self.journal.entries))
                    self.skips += admission.skipped is not None
                    if admission.is_new:
                        self.taken.append(entry)
            if received < len(wanted):
                return False
            self.continuity.confirm(head(self.journal))
        except StreamGap:
            return False
        return True


@settings(max_examples=300, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=14),
    wanted=st.sets(st.sampled_from(KINDS), min_size=1).map(frozenset),
    losses=st.lists(st.sets(st.integers(1, 14), max_size=4), max_size=4),
    repeats=st.sets(st.integers(1, 14)),
    cuts=st.lists(st.none() | st.integers(0, 14), max_size=4),
)
def test_whatever_is_lost_repeated_or_cut_everything_comes_once(
    kinds: list[int], wanted: frozenset[int], losses: list[set[int]], repeats: set[int], cuts: list[int | None]
) -> None:
    reader = Reader(journal_of(kinds), wanted)
    for _ in range(40):
        if reader.connect(losses.pop(0) if losses else set(), repeats, cuts.pop(0) if cuts else None):
            break
    else:
        raise AssertionError("it never settles")
    taken = [entry.sequence for entry in reader.taken]
    expected = [entry.sequence for entry in reader.journal.entries if entry.kind in wanted]
    assert len(taken) == len(set(taken)), "a repeat"
    if not reader.resets:
        assert sorted(taken) == expected, "a silent loss"
    for kind in wanted:
        of_kind = [entry.sequence for entry in reader.taken if entry.kind == kind]
        assert of_kind == sorted(of_kind), "out of order within a kind"
    if wanted == frozenset(KINDS) and not reader.skips:
        assert taken == sorted(taken)


def test_a_stale_heartbeat_proves_nothing_and_hurts_nothing() -> None:
    journal = journal_of([1, 1, 1])
    reader = Reader(journal, frozenset(KINDS))
    assert reader.connect(set(), set(), None)
    assert reader.continuity.confirm(head(journal, 1)) is None
    assert reader.continuity.cursor is not None
    assert reader.continuity.cursor.sequence == 3


def test_another_epoch_in_a_heartbeat_is_a_gap() -> None:
    journal = journal_of([1])
    reader = Reader(journal, frozenset(KINDS))
    reader.connect(set(), set(), None)
    with pytest.raises(StreamGap, match="epoch"):
        reader.continuity.confirm(AccountHead(account_id=ACCOUNT, epoch="other", sequence=1, head=1))


def test_an_account_first_seen_in_the_middle_is_read_from_there() -> None:
    journal = journal_of([1, 1, 1, 1])
    continuity = Continuity(ACCOUNT, proves_sequence=True, proven_kinds=frozenset(NAMES.values()))
    continuity.adopt_epoch(EPOCH)
    assert continuity.admit(arrival(journal.entries[2], journal.entries)).is_new
    continuity.rewind()
    assert continuity.cursor is not None
    assert continuity.cursor.sequence == 3  # every kind: nothing before it can be missing

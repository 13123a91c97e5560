"""What a stream can prove about the events it gets: none missing, none twice, the history unaltered.

One `Continuity` per account, kept over reconnects. It knows no network: the stream tells it what arrived and resumes
at its cursor when it raises StreamGap. Two proofs carry it. A stream of every kind sees `sequence` without a jump; a
hole is noticed before anything after it is taken. A stream of some kinds sees each `kind_sequence` without a jump; a
hole may show late, or only in a heartbeat's count, which a lost connection never brings. Such a stream resumes at the
last place that a heartbeat confirmed, and what was not taken since is taken now: after later events of other kinds,
never after later ones of its own. Where that cannot be had, everything is forgotten, and the stream begins anew with
a Reset.

A doubt that comes again, after a resume, is settled here: a hole in `sequence` alone then holds kinds that this
version does not know, one in a known kind is there for good, and a hash that does not verify is an altered history.
"""

import hashlib
from collections.abc import Set
from dataclasses import dataclass
from typing import Final, NoReturn

from dropcopy._errors import ChainBroken, StreamGap
from dropcopy._events import AccountHead
from dropcopy._models import Cursor, Place

_CHAIN_TAG: Final = bytes((0xD9, 0x3E))
"""Key of TradingEvent.chain: field 1003, fixed64. The gateway appends it last, with its 8 bytes."""
_CHAIN_BYTES: Final = 10


@dataclass(frozen=True, slots=True)
class Arrival:
    """A journal event as it came. `kind` is its member of TradingEvent, "" for one that this version lacks."""

    kind: str
    place: Place
    payload: bytes


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of an arrival; `skipped` = (first, last) of the foreign kinds proven to lie before it."""

    is_new: bool
    skipped: tuple[int, int] | None = None


class Continuity:
    """One account's journal as one stream has seen it.

    `proves_sequence`: the stream takes every kind unfiltered, so that `sequence` may not jump. `proven_kinds`: the
    kinds that come unfiltered, whose `kind_sequence` may not jump.
    """

    def __init__(self, account_id: str, *, proves_sequence: bool, proven_kinds: Set[str]) -> None:
        self.account_id = account_id
        self._proves_sequence = proves_sequence
        self._proven_kinds = proven_kinds
        self.forget()

    def forget(self) -> None:
        """Know nothing: the next attach gets present state."""
        self._epoch = ""
        self._sequence: int | None = None
        self._chain = 0
        self._digest: bytes | None = None
        self._high = 0  # the last event taken; the cursor may have gone back behind it
        self._confirmed = (0, 0)  # sequence and chain up to which nothing is missing, by a heartbeat
        self._taken: set[int] = set()  # what was taken after that place: the events of one heartbeat interval
        self._is_whole = True  # nothing at all is missing between that place and the cursor
        self._kinds: dict[str, int] = {}
        self._is_from_start = False
        self._has_foreign_kinds = False
        self._doubted: tuple[str, int | None] | None = None

    def attach(self, epoch: str, sequence: int, chain: int = 0) -> None:
        """Begin at a place: all events up to it are known otherwise, as state or from an earlier session."""
        self.forget()
        self._epoch, self._sequence, self._chain = epoch, sequence, chain
        self._high, self._confirmed = sequence, (sequence, chain)
        if sequence == 0:
            self._is_from_start = True
            self._digest = bytes(32)

    @property
    def cursor(self) -> Cursor | None:
        """Where to resume; None while there is no such place."""
        if self._sequence is None or not self._epoch:
            return None
        return Cursor(self.account_id, self._epoch, self._sequence, self._chain)

    @property
    def epoch(self) -> str:
        """The journal's epoch, "" while it is not known."""
        return self._epoch

    def adopt_epoch(self, epoch: str) -> None:
        """The stream's epoch, for an account whose first event comes before anything else of it."""
        self._epoch = self._epoch or epoch

    def rewind(self) -> None:
        """The connection is lost: go back to the last confirmed place, unless nothing since can be missing."""
        if self._sequence is None or (self._proves_sequence and self._is_whole):
            return
        self._sequence, self._chain = self._confirmed
        self._digest, self._is_whole = None, True

    def admit(self, arrival: Arrival) -> Admission:
        """Take an event, unless it came before.

        Raises StreamGap or ChainBroken and then takes nothing.
        """
        place = arrival.place
        if self._sequence is not None and place.sequence <= self._sequence:
            self._check_repeat(place)
            return Admission(is_new=False)
        if self._sequence is None:
            self._confirmed, self._high = (place.sequence - 1, 0), place.sequence - 1
        is_new = place.sequence not in self._taken
        if is_new:
            self._check_kind(arrival)
        skipped = self._check_sequence(place.sequence - 1)
        digest = self._check_chain(arrival)
        self._sequence, self._chain, self._digest = place.sequence, place.chain, digest
        self._high = max(self._high, place.sequence)
        self._taken.add(place.sequence)
        self._kinds[arrival.kind] = max(self._kinds.get(arrival.kind, 0), place.kind_sequence)
        return Admission(is_new, skipped)

    def confirm(self, head: AccountHead) -> tuple[int, int] | None:
        """Compare with a heartbeat; (first, last) of what it proves to be of foreign kinds. Raises StreamGap."""
        if self._sequence is None:
            self.attach(head.epoch, head.sequence, head.chain)
            return None
        if head.epoch != self._epoch:
            raise StreamGap(f"the journal's epoch changed from {self._epoch} to {head.epoch}")
        if head.sequence < self._sequence:
            return None  # written before our last event, and still true
        skipped = None
        if head.sequence > self._sequence:
            skipped = self._check_sequence(head.sequence)
            self._sequence, self._chain, self._digest = head.sequence, head.chain, None
            self._high = max(self._high, head.sequence)
        elif self._chain and head.chain and self._chain != head.chain:
            self._doubt("head", f"another history up to event {head.sequence}")
        self._chain = self._chain or head.chain
        self._confirmed, self._is_whole = (self._sequence, self._chain), True
        self._taken = {sequence for sequence in self._taken if sequence > self._sequence}
        return skipped

    def _check_repeat(self, place: Place) -> None:
        """That an event which came before is the same one, as far as that can be told."""
        if place.sequence == self._sequence and self._chain and place.chain and place.chain != self._chain:
            self._doubt("repeat", f"another event {place.sequence} than before")

    def _check_kind(self, arrival: Arrival) -> None:
        """That it is the next of its kind."""
        place, kind = arrival.place, arrival.kind
        if kind not in self._proven_kinds or not place.kind_sequence:
            if place.sequence < self._high:
                self._give_up(f"event {place.sequence} was lost before event {self._high}")
            return
        known = self._kinds.get(kind, 0 if self._is_from_start else None)
        if known is None or place.kind_sequence == known + 1:
            return
        text = f"{kind} number {place.kind_sequence} came after number {known}"
        doubt = (kind, known)
        if place.kind_sequence <= known or self._doubted == doubt:
            self._give_up(text)
        self._doubted = doubt
        self._is_whole = self._has_foreign_kinds = False  # a hole that was passed over was no foreign kind
        raise StreamGap(f"account {self.account_id}: {text}")

    def _check_sequence(self, last: int) -> tuple[int, int] | None:
        """That nothing up to `last` is missing; the hole, if it is proven to hold foreign kinds only."""
        if not self._proves_sequence or self._sequence is None or last == self._sequence:
            return None
        hole = (self._sequence + 1, last)
        if not self._has_foreign_kinds and last > self._high:
            if self._doubted != ("sequence", self._sequence):
                self._doubt("sequence", f"events {hole[0]} to {hole[1]} did not come")
            self._has_foreign_kinds = True
        self._is_whole = False
        return hole if last > self._high else None

    def _check_chain(self, arrival: Arrival) -> bytes | None:
        """The running hash after this event; None where it cannot be known. Raises StreamGap, then ChainBroken."""
        place, payload = arrival.place, arrival.payload
        follows = self._sequence is not None and place.sequence == self._sequence + 1
        if self._digest is None or not follows or payload[-_CHAIN_BYTES : -_CHAIN_BYTES + 2] != _CHAIN_TAG:
            return None
        digest = hashlib.sha256(self._digest + payload[:-_CHAIN_BYTES]).digest()
        if int.from_bytes(digest[:8], "big") != place.chain:
            if self._doubted == ("chain", self._sequence):
                raise ChainBroken(f"the hash chain of account {self.account_id} breaks at event {place.sequence}")
            self._doubt("chain", f"the hash chain breaks at event {place.sequence}")
        return digest

    def _doubt(self, what: str, text: str) -> NoReturn:
        """A first doubt is worth a second look from the cursor; a second one is certainty."""
        if self._doubted == (what, self._sequence):
            self._give_up(text)
        self._doubted = (what, self._sequence)
        raise StreamGap(f"account {self.account_id}: {text}")

    def _give_up(self, text: str) -> NoReturn:
        """It cannot be put right: begin anew."""
        self.forget()
        raise StreamGap(f"account {self.account_id}: {text}; the stream begins anew")

"""What a stream must be, told from the contract alone: the journal and the bytes a client heard.

`Heard.check` walks through one connection's transcript and knows at each message what may come next. Where the contract
leaves open at which head something happened, the model keeps the interval of heads that agree with all that was heard.
"""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.soak.journal import (
    BALANCE,
    ORDER,
    POSITION,
    STATUS,
    Cursor,
    Journal,
    Request,
    Said,
    Subscribe,
    Unsubscribe,
    blob,
    by_number,
    number,
    repeated,
    text,
)
from tests.store.journal import Field

_REPLAYED: Final = (STATUS, BALANCE, POSITION, ORDER)
RESUMED, RESET = 2, 3
_NEVER: Final = 2**62


@dataclass
class Place:
    """Where the session stands in an account: the least and the greatest cursor that agree with what was heard."""

    low: int
    high: int


@dataclass(frozen=True)
class Got:
    """A message as it came, and what was durable then (asked only for confirmations)."""

    raw: bytes
    heads: dict[str, int] | None = None


@dataclass
class Replay:
    """State that must come before anything else of its accounts."""

    request: Subscribe
    fresh: dict[str, Place]
    due: list[int]
    reset: frozenset[str]
    as_of: int
    came: dict[tuple[str, int], Counter[bytes]] = field(default_factory=dict)


@dataclass
class Heard:
    """One connection: what was sent and what came, in order. `epoch` is the store's."""

    journals: dict[str, Journal]
    epoch: str
    transcript: list[Request | Got]
    scopes: dict[str, Subscribe] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    _pending: list[Request] = field(default_factory=list)
    _replay: Replay | None = None
    _delivered: int = 0

    def check(self) -> "Heard":
        """Raises AssertionError at the first message that may not come."""
        for at, entry in enumerate(self.transcript):
            try:
                self._pending.append(entry) if not isinstance(entry, Got) else self._take(entry)
            except AssertionError as error:
                error.add_note(f"at entry {at} of {len(self.transcript)}; scopes {self.scopes}; places {self.places}")
                raise
        return self

    def check_complete(self) -> None:
        """Everything durable has been sent: the client has waited for it."""
        assert not self._pending
        assert self._replay is None
        for account_id, place in self.places.items():
            self._expect_none(account_id, place, self.journals[account_id].head)

    def check_trailer(self, cursors: dict[str, Cursor]) -> None:
        """The cursors of a stream that was cut: nothing wanted up to them is missing."""
        for account_id, cursor in cursors.items():
            assert cursor.epoch == self.epoch
            self._expect_none(account_id, self.places[account_id], cursor.sequence)
        self.counts["trailer cursors"] += len(cursors)

    def _take(self, got: Got) -> None:
        found = by_number(got.raw)
        if number(found, 1000):
            self._event(text(found, 1001), number(found, 1000), got.raw)
        elif 1 in found:
            self._heartbeat(by_number(blob(found, 1)), blob(found, 1))
        elif 2 in found:
            self._error(by_number(blob(found, 2)))
        elif 3 in found:
            self._confirm(by_number(blob(found, 3)), blob(found, 3), got)
        elif 8 in found:
            self._primed(by_number(blob(found, 8)))
        else:
            self._state(got.raw)

    # --- journal events -------------------------------------------------------------------------------------------

    def _wanted_after(self, account_id: str, after: int, scopes: dict[str, Subscribe] | None = None) -> int:
        """The first wanted sequence behind a cursor."""
        scopes = self.scopes if scopes is None else scopes
        sequences = self.journals[account_id].wanted(scopes.get(account_id), scopes.get(""))
        place = bisect_right(sequences, after)
        return sequences[place] if place < len(sequences) else _NEVER

    def _event(self, account_id: str, sequence: int, raw: bytes) -> None:
        assert account_id in self.places, f"an event of {account_id}, which is not subscribed"
        in_replay = self._replay is not None and account_id in self._replay.fresh
        assert not in_replay, f"event {sequence} before the state it belongs after"
        journal, place = self.journals[account_id], self.places[account_id]
        assert sequence <= journal.head
        assert raw == journal.raw[sequence - 1], f"event {sequence} is not the journal's"
        assert self._wanted_after(account_id, sequence - 1) == sequence, f"event {sequence} was not asked for"
        assert sequence > place.low, f"event {sequence} again: the client is at {place.low}"
        due = self._wanted_after(account_id, place.high)
        assert sequence <= due, f"a gap: event {sequence} came where {due} was due"
        place.low = place.high = sequence
        self._delivered += 1
        self.counts["events"] += 1

    def _expect_none(self, account_id: str, place: Place, up_to: int) -> None:
        """The session says that it stands at `up_to`: nothing wanted may lie between."""
        due = self._wanted_after(account_id, place.high)
        assert due > up_to, f"a gap: {due} of {account_id} was due before {up_to}"

    def _heartbeat(self, beat: dict[int, Field], raw: bytes) -> None:
        assert number(beat, 1000) == self._delivered, "the heartbeat counts other events than came"
        for head in repeated(raw, 1001):
            account_id, at = text(head, 1), number(head, 3)
            assert account_id in self.places, f"a head of {account_id}, which is not subscribed"
            place = self.places[account_id]
            assert text(head, 2) == self.epoch
            assert number(head, 4) >= at
            assert number(head, 5) == self.journals[account_id].chains[at]
            if self._replay is None or account_id not in self._replay.fresh:
                assert at >= place.low, f"the cursor went back from {place.low} to {at}"
                self._expect_none(account_id, place, at)
                place.low = place.high = at
        self.counts["heartbeats"] += 1

    # --- requests -------------------------------------------------------------------------------------------------

    def _error(self, error: dict[int, Field]) -> None:
        request, code = self._pending.pop(0), text(error, 1001)
        assert isinstance(request, Subscribe), f"an Unsubscribe was refused: {code}"
        if request.refused:
            assert code == request.refused, f"refused with {code} instead of {request.refused}"
        else:
            assert code == "invalid_cursor", f"refused with {code}: {text(error, 1)}"
            assert any(cursor.account_id in self.places for cursor in request.resume), "nothing was covered"
        self.counts[f"error {code}"] += 1

    def _confirm(self, status: dict[int, Field], raw: bytes, got: Got) -> None:
        request = self._pending.pop(0)
        assert text(status, 1000) == request.account_id
        assert text(status, 1002) == self.epoch
        assert self._replay is None, "a confirmation before the replay was over"
        self.counts[text(status, 1)] += 1
        if isinstance(request, Unsubscribe):
            assert text(status, 1) == "unsubscribed"
            self._unsubscribed(request.account_id, got.heads or {})
            return
        assert text(status, 1) == "subscribed"
        assert not request.refused, f"a Subscribe that is refused with {request.refused} was confirmed"
        answers = repeated(raw, 1003)
        self._subscribed(request, number(status, 1001), answers, got.heads or {})

    def _unsubscribed(self, account_id: str, heads_now: dict[str, int]) -> None:
        before = dict(self.scopes)
        self.scopes.pop(account_id, None)
        for one, place in list(self.places.items()):
            if one not in self.scopes and "" not in self.scopes:
                del self.places[one]
            elif account_id in before and account_id in ("", one):
                due = self._wanted_after(one, place.high, before)
                place.high = max(place.high, min(due - 1, heads_now[one]))

    def _subscribed(
        self, request: Subscribe, head: int, answers: list[dict[int, Field]], heads_now: dict[str, int]
    ) -> None:
        said = {text(answer, 1): answer for answer in answers}
        cursors = {cursor.account_id: cursor for cursor in request.resume}
        named = [request.account_id] if request.account_id else []
        assert said.keys() == set(named or cursors), "one answer per named account and per cursor"
        fresh: dict[str, Place] = {}
        places: dict[str, Place] = {}
        for one in named or self.journals:
            outcome = number(said[one], 2) if one in said else 1
            at = number(said[one], 3) if one in said else 0
            self._check_outcome(cursors.get(one), outcome, at, one)
            if outcome == RESUMED:
                places[one] = Place(cursors[one].sequence, cursors[one].sequence)
            else:
                low, high = (at, at) if one in said else (request.heads[one], heads_now[one])
                places[one] = fresh[one] = Place(low, high)
        assert not named or number(said[named[0]], 3) == head
        self._settle(places)
        self.scopes[request.account_id] = request
        self.places |= places
        reset = frozenset(one for one, answer in said.items() if number(answer, 2) == RESET)
        if fresh:
            self._replay = Replay(request, fresh, self._due(request, reset), reset, head)
            self._finish_replay()

    def _settle(self, places: dict[str, Place]) -> None:
        """Before the confirmation the scopes in force were delivered up to where the new one begins."""
        for one, to in places.items():
            before = self.places.get(one)
            if before is not None:
                assert to.high >= before.low, f"attached behind the stream's own cursor: {to} after {before}"
                to.low = max(to.low, before.low)
                self._expect_none(one, before, to.low)

    def _check_outcome(self, cursor: Cursor | None, outcome: int, head: int, account_id: str) -> None:
        self.counts[("", "LIVE", "RESUMED", "RESET")[outcome]] += 1
        if cursor is None:
            assert outcome == 1
            return
        chains = self.journals[account_id].chains
        is_good = cursor.epoch == self.epoch and 0 <= cursor.sequence <= head
        is_good = is_good and (not cursor.chain or cursor.chain == chains[cursor.sequence])
        assert outcome == (RESUMED if is_good else RESET), f"{cursor} at head {head} became {outcome}"

    # --- replayed state -------------------------------------------------------------------------------------------

    @staticmethod
    def _due(request: Subscribe, reset: frozenset[str]) -> list[int]:
        """Kinds whose state is replayed, in the contract's order."""
        return [kind for kind in _REPLAYED if kind in request.kinds and (kind != ORDER or request.is_primed or reset)]

    def _state(self, raw: bytes) -> None:
        replay, said = self._replay, Said.of(raw)
        assert replay is not None, "state outside a replay"
        assert replay.due, "state after the last Primed"
        assert said.kind == replay.due[0], f"state of kind {said.kind} where {replay.due[0]} was due"
        assert said.body == raw, "replayed state carries a stamp"
        account_id = said.account_id
        assert account_id in replay.fresh, f"state of {account_id}, which was not attached anew"
        replay.came.setdefault((account_id, said.kind), Counter())[said.facts] += 1
        self.counts["state"] += 1

    def _primed(self, primed: dict[int, Field]) -> None:
        replay = self._replay
        assert replay is not None, "Primed outside a replay"
        assert replay.due, "a Primed too many"
        kind = replay.due.pop(0)
        assert number(primed, 1) == kind
        assert text(primed, 1000) == replay.request.account_id
        assert number(primed, 1001) == replay.as_of
        self._finish_replay()

    def _finish_replay(self) -> None:
        """When the last kind is closed: the state of each account is the journal's at one head."""
        replay = self._replay
        assert replay is not None
        if replay.due:
            return
        self._replay = None
        for one, place in replay.fresh.items():
            agreeing = [at for at in range(place.low, place.high + 1) if self._agrees(replay, one, at)]
            assert agreeing, self._disagreement(replay, one, place)
            place.low, place.high = agreeing[0], agreeing[-1]

    def _disagreement(self, replay: Replay, account_id: str, place: Place) -> str:
        journal, lines = self.journals[account_id], [f"{account_id}: state of no head from {place.low} to {place.high}"]
        for kind in self._due(replay.request, replay.reset):
            came = replay.came.get((account_id, kind), Counter())
            due = journal.state(kind, place.high, replay.request.parts[kind])
            lines.append(f"kind {kind}: too many {sorted(came - due)}, missing {sorted(due - came)}")
        return "\n".join(lines)

    def _agrees(self, replay: Replay, account_id: str, at: int) -> bool:
        request, journal = replay.request, self.journals[account_id]
        for kind in self._due(request, replay.reset):
            came = replay.came.get((account_id, kind), Counter())
            if not self._is_replayed(replay, account_id, kind):
                expected: Counter[bytes] = Counter()
            elif kind == STATUS and not journal.state(kind, at, request.parts[kind]):
                continue  # as it was made: the journal does not tell
            else:
                expected = journal.state(kind, at, request.parts[kind])
            if came != expected:
                return False
        return True

    def _is_replayed(self, replay: Replay, account_id: str, kind: int) -> bool:
        request = replay.request
        if kind == ORDER and not request.is_primed and account_id not in replay.reset:
            return False
        named = self.scopes.get(account_id)
        return bool(request.account_id) or named is None or kind not in named.kinds

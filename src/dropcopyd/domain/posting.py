"""The position side of a decision: what its executions, amendments and adjustments do to the folds they concern.

Nothing of the state is changed; the postings say what to change, and `Fold.apply` does it once the batch is taken.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from dropcopyd.domain.adjustment import Adjustment, DayRoll
from dropcopyd.domain.evolve import evolve
from dropcopyd.domain.fold import (
    Change,
    Execution,
    Fold,
    Posting,
    Step,
    folded,
    rolled,
    step_of,
)
from dropcopyd.domain.instrument import Instrument, InstrumentKey, key_of
from dropcopyd.domain.needs import NeedsHistory
from dropcopyd.domain.position import Position, daily_pnl_of
from dropcopyd.domain.state import AccountState


class PositionDraft:
    """Positions in the making. Each verb returns the position to publish; raises NeedsHistory before it did anything
    to that position."""

    def __init__(self, state: AccountState, at_ns: int) -> None:
        self._state = state
        self._at_ns = at_ns
        self._roll = state.roll
        self._works: dict[InstrumentKey, _Work] = {}
        self._published: dict[InstrumentKey, Position] = {}

    @property
    def positions(self) -> tuple[Position, ...]:
        """Every position that changed, as it is after all."""
        return tuple(self._published.values())

    @property
    def postings(self) -> tuple[Posting, ...]:
        return tuple(work.posting() for work in self._works.values())

    def take(
        self, instrument: Instrument, ref: str, effect: Execution | Adjustment, sent_at_ns: int | None
    ) -> Position:
        """A new change; `sent_at_ns` is the broker's time of it."""
        work = self._work(instrument)
        fold_ns = max(work.last.fold_ns, self._roll.at_ns) if sent_at_ns is None else sent_at_ns
        work.insert(Change(fold_ns, work.change_count + 1, ref, effect), self._roll)
        work.change_count += 1
        return self._publish(work, sent_at_ns)

    def amend(self, instrument: Instrument, ref: str, effect: Execution, sent_at_ns: int | None) -> Position:
        """An execution taken before stands with other figures now, a quantity of 0 after a bust."""
        work = self._work(instrument)
        work.amend(ref, effect, self._roll)
        return self._publish(work, sent_at_ns)

    def day_roll(self, roll: DayRoll) -> list[Position]:
        """A new day: every position that is held, or moved since the last roll, with its figures begun anew.

        What the broker dates after the roll and was taken in before it is folded again, into the new day.
        """
        self._roll = roll
        moved = [position for position in self._state.positions.values() if not position.is_quiet]
        result = []
        for position in moved:
            work = self._work(position.instrument)
            work.refold_from(roll.at_ns, roll)
            result.append(self._publish(work, None))
        return result

    def _publish(self, work: "_Work", sent_at_ns: int | None) -> Position:
        position = rolled(work.last, self._roll)
        if sent_at_ns is not None:
            work.broker_sent_at_ns = sent_at_ns
        position = evolve(
            position,
            received_at_ns=self._at_ns,
            broker_sent_at_ns=work.broker_sent_at_ns,
            daily_pnl=daily_pnl_of(position, self._state.marks(position.instrument)),
            change_count=work.change_count,
        )
        self._published[work.key] = position
        return position

    def _work(self, instrument: Instrument) -> "_Work":
        key = key_of(instrument)
        work = self._works.get(key)
        if work is None:
            position = self._state.position_of(instrument)
            fold = self._state.folds.setdefault(key, Fold(position, []))
            work = _Work(key, fold, len(fold.steps), position.change_count, position.broker_sent_at_ns)
            self._works[key] = work
        return work


@dataclass(slots=True)
class _Work:
    """One fold as this decision changes it: the first `kept_count` steps of `fold`, then `steps`."""

    key: InstrumentKey
    fold: Fold
    kept_count: int
    change_count: int
    broker_sent_at_ns: int | None
    steps: list[Step] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    """Changes that the store does not have in this form."""

    @property
    def last(self) -> Position:
        if self.steps:
            return self.steps[-1].after
        return self._before(self.kept_count)

    def posting(self) -> Posting:
        written = tuple(step for step in self.steps if step.change.ref in self.touched or step.is_checkpoint)
        return Posting(self.key, self.kept_count, tuple(self.steps), written)

    def insert(self, change: Change, roll: DayRoll) -> None:
        """Put a change at its place; what stands behind it is folded again."""
        index = self.kept_count + len(self.steps)
        for step in self._backwards():
            if step.change.place < change.place:
                break
            index -= 1
        if index == 0:
            self._check_base(change.fold_ns)
        self.touched.add(change.ref)
        if index == self.kept_count + len(self.steps):
            self.steps.append(step_of(self.last, change, roll, was_checkpoint=False, since_count=self._since_count()))
            return
        behind = self._open(index)
        self._refold(index, [(change, False), *behind], roll)

    def amend(self, ref: str, effect: Execution, roll: DayRoll) -> None:
        """Give a change another effect at its place."""
        index = self.kept_count + len(self.steps)
        for step in self._backwards():
            index -= 1
            if step.change.ref == ref:
                break
        else:
            raise NeedsHistory(self.key, ref=ref)
        self.touched.add(ref)
        (change, was_checkpoint), *behind = self._open(index)
        self._refold(index, [(replace(change, effect=effect), was_checkpoint), *behind], roll)

    def refold_from(self, fold_ns: int, roll: DayRoll) -> None:
        """Fold everything from that time on again, under another roll."""
        index = self.kept_count + len(self.steps)
        for step in self._backwards():
            if step.change.fold_ns < fold_ns:
                break
            index -= 1
        if index == 0 and self.fold.base.fold_number and self.fold.base.fold_ns >= fold_ns:
            raise NeedsHistory(self.key, fold_ns=fold_ns)
        if index < self.kept_count + len(self.steps):
            self._refold(index, self._open(index), roll)

    def _check_base(self, fold_ns: int) -> None:
        """Whether a change at that time may stand directly on the base. An origin has nothing before it."""
        base = self.fold.base
        if base.fold_number and (fold_ns < base.fold_ns or fold_ns < base.day_ns):
            raise NeedsHistory(self.key, fold_ns=fold_ns)

    def _open(self, index: int) -> list[tuple[Change, bool]]:
        """The changes from an index on, taken out to be folded again."""
        if index < self.kept_count:
            self.steps[:0] = self.fold.steps[index : self.kept_count]
            self.kept_count = index
        behind = self.steps[index - self.kept_count :]
        del self.steps[index - self.kept_count :]
        return [(step.change, step.is_checkpoint) for step in behind]

    def _refold(self, index: int, changes: Iterable[tuple[Change, bool]], roll: DayRoll) -> None:
        self.steps.extend(folded(self._before(index), changes, roll))

    def _before(self, index: int) -> Position:
        if index > self.kept_count:
            return self.steps[index - self.kept_count - 1].after
        return self.fold.steps[index - 1].after if index else self.fold.base

    def _backwards(self) -> Iterator[Step]:
        yield from reversed(self.steps)
        for index in range(self.kept_count - 1, -1, -1):
            yield self.fold.steps[index]

    def _since_count(self) -> int:
        """How many steps behind the last checkpoint the next one stands."""
        count = 1
        for step in self._backwards():
            if step.is_checkpoint:
                break
            count += 1
        return count

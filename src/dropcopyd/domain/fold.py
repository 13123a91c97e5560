"""The fold: a position is its changes, taken in the broker's order of time (contract.md section 3).

A change is an execution as it stands after busts and corrections, or an adjustment. Its place is (fold_ns, number):
the broker's time, ties by arrival. One without a time stands behind everything that is known when it arrives. A
correction keeps the place of what it corrects; a bust leaves a change of nothing there.

Each step keeps the position after it, so that what arrives in order costs one step, and what arrives late costs the
steps behind its place. A fold holds the last steps only. Further back the store has them, with the position after
every flat and every `CHECKPOINT_STEPS` changes: a change that belongs there raises `needs.NeedsHistory`, and the
caller loads the fold from the checkpoint before it and decides again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from dropcopyd.domain import money
from dropcopyd.domain.adjusting import take_adjustment
from dropcopyd.domain.adjustment import Adjustment, DayRoll
from dropcopyd.domain.evolve import evolve
from dropcopyd.domain.instrument import Instrument, InstrumentKey, key_of, value_of
from dropcopyd.domain.position import Position, take_execution

CHECKPOINT_STEPS: Final = 64
"""The store has a whole position at least this often."""
STEPS_MAX: Final = 64
"""Steps of one position that stay in memory; twice as many before the older half goes."""

Marks = Callable[[Instrument], Decimal | None]
"""The price at which an instrument is valued now; None where none is known."""


def no_marks(_instrument: Instrument) -> Decimal | None:
    """No prices are known."""
    return None


@dataclass(frozen=True, slots=True)
class Execution:
    """An effective execution: > 0 bought, < 0 sold, 0 busted."""

    signed_quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one position at its place. `ref` is its identity within the account."""

    fold_ns: int
    number: int
    ref: str
    effect: Execution | Adjustment

    @property
    def place(self) -> tuple[int, int]:
        return self.fold_ns, self.number


@dataclass(frozen=True, slots=True)
class Step:
    """A change with the position after it. The store keeps `after` where `is_checkpoint`."""

    change: Change
    after: Position
    is_checkpoint: bool


@dataclass(frozen=True, slots=True)
class Posting:
    """What a batch does to one fold: its steps from index `kept_count` on are replaced by `steps`.

    `written` are those of them that the store does not have yet in this form.
    """

    key: InstrumentKey
    kept_count: int
    steps: tuple[Step, ...]
    written: tuple[Step, ...]


@dataclass(slots=True)
class Fold:
    """The last steps of one position over `base`, the position before them."""

    base: Position
    steps: list[Step]

    @property
    def last(self) -> Position:
        return self.steps[-1].after if self.steps else self.base

    def apply(self, posting: Posting) -> None:
        """Become the fold after a posting, and let steps go that are not likely to be asked for."""
        del self.steps[posting.kept_count :]
        self.steps.extend(posting.steps)
        if len(self.steps) > 2 * STEPS_MAX:
            self.forget(STEPS_MAX)

    def forget(self, keep_count: int = 0) -> None:
        """Let all steps but the last `keep_count` go."""
        cut_count = len(self.steps) - keep_count
        if cut_count > 0:
            self.base = self.steps[cut_count - 1].after
            del self.steps[:cut_count]


@dataclass(frozen=True, slots=True)
class History:
    """A piece of a fold from the store: the position at a checkpoint and the changes after it, in order."""

    base: Position
    changes: tuple[tuple[Change, bool], ...]
    """With whether the store has the position after it."""


def execution_ref(order_id: str, execution_key: str) -> str:
    """The identity of an execution in the fold."""
    return f"{order_id}|{execution_key}"


def adjustment_ref(adjustment_id: str) -> str:
    """The identity of an adjustment in the fold; no order id begins like this."""
    return f"adjustment|{adjustment_id}"


def step_of(before: Position, change: Change, roll: DayRoll, *, was_checkpoint: bool, since_count: int) -> Step:
    """The step of a change; `since_count`: how many steps ago the last checkpoint was."""
    position = rolled(before, roll) if change.fold_ns >= roll.at_ns else before
    effect = change.effect
    if isinstance(effect, Adjustment):
        position, bought, sold = take_adjustment(position, effect), money.ZERO, money.ZERO
    else:
        position, bought, sold = _executed(position, effect)
    after = evolve(
        position,
        value_bought=money.add(position.value_bought, bought),
        value_sold=money.add(position.value_sold, sold),
        fold_ns=change.fold_ns,
        fold_number=change.number,
    )
    return Step(change, after, was_checkpoint or not after.quantity or since_count >= CHECKPOINT_STEPS)


def _executed(position: Position, execution: Execution) -> tuple[Position, Decimal, Decimal]:
    """The position after an execution, and the values that it bought and sold."""
    signed = execution.signed_quantity
    if not signed:
        return position, money.ZERO, money.ZERO
    value = value_of(position.instrument, money.magnitude(signed), execution.price)
    position = take_execution(position, signed, execution.price)
    return (position, value, money.ZERO) if signed > 0 else (position, money.ZERO, value)


def rolled(position: Position, roll: DayRoll) -> Position:
    """The position with its day begun at the roll, unless it has begun already."""
    if position.day_ns >= roll.at_ns:
        return position
    return replace(
        position,
        day_ns=roll.at_ns,
        day_quantity=position.quantity,
        day_cost=position.cost,
        day_realized_pnl=position.realized_pnl,
        day_mark=roll.marks.get(key_of(position.instrument)),
        is_day_known=True,
        value_bought=money.ZERO,
        value_sold=money.ZERO,
    )


def folded(base: Position, changes: Iterable[tuple[Change, bool]], roll: DayRoll) -> list[Step]:
    """Steps over a base, from changes in order, each with whether it is a checkpoint already."""
    steps: list[Step] = []
    before, since_count = base, 0
    for change, was_checkpoint in changes:
        since_count += 1
        step = step_of(before, change, roll, was_checkpoint=was_checkpoint, since_count=since_count)
        steps.append(step)
        before, since_count = step.after, 0 if step.is_checkpoint else since_count
    return steps

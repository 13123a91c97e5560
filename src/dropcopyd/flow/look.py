"""A look: one snapshot of the broker, taken in, and what of it is otherwise here."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dropcopyd.domain.reconciliation import Difference, Place
from dropcopyd.domain.report import BrokerSnapshot, SnapshotPart
from dropcopyd.flow.activity import Subject


@dataclass(slots=True)
class Look:
    """One snapshot, taken in and compared.

    `differences` are those left after mending, `mended` those that the broker's list has ended. `agreed` are the places
    of standing tickets where this snapshot shows no difference. `session` is the one of before the snapshot.
    """

    snapshot: BrokerSnapshot
    session: int
    is_quiet: Callable[[Subject], bool]
    """Whether no report of an instrument or currency came since before the snapshot was asked for."""
    left_s: float
    """What the broker may still take to answer what this look asks."""
    is_cut: bool = False
    """Whether that was over before everything was asked and answered: of such a look nothing is concluded."""
    differences: dict[Place, Difference] = field(default_factory=dict)
    mended: dict[Place, Difference] = field(default_factory=dict)
    agreed: set[Place] = field(default_factory=set)
    claimed: set[str] = field(default_factory=set)
    """Our ids of the orders that the broker lists."""
    mended_reports: int = 0

    def differ(self, found: Iterable[Difference]) -> None:
        self.differences.update((difference.place, difference) for difference in found)

    def is_whole(self, part: SnapshotPart) -> bool:
        """Whether what the snapshot leaves out of this part is not there."""
        return part not in self.snapshot.lacks

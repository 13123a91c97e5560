"""What a decision may need that is not in memory. The caller loads it and decides again: decisions change nothing."""

from dropcopyd.domain.instrument import InstrumentKey


class NeedsRecords(Exception):  # noqa: N818  no error: a request to the caller
    """Something is to be loaded before the decision can be taken."""


class NeedsHistory(NeedsRecords):
    """The position of `key`; with `ref`, its fold from before that change; with `fold_ns`, from before that time."""

    def __init__(self, key: InstrumentKey, *, ref: str | None = None, fold_ns: int | None = None) -> None:
        super().__init__(f"{key[1]}: change {ref!r}, from {fold_ns}")
        self.key = key
        self.ref = ref
        self.fold_ns = fold_ns


class NeedsAdjustment(NeedsRecords):
    """Whether an adjustment of that id is known, and with what content."""

    def __init__(self, adjustment_id: str) -> None:
        super().__init__(f"adjustment {adjustment_id!r}")
        self.adjustment_id = adjustment_id

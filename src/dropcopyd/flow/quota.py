"""How many streams an organization may hold open at a time, native, browser and SSE streams alike."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from dropcopyd.errors import Code, DropcopyError


class StreamQuota:
    """Counts open streams per organization; a place is taken at authentication and free when the handler ends."""

    def __init__(self, streams_per_organization: int) -> None:
        self._limit = streams_per_organization
        self._open: Counter[str] = Counter()

    @contextmanager
    def place(self, organization_id: str) -> Iterator[None]:
        """Hold one place. Raises DropcopyError(STREAM_QUOTA_EXCEEDED) when all are taken."""
        if self._open[organization_id] >= self._limit:
            raise DropcopyError(
                Code.STREAM_QUOTA_EXCEEDED,
                f"the organization has {self._limit} streams open, as many as it may; close one first",
                limit=self._limit,
            )
        self._open[organization_id] += 1
        try:
            yield
        finally:
            self._open[organization_id] -= 1
            if not self._open[organization_id]:
                del self._open[organization_id]

    def count(self, organization_id: str) -> int:
        """Streams the organization holds open now."""
        return self._open[organization_id]

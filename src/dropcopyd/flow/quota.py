"""How many streams an organization may hold open at a time, native, browser and SSE streams alike."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from dropcopyd.domain.account import Principal
from dropcopyd.errors import Code, DropcopyError


class StreamQuota:
    """Counts open streams per organization; a place is taken at authentication and free when the handler ends.

    An organization may have a quota of its own (`Principal.streams_max`); a lower one ends nothing that is open.
    """

    def __init__(self, streams_per_organization: int) -> None:
        self._limit = streams_per_organization
        self._open: Counter[str] = Counter()

    @contextmanager
    def place(self, principal: Principal) -> Iterator[None]:
        """Hold one place. Raises DropcopyError(STREAM_QUOTA_EXCEEDED) when all are taken."""
        organization_id = principal.organization_id
        limit = self._limit if principal.streams_max is None else principal.streams_max
        if (count := self._open[organization_id]) >= limit:
            raise DropcopyError(
                Code.STREAM_QUOTA_EXCEEDED,
                f"the organization has {count} streams open and may have {limit}; close one first",
                limit=limit,
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

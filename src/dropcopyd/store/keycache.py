"""Keys that requests show, in memory for as long as nobody can have changed them.

The daemon tells of its own changes. Whoever changes the database beside it leaves a mark: some random bytes in a small
file that the daemon has mapped, so that looking whether there is a new one costs a look into memory, at each request.
"""

import mmap
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dropcopyd.domain.keys import KeyRecord
from dropcopyd.ports import Clock

MARK_NAME: Final = "keys.mark"
_MARK_BYTES: Final = 16
_KEPT_MAX: Final = 10_000
_KEPT_NS: Final = 1_000_000_000
"""A key is read anew so long after it was, mark or not: whoever left none was no tool of ours, or was killed."""


class Mark:
    """The mark in a folder that keys were changed beside the daemon."""

    def __init__(self, folder: Path) -> None:
        descriptor = os.open(folder / MARK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size < _MARK_BYTES:
                os.ftruncate(descriptor, _MARK_BYTES)
            self._map = mmap.mmap(descriptor, _MARK_BYTES)
        finally:
            os.close(descriptor)

    @property
    def value(self) -> bytes:
        """Another one than before: something was changed in between."""
        return self._map[:]

    def leave(self) -> None:
        """Something was changed, durably."""
        self._map[:] = os.urandom(_MARK_BYTES)

    def close(self) -> None:
        """Let the file go."""
        self._map.close()


@dataclass(frozen=True, slots=True)
class _Kept:
    record: KeyRecord
    mark: bytes
    until_ns: int


class KeyCache:
    """Finds keys, in memory or by reading them."""

    def __init__(self, read: Callable[[str], Awaitable[KeyRecord | None]], mark: Mark, clock: Clock) -> None:
        self._read = read
        self._mark = mark
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._changes = 0

    async def find(self, key_id: str) -> KeyRecord | None:
        """The key as it is now; one that is not there is looked for each time. Raises StoreError."""
        mark, now_ns = self._mark.value, self._clock.monotonic_ns()
        kept = self._kept.get(key_id)
        if kept is not None and kept.mark == mark and now_ns < kept.until_ns:
            return kept.record
        changes = self._changes
        record = await self._read(key_id)
        if record is not None and changes == self._changes:  # else it may have been read before that change
            if len(self._kept) >= _KEPT_MAX:
                self._kept.clear()
            self._kept[key_id] = _Kept(record, mark, now_ns + _KEPT_NS)
        return record

    def forget(self) -> None:
        """Something was changed by the daemon itself, durably."""
        self._changes += 1
        self._kept.clear()

    def close(self) -> None:
        """Let the mark's file go."""
        self._mark.close()

"""When keys were used last, and from where: noted in memory at each request, written at most once a minute."""

import asyncio
from typing import Final

import structlog

from dropcopyd.errors import DropcopyError
from dropcopyd.ports import KeyUse, Registry

_log = structlog.get_logger()
_FLUSH_S: Final = 60.0


class KeyUses:
    """The last use of each key since it was written; as many as there are keys that are used."""

    def __init__(self) -> None:
        self._new: dict[str, KeyUse] = {}

    def note(self, key_id: str, at_ns: int, address: str) -> None:
        """A key was accepted."""
        self._new[key_id] = KeyUse(at_ns, address)

    def of(self, key_id: str) -> KeyUse | None:
        """The last use, if it is not written yet."""
        return self._new.get(key_id)

    async def run(self, registry: Registry) -> None:
        """Write now and then, and once more when cancelled."""
        try:
            while True:
                await asyncio.sleep(_FLUSH_S)
                await self.flush(registry)
        finally:
            await self.flush(registry)

    async def flush(self, registry: Registry) -> None:
        """Write what is new; what cannot be written now is kept for the next time."""
        uses, self._new = self._new, {}
        if not uses:
            return
        try:
            await registry.keep_uses(uses)
        except DropcopyError as error:
            _log.error("keys.uses_not_written", code=error.code.value)
            self._new = {**uses, **self._new}

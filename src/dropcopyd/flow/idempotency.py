"""Idempotency (contract.md section 5): what a key was used for, from when its first command is handed to the store.

The same command again gets the first answer; another command under the key is refused naming the first field that
differs; a twin that comes while the first is being committed waits for it.
"""

import asyncio
import json
from dataclasses import dataclass

from dropcopyd.domain.account import Account
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.submits import first_difference
from dropcopyd.ports import Store


@dataclass(slots=True)
class Promise:
    """What a key was used for: the command, its intent, and when that is durable."""

    request: str
    intent_id: str
    done: asyncio.Future[None]


class IdempotencyKeys:
    """The keys of every account of this node. Asked and used inside an account's serial section."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._committing: dict[tuple[str, str], Promise] = {}

    async def known(self, account: Account, key: str | None, canonical: str) -> Promise | None:
        """What the key was used for, being committed or committed."""
        if key is None:
            return None
        found = self._committing.get((account.account_id, key))
        if found is None:
            record = await self._store.find_idempotency(account.account_id, key)
            if record is None:
                return None
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            found = Promise(record.request, record.intent_id, done)
        if found.request != canonical:
            pointer = first_difference(json.loads(found.request), json.loads(canonical))
            raise DropcopyError(
                Code.IDEMPOTENCY_KEY_REUSED,
                f"this Idempotency-Key was used for another command; the first difference is at {pointer}",
                pointer=pointer,
                intent_id=found.intent_id,
            )
        return found

    def use(self, account: Account, key: str, promise: Promise) -> None:
        """The key has its command from now on."""
        place = (account.account_id, key)
        self._committing[place] = promise
        promise.done.add_done_callback(lambda _done: self._committing.pop(place, None))

"""A program that commits and says what was answered, until it is killed: `python -m tests.store.writing FOLDER POINT`.

It begins where the folder's journal ends. Each line says the account and the broker command id of an answered batch.
"""

import asyncio
import sys
from pathlib import Path

from dropcopyd.domain.event import Batch
from dropcopyd.ports import Failpoints
from dropcopyd.store.sqlite import SqliteStore
from dropcopyd.system import KillAt, NoFailpoints
from tests.store.build import Desk, account_id, opened


async def write(store: SqliteStore, number: int) -> None:
    """Intents without end, a few on their way at a time."""
    desk = Desk(number)
    desk.play.state = await store.load_account(account_id(number), 0)
    desk._orders = len(desk.play.state.chains)

    async def commit(batch: Batch) -> None:
        await store.commit(batch)
        print(number, batch.commands[0].broker_command_id, flush=True)

    while True:
        await asyncio.gather(*(commit(desk.create_batch()) for _ in range(5)))


async def main(folder: Path, failpoints: Failpoints) -> None:
    async with opened(folder, failpoints=failpoints) as store:
        print("ready", flush=True)
        await asyncio.gather(write(store, 1), write(store, 2))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), KillAt(sys.argv[2]) if sys.argv[2] else NoFailpoints()))

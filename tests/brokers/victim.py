"""A process to be killed: a paper broker that trades until something ends it.

`python -m tests.brokers.victim FOLDER [POINT NUMBER]` kills itself when the failpoint is reached for the NUMBERth
time; without one it goes on until it is killed. Each command acknowledged is a line on stdout.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from dropcopyd.brokers.paper import Book, ManualFeed, PaperBroker
from dropcopyd.domain.order import ActionType
from dropcopyd.domain.report import Acknowledged
from tests.brokers.build import AAPL, ACCOUNT, NOON_NS, quote, submission, terms
from tests.brokers.service import Listener
from tests.doubles import ManualClock, SequentialIds


class Killer:
    def __init__(self, point: str, number: int) -> None:
        self.point, self.left = point, number

    def reached(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


async def main(folder: Path, point: str = "", number: str = "0") -> None:
    clock, listener, feed = ManualClock(NOON_NS), Listener(), ManualFeed([AAPL])
    book = Book.open(folder / "paper.db", clock, SequentialIds("b"))
    broker = PaperBroker(book, [feed], clock, [ACCOUNT], Killer(point, int(number)))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(broker.run(listener))
        await listener.until(lambda: broker.is_connected(ACCOUNT))
        for count in range(100_000):
            clock.advance(0.001)
            feed.push(AAPL, quote("9.99", "10.00", ask_size=7))
            broker.turn()
            sent = [
                broker.submit(submission(f"c{count}", asked=terms(5, "10.00")), 5.0),
                broker.submit(submission(f"d{count}", asked=terms(5, "10.00")), 5.0),
                broker.submit(submission(f"x{count}", ActionType.CANCEL, original=f"d{count}"), 5.0),
            ]
            for name, answer in zip("cdx", await asyncio.gather(*sent), strict=True):
                if isinstance(answer, Acknowledged):
                    sys.stdout.write(f"{name}{count}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))

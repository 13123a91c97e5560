"""What a client printed: lines of JSON, one TradingEvent or {"end": ...} each."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict

from tests.support.streams import StreamClient

WAIT_S = 30.0
Line = dict[str, Any]


@dataclass
class Transcript:
    """Grows as the client prints. `next_line` brings the next line, or raises AssertionError when there is none."""

    next_line: Callable[[], Awaitable[bytes]]
    lines: list[Line] = field(default_factory=list)

    async def until(self, is_so: Callable[[list[Line]], object], what: str) -> None:
        """Read lines until the predicate over all of them is true."""
        try:
            async with asyncio.timeout(WAIT_S):
                while not is_so(self.lines):
                    assert not (self.lines and "end" in self.lines[-1]), "the call has ended"
                    self.lines.append(json.loads(await self.next_line()))
        except TimeoutError:
            raise AssertionError(f"waited in vain for {what}; last lines: {self.lines[-5:]}") from None
        except AssertionError as error:
            raise AssertionError(f"no {what}: {error}; last lines: {self.lines[-5:]}") from error

    async def ended(self) -> Line:
        """Wait for the end of the call; how it ended, the status in capitals without separators."""
        await self.until(lambda lines: lines and "end" in lines[-1], "the end of the call")
        end: Line = self.lines[-1]["end"]
        return {**end, "status": end["status"].replace("_", "").upper()}

    @property
    def journal(self) -> list[Line]:
        """The journal events among the lines."""
        return journal(self.lines)

    def status(self) -> Line:
        """What confirmed the first request."""
        found: Line = next(line["status"] for line in self.lines if "status" in line)
        return found

    def cursor(self, event: Line) -> str:
        """The option that resumes after the event."""
        return f"{self.status()['epoch']}:{event['sequence']}:{event['chain']}"


def journal(lines: list[Line]) -> list[Line]:
    """Those with a place in the account's journal."""
    return [line for line in lines if "sequence" in line]


def count(lines: list[Line], kind: str) -> int:
    """How many are of one member of TradingEvent, by its JSON name."""
    return sum(kind in line for line in lines)


def confirmed(message: str) -> Callable[[list[Line]], bool]:
    """Predicate: a Status with that message has come."""
    return lambda lines: any(line.get("status", {}).get("message") == message for line in lines)


def filled(number: int) -> Callable[[list[Line]], bool]:
    """Predicate: the journal has so many filled orders, and the positions that they changed."""

    def is_so(lines: list[Line]) -> bool:
        orders = [line["brokerOrder"] for line in journal(lines) if "brokerOrder" in line]
        done = sum(order["orderStatus"] == "ORDER_STATUS_FILLED" for order in orders)
        return done >= number and count(journal(lines), "brokerPosition") >= number

    return is_so


async def assert_complete(heard: list[Line], first: int, reference: StreamClient) -> None:
    """Every event from sequence `first` on, in order, each once, as the contract's own classes read it."""
    assert [int(line["sequence"]) for line in heard] == list(range(first, first + len(heard)))
    last = first + len(heard) - 1
    await reference.until(lambda _: reference.journal and reference.journal[-1].sequence >= last, "the same events")
    sent: dict[str, Any] = {str(event.sequence): MessageToDict(event) for event in reference.journal}
    assert heard == [sent[line["sequence"]] for line in heard]

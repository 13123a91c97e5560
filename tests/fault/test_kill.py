"""kill -9 at each commit point of an order's journey, the moment between the send and its acknowledgement included.

The campaign: a bot submits, replaces and cancels with idempotency keys; the daemon kills itself at a named point; it is
started again, the bot repeats what got no answer under the same keys, the stream resumes with its cursor. Then:
no accepted intent is lost, no command reached the broker twice, every doubt is settled, sequences go on without gap
or repeat, and the resumed stream missed and repeated nothing.
"""

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dropcopy import proto as pb
from tests.support.check import (
    fold_trades,
    last_positions,
    paper_positions,
    stored_positions,
    submitted_twice,
    unresolved,
)
from tests.support.daemon import Daemon, Rest, create_command
from tests.support.streams import StreamClient

POINTS = (
    "intake.registered:6",
    "intake.committed:6",
    "store.commit.before:23",
    "store.commit.after:23",
    "dispatch.begun:6",
    "paper.submit.committed:6",
    "paper.report.emitted:9",
    "dispatch.answered:6",
    "ingest.report:11",
    "ingest.committed:11",
)


class Bot:
    """Submits with idempotency keys and remembers which were answered."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.answered: dict[str, str] = {}
        self.asked: dict[str, dict[str, Any]] = {}

    async def run(self, rest: Rest, count: int) -> None:
        """Go on until the daemon dies or the count is reached."""
        for _ in range(count):
            key = f"key-{len(self.asked)}"
            self.asked[key] = self._command()
            try:
                await self._ask(rest, key)
            except httpx2.TransportError:
                return
            await asyncio.sleep(0.01)

    async def repeat_unanswered(self, rest: Rest) -> None:
        """The same commands under the same keys: safe, whatever became of them."""
        for key in self.asked.keys() - self.answered.keys():
            await self._ask(rest, key)

    async def _ask(self, rest: Rest, key: str) -> None:
        answer = await rest.submit(self.asked[key], key=key)
        assert answer.status_code == 201, answer.text
        self.answered[key] = answer.json()["intent_id"]

    def _command(self) -> dict[str, Any]:
        known = list(self.answered.values())
        kind = self._dice.randrange(5) if known else 0
        side, quantity = self._dice.choice(["BUY", "SELL"]), str(self._dice.randint(1, 30))
        if kind == 3:
            return {"action_type": "CANCEL", "payload": {"ref_intent_id": self._dice.choice(known)}}
        if kind == 4:
            spec = {"Limit": {"price": "170.00", "quantity": quantity, "time_in_force": "DAY"}}
            return {"action_type": "REPLACE", "payload": {"ref_intent_id": self._dice.choice(known), "spec": spec}}
        if kind == 2:
            return create_command("AAPL", side, quantity, price=self._dice.choice(["150.00", "400.00"]))
        return create_command("AAPL", side, quantity)


async def listen(daemon: Daemon, heard: list[pb.TradingEvent], epoch: str) -> str:
    """Resume after the last event heard and listen until the daemon is gone or the task is cancelled; the epoch."""
    account_id = daemon.info["account_id"]
    async with StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as client:
        if heard:
            last = heard[-1]
            cursor = pb.Cursor(account_id=account_id, epoch=epoch, sequence=last.sequence, chain=last.chain)
        else:
            cursor = pb.Cursor(account_id=account_id, epoch=epoch, sequence=0)
        client.subscribe(account_id, resume=[cursor] if epoch else [])
        status = await client.until(lambda events: [e.status for e in events if e.status.message == "subscribed"])
        if not epoch:
            return str(status[0].epoch)
        assert status[0].resumes[0].outcome == pb.RESUME_OUTCOME_RESUMED
        taken = 0
        try:
            while client.error is None:
                await asyncio.sleep(0.02)
                journal = client.journal
                heard.extend(journal[taken:])
                taken = len(journal)
        finally:
            heard.extend(client.journal[taken:])
    return epoch


@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", POINTS)
async def test_kill_at(point: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    heard: list[pb.TradingEvent] = []
    bot = Bot(seed=len(point))
    daemon = Daemon(folder, "--heartbeat-s", "0.5", "--prices", "synthetic:7")
    await daemon.start(DROPCOPYD_KILL_AT=point)
    epoch = await listen(daemon, heard, "")
    listening = asyncio.create_task(listen(daemon, heard, epoch))
    async with Rest(daemon.info) as rest:
        await bot.run(rest, 200)
    expected = 1 if point.startswith("store.") else -9  # what strikes the writer's process ends the daemon
    assert await daemon.ended() == expected, f"the daemon was not killed at {point}"
    await asyncio.gather(listening, return_exceptions=True)
    before = len(heard)

    await daemon.start()
    listening = asyncio.create_task(listen(daemon, heard, epoch))
    try:
        async with Rest(daemon.info) as rest:
            await bot.repeat_unanswered(rest)
            await bot.run(rest, 10)
            await settle(folder, rest, heard)
            await check(folder, daemon, rest, bot, heard)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await daemon.stop()
    assert len(heard) > before > 0


async def settle(folder: Path, rest: Rest, heard: list[pb.TradingEvent]) -> None:
    """Cancel what works, wait until every command has its final outcome and the stream is quiet."""
    for order in await rest.all("orders"):
        if order["order_state"] == "OPEN":
            payload = {"ref_intent_id": order["intent_id"]}
            assert (await rest.submit({"action_type": "CANCEL", "payload": payload})).status_code == 201
    quiet = 0
    async with asyncio.timeout(40):
        while unresolved(folder) or quiet < 4:
            count = len(heard)
            await asyncio.sleep(0.25)
            quiet = quiet + 1 if len(heard) == count else 0


async def check(folder: Path, daemon: Daemon, rest: Rest, bot: Bot, heard: list[pb.TradingEvent]) -> None:
    assert [event.sequence for event in heard] == list(range(1, len(heard) + 1))
    assert submitted_twice(folder) == []
    for key, intent_id in bot.answered.items():
        answer = await rest.client.get(f"/v1/accounts/{rest.account_id}/intents/{intent_id}")
        assert answer.status_code == 200, f"{key} was accepted and is lost"
    creates = [key for key, command in bot.asked.items() if command["action_type"] == "CREATE"]
    created = {bot.answered[key] for key in creates}
    assert len(created) == len(creates), "two keys share an intent"
    orders = await rest.all("orders")
    assert {order["intent_id"] for order in orders} == created, "an order nobody asked for, or one too few"
    assert all(order["in_doubt_since"] is None for order in orders)
    folded, stored = fold_trades(heard), stored_positions(folder)
    book = paper_positions(folder, daemon.info["account_id"])
    for symbol, holding in folded.items():
        assert holding.quantity == int(stored[symbol][0]) == int(book.get(symbol, "0"))
        assert last_positions(heard)[symbol].quantity == stored[symbol][0]
    outcomes = {(e.command_outcome.intent_id, e.command_outcome.seq) for e in heard if e.HasField("command_outcome")}
    actions = {(e.intent_action.intent_id, e.intent_action.seq) for e in heard if e.HasField("intent_action")}
    assert actions == outcomes

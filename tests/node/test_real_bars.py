"""Real input: 5,000 hourly EURUSD bars replayed, a bot over REST, and four books that must agree to the last digit."""

import asyncio
import random
import sqlite3
from fractions import Fraction
from pathlib import Path

import pytest

from dropcopy import proto as pb
from tests.support.check import (
    Journal,
    fold_trades,
    last_positions,
    paper_positions,
    stored_positions,
    submitted_twice,
    unresolved,
)
from tests.support.daemon import Daemon, Rest
from tests.support.spec import spec_file
from tests.support.streams import ALL_KINDS, new_channel

ORDERS = 240
SPEED = 450_000
"""Times real time: the bars run for 40 s, several times longer than the bot needs on a slow machine; orders that
outlive the last bar would find no market."""
LAST_BAR = "1518015600000000000:"
"""2018-02-07 15:00 UTC, the time of the file's last row, as the paper book writes a replay's place."""


class Recorder:
    """Keeps the raw bytes of every journal event of one account."""

    def __init__(self, daemon: Daemon) -> None:
        self.journal = Journal()
        self.head = 0
        self._daemon = daemon

    async def run(self) -> None:
        channel = new_channel(self._daemon.info["grpc"])
        subscribe = pb.Subscribe(trading_account_id=self._daemon.info["account_id"])
        subscribe.subscriptions.extend(ALL_KINDS)
        subscribe.resume.add(account_id=self._daemon.info["account_id"], epoch=await self._epoch(channel), sequence=0)
        call = channel.unary_stream(
            pb.SUBSCRIBE_EVENTS_PATH,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=lambda raw: raw,
        )(subscribe, metadata=(("x-api-key", self._daemon.info["api_key"]),))
        async for raw in call:
            event = pb.TradingEvent.FromString(raw)
            if event.sequence:
                self.journal.add(raw)
            for head in event.heartbeat.heads:
                self.head = head.head

    async def _epoch(self, channel: object) -> str:
        """The store's epoch, from the first Status: to read the journal from its beginning."""
        call = channel.unary_stream(  # type: ignore[attr-defined]
            pb.SUBSCRIBE_EVENTS_PATH,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=pb.TradingEvent.FromString,
        )(
            pb.Subscribe(
                trading_account_id=self._daemon.info["account_id"], subscriptions=[pb.EVENT_TYPE_BROKER_ORDER]
            ),
            metadata=(("x-api-key", self._daemon.info["api_key"]),),
        )
        async for event in call:
            if event.WhichOneof("event") == "status":
                call.cancel()
                return str(event.status.epoch)
        raise AssertionError("no status")


async def trade(rest: Rest, dice: random.Random) -> list[str]:
    """At least 200 orders while the bars run: markets, limits of every time in force, replaces, cancels."""
    intents: list[str] = []
    for number in range(ORDERS):
        side = dice.choice(["BUY", "SELL"])
        quantity = str(dice.randint(1, 40) * 500)
        kind = number % 4
        if kind == 0:
            intents.append(await rest.create("EURUSD", side, quantity))
        elif kind == 1:
            price = f"{dice.uniform(1.05, 1.26):.5f}"
            tif = dice.choice(["DAY", "GOOD_TILL_CANCEL", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL"])
            intents.append(await rest.create("EURUSD", side, quantity, price=price, time_in_force=tif))
        elif kind == 2:
            spec = {"Limit": {"price": f"{dice.uniform(1.05, 1.26):.5f}", "quantity": quantity}}
            spec["Limit"]["time_in_force"] = "DAY"
            payload = {"ref_intent_id": dice.choice(intents), "spec": spec}
            assert (await rest.submit({"action_type": "REPLACE", "payload": payload})).status_code == 201
        else:
            payload = {"ref_intent_id": dice.choice(intents)}
            assert (await rest.submit({"action_type": "CANCEL", "payload": payload})).status_code == 201
        await asyncio.sleep(0.02)
    for symbol, quantity in (("AAPL", "25"), ("BTC-PERP", "0.125"), ("AAPL", "10"), ("BTC-PERP", "0.300")):
        intents.append(await rest.create(symbol, dice.choice(["BUY", "SELL"]), quantity))
    async with asyncio.timeout(30):
        while not {"AAPL", "BTC-PERP"} <= {trade["symbol"] for trade in await rest.all("trades")}:
            await asyncio.sleep(0.2)
    for intent_id in intents:  # so that nothing works on while the books are compared
        payload = {"ref_intent_id": intent_id}
        assert (await rest.submit({"action_type": "CANCEL", "payload": payload})).status_code == 201
    return intents


def replay_place(folder: Path) -> str:
    connection = sqlite3.connect(f"file:{folder / 'paper.db'}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT place FROM standings WHERE symbol = 'EURUSD'").fetchone()
        return "" if row is None else str(row[0])
    finally:
        connection.close()


@pytest.mark.spec
@pytest.mark.timeout(180)
async def test_four_books_agree_after_5000_real_bars(tmp_path: Path) -> None:
    bars = spec_file("data/EURUSD_hourly.csv")
    folder = tmp_path / "data"
    async with (
        Daemon(folder, "--prices", f"csv:EURUSD={bars}@{SPEED}", "--heartbeat-s", "0.5") as daemon,
        Rest(daemon.info) as rest,
    ):
        recorder = Recorder(daemon)
        recording = asyncio.create_task(recorder.run())
        await trade(rest, random.Random(20170419))
        async with asyncio.timeout(120):
            while not replay_place(folder).startswith(LAST_BAR):
                await asyncio.sleep(0.2)
            while unresolved(folder) or recorder.head == 0 or recorder.head > len(recorder.journal.raw):
                assert not recording.done()
                await asyncio.sleep(0.2)
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)
        orders, trades = await rest.all("orders"), await rest.all("trades")
        await daemon.stop()

    head = recorder.journal.verify()
    events = recorder.journal.events
    folded, streamed, stored = fold_trades(events), last_positions(events), stored_positions(folder)
    assert len(orders) >= 120
    assert len(trades) == sum(event.WhichOneof("event") == "broker_trade" for event in events) > 50
    assert set(folded) == set(streamed) == set(stored) == {"EURUSD", "AAPL", "BTC-PERP"}
    for symbol, holding in folded.items():
        quantity, cost, realized = stored[symbol]
        assert holding.quantity == Fraction(quantity) == Fraction(streamed[symbol].quantity)
        assert Fraction(realized) == Fraction(streamed[symbol].realized_pnl)
        assert abs(holding.realized - Fraction(realized)) <= Fraction(len(trades), 10**18)
        assert abs(holding.cost - Fraction(cost)) <= Fraction(len(trades), 10**18)
        assert paper_positions(folder, daemon.info["account_id"]).get(symbol, "0") == quantity
    outcomes = {(o.intent_id, o.seq): o.outcome for o in (e.command_outcome for e in events) if o.intent_id}
    actions = [(a.intent_id, a.seq) for a in (e.intent_action for e in events) if a.intent_id]
    final = {pb.COMMAND_OUTCOME_KIND_ACCEPTED, pb.COMMAND_OUTCOME_KIND_REFUSED, pb.COMMAND_OUTCOME_KIND_NOT_SENT}
    assert len(actions) == len(set(actions)) > ORDERS
    assert all(outcomes[action] in final for action in actions)
    assert submitted_twice(folder) == []
    assert head == len(events)

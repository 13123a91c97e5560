"""Balances of a paper account as a client of the contract sees them, on a real stream."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from dropcopy import proto as pb
from tests.support.daemon import Daemon, Rest
from tests.support.streams import StreamClient

BALANCE = pb.EventType.EVENT_TYPE_ACCOUNT_BALANCE


def last(events: list[Any], currency: str = "USD") -> Any:
    """The account's money as told last, None before the first telling."""
    told = [e.account_balance for e in events if e.HasField("account_balance")]
    return next((one for one in reversed(told) if one.currency == currency), None)


async def test_a_fill_moves_cash_margin_and_buying_power_on_the_stream(tmp_path: Path) -> None:
    """10 shares out of 10,000 dollars: cash less what they cost, half of their value as margin, a quarter to keep them.
    A client that comes later is told the same as state, before its `Primed`."""
    async with Daemon(tmp_path / "dev", "--profile", "instant", "--cash", "USD=10000") as daemon:
        info, rest = daemon.info, Rest(daemon.info)
        async with rest, StreamClient(info["grpc"], info["api_key"]) as client:
            client.subscribe(info["account_id"], (BALANCE,))
            first = await client.until(lambda events: last(events), "the first balance")
            assert (first.cash, first.equity, first.initial_margin) == ("10000", "10000", "0")
            assert first.buying_power == "20000"
            assert (first.account_id, first.organization_id) == (info["account_id"], info["organization_id"])
            await rest.create("AAPL", "BUY", "10")
            held = await client.until(lambda events: (b := last(events)) and b.cash != "10000" and b, "the purchase")
            (trade,) = await rest.all("trades")
            assert Decimal(held.cash) == 10_000 - 10 * Decimal(trade["price"])
            equity, margin = Decimal(held.equity), Decimal(held.initial_margin)
            assert margin == (equity - Decimal(held.cash)) / 2, "half of what is held, at the mark"
            assert Decimal(held.maintenance_margin) == margin / 2
            assert Decimal(held.buying_power) == (equity - margin) * 2
            journal = [event for event in client.journal if event.HasField("account_balance")]
            numbers = [event.kind_sequence for event in journal]
            assert numbers
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert held.HasField("received_at")
        async with StreamClient(info["grpc"], info["api_key"]) as late:
            late.subscribe(info["account_id"], (BALANCE,))
            await late.until(lambda events: any(e.HasField("primed") for e in events), "the end of the state")
            kinds = [event.WhichOneof("event") for event in late.events]
            state = [e for e in late.events[: kinds.index("primed")] if e.HasField("account_balance")]
            assert [(e.sequence, e.account_balance.currency, e.account_balance.cash) for e in state] == [
                (0, "USD", held.cash)
            ]

"""A small trading bot: learns prices from its own fills, works orders around them, and keeps its positions small.

    dropcopyd dev --json > gateway.json &
    python examples/bot.py --connect gateway.json --seconds 30

It shows what every bot on Dropcopy needs: orders go out over REST (`client.submit`), what becomes of them comes back
on the stream, and the bot does nothing while the stream is down. It has no edge and no idea; it is for the paper
account.
"""

import argparse
import asyncio
import random
import signal
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

import dropcopy
from dropcopy import Limit, Market


@dataclass
class Setup:
    """How one symbol is traded: order size, price step, and the most to hold either way."""

    size: Decimal
    tick: Decimal
    most: Decimal


SETUPS = {
    "AAPL": Setup(Decimal(10), Decimal("0.01"), Decimal(50)),
    "EURUSD": Setup(Decimal(1000), Decimal("0.00001"), Decimal(5000)),
    "BTC-PERP": Setup(Decimal("0.010"), Decimal("0.5"), Decimal("0.050")),
}


class Bot:
    """One account's bot. `listen` keeps its picture of the world, `trade` acts on it."""

    def __init__(self, client: dropcopy.Client, account_id: str, *, is_quiet: bool) -> None:
        self.client = client
        self.account_id = account_id
        self.is_quiet = is_quiet
        self.is_live = asyncio.Event()
        self.prices: dict[str, Decimal] = {}
        self.held: dict[str, Decimal] = {}
        self.working: dict[str, dropcopy.Order] = {}
        self.mine: set[str] = set()
        self.seen: set[str] = set()
        self.chance = random.Random()

    async def listen(self) -> None:
        """Follow the stream. It reconnects and resumes by itself; we only note when it is down."""
        async with self.client.stream(self.account_id) as stream:
            async for event in stream:
                match event:
                    case dropcopy.Trade():
                        self.prices[event.symbol] = event.price
                        self.say(f"filled   {event.symbol} {event.side} {event.quantity} @ {event.price}")
                    case dropcopy.Position():
                        self.held[event.symbol] = event.quantity
                    case dropcopy.Order():
                        self.seen.add(event.intent_id)
                        self.working.pop(event.intent_id, None)
                        if event.is_working:
                            self.working[event.intent_id] = event
                    case dropcopy.CommandOutcome() if event.outcome == "REFUSED":
                        self.say(f"refused  {event.intent_id}: {event.reason}")
                    case dropcopy.Reset():  # what we knew is void; the present state follows
                        self.working.clear()
                        self.held.clear()
                    case dropcopy.Disconnected():
                        self.is_live.clear()
                        self.say(f"blind    {event.reason}")
                    case dropcopy.Primed(event_type=dropcopy.EventType.BROKER_ORDER):
                        self.is_live.set()  # all working orders are known
                    case dropcopy.Status() if any(resume.outcome == "RESUMED" for resume in event.resumes):
                        self.is_live.set()
                    case _:
                        pass

    async def trade(self, rate_per_s: float, stop: asyncio.Event) -> None:
        """Act `rate_per_s` times a second until `stop`, but only while the stream is live."""
        while not stop.is_set():
            try:
                if self.is_live.is_set():
                    await self.act(self.chance.choice(list(SETUPS)))
            except dropcopy.SubmitInDoubt as error:
                self.say(f"in doubt {error}")  # asked three times under one key; the stream will tell
            except (dropcopy.ApiError, dropcopy.ConnectionFailed) as error:
                self.say(f"error    {error}")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1 / rate_per_s)

    async def act(self, symbol: str) -> None:
        """One decision: cross the spread, join the book, move an order, or take one back."""
        setup, price, held = SETUPS[symbol], self.prices.get(symbol), self.held.get(symbol, Decimal(0))
        resting = [o for o in self.working.values() if o.symbol == symbol and o.intent_id in self.mine]
        side = "BUY" if self.chance.random() < 0.5 else "SELL"
        if abs(held) >= setup.most:
            side = "SELL" if held > 0 else "BUY"
        if price is None or (not resting and self.chance.random() < 0.3):
            await self.submit(symbol, side, Market(setup.size))
        elif len(resting) >= 3 or (resting and self.chance.random() < 0.2):
            await self.client.cancel(self.account_id, resting[0].intent_id, retries=2)
            self.say(f"cancel   {symbol} {resting[0].order_side} {resting[0].limit_price}")
        elif resting and self.chance.random() < 0.4:
            order = resting[-1]
            spec = Limit(self.near(price, order.order_side, setup), order.quantity, order.time_in_force)
            await self.client.replace(self.account_id, order.intent_id, spec, retries=2)
            self.say(f"replace  {symbol} {order.order_side} {order.limit_price} -> {spec.price}")
        else:
            await self.submit(symbol, side, Limit(self.near(price, side, setup), setup.size))

    async def submit(self, symbol: str, side: str, spec: Limit | Market) -> None:
        intent_id = await self.client.submit(
            self.account_id, symbol=symbol, side=side, spec=spec, strategy_id="example-bot", retries=2
        )
        self.mine.add(intent_id)
        price = f"@ {spec.price}" if isinstance(spec, Limit) else "at market"
        self.say(f"submit   {symbol} {side} {spec.quantity} {price}")

    def near(self, price: Decimal, side: str, setup: Setup) -> Decimal:
        """A price up to 8 ticks on the passive side of the last fill, sometimes through it."""
        ticks = Decimal(self.chance.randint(-2, 8)) * setup.tick
        wanted = price - ticks if side == "BUY" else price + ticks
        return (wanted / setup.tick).to_integral_value() * setup.tick

    async def tidy(self, within_s: float = 10) -> None:
        """Take back what still works, and wait until the stream says that it is gone."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                asked: set[str] = set()
                while (left := self.working.keys() & self.mine) or self.mine - self.seen:
                    for intent_id in left - asked:
                        asked.add(intent_id)
                        with suppress(dropcopy.DropcopyError):
                            await self.client.cancel(self.account_id, intent_id, retries=2)
                    await asyncio.sleep(0.05)

    def say(self, text: str) -> None:
        if not self.is_quiet:
            print(text, flush=True)


async def run(options: argparse.Namespace) -> None:
    """Trade for the time asked, then tidy up. The stream is followed until the end."""
    connect = dropcopy.Client.from_file(options.connect) if options.connect else dropcopy.Client.from_env()
    async with connect as client:
        if client.account_id is None:
            raise SystemExit("no account: set DROPCOPY_ACCOUNT or give --connect")
        bot = Bot(client, client.account_id, is_quiet=options.quiet)
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if options.seconds is not None:
            loop.call_later(options.seconds, stop.set)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(bot.listen())
            await bot.trade(options.rate, stop)
            await bot.tidy()
            listening.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description="A small example bot for a paper account.")
    parser.add_argument("--connect", metavar="FILE", help="the line of `dropcopyd dev --json`; else DROPCOPY_...")
    parser.add_argument("--seconds", type=float, help="stop by itself after so long")
    parser.add_argument("--rate", type=float, default=5.0, help="decisions a second")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    try:
        asyncio.run(run(parser.parse_args()))
    except* dropcopy.DropcopyError as group:
        raise SystemExit(f"bot: {group.exceptions[0]}") from None


if __name__ == "__main__":
    main()

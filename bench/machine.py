"""What a decision of the machine costs: a fill report to its batch, beside bare construction of the batch's records.

Both run in one process, in turn, over the same reports; the median of several rounds counts. The machine decides on a
state that it does not change, so that every round decides the same.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

from dropcopyd.domain import machine
from dropcopyd.domain.account import Account, AccountConnection, AccountStatus, BrokerKind, PrincipalType
from dropcopyd.domain.command import Command, Stamps
from dropcopyd.domain.event import Batch, Event, Trade
from dropcopyd.domain.fold import Change, Execution, Posting, Step
from dropcopyd.domain.instrument import Equity
from dropcopyd.domain.order import ActionType, Order, OrderSide, OrderTerms, OrderType, OrderVenue, TimeInForce
from dropcopyd.domain.position import Position
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.domain.state import AccountState

RATIO_MAX = 5.0
START_NS = 1_795_000_000_000_000_000
INSTRUMENT = Equity(symbol="AAPL", exchange="NASDAQ")
TERMS = OrderTerms(
    order_type=OrderType.LIMIT, quantity=Decimal(100), time_in_force=TimeInForce.DAY, limit_price=Decimal(187)
)
NEW = (Batch, Event, Order, Command, Stamps, Trade, Position, Posting, Step, Change, Execution)
"""What a fill makes anew; instruments and terms are taken over."""


def trading(orders: int) -> tuple[AccountState, list[OrderReport]]:
    """An account with working orders, each with a fill, and the report of each one's next fill."""
    account = Account(1, "a" * 36, "o" * 36, "bench", BrokerKind.PAPER)
    state = AccountState(account, AccountStatus(AccountConnection.LIVE, START_NS), last_ns=START_NS)
    for number in range(orders):
        taken(state, machine.create(state, create(account, number), None))
        command = state.chains[f"o{number}"].commands[1]
        taken(state, machine.begin_attempt(state, command, START_NS))
        taken(state, machine.acknowledge(state, command, f"x{number}", START_NS))
        taken(
            state, machine.take_report(state, OrderReport(kind=ReportKind.ACCEPTED, broker_command_id=f"c{number}"), 0)
        )
        taken(state, machine.take_report(state, fill(number, 1), START_NS))
    return state, [fill(number, 2) for number in range(orders)]


def create(account: Account, number: int) -> Command:
    return Command(
        intent_id=f"i{number}",
        seq=1,
        order_id=f"o{number}",
        organization_id=account.organization_id,
        account_id=account.account_id,
        broker_command_id=f"c{number}",
        action_type=ActionType.CREATE,
        instrument=INSTRUMENT,
        order_side=OrderSide.BUY,
        order_venue=OrderVenue.SMART,
        terms=TERMS,
        principal_type=PrincipalType.API_KEY,
        stamps=Stamps(received_ns=START_NS, committed_ns=START_NS),
        deadline_ns=None,
    )


def fill(number: int, part: int) -> OrderReport:
    return OrderReport(
        kind=ReportKind.TRADE,
        broker_command_id=f"c{number}",
        external_order_id=f"x{number}",
        broker_sent_at_ns=START_NS + part * 1_000_000 + number,
        quantity=Decimal(100),
        cumulative_quantity=Decimal(10 * part),
        exec_id=f"e{number}.{part}",
        last_quantity=Decimal(10),
        last_price=Decimal("186.99"),
        trade_date="2026-11-18",
    )


def taken(state: AccountState, batch: Batch | None) -> None:
    assert batch is not None
    state.apply(batch)


def records(record: object, seen: set[int]) -> Iterator[tuple[type, dict[str, Any]]]:
    """The new records of a batch with what they are made of, the inner ones first, each once."""
    if isinstance(record, tuple):
        for one in record:
            yield from records(one, seen)
    elif isinstance(record, NEW) and is_dataclass(record) and id(record) not in seen:
        seen.add(id(record))
        values = {one.name: getattr(record, one.name) for one in fields(record)}
        for value in values.values():
            yield from records(value, seen)
        yield type(record), values


def timed(work: Callable[[], None]) -> float:
    """Processor time: what others do on the machine is not in it."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(orders: int, rounds: int) -> float:
    """Print both rates; the median ratio of the times."""
    state, reports = trading(orders)
    batches = [machine.take_report(state, report, START_NS) for report in reports]
    made = [list(records(batch, set())) for batch in batches]

    def decide() -> None:
        for report in reports:
            machine.take_report(state, report, START_NS)

    def construct() -> None:
        for one in made:
            for kind, values in one:
                kind(**values)

    taken_s = [(timed(decide), timed(construct)) for _ in range(rounds)]
    decided, constructed = (statistics.median(column) / len(reports) for column in zip(*taken_s, strict=True))
    ratios = sorted(one / other for one, other in taken_s)
    ratio = statistics.median(ratios)
    names = ", ".join(kind.__name__ for kind, _ in made[0])
    print(f"{len(reports)} fills, {rounds} rounds, records of one: {names}")
    print(f"decided       {1 / decided:>10,.0f}/s  {decided * 1e6:6.1f} us")
    print(f"constructed   {1 / constructed:>10,.0f}/s  {constructed * 1e6:6.1f} us")
    print(f"ratio         {ratio:.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f}; at most {RATIO_MAX:g})")
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-machine")
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    return 0 if measure(arguments.orders, arguments.rounds) <= RATIO_MAX else 1


if __name__ == "__main__":
    sys.exit(main())

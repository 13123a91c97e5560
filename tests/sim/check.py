"""What must hold after a run, said of the journal's bytes, the store and the paper broker's book."""

import json
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from dropcopy import proto as pb
from dropcopyd.domain.instrument import Instrument, is_inverse, multiplier_of
from dropcopyd.domain.order import OrderSide
from dropcopyd.store.audit import audit
from dropcopyd.store.migrate import DATABASE_NAME
from tests.contract.public_contract import PublicContract
from tests.sim.model import PAID, Holding, Terms, fold
from tests.sim.world import ACCOUNT, World
from tests.store.journal import verify

_PUBLIC = PublicContract()


@dataclass(frozen=True)
class Summary:
    """A run in numbers."""

    events: Counter[str]
    asked: Counter[str]
    orders: Counter[str]
    executions: int
    busted: int
    mended: dict[str, float]
    open_orders: int

    def __str__(self) -> str:
        lines = [
            f"commands    {sum(self.asked.values())}: {dict(sorted(self.asked.items()))}",
            f"orders      {dict(sorted(self.orders.items()))}, still open {self.open_orders}",
            f"executions  {self.executions} effective, {self.busted} busted",
            f"events      {sum(self.events.values())}: {dict(sorted(self.events.items()))}",
            f"mended      {dict(sorted(self.mended.items()))}",
        ]
        return "\n".join(lines)


def check(here: World, folder: Path) -> Summary:
    """Every invariant. Raises AssertionError that names the first one broken."""
    events = [pb.TradingEvent.FromString(event.payload) for event in here.journal]
    verify(folder / DATABASE_NAME, ACCOUNT)
    assert audit(folder).differences == ()
    _check_leaves(events)
    trades = _check_public_client(here)
    executions, busted = _effective(events)
    _check_submits(folder)
    orders = _check_orders(events, folder)
    _check_executions(executions, folder)
    _check_positions(here, executions, folder)
    _check_cash(here, folder)
    assert trades == len(executions) + busted
    mended = {
        sample.labels["kind"]: sample.value
        for metric in here.ingest._metrics.mended.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    kinds = Counter(event.kind.value for event in here.journal)
    return Summary(kinds, here.asked, orders, len(executions), busted, mended, here.open_orders())


def _check_leaves(events: list[Any]) -> None:
    for event in events:
        if event.WhichOneof("event") == "broker_order":
            order = event.broker_order
            assert Fraction(order.leaves_quantity or "0") >= 0, f"leaves below zero: {order}"


def _check_public_client(here: World) -> int:
    """A client with the public contract alone: each execution is told once, and a bust is no trade."""
    message = _PUBLIC.message("TradingEvent")
    seen: Counter[tuple[str, str]] = Counter()
    for event in here.journal:
        parsed = message.FromString(event.payload)
        if parsed.WhichOneof("event") != "broker_trade":
            continue
        trade = parsed.broker_trade
        assert Fraction(trade.quantity) > 0
        own = pb.TradingEvent.FromString(event.payload).broker_trade
        seen[own.client_order_id, own.exec_id] += 1  # the broker's own ids are used again, by other orders
    assert all(count == 1 for count in seen.values()), "an execution was told twice"
    return len(seen)


@dataclass(frozen=True)
class Executed:
    """An execution with its figures in force."""

    symbol: str
    is_buy: bool
    quantity: Fraction
    price: Fraction
    at_ns: int


def _effective(events: list[Any]) -> tuple[list[Executed], int]:
    """Executions that were not busted, as corrected, in the fold's order: the broker's time, then the sequence."""
    found: dict[tuple[str, str], Executed] = {}
    places: dict[tuple[str, str], int] = {}
    busted = 0
    for number, event in enumerate(events):
        kind = event.WhichOneof("event")
        if kind == "broker_trade":
            one = event.broker_trade
            figures = (Fraction(one.quantity), Fraction(one.price), one.broker_sent_at.ToNanoseconds())
            found[one.client_order_id, one.exec_id] = Executed(one.symbol, one.side == pb.ORDER_SIDE_BUY, *figures)
            places[one.client_order_id, one.exec_id] = number
        elif kind == "trade_amendment":
            one = event.trade_amendment
            name = (one.client_order_id, one.exec_id)
            before, place = found.pop(name), places.pop(name)
            if not Fraction(one.quantity_after):
                busted += 1
                continue
            corrected = replace(before, quantity=Fraction(one.quantity_after), price=Fraction(one.price_after))
            found[one.client_order_id, one.new_exec_id] = corrected
            places[one.client_order_id, one.new_exec_id] = place
    ordered = sorted(found, key=lambda name: (found[name].at_ns, places[name]))
    return [found[name] for name in ordered], busted


def _check_submits(folder: Path) -> None:
    with sqlite3.connect(folder / "paper.db") as book:
        twice = book.execute(
            "SELECT broker_command_id, count(*) FROM submits GROUP BY broker_command_id HAVING count(*) > 1"
        ).fetchall()
    assert not twice, f"sent twice: {twice}"


def _check_orders(events: list[Any], folder: Path) -> Counter[str]:
    """Every order of the book is ours, with the same figures, and open there exactly where it is open here."""
    last = {event.broker_order.order_id: event.broker_order for event in events if event.HasField("broker_order")}
    with sqlite3.connect(folder / DATABASE_NAME) as journal, sqlite3.connect(folder / "paper.db") as book:
        rows = book.execute(
            "SELECT live_command_id, quantity, filled_quantity, status, stop_price FROM orders ORDER BY number"
        )
        owners = dict(journal.execute("SELECT broker_command_id, order_id FROM commands"))
        theirs = rows.fetchall()
    statuses: Counter[str] = Counter()
    for command, quantity, filled, status, stop_price in theirs:
        told = last[owners[command]]
        name = pb.OrderStatus.Name(told.order_status).removeprefix("ORDER_STATUS_")
        statuses[name] += 1
        assert Fraction(told.filled_quantity or "0") == Fraction(filled), f"{filled} filled in the book, here {told}"
        if status == "rejected":
            assert name == "REJECTED", f"rejected in the book, here {told}"
            continue
        assert Fraction(told.quantity) == Fraction(quantity), f"{quantity} in the book, here {told}"
        if status == "working":
            assert (told.stop_price or None) == stop_price, f"stop {stop_price} in the book, here {told}"
        assert (name in ("FILLED", "CANCELLED")) == (status != "working"), f"{status} in the book, here {told}"
        is_filled = Fraction(filled) == Fraction(quantity)
        assert (name == "FILLED") == is_filled, f"{filled} of {quantity} in the book, here {told}"
    return statuses


_IN_FORCE = "coalesce(quantity_now, executions.quantity), coalesce(price_now, price)"
_NOT_BUSTED = "coalesce(quantity_now, '') <> '0'"


def _check_executions(executions: list[Executed], folder: Path) -> None:
    query = f"SELECT {_IN_FORCE}, at_ns FROM executions WHERE {_NOT_BUSTED}"
    with sqlite3.connect(folder / "paper.db") as book:
        theirs = Counter((Fraction(quantity), Fraction(price), at_ns) for quantity, price, at_ns in book.execute(query))
    ours = Counter((one.quantity, one.price, one.at_ns) for one in executions)
    assert ours == theirs, f"only here {ours - theirs}, only in the book {theirs - ours}"


def terms_of(instrument: Instrument) -> Terms:
    return Terms(
        instrument.asset_class, instrument.currency, Fraction(multiplier_of(instrument)), is_inverse(instrument)
    )


def _check_positions(here: World, executions: list[Executed], folder: Path) -> None:
    """The gateway's positions are the model's fold of its journal; its quantities are the book's."""
    by_symbol: dict[str, list[tuple[Fraction, Fraction]]] = defaultdict(list)
    for one in executions:
        by_symbol[one.symbol].append((one.quantity if one.is_buy else -one.quantity, one.price))
    with sqlite3.connect(folder / "paper.db") as book:
        theirs = {symbol: Fraction(held) for symbol, held in book.execute("SELECT symbol, quantity FROM positions")}
    for symbol, changes in by_symbol.items():
        model = fold(terms_of(here.instruments[symbol]), changes)
        assert model.is_balanced
        assert model.quantity == theirs[symbol], f"{symbol}: {model.quantity} by the journal, {theirs[symbol]} there"
        ours = _position(folder, symbol)
        assert ours == (model.quantity, model.cost, model.realized), f"{symbol}: {ours} is not {model}"


def _position(folder: Path, symbol: str) -> tuple[Fraction, Fraction, Fraction]:
    with sqlite3.connect(folder / DATABASE_NAME) as journal:
        row = journal.execute(
            "SELECT quantity, cost, realized_pnl FROM positions WHERE symbol = ?", (symbol,)
        ).fetchone()
    return Fraction(row[0]), Fraction(row[1]), Fraction(row[2])


def _check_cash(here: World, folder: Path) -> None:
    """The book's cash: what the account began with, less what was paid, plus what was realized, less fees.

    Where an execution was amended, what was realized is told by what is left of the cost in the book: the broker gives
    the old figures back at their price, so its average is another one than that of a fold.
    """
    wallet = here.book.image.wallets[ACCOUNT]
    expected: dict[str, Fraction] = {name: Fraction(amount) for name, amount in (wallet.plan.cash or {}).items()}
    holdings: dict[str, Holding] = {}
    with sqlite3.connect(folder / "paper.db") as book:
        rows = book.execute(
            f"SELECT orders.symbol, executions.side, {_IN_FORCE}, body FROM executions"
            " JOIN orders ON orders.number = executions.order_number"
            " JOIN reports ON reports.account_id = executions.account_id AND reports.number = report_number"
            f" WHERE {_NOT_BUSTED} ORDER BY executions.number"
        ).fetchall()
        amended = {
            symbol
            for (symbol,) in book.execute(
                "SELECT symbol FROM executions JOIN orders ON orders.number = order_number WHERE amended_by IS NOT NULL"
            )
        }
        costs = {
            symbol: (Fraction(held), Fraction(cost))
            for symbol, held, cost in book.execute("SELECT symbol, quantity, cost FROM positions")
        }
        cash = {name: Fraction(amount) for name, amount in book.execute("SELECT currency, amount FROM cash")}
    for symbol, side, quantity, price, body in rows:
        terms = terms_of(here.instruments[symbol])
        holding = holdings.setdefault(symbol, Holding(terms))
        signed = Fraction(quantity) if side == OrderSide.BUY else -Fraction(quantity)
        gain = holding.take(signed, Fraction(price))
        moved = Fraction(0) if symbol in amended else gain
        if terms.asset_class in PAID:
            moved = -terms.value(signed, Fraction(price))
        expected[terms.currency] = expected.get(terms.currency, Fraction(0)) + moved
        for _, amount, currency in _fees(body):
            expected[currency] -= Fraction(Decimal(amount))
    for symbol in amended & holdings.keys():
        terms, (held, cost) = holdings[symbol].terms, costs[symbol]
        if terms.asset_class not in PAID:
            left = holdings[symbol].flow + (cost if held > 0 else -cost)
            expected[terms.currency] += -left if terms.is_inverse else left
    assert cash == expected, f"cash {cash} is not {expected}"
    assert {name: Fraction(amount) for name, amount in wallet.cash.items()} == expected


def _fees(body: str) -> list[tuple[str, str, str]]:
    return list(json.loads(body).get("fees", ()))

"""Short words for the tests of the paper broker: instruments, commands, quotes, and an exchange in one hand."""

import csv
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from zoneinfo import ZoneInfo

from dropcopyd.brokers.paper.calendars import load_sessions
from dropcopyd.brokers.paper.exchange import Answer, Exchange
from dropcopyd.brokers.paper.funding import wallet_of
from dropcopyd.brokers.paper.records import Decision, Image, PaperOrder, Quote, Tick
from dropcopyd.brokers.paper.sessions import SessionMode, Timetable
from dropcopyd.domain.account import PrincipalType
from dropcopyd.domain.catalogue import instruments_of
from dropcopyd.domain.command import Command, Stamps
from dropcopyd.domain.instrument import Currency, Equity, Instrument
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms, OrderType, OrderVenue, TimeInForce
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.ports import Submission

D = Decimal
AAPL = Equity(symbol="AAPL", exchange="NASDAQ", tick_size=D("0.01"), quantity_increment=D(1))
EURUSD = Currency(symbol="EURUSD", base="EUR", quote="USD", tick_size=D("0.00001"), quantity_increment=D(1))
ACCOUNT = "account-1"
OTHER_ACCOUNT = "account-2"
NOON_NS = 1_795_003_200_000_000_000
"""12:00 UTC on 2026-11-18."""
DAY_NS = 86_400 * 10**9

BUY, SELL, SELL_SHORT = OrderSide.BUY, OrderSide.SELL, OrderSide.SELL_SHORT
DAY, GTC = TimeInForce.DAY, TimeInForce.GOOD_TILL_CANCEL
IOC, FOK = TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL


def quote(bid: str, ask: str, bid_size: int | str = 1000, ask_size: int | str = 1000) -> Quote:
    return Quote(D(bid), D(ask), D(bid_size), D(ask_size))


def terms(quantity: int | str, limit: str | None = None, time_in_force: TimeInForce = DAY) -> OrderTerms:
    """A limit order's terms, or a market order's without a limit."""
    order_type = OrderType.MARKET if limit is None else OrderType.LIMIT
    price = None if limit is None else D(limit)
    return OrderTerms(order_type=order_type, quantity=D(quantity), time_in_force=time_in_force, limit_price=price)


def submission(
    command_id: str,
    action: ActionType = ActionType.CREATE,
    asked: OrderTerms | None = None,
    *,
    side: OrderSide = BUY,
    original: str | None = None,
    account_id: str = ACCOUNT,
    instrument: Instrument = AAPL,
    external_order_id: str | None = None,
) -> Submission:
    command = Command(
        intent_id=f"intent-{command_id}",
        seq=1,
        order_id=f"order-{command_id}",
        organization_id="organization",
        account_id=account_id,
        broker_command_id=command_id,
        action_type=action,
        instrument=instrument,
        order_side=side,
        order_venue=OrderVenue.SMART,
        terms=asked or terms(1),
        principal_type=PrincipalType.API_KEY,
        stamps=Stamps(received_ns=NOON_NS, committed_ns=NOON_NS),
        deadline_ns=None,
    )
    return Submission(command, original, external_order_id)


NEW_YORK = ZoneInfo("America/New_York")


def new_york(text: str) -> int:
    """A time on New York's clock, such as "2026-11-24 09:30"."""
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * 10**9


def asked(order_type: OrderType, quantity: int | str, time_in_force: TimeInForce = DAY, **prices: str) -> OrderTerms:
    """Terms of any type: limit_price, stop_price, trail_amount, trail_percent."""
    amounts = {name: D(price) for name, price in prices.items()}
    return OrderTerms(order_type=order_type, quantity=D(quantity), time_in_force=time_in_force, **amounts)


@dataclass(slots=True)
class Floor:
    """An exchange with a running time and every report so far."""

    exchange: Exchange = field(default_factory=lambda: Exchange(Image("b00c0000-0000-4000-8000-000000000000", NOON_NS)))
    now_ns: int = NOON_NS
    reports: list[OrderReport] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    def show(self, shown: Quote, instrument: Instrument = AAPL, *, is_continuous: bool = False) -> list[OrderReport]:
        self.now_ns += 1_000_000
        return self._keep(self.exchange.quote(Tick(instrument, shown, is_continuous), "manual", self.now_ns))

    def send(self, sent: Submission, *, has_market: bool = True) -> list[OrderReport]:
        """Submit; the reports it made."""
        return self.answer(sent, has_market=has_market)[1]

    def answer(self, sent: Submission, *, has_market: bool = True) -> tuple[Answer, list[OrderReport]]:
        self.now_ns += 1_000_000
        answer, decision = self.exchange.submit(sent, self.now_ns, has_market=has_market)
        return answer, self._keep(decision)

    def create(
        self,
        command_id: str,
        quantity: int | str,
        limit: str | None = None,
        time_in_force: TimeInForce = DAY,
        *,
        side: OrderSide = BUY,
        account_id: str = ACCOUNT,
        instrument: Instrument = AAPL,
    ) -> list[OrderReport]:
        asked = terms(quantity, limit, time_in_force)
        return self.send(submission(command_id, asked=asked, side=side, account_id=account_id, instrument=instrument))

    def replace(self, command_id: str, original: str, asked: OrderTerms) -> list[OrderReport]:
        return self.send(submission(command_id, ActionType.REPLACE, asked, original=original))

    def cancel(self, command_id: str, original: str, account_id: str = ACCOUNT) -> list[OrderReport]:
        return self.send(submission(command_id, ActionType.CANCEL, original=original, account_id=account_id))

    def expire(self) -> list[OrderReport]:
        return self._keep(self.exchange.pass_time(self.now_ns))

    def order(self, command_id: str) -> PaperOrder:
        image = self.exchange.image
        number = image.commands[command_id].order_number
        assert number is not None
        return image.orders[number]

    def enter(
        self, command_id: str, terms: OrderTerms, side: OrderSide = BUY, instrument: Instrument = AAPL
    ) -> list[OrderReport]:
        """A new order with any terms."""
        return self.send(submission(command_id, asked=terms, side=side, instrument=instrument))

    def at(self, now_ns: int) -> list[OrderReport]:
        """Let it become that time."""
        self.now_ns = now_ns
        return self._keep(self.exchange.pass_time(now_ns))

    def position(self, account_id: str = ACCOUNT, instrument: Instrument = AAPL) -> Decimal:
        return wallet_of(self.exchange.image, account_id).held(instrument).quantity

    def _keep(self, decision: Decision) -> list[OrderReport]:
        made = decision.order_reports
        self.reports += made
        self.decisions.append(decision)
        return made


def kinds(reports: list[OrderReport] | tuple[OrderReport, ...]) -> list[ReportKind]:
    return [report.kind for report in reports]


def fills(reports: list[OrderReport] | tuple[OrderReport, ...]) -> list[tuple[str, Decimal, Decimal]]:
    """(command, quantity, price) of each execution."""
    return [
        (report.broker_command_id, report.last_quantity or D(0), report.last_price or D(0))
        for report in reports
        if report.kind is ReportKind.TRADE
    ]


def packaged_instruments() -> tuple[Instrument, ...]:
    """The catalogue that comes with the daemon."""
    return instruments_of(csv.DictReader(packaged_text().splitlines()))


def packaged_text() -> str:
    return files("dropcopyd").joinpath("catalogue.csv").read_text(encoding="utf-8")


def listed_floor(at_ns: int) -> Floor:
    """An exchange that keeps real hours, at that time."""
    image = Image("b00c0000-0000-4000-8000-000000000000", at_ns)
    return Floor(Exchange(image, Timetable(SessionMode.REAL, load_sessions)), at_ns)

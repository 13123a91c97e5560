"""The nouns of the paper broker: quotes, orders, answers, and everything that one decision changes."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from dropcopyd.domain import money
from dropcopyd.domain.fold import Marks
from dropcopyd.domain.instrument import AssetClass, Instrument, InstrumentKey, key_of
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms
from dropcopyd.domain.report import Acknowledged, AdjustmentReport, Fee, OrderReport, Refused

if TYPE_CHECKING:  # funding and runs are made of these nouns
    from dropcopyd.brokers.paper.funding import Wallet
    from dropcopyd.brokers.paper.plan import Plan
    from dropcopyd.brokers.paper.runs import Run

VENUE: Final = "PAPER"
MarketKey = InstrumentKey | tuple[AssetClass, str, str]
"""The market of an instrument: the one that all accounts share, or an account's own (its id comes third)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCALE = 10**money.PLACES


class Reason(StrEnum):
    """Why the paper broker refused or cancelled: its reason codes."""

    AUCTION_CUTOFF = "auction_cutoff"
    AUCTION_REMAINDER = "auction_remainder"
    DUPLICATE_COMMAND_ID = "duplicate_command_id"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    INSUFFICIENT_HOLDINGS = "insufficient_holdings"
    INSTRUMENT_EXPIRED = "instrument_expired"
    INVALID_PRICE = "invalid_price"
    INVALID_PRICE_INCREMENT = "invalid_price_increment"
    INVALID_QUANTITY = "invalid_quantity"
    INVALID_QUANTITY_INCREMENT = "invalid_quantity_increment"
    MARKET_CLOSED = "market_closed"
    NO_AUCTION = "no_auction"
    NO_MARKET = "no_market"
    REFUSED = "refused"
    UNSOLICITED = "unsolicited"
    SPLIT_REMAINDER = "split_remainder"
    UNSUPPORTED_TIME_IN_FORCE = "unsupported_time_in_force"
    TOO_LATE = "too_late"
    UNKNOWN_ORDER = "unknown_order"
    EXPIRED = "expired"
    FOK_NOT_FILLED = "fok_not_filled"
    IOC_REMAINDER = "ioc_remainder"


class PaperStatus(StrEnum):
    """Where an order is at the paper broker."""

    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Quote:
    """The best prices and the sizes displayed there. Raises ValueError unless 0 < bid < ask and both sizes >= 0."""

    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal

    def __post_init__(self) -> None:
        if not 0 < self.bid < self.ask or self.bid_size < 0 or self.ask_size < 0:
            raise ValueError(f"no possible quote: {self.bid_size} at {self.bid}, {self.ask_size} at {self.ask}")


@dataclass(frozen=True, slots=True)
class Tick:
    """A quote on its way from a price source to the exchange.

    `is_continuous`: the market came here from the previous quote through every price between, so that a limit on the
    way traded at its own price; otherwise it jumped. `place` is where the source stands with it; `is_mark` asks to
    have the place recorded even if nothing trades.
    """

    instrument: Instrument
    quote: Quote
    is_continuous: bool = False
    place: str = ""
    is_mark: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What an instrument's market shows now: the quote with what is left of its sizes, and its source's place.

    `account_id`: whose own market it is, "" for the shared one.
    """

    instrument: Instrument
    source: str
    place: str
    quote: Quote
    at_ns: int
    account_id: str = ""

    @property
    def market(self) -> MarketKey:
        key = key_of(self.instrument)
        return (*key, self.account_id) if self.account_id else key


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOrder:
    """One order as the exchange has it. `priority` orders what arrived at the same price; `live_command_id` is the
    last accepted create or replace."""

    number: int
    external_order_id: str
    account_id: str
    instrument: Instrument
    side: OrderSide
    terms: OrderTerms
    live_command_id: str
    priority: int
    entered_at_ns: int
    trade_date: str
    """The trading day that the order belongs to, YYYY-MM-DD."""
    since_ns: int = 0
    """When it was entered or last replaced: its session or auction is the first one after that."""
    is_triggered: bool = False
    """Whether a stop order has met its stop price."""
    filled_quantity: Decimal = money.ZERO
    status: PaperStatus = PaperStatus.WORKING

    @property
    def is_open(self) -> bool:
        return self.status is PaperStatus.WORKING

    @property
    def leaves_quantity(self) -> Decimal:
        """What still works; 0 when closed."""
        return money.subtract(self.terms.quantity, self.filled_quantity) if self.is_open else money.ZERO


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """What is ahead of a resting order at its price, since it got that priority."""

    priority: int
    ahead: Decimal


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A command that arrived, with the answer it got: a repetition gets the same one. No order: it named none."""

    broker_command_id: str
    account_id: str
    action_type: ActionType
    order_number: int | None
    answer: Acknowledged | Refused


@dataclass(frozen=True, slots=True)
class SubmitEntry:
    """One arrival of a command at the broker, repetitions included."""

    broker_command_id: str
    account_id: str
    action_type: ActionType
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill. `number` counts all executions of the book, `exec_id` is unique for ever."""

    number: int
    exec_id: str
    order_number: int
    account_id: str
    side: OrderSide
    quantity: Decimal
    price: Decimal
    at_ns: int
    trade_date: str
    fees: tuple[Fee, ...] = ()
    report_number: int = 0
    """The number of the report that told of it, in the account's sequence."""


@dataclass(frozen=True, slots=True)
class ExecutionAmended:
    """An execution's figures in force after a bust (nothing) or a correction, and the id of that amendment."""

    number: int
    quantity: Decimal
    price: Decimal
    amended_by: str


@dataclass(frozen=True, slots=True)
class Holding:
    """What an account holds of an instrument: signed, and what it cost."""

    quantity: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class NumberedReport:
    """A report with its number in the account's sequence (from 1, no gaps) and the order it is about."""

    account_id: str
    number: int
    order_number: int | None
    report: OrderReport | AdjustmentReport


@dataclass(frozen=True, slots=True)
class AdjustmentRecord:
    """An adjustment with the request that it came from. `key`: the caller's own name for it, "" where there is none."""

    account_id: str
    number: int
    key: str
    asked: str
    """The request in canonical form."""
    report: AdjustmentReport
    instrument: Instrument | None = None


@dataclass(slots=True)
class Decision:
    """Everything that one decision, or one turn of the market, changes. Committed whole or not at all."""

    submits: list[SubmitEntry] = field(default_factory=list)
    commands: list[CommandRecord] = field(default_factory=list)
    orders: dict[int, PaperOrder] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    reports: list[NumberedReport] = field(default_factory=list)
    holdings: dict[tuple[str, InstrumentKey], Holding] = field(default_factory=dict)
    cash: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """By account and currency."""
    places: dict[int, QueuePlace] = field(default_factory=dict)
    plans: dict[str, "Plan"] = field(default_factory=dict)
    """Accounts that were opened."""
    instruments: dict[InstrumentKey, Instrument] = field(default_factory=dict)
    standings: dict[MarketKey, Standing] = field(default_factory=dict)
    adjustments: list[AdjustmentRecord] = field(default_factory=list)
    amendments: list[ExecutionAmended] = field(default_factory=list)
    released: list[Standing] = field(default_factory=list)
    """Own markets that are no more."""
    runs: dict[str, "Run"] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        changes = (self.submits, self.commands, self.orders, self.reports, self.standings, self.places, self.plans)
        return not any(changes) and not self.runs and not self.released

    @property
    def order_reports(self) -> list[OrderReport]:
        """What is told of orders, in order."""
        return [one.report for one in self.reports if isinstance(one.report, OrderReport)]

    def merge(self, later: "Decision") -> None:
        """Take in a decision that was made after this one, to be committed together."""
        self.submits += later.submits
        self.commands += later.commands
        self.orders |= later.orders
        self.executions += later.executions
        self.reports += later.reports
        self.holdings |= later.holdings
        self.cash |= later.cash
        self.places |= later.places
        self.plans |= later.plans
        self.instruments |= later.instruments
        self.standings |= later.standings
        self.adjustments += later.adjustments
        self.amendments += later.amendments
        self.released += later.released
        self.runs |= later.runs


@dataclass(slots=True)
class Image:
    """What a book holds that decisions need: the open orders with their commands, and where every count stands."""

    book_id: str
    created_at_ns: int
    last_ns: int = 0
    """The time of the last execution: the exchange's time never goes back."""
    order_count: int = 0
    execution_count: int = 0
    adjustment_count: int = 0
    priority_count: int = 0
    heads: dict[str, int] = field(default_factory=dict)
    """The number of the last report per account."""
    orders: dict[int, PaperOrder] = field(default_factory=dict)
    commands: dict[str, CommandRecord] = field(default_factory=dict)
    wallets: dict[str, "Wallet"] = field(default_factory=dict)
    places: dict[int, QueuePlace] = field(default_factory=dict)
    standings: dict[MarketKey, Standing] = field(default_factory=dict)
    own_markets: set[MarketKey] = field(default_factory=set)
    """Accounts' own markets: only what is pushed to one moves it."""
    adjustments: dict[tuple[str, str], AdjustmentRecord] = field(default_factory=dict)
    """By account and the caller's name, those that have one and that the book may not have yet (`memory`)."""
    runs: dict[str, "Run"] = field(default_factory=dict)
    """By name, those that are not over."""
    pinned: Counter[int] = field(default_factory=Counter)
    """Orders that runs go on with: they stay in memory, closed or not."""
    scripts_used: dict[str, set[int]] = field(default_factory=dict)
    """Places in the scenario, by account."""

    def market_of(self, account_id: str, instrument: Instrument) -> MarketKey:
        """Where the account trades the instrument."""
        key = key_of(instrument)
        if not self.own_markets:
            return key
        own = (*key, account_id)
        return own if own in self.own_markets else key

    def standing_of(self, account_id: str, instrument: Instrument) -> Standing | None:
        """What the account's market of the instrument shows."""
        return self.standings.get(self.market_of(account_id, instrument))

    def mark(self, market: MarketKey) -> Decimal | None:
        """What a unit is worth now: the middle of the standing quote."""
        standing = self.standings.get(market)
        if standing is None:
            return None
        return money.divide(money.add(standing.quote.bid, standing.quote.ask), Decimal(2))

    def marks_of(self, account_id: str) -> Marks:
        """What instruments are worth to the account."""
        return lambda instrument: self.mark(self.market_of(account_id, instrument))

    def price(self, account_id: str, instrument: Instrument, side: OrderSide) -> Decimal | None:
        """What an order of the account without a limit would trade at now."""
        standing = self.standing_of(account_id, instrument)
        if standing is None:
            return None
        return standing.quote.ask if side is OrderSide.BUY else standing.quote.bid


def consumed(standing: Standing, side: OrderSide, quantity: Decimal) -> Standing:
    """The market after an order of that side took a quantity of what was displayed."""
    quote = standing.quote
    if side is OrderSide.BUY:
        quote = replace(quote, ask_size=money.subtract(quote.ask_size, quantity))
    else:
        quote = replace(quote, bid_size=money.subtract(quote.bid_size, quantity))
    return replace(standing, quote=quote)


def trade_date_of(at_ns: int) -> str:
    """The paper broker's trading day: the calendar day in UTC, YYYY-MM-DD."""
    return (_EPOCH + timedelta(seconds=at_ns // 10**9)).date().isoformat()


def steps_of(value: Decimal, increment: Decimal) -> int:
    """How many whole increments fit into a value >= 0; exact (18 places at most on both sides)."""
    return _scaled(value) // _scaled(increment)


def steps_up(value: Decimal, increment: Decimal) -> int:
    """The fewest whole increments that are not below a value >= 0."""
    return -(-_scaled(value) // _scaled(increment))


def amount_of(steps: int, increment: Decimal) -> Decimal:
    """The value of that many increments."""
    return money.multiply(Decimal(steps), increment)


def _scaled(value: Decimal) -> int:
    return int(money.multiply(value, Decimal(_SCALE)))

"""The ports of the record: what may be asked about what has happened, beside the streams. Implemented by the store.

Every answer takes bounded work, whatever the account's size: a page, a number of seeks, or sums kept beforehand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, Generic, Protocol, TypeVar

from dropcopyd.domain.account import Account, AccountStatus
from dropcopyd.domain.amendment import Amendment
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.command import Command
from dropcopyd.domain.event import EventType, Trade
from dropcopyd.domain.flatten import Flatten
from dropcopyd.domain.fold import Change
from dropcopyd.domain.instrument import AssetClass, InstrumentKey
from dropcopyd.domain.order import Order
from dropcopyd.domain.position import Position
from dropcopyd.domain.reconciliation import Reconciliation, Ticket
from dropcopyd.domain.tally import Tally

_Item = TypeVar("_Item", covariant=True)

ORDER_FILTERS: Final = (
    "order_state",
    "order_status",
    "symbol",
    "order_side",
    "order_type",
    "strategy_id",
    "client_reference_id",
    "external_order_id",
)
INTENT_FILTERS: Final = ("symbol", "order_side", "strategy_id", "client_reference_id")
TRADE_FILTERS: Final = ("symbol", "side", "strategy_id", "order_id", "client_order_id", "exec_id")
POSITION_FILTERS: Final = ("asset_class", "symbol")
BREAK_FILTERS: Final = ("status", "kind", "symbol")
RECONCILIATION_FILTERS: Final = ("trigger", "verdict")


class Sort(StrEnum):
    """Direction of a list in time (or by name)."""

    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of a list: which rows, in which direction, from where.

    `filters` are (member of the record, value) pairs, all to hold. Times are of the record's first appearance,
    `since_ns` included, `until_ns` not. `mark` is where the page before ended.
    """

    limit: int
    sort: Sort = Sort.DESC
    mark: str = ""
    filters: tuple[tuple[str, str], ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Slice(Generic[_Item]):
    """A page and the mark from which the next goes on, "" at the end.

    It may hold fewer than asked for, even none, before the end: a page examines a bounded number of rows.
    """

    items: Sequence[_Item]
    mark: str


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account as the record lists it: its connection, and its journal from `oldest` to `head`."""

    account: Account
    status: AccountStatus
    created_at_ns: int
    head: int
    oldest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One journal event: `payload` is its bytes as streamed, `chain` the first 8 bytes of its hash in hexadecimal."""

    sequence: int
    kind: EventType
    kind_sequence: int
    at_ns: int
    chain: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class JournalPage:
    """A page of the journal, which reaches from `oldest` to `head`."""

    items: Sequence[JournalEntry]
    mark: str
    head: int
    oldest: int


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One event about an order; `command` is what an INTENT_ACTION asked, with what became of it until now."""

    entry: JournalEntry
    command: Command | None


@dataclass(frozen=True, slots=True)
class OrderThen:
    """An order's last event up to a point of the journal."""

    payload: bytes
    created_at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateThen:
    """An account after event `sequence`: the last events about its status, positions, balances, and about each order
    that may have been working. `at_ns` is the event's time, None before the first."""

    sequence: int
    at_ns: int | None
    head: int
    oldest: int
    orders: Sequence[OrderThen]
    positions: Sequence[bytes]
    balances: Sequence[bytes]
    status: bytes | None


class History(Protocol):
    """The journal of one account, and what follows from it."""

    async def journal(self, account_id: str, listing: Listing) -> JournalPage:
        """By sequence; the filter `after` leaves out what is up to that sequence."""

    async def timeline(self, account_id: str, order_id: str, listing: Listing) -> Slice[TimelineEntry] | None:
        """The events about one order, by sequence; None when the account has no such order."""

    async def state_at(self, account_id: str, *, sequence: int | None = None, at_ns: int | None = None) -> StateThen:
        """The state after that event, or after the last one not after that time.

        Raises DropcopyError: INVALID_ARGUMENT beyond the head, HISTORY_GONE before what is kept.
        """


@dataclass(frozen=True, slots=True)
class Hit:
    """Something of the name that was searched for; `matched` is the member that has it."""

    matched: str
    found: AccountRecord | Order | Trade | Position


@dataclass(frozen=True, slots=True)
class ExplainedAmendment:
    """An amendment of an execution, and its event in the journal."""

    amendment: Amendment
    sequence: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedChange:
    """One change of a position at its place, with the position after it. `trade` as it was first told, where it is an
    execution; `sequence` is its event in the journal."""

    change: Change
    after: Position
    sequence: int | None
    trade: Trade | None = None
    amendments: Sequence[ExplainedAmendment] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A page of the changes that make `position`, in the order of the fold; read at the journal's `head`."""

    items: Sequence[ExplainedChange]
    mark: str
    position: Position
    head: int


class Explanations(Protocol):
    """Where the numbers of a position come from."""

    async def classes_of(self, account_id: str, symbol: str) -> Sequence[AssetClass]:
        """The asset classes in which the account has, or had, a position of that symbol."""

    async def explain(self, account_id: str, key: InstrumentKey, listing: Listing) -> Explanation | None:
        """By place in the fold; None when the account never had such a position."""


class Search(Protocol):
    """One name, everywhere in an organization."""

    async def search(
        self, organization_id: str, account_ids: frozenset[str] | None, text: str, listing: Listing
    ) -> Slice[Hit]:
        """Records with exactly that id, reference, name or symbol; accounts first, then orders, trades, positions."""


class Group(StrEnum):
    """What figures are told apart by."""

    STRATEGY = "strategy"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Figures from `since_ns` to `until_ns` (not included), both whole hours UTC; of one strategy ("" = none) or symbol
    where given."""

    since_ns: int
    until_ns: int
    strategy_id: str | None = None
    symbol: str | None = None
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """The sums of a range: by strategy id, by "CLASS|SYMBOL", or all under "".

    They are complete from `complete_since_ns` on; an account that is older than its tallies has no earlier ones.
    `daily_pnl`, told apart likewise and then by currency: what the positions last said, before the range's end, of the
    day in which it ends; a currency's is None where one of them did not know. It is None where strategies are told
    apart or picked: a position has none.
    """

    tallies: Mapping[str, Tally]
    complete_since_ns: int
    daily_pnl: Mapping[str, Mapping[str, Decimal | None]] | None


class Metrics(Protocol):
    """Sums that are kept while trading goes on."""

    async def figures(self, account_id: str, ranges: Sequence[Wanted]) -> Sequence[Figures]:
        """Those of each range, all of one instant."""


class Queries(Protocol):
    """Lists and single records of an organization's accounts."""

    async def accounts(
        self, organization_id: str, account_ids: frozenset[str] | None, listing: Listing
    ) -> Slice[AccountRecord]:
        """By name; only those of the ids, when given."""

    async def account(self, account_id: str) -> AccountRecord: ...

    async def intents(self, account_id: str, listing: Listing) -> Slice[Command]:
        """The latest action of each intent, by time of the create."""

    async def actions(self, account_id: str, intent_id: str, listing: Listing) -> Slice[Command]:
        """All actions of one intent, by seq."""

    async def latest_action(self, account_id: str, intent_id: str) -> Command | None: ...

    async def orders(self, account_id: str, listing: Listing) -> Slice[Order]: ...

    async def order(self, account_id: str, order_id: str) -> Order | None: ...

    async def trades(self, account_id: str, listing: Listing) -> Slice[Trade]: ...

    async def positions(self, account_id: str, listing: Listing) -> Slice[Position]:
        """By asset class and symbol."""

    async def balances(self, account_id: str) -> Sequence[Balance]:
        """By currency."""

    async def flattens(self, account_id: str, listing: Listing) -> Slice[Flatten]:
        """By when they began."""

    async def breaks(self, account_id: str, listing: Listing) -> Slice[Ticket]: ...

    async def find_break(self, account_id: str, break_id: str) -> Ticket | None: ...

    async def reconciliations(self, account_id: str, listing: Listing) -> Slice[Reconciliation]: ...

    async def reconciliation(self, account_id: str, reconciliation_id: str) -> Reconciliation | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All of it."""

    queries: Queries
    history: History
    search: Search
    metrics: Metrics
    explanations: Explanations

"""The ports: what the flow needs from technology, as Protocols. Implemented below, injected by `node`."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from dropcopyd.domain.account import Account, AccountStatus, BrokerKind, Organization
from dropcopyd.domain.adjustment import Adjustment
from dropcopyd.domain.arming import Arming
from dropcopyd.domain.attenuation import Attenuation
from dropcopyd.domain.audit import AuditEntry
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.command import Command, IdempotencyRecord
from dropcopyd.domain.controls import Control, Reference
from dropcopyd.domain.event import Batch, Event, EventType
from dropcopyd.domain.flatten import Flatten
from dropcopyd.domain.fold import History
from dropcopyd.domain.instrument import Instrument, InstrumentKey
from dropcopyd.domain.keys import KeyRecord, KeySettings
from dropcopyd.domain.losses import HighWater
from dropcopyd.domain.order import Order
from dropcopyd.domain.paper import AdjustmentRequest, PushedQuote
from dropcopyd.domain.position import Position
from dropcopyd.domain.report import (
    AdjustmentReport,
    BrokerCapabilities,
    BrokerReport,
    BrokerSnapshot,
    FindResult,
    SubmitResult,
)
from dropcopyd.domain.state import AccountState, Chain


class Clock(Protocol):
    """Time. `now_ns` is UTC nanoseconds since 1970 for records; `monotonic_ns` only measures."""

    def now_ns(self) -> int: ...

    def monotonic_ns(self) -> int: ...


class Ids(Protocol):
    """New ids. `uuid` names records; `command_id` is the id of one command towards a broker, <= 20 characters."""

    def uuid(self) -> str: ...

    def command_id(self) -> str: ...

    def secret(self) -> str:
        """An unguessable word of letters and digits, at least 160 bits."""


class Failpoints(Protocol):
    """Named places of the journey where a fault campaign may strike; does nothing in production."""

    def reached(self, point: str) -> None: ...


# --- broker -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submission:
    """One command on its way to the broker.

    `original_command_id`: for a replace or cancel, the last command of the chain that was not refused.
    """

    command: Command
    original_command_id: str | None = None
    external_order_id: str | None = None


class BrokerListener(Protocol):
    """Whom an adapter tells, in the event loop. `on_report` waits while the journal is behind: back-pressure."""

    async def on_report(self, account_id: str, report: BrokerReport) -> None:
        """A report, in the broker's order per account."""

    async def on_connected(self, account_id: str) -> None:
        """The session is live; the listener takes a snapshot before it trusts it."""

    async def on_disconnected(self, account_id: str, cause: str) -> None:
        """The session is gone."""


class Broker(Protocol):
    """One broker connection, for all accounts kept there.

    `submit` sends a command at most once: it never retries, and answers Unknown whenever it cannot prove what
    happened. `find` asks for a command by its id; `snapshot` lists the account's open orders, positions and what was
    reported after a cursor ("" = from the beginning; a cursor the broker no longer has: all it can list), and its
    executions, at least those that were made or amended since the snapshot that ended at `listed_after` ("": none
    was taken in yet).
    """

    kind: BrokerKind
    capabilities: BrokerCapabilities

    async def run(self, listener: BrokerListener) -> None:
        """Connect, report, reconnect, until cancelled."""

    async def submit(self, submission: Submission, timeout_s: float) -> SubmitResult: ...

    async def find(self, submission: Submission, timeout_s: float) -> FindResult: ...

    async def snapshot(
        self, account_id: str, after_cursor: str, timeout_s: float, listed_after: str = ""
    ) -> BrokerSnapshot: ...

    def is_connected(self, account_id: str) -> bool: ...


class MarketData(Protocol):
    """What a broker knows of prices."""

    def mark(self, instrument: Instrument, account_id: str = "") -> Decimal | None:
        """The price at which one unit is valued now: the middle of the last bid and ask; None where none is known.

        Answers at once: it is asked inside decisions. `account_id`: to whom, where markets differ by account.
        """

    def reference(self, instrument: Instrument, account_id: str = "") -> Reference | None:
        """The same price, or the last one known, with when it was made; controls judge by it."""


class PaperControls(Protocol):
    """What may be done to the paper broker from outside, beside trading there."""

    async def adjust(self, account_id: str, key: str, asked: AdjustmentRequest) -> AdjustmentReport:
        """Book an adjustment, durably; its report comes by the session. `key`: the caller's name ("" = none), booked
        once. Raises DropcopyError."""

    async def release(self, account_id: str, instrument: Instrument) -> None:
        """Give the account the shared market of the instrument back, durably. Raises DropcopyError."""

    async def push(self, account_id: str, quotes: Sequence[PushedQuote]) -> tuple[PushedQuote, ...]:
        """Show quotes, durably, in markets that are the account's own; what then stands there. Raises DropcopyError."""


# --- store --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Committed:
    """One journal event, committed. `payload` is the whole TradingEvent with sequence fields and chain; `chain` its
    8-byte link as a number; symbol and asset class ("" where the kind has none) are for filters."""

    account_id: str
    organization_id: str
    sequence: int
    kind: EventType
    symbol: str
    asset_class: str
    payload: bytes
    chain: int


@dataclass(frozen=True, slots=True)
class Head:
    """The end of an account's journal (sequence 0, chain 0 when empty) and the oldest sequence still there."""

    sequence: int
    chain: int
    oldest: int = 1


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of state as a past event told it, in that event's bytes; symbol and asset class as in `Committed`."""

    kind: EventType
    symbol: str
    asset_class: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class AttachedState:
    """One account's state at one journal head: all of it read in one transaction.

    `said` stands in place of all that is not there, where the head is a past one.
    """

    account: Account
    head: Head
    status: AccountStatus
    orders: tuple[Order, ...]
    positions: tuple[Position, ...]
    balances: tuple[Balance, ...] = ()
    said: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Journal events after a cursor; everything that matches up to `scanned_to` is in `events`."""

    events: tuple[Committed, ...]
    scanned_to: int
    chain: int
    """The chain at `scanned_to`."""


@dataclass(frozen=True, slots=True)
class KeyUse:
    """When a key was used last, and from which address."""

    at_ns: int
    address: str


@dataclass(frozen=True, slots=True)
class Spent:
    """Attenuated keys: their limits, notional used up by (key, day, currency), orders of the last minute by time."""

    limits: Mapping[str, Attenuation]
    notionals: Mapping[tuple[str, str, str], Decimal]
    orders: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account that is to be added; `broker_settings` is for its broker's adapter."""

    account_id: str
    organization_id: str
    name: str
    broker: BrokerKind
    broker_settings: str
    time_zone: str
    roll_time: str
    created_at_ns: int


class Registry(Protocol):
    """Organizations, accounts and keys: what administrators read and change. Each write takes its line of the audit.

    Raises StoreError; DropcopyError(NAME_IN_USE) where a name is taken.
    """

    async def organization(self, organization_id: str) -> Organization: ...

    async def rename_organization(self, organization_id: str, name: str, entry: AuditEntry) -> None:
        """Give it a name of its own; what others are called does not matter."""

    async def add_account(self, account: NewAccount, entry: AuditEntry, accounts_max: int) -> None:
        """Raises DropcopyError(ORGANIZATION_LIMIT_EXCEEDED)."""

    async def change_account(
        self, account_id: str, *, name: str | None, time_zone: str | None, roll_time: str | None, entry: AuditEntry
    ) -> None:
        """None leaves as it is."""

    async def disable_account(self, account_id: str, disabled_at_ns: int | None, entry: AuditEntry) -> None:
        """None enables it again."""

    async def set_reconcile(self, account_id: str, seconds: int | None, version: int, entry: AuditEntry) -> bool:
        """Whether the account's interval had that version; None is the gateway's own interval."""

    async def keys(self, organization_id: str, after: str, limit: int) -> list[KeyRecord]:
        """By id, those after a place."""

    async def add_key(self, record: KeyRecord, entry: AuditEntry, keys_max: int) -> None:
        """Raises DropcopyError(ORGANIZATION_LIMIT_EXCEEDED), of keys that are good when the record is made."""

    async def change_key(self, key_id: str, settings: KeySettings, entry: AuditEntry) -> None: ...

    async def rotate_key(
        self, key_id: str, digest: bytes, at_ns: int, previous_until_ns: int, entry: AuditEntry
    ) -> bool:
        """Whether there was a key to rotate that is not disabled."""

    async def disable_key(self, key_id: str, at_ns: int, entry: AuditEntry) -> None: ...

    async def keep_uses(self, uses: Mapping[str, KeyUse]) -> None: ...


class Encoder(Protocol):
    """Domain records to TradingEvent bytes (without sequence fields; see `stamp`)."""

    def encode(self, event: Event) -> bytes: ...

    def stamp(
        self, encoded: bytes, account_id: str, sequence: int, kind_sequence: int, previous: bytes
    ) -> tuple[bytes, bytes]:
        """(the event with its sequence fields and chain, the new 32-byte hash), by contract.md TradingEvent.1003."""


@dataclass(frozen=True, slots=True)
class AccountHead:
    """One account in a heartbeat: the session's cursor with its chain, and the journal's head."""

    account_id: str
    sequence: int
    head: int
    chain: int


@dataclass(frozen=True, slots=True)
class ResumeAnswer:
    """How one account was attached: LIVE (no cursor given), RESUMED or RESET."""

    account_id: str
    outcome: str
    head: int
    oldest: int


class SessionEncoder(Protocol):
    """A stream's own messages, framed. All carry sequence 0."""

    def frame(self, payload: bytes) -> bytes:
        """A committed event's bytes with the 5-byte prefix."""

    def state(self, event: Event | Said) -> bytes:
        """One piece of replayed state."""

    def status(
        self, message: str, code: str, account_id: str, head: int, epoch: str, resumes: Sequence[ResumeAnswer]
    ) -> bytes: ...

    def error(self, message: str, code: str, account_id: str) -> bytes: ...

    def primed(self, kind: EventType, account_id: str, as_of: int) -> bytes: ...

    def heartbeat(self, at_ns: int, delivered: int, epoch: str, heads: Sequence[AccountHead]) -> bytes: ...


OnCommitted = Callable[[Sequence[Committed]], None]


class Store(Protocol):
    """The journal and its projections. Raises StoreError; nothing of a failed batch is kept.

    Commits are applied in the order of the calls; the callback given at opening gets the committed events in commit
    order, in the event loop, before the call returns to its caller. Reads see committed data only.
    """

    @property
    def epoch(self) -> str: ...

    def commit(self, batch: Batch) -> Awaitable[None]:
        """Register the batch at once, in the order of the calls; the answer comes when it is durable and announced.

        Cancelling the wait cancels nothing. Once a batch of an account has failed, every further one of that account
        fails too, until `readmit`: they were decided on a state that never came to be.
        """

    @property
    def is_full(self) -> bool:
        """Whether the writer's queue is at its bound: intake refuses, ingest waits with `room`."""

    async def room(self) -> None:
        """Until the queue is below its bound."""

    async def readmit(self, account_id: str) -> None:
        """Accept batches of an account again after a failure; its state is to be loaded after this."""

    async def read_state(self, account_id: str, changed_after_ns: int) -> AttachedState:
        """Open orders and non-zero positions, and the closed and flat ones changed after that time."""

    async def read_states(self, organization_id: str, changed_after_ns: int) -> tuple[AttachedState, ...]:
        """The same for every account of an organization, in one transaction."""

    async def read_events(
        self, account_id: str, after: int, to: int, kinds: frozenset[EventType], limit: int
    ) -> Page: ...

    async def chain_at(self, account_id: str, sequence: int) -> int | None:
        """The chain of that event (0 for sequence 0); None where it is not there."""

    async def load_account(self, account_id: str, changed_after_ns: int) -> AccountState:
        """What decisions need; partial: orders that are over and positions that rest are asked for when needed."""

    async def find_position(self, account_id: str, key: InstrumentKey) -> Position | None: ...

    async def load_history(
        self, account_id: str, key: InstrumentKey, *, ref: str | None = None, fold_ns: int = 0
    ) -> History | None:
        """The fold of a position from the checkpoint before the change `ref` (None when it is not there), or before
        `fold_ns`, to its end."""

    async def find_adjustment(self, account_id: str, adjustment_id: str) -> Adjustment | None: ...

    async def load_chain(
        self,
        account_id: str,
        *,
        intent_id: str | None = None,
        order_id: str | None = None,
        broker_command_id: str | None = None,
    ) -> Chain | None:
        """The chain that one of these names, None when the account has none."""

    async def find_chain(
        self, account_id: str, external_command_id: str, external_order_id: str | None
    ) -> Chain | None:
        """The newest chain that the broker's own ids name: of the order, or of a live request from outside."""

    async def find_idempotency(self, account_id: str, key: str) -> IdempotencyRecord | None: ...

    on_accounts: Callable[[Sequence[Account]], None]
    """Called with what `accounts` has read, in the loop, before anybody goes by it."""

    async def accounts(self) -> tuple[Account, ...]:
        """As they are now, and as `find_account` knows them from here on; another process may have changed them."""

    async def find_account(self, account_id: str) -> Account | None: ...

    async def find_key(self, key_id: str) -> KeyRecord | None: ...

    async def find_keys(self, key_ids: Iterable[str]) -> Mapping[str, KeyRecord]:
        """Those of these keys that there are, by id."""

    async def spent(self) -> Spent:
        """What attenuated keys may do and have used up."""

    async def instruments(self) -> tuple[Instrument, ...]: ...

    async def controls(self) -> tuple[Control, ...]:
        """Every control of every organization."""

    async def put_control(self, control: Control, entry: AuditEntry) -> None:
        """Keep a control, and the line of the audit log that goes with it."""

    async def audit(self, entry: AuditEntry, *, is_once: bool = False) -> None:
        """Add a line to the audit log. `is_once`: unless the same was done to the same subject of the account."""

    async def read_audit(self, organization_id: str, before: int, limit: int) -> list[AuditEntry]:
        """An organization's lines below a number, newest first."""

    async def armings(self) -> tuple[Arming, ...]:
        """What streams have armed, of every account, and what has fired and is not over."""

    async def put_arming(self, arming: Arming, entry: AuditEntry | None) -> None:
        """Keep an arming, or let it go once it is neither armed nor fired, with its line of the audit log."""

    async def put_flatten(self, flatten: Flatten, entry: AuditEntry | None) -> None:
        """Keep a flatten as it is, with its line of the audit log."""

    async def running_flattens(self) -> tuple[Flatten, ...]: ...

    async def find_flatten(self, account_id: str, flatten_id: str) -> Flatten | None: ...

    async def last_flatten_ns(self, account_id: str) -> int:
        """When the account's last flatten began; 0 = never."""

    async def realized(self, account_id: str) -> list[tuple[Instrument, Decimal]]:
        """What each position of the account has realized so far; those without are left out."""

    async def high_waters(self) -> tuple[HighWater, ...]: ...

    async def put_high_water(self, mark: HighWater) -> None: ...

    async def forget_high_waters(self, control: Control) -> None:
        """Let a control's marks go: it is watched no more."""

    async def close(self) -> None: ...


class PastJournal(Protocol):
    """What a replay reads of a journal."""

    async def head_before(self, account_id: str, at_ns: int) -> Head:
        """Where the journal stood before that time."""

    async def events(self, account_id: str, after: int, to: int, limit: int) -> Sequence[tuple[int, Committed]]:
        """The next events after a sequence, not beyond `to`, each with its time."""

    async def close(self) -> None: ...

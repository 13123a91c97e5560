"""The shapes of what the record answers beyond plain records: journal, timelines, past states, search.

They describe, as all `shapes` do; a test proves every answer to be one of these.
"""

from typing import Any

from pydantic import Field

from dropcopyd.domain.account import AccountConnection
from dropcopyd.domain.event import EventType
from dropcopyd.rest.account_schemas import Account, Balance, Position
from dropcopyd.rest.order_schemas import IntentAction, Order, Trade
from dropcopyd.rest.shapes import Shape, Time, Uuid


class CommandRecord(IntentAction):
    """An action with who asked, the id under which the broker heard of it, and when each leg was reached."""

    principal_id: str | None
    broker_command_id: str
    attempt_begun_at: Time | None
    acknowledged_at: Time | None
    first_fill_at: Time | None
    last_fill_at: Time | None


class JournalEntry(Shape):
    """One event of the journal. `event` is `bytes` (base64 of the TradingEvent as streamed) in protobuf's JSON form."""

    sequence: int
    kind: EventType
    kind_sequence: int
    chain: str = Field(description="First 8 bytes of the event's hash, hexadecimal.")
    at: Time
    event: dict[str, Any]
    bytes: str


class JournalPage(Shape):
    """By sequence; the journal reaches from `oldest` to `head`."""

    data: list[JournalEntry]
    next_cursor: str | None
    head: int
    oldest: int


class TimelineEntry(Shape):
    """One event about an order: `record` is what the event carries, named as in the contract's message of its kind;
    `command` is set on an INTENT_ACTION: what was asked, by whom, and what has become of it since."""

    sequence: int
    kind: EventType
    at: Time
    record: dict[str, Any]
    command: CommandRecord | None


class TimelinePage(Shape):
    """By sequence."""

    data: list[TimelineEntry]
    next_cursor: str | None


class AccountStatus(Shape):
    """The account's connection then."""

    account_id: Uuid
    organization_id: Uuid
    connection: AccountConnection
    reason_code: str | None
    reason: str | None
    since: Time


class State(Shape):
    """An account after the event `sequence`: the orders then working, each position and balance as last reported."""

    account_id: Uuid
    sequence: int
    at: Time | None = Field(description="When that event was committed; null before the first.")
    head: int
    oldest: int
    status: AccountStatus | None
    orders: list[Order]
    positions: list[Position]
    balances: list[Balance]


class SearchHit(Shape):
    """A record that has the name in its member `matched`; one of the four is set."""

    matched: str
    account: Account | None
    order: Order | None
    trade: Trade | None
    position: Position | None


class SearchPage(Shape):
    """Accounts first, then orders, trades and positions."""

    data: list[SearchHit]
    next_cursor: str | None

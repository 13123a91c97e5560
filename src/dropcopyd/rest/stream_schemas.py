"""The shapes of open streams."""

from dropcopyd.domain.event import EventType
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.flow.streams import Edge
from dropcopyd.rest.shapes import Shape, Time, Uuid


class Subscription(Shape):
    """One subscription of a stream; `trading_account_id` null = the whole organization."""

    trading_account_id: Uuid | None
    event_types: list[EventType]
    instrument_key: str | None
    instrument_class: AssetClass | None


class StreamCursor(Shape):
    """How far a stream is in one account: `lag` events of the journal are still to be looked at."""

    account_id: Uuid
    epoch: str
    sequence: int
    head: int
    lag: int


class Stream(Shape):
    """One open stream. `sent`: journal events so far."""

    stream_id: Uuid
    edge: Edge
    key_id: str
    key_name: str
    is_token: bool
    peer: str
    since: Time
    subscriptions: list[Subscription]
    cursors: list[StreamCursor]
    sent: int
    queued_bytes: int


class StreamPage(Shape):
    """Oldest first."""

    data: list[Stream]
    next_cursor: None

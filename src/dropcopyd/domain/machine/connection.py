"""The account's line to its broker: how far it reaches, and up to where its reports are taken in."""

from dropcopyd.domain.account import AccountConnection
from dropcopyd.domain.event import AccountMoved, Batch, Event, EventType
from dropcopyd.domain.state import AccountState


def move_connection(
    state: AccountState, connection: AccountConnection, now_ns: int, reason_code: str = "", reason: str = ""
) -> Batch | None:
    """The account's connection changed; None when it did not."""
    if state.status.connection is connection and state.status.reason_code == reason_code:
        return None
    at_ns = max(now_ns, state.last_ns)
    status = state.status.moved(connection, at_ns, reason_code, reason)
    event = Event(EventType.ACCOUNT_STATUS, AccountMoved(state.account, status))
    return Batch(account_id=state.account.account_id, at_ns=at_ns, events=(event,), status=status)


def take_cursor(state: AccountState, cursor: str, now_ns: int) -> Batch | None:
    """The broker's reports up to the cursor are taken in; None when that is known already."""
    if not cursor or cursor == state.report_cursor:
        return None
    at_ns = max(now_ns, state.last_ns)
    return Batch(account_id=state.account.account_id, at_ns=at_ns, report_cursor=cursor)


def take_listed(state: AccountState, cursor: str, now_ns: int) -> Batch | None:
    """What the broker listed up to the cursor is taken in; None when that is known already."""
    if not cursor or cursor == state.listed_cursor:
        return None
    at_ns = max(now_ns, state.last_ns)
    return Batch(account_id=state.account.account_id, at_ns=at_ns, listed_cursor=cursor)

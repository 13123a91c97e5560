"""What a client asks of a stream, and the rules of asking that need no state."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from dropcopyd.domain.event import EventType
from dropcopyd.domain.instrument import Instrument
from dropcopyd.errors import Code, InvalidError
from dropcopyd.flow.access import parse_uuid
from dropcopyd.flow.hub import NARROWED

ORGANIZATION: Final = ""
"""The account id of the scope that covers every account of the organization."""
_CLASSES: Final = frozenset(
    {"", "equity", "future", "option", "currency", "crypto", "perpetual", "prediction", "unspecified"}
)

Part = tuple[EventType, str, str]
"""One kind of a scope with its instrument filter: symbol and asset class, "" = any."""


@dataclass(frozen=True, slots=True)
class CursorRequest:
    """A client's place in one account's journal; a chain of 0 is not compared."""

    account_id: str
    epoch: str
    sequence: int
    chain: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeRequest:
    """A Subscribe as parsed at the edge. `kinds` holds the known kinds only; account_id "" = the organization."""

    account_id: str
    kinds: frozenset[EventType]
    instrument_key: str = ""
    instrument_class: str = ""
    is_primed: bool = False
    resume: tuple[CursorRequest, ...] = ()


@dataclass(slots=True)
class Scope:
    """One subscription in force."""

    parts: tuple[Part, ...]
    kinds: frozenset[EventType] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = frozenset(kind for kind, _, _ in self.parts)


def account_of(request: SubscribeRequest) -> str:
    """The canonical account id of a well-formed request. Raises InvalidError."""
    account_id = parse_uuid(request.account_id, "/trading_account_id") if request.account_id else ORGANIZATION
    if not request.kinds:
        raise InvalidError(
            "subscriptions holds no known event type", pointer="/subscriptions", code=Code.NO_KNOWN_EVENT_TYPE
        )
    if request.instrument_class not in _CLASSES:
        raise InvalidError(
            "instrument_class is none of equity, future, option, currency, crypto, perpetual, prediction, unspecified",
            pointer="/instrument_class",
            code=Code.INVALID_INSTRUMENT_CLASS,
        )
    _check_cursors(account_id, request.resume)
    return account_id


def _check_cursors(account_id: str, cursors: tuple[CursorRequest, ...]) -> None:
    if account_id and len(cursors) > 1:
        raise cursor_error("at most one cursor resumes a named account")
    seen: set[str] = set()
    for cursor in cursors:
        named = parse_uuid(cursor.account_id, "/resume/account_id") if cursor.account_id else account_id
        if cursor.sequence < 0 or named in seen or (account_id and named != account_id) or not named:
            raise cursor_error("a cursor is negative, given twice, or of another account")
        seen.add(named)


def cursor_error(message: str) -> InvalidError:
    """The refusal of a cursor."""
    return InvalidError(message, pointer="/resume", code=Code.INVALID_CURSOR)


def cursors_of(request: SubscribeRequest, owned: Iterable[str]) -> dict[str, CursorRequest]:
    """The cursors of an organization-wide request by account. Raises InvalidError for a foreign one."""
    cursors = {parse_uuid(cursor.account_id, "/resume"): cursor for cursor in request.resume}
    if not cursors.keys() <= set(owned):
        raise cursor_error("a cursor names an account that is not the organization's")
    return cursors


def scope_of(request: SubscribeRequest) -> Scope:
    """The scope that the request brings into force."""
    return Scope(tuple(part_of(kind, request) for kind in sorted(request.kinds)))


def part_of(kind: EventType, request: SubscribeRequest) -> Part:
    """One kind with its instrument filter: orders and positions of a named account only, and only by symbol."""
    if not request.account_id or kind not in NARROWED or not request.instrument_key:
        return (kind, "", "")
    asset_class = "" if request.instrument_class == "unspecified" else request.instrument_class.upper()
    return (kind, request.instrument_key, asset_class)


def is_wanted(instrument: Instrument, part: Part) -> bool:
    """Whether the part's filter lets the instrument through."""
    _, symbol, asset_class = part
    return not symbol or (symbol == instrument.symbol and asset_class in ("", instrument.asset_class.value))

"""Query parameters of lists: filters, a range of time, direction, page size and cursor; the same for every list."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.order import OrderSide, OrderState, OrderStatus, OrderType
from dropcopyd.domain.reconciliation import BreakStatus, Trigger, Verdict
from dropcopyd.errors import InvalidError
from dropcopyd.flow.access import parse_uuid
from dropcopyd.record import (
    BREAK_FILTERS,
    INTENT_FILTERS,
    ORDER_FILTERS,
    POSITION_FILTERS,
    RECONCILIATION_FILTERS,
    TRADE_FILTERS,
    Explanation,
    JournalPage,
    Listing,
    Slice,
    Sort,
)
from dropcopyd.rest import cursor
from dropcopyd.rest.errors import parameter_error
from dropcopyd.rest.gate import answer, page_limit, query_parameter
from dropcopyd.rest.openapi import LIMIT, NEXT_CURSOR
from dropcopyd.rest.times import parse_time

Json = dict[str, Any]
_TEXT_MAX: Final = 255
TEXT_PATTERN: Final = r"^[^\x00-\x1f\x7f]+$"
"""As `_CONTROL` has it, for the document."""
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter's values: the words of `words`, UUIDs, or any text."""

    name: str
    words: type[StrEnum] | None = None
    is_uuid: bool = False
    is_number: bool = False

    def read(self, text: str) -> str:
        """The value as it is kept. Raises DropcopyError(INVALID_ARGUMENT)."""
        if self.words is not None and text not in self.words.__members__:
            raise parameter_error(self.name, f"must be one of {', '.join(self.words)}")
        if self.is_uuid:
            try:
                return parse_uuid(text, self.name)
            except InvalidError as error:
                raise parameter_error(self.name, error.message) from error
        if self.is_number:
            if not _NUMBER.fullmatch(text):
                raise parameter_error(self.name, "must be a whole number of at most 18 digits")
            return text
        if not 1 <= len(text) <= _TEXT_MAX or _CONTROL.search(text):
            raise parameter_error(self.name, f"must be 1 to {_TEXT_MAX} printable characters")
        return text

    @property
    def described(self) -> Json:
        """The OpenAPI parameter."""
        schema: Json = {"type": "string", "minLength": 1, "maxLength": _TEXT_MAX, "pattern": TEXT_PATTERN}
        if self.words is not None:
            schema = {"type": "string", "enum": [word.value for word in self.words]}
        elif self.is_number:
            schema = {"type": "integer", "minimum": 0}
        elif self.is_uuid:
            schema = {"type": "string", "format": "uuid"}
        return {"name": self.name, "in": "query", "description": "Only these.", "schema": schema}


_FILTERS: Final[Mapping[str, Filter]] = {
    one.name: one
    for one in (
        Filter("order_state", OrderState),
        Filter("order_status", OrderStatus),
        Filter("order_side", OrderSide),
        Filter("side", OrderSide),
        Filter("order_type", OrderType),
        Filter("asset_class", AssetClass),
        Filter("status", BreakStatus),
        Filter("kind", BreakKind),
        Filter("trigger", Trigger),
        Filter("verdict", Verdict),
        Filter("client_order_id", is_uuid=True),
        Filter("after", is_number=True),
        *map(Filter, ("symbol", "strategy_id", "client_reference_id", "external_order_id", "order_id", "exec_id")),
    )
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of list: the filters it takes, whether it takes a range of time, its direction when none is asked for."""

    name: str
    filters: Sequence[str] = ()
    has_times: bool = False
    sort: Sort = Sort.DESC
    shape: re.Pattern[str] = cursor.NUMBER

    @property
    def criteria(self) -> tuple[str, ...]:
        """The parameters that say which rows."""
        return (*self.filters, *(("since", "until") if self.has_times else ()))

    @property
    def known(self) -> tuple[str, ...]:
        """All parameters."""
        return (*self.criteria, "order", "limit", "next_cursor")

    @property
    def described(self) -> list[Json]:
        """All parameters for OpenAPI."""
        return [*self.described_criteria, _order(self.sort), LIMIT, NEXT_CURSOR]

    @property
    def described_criteria(self) -> list[Json]:
        """Those that say which rows, for OpenAPI."""
        return [_FILTERS[name].described for name in self.filters] + ([_SINCE, _UNTIL] if self.has_times else [])


ACCOUNTS: Final = Kind("accounts", sort=Sort.ASC, shape=cursor.ANY)
INTENTS: Final = Kind("intents", INTENT_FILTERS, has_times=True)
ACTIONS: Final = Kind("actions", sort=Sort.ASC)
ORDERS: Final = Kind("orders", ORDER_FILTERS, has_times=True)
TRADES: Final = Kind("trades", TRADE_FILTERS, has_times=True)
POSITIONS: Final = Kind("positions", POSITION_FILTERS, sort=Sort.ASC, shape=cursor.NAME)
JOURNAL: Final = Kind("journal", ("after",), has_times=True, sort=Sort.ASC)
TIMELINE: Final = Kind("timeline", sort=Sort.ASC)
BREAKS: Final = Kind("breaks", BREAK_FILTERS, has_times=True)
FLATTENS: Final = Kind("flattens", has_times=True, shape=cursor.BEGUN)
RECONCILIATIONS: Final = Kind("reconciliations", RECONCILIATION_FILTERS, has_times=True)
EXPLANATION: Final = Kind("explanation", sort=Sort.ASC, shape=cursor.PAIR)
SEARCH: Final = Kind("search", sort=Sort.ASC, shape=cursor.PLACE)

_TIME: Final[Json] = {"type": "string", "format": "date-time"}
_SINCE: Final[Json] = {"name": "since", "in": "query", "description": "Not before this time.", "schema": _TIME}
_UNTIL: Final[Json] = {"name": "until", "in": "query", "description": "Before this time.", "schema": _TIME}


def _order(sort: Sort) -> Json:
    schema = {"type": "string", "enum": [one.value for one in Sort], "default": sort.value}
    return {"name": "order", "in": "query", "description": "Direction.", "schema": schema}


def read_criteria(request: Request, kind: Kind) -> Listing:
    """Which rows are wanted. Raises DropcopyError(INVALID_ARGUMENT)."""
    filters = []
    for name in kind.filters:
        text = query_parameter(request, name)
        if text is not None:
            filters.append((name, _FILTERS[name].read(text)))
    since_ns, until_ns = (time_parameter(request, name) if kind.has_times else None for name in ("since", "until"))
    if since_ns is not None and until_ns is not None and since_ns > until_ns:
        raise parameter_error("until", "must not be before since")
    return Listing(limit=0, sort=kind.sort, filters=tuple(filters), since_ns=since_ns, until_ns=until_ns)


def time_parameter(request: Request, name: str) -> int | None:
    """A time, if given. Raises DropcopyError(INVALID_ARGUMENT)."""
    text = query_parameter(request, name)
    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        raise parameter_error(name, str(error)) from error


@dataclass(frozen=True, slots=True)
class Asked:
    """A page that was asked for, and what its cursors are bound to."""

    listing: Listing
    binding: str

    def answer(
        self, page: Slice[Any] | JournalPage | Explanation, as_json: Callable[[Any], Json], **more: Any
    ) -> Response:
        """The page as JSON, with more members beside its records."""
        following = cursor.make_cursor(self.binding, page.mark) if page.mark else None
        return answer({"data": [as_json(item) for item in page.items], "next_cursor": following, **more})


def read_listing(request: Request, kind: Kind, limits: Limits, *path: str) -> Asked:
    """The page that is asked for; `path` names the list among those of its kind.

    Raises DropcopyError: INVALID_ARGUMENT, INVALID_CURSOR.
    """
    wanted = read_criteria(request, kind)
    sort = Sort(_word(request, "order", [one.value for one in Sort], kind.sort.value))
    binding = repr((kind.name, *path, sort.value, wanted.filters, wanted.since_ns, wanted.until_ns))
    text = query_parameter(request, "next_cursor")
    listing = Listing(
        limit=page_limit(request, limits),
        sort=sort,
        mark="" if text is None else cursor.read_cursor(binding, text, kind.shape),
        filters=wanted.filters,
        since_ns=wanted.since_ns,
        until_ns=wanted.until_ns,
    )
    return Asked(listing, binding)


def _word(request: Request, name: str, words: Sequence[str], default: str) -> str:
    text = query_parameter(request, name)
    if text is None:
        return default
    if text not in words:
        raise parameter_error(name, f"must be one of {', '.join(words)}")
    return text

"""When an instrument trades: sessions, auctions with their cut-offs, and which hours an instrument follows. Pure.

A session has regular hours from open to close, perhaps extended hours around them, and a trading day that everything
in it belongs to. Listed instruments open and close by an auction; who trades round the clock has neither.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from dropcopyd.domain.instrument import AssetClass, Equity, Future, Instrument, OptionInstrument
from dropcopyd.domain.order import OrderTerms, OrderType, TimeInForce

SECOND_NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * SECOND_NS
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEW_YORK: Final = "America/New_York"

OPENING_CUTOFF_NS: Final = 2 * MINUTE_NS
"""Opening auction: no entry and no cancel from so long before it."""
CLOSING_CUTOFF_NS: Final = 10 * MINUTE_NS
"""The same for the closing auction."""
ALWAYS_INTERVAL_NS: Final = 5 * MINUTE_NS
"""Where everything trades at any hour, an auction is held every so often, on the full interval."""
ALWAYS_CUTOFF_NS: Final = 10 * SECOND_NS
EXTENDED_BEFORE: Final = time(4)
"""Extended hours of US equities begin at this time in New York ..."""
EXTENDED_AFTER_NS: Final = 4 * HOUR_NS
"""... and last so long after the close, an early one included."""


class SessionMode(StrEnum):
    """Whether the paper broker keeps its instruments' hours."""

    ALWAYS = "always"
    REAL = "real"


class Auction(StrEnum):
    OPENING = "opening"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day of an instrument: begins_ns <= open_ns < close_ns <= ends_ns."""

    trade_date: str
    """YYYY-MM-DD"""
    begins_ns: int
    open_ns: int
    close_ns: int
    ends_ns: int


@dataclass(frozen=True, slots=True)
class AuctionCall:
    """An auction: held at `at_ns`; nothing for it is entered, changed or cancelled from `cutoff_ns` on."""

    kind: Auction
    at_ns: int
    cutoff_ns: int
    trade_date: str


class Hours(Protocol):
    """The hours of one group of instruments."""

    @property
    def opens_by_auction(self) -> bool:
        """Whether each session opens and closes by an auction of everything that is there."""

    def session_after(self, at_ns: int, *, is_extended: bool = False) -> Session:
        """The first session whose close (with extended hours: whose end) is after that time."""

    def auction_after(self, kind: Auction, at_ns: int) -> AuctionCall | None:
        """The first auction of a kind after that time; None where there are none."""


class RoundTheClock:
    """Days in UTC, one after the other. `has_auctions`: one of either kind every ALWAYS_INTERVAL_NS."""

    opens_by_auction = False

    def __init__(self, *, has_auctions: bool) -> None:
        self._has_auctions = has_auctions
        self._today = _utc_day(0)

    def session_after(self, at_ns: int, *, is_extended: bool = False) -> Session:  # noqa: ARG002 - no such hours
        if not self._today.open_ns <= at_ns < self._today.close_ns:
            self._today = _utc_day(at_ns // DAY_NS)
        return self._today

    def auction_after(self, kind: Auction, at_ns: int) -> AuctionCall | None:
        if not self._has_auctions:
            return None
        held_ns = (at_ns // ALWAYS_INTERVAL_NS + 1) * ALWAYS_INTERVAL_NS
        return AuctionCall(kind, held_ns, held_ns - ALWAYS_CUTOFF_NS, self.session_after(held_ns - 1).trade_date)


class CurrencyWeek:
    """Currencies trade from Sunday to Friday, 17:00 in New York; each trading day ends at that time."""

    opens_by_auction = False

    def __init__(self) -> None:
        self._zone = ZoneInfo(_NEW_YORK)

    def session_after(self, at_ns: int, *, is_extended: bool = False) -> Session:  # noqa: ARG002 - no such hours
        day = _moment(at_ns).astimezone(self._zone).date()
        while day.weekday() > 4 or self._ends_ns(day) <= at_ns:
            day += timedelta(days=1)
        open_ns, close_ns = self._ends_ns(day - timedelta(days=1)), self._ends_ns(day)
        return Session(day.isoformat(), open_ns, open_ns, close_ns, close_ns)

    def auction_after(self, kind: Auction, at_ns: int) -> AuctionCall | None:  # noqa: ARG002 - none
        return None

    def _ends_ns(self, day: date) -> int:
        return _ns_of(datetime.combine(day, time(17), self._zone))


LoadSessions = Callable[[str, int, int], tuple[tuple[str, int, int], ...]]
"""(calendar, first year, last year) -> (trade date, open, close) of each session."""


class Listed:
    """The hours of an exchange by its calendar, holidays and early closes included."""

    def __init__(self, calendar: str, load: LoadSessions, *, has_auctions: bool, zone: str | None = None) -> None:
        """`zone`: where extended hours are counted in; None for an exchange without them."""
        self.opens_by_auction = has_auctions
        self._calendar = calendar
        self._load = load
        self._zone = None if zone is None else ZoneInfo(zone)
        self._sessions: list[Session] = []
        self._closes: list[int] = []
        self._ends: list[int] = []
        self._years: tuple[int, int] | None = None

    def session_after(self, at_ns: int, *, is_extended: bool = False) -> Session:
        self._know(_moment(at_ns).year)
        return self._sessions[bisect_right(self._ends if is_extended else self._closes, at_ns)]

    def auction_after(self, kind: Auction, at_ns: int) -> AuctionCall | None:
        if not self.opens_by_auction:
            return None
        session = self.session_after(at_ns)
        if kind is Auction.CLOSING:
            return AuctionCall(kind, session.close_ns, session.close_ns - CLOSING_CUTOFF_NS, session.trade_date)
        if session.open_ns <= at_ns:
            session = self.session_after(session.close_ns)
        return AuctionCall(kind, session.open_ns, session.open_ns - OPENING_CUTOFF_NS, session.trade_date)

    def _know(self, year: int) -> None:
        """Have the sessions from the year before to the year after; read once for every year that is new."""
        if self._years is not None and self._years[0] < year < self._years[1]:
            return
        self._years = year - 1, year + 1
        self._sessions = [self._session(*row) for row in self._load(self._calendar, *self._years)]
        self._closes = [session.close_ns for session in self._sessions]
        self._ends = [session.ends_ns for session in self._sessions]

    def _session(self, trade_date: str, open_ns: int, close_ns: int) -> Session:
        if self._zone is None:
            return Session(trade_date, open_ns, open_ns, close_ns, close_ns)
        begins = datetime.combine(date.fromisoformat(trade_date), EXTENDED_BEFORE, self._zone)
        return Session(trade_date, _ns_of(begins), open_ns, close_ns, close_ns + EXTENDED_AFTER_NS)


US_EQUITIES: Final = "XNYS"
CALENDARS: Final[dict[str, str]] = {
    "AMS": "XAMS",
    "ASX": "XASX",
    "CBOT": "CMES",
    "CME": "CMES",
    "COMEX": "CMES",
    "EUREX": "XEUR",
    "EURONEXT": "XPAR",
    "LSE": "XLON",
    "NYMEX": "CMES",
    "OSE": "XOSL",
    "SIX": "XSWX",
    "TSE": "XTKS",
    "TSX": "XTSE",
    "XAMS": "XAMS",
    "XASX": "XASX",
    "XCBT": "CMES",
    "XCME": "CMES",
    "XETR": "XETR",
    "XETRA": "XETR",
    "XEUR": "XEUR",
    "XLON": "XLON",
    "XNYM": "CMES",
    "XOSL": "XOSL",
    "XPAR": "XPAR",
    "XSWX": "XSWX",
    "XTKS": "XTKS",
    "XTSE": "XTSE",
}
"""An instrument's `exchange` -> its calendar, where it names none itself.

Other equities and options keep New York's, other futures Chicago's."""
_CHICAGO: Final = "CMES"


class Timetable:
    """Which hours each instrument keeps."""

    def __init__(self, mode: SessionMode = SessionMode.ALWAYS, load: LoadSessions | None = None) -> None:
        """`load` reads exchange calendars; needed where the hours are kept."""
        self.mode = mode
        self._load = load
        self._always = RoundTheClock(has_auctions=True)
        self._clock = RoundTheClock(has_auctions=False)
        self._currency = CurrencyWeek()
        self._listed: dict[tuple[str, bool], Listed] = {}

    def hours_of(self, instrument: Instrument) -> Hours:
        """By its class and its exchange."""
        if self.mode is SessionMode.ALWAYS:
            return self._always
        match instrument:
            case Equity():
                return self._of_calendar(_calendar_of(instrument, US_EQUITIES), has_auctions=True)
            case OptionInstrument():
                return self._of_calendar(_calendar_of(instrument, US_EQUITIES), has_auctions=False)
            case Future():
                return self._of_calendar(_calendar_of(instrument, _CHICAGO), has_auctions=False)
            case _ if instrument.asset_class is AssetClass.CURRENCY:
                return self._currency
            case _:
                return self._clock

    def _of_calendar(self, name: str, *, has_auctions: bool) -> Listed:
        hours = self._listed.get((name, has_auctions))
        if hours is None:
            if self._load is None:
                raise AssertionError("real hours need calendars")
            is_extended = has_auctions and name == US_EQUITIES
            hours = Listed(name, self._load, has_auctions=has_auctions, zone=_NEW_YORK if is_extended else None)
            self._listed[name, has_auctions] = hours
        return hours


def _calendar_of(instrument: Equity | OptionInstrument | Future, usual: str) -> str:
    """Its own, else that of its exchange, else its class's usual one."""
    return instrument.calendar or CALENDARS.get(instrument.exchange or "", usual)


def auction_of(terms: OrderTerms) -> Auction | None:
    """The auction that an order is for, and for nothing else; None for one that is not."""
    if terms.time_in_force is TimeInForce.AT_OPEN or terms.order_type in _ON_OPEN:
        return Auction.OPENING
    if terms.time_in_force is TimeInForce.AT_CLOSE or terms.order_type in _ON_CLOSE:
        return Auction.CLOSING
    return None


_ON_OPEN: Final = frozenset({OrderType.LIMIT_ON_OPEN, OrderType.MARKET_ON_OPEN})
_ON_CLOSE: Final = frozenset({OrderType.LIMIT_ON_CLOSE, OrderType.MARKET_ON_CLOSE})


def render_moment(at_ns: int) -> str:
    """A time for people: RFC 3339 in UTC, whole seconds."""
    return _moment(at_ns).strftime("%Y-%m-%dT%H:%M:%SZ")


def _utc_day(number: int) -> Session:
    open_ns = number * DAY_NS
    trade_date = (_EPOCH + timedelta(days=number)).date().isoformat()
    return Session(trade_date, open_ns, open_ns, open_ns + DAY_NS, open_ns + DAY_NS)


def _moment(at_ns: int) -> datetime:
    return _EPOCH + timedelta(seconds=at_ns // SECOND_NS)


def _ns_of(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000

"""Opens the paper broker of a node: its book, its prices, its accounts with their plans."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from dropcopyd.brokers.paper.book import Book
from dropcopyd.brokers.paper.broker import PaperBroker
from dropcopyd.brokers.paper.calendars import load_sessions
from dropcopyd.brokers.paper.desk import PAUSE_MAX_S
from dropcopyd.brokers.paper.plan import plan_from
from dropcopyd.brokers.paper.prices import PriceSource, open_feeds, parse_price_option
from dropcopyd.brokers.paper.sessions import SessionMode, Timetable
from dropcopyd.domain.account import Account, BrokerKind
from dropcopyd.domain.catalogue import Catalogue
from dropcopyd.domain.instrument import Instrument
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.ports import Clock, Failpoints, Ids

PAPER_BOOK_NAME: Final = "paper.db"


def open_paper(
    folder: Path,
    prices: Sequence[str],
    accounts: Sequence[Account],
    catalogue: Catalogue,
    *,
    clock: Clock,
    ids: Ids,
    failpoints: Failpoints,
    sessions: str = SessionMode.ALWAYS,
    pause_max_s: float = PAUSE_MAX_S,
) -> tuple[Book, PaperBroker]:
    """The book in the folder, and the broker over it with its accounts of those given.

    Raises DropcopyError (INVALID_CONFIGURATION) for prices that cannot be, StoreError for a book that cannot be opened.
    """
    try:
        options = [parse_price_option(text) for text in prices]
        if all(option.source is not PriceSource.SYNTHETIC for option in options):
            options.append(parse_price_option("synthetic"))  # what has no file stays synthetic
    except ValueError as error:
        raise DropcopyError(Code.INVALID_CONFIGURATION, str(error)) from error
    timetable = open_timetable(SessionMode(sessions), catalogue, clock.now_ns())
    plans = {a.account_id: plan_from(a.broker_settings) for a in accounts if a.broker is BrokerKind.PAPER}
    book = Book.open(folder / PAPER_BOOK_NAME, clock, ids)
    try:
        feeds = open_feeds(options, catalogue, book.image.created_at_ns)
        return book, PaperBroker(book, feeds, clock, plans, failpoints, plans, timetable, pause_max_s)
    except BaseException:
        book.abandon()
        raise


def open_timetable(mode: SessionMode, instruments: Iterable[Instrument], now_ns: int) -> Timetable:
    """The hours to keep. In real mode the calendars of the known instruments are read now, not at their first order.

    Raises DropcopyError (INVALID_CONFIGURATION) for a calendar that there is not.
    """
    timetable = Timetable(mode, load_sessions)
    if mode is SessionMode.REAL:
        for instrument in instruments:
            try:
                timetable.hours_of(instrument).session_after(now_ns)
            except ValueError as error:
                message = f"the hours of {instrument.symbol}: {error}"
                raise DropcopyError(Code.INVALID_CONFIGURATION, message, symbol=instrument.symbol) from error
    return timetable

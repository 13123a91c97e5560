"""The live picture: never wider or higher than its terminal, whatever is in it."""

import dataclasses
from decimal import Decimal

import pytest
from rich.console import Console

import dropcopy
from dropcopy._book import Book
from dropcopy._decode import from_message
from dropcopy._watch import picture
from tests.sdk.peers import ACCOUNT, OTHER, order, position, trade


def an_order(number: int, **changes: object) -> dropcopy.Order:
    found = from_message(dropcopy.Order, order(number).broker_order)
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


def a_book(count: int) -> Book:
    book = Book()
    book.apply(dropcopy.Status(message="subscribed", code="subscribed"))
    book.apply(dropcopy.AccountStatus(account_id=ACCOUNT, connection=dropcopy.AccountConnection.LIVE))
    for number in range(count):
        book.apply(an_order(number, symbol=f"SYMBOL-{number}", client_reference_id="r" * 60))
        book.apply(from_message(dropcopy.Trade, trade(number).broker_trade))
        held = from_message(dropcopy.Position, position(number + 1).broker_position)
        book.apply(dataclasses.replace(held, symbol=f"SYMBOL-{number}", average_cost=Decimal("1." + "1" * 18)))
    return book


def drawn(book: Book, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, force_terminal=True, color_system=None, record=True, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        console.print(picture(book, width, height))
    return capture.get().splitlines()


@pytest.mark.parametrize("count", [0, 1, 3, 80])
@pytest.mark.parametrize(("width", "height"), [(20, 12), (40, 20), (80, 24), (120, 40), (250, 70)])
def test_it_fits(width: int, height: int, count: int) -> None:
    lines = drawn(a_book(count), width, height)
    assert max(len(line) for line in lines) <= width
    assert len(lines) <= max(height, 15)


def test_it_shows_what_matters_first_when_it_is_narrow() -> None:
    book = a_book(3)
    narrow, wide = "\n".join(drawn(book, 44, 24)), "\n".join(drawn(book, 250, 40))
    assert "SYMBOL-2" in narrow
    assert "status" in narrow
    assert "reference" not in narrow
    assert "reference" in wide
    assert "intent-2" in wide


def test_money_and_the_day_are_seen_and_go_with_a_reset() -> None:
    book = a_book(1)
    book.apply(dropcopy.AccountBalance(account_id=ACCOUNT, currency="USD", cash=Decimal("99.5"), equity=Decimal(100)))
    held = next(iter(book.positions.values()))
    book.apply(dataclasses.replace(held, daily_pnl=Decimal("-7.25")))
    text = "\n".join(drawn(book, 200, 30))
    assert "USD cash 99.5, equity 100, buying power -" in text
    assert "-7.25" in text
    book.apply(dropcopy.Reset(account_id=ACCOUNT, reason="test"))
    assert "USD" not in "\n".join(drawn(book, 200, 30))


def test_the_money_that_moves_stands_first() -> None:
    book = a_book(0)
    for currency in ("BTC", "ETH", "USD"):
        for _ in range(2):  # told again, but the same
            book.apply(dropcopy.AccountBalance(account_id=ACCOUNT, currency=currency, cash=Decimal(100_000)))
    assert "\n".join(drawn(book, 80, 24)).index("BTC") < "\n".join(drawn(book, 200, 24)).index("USD")
    book.apply(dropcopy.AccountBalance(account_id=ACCOUNT, currency="USD", cash=Decimal(99_000)))
    assert any(line.startswith("USD cash 99000") for line in drawn(book, 80, 24))


def test_it_says_why_an_order_was_rejected() -> None:
    book = a_book(1)
    rejected = {"order_state": dropcopy.OrderState.REJECTED, "order_status": dropcopy.OrderStatus.REJECTED}
    book.apply(an_order(1, **rejected, reason="7 is not a multiple of 2"))
    book.apply(an_order(2, reason="said, but works"))
    text = "\n".join(drawn(book, 110, 30))
    assert "7 is not a multiple of 2" in text
    assert "said, but works" not in text


def test_doubt_and_disconnection_are_seen() -> None:
    book = a_book(1)
    book.apply(an_order(0, symbol="SYMBOL-0", in_doubt_since_ns=5))
    book.apply(dropcopy.Disconnected(code="gap", reason="events did not come", attempt=1, retry_in_s=1))
    text = "\n".join(drawn(book, 120, 30))
    assert "IN DOUBT" in text
    assert "disconnected: events did not come" in text


def test_text_from_outside_cannot_draw() -> None:
    book = a_book(1)
    book.apply(an_order(7, symbol="[red]X\x1b[2J", client_reference_id="\x07"))
    text = "\n".join(drawn(book, 200, 30))
    assert "[red]X\ufffd[2J" in text
    assert "\x1b[2J" not in text


def test_the_book_follows_resets_closes_and_other_accounts() -> None:
    book = a_book(2)
    book.apply(dataclasses.replace(an_order(9), account_id=OTHER))
    closed = an_order(0, symbol="SYMBOL-0", order_state=dropcopy.OrderState.CLOSED)
    book.apply(closed)
    assert sum(found.is_working for found in book.orders.values()) == 2
    book.apply(dropcopy.Reset(account_id=ACCOUNT, reason="test"))
    assert [found.account_id for found in book.orders.values()] == [OTHER]
    assert not book.positions
    assert book.trade_count == 2


def test_the_book_is_bounded_and_keeps_what_works() -> None:
    book = Book()
    book.apply(an_order(0))
    for number in range(1, 1_000):
        book.apply(an_order(number, order_state=dropcopy.OrderState.CLOSED))
    assert len(book.orders) == 500
    assert "order-0" in book.orders
    assert "order-999" in book.orders

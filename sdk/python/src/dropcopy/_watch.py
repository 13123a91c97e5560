"""`dropcopy watch`: the live picture in a terminal, or lines where there is none.

The picture never wraps: tables leave out their least important columns until they fit the width, and rows until they
fit the height.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dropcopy._book import Book
from dropcopy._enums import OrderSide
from dropcopy._lines import as_json, as_line, clean, clock, number, reason_text, status_text
from dropcopy._models import Order, Position, Trade

if TYPE_CHECKING:
    from dropcopy._stream import Stream

_REFRESH_S: Final = 0.25
_GAP: Final = 2
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Column(Generic[_Row]):
    """One column; `rank` 0 is the last to be left out."""

    title: str
    rank: int
    text: Callable[[_Row], str]
    is_number: bool = False


POSITIONS: Final[tuple[Column[Position], ...]] = (
    Column("symbol", 0, lambda row: row.symbol),
    Column("quantity", 0, lambda row: number(row.quantity), is_number=True),
    Column("average cost", 1, lambda row: number(row.average_cost), is_number=True),
    Column("realized", 2, lambda row: number(row.realized_pnl), is_number=True),
    Column("today", 3, lambda row: number(row.daily_pnl), is_number=True),
)
ORDERS: Final[tuple[Column[Order], ...]] = (
    Column("time", 3, lambda row: clock(row.received_at_ns)),
    Column("symbol", 0, lambda row: row.symbol),
    Column("side", 0, lambda row: row.order_side.value),
    Column("quantity", 1, lambda row: number(row.quantity), is_number=True),
    Column("filled", 2, lambda row: number(row.filled_quantity), is_number=True),
    Column("price", 1, lambda row: "market" if row.limit_price is None else number(row.limit_price), is_number=True),
    Column("status", 0, lambda row: "IN DOUBT" if row.in_doubt_since_ns is not None else status_text(row)),
    Column("tif", 5, lambda row: row.time_in_force.value),
    Column("reference", 4, lambda row: row.client_reference_id or ""),
    Column("intent", 6, lambda row: row.intent_id),
    Column("reason", 3, reason_text),
)
TRADES: Final[tuple[Column[Trade], ...]] = (
    Column("time", 1, lambda row: clock(row.received_at_ns)),
    Column("symbol", 0, lambda row: row.symbol),
    Column("side", 0, lambda row: row.side.value),
    Column("quantity", 0, lambda row: number(row.quantity), is_number=True),
    Column("price", 0, lambda row: number(row.price), is_number=True),
    Column("execution", 2, lambda row: row.exec_id or ""),
)


def table(title: str, columns: Sequence[Column[_Row]], rows: Sequence[_Row], width: int, height: int) -> RenderableType:
    """The first rows that fit, with the columns that fit; its lines are never longer than `width`."""
    shown = rows[: max(height - 2, 1)]
    cells = {column.title: [clean(column.text(row)) for row in shown] for column in columns}
    widths = {name: max([len(name), *(len(cell) for cell in texts)]) for name, texts in cells.items()}
    kept = list(columns)
    while len(kept) > 1 and sum(widths[column.title] for column in kept) + _GAP * len(kept) > width:
        kept.remove(max(kept, key=lambda column: column.rank))
    grid = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim", show_edge=False)
    for column in kept:
        grid.add_column(
            column.title, justify="right" if column.is_number else "left", no_wrap=True, overflow="ellipsis"
        )
    for index, row in enumerate(shown):
        texts = [Text(cells[column.title][index], no_wrap=True, overflow="ellipsis") for column in kept]
        grid.add_row(*texts, style=_style(row))
    more = f" ({len(shown)} of {len(rows)})" if len(shown) < len(rows) else ""
    return Group(Text(f"{title}{more}", style="bold", no_wrap=True, overflow="ellipsis"), grid)


def _style(row: object) -> str:
    if isinstance(row, Trade):
        return "green" if row.side == OrderSide.BUY else "red"
    if isinstance(row, Order):
        if row.in_doubt_since_ns is not None:
            return "bold yellow"
        return "" if row.is_working else "dim"
    return ""


def picture(book: Book, width: int, height: int) -> RenderableType:
    """The whole view for a terminal of that size."""
    held = sorted((p for p in book.positions.values() if p.quantity), key=lambda row: row.symbol)
    newest = list(reversed(book.orders.values()))
    orders = [order for order in newest if order.is_working] + [order for order in newest if not order.is_working]
    trades = list(reversed(book.trades))
    room = max(height - 4, 9)
    positions_height = min(len(held) + 2, max(room // 3, 3))
    orders_height = max((room - positions_height) * 3 // 5, 3)
    trades_height = max(room - positions_height - orders_height, 3)
    return Group(
        headline(book),
        money(book),
        table("positions", POSITIONS, held, width, positions_height),
        table("orders", ORDERS, orders, width, orders_height),
        table("executions", TRADES, trades, width, trades_height),
    )


def headline(book: Book) -> Text:
    """Stream and accounts in one line."""
    style = "green" if book.connection == "live" else "bold red"
    parts = [Text("\u25cf " + clean(book.connection), style=style)]
    for status in book.accounts.values():
        is_fine = status.connection == "LIVE"
        parts.append(Text(f"{status.account_id[:8]} {status.connection}", style="green" if is_fine else "bold red"))
    working = sum(order.is_working for order in book.orders.values())
    parts += [Text(f"lag {book.lag}"), Text(f"{working} working"), Text(f"{book.trade_count} executions")]
    line = Text("  ").join(parts)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def money(book: Book) -> Text:
    """The balances in one line, those that move first; blank where the broker says none."""
    texts = [
        f"{clean(balance.currency)} cash {number(balance.cash)}, equity {number(balance.equity)},"
        f" buying power {number(balance.buying_power)}"
        for _, balance in sorted(book.balances.items(), key=lambda item: (item[0] not in book.moved, item[0]))
    ]
    return Text("  ".join(texts), no_wrap=True, overflow="ellipsis")


async def watch(stream: "Stream", *, seconds: float | None, is_json: bool, console: Console) -> None:
    """Show the stream until cancelled, or for so long. Raises what the stream raises."""
    if is_json or not console.is_terminal:
        await _print_lines(stream, seconds, is_json=is_json)
        return
    book = Book()
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            await _show(stream, book, live, seconds)
    finally:
        console.print(picture(book, console.width, console.height))


async def _print_lines(stream: "Stream", seconds: float | None, *, is_json: bool) -> None:
    try:
        async with asyncio.timeout(seconds) as deadline:
            async for event in stream:
                line = as_json(event) if is_json else as_line(event)
                if line is not None:
                    sys.stdout.write(line + "\n")
                    sys.stdout.flush()
    except TimeoutError:
        if not deadline.expired():
            raise


class _Over(Exception):  # noqa: N818 # the end that was asked for
    """The time is over, or the stream closed."""


async def _show(stream: "Stream", book: Book, live: Live, seconds: float | None) -> None:
    console = live.console
    loop = asyncio.get_running_loop()
    ends_at = None if seconds is None else loop.time() + seconds

    async def refresh() -> None:
        while ends_at is None or loop.time() < ends_at:
            live.update(picture(book, console.width, console.height), refresh=True)
            await asyncio.sleep(_REFRESH_S)
        raise _Over

    async def follow() -> None:
        async for event in stream:
            book.apply(event)
        raise _Over

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(refresh())
            tasks.create_task(follow())
    except BaseExceptionGroup as group:
        (first, *_) = group.exceptions
        if not isinstance(first, _Over):
            raise first from None

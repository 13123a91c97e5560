"""GET .../exports/...: all of an account's orders, trades, positions or journal as one file, streamed.

Rows are read a page at a time, and no faster than the client reads: what is in memory is a page, a Parquet group and
the connection's buffer, whatever the export's size. A file that ends without its last chunk is not whole, and every
HTTP client says so.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from dropcopyd.domain.account import Scope
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.observe import Metrics
from dropcopyd.record import JournalPage, Listing, Slice, Sort
from dropcopyd.rest import columns, openapi
from dropcopyd.rest import listing as lists
from dropcopyd.rest.columns import Sheet
from dropcopyd.rest.errors import parameter_error
from dropcopyd.rest.gate import Dependencies, admit, query_parameter
from dropcopyd.rest.read import ACCOUNT
from dropcopyd.rest.sheets import MEDIA_TYPES, Form, Writer, writer_of

_log = structlog.get_logger()
_PAGE_ROWS: Final = 250
_SLICE_ROWS: Final = 8
"""Rows that are turned into text before others of the loop have their turn."""
_CODES: Final = (*openapi.ADMISSION_CODES, Code.NOT_SUPPORTED, Code.OVERLOADED)
_FORMAT: Final = {
    "name": "format",
    "in": "query",
    "description": "`csv` (RFC 4180, UTF-8), or `parquet` where the gateway has its library.",
    "schema": {"type": "string", "enum": [form.value for form in Form], "default": Form.CSV.value},
}
_Page = Slice[Any] | JournalPage
_Read = Callable[[str, Listing], Awaitable[_Page]]


class ExportRoutes:
    """GET /v1/accounts/{account_id}/exports/{orders, trades, positions, journal}"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._record = dependencies.record
        self._clock = dependencies.clock
        self._metrics = dependencies.metrics
        self._limits = dependencies.limits
        self._places = _Places(dependencies.limits)

    def router(self) -> APIRouter:
        """The routes, described."""
        router = APIRouter(redirect_slashes=False)
        queries, history = self._record.queries, self._record.history
        described: Sequence[tuple[Sheet, lists.Kind, _Read, str]] = (
            (columns.ORDERS, lists.ORDERS, queries.orders, "All orders as a file, oldest first"),
            (columns.TRADES, lists.TRADES, queries.trades, "All executions as a file, oldest first"),
            (columns.POSITIONS, lists.POSITIONS, queries.positions, "All positions as a file, flat ones too"),
            (columns.JOURNAL, lists.JOURNAL, history.journal, "The journal as a file, by sequence"),
        )
        for sheet, kind, read, summary in described:
            router.add_api_route(
                f"{ACCOUNT}/exports/{sheet.name}",
                self._endpoint(sheet, kind, read),
                methods=["GET"],
                name=f"export_{sheet.name}",
                summary=summary,
                response_model=None,
                response_class=Response,
                responses=openapi.stream_answers(
                    [one.partition(";")[0] for one in MEDIA_TYPES.values()], "The file", _CODES
                ),
                openapi_extra=openapi.details(
                    openapi.ACCOUNT_ID, *kind.described_criteria, _FORMAT, scope=Scope.RECORDS_READ
                ),
            )
        return router

    def _endpoint(self, sheet: Sheet, kind: lists.Kind, read: _Read) -> Callable[[Request], Awaitable[Response]]:
        async def export(request: Request) -> Response:
            """What is wrong with the request is a problem, before the file begins."""
            _, account = await admit(self._access, request, Scope.RECORDS_READ, *kind.criteria, "format")
            form = _form(request)
            writer = await writer_of(form, sheet.columns)
            source = _Source(read, account.account_id, self._listing(request, kind))
            headers = {
                "cache-control": "no-store",
                "content-disposition": f'attachment; filename="{sheet.name}-{account.account_id}.{form}"',
                "content-type": MEDIA_TYPES[form],
            }
            place = self._places.place(account.organization_id)
            return _Export(source, sheet, writer, headers, place, self._metrics, self._limits.stall_s)

        return export

    def _listing(self, request: Request, kind: lists.Kind) -> Listing:
        """The rows there are now; those that come meanwhile would let an export of a busy account never end."""
        wanted = replace(lists.read_criteria(request, kind), limit=_PAGE_ROWS, sort=Sort.ASC)
        if not kind.has_times:
            return wanted
        end_ns = self._clock.now_ns() + 1
        return replace(wanted, until_ns=end_ns if wanted.until_ns is None else min(end_ns, wanted.until_ns))


def _form(request: Request) -> Form:
    given = query_parameter(request, "format")
    text = Form.CSV.value if given is None else given
    if text not in set(Form):
        raise parameter_error("format", f"must be one of {', '.join(Form)}")
    return Form(text)


class _Places:
    """How many exports may run at a time, of all and of one organization: each reads as fast as its client takes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._taken: Counter[str] = Counter()
        """By organization."""

    @contextmanager
    def place(self, organization_id: str) -> Iterator[None]:
        """One of them. Raises DropcopyError(OVERLOADED)."""
        if (count := self._taken[organization_id]) >= self._limits.exports_per_organization:
            raise DropcopyError(Code.OVERLOADED, f"{count} exports of the organization run; wait for one to end")
        if (count := self._taken.total()) >= self._limits.exports_at_once:
            raise DropcopyError(Code.OVERLOADED, f"{count} exports run; wait for one to end")
        self._taken[organization_id] += 1
        try:
            yield
        finally:
            self._taken[organization_id] -= 1
            if not self._taken[organization_id]:
                del self._taken[organization_id]


@dataclass(slots=True)
class _Source:
    """The rows of an export, page by page."""

    read: _Read
    account_id: str
    listing: Listing
    is_over: bool = False

    async def next_page(self) -> Sequence[Any]:
        """The next rows; perhaps none, before the end too."""
        page = await self.read(self.account_id, self.listing)
        self.listing = replace(self.listing, mark=page.mark)
        self.is_over = not page.mark
        return page.items


class _Export(Response):
    """The file, sent as it is made."""

    def __init__(
        self,
        source: _Source,
        sheet: Sheet,
        writer: Writer,
        headers: dict[str, str],
        place: AbstractContextManager[None],
        metrics: Metrics,
        patience_s: float,
    ) -> None:
        super().__init__(headers=headers)
        self._source = source
        self._sheet = sheet
        self._writer = writer
        self._place = place
        self._rows = metrics.exported.labels(sheet.name)
        self._patience_s = patience_s

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Serve. Raises what is wrong as long as nothing was sent, ClientDisconnect when the client went or stalled."""
        with self._place:
            first = await self._source.next_page()
            async with asyncio.TaskGroup() as tasks:
                gone = tasks.create_task(_until_gone(receive))
                try:
                    is_whole = await self._serve(first, send, gone)
                finally:
                    gone.cancel()
        if not is_whole:
            scope["dropcopy.connection"].abort()
            raise ClientDisconnect

    async def _serve(self, page: Sequence[Any], send: Send, gone: asyncio.Task[None]) -> bool:
        """Whether all of it went out."""
        headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while not gone.done():
            await self._write(page)
            is_last = self._source.is_over
            body = await self._writer.ready(is_last=is_last)
            if (body or is_last) and not await self._sent(send, body, is_last=is_last):
                return False
            if is_last:
                return True
            page = await self._source.next_page()
        return False

    async def _write(self, page: Sequence[Any]) -> None:
        """Turn rows into text, a few at a time."""
        for begin in range(0, len(page), _SLICE_ROWS):
            for record in page[begin : begin + _SLICE_ROWS]:
                self._writer.add(self._sheet.row_of(record))
            await asyncio.sleep(0)
        self._rows.inc(len(page))

    async def _sent(self, send: Send, body: bytes, *, is_last: bool) -> bool:
        """Send; waits while the client does not read, not for ever."""
        try:
            async with asyncio.timeout(self._patience_s):
                await send({"type": "http.response.body", "body": body, "more_body": not is_last})
        except TimeoutError:
            _log.info("export.stalled", records=self._sheet.name)
            return False
        return True


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

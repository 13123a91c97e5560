"""Exports: every row of the list, exact, in both formats; and no more of them in memory than the client takes."""

import asyncio
import base64
import csv
import io
import json
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from dropcopyd.domain.limits import Limits
from dropcopyd.rest import account_schemas, columns, order_schemas, record_schemas, sheets
from dropcopyd.store.migrate import DATABASE_NAME
from tests.rest.gateway import Gateway, Tenants, create, opened
from tests.rest.test_pages import fill, walk
from tests.rest.test_queries import trade_a_while

SHEETS = {sheet.name: sheet for sheet in (columns.ORDERS, columns.TRADES, columns.POSITIONS, columns.JOURNAL)}
FREE = {
    *("symbol", "client_reference_id", "strategy_id", "external_order_id", "order_id", "exec_id"),
    *("reason_code", "reason", "raw_status", "venue", "trade_date"),
}
OTHERS = {
    *("intent_id", "account_id", "organization_id", "client_order_id"),
    *("broker", "asset_class", "order_state", "order_status", "order_type", "order_side", "order_venue"),
    *("time_in_force", "origin", "side", "liquidity", "kind", "chain", "event", "fees"),
    *("quantity", "filled_quantity", "leaves_quantity", "limit_price", "stop_price", "trail_amount", "trail_percent"),
    *("average_price", "price", "cumulative_quantity", "order_quantity", "average_cost", "realized_pnl", "daily_pnl"),
    *("value_bought", "value_sold"),
}
"""Text that nobody outside chooses: ids and words of ours, amounts, JSON."""
TIMES = {column.name for sheet in SHEETS.values() for column in sheet.columns if column.kind is columns.Kind.TIME}
MANY = 30_000
"""Events of an export that fits into no socket's buffers."""


async def export(gateway: Gateway, name: str, **query: Any) -> bytes:
    answer = await gateway.client.get(f"{gateway.account}/exports/{name}", params=query)
    assert answer.status_code == 200, answer.text
    form = query.get("format", "csv")
    assert answer.headers["content-type"] == sheets.MEDIA_TYPES[form]
    expected = f'attachment; filename="{name}-{gateway.tenants.account_id}.{form}"'
    assert answer.headers["content-disposition"] == expected
    return answer.content


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def read_parquet(content: bytes) -> list[dict[str, Any]]:
    """Rows, with times as nanoseconds."""
    table = parquet.read_table(io.BytesIO(content))
    for index, field in enumerate(table.schema):
        if pyarrow.types.is_timestamp(field.type):
            assert (field.type.unit, field.type.tz) == ("ns", "UTC")
            table = table.set_column(index, field.name, table.column(index).cast(pyarrow.int64()))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def ns_of(text: str) -> int:
    """Nanoseconds of a time as we render it."""
    seconds, _, rest = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(f"{seconds}+00:00").timestamp()) * 10**9 + int(rest.ljust(9, "0"))


def expected(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a list as an export has it."""
    flat = dict(row)
    if "instrument" in flat:
        flat["asset_class"] = flat.pop("instrument")["asset_class"]
    if "fees" in flat:
        flat["fees"] = json.dumps(flat["fees"], separators=(",", ":"))
    return flat


def as_cell(name: str, value: Any) -> str:
    """The cell of a value by the documented rule, written anew: free text is guarded, whatever else is left alone."""
    text = str(value)
    if name in FREE and text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n", "'"):
        return "'" + text
    return text


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        '=HYPERLINK("http://x")',
        "'=1",
        "'",
        "\uff1d1",
        "-",
        "plain",
        "1-1",
        "a=1",
        '"=1',
    ],
)
async def test_no_reference_is_a_formula_and_every_one_comes_back(gateway: Gateway, text: str) -> None:
    answer = await gateway.submit({**create(), "client_reference_id": text, "strategy_id": text})
    assert answer.status_code == 201, answer.text
    (cell,) = [row["client_reference_id"] for row in read_csv(await export(gateway, "orders"))]
    assert not cell.startswith(("=", "+", "-", "@", "\uff1d"))
    assert cell.removeprefix("'") == text
    (row,) = read_parquet(await export(gateway, "orders", format="parquet"))
    assert (row["client_reference_id"], row["strategy_id"]) == (text, text)


async def test_an_amount_below_zero_stays_a_number(gateway: Gateway) -> None:
    intent_id = await gateway.create(order_side="SELL_SHORT", spec={"Market": {"quantity": "5"}})
    await gateway.report(intent_id, fill("-e1", "5"))
    (position,) = read_csv(await export(gateway, "positions"))
    assert position["quantity"] == "-5"
    (trade,) = read_csv(await export(gateway, "trades"))
    assert trade["exec_id"] == "'-e1", "the broker's word is free text"
    assert json.loads(trade["fees"])[1]["amount"] == "-0.001"


def test_what_is_not_free_text_is_an_amount_or_ours() -> None:
    """Who adds a column decides whether it is free text."""
    free = {column.name for sheet in SHEETS.values() for column in sheet.columns if column.is_free}
    assert free == FREE
    rest = {
        column.name for sheet in SHEETS.values() for column in sheet.columns if column.kind is columns.Kind.TEXT
    } - free
    assert rest == OTHERS


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("orders", order_schemas.Order),
        ("trades", order_schemas.Trade),
        ("positions", account_schemas.Position),
        ("journal", record_schemas.JournalEntry),
    ],
)
def test_an_export_has_every_member_of_the_record(name: str, shape: Any) -> None:
    members = set(shape.model_fields)
    if "instrument" in members:
        members = members - {"instrument"} | {"asset_class"}
    assert {column.name for column in SHEETS[name].columns} == members


@pytest.mark.parametrize("name", ["orders", "trades", "positions"])
async def test_both_formats_say_what_the_list_says(
    gateway: Gateway, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "GROUP_ROWS", 7)
    monkeypatch.setattr("dropcopyd.rest.exports._PAGE_ROWS", 5)
    await trade_a_while(gateway)
    await gateway.submit({**create(), "client_reference_id": 'a,"b"=1 ü \U0001f4a9', "strategy_id": "=1+1"})
    listed = [expected(row) for row in await walk(gateway, name, 100)]
    rows = listed if name == "positions" else listed[::-1]
    assert len(rows) >= 2
    found = read_csv(await export(gateway, name))
    assert found == [{key: "" if value is None else as_cell(key, value) for key, value in row.items()} for row in rows]
    typed = [{key: ns_of(value) if key in TIMES and value else value for key, value in row.items()} for row in rows]
    assert read_parquet(await export(gateway, name, format="parquet")) == typed


async def test_the_journal_is_exported_byte_for_byte(gateway: Gateway) -> None:
    await trade_a_while(gateway)
    events = await walk(gateway, "journal", 100)
    found = read_csv(await export(gateway, "journal"))
    rows = read_parquet(await export(gateway, "journal", format="parquet"))
    for one, typed, event in zip(found, rows, events, strict=True):
        assert (int(one["sequence"]), one["chain"], one["at"]) == (event["sequence"], event["chain"], event["at"])
        assert json.loads(one["event"]) == json.loads(typed["event"]) == event["event"]
        assert one["bytes"] == event["bytes"]
        assert (typed["bytes"], typed["at"]) == (base64.b64decode(event["bytes"]), ns_of(event["at"]))
    assert len(read_csv(await export(gateway, "journal", after=len(events) - 3))) == 3


async def test_filters_and_times_are_those_of_the_list(gateway: Gateway) -> None:
    await trade_a_while(gateway)
    orders = (await walk(gateway, "orders", 100))[::-1]
    query = {"symbol": "AAPL", "order_side": "BUY", "since": orders[2]["created_at"]}
    wanted = [row["order_id"] for row in orders[2:] if (row["symbol"], row["order_side"]) == ("AAPL", "BUY")]
    assert [row["order_id"] for row in read_csv(await export(gateway, "orders", **query))] == wanted
    assert read_csv(await export(gateway, "orders", symbol="NONE")) == []
    assert read_parquet(await export(gateway, "orders", symbol="NONE", format="parquet")) == []


async def test_a_file_ends_although_rows_keep_coming(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropcopyd.rest.exports._PAGE_ROWS", 1)
    intent_id = await gateway.create(spec={"Market": {"quantity": "1000"}})
    for number in range(20):
        await gateway.report(intent_id, fill(f"e{number}"))
    is_over = False

    async def write() -> int:
        number = 20
        while not is_over:
            await gateway.report(intent_id, fill(f"e{number}"))
            number += 1
        return number

    writing = asyncio.get_running_loop().create_task(write())
    found = read_csv(await export(gateway, "trades"))
    is_over = True
    written = await writing
    assert [row["exec_id"] for row in found] == [f"e{number}" for number in range(len(found))]
    assert 20 <= len(found) <= written


@pytest.mark.parametrize(
    ("name", "query", "code"),
    [
        ("orders", {"format": ""}, "invalid_argument"),
        ("orders", {"format": "xml"}, "invalid_argument"),
        ("orders", {"format": "CSV"}, "invalid_argument"),
        ("orders", {"limit": "5"}, "invalid_argument"),
        ("orders", {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "invalid_argument"),
        ("positions", {"since": "2026-01-02T00:00:00Z"}, "invalid_argument"),
        ("journal", {"after": "x"}, "invalid_argument"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    gateway: Gateway, name: str, query: dict[str, str], code: str
) -> None:
    answer = await gateway.client.get(f"{gateway.account}/exports/{name}", params=query)
    assert (answer.status_code, answer.json()["code"], answer.json()["parameter"]) == (422, code, list(query)[-1])


async def test_without_its_library_parquet_is_refused_in_words(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = await gateway.client.get(f"{gateway.account}/exports/orders", params={"format": "parquet"})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_supported")
    assert "dropcopyd[parquet]" in answer.json()["detail"]
    assert await export(gateway, "orders")


# --- bounded, and safe against clients that go or do not read ---------------------------------------------------------


async def lengthen_journal(folder: Path, gateway: Gateway, count: int) -> None:
    """So many copies of the last event behind the journal's end: enough for what only reads it."""
    await gateway.create()
    connection = sqlite3.connect(folder / DATABASE_NAME)
    with connection:
        connection.execute(
            "WITH RECURSIVE copy (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < ?)"
            " INSERT INTO journal"
            " SELECT account, head + n, kind, head + n, at_ns, asset_class, symbol, payload, randomblob(32), NULL"
            " FROM copy, journal JOIN accounts ON number = account WHERE sequence = head",
            (count,),
        )
        connection.execute("UPDATE accounts SET head = head + ? WHERE head > 0", (count,))
    connection.close()


@asynccontextmanager
async def slow_reader(gateway: Gateway, name: str) -> AsyncIterator[asyncio.StreamReader]:
    """A client that has asked for an export and reads what the test reads."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # else the kernels take whole exports of packed rows
    peer.setblocking(False)
    await asyncio.get_running_loop().sock_connect(peer, ("127.0.0.1", gateway.server.port))
    reader, writer = await asyncio.open_connection(sock=peer, limit=4_096)
    lines = (
        f"GET {gateway.account}/exports/{name} HTTP/1.1",
        "Host: localhost",
        f"x-api-key: {gateway.tenants.key}",
    )
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        yield reader
    finally:
        writer.transport.abort()


async def rows_read(gateway: Gateway) -> int:
    """How many rows exports have read of the journal."""
    for line in (await gateway.client.get("/metrics")).text.splitlines():
        if line.startswith('dropcopy_exported_rows_total{records="journal"}'):
            return int(float(line.split()[-1]))
    return 0


async def settled(gateway: Gateway, quiet_s: float = 0.5) -> int:
    """How many rows were read once no more are."""
    loop = asyncio.get_running_loop()
    count, since = -1, loop.time()
    while loop.time() - since < quiet_s:
        now = await rows_read(gateway)
        if now != count:
            count, since = now, loop.time()
        await asyncio.sleep(0.02)
    return count


async def test_no_more_is_read_than_the_client_takes(gateway: Gateway, tmp_path: Path) -> None:
    """Of an export of more than 40 MB: what is read ahead is what the sockets hold, and a page."""
    await lengthen_journal(tmp_path, gateway, MANY)
    async with slow_reader(gateway, "journal") as reader:
        assert b"200 OK" in await reader.readuntil(b"\r\n")
        ahead = await settled(gateway)
        assert 0 < ahead < MANY * 3 // 4
        await reader.readexactly(4 * 1024 * 1024)
        further = await settled(gateway)
        assert ahead < further < MANY
    assert await settled(gateway) < MANY, "nothing is read for a client that is gone"
    assert len((await gateway.get("orders"))["data"]) == 1


async def test_a_client_that_reads_nothing_is_cut_off(tmp_path: Path, tenants: Tenants) -> None:
    limits = Limits(dispatch_deadline_s=600, stall_s=0.3, exports_at_once=1)
    async with opened(tmp_path, tenants, limits) as gateway:
        await lengthen_journal(tmp_path, gateway, MANY)
        async with slow_reader(gateway, "journal") as reader:
            assert b"200 OK" in await reader.readuntil(b"\r\n")
            busy = await gateway.client.get(f"{gateway.account}/exports/orders")
            assert (busy.status_code, busy.json()["code"]) == (503, "overloaded")
            assert busy.headers["retry-after"]
            async with asyncio.timeout(60):
                while (await gateway.client.get(f"{gateway.account}/exports/orders")).status_code == 503:
                    await asyncio.sleep(0.05)
            with pytest.raises(asyncio.IncompleteReadError):
                async with asyncio.timeout(60):
                    await _read_whole(reader)
        assert read_csv(await export(gateway, "orders"))


async def test_an_organization_leaves_the_others_a_place(tmp_path: Path, tenants: Tenants) -> None:
    """Ours takes as many as it may, and the foreign one has its place still."""
    limits = Limits(dispatch_deadline_s=600, stall_s=3_600, exports_at_once=3, exports_per_organization=2)
    foreign_account, foreign = f"/v1/accounts/{tenants.foreign_account_id}", {"x-api-key": tenants.foreign_key}
    async with opened(tmp_path, tenants, limits) as gateway:
        await lengthen_journal(tmp_path, gateway, MANY)

        async def asked(headers: dict[str, str] | None = None) -> tuple[int, str | None]:
            account = foreign_account if headers else gateway.account
            one = await gateway.client.get(f"{account}/exports/orders", headers=headers)
            assert one.is_success or one.json()["code"] == "overloaded"
            return one.status_code, one.headers.get("retry-after")

        async with slow_reader(gateway, "journal") as first, slow_reader(gateway, "journal") as second:
            for reader in (first, second):
                assert b"200 OK" in await reader.readuntil(b"\r\n")
            assert await asked() == (503, "1")
            assert await asked(foreign) == (200, None)
        async with asyncio.timeout(60):
            while (await asked())[0] == 503:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize(("form", "count"), [("csv", MANY), ("parquet", 8 * MANY)])
async def test_a_client_that_goes_in_the_middle_leaves_nothing_behind(
    tmp_path: Path, tenants: Tenants, form: str, count: int
) -> None:
    """Its place is free at once, however patient the gateway is; and while it reads no snapshot of the journal is held:
    all of the write-ahead log can be taken over."""
    limits = Limits(dispatch_deadline_s=600, stall_s=3_600, exports_at_once=1)
    async with opened(tmp_path, tenants, limits) as gateway:
        await lengthen_journal(tmp_path, gateway, count)
        async with slow_reader(gateway, f"journal?format={form}") as reader:
            assert b"200 OK" in await reader.readuntil(b"\r\n")
            assert await settled(gateway) < count
            assert (await gateway.client.get(f"{gateway.account}/exports/orders")).status_code == 503
            await gateway.create()
            connection = sqlite3.connect(tmp_path / DATABASE_NAME)
            busy, left, taken = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.close()
            assert (busy, left - taken) == (0, 0)
        async with asyncio.timeout(60):
            while (await gateway.client.get(f"{gateway.account}/exports/orders")).status_code == 503:
                await asyncio.sleep(0.02)


async def _read_whole(reader: asyncio.StreamReader) -> None:
    """An HTTP client's reading of a chunked body. Raises IncompleteReadError for one that breaks off."""
    await reader.readuntil(b"\r\n\r\n")
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        await reader.readexactly(size + 2)

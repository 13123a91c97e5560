"""The book's rows: records to column values and back, and the statements that write a decision.

Decimals are exact text, enumerations their names.
"""

import json
import sqlite3
from dataclasses import replace
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

from dropcopyd.brokers.paper.plan import render_plan
from dropcopyd.brokers.paper.records import (
    CommandRecord,
    Decision,
    Execution,
    NumberedReport,
    PaperOrder,
    PaperStatus,
    Quote,
    Standing,
)
from dropcopyd.brokers.paper.runs import Run, run_body, run_from
from dropcopyd.domain import money
from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.catalogue import instrument_of, row_of
from dropcopyd.domain.instrument import AssetClass, Instrument, InstrumentKey, key_of
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms, OrderType, TimeInForce
from dropcopyd.domain.report import Acknowledged, AdjustmentReport, Fee, Liquidity, OrderReport, Refused, ReportKind

Row = tuple[Any, ...]

ORDER_COLUMNS: Final = (
    "number, external_order_id, account_id, side, order_type, quantity, time_in_force, limit_price, stop_price, "
    "trail_amount, trail_percent, live_command_id, priority, entered_at_ns, trade_date, filled_quantity, status, "
    "since_ns, triggered, asset_class, symbol"
)
STANDING_COLUMNS: Final = "asset_class, symbol, account_id, source, place, bid, ask, bid_size, ask_size, at_ns"
COMMAND_COLUMNS: Final = (
    "broker_command_id, account_id, action_type, order_number, external_order_id, reason_code, reason"
)
_AMOUNTS: Final = (
    "quantity",
    "limit_price",
    "stop_price",
    "trail_amount",
    "cumulative_quantity",
    "last_quantity",
    "last_price",
)
_DELTAS: Final = ("quantity_delta", "cost_delta", "cash_delta")
_TEXTS: Final = (
    "broker_command_id",
    "external_order_id",
    "broker_sent_at_ns",
    "raw_status",
    "reason_code",
    "reason",
    "exec_id",
    "exec_ref_id",
    "trade_date",
    "venue",
)
_texts_of: Final = attrgetter(*_TEXTS)
_amounts_of: Final = attrgetter(*_AMOUNTS)
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


def text_of(value: Decimal | None) -> str | None:
    """A decimal as stored; None stays NULL."""
    return None if value is None else money.render(value)


def decimal_of(text: str | None) -> Decimal | None:
    """The other way: exact, and without bounds, since the text is our own."""
    return None if text is None else Decimal(text)


def definition_of(instrument: Instrument) -> str:
    """An instrument as stored."""
    return json.dumps(row_of(instrument), separators=(",", ":"))


def instrument_from(definition: str) -> Instrument:
    """The other way."""
    return instrument_of(json.loads(definition))


def order_row(order: PaperOrder) -> Row:
    """Values for ORDER_COLUMNS."""
    terms = order.terms
    return (
        order.number,
        order.external_order_id,
        order.account_id,
        order.side,
        terms.order_type,
        money.render(terms.quantity),
        terms.time_in_force,
        text_of(terms.limit_price),
        text_of(terms.stop_price),
        text_of(terms.trail_amount),
        text_of(terms.trail_percent),
        order.live_command_id,
        order.priority,
        order.entered_at_ns,
        order.trade_date,
        money.render(order.filled_quantity),
        order.status,
        order.since_ns,
        order.is_triggered,
        order.instrument.asset_class,
        order.instrument.symbol,
    )


def order_from(row: Row, instrument: Instrument) -> PaperOrder:
    """The order of ORDER_COLUMNS' values; its instrument has been looked up."""
    return PaperOrder(
        number=row[0],
        external_order_id=row[1],
        account_id=row[2],
        instrument=instrument,
        side=OrderSide(row[3]),
        terms=OrderTerms(
            order_type=OrderType(row[4]),
            quantity=Decimal(row[5]),
            time_in_force=TimeInForce(row[6]),
            limit_price=decimal_of(row[7]),
            stop_price=decimal_of(row[8]),
            trail_amount=decimal_of(row[9]),
            trail_percent=decimal_of(row[10]),
        ),
        live_command_id=row[11],
        priority=row[12],
        entered_at_ns=row[13],
        trade_date=row[14],
        filled_quantity=Decimal(row[15]),
        status=PaperStatus(row[16]),
        since_ns=row[17],
        is_triggered=bool(row[18]),
    )


def command_row(record: CommandRecord) -> Row:
    """Values for COMMAND_COLUMNS."""
    head = (record.broker_command_id, record.account_id, record.action_type, record.order_number)
    if isinstance(record.answer, Refused):
        return (*head, None, record.answer.reason_code, record.answer.reason)
    return (*head, record.answer.external_order_id, None, None)


def command_from(row: Row) -> CommandRecord:
    """The other way."""
    answer = Acknowledged(row[4]) if row[5] is None else Refused(row[5], row[6])
    return CommandRecord(row[0], row[1], ActionType(row[2]), row[3], answer)


def standing_row(standing: Standing) -> Row:
    """Values for STANDING_COLUMNS."""
    quote = standing.quote
    amounts = (money.render(amount) for amount in (quote.bid, quote.ask, quote.bid_size, quote.ask_size))
    instrument = standing.instrument
    place = (standing.account_id, standing.source, standing.place)
    return (instrument.asset_class, instrument.symbol, *place, *amounts, standing.at_ns)


def standing_from(row: Row, instrument: Instrument) -> Standing:
    """The standing of STANDING_COLUMNS' values; its instrument has been looked up."""
    bid, ask, bid_size, ask_size = (Decimal(text) for text in row[5:9])
    return Standing(instrument, row[3], row[4], Quote(bid, ask, bid_size, ask_size), row[9], row[2])


def report_body(report: OrderReport | AdjustmentReport) -> str:
    """A report as stored: JSON without what is None, and without its cursor, which is its number."""
    if isinstance(report, AdjustmentReport):
        return _adjustment_body(report)
    body: dict[str, Any] = {"kind": report.kind}
    if report.liquidity is not None:
        body["liquidity"] = report.liquidity
    texts, amounts = zip(_TEXTS, _texts_of(report), strict=True), zip(_AMOUNTS, _amounts_of(report), strict=True)
    body |= {name: value for name, value in texts if value is not None}
    body |= {name: money.render(value) for name, value in amounts if value is not None}
    if report.fees:
        body["fees"] = [[fee.kind, money.render(fee.amount), fee.currency] for fee in report.fees]
    return _ENCODER.encode(body)


def _adjustment_body(report: AdjustmentReport) -> str:
    body: dict[str, Any] = {
        "adjustment_id": report.adjustment_id,
        "kind": report.kind,
        "key": report.key,
        "currency": report.currency,
        "note": report.note,
        "broker_sent_at_ns": report.broker_sent_at_ns,
    }
    body |= {name: text_of(getattr(report, name)) for name in _DELTAS}
    return json.dumps(body, separators=(",", ":"))


def adjustment_from(body: str, cursor: str) -> AdjustmentReport:
    """An adjustment's report as it was stored."""
    values: dict[str, Any] = json.loads(body)
    values["kind"] = AdjustmentKind(values["kind"])
    if values["key"] is not None:
        values["key"] = (AssetClass(values["key"][0]), values["key"][1])
    values |= {name: decimal_of(values[name]) for name in _DELTAS}
    return AdjustmentReport(**values, cursor=cursor)


def any_report_from(body: str, cursor: str) -> OrderReport | AdjustmentReport:
    """A report of either kind."""
    return adjustment_from(body, cursor) if body.startswith('{"adjustment_id"') else report_from(body, cursor)


def report_from(body: str, cursor: str) -> OrderReport:
    """A report of an order as it was stored."""
    values: dict[str, Any] = json.loads(body)
    values["kind"] = ReportKind(values["kind"])
    if "liquidity" in values:
        values["liquidity"] = Liquidity(values["liquidity"])
    for name in _AMOUNTS:
        if name in values:
            values[name] = Decimal(values[name])
    fees = tuple(Fee(kind, Decimal(amount), currency) for kind, amount, currency in values.pop("fees", ()))
    return OrderReport(**values, fees=fees, cursor=cursor)


def apply(connection: sqlite3.Connection, decision: Decision, known: set[InstrumentKey]) -> None:
    """Write everything that a decision changed, inside the caller's transaction. Raises sqlite3.Error.

    `known`: the instruments that were written before, on this connection.
    """
    many = _Writing(connection)
    new = {key: instrument for key, instrument in decision.instruments.items() if key not in known}
    many(
        "INSERT INTO instruments (asset_class, symbol, definition) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(*key, definition_of(instrument)) for key, instrument in new.items()],
    )
    known.update(new)
    many(_UPSERT_ORDER, [order_row(order) for order in decision.orders.values()])
    many(_INSERT_COMMAND, [command_row(record) for record in decision.commands])
    many(
        "INSERT INTO submits (broker_command_id, account_id, action_type, at_ns) VALUES (?, ?, ?, ?)",
        [(entry.broker_command_id, entry.account_id, entry.action_type, entry.at_ns) for entry in decision.submits],
    )
    many(_INSERT_EXECUTION, [_execution_row(execution) for execution in decision.executions])
    many(
        "INSERT INTO reports (account_id, number, order_number, broker_command_id, body) VALUES (?, ?, ?, ?, ?)",
        [_report_row(report) for report in decision.reports],
    )
    many(
        "INSERT INTO positions (account_id, asset_class, symbol, quantity, cost) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET quantity = excluded.quantity, cost = excluded.cost",
        [
            (account_id, *key, money.render(held.quantity), money.render(held.cost))
            for (account_id, key), held in decision.holdings.items()
        ],
    )
    _apply_money(many, decision)
    many(
        "INSERT INTO adjustments (account_id, number, name, asked, body) VALUES (?, ?, ?, ?, ?)",
        [(one.account_id, one.number, one.key, one.asked, report_body(one.report)) for one in decision.adjustments],
    )
    many(
        "UPDATE executions SET quantity_now = ?, price_now = ?, amended_by = ? WHERE number = ?",
        [
            (money.render(one.quantity), money.render(one.price), one.amended_by, one.number)
            for one in decision.amendments
        ],
    )
    many(_UPSERT_RUN, [_run_row(run) for run in decision.runs.values()])
    many(
        "DELETE FROM standings WHERE asset_class = ? AND symbol = ? AND account_id = ?",
        [(*key_of(one.instrument), one.account_id) for one in decision.released],
    )
    many(_UPSERT_STANDING, [standing_row(standing) for standing in decision.standings.values()])


class _Writing:
    """`executemany` where there is something to write: most kinds of rows are in few decisions."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._many = connection.executemany

    def __call__(self, statement: str, rows: list[Row]) -> None:
        if rows:
            self._many(statement, rows)


def _apply_money(many: _Writing, decision: Decision) -> None:
    """Accounts, cash and places in queues."""
    many(
        "INSERT INTO accounts (account_id, plan) VALUES (?, ?)",
        [(account_id, render_plan(plan)) for account_id, plan in decision.plans.items()],
    )
    many(
        "INSERT INTO cash (account_id, currency, amount) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET amount = excluded.amount",
        [(*name, money.render(amount)) for name, amount in decision.cash.items()],
    )
    many(
        "INSERT INTO places (order_number, priority, ahead) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET priority = excluded.priority, ahead = excluded.ahead",
        [(number, place.priority, money.render(place.ahead)) for number, place in decision.places.items()],
    )


def _execution_row(execution: Execution) -> Row:
    return (
        execution.number,
        execution.exec_id,
        execution.order_number,
        execution.account_id,
        execution.side,
        money.render(execution.quantity),
        money.render(execution.price),
        execution.at_ns,
        execution.trade_date,
        execution.report_number,
    )


def _report_row(numbered: NumberedReport) -> Row:
    report = numbered.report
    command_id = report.broker_command_id if isinstance(report, OrderReport) else ""
    return numbered.account_id, numbered.number, numbered.order_number, command_id, report_body(report)


def _run_row(run: Run) -> Row:
    last = "" if run.last is None else report_body(run.last)
    return run.name, run.account_id, run.script, run.order_number, run.is_over, run_body(run, last)


def run_of(row: Row) -> Run:
    """The run of (name, account_id, script, order_number, body)."""
    run, last = run_from(*row)
    return replace(run, last=report_from(last, "") if last else None)


def _updates(names: str) -> str:
    return ", ".join(f"{name} = excluded.{name}" for name in names.split())


_UPSERT_ORDER: Final = (
    f"INSERT INTO orders ({ORDER_COLUMNS}) VALUES ({', '.join('?' * 21)})"  # noqa: S608 - our own words
    " ON CONFLICT (number) DO UPDATE SET "
    + _updates(
        "order_type quantity time_in_force limit_price stop_price trail_amount trail_percent live_command_id priority"
        " trade_date filled_quantity status since_ns triggered"
    )
)
_INSERT_COMMAND: Final = f"INSERT INTO commands ({COMMAND_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own words
_INSERT_EXECUTION: Final = (
    "INSERT INTO executions"
    " (number, exec_id, order_number, account_id, side, quantity, price, at_ns, trade_date, report_number)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPSERT_RUN: Final = (
    "INSERT INTO runs (name, account_id, script, order_number, is_over, body) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608
    " ON CONFLICT DO UPDATE SET " + _updates("order_number is_over body")
)
_UPSERT_STANDING: Final = (
    f"INSERT INTO standings ({STANDING_COLUMNS}) VALUES ({', '.join('?' * 10)})"  # noqa: S608 - our own words
    " ON CONFLICT DO UPDATE SET " + _updates("source place bid ask bid_size ask_size at_ns")
)

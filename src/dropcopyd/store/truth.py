"""Amendments and parked reports: their rows, and what one batch writes of them."""

import json
import sqlite3
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final

from dropcopyd.domain import money
from dropcopyd.domain.account import Account
from dropcopyd.domain.amendment import Amendment, AmendmentKind
from dropcopyd.domain.event import Batch
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.order import OrderSide, OrderTerms, OrderType, OrderVenue, TimeInForce
from dropcopyd.domain.parking import Parked
from dropcopyd.domain.report import Fee, Liquidity, OrderReport, ReportedOrder, ReportKind
from dropcopyd.store import rows

_DECIMALS: Final = (
    "quantity",
    "limit_price",
    "stop_price",
    "cumulative_quantity",
    "last_quantity",
    "last_price",
    "trail_amount",
    "trail_percent",
)


def write(connection: sqlite3.Connection, account: int, batch: Batch) -> None:
    """What a batch holds of them, in its transaction."""
    for amendment in batch.amendments:
        values = amendment_values(account, amendment)
        connection.execute(rows.insert_sql("amendments", tuple(values)), values)
        connection.execute(
            "UPDATE trades SET effective_quantity = ?, effective_price = ?"
            " WHERE account = ? AND order_id = ? AND execution_key = ?",
            (
                values["quantity_after"],
                values["price_after"],
                account,
                amendment.order_id,
                amendment.execution_key,
            ),
        )
    for parked in batch.parked:
        connection.execute(
            "INSERT INTO parked VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (account, parked.key, parked.order_id, json.dumps(report_values(parked.report)), parked.at_ns),
        )
    for key in batch.unparked:
        connection.execute("DELETE FROM parked WHERE account = ? AND parking_key = ?", (account, key))


def amendment_values(account: int, amendment: Amendment) -> rows.Values:
    """The row of an amendment."""
    return {
        "account": account,
        "kind": amendment.kind.value,
        "order_id": amendment.order_id,
        "intent_id": amendment.intent_id,
        "external_order_id": amendment.external_order_id,
        "asset_class": amendment.instrument.asset_class.value,
        "symbol": amendment.instrument.symbol,
        "order_side": amendment.order_side.value,
        "execution_key": amendment.execution_key,
        "amendment_key": amendment.amendment_key,
        "exec_id": amendment.exec_id,
        "new_exec_id": amendment.new_exec_id,
        "quantity_before": money.render(amendment.quantity_before),
        "price_before": money.render(amendment.price_before),
        "quantity_after": money.render(amendment.quantity_after),
        "price_after": money.render(amendment.price_after),
        "received_at_ns": amendment.received_at_ns,
        "reason": amendment.reason,
        "broker_sent_at_ns": amendment.broker_sent_at_ns,
    }


def amendment_of(row: sqlite3.Row, account: Account, instruments: rows.Instruments) -> Amendment:
    """The amendment of a row."""
    amounts = ("quantity_before", "price_before", "quantity_after", "price_after")
    return Amendment(
        account_id=account.account_id,
        organization_id=account.organization_id,
        kind=AmendmentKind(row["kind"]),
        order_id=row["order_id"],
        intent_id=row["intent_id"],
        external_order_id=row["external_order_id"],
        instrument=instruments((AssetClass(row["asset_class"]), row["symbol"])),
        order_side=OrderSide(row["order_side"]),
        execution_key=row["execution_key"],
        amendment_key=row["amendment_key"],
        exec_id=row["exec_id"],
        new_exec_id=row["new_exec_id"],
        received_at_ns=row["received_at_ns"],
        reason=row["reason"],
        broker_sent_at_ns=row["broker_sent_at_ns"],
        **{name: Decimal(row[name]) for name in amounts},
    )


def amendments_of_order(
    connection: sqlite3.Connection, account: Account, order_id: str, instruments: rows.Instruments
) -> list[Amendment]:
    """Every amendment of an order's executions, in the order they were taken in."""
    found = connection.execute(
        "SELECT * FROM amendments WHERE account = ? AND order_id = ? ORDER BY number", (account.number, order_id)
    )
    return [amendment_of(row, account, instruments) for row in found]


def parked(connection: sqlite3.Connection, account: Account) -> list[Parked]:
    """The reports that wait, oldest first."""
    found = connection.execute(
        "SELECT parking_key, order_id, report, at_ns FROM parked WHERE account = ? ORDER BY at_ns, parking_key",
        (account.number,),
    )
    return [Parked(key, order_id, report_of(json.loads(report)), at_ns) for key, order_id, report, at_ns in found]


def report_values(report: OrderReport) -> dict[str, Any]:
    """A report as JSON values, without what it does not say."""
    values: dict[str, Any] = {}
    for field in fields(report):
        value = getattr(report, field.name)
        if value is None or value in ((), ""):
            continue
        match value:
            case Decimal():
                values[field.name] = money.render(value)
            case ReportedOrder():
                values[field.name] = _described(value)
            case tuple():
                values[field.name] = [[fee.kind, money.render(fee.amount), fee.currency] for fee in value]
            case _:
                values[field.name] = value
    return values


def _described(order: ReportedOrder) -> dict[str, Any]:
    terms = {field.name: getattr(order.terms, field.name) for field in fields(order.terms)}
    return {
        "key": list(order.key),
        "order_side": order.order_side,
        "order_venue": order.order_venue,
        "client_reference_id": order.client_reference_id,
        "terms": {
            name: money.render(value) if isinstance(value, Decimal) else value
            for name, value in terms.items()
            if value is not None
        },
    }


def report_of(values: dict[str, Any]) -> OrderReport:
    """The report of its JSON values."""
    facts = _amounts(values)
    facts["kind"] = ReportKind(values["kind"])
    facts.setdefault("broker_command_id", "")
    if "liquidity" in facts:
        facts["liquidity"] = Liquidity(facts["liquidity"])
    if "fees" in facts:
        facts["fees"] = tuple(Fee(kind, Decimal(amount), currency) for kind, amount, currency in facts["fees"])
    if "order" in facts:
        facts["order"] = _reported_order(facts["order"])
    return OrderReport(**facts)


def _reported_order(values: dict[str, Any]) -> ReportedOrder:
    terms = _amounts(values["terms"])
    terms["order_type"] = OrderType(terms["order_type"])
    terms["time_in_force"] = TimeInForce(terms["time_in_force"])
    return ReportedOrder(
        key=(AssetClass(values["key"][0]), values["key"][1]),
        order_side=OrderSide(values["order_side"]),
        terms=OrderTerms(**terms),
        order_venue=OrderVenue(values["order_venue"]),
        client_reference_id=values["client_reference_id"],
    )


def _amounts(values: dict[str, Any]) -> dict[str, Any]:
    return {name: Decimal(value) if name in _DECIMALS else value for name, value in values.items()}

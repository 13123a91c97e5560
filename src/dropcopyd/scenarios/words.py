"""What the words of a scenario file mean: execution reports to the kinds of the `Broker` port, OrdStatus to ours."""

from decimal import Decimal
from typing import Any, Final

from dropcopyd.domain.report import ReportKind

Row = dict[str, Any]
_KINDS: Final = {
    "NEW": ReportKind.ACCEPTED,
    "PARTIAL_FILL": ReportKind.TRADE,
    "FILL": ReportKind.TRADE,
    "TRADE": ReportKind.TRADE,
    "TRADE_CANCEL": ReportKind.BUST,
    "TRADE_CORRECT": ReportKind.CORRECTION,
    "CANCELED": ReportKind.CANCELLED,
    "EXPIRED": ReportKind.CANCELLED,
    "CALCULATED": ReportKind.CANCELLED,
    "PENDING_CANCEL": ReportKind.PENDING_CANCEL,
    "PENDING_REPLACE": ReportKind.PENDING_REPLACE,
    "REPLACE": ReportKind.REPLACED,
    "REPLACED": ReportKind.REPLACED,
    "RESTATED": ReportKind.RESTATED,
    "DONE_FOR_DAY": ReportKind.DONE_FOR_DAY,
    "STOPPED": ReportKind.STOPPED,
    "TRIGGERED": ReportKind.TRIGGERED,
    "TRIGGERED_OR_ACTIVATED_BY_SYSTEM": ReportKind.TRIGGERED,
}
_ANSWERED: Final = {**_KINDS, "PARTIALLY_FILLED": ReportKind.ACCEPTED, "FILLED": ReportKind.ACCEPTED}
_SAME_WORD: Final = ("NEW", "PARTIALLY_FILLED", "FILLED", "PENDING_CANCEL", "PENDING_REPLACE", "STOPPED", "REJECTED")


def kinds_of(out: Row) -> list[ReportKind]:
    """What an execution report means: its transaction type first, and for a rejection its OrdStatus [F.1.b]."""
    transaction, status = out.get("exec_trans_type"), out.get("ord_status")
    if transaction == "CANCEL":
        return [ReportKind.BUST]
    if transaction == "CORRECT":
        return [ReportKind.CORRECTION]
    kind = None if transaction == "STATUS" else _KINDS.get(out.get("exec_type") or "")
    if kind is not None:
        return [kind]
    if status == "REJECTED":
        return [ReportKind.REJECTED]
    if not out.get("exec_type") and transaction != "STATUS" and out.get("last_qty"):
        return [ReportKind.TRADE]  # before FIX 4.2 there was no ExecType
    answered = _ANSWERED.get(status or "")
    return [ReportKind.STATUS] if answered is None else [answered, ReportKind.STATUS]


def expected_status(out: Row) -> str:
    """The contract's status of an OrdStatus."""
    status, filled, quantity = out["ord_status"], out.get("cum_qty") or 0, out.get("order_qty")
    if status in _SAME_WORD:
        return str(status)
    if status in ("CANCELED", "EXPIRED"):
        return "CANCELLED"
    if status == "CALCULATED" or (status == "DONE_FOR_DAY" and not out.get("leaves_qty")):
        return "FILLED" if filled == quantity else "CANCELLED"
    if status == "REPLACED" and filled and filled == quantity:
        return "FILLED"
    if status == "PENDING_NEW":
        return "PENDING_NEW"
    return "PARTIALLY_FILLED" if filled else "NEW"


def is_status_answer(out: Row) -> bool:
    """Whether it answers a status request: nothing happened."""
    return out.get("exec_trans_type") == "STATUS" or out.get("exec_type") == "ORDER_STATUS"


def amount(value: object) -> Decimal | None:
    """A figure, None where none is printed."""
    return None if value is None else Decimal(str(value))

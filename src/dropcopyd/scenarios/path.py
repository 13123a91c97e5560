"""One path of a scenario: its rows played on a stage, the order compared after each."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from dropcopy import proto as pb
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.order import OrderSide, OrderTerms, OrderType, TimeInForce
from dropcopyd.domain.report import (
    CORPORATE_ACTION_REASON,
    DUPLICATE_ID_REASON,
    UNKNOWN_ORDER_REASON,
    OrderReport,
    ReportedOrder,
    ReportKind,
)
from dropcopyd.scenarios.stage import MismatchError, Named, Stage
from dropcopyd.scenarios.words import Row, amount, expected_status, is_status_answer, kinds_of

_SYMBOL: Final = "AAPL"
_SENT: Final = ("NewOrder", "Replace", "Cancel")
"""What this gateway sends; whatever else a client may say has no verb here."""
_TOLD: Final = ("ExecutionReport", "CancelReject")
"""What speaks of an order."""


@dataclass(slots=True)
class _Execution:
    """One that was said, for amendments that do not name it."""

    exec_id: str
    quantity: Decimal


class Path:
    """One path on its stage."""

    def __init__(self, stage: Stage, rows: list[Row], quirks: list[str]) -> None:
        self._stage = stage
        self._rows = rows
        self._quirky = {int(t) for quirk in quirks for t in re.findall(r"\bt=(\d+)", quirk)}
        self._named: dict[str, Named] = {}
        self._repeated: set[str] = set()
        """ClOrdIDs under which a second order was sent."""
        self._executions: list[_Execution] = []
        self._told = 0
        """Executions and amendments so far."""
        self._is_external = not self._has_order()
        outs = [row["out"] for row in rows if row.get("out")]
        is_long = _is_long(outs, is_over_days=any("day" in row for row in rows))
        self._time_in_force = TimeInForce.GOOD_TILL_CANCEL if is_long else TimeInForce.DAY
        self._quantity = next((out["order_qty"] for out in outs if out.get("order_qty")), 1)

    def _has_order(self) -> bool:
        """Whether a client sends an order here (one in cash is taken like one by telephone)."""
        ins = [row["in"] for row in self._rows if row.get("in") and row["in"]["type"] in _SENT]
        return any(one["type"] != "NewOrder" or one.get("qty") is not None for one in ins)

    async def run(self) -> list[str]:
        """The mismatches of quirky rows; raises MismatchError at the first other one."""
        told: list[str] = []
        for row in self._rows:
            try:
                if row.get("in"):
                    await self._take_in(row["in"])
                if row.get("out") and row["out"]["type"] in _TOLD:
                    await self._say(row["out"])
            except MismatchError as mismatch:
                where = f"at t={row.get('t')}" + (f" day {row['day']}" if "day" in row else "")
                if row.get("t") not in self._quirky:
                    raise MismatchError(f"{where}: {mismatch}") from mismatch
                told.append(f"{where}: {mismatch}")
        return told

    # --- what the client sends ----------------------------------------------------------------------------------

    async def _take_in(self, said: Row) -> None:
        clordid, kind = said.get("clordid"), said["type"]
        if self._is_external or kind not in _SENT:
            return
        if clordid in self._named:
            self._repeated.add(str(clordid))
            return
        if kind == "NewOrder":
            self._named[str(clordid)] = await self._create(said.get("qty") or self._quantity)
            return
        original = self._named.get(str(said.get("orig")))
        if original is None:
            original = self._named[str(said.get("orig"))] = await self._create(said.get("qty") or self._quantity)
        payload: dict[str, Any] = {"ref_intent_id": original.submission.command.intent_id}
        if kind == "Replace":
            payload["spec"] = self._spec(said.get("qty") or self._quantity)
        named = self._named[str(clordid)] = await self._stage.submit(kind.upper(), payload)
        wanted = original.submission.command.broker_command_id
        if named.submission.original_command_id != wanted:
            raise MismatchError(f"{kind} {clordid} does not name {said.get('orig')}")

    def _spec(self, quantity: object) -> dict[str, Any]:
        return {"Limit": {"price": "1", "quantity": str(quantity), "time_in_force": self._time_in_force.value}}

    async def _create(self, quantity: object) -> Named:
        payload = {"symbol": _SYMBOL, "order_side": "BUY", "spec": self._spec(quantity)}
        return await self._stage.submit("CREATE", payload)

    # --- what the broker says -----------------------------------------------------------------------------------

    async def _say(self, out: Row) -> None:
        named = self._named.get(str(out.get("clordid"))) or self._named.get(str(out.get("orig")))
        if self._is_of_nothing(out, named):
            await self._stage.settle()
            return
        if named is None and self._named:
            raise MismatchError(f"the row names {out.get('clordid')!r}, which nobody sent")
        before = dict(self._stage.orders)
        for report in self._reports(out, named):
            await self._stage.broker.say(self._stage.account_id, report)
        await self._stage.settle()
        if out.get("ord_status") == "REJECTED" and (out["type"] == "CancelReject" or self._is_repeat(out)):
            changed = [one for one, order in self._stage.orders.items() if one in before and before[one] != order]
            if changed or len(self._stage.orders) > max(1, len(before)):
                raise MismatchError("a refusal of something else changed an order or made one")
            return
        self._compare(out, named)

    def _is_of_nothing(self, out: Row, named: Named | None) -> bool:
        """A status answer about an order that nobody has: there is nothing to keep [G.1.a]."""
        is_unknown = named is None and (bool(self._named) or not self._stage.orders)
        return is_unknown and is_status_answer(out) and out.get("ord_status") == "REJECTED"

    def _is_repeat(self, out: Row) -> bool:
        """Whether a second order under a ClOrdID is rejected while the first one lives [F.1.a]."""
        named = self._named.get(str(out.get("clordid")))
        order = None if named is None else self._stage.orders.get(named.order_id)
        is_alive = order is not None and order.order_status != pb.ORDER_STATUS_PENDING_NEW
        return str(out.get("clordid")) in self._repeated and is_alive

    def _reports(self, out: Row, named: Named | None) -> list[OrderReport]:
        if out["type"] == "CancelReject":
            unknown = out.get("ord_status") == "REJECTED"
            reason = UNKNOWN_ORDER_REASON if unknown else "refused"
            return [self._report(ReportKind.REQUEST_REFUSED, {**out, "order_qty": None}, named, reason_code=reason)]
        if out.get("ord_status") == "REJECTED" and self._is_repeat(out):
            figures = {**out, "order_qty": None, "cum_qty": None}
            return [self._report(ReportKind.REJECTED, figures, named, reason_code=DUPLICATE_ID_REASON)]
        return [self._report(kind, out, named) for kind in kinds_of(out)]

    def _report(self, kind: ReportKind, out: Row, named: Named | None, **facts: Any) -> OrderReport:
        if kind in (ReportKind.TRADE, ReportKind.CORRECTION, ReportKind.BUST):
            facts |= self._execution(kind, out, named)
        if kind is ReportKind.RESTATED and self._is_split(out, named):
            facts["reason_code"] = CORPORATE_ACTION_REASON
        if named is None:
            facts |= {"external_order_id": f"desk-{self._stage.account_id}", "order": self._described()}
        return OrderReport(
            kind=kind,
            broker_command_id="" if named is None else named.submission.command.broker_command_id,
            raw_status=out.get("ord_status"),
            quantity=amount(out.get("order_qty")),
            cumulative_quantity=amount(out.get("cum_qty")),
            **facts,
        )

    def _execution(self, kind: ReportKind, out: Row, named: Named | None) -> dict[str, Any]:
        """Ids and figures of an execution or an amendment; what is not printed follows from the cumulative quantity."""
        self._told += 1
        exec_id = str(out.get("exec_id") or f"execution-{self._told}")
        facts: dict[str, Any] = {"exec_id": exec_id, "exec_ref_id": out.get("exec_ref_id")}
        moved = Decimal(str(out.get("cum_qty") or 0)) - self._figures(named)[1]
        if kind is ReportKind.TRADE:
            quantity = amount(out.get("last_qty")) or moved
            self._executions.append(_Execution(exec_id, quantity))
            return {**facts, "last_quantity": quantity, "last_price": amount(out.get("last_px") or 1)}
        one = self._amended(kind, out, moved)
        facts["exec_ref_id"] = facts["exec_ref_id"] or one.exec_id
        one.exec_id = exec_id
        if kind is ReportKind.BUST:
            one.quantity = Decimal(0)
        else:
            one.quantity = amount(out.get("last_qty")) or one.quantity + moved
            facts |= {"last_quantity": one.quantity, "last_price": amount(out.get("last_px") or 1)}
        return facts

    def _amended(self, kind: ReportKind, out: Row, moved: Decimal) -> _Execution:
        """The execution that a row amends: the one it names, else the newest whose figures fit."""
        named = [one for one in self._executions if one.exec_id == out.get("exec_ref_id")]
        after = amount(out.get("last_qty")) if kind is ReportKind.CORRECTION else Decimal(0)
        fitting = [one for one in self._executions if after is not None and after - one.quantity == moved]
        found = named or fitting or self._executions
        if not found:
            raise MismatchError("the row amends an execution, and there was none")
        return found[-1]

    def _is_split(self, out: Row, named: Named | None) -> bool:
        """Whether quantity and what is filled are restated in one ratio [H.1.b]."""
        quantity, filled = self._figures(named)
        after, filled_after = Decimal(str(out.get("order_qty") or 0)), Decimal(str(out.get("cum_qty") or 0))
        return filled_after != filled and bool(filled) and after * filled == filled_after * quantity

    def _figures(self, named: Named | None) -> tuple[Decimal, Decimal]:
        """Quantity and filled quantity as the stream told them last."""
        orders = self._stage.orders
        order = orders.get(named.order_id) if named is not None else next(iter(orders.values()), None)
        return (Decimal(0), Decimal(0)) if order is None else (Decimal(order.quantity), Decimal(order.filled_quantity))

    def _described(self) -> ReportedOrder:
        terms = OrderTerms(
            order_type=OrderType.LIMIT,
            quantity=Decimal(str(self._quantity)),
            time_in_force=self._time_in_force,
            limit_price=Decimal(1),
        )
        return ReportedOrder(key=(AssetClass.EQUITY, _SYMBOL), order_side=OrderSide.BUY, terms=terms)

    # --- what the stream has told -------------------------------------------------------------------------------

    def _compare(self, out: Row, named: Named | None) -> None:
        order = self._find(named)
        theirs: dict[str, object] = {"status": expected_status(out)}
        ours: dict[str, object] = {"status": pb.OrderStatus.Name(order.order_status).removeprefix("ORDER_STATUS_")}
        if named is None:
            theirs["external_order_id"], ours["external_order_id"] = (
                f"desk-{self._stage.account_id}",
                order.external_order_id,
            )
        else:
            theirs["command_seq"], ours["command_seq"] = named.submission.command.seq, order.command_seq
        if out["type"] != "CancelReject":
            for column, name in (
                ("order_qty", "quantity"),
                ("cum_qty", "filled_quantity"),
                ("leaves_qty", "leaves_quantity"),
            ):
                if out.get(column) is not None:
                    theirs[name], ours[name] = Decimal(str(out[column])), Decimal(getattr(order, name))
        different = [f"{name} is {ours[name]}, not {theirs[name]}" for name in theirs if ours[name] != theirs[name]]
        if different:
            raise MismatchError(", ".join(different))

    def _find(self, named: Named | None) -> Any:
        orders = self._stage.orders
        order = orders.get(named.order_id) if named is not None else next(iter(orders.values()), None)
        if order is None:
            raise MismatchError("the stream has no such order")
        return order


def _is_long(outs: list[Row], *, is_over_days: bool) -> bool:
    """Whether the order goes on tomorrow: something is left when it is done for the day, else by the rows' days."""
    done = [out for out in outs if out.get("ord_status") == "DONE_FOR_DAY" and out.get("leaves_qty") is not None]
    return any(out["leaves_qty"] for out in done) if done else is_over_days

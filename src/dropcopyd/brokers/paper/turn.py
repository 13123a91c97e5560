"""One decision in the making: changes the image at once and keeps account of everything changed, to be committed."""

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal

from dropcopyd.brokers.paper.fills import consumes, fees_of
from dropcopyd.brokers.paper.funding import Wallet, wallet_of
from dropcopyd.brokers.paper.records import (
    VENUE,
    AdjustmentRecord,
    CommandRecord,
    Decision,
    Execution,
    ExecutionAmended,
    Holding,
    Image,
    NumberedReport,
    PaperOrder,
    PaperStatus,
    QueuePlace,
    Reason,
    Standing,
    consumed,
)
from dropcopyd.brokers.paper.runs import RunFill
from dropcopyd.brokers.paper.sessions import Timetable
from dropcopyd.brokers.paper.staging import trade_date_at
from dropcopyd.domain import money
from dropcopyd.domain.adjustment import Adjustment
from dropcopyd.domain.evolve import evolve
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.order import OrderSide
from dropcopyd.domain.report import AdjustmentReport, Fee, Liquidity, OrderReport, ReportKind


def cursor_of(book_id: str, number: int) -> str:
    """The place of a report in its account's sequence; names the book, so that a cursor of another one is known."""
    return f"{book_id}:{number}"


def number_of(book_id: str, cursor: str) -> int:
    """The report number that a cursor names; 0 (the beginning) for one that is not of this book."""
    book, _, number = cursor.rpartition(":")
    return int(number) if book == book_id and re.fullmatch("[0-9]{1,18}", number, re.ASCII) else 0


def prefix_of(book_id: str) -> str:
    """What tells a book's ids from those of any other book."""
    return book_id.replace("-", "")[:12]


def external_order_id_of(image: Image, number: int) -> str:
    """The paper broker's own id of an order."""
    return f"{prefix_of(image.book_id)}-{number}"


def order_number_of(image: Image, external_order_id: str | None) -> int | None:
    """The order that an id of ours names; None for an id that is not of this book."""
    prefix, _, number = (external_order_id or "").rpartition("-")
    if prefix != prefix_of(image.book_id) or not re.fullmatch("[1-9][0-9]{0,17}", number, re.ASCII):
        return None
    return int(number)


@dataclass(slots=True)
class Turn:
    """Changes of one instant, in order."""

    image: Image
    at_ns: int
    timetable: Timetable
    decision: Decision = field(default_factory=Decision)
    followed: int = 0
    """How many of the decision's executions it is settled what becomes of them later."""

    def put(self, order: PaperOrder) -> PaperOrder:
        """Keep the order as it is now."""
        self.image.orders[order.number] = order
        self.decision.orders[order.number] = order
        self.decision.instruments[key_of(order.instrument)] = order.instrument
        wallet = self.wallet(order.account_id)
        if wallet.is_limited:
            wallet.work(order, self.image.price(order.account_id, order.instrument, order.side))
        if not order.is_open:
            self.image.places.pop(order.number, None)
        return order

    def wallet(self, account_id: str) -> Wallet:
        """The account's money, with its plan; unlimited for an account that was opened without one."""
        return wallet_of(self.image, account_id)

    def queue(self, number: int, place: QueuePlace) -> None:
        """Keep a resting order's place in the queue."""
        if self.image.places.get(number) != place:
            self.image.places[number] = place
            self.decision.places[number] = place

    def remember(self, record: CommandRecord) -> None:
        """Keep the command and its answer."""
        self.image.commands[record.broker_command_id] = record
        self.decision.commands.append(record)

    def show(self, standing: Standing) -> None:
        """Record where the instrument's market stands, with this decision."""
        market = standing.market
        self.image.standings[market] = standing
        self.decision.standings[market] = standing
        self.decision.instruments[key_of(standing.instrument)] = standing.instrument

    def drop(self, standing: Standing) -> None:
        """An own market is no more."""
        self.decision.standings.pop(standing.market, None)
        self.decision.released.append(standing)

    def fill(
        self,
        order: PaperOrder,
        quantity: Decimal,
        price: Decimal,
        liquidity: Liquidity,
        trade_date: str | None = None,
        *,
        takes_displayed: bool = True,
    ) -> PaperOrder:
        """Execute part or all of the order and report it; outside an auction the displayed size is consumed, unless the
        fill is not one with the standing quote."""
        filled = money.add(order.filled_quantity, quantity)
        is_done = order.is_open and filled == order.terms.quantity  # one that was cancelled stays so, also after a bust
        status = PaperStatus.FILLED if is_done else order.status
        order = self.put(evolve(order, filled_quantity=filled, status=status))
        plan = self.wallet(order.account_id).plan
        if takes_displayed and consumes(plan) and liquidity is not Liquidity.AUCTION:
            market = self.image.market_of(order.account_id, order.instrument)
            self.show(consumed(self.image.standings[market], order.side, quantity))
        fees = fees_of(plan, order.instrument, quantity, price, liquidity)
        self.image.execution_count += 1
        execution = Execution(
            number=self.image.execution_count,
            exec_id=f"{prefix_of(self.image.book_id)}-E{self.image.execution_count}",
            order_number=order.number,
            account_id=order.account_id,
            side=order.side,
            quantity=quantity,
            price=price,
            at_ns=self.at_ns,
            trade_date=trade_date or trade_date_at(self.timetable.hours_of(order.instrument), self.at_ns),
            fees=fees,
            report_number=self.image.heads.get(order.account_id, 0) + 1,
        )
        self.decision.executions.append(execution)
        self.image.last_ns = self.at_ns
        self._book(order, quantity, price, fees)
        self.report(
            ReportKind.TRADE,
            order.live_command_id,
            order,
            exec_id=execution.exec_id,
            last_quantity=quantity,
            last_price=price,
            trade_date=execution.trade_date,
            venue=VENUE,
            liquidity=liquidity,
            fees=fees,
        )
        return order

    def amend(
        self,
        order: PaperOrder,
        fill: RunFill,
        kind: ReportKind,
        quantity: Decimal,
        price: Decimal,
        reason: str | None,
    ) -> tuple[PaperOrder, RunFill]:
        """Bust a fill (no quantity is left of it) or correct it. A filled order that has something left works again.

        The holding gives the old figures back and takes the new ones: quantity and equity are as if the fill had always
        been so. Of what trades on margin the split of equity into cash and open profit is that once the account has
        been flat. A bust gives its fees back.
        """
        filled = money.add(money.subtract(order.filled_quantity, fill.quantity), quantity)
        status = order.status
        if status in (PaperStatus.FILLED, PaperStatus.WORKING):
            status = PaperStatus.FILLED if filled == order.terms.quantity else PaperStatus.WORKING
        order = self.put(evolve(order, filled_quantity=filled, status=status))
        wallet, is_bust = self.wallet(order.account_id), kind is ReportKind.BUST
        refunds = tuple(replace(fee, amount=money.negate(fee.amount)) for fee in fill.fees) if is_bust else ()
        is_buy = order.side is OrderSide.BUY
        taken_back = money.negate(fill.quantity) if is_buy else fill.quantity
        wallet.trade(order.instrument, taken_back, fill.price, refunds)
        if quantity:
            wallet.trade(order.instrument, quantity if is_buy else money.negate(quantity), price, ())
        self.keep_money(wallet, order.instrument)
        exec_id = f"{fill.exec_id.partition('.')[0]}.{fill.amended + 1}"
        self.decision.amendments.append(ExecutionAmended(fill.number, quantity, price, exec_id))
        self.report(
            kind,
            order.live_command_id,
            order,
            reason=reason,
            exec_id=exec_id,
            exec_ref_id=fill.exec_id,
            last_quantity=None if is_bust else quantity,
            last_price=None if is_bust else price,
            trade_date=fill.trade_date,
        )
        fees = () if is_bust else fill.fees
        return order, RunFill(fill.number, exec_id, quantity, price, fill.trade_date, fees, fill.amended + 1)

    def repeat(self, order: PaperOrder, report: OrderReport) -> None:
        """Tell a report of the order once more, as it was."""
        number = self._next_number(order.account_id)
        report = replace(report, cursor=cursor_of(self.image.book_id, number))
        self.decision.reports.append(NumberedReport(order.account_id, number, order.number, report))

    def end(
        self,
        order: PaperOrder,
        status: PaperStatus,
        *,
        command_id: str | None = None,
        reason_code: str | None = None,
        reason: str | None = None,
    ) -> PaperOrder:
        """Cancel the balance, naming the command that asked for it or else the live one, and report it."""
        order = self.put(evolve(order, status=status))
        command_id = command_id or order.live_command_id
        self.report(ReportKind.CANCELLED, command_id, order, reason_code=reason_code, reason=reason)
        return order

    def report(
        self,
        kind: ReportKind,
        command_id: str,
        order: PaperOrder,
        *,
        raw_status: str | None = None,
        reason_code: str | None = None,
        reason: str | None = None,
        exec_id: str | None = None,
        exec_ref_id: str | None = None,
        last_quantity: Decimal | None = None,
        last_price: Decimal | None = None,
        trade_date: str | None = None,
        venue: str | None = None,
        liquidity: Liquidity | None = None,
        fees: tuple[Fee, ...] = (),
    ) -> None:
        """The next report of the order's account, with the order's figures as they are now."""
        number = self._next_number(order.account_id)
        report = OrderReport(
            kind=kind,
            broker_command_id=command_id,
            external_order_id=order.external_order_id,
            broker_sent_at_ns=self.at_ns,
            raw_status=raw_status or raw_status_of(order),
            reason_code=None if reason_code is None else str(reason_code),
            reason=reason,
            quantity=order.terms.quantity,
            limit_price=order.terms.limit_price,
            stop_price=order.terms.stop_price,
            trail_amount=order.terms.trail_amount,
            cumulative_quantity=order.filled_quantity,
            exec_id=exec_id,
            exec_ref_id=exec_ref_id,
            last_quantity=last_quantity,
            last_price=last_price,
            trade_date=trade_date,
            venue=venue,
            liquidity=liquidity,
            fees=fees,
            cursor=cursor_of(self.image.book_id, number),
        )
        self.decision.reports.append(NumberedReport(order.account_id, number, order.number, report))

    def report_unknown_order(self, account_id: str, command_id: str) -> None:
        """Refuse a request that names no order of the account; says nothing about any order."""
        number = self._next_number(account_id)
        report = OrderReport(
            kind=ReportKind.REQUEST_REFUSED,
            broker_command_id=command_id,
            broker_sent_at_ns=self.at_ns,
            raw_status=str(PaperStatus.REJECTED),
            reason_code=str(Reason.UNKNOWN_ORDER),
            reason="there is no such order",
            cursor=cursor_of(self.image.book_id, number),
        )
        self.decision.reports.append(NumberedReport(account_id, number, None, report))

    def adjust(self, record: AdjustmentRecord) -> AdjustmentRecord:
        """Book an adjustment, and report it as the account's next."""
        report, account_id = record.report, record.account_id
        wallet = self.wallet(account_id)
        wallet.adjust(_adjustment_of(account_id, report, record.instrument))
        self.keep_money(wallet, record.instrument)
        number = self._next_number(account_id)
        record = replace(record, report=replace(report, cursor=cursor_of(self.image.book_id, number)))
        self.decision.reports.append(NumberedReport(account_id, number, None, record.report))
        self.decision.adjustments.append(record)
        if record.key:
            self.image.adjustments[account_id, record.key] = record
        return record

    def _next_number(self, account_id: str) -> int:
        """In the account's own sequence."""
        number = self.image.heads.get(account_id, 0) + 1
        self.image.heads[account_id] = number
        return number

    def _book(self, order: PaperOrder, quantity: Decimal, price: Decimal, fees: tuple[Fee, ...]) -> None:
        """Move holding and cash, in memory and with this decision."""
        signed = quantity if order.side is OrderSide.BUY else money.negate(quantity)
        wallet = self.wallet(order.account_id)
        wallet.trade(order.instrument, signed, price, fees)
        self.keep_money(wallet, order.instrument)

    def keep_money(self, wallet: Wallet, instrument: Instrument | None) -> None:
        """Commit what the account has now: its cash, and what it holds of the instrument."""
        for currency, amount in wallet.cash.items():
            self.decision.cash[wallet.account_id, currency] = amount
        if instrument is not None:
            held = wallet.held(instrument)
            self.decision.instruments[key_of(instrument)] = instrument
            self.decision.holdings[wallet.account_id, key_of(instrument)] = Holding(held.quantity, held.cost)


def _adjustment_of(account_id: str, report: AdjustmentReport, instrument: Instrument | None) -> Adjustment:
    """The report as the rules of positions take it."""
    return Adjustment(
        account_id=account_id,
        organization_id="",
        adjustment_id=report.adjustment_id,
        kind=report.kind,
        received_at_ns=report.broker_sent_at_ns or 0,
        instrument=instrument,
        quantity_delta=report.quantity_delta or money.ZERO,
        cost_delta=report.cost_delta,
        cash_delta=report.cash_delta or money.ZERO,
        currency=report.currency,
    )


def raw_status_of(order: PaperOrder) -> str:
    """The paper broker's own word for where the order is."""
    if order.filled_quantity and order.filled_quantity == order.terms.quantity:
        return str(PaperStatus.FILLED)
    return "partially_filled" if order.is_open and order.filled_quantity else str(order.status)

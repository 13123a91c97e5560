"""Records to begin with: one account, a few instruments, commands and reports with little ceremony."""

from decimal import Decimal
from typing import Any

from dropcopyd.domain import machine
from dropcopyd.domain.account import Account, AccountConnection, AccountStatus, BrokerKind, PrincipalType
from dropcopyd.domain.command import Command, OutcomeKind, Stamps
from dropcopyd.domain.event import Batch
from dropcopyd.domain.instrument import (
    Equity,
    Future,
    Instrument,
    Perpetual,
    PerpetualUnderlying,
    Settlement,
)
from dropcopyd.domain.order import ActionType, Order, OrderSide, OrderTerms, OrderType, OrderVenue, TimeInForce
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.domain.state import AccountState

ORGANIZATION_ID = "00000000-0000-4000-8000-00000000000a"
ACCOUNT_ID = "00000000-0000-4000-8000-0000000000a1"
START_NS = 1_795_000_000_000_000_000
SECOND_NS = 1_000_000_000

AAPL = Equity(symbol="AAPL", exchange="NASDAQ", tick_size=Decimal("0.01"), quantity_increment=Decimal(1))
MSFT = Equity(symbol="MSFT")
ES = Future(
    symbol="ESZ7",
    root="ES",
    exchange="CME",
    expiration_ns=1_828_965_000_000_000_000,
    tick_size=Decimal("0.25"),
    multiplier=Decimal(50),
    currency="USD",
)


def perpetual(settlement: Settlement | None, multiplier: str = "1", symbol: str = "BTC-PERP") -> Perpetual:
    return Perpetual(
        symbol=symbol,
        base="BTC",
        quote="USD",
        venue="PAPER",
        underlying=PerpetualUnderlying.CRYPTO,
        settlement=settlement,
        multiplier=Decimal(multiplier),
        funding_interval_s=28_800,
        tick_size=Decimal("0.5"),
        quantity_increment=Decimal("0.001"),
    )


INVERSE = perpetual(Settlement.INVERSE, "100", "BTCUSD-INVERSE")
LINEAR = perpetual(Settlement.LINEAR, "0.01")


def account(number: int = 1, account_id: str = ACCOUNT_ID, organization_id: str = ORGANIZATION_ID) -> Account:
    return Account(number, account_id, organization_id, f"account {number}", BrokerKind.PAPER)


def fresh_state(of: Account | None = None) -> AccountState:
    return AccountState(of or account(), AccountStatus(AccountConnection.LIVE, START_NS), last_ns=START_NS)


def limit_terms(quantity: str = "10", price: str = "100", **changes: Any) -> OrderTerms:
    terms: dict[str, Any] = {
        "order_type": OrderType.LIMIT,
        "quantity": Decimal(quantity),
        "time_in_force": TimeInForce.DAY,
        "limit_price": Decimal(price),
    }
    return OrderTerms(**{**terms, **changes})


def create_command(name: str = "1", at_ns: int = START_NS, **changes: Any) -> Command:
    """The create of intent `i<name>`, order `o<name>`, under the broker command id `c<name>.1`."""
    facts: dict[str, Any] = {
        "intent_id": f"i{name}",
        "seq": 1,
        "order_id": f"o{name}",
        "organization_id": ORGANIZATION_ID,
        "account_id": ACCOUNT_ID,
        "broker_command_id": f"c{name}.1",
        "action_type": ActionType.CREATE,
        "instrument": AAPL,
        "order_side": OrderSide.BUY,
        "order_venue": OrderVenue.SMART,
        "terms": limit_terms(),
        "principal_type": PrincipalType.API_KEY,
        "stamps": Stamps(received_ns=at_ns, committed_ns=at_ns),
        "deadline_ns": at_ns + 5 * SECOND_NS,
        "outcome_at_ns": at_ns,
    }
    return Command(**{**facts, **changes})


def amend_command(order: Order, action: ActionType, at_ns: int = START_NS, **changes: Any) -> Command:
    """The next command of an order's chain."""
    seq = order.last_seq + 1
    facts: dict[str, Any] = {
        "intent_id": order.intent_id,
        "seq": seq,
        "order_id": order.order_id,
        "organization_id": order.organization_id,
        "account_id": order.account_id,
        "broker_command_id": f"c{order.order_id[1:]}.{seq}",
        "action_type": action,
        "instrument": order.instrument,
        "order_side": order.order_side,
        "order_venue": order.order_venue,
        "terms": order.terms,
        "principal_type": PrincipalType.API_KEY,
        "stamps": Stamps(received_ns=at_ns, committed_ns=at_ns),
        "deadline_ns": None if action is ActionType.CANCEL else at_ns + 5 * SECOND_NS,
        "outcome_at_ns": at_ns,
    }
    return Command(**{**facts, **changes})


def report(kind: ReportKind, broker_command_id: str = "c1.1", **facts: Any) -> OrderReport:
    return OrderReport(kind=kind, broker_command_id=broker_command_id, **facts)


def trade(exec_id: str | None, quantity: str, price: str, broker_command_id: str = "c1.1", **facts: Any) -> OrderReport:
    return report(
        ReportKind.TRADE,
        broker_command_id,
        exec_id=exec_id,
        last_quantity=Decimal(quantity),
        last_price=Decimal(price),
        **{"trade_date": "2026-11-18", **facts},
    )


def bust(exec_id: str, exec_ref_id: str, broker_command_id: str = "c1.1", **facts: Any) -> OrderReport:
    return report(ReportKind.BUST, broker_command_id, exec_id=exec_id, exec_ref_id=exec_ref_id, **facts)


def correction(
    exec_id: str,
    exec_ref_id: str,
    quantity: str | None,
    price: str | None,
    broker_command_id: str = "c1.1",
    **facts: Any,
) -> OrderReport:
    return report(
        ReportKind.CORRECTION,
        broker_command_id,
        exec_id=exec_id,
        exec_ref_id=exec_ref_id,
        last_quantity=None if quantity is None else Decimal(quantity),
        last_price=None if price is None else Decimal(price),
        **facts,
    )


class Play:
    """One account played by hand: each verb decides, applies and keeps the batch. Time moves a second at a time."""

    def __init__(self, of: Account | None = None) -> None:
        self.state = fresh_state(of)
        self.now_ns = START_NS
        self.batches: list[Batch] = []

    def take(self, batch: Batch | None) -> Batch | None:
        if batch is not None:
            self.state.apply(batch)
            self.batches.append(batch)
        self.now_ns += SECOND_NS
        return batch

    def create(self, name: str = "1", **changes: Any) -> Command:
        command = create_command(name, max(self.now_ns, self.state.last_ns), **changes)
        self.take(machine.create(self.state, command, None))
        return command

    def amend(self, name: str, action: ActionType, **changes: Any) -> Command:
        order = self.state.chains[f"o{name}"].order
        command = amend_command(order, action, max(self.now_ns, self.state.last_ns), **changes)
        self.take(machine.amend(self.state, command, None))
        return command

    def replace(self, name: str = "1", quantity: str = "10", price: str = "100") -> Command:
        return self.amend(name, ActionType.REPLACE, terms=limit_terms(quantity, price))

    def cancel(self, name: str = "1") -> Command:
        return self.amend(name, ActionType.CANCEL)

    def begin(self, command: Command) -> Batch | None:
        return self.take(machine.begin_attempt(self.state, command, self.now_ns))

    def doubt(self, command: Command, cause: str = "no answer") -> Batch | None:
        return self.take(machine.doubt(self.state, command, cause, self.now_ns))

    def acknowledge(self, command: Command, external_order_id: str | None = None) -> Batch | None:
        return self.take(machine.acknowledge(self.state, command, external_order_id, self.now_ns))

    def refuse(self, command: Command, reason: str = "no") -> Batch | None:
        return self.take(machine.refuse(self.state, command, "refused", reason, self.now_ns))

    def not_sent(self, command: Command, reason: str = "unknown there") -> Batch | None:
        return self.take(machine.not_sent(self.state, command, reason, self.now_ns))

    def report(self, said: OrderReport) -> Batch | None:
        """Take a report in, then what waited for it, as the flow does."""
        batch = self.take(machine.take_report(self.state, said, self.now_ns, AAPL))
        waiting = True
        while waiting:
            waiting = False
            for parked in tuple(self.state.parked.values()):
                if machine.is_about(self.state, parked.order_id, parked.report, said):
                    taken = machine.take_parked(self.state, parked, self.now_ns)
                    waiting = self.take(taken) is not None or waiting
        return batch

    def order(self, name: str = "1") -> Order:
        return self.state.chains[f"o{name}"].order

    def outcome(self, name: str = "1", seq: int = 1) -> OutcomeKind:
        return self.state.chains[f"o{name}"].commands[seq].outcome

    def held(self, instrument: Instrument = AAPL) -> tuple[str, str, str]:
        """(quantity, cost, realized) of an instrument."""
        position = self.state.positions[instrument.asset_class, instrument.symbol]
        return f"{position.quantity:f}", f"{position.cost:f}", f"{position.realized_pnl:f}"

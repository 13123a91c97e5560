"""The machine under random interleavings of commands, attempts, answers and reports, against models of its own."""

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from dropcopyd.domain import machine
from dropcopyd.domain.command import Command, OutcomeKind
from dropcopyd.domain.event import Batch, EventType, Trade
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.order import ActionType, Order, OrderSide, OrderStatus
from dropcopyd.domain.position import Position
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.domain.transitions import TRANSITIONS
from tests.domain.build import AAPL, INVERSE, SECOND_NS, START_NS, Play, limit_terms, report, trade
from tests.histories.ledger import LedgerModel, ledger_of

Outcome = OutcomeKind
OUTCOMES_MAY_FOLLOW = {
    Outcome.PENDING: set(Outcome),
    Outcome.IN_DOUBT: set(Outcome),
    Outcome.ACCEPTED: {Outcome.ACCEPTED},
    Outcome.REFUSED: {Outcome.ACCEPTED},
    Outcome.NOT_SENT: {Outcome.ACCEPTED},
    Outcome.WITHHELD: {Outcome.ACCEPTED},
}
"""A final outcome stands, unless the broker proves done what was taken for refused or never sent."""
TOLD_ANEW = {
    ReportKind.RESTATED,
    ReportKind.DONE_FOR_DAY,
    ReportKind.STOPPED,
    ReportKind.TRIGGERED,
    ReportKind.STATUS,
}
REQUESTS = {ReportKind.PENDING_CANCEL, ReportKind.PENDING_REPLACE, ReportKind.REPLACED}
STATES = [kind for kind in ReportKind if kind not in (ReportKind.TRADE, ReportKind.BUST, ReportKind.CORRECTION)]

quantities = st.integers(1, 12).map(str)
prices = st.integers(1, 400).map(lambda quarters: str(Decimal(quarters) / 4))


class AccountRuns(RuleBasedStateMachine):
    """Every rule is a leg of the journey or a report. Most combinations are absurd; none may break an invariant."""

    commands: Bundle[Command] = Bundle("commands")
    said: Bundle[OrderReport] = Bundle("said")

    def __init__(self) -> None:
        super().__init__()
        self.play = Play()
        self.names = 0
        self.executions: dict[str, dict[str, tuple[Fraction, Fraction]]] = defaultdict(dict)
        self.models: dict[str, LedgerModel] = {}
        self.seen = 0
        self.last_ns = START_NS
        self.published: dict[str, Order] = {}
        self.outcomes: dict[tuple[str, int], OutcomeKind] = {}

    # --- rules ------------------------------------------------------------------------------------------------

    @rule(
        target=commands,
        side=st.sampled_from(OrderSide),
        instrument=st.sampled_from([AAPL, INVERSE]),
        quantity=quantities,
    )
    def create(self, side: OrderSide, instrument: Instrument, quantity: str) -> Command:
        self.names += 1
        terms = limit_terms(quantity)
        return self.play.create(str(self.names), order_side=side, instrument=instrument, terms=terms)

    @rule(target=commands, of=commands, quantity=quantities, is_cancel=st.booleans())
    def amend(self, of: Command, quantity: str, is_cancel: bool) -> Command:
        name = of.order_id[1:]
        return self.play.cancel(name) if is_cancel else self.play.replace(name, quantity=quantity)

    @rule(command=commands)
    def begin(self, command: Command) -> None:
        self.play.begin(command)

    @rule(command=commands)
    def doubt(self, command: Command) -> None:
        self.play.doubt(command)

    @rule(command=commands, is_refusal=st.booleans())
    def answer(self, command: Command, is_refusal: bool) -> None:
        if self.current(command).stamps.attempt_begun_ns is None:
            return
        if is_refusal:
            self.play.refuse(command)
        else:
            self.play.acknowledge(command, f"x{command.order_id}")

    @rule(command=commands)
    def prove_unknown(self, command: Command) -> None:
        if self.current(command).outcome is Outcome.IN_DOUBT:
            self.play.not_sent(command)

    @rule(command=commands)
    def expire(self, command: Command) -> None:
        begun = self.current(command).stamps.attempt_begun_ns
        batch = self.play.take(machine.expire(self.play.state, command, "late", self.play.now_ns))
        assert batch is None or begun is None

    @rule(seconds=st.integers(-30, 30))
    def turn_the_clock(self, seconds: int) -> None:
        self.play.now_ns += seconds * SECOND_NS

    @rule(target=said, command=commands, kind=st.sampled_from(STATES), quantity=st.none() | quantities)
    def take_state(self, command: Command, kind: ReportKind, quantity: str | None) -> OrderReport:
        figure = (
            None if quantity is None or kind not in (ReportKind.REPLACED, ReportKind.RESTATED) else Decimal(quantity)
        )
        one = report(kind, command.broker_command_id, quantity=figure, raw_status="?")
        self.play.report(one)
        return one

    @rule(target=said, command=commands, exec_id=st.integers(1, 5).map(str), quantity=quantities, price=prices)
    def take_trade(self, command: Command, exec_id: str, quantity: str, price: str) -> OrderReport:
        known = self.executions[command.order_id]
        if exec_id not in known:
            known[exec_id] = Fraction(quantity), Fraction(price)
            model = self.models.setdefault(command.instrument.symbol, ledger_of(command.instrument.symbol))
            model.trade(known[exec_id][0] * (1 if command.order_side is OrderSide.BUY else -1), Fraction(price))
        one = trade(exec_id, quantity, price, command.broker_command_id)
        self.play.report(one)
        return one

    @rule(one=said)
    def repeat(self, one: OrderReport) -> None:
        """A repetition changes nothing.

        (A rejection overturned since is a new claim; what a broker says unasked of how an order stands has no identity:
        told again it is told anew. So is the refusal of a request that nobody here made, while there is such a one.)
        """
        found = self.play.state.find_command(one.broker_command_id)
        assert found is not None
        names_create = found[1].action_type is ActionType.CREATE
        if one.kind in TOLD_ANEW or (names_create and one.kind in REQUESTS):
            return
        is_unasked = names_create and any(request.seq == 0 for request in found[0].order.pending)
        if one.kind is ReportKind.REQUEST_REFUSED and is_unasked:
            return
        if one.kind is ReportKind.REJECTED and not found[0].order.is_rejected:
            return
        batch = machine.take_report(self.play.state, one, self.play.now_ns)
        assert batch is None or not (batch.events or batch.orders or batch.commands or batch.trades), batch

    def current(self, command: Command) -> Command:
        return self.play.state.chains[command.order_id].commands[command.seq]

    # --- invariants -------------------------------------------------------------------------------------------

    @invariant()
    def each_batch_is_whole(self) -> None:
        for batch in self.play.batches[self.seen :]:
            self.check_events(batch)
            self.check_orders(batch)
            self.check_commands(batch)
            assert batch.at_ns >= self.last_ns, "received_at went back"
            self.last_ns = batch.at_ns
        self.seen = len(self.play.batches)

    def check_events(self, batch: Batch) -> None:
        """Every event's record is the batch's, every trade and position has its event, and each record is once."""
        last: dict[object, object] = {}
        for event in batch.events:
            match event.record:
                case Order() as order:
                    last[order.order_id] = order
                    assert order.received_at_ns == batch.at_ns
                case Command() as command:
                    last[command.order_id, command.seq] = command
                case Trade() as execution:
                    last[execution.order_id, execution.execution_key] = execution
                    assert execution.received_at_ns == batch.at_ns
                case Position() as position:
                    last[position.instrument] = position
                    assert position.received_at_ns == batch.at_ns
        records: dict[object, object] = {order.order_id: order for order in batch.orders}
        records |= {(command.order_id, command.seq): command for command in batch.commands}
        records |= {(execution.order_id, execution.execution_key): execution for execution in batch.trades}
        records |= {position.instrument: position for position in batch.positions}
        total = len(batch.orders) + len(batch.commands) + len(batch.trades) + len(batch.positions)
        assert len(records) == total, "a record stands twice in the batch"
        for key, record in last.items():
            if not isinstance(record, Command):  # a fill stamps the command after its outcome was told
                assert records[key] == record
            else:
                assert isinstance(records[key], Command)
        assert all((t.order_id, t.execution_key) in last for t in batch.trades)
        assert all(position.instrument in last for position in batch.positions)

    def check_orders(self, batch: Batch) -> None:
        told = {event.record.order_id for event in batch.events if isinstance(event.record, Order)}
        for order in batch.orders:
            before = self.published.get(order.order_id)
            assert order.leaves_quantity >= 0
            if before is not None:
                step = before.status, order.status
                assert step[0] is step[1] or step in TRANSITIONS, f"{step[0]} -> {step[1]} is not in the table"
            if before is None or visible(before) != visible(order):
                assert order.order_id in told, "a change that nobody was told"
            self.published[order.order_id] = order

    def check_commands(self, batch: Batch) -> None:
        for event in batch.events:
            if event.kind is EventType.COMMAND_OUTCOME and isinstance(event.record, Command):
                command = event.record
                key = command.order_id, command.seq
                before = self.outcomes.get(key, Outcome.PENDING)
                assert command.outcome in OUTCOMES_MAY_FOLLOW[before], f"{before} -> {command.outcome}"
                self.outcomes[key] = command.outcome
                if command.outcome is Outcome.NOT_SENT:
                    assert command.stamps.acknowledged_ns is None
        for command in batch.commands:
            assert command.outcome is self.outcomes.get((command.order_id, command.seq), Outcome.PENDING), (
                "untold outcome"
            )

    @invariant()
    def executions_add_up(self) -> None:
        for order_id, known in self.executions.items():
            chain = self.play.state.chains[order_id]
            assert Fraction(chain.order.filled_quantity) == sum(quantity for quantity, _ in known.values())
            assert len(chain.executions) == len(known)

    @invariant()
    def positions_are_the_models(self) -> None:
        for (_, symbol), position in self.play.state.positions.items():
            model = self.models[symbol].figures()
            assert Fraction(position.quantity) == model.quantity
            assert Fraction(position.cost) == model.cost
            assert Fraction(position.realized_pnl) == model.realized

    @invariant()
    def an_order_is_in_doubt_exactly_while_a_command_is(self) -> None:
        for chain in self.play.state.chains.values():
            doubtful = any(command.outcome is Outcome.IN_DOUBT for command in chain.commands.values())
            assert doubtful == (chain.order.in_doubt_since_ns is not None)

    @invariant()
    def the_indexes_agree(self) -> None:
        state = self.play.state
        for order_id, chain in state.chains.items():
            assert state.order_ids[chain.order.intent_id] == order_id
            for seq, command in chain.commands.items():
                assert state.command_ids[command.broker_command_id] == (order_id, seq)
                assert seq <= chain.order.last_seq
        assert state.unresolved() == sorted(
            (
                c
                for chain in state.chains.values()
                for c in chain.commands.values()
                if c.outcome in (Outcome.PENDING, Outcome.IN_DOUBT)
            ),
            key=lambda command: (command.stamps.committed_ns, command.seq),
        )


def visible(order: Order) -> tuple[object, ...]:
    """What a reader of the stream sees move; the broker's id of an order comes with the next report."""
    return (
        order.status,
        order.terms,
        order.filled_quantity,
        order.filled_value,
        order.leaves_quantity,
        order.in_doubt_since_ns,
        order.command_seq,
        order.received_at_ns,
        order.reason_code,
    )


AccountRuns.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAccountRuns = AccountRuns.TestCase


# --- order of arrival -----------------------------------------------------------------------------------------------


@st.composite
def journeys(draw: st.DrawFn) -> list[OrderReport]:
    """What a broker says of three orders, each in a possible order: accepted, filled in parts, replaced, cancelled."""
    said: list[OrderReport] = []
    for name in ("1", "2", "3"):
        said.append(report(ReportKind.ACCEPTED, f"c{name}.1"))
        fills = draw(st.lists(st.tuples(quantities, prices), max_size=4))
        said.extend(trade(f"e{number}", *fill, f"c{name}.1") for number, fill in enumerate(fills))
        if draw(st.booleans()):
            said.append(report(ReportKind.PENDING_REPLACE, f"c{name}.2"))
            said.append(report(draw(st.sampled_from([ReportKind.REPLACED, ReportKind.REQUEST_REFUSED])), f"c{name}.2"))
        if draw(st.booleans()):
            said.append(report(ReportKind.PENDING_CANCEL, f"c{name}.3"))
            said.append(report(ReportKind.CANCELLED, f"c{name}.3"))
    return said


def played(said: list[OrderReport]) -> Play:
    play = Play()
    for name, side in (("1", OrderSide.BUY), ("2", OrderSide.SELL), ("3", OrderSide.BUY)):
        play.begin(play.create(name, order_side=side))
        play.begin(play.replace(name, quantity="15"))
        play.begin(play.cancel(name))
    for one in said:
        play.report(one)
    return play


@given(journeys(), st.data())
def test_shuffled_and_repeated_reports_end_in_the_same_quantities(said: list[OrderReport], data: st.DataObject) -> None:
    repeats = data.draw(st.lists(st.sampled_from(said), max_size=5))
    shuffled = data.draw(st.permutations([*said, *repeats]))
    straight, crooked = played(said), played(shuffled)
    for name in ("1", "2", "3"):
        one, other = straight.order(name), crooked.order(name)
        assert (one.filled_quantity, one.filled_value) == (other.filled_quantity, other.filled_value)
        assert one.is_closed == other.is_closed
        assert one.pending == other.pending
        for seq in (1, 2, 3):
            assert straight.outcome(name, seq) is crooked.outcome(name, seq)
    assert {key: p.quantity for key, p in straight.state.positions.items()} == {
        key: p.quantity for key, p in crooked.state.positions.items()
    }


def test_no_order_ends_where_it_can_neither_trade_nor_be_over() -> None:
    """An order that is rejected or closed is forgotten only when all its questions are answered."""
    play = Play()
    command = play.create()
    play.begin(command)
    cancel = play.amend("1", ActionType.CANCEL)
    play.refuse(command)
    assert play.order().status is OrderStatus.REJECTED
    assert not play.state.chains["o1"].is_settled, "its cancel is still open"
    play.begin(cancel)
    play.refuse(cancel)
    assert play.state.chains["o1"].is_settled
    play.state.forget("o1")
    assert not play.state.chains
    assert not play.state.order_ids
    assert not play.state.command_ids

"""What holds in the paper exchange whatever comes: random commands and quotes, judged from the reports alone."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from dropcopyd.brokers.paper.records import Decision, PaperStatus, Quote
from dropcopyd.domain.order import ActionType, OrderSide, TimeInForce
from dropcopyd.domain.report import OrderReport, ReportKind
from tests.brokers.build import (
    ACCOUNT,
    BUY,
    DAY,
    FOK,
    GTC,
    IOC,
    NOON_NS,
    OTHER_ACCOUNT,
    SELL,
    D,
    Floor,
    submission,
    terms,
)

PRICES = st.integers(996, 1004).map(lambda cents: Decimal(cents).scaleb(-2))
QUANTITIES = st.integers(1, 60).map(Decimal)
TIMES = st.sampled_from([DAY, GTC, IOC, FOK])


@dataclass(frozen=True)
class Show:
    quote: Quote
    is_continuous: bool


@dataclass(frozen=True)
class Create:
    account_id: str
    side: OrderSide
    quantity: Decimal
    limit: Decimal | None
    time_in_force: TimeInForce


@dataclass(frozen=True)
class Amend:
    action: ActionType
    which: int
    quantity: Decimal
    limit: Decimal | None
    time_in_force: TimeInForce


@dataclass(frozen=True)
class NextDay:
    pass


def _quote(bid: Decimal, width: int, bid_size: int, ask_size: int) -> Quote:
    return Quote(bid, bid + Decimal(width).scaleb(-2), Decimal(bid_size), Decimal(ask_size))


shows = st.builds(
    Show, st.builds(_quote, PRICES, st.integers(1, 3), st.integers(0, 80), st.integers(0, 80)), st.booleans()
)
creates = st.builds(
    Create,
    st.sampled_from([ACCOUNT, OTHER_ACCOUNT]),
    st.sampled_from([BUY, SELL, OrderSide.SELL_SHORT]),
    QUANTITIES,
    st.none() | PRICES,
    TIMES,
)
amends = st.builds(
    Amend,
    st.sampled_from([ActionType.REPLACE, ActionType.CANCEL]),
    st.integers(0, 30),
    QUANTITIES,
    st.none() | PRICES,
    TIMES,
)
steps = st.lists(shows | shows | creates | creates | amends | st.builds(NextDay), max_size=60)
Step = Show | Create | Amend | NextDay


@dataclass
class Run:
    """A played list of steps, with the quote before and at each decision."""

    floor: Floor = field(default_factory=Floor)
    creates: list[tuple[str, Create]] = field(default_factory=list)
    chains: list[tuple[str, str]] = field(default_factory=list)
    """(command id, account) that an amend may name."""
    decisions: list[tuple[Decision, Quote | None, Quote | None, Step]] = field(default_factory=list)


def play(played: list[Step]) -> Run:
    run = Run()
    before: Quote | None = None
    now: Quote | None = None
    for number, step in enumerate(played):
        before, now = now, step.quote if isinstance(step, Show) else now
        _do(run, step, f"c{number}")
        run.decisions.append((run.floor.decisions[-1], before, now, step))
    return run


def _do(run: Run, step: Step, name: str) -> None:
    floor = run.floor
    match step:
        case Show():
            floor.show(step.quote, is_continuous=step.is_continuous)
        case Create():
            run.creates.append((name, step))
            run.chains.append((name, step.account_id))
            asked = terms(str(step.quantity), None if step.limit is None else str(step.limit), step.time_in_force)
            floor.send(submission(name, asked=asked, side=step.side, account_id=step.account_id))
        case Amend():
            original, account_id = run.chains[step.which % len(run.chains)] if run.chains else ("none", ACCOUNT)
            asked = terms(str(step.quantity), None if step.limit is None else str(step.limit), step.time_in_force)
            floor.send(submission(name, step.action, asked, original=original, account_id=account_id))
        case NextDay():
            floor.now_ns += 86_400 * 10**9
            floor.expire()


def _trades(decision: Decision) -> list[OrderReport]:
    return [report for report in decision.order_reports if report.kind is ReportKind.TRADE]


@given(steps)
def test_an_order_is_never_filled_above_its_quantity_and_its_executions_are_its_fill(played: list[Step]) -> None:
    run = play(played)
    image = run.floor.exchange.image
    executed: dict[int, Decimal] = {}
    for decision, *_ in run.decisions:
        for execution in decision.executions:
            assert execution.quantity > 0
            executed[execution.order_number] = executed.get(execution.order_number, D(0)) + execution.quantity
        for report in decision.order_reports:
            if report.cumulative_quantity is not None and report.kind is not ReportKind.REJECTED:
                assert report.quantity is not None
                assert report.cumulative_quantity <= report.quantity
    for order in image.orders.values():
        assert order.filled_quantity == executed.get(order.number, D(0)) <= order.terms.quantity
        assert (order.status is PaperStatus.FILLED) == (order.filled_quantity == order.terms.quantity)


@given(steps)
def test_positions_are_the_fold_of_the_executions(played: list[Step]) -> None:
    run = play(played)
    folded: dict[str, Decimal] = {}
    for decision, *_ in run.decisions:
        for execution in decision.executions:
            signed = execution.quantity if execution.side is BUY else -execution.quantity
            folded[execution.account_id] = folded.get(execution.account_id, D(0)) + signed
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        assert run.floor.position(account_id) == folded.get(account_id, D(0))


@given(steps)
def test_an_execution_has_the_price_of_its_instant_and_never_one_beyond_the_limit(played: list[Step]) -> None:
    for decision, before, now, step in play(played).decisions:
        sides = {execution.exec_id: execution.side for execution in decision.executions}
        for trade in _trades(decision):
            assert now is not None
            assert trade.last_price is not None
            is_buy = sides[trade.exec_id or ""] is BUY
            shown = now.ask if is_buy else now.bid
            if isinstance(step, Show) and step.is_continuous and before is not None:
                was = before.ask if is_buy else before.bid
                assert min(was, shown) <= trade.last_price <= max(was, shown)
            else:
                assert trade.last_price == shown
            if trade.limit_price is not None:
                assert trade.last_price <= trade.limit_price if is_buy else trade.last_price >= trade.limit_price


@given(steps)
def test_a_displayed_size_is_never_exceeded(played: list[Step]) -> None:
    taken = {True: D(0), False: D(0)}
    for decision, _, now, step in play(played).decisions:
        if isinstance(step, Show):
            taken = {True: D(0), False: D(0)}
        for execution in decision.executions:
            assert now is not None
            is_buy = execution.side is BUY
            taken[is_buy] += execution.quantity
            assert taken[is_buy] <= (now.ask_size if is_buy else now.bid_size)


@given(steps)
def test_fill_or_kill_fills_whole_or_not_at_all_and_nothing_immediate_rests(played: list[Step]) -> None:
    run = play(played)
    for name, created in run.creates:
        order = run.floor.order(name)
        if created.time_in_force is FOK and order.live_command_id == name:
            assert order.filled_quantity in (0, created.quantity)
        if order.terms.time_in_force in (FOK, IOC):
            assert not order.is_open


@given(steps)
def test_what_rests_is_out_of_reach_or_the_displayed_size_is_gone(played: list[Step]) -> None:
    image = play(played).floor.exchange.image
    for order in image.orders.values():
        for standing in image.standings.values():
            if not order.is_open:
                continue
            limit, shown = order.terms.limit_price, standing.quote
            is_buy = order.side is BUY
            is_reached = limit is None or (limit >= shown.ask if is_buy else limit <= shown.bid)
            assert not is_reached or not (shown.ask_size if is_buy else shown.bid_size)


@given(steps)
def test_nobody_worse_trades_while_a_better_order_waits(played: list[Step]) -> None:
    """Of two resting orders of one side reached by one quote, the worse is filled only if the better one is done."""
    run = play(played)
    orders = run.floor.exchange.image.orders
    for decision, _, _, step in run.decisions:
        if not isinstance(step, Show):
            continue
        for side in (True, False):
            filled = [orders[e.order_number] for e in decision.executions if (e.side is BUY) is side]
            assert [order.number for order in filled] == list(dict.fromkeys(order.number for order in filled))
            for done in filled[:-1]:
                assert decision.orders[done.number].status is PaperStatus.FILLED


@given(steps)
def test_the_same_steps_make_the_same_reports(played: list[Step]) -> None:
    assert play(played).floor.reports == play(played).floor.reports


@settings(max_examples=50)
@given(steps, st.integers(0, 59))
def test_a_command_repeated_at_any_time_changes_nothing(played: list[Step], which: int) -> None:
    run = play(played)
    if not run.creates:
        return
    name, created = run.creates[which % len(run.creates)]
    before = replace(run.floor.order(name))
    asked = terms(str(created.quantity), None if created.limit is None else str(created.limit), created.time_in_force)
    reports = run.floor.send(submission(name, asked=asked, side=created.side, account_id=created.account_id))
    assert reports == []
    assert run.floor.order(name) == before
    assert run.floor.now_ns > NOON_NS

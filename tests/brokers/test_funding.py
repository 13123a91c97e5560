"""What an account can afford: reservations, margin by class, cash after fills, to the last digit."""

from decimal import Decimal
from pathlib import Path

import pytest

from dropcopyd.brokers.paper.exchange import Exchange
from dropcopyd.brokers.paper.funding import wallet_of
from dropcopyd.brokers.paper.plan import Parameters, Plan, Profile, parse_plan, plan_from, render_plan
from dropcopyd.brokers.paper.records import Image
from dropcopyd.domain.order import ActionType
from dropcopyd.domain.report import Acknowledged, BalanceReport, ReportKind
from tests.brokers.build import (
    AAPL,
    ACCOUNT,
    BUY,
    NOON_NS,
    SELL,
    D,
    Floor,
    fills,
    kinds,
    packaged_instruments,
    quote,
    submission,
    terms,
)
from tests.brokers.service import serving

INSTRUMENTS = {instrument.symbol: instrument for instrument in packaged_instruments()}


def floor(cash: str, plan: Plan | None = None, currency: str = "USD", **parameters: str) -> Floor:
    """An exchange with one account that has so much."""
    values = {name: D(value) for name, value in parameters.items()}
    plan = plan or Plan(cash={currency: D(cash)}, parameters=Parameters(**values))
    exchange = Exchange(Image("b00c0000-0000-4000-8000-000000000000", NOON_NS))
    exchange.open_account(ACCOUNT, plan, NOON_NS)
    return Floor(exchange)


def cash(desk: Floor, currency: str = "USD") -> Decimal:
    return wallet_of(desk.exchange.image, ACCOUNT).cash[currency]


def balance(desk: Floor, currency: str = "USD") -> BalanceReport:
    return wallet_of(desk.exchange.image, ACCOUNT).balance(currency, desk.exchange.image.marks_of(ACCOUNT))


def test_a_margin_account_buys_twice_its_cash_and_no_more() -> None:
    """1,000 USD at 50 %: 20 shares at 100 need 1,000, the 21st would need 50 more."""
    desk = floor("1000")
    refused = desk.create("A", 21, "100")
    assert kinds(refused) == [ReportKind.REJECTED]
    assert (refused[0].reason_code, refused[0].reason) == (
        "insufficient_funds",
        "required 1050 USD, available 1000 USD",
    )
    assert kinds(desk.create("B", 20, "100")) == [ReportKind.ACCEPTED]


def test_working_orders_reserve_and_give_back_when_they_end() -> None:
    desk = floor("1000")
    desk.create("A", 15, "100")
    assert desk.create("B", 6, "100")[0].reason == "required 300 USD, available 250 USD"
    desk.cancel("C", "A")
    assert kinds(desk.create("D", 20, "100")) == [ReportKind.ACCEPTED]


def test_a_replace_is_refused_for_what_it_would_add_and_the_order_stands() -> None:
    desk = floor("1000")
    desk.create("A", 10, "100")
    reports = desk.replace("B", "A", terms(21, "100"))
    assert kinds(reports) == [ReportKind.PENDING_REPLACE, ReportKind.REQUEST_REFUSED]
    assert reports[-1].reason_code == "insufficient_funds"
    assert desk.order("A").terms.quantity == 10
    too_much = desk.create("D", 11, "100")
    assert too_much[0].reason == "required 550 USD, available 500 USD", "A has its 500 reserved as before"
    assert kinds(desk.replace("C", "A", terms(20, "100"))) == [ReportKind.PENDING_REPLACE, ReportKind.REPLACED]


def test_cash_moves_by_the_fill_and_its_fee() -> None:
    """10 at 100.02 cost 1,000.20, and 10 * 0.0035 fee: 8,999.765 are left; the sale brings it back less a fee."""
    desk = floor("10000", equity_fee_per_unit="0.0035")
    desk.show(quote("100.00", "100.02"))
    (trade,) = [report for report in desk.create("A", 10) if report.kind is ReportKind.TRADE]
    assert [(fee.kind, fee.amount, fee.currency) for fee in trade.fees] == [("COMMISSION", D("0.035"), "USD")]
    assert cash(desk) == D("8999.765")
    desk.create("B", 10, side=SELL)
    assert cash(desk) == D("9999.73")


def test_a_balance_says_what_is_left() -> None:
    """10 bought at 100.02 and marked at 100.01, 5 more working at 90."""
    desk = floor("10000")
    desk.show(quote("100.00", "100.02"))
    desk.create("A", 10)
    desk.create("B", 5, "90")
    now = balance(desk)
    assert now.cash == D("8999.80")
    assert now.equity == D("8999.80") + 10 * D("100.01")  # 9,999.90
    assert now.initial_margin == D("500.05") + D("225")
    assert now.buying_power == 2 * (D("9999.90") - D("725.05"))
    assert now.maintenance_margin == D("250.025")


def test_an_order_that_only_reduces_needs_nothing() -> None:
    desk = floor("1000")
    desk.show(quote("99.99", "100.00"))
    desk.create("A", 20)
    desk.show(quote("49.99", "50.00"))  # the account is under water
    assert kinds(desk.create("B", 1)) == [ReportKind.REJECTED]
    assert fills(desk.create("C", 20, side=SELL)) == [("C", D(20), D("49.99"))]
    assert cash(desk) == D("-0.2")


def test_selling_short_is_paid_in_and_bound_by_margin() -> None:
    """Short 10 at 100: 2,000 cash, equity 1,000 all the time, of it 500 bound."""
    desk = floor("1000")
    desk.show(quote("100.00", "100.02"))
    desk.create("A", 10, side=SELL)
    now = balance(desk)
    assert (now.cash, now.equity) == (D(2000), D("999.90"))
    assert now.initial_margin == D("500.05")
    assert now.maintenance_margin == D("300.03")


def test_crypto_is_paid_whole_and_sold_only_when_held() -> None:
    btc = INSTRUMENTS["BTC-USD"]
    desk = floor("100000")
    desk.show(quote("50000.00", "50000.01", "5", "5"), btc)
    assert desk.create("A", "2.1", "50000.01", instrument=btc)[0].reason == (
        "required 105000.021 USD, available 100000 USD"
    )
    desk.create("B", "1", "50000.01", instrument=btc)
    assert cash(desk) == D("49999.99")
    desk.create("C", "0.4", "60000", side=SELL, instrument=btc)
    refused = desk.create("D", "0.7", "60000", side=SELL, instrument=btc)
    assert (refused[0].reason_code, refused[0].reason) == (
        "insufficient_holdings",
        "required 0.7 BTC-USD, available 0.6 BTC-USD",
    )


def test_a_prediction_binds_what_it_can_lose() -> None:
    """Long 100 at 0.40 costs 40. Short 100 at 0.40 may lose 60: 60 are bound, the 40 paid in included in the cash."""
    fed = INSTRUMENTS["FED-CUT-2027-12-YES"]
    desk = floor("100")
    desk.show(quote("0.40", "0.41", "1000", "1000"), fed)
    assert desk.create("A", 167, "0.40", side=SELL, instrument=fed)[0].reason == "required 100.2 USD, available 100 USD"
    desk.create("B", 100, "0.40", side=SELL, instrument=fed)
    now = balance(desk)
    assert now.cash == D(140)
    assert now.equity == D(140) - 100 * D("0.405")
    assert now.initial_margin == D(100) - 100 * D("0.405")


def test_a_written_option_binds_a_part_of_its_strike() -> None:
    """Strike 200, multiplier 100, 20 %: 4,000 a contract."""
    call = INSTRUMENTS["AAPL271217C00200000"]
    desk = floor("7999")
    desk.show(quote("5.00", "5.10", "10", "10"), call)
    assert desk.create("A", 2, "5", side=SELL, instrument=call)[0].reason == "required 8000 USD, available 7999 USD"
    desk.create("B", 1, "5", side=SELL, instrument=call)
    assert cash(desk) == D(8499)


def test_a_future_binds_margin_and_settles_its_profit() -> None:
    """2 * 50 * 6,000 = 600,000 of value bind 60,000; sold 10 points higher they bring 1,000."""
    es = INSTRUMENTS["ESZ7"]
    desk = floor("60000")
    desk.show(quote("5999.75", "6000.00", "10", "10"), es)
    desk.create("A", 2, "6000", instrument=es)
    assert cash(desk) == D(60000)
    desk.show(quote("6010.00", "6010.25", "10", "10"), es)
    assert balance(desk).equity == D(60000) + 100 * D("10.125")
    desk.create("B", 2, side=SELL, instrument=es)
    assert cash(desk) == D(61000)


def test_an_inverse_perpetual_settles_in_its_base_asset() -> None:
    """10,000 contracts of 1 USD: 0.2 BTC at 50,000, 0.16 at 62,500; the long gains 0.04 BTC."""
    inverse = INSTRUMENTS["BTCUSD-INVERSE"]
    desk = floor("1", currency="BTC")
    desk.show(quote("49999.5", "50000", "20000", "20000"), inverse)
    desk.create("A", 10000, "50000", instrument=inverse)
    assert balance(desk, "BTC").initial_margin is not None
    desk.show(quote("62500", "62500.5", "20000", "20000"), inverse)
    desk.create("B", 10000, side=SELL, instrument=inverse)
    assert cash(desk, "BTC") == D("1.04")


def test_unlimited_money_is_not_looked_at() -> None:
    desk = floor("0", plan=Plan(cash=None, seed=1))
    desk.show(quote("100.00", "100.02", 10**9, 10**9))
    assert fills(desk.create("A", 10**9)) == [("A", D(10**9), D("100.02"))]


def test_a_plan_is_read_back_as_it_was_written() -> None:
    plan = parse_plan("realistic", seed=7, cash=["USD=5.5", "BTC=1"], parameters=["participation=0.1"])
    assert plan.cash == {"USD": D("5.5"), "BTC": D(1)}
    assert plan.parameters.participation == D("0.1")
    assert plan.parameters.crypto_taker_fee_rate == D("0.002")
    assert plan_from(render_plan(plan)) == plan
    assert parse_plan("instant", cash=["unlimited"]).cash is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"profile": "optimistic"}, "known are instant, displayed, realistic, scripted"),
        ({"profile": "instant", "seed": -1}, "seed"),
        ({"profile": "scripted"}, "a scripted account needs a scenario"),
        ({"profile": "instant", "scenario": "{}"}, "no other takes one"),
        ({"profile": "instant", "cash": ["USD"]}, "NAME=VALUE"),
        ({"profile": "instant", "cash": ["USD=1", "USD=2"]}, "each once"),
        ({"profile": "instant", "cash": ["USD=-1"]}, "below zero"),
        ({"profile": "instant", "parameters": ["luck=1"]}, "there is no parameter 'luck'"),
        ({"profile": "realistic", "parameters": ["participation=2"]}, "at most 1"),
        ({"profile": "realistic", "parameters": ["queue_least=1.5"]}, "queue_least"),
    ],
)
def test_an_impossible_plan_says_what_is_wrong(words: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_plan(**words)  # type: ignore[arg-type]


async def test_money_and_plan_are_in_the_book_with_the_fill(tmp_path: Path) -> None:
    """Reopened, the account has the plan that it was opened with, its cash and what it holds."""
    plan = Plan(profile=Profile.DISPLAYED, seed=3, cash={"USD": D(10000)})
    async with serving(tmp_path, plans={ACCOUNT: plan}) as service:
        service.show(quote("100.00", "100.02"))
        await service.create("A", terms(10, "100.02"))
        await service.create("B", terms(5, "90"))
    other = Plan(seed=99, cash={"USD": D(1)})
    async with serving(tmp_path, plans={ACCOUNT: other}) as service:
        wallet = wallet_of(service.book.image, ACCOUNT)
        assert wallet.plan == plan
        assert wallet.cash == {"USD": D("8999.80")}
        assert (wallet.held(AAPL).quantity, wallet.held(AAPL).cost) == (D(10), D("1000.20"))
        assert wallet.balance("USD", service.book.image.marks_of(ACCOUNT)).initial_margin == D("500.05") + D("225")
        refused = await service.create("C", terms(200, "100"))
        assert getattr(refused, "reason_code", None) == "insufficient_funds"
        assert isinstance(await service.submit(submission("D", ActionType.CANCEL, original="B")), Acknowledged)


def test_sides_of_one_instrument_are_margined_each_for_what_it_could_open() -> None:
    """Long 10: selling 15 can open 5 short (250), buying 4 adds 4 long (200)."""
    desk = floor("10000")
    desk.show(quote("99.99", "100.00"))
    desk.create("A", 10)
    held = balance(desk).initial_margin
    assert held is not None
    desk.create("B", 15, "100", side=SELL)
    desk.create("C", 4, "99", side=BUY)
    assert balance(desk).initial_margin == held + D(250) + D(198)


async def test_balances_are_told_after_what_moves_money_and_are_in_the_snapshot(tmp_path: Path) -> None:
    """10 at 100.02 out of 10,000; several changes within a quarter of a second are one telling."""
    plan = Plan(cash={"USD": D(10000)})
    async with serving(tmp_path, plans={ACCOUNT: plan}) as service:
        service.show(quote("100.00", "100.02"))
        await service.create("A", terms(10, "100.02"))
        await service.listener.until(lambda: any(one.cash == D("8999.80") for one in service.listener.balances))
        told = len(service.listener.balances)
        await service.create("B", terms(5, "90"))
        await service.create("C", terms(5, "90"))
        await service.listener.until_reports(4)
        assert len(service.listener.balances) == told
        service.clock.advance(1)
        await service.listener.until(lambda: len(service.listener.balances) > told)
        last = service.listener.balances[-1]
        assert (last.currency, last.cash, last.initial_margin) == ("USD", D("8999.80"), D("500.05") + D(450))
        snapshot = await service.broker.snapshot(ACCOUNT, "", 20)
        assert [(one.currency, one.cash, one.buying_power) for one in snapshot.balances] == [
            ("USD", D("8999.80"), last.buying_power)
        ]

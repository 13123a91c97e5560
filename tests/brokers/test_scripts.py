"""Scripted accounts at the broker: each step, over a clock by hand and over restarts."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.brokers.paper.funding import wallet_of
from dropcopyd.brokers.paper.plan import Plan, Profile, parse_plan, plan_from, render_plan
from dropcopyd.brokers.paper.scenario import parse_scenario, render_steps, steps_from
from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.order import ActionType, OrderTerms
from dropcopyd.domain.paper import AdjustmentRequest, SplitRatio
from dropcopyd.domain.report import Found, NotFound, Refused, ReportKind, Unknown
from dropcopyd.node import packaged_instruments
from tests.brokers.build import (
    AAPL,
    ACCOUNT,
    EURUSD,
    NOON_NS,
    SELL,
    D,
    Floor,
    fills,
    kinds,
    quote,
    submission,
    terms,
)
from tests.brokers.service import DEADLINE_S, Service, serving

K = ReportKind
EXAMPLE = (Path(__file__).parents[2] / "examples" / "scenario.json").read_text("utf-8")
ACKNOWLEDGE: dict[str, Any] = {"do": "acknowledge"}


def plan(*steps: dict[str, Any], seed: int = 7, **members: Any) -> dict[str, Plan]:
    """A scripted account in which every order plays these steps, or those of `orders`."""
    scenario = json.dumps({"otherwise": list(steps), **members} if steps else members)
    return {ACCOUNT: Plan(profile=Profile.SCRIPTED, seed=seed, cash={"USD": D(1000)}, scenario=scenario)}


async def replace(service: Service, command_id: str, original: str, asked: OrderTerms) -> object:
    return await service.submit(submission(command_id, ActionType.REPLACE, asked, original=original))


async def pass_ms(service: Service, milliseconds: float) -> None:
    service.clock.advance(milliseconds / 1000)
    service.broker.turn()


def held(service: Service) -> tuple[Any, Any, Any]:
    """Quantity, cost and cash at the broker."""
    wallet = wallet_of(service.book.image, ACCOUNT)
    return wallet.held(AAPL).quantity, wallet.held(AAPL).cost, wallet.cash["USD"]


async def test_steps_happen_at_their_times_and_the_market_does_nothing(tmp_path: Path) -> None:
    steps = (
        ACKNOWLEDGE,
        {"do": "fill", "quantity": "4", "price": "99", "after_ms": 100},
        {"do": "fill", "after_ms": 50},
    )
    async with serving(tmp_path, plans=plan(*steps)) as service:
        service.show(quote("1", "2"))
        await service.create("A", terms(10, "100"))
        await service.listener.until_reports(1)
        await pass_ms(service, 99)
        assert kinds(service.listener.of()) == [K.ACCEPTED]
        await pass_ms(service, 1)
        assert fills(await service.listener.until_reports(2)) == [("A", D(4), D(99))]
        await pass_ms(service, 50)
        reports = await service.listener.until_reports(3)
        assert fills(reports) == [("A", D(4), D(99)), ("A", D(6), D(100))]
        assert (reports[-1].cumulative_quantity, reports[-1].raw_status) == (D(10), "filled")
        assert held(service) == (D(10), D(996), D(4))


async def test_a_refusal_is_the_answer_and_a_report(tmp_path: Path) -> None:
    async with serving(tmp_path, plans=plan({"do": "refuse", "reason": "not today"})) as service:
        assert await service.create("A", terms(1, "1")) == Refused("refused", "not today")
        assert kinds(await service.listener.until_reports(1)) == [K.REJECTED]


async def test_a_late_fill_comes_after_the_cancel(tmp_path: Path) -> None:
    steps = (
        ACKNOWLEDGE,
        {"do": "await", "request": "cancel"},
        {"do": "pend"},
        {"do": "accept", "after_ms": 10},
        {"do": "fill", "quantity": "2", "price": "9", "after_ms": 10},
    )
    async with serving(tmp_path, plans=plan(*steps)) as service:
        await service.create("A", terms(5, "10"))
        await service.cancel("B", "A")
        assert kinds(await service.listener.until_reports(2)) == [K.ACCEPTED, K.PENDING_CANCEL]
        await pass_ms(service, 10)
        await pass_ms(service, 10)
        reports = await service.listener.until_reports(4)
        assert kinds(reports[2:]) == [K.CANCELLED, K.TRADE]
        assert (reports[2].broker_command_id, reports[3].raw_status) == ("B", "cancelled")
        assert (reports[3].cumulative_quantity, reports[3].quantity) == (D(2), D(5))
        assert held(service) == (D(2), D(18), D(982))


async def test_a_request_may_be_declined_and_others_are_granted(tmp_path: Path) -> None:
    steps = (ACKNOWLEDGE, {"do": "await", "request": "replace"}, {"do": "decline", "reason": "no"})
    async with serving(tmp_path, plans=plan(*steps)) as service:
        await service.create("A", terms(5, "10"))
        await replace(service, "B", "A", terms(6, "11"))
        await replace(service, "C", "A", terms(7, "12"))
        reports = await service.listener.until_reports(4)
        assert kinds(reports[1:]) == [K.REQUEST_REFUSED, K.PENDING_REPLACE, K.REPLACED]
        assert (reports[1].broker_command_id, reports[1].reason, reports[1].quantity) == ("B", "no", D(5))
        assert (reports[3].quantity, reports[3].limit_price) == (D(7), D(12))


async def test_a_cancel_of_what_is_over_is_too_late(tmp_path: Path) -> None:
    async with serving(tmp_path, plans=plan(ACKNOWLEDGE, {"do": "fill"})) as service:
        await service.create("A", terms(5, "10"))
        await service.cancel("B", "A")
        assert (await service.listener.until_reports(3))[-1].reason_code == "too_late"
        await service.cancel("C", "nothing")
        assert (await service.listener.until_reports(4))[-1].reason_code == "unknown_order"


async def test_corrections_and_busts_move_holding_and_cash_back(tmp_path: Path) -> None:
    """4 at 10 and 6 at 20 cost 160. The first is corrected to 3 at 11, then to 12: 3 x 12 + 120 = 156; the second is
    busted: 36 are paid, and the order, filled before, has 7 to go."""
    steps = (
        ACKNOWLEDGE,
        {"do": "fill", "quantity": "4", "price": "10"},
        {"do": "fill", "quantity": "6", "price": "20"},
        {"do": "correct", "fill": 1, "quantity": "3", "price": "11"},
        {"do": "correct", "fill": 1, "price": "12"},
        {"do": "bust", "fill": 2, "reason": "erroneous"},
        {"do": "bust", "fill": 2},
        {"do": "bust", "fill": 3},
    )
    async with serving(tmp_path, plans=plan(*steps)) as service:
        await service.create("A", terms(10, "20"))
        reports = await service.listener.until_reports(6)
        first, second, bust = reports[3:]
        assert kinds(reports[3:]) == [K.CORRECTION, K.CORRECTION, K.BUST]
        assert (first.exec_ref_id, second.exec_ref_id) == (reports[1].exec_id, first.exec_id)
        assert (second.last_quantity, second.last_price, second.cumulative_quantity) == (D(3), D(12), D(9))
        assert (bust.exec_ref_id, bust.cumulative_quantity, bust.raw_status) == (
            reports[2].exec_id,
            D(3),
            "partially_filled",
        )
        quantity, _, cash = held(service)
        assert (quantity, cash) == (D(3), D(964))
        snapshot = await service.broker.snapshot(ACCOUNT, "", DEADLINE_S)
        assert snapshot.executions == tuple(dataclasses.replace(one, cursor="") for one in reports[1:]), (
            "busted ones, too"
        )
        assert [claim.cumulative_quantity for claim in snapshot.orders] == [D(3)]


def test_a_bust_of_a_future_keeps_the_equity_but_not_its_split() -> None:
    """docs/paper.md, money after a bust: one bought at 5,000 and busted, one at 5,010; the price is 5,020."""
    es = next(one for one in packaged_instruments() if one.symbol == "ESZ7")
    busted = [ACKNOWLEDGE, {"do": "fill", "price": "5000"}, {"do": "bust", "fill": 1, "after_ms": 10}]
    kept = [ACKNOWLEDGE, {"do": "fill", "price": "5010"}]
    scenario = json.dumps({"orders": [{"steps": busted}], "otherwise": kept})
    desk = Floor()
    desk.exchange.open_account(ACCOUNT, parse_plan("scripted", cash=["USD=10000"], scenario=scenario), NOON_NS)
    for name in ("A", "B"):
        desk.create(name, 1, "5050", instrument=es)
    wallet = wallet_of(desk.exchange.image, ACCOUNT)
    assert (wallet.held(es).average_cost, wallet.cash["USD"]) == (D(5005), D(10_000))
    desk.at(desk.now_ns + 10**9)
    assert (wallet.held(es).quantity, wallet.held(es).average_cost, wallet.cash["USD"]) == (D(1), D(5005), D(9_750))
    desk.show(quote("5019.75", "5020.25"), es)
    assert wallet.balance("USD", desk.exchange.image.marks_of(ACCOUNT)).equity == D(10_500)


async def test_a_script_fills_and_corrects_no_more_than_the_orders_quantity(tmp_path: Path) -> None:
    """5 of 5 where the script says 9; a correction to 6 is passed over, one to 4 is not; another fill is of 1."""
    steps = (
        ACKNOWLEDGE,
        {"do": "fill", "quantity": "9", "price": "10"},
        {"do": "correct", "fill": 1, "quantity": "6"},
        {"do": "correct", "fill": 1, "quantity": "4"},
        {"do": "fill", "quantity": "3", "price": "10"},
        {"do": "fill", "quantity": "3", "price": "10"},
    )
    async with serving(tmp_path, plans=plan(*steps)) as service:
        await service.create("A", terms(5, "10"))
        reports = await service.listener.until_reports(4)
        assert [(one.kind, one.last_quantity, one.cumulative_quantity) for one in reports[1:]] == [
            (K.TRADE, D(5), D(5)),
            (K.CORRECTION, D(4), D(4)),
            (K.TRADE, D(1), D(5)),
        ]
        await service.cancel("B", "A")
        assert (await service.listener.until_reports(5))[-1].reason_code == "too_late", "nothing came after these"


async def test_no_answer_is_in_doubt_and_is_found(tmp_path: Path) -> None:
    async with serving(tmp_path, plans=plan({"do": "no_answer"}, {"do": "acknowledge", "after_ms": 10})) as service:
        sent = submission("A", asked=terms(5, "10"))
        assert isinstance(await service.submit(sent), Unknown)
        assert await service.broker.find(sent, DEADLINE_S) == Found(())
        await pass_ms(service, 10)
        assert kinds(await service.listener.until_reports(1)) == [K.ACCEPTED]
        cancelled = submission("B", ActionType.CANCEL, original="A")
        assert not isinstance(await service.submit(cancelled), Unknown)


async def test_a_request_may_go_unanswered(tmp_path: Path) -> None:
    steps = (ACKNOWLEDGE, {"do": "await", "request": "cancel", "answer": False}, {"do": "accept", "after_ms": 5})
    async with serving(tmp_path, plans=plan(*steps)) as service:
        await service.create("A", terms(5, "10"))
        assert isinstance(await service.cancel("B", "A"), Unknown)
        await pass_ms(service, 5)
        assert kinds(await service.listener.until_reports(2)) == [K.ACCEPTED, K.CANCELLED]


async def test_what_is_lost_never_was_but_its_script_is_used(tmp_path: Path) -> None:
    orders = [{"steps": [{"do": "lose"}]}, {"steps": [{"do": "refuse", "reason": "second"}]}]
    async with serving(tmp_path, plans=plan(orders=orders)) as service:
        sent = submission("A", asked=terms(5, "10"))
        assert isinstance(await service.submit(sent), Unknown)
        assert await service.broker.find(sent, DEADLINE_S) == NotFound()
        await service.book.writer.drained()
    async with serving(tmp_path, plans=plan(orders=orders)) as service:
        assert await service.create("B", terms(5, "10")) == Refused("refused", "second")


async def test_orders_play_the_first_script_that_fits_and_is_free(tmp_path: Path) -> None:
    def refusing(reason: str, **members: Any) -> dict[str, Any]:
        return {"steps": [{"do": "refuse", "reason": reason}], **members}

    orders = [
        refusing("a sale", when={"side": "SELL"}, repeat=True),
        refusing("euros", when={"symbol": "EURUSD"}),
        refusing("one"),
        refusing("two"),
    ]
    async with serving(tmp_path, plans=plan({"do": "refuse", "reason": "others"}, orders=orders)) as service:
        said = []
        for number, (instrument, facts) in enumerate(
            [(AAPL, {}), (AAPL, {"side": SELL}), (EURUSD, {}), (AAPL, {"side": SELL}), (EURUSD, {}), (AAPL, {})]
        ):
            sent = submission(f"c{number}", asked=terms(1, "1"), instrument=instrument, **facts)  # type: ignore[arg-type]
            answer = await service.submit(sent)
            assert isinstance(answer, Refused)
            said.append(answer.reason)
        assert said == ["one", "a sale", "euros", "a sale", "two", "others"]


async def test_reports_are_repeated_as_they_were(tmp_path: Path) -> None:
    steps = (ACKNOWLEDGE, {"do": "fill", "quantity": "1"}, {"do": "repeat"}, {"do": "repeat", "after_ms": 5})
    async with serving(tmp_path, plans=plan(*steps)) as service:
        await service.create("A", terms(5, "10"))
        await service.listener.until_reports(3)
        await pass_ms(service, 5)
        told = (await service.listener.until_reports(4))[1:]
        assert len({one.cursor for one in told}) == 3
        assert len({(one.kind, one.exec_id, one.broker_sent_at_ns, one.cumulative_quantity) for one in told}) == 1


async def test_the_broker_changes_and_ends_orders_unasked(tmp_path: Path) -> None:
    steps = (
        ACKNOWLEDGE,
        {"do": "restate", "quantity": "8", "price": "9.50", "reason": "size"},
        {"do": "done_for_day"},
        {"do": "cancel", "reason": "gone"},
        {"do": "cancel", "reason": "twice"},
        {"do": "restate", "quantity": "9"},
    )
    async with serving(tmp_path, plans=plan(*steps)) as service:
        await service.create("A", terms(5, "10"))
        reports = await service.listener.until_reports(4)
        assert kinds(reports) == [K.ACCEPTED, K.RESTATED, K.DONE_FOR_DAY, K.CANCELLED]
        assert (reports[1].quantity, reports[1].limit_price, reports[1].reason) == (D(8), D("9.50"), "size")
        assert (reports[3].reason_code, reports[3].reason) == ("unsolicited", "gone")


async def test_a_script_goes_on_after_a_restart_with_what_waited(tmp_path: Path) -> None:
    """The order is over, a bust of its fill and a late fill are still to come; a cancel is still undecided."""
    steps = (
        ACKNOWLEDGE,
        {"do": "fill", "quantity": "2", "price": "9"},
        {"do": "await", "request": "cancel"},
        {"do": "pend"},
        {"do": "accept", "after_ms": 10},
        {"do": "bust", "fill": 1, "after_ms": 10},
        {"do": "fill", "quantity": "1", "price": "8", "after_ms": 10},
        {"do": "repeat"},
    )
    async with serving(tmp_path, plans=plan(*steps)) as service:
        await service.create("A", terms(5, "10"))
        await service.cancel("B", "A")
        await service.listener.until_reports(3)
    for number, expected in enumerate(([K.CANCELLED], [K.BUST], [K.TRADE, K.TRADE]), start=1):
        async with serving(tmp_path, plans=plan(*steps)) as service:
            await pass_ms(service, 100 * number)  # the clock of a test begins anew each time
            assert kinds(await service.listener.until_reports(len(expected)))[: len(expected)] == expected
            await service.book.writer.drained()
    async with serving(tmp_path, plans=plan(*steps)) as service:
        assert service.book.image.runs == {}
        assert held(service) == (D(1), D(8), D(992))


async def test_the_same_seed_gives_the_same_times(tmp_path: Path) -> None:
    steps = (ACKNOWLEDGE, *({"do": "fill", "quantity": "1", "after_ms": [1, 1000]} for _ in range(5)))

    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()

    async def times(folder: Path, seed: int) -> list[int]:
        async with serving(folder, plans=plan(*steps, seed=seed)) as service:
            await service.create("A", terms(5, "10"))
            start = service.clock.now_ns()
            for _ in range(500):
                await pass_ms(service, 10)
            return [(one.broker_sent_at_ns or 0) - start for one in await service.listener.until_reports(6)]

    first = await times(tmp_path / "a", 7)
    assert first == await times(tmp_path / "b", 7)
    assert first != await times(tmp_path / "c", 8)


def test_a_scenario_is_recorded_with_its_account() -> None:
    asked = parse_plan("scripted", seed=7, scenario=EXAMPLE)
    assert plan_from(render_plan(asked)) == asked
    scenario = parse_scenario(EXAMPLE)
    assert len(scenario.scripts) == 5
    for script in scenario.scripts:
        assert steps_from(render_steps(script.steps)) == script.steps


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ("", "a scripted account needs a scenario"),
        ("[]", "the scenario: must be an object"),
        ("{", "the scenario is not JSON"),
        ('{"order": []}', "has no 'order'; known are orders, otherwise"),
        ('{"orders": {}}', "orders: must be a list"),
        ('{"orders": [{}]}', "orders[0]: lacks steps"),
        ('{"orders": [{"steps": []}]}', "orders[0].steps: has no steps"),
        ('{"orders": [{"steps": [{"do": "fill"}], "when": {"side": "LONG"}}]}', "orders[0].when.side: must be one of"),
        ('{"orders": [{"steps": [{"do": "fill"}], "repeat": 1}]}', "orders[0].repeat: must be true or false"),
        ('{"otherwise": [{"do": "fill", "quantity": 1}]}', "otherwise[0].quantity: must be a decimal as text"),
        ('{"otherwise": [{"do": "fill", "quantity": "-1"}]}', "otherwise[0].quantity: must be above zero"),
        ('{"otherwise": [{"do": "fill", "fill": 1}]}', "otherwise[0]: has no 'fill'"),
        ('{"otherwise": [{"do": "bust"}]}', "otherwise[0]: lacks fill"),
        ('{"otherwise": [{"do": "bust", "fill": 0}]}', "otherwise[0].fill: must be a whole number from 1"),
        ('{"otherwise": [{"do": "correct", "fill": 1}]}', "a correction has a quantity or a price"),
        ('{"otherwise": [{"do": "refuse"}]}', "otherwise[0]: lacks reason"),
        ('{"otherwise": [{"do": "fill", "after_ms": -1}]}', "otherwise[0].after_ms"),
        ('{"otherwise": [{"do": "fill", "after_ms": [5, 1]}]}', "otherwise[0].after_ms"),
        ('{"otherwise": [{"do": "acknowledge"}, {"do": "lose"}]}', "lose is the first step"),
        ('{"otherwise": [{"do": "lose"}, {"do": "fill"}]}', "lost on the way"),
        ('{"otherwise": [{"do": "acknowledge"}, {"do": "refuse", "reason": "no"}]}', "use cancel"),
        ('{"otherwise": [{"do": "accept"}]}', "accept comes after an await"),
        ('{"otherwise": [{"do": "await", "request": "fill"}]}', "must be one of cancel, replace"),
        ('{"otherwise": [{"do": "await", "request": "cancel", "after_ms": 1}]}', "has no 'after_ms'"),
    ],
)
def test_a_scenario_that_cannot_be_says_where(scenario: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_plan("scripted", scenario=scenario)
    assert said in str(caught.value)


def test_only_a_scripted_account_takes_a_scenario() -> None:
    with pytest.raises(ValueError, match="no other takes one"):
        parse_plan("instant", scenario=EXAMPLE)


async def test_a_split_goes_over_a_script(tmp_path: Path) -> None:
    """2 of 10 filled at 8, two for one: 4 of 20; the bust of a fill from before is passed over, 16 are left to fill."""
    steps = (
        ACKNOWLEDGE,
        {"do": "fill", "quantity": "2", "price": "8"},
        {"do": "bust", "fill": 1, "after_ms": 10},
        {"do": "fill", "price": "5"},
    )
    async with serving(tmp_path, plans=plan(*steps)) as service:
        await service.create("A", terms(10, "10"))
        split = AdjustmentRequest(kind=AdjustmentKind.SPLIT, instrument=AAPL, ratio=SplitRatio(D(2), D(1)))
        await service.broker.adjust(ACCOUNT, "", split)
        await pass_ms(service, 10)
        reports = await service.listener.until_reports(4)
        assert kinds(reports[2:]) == [K.RESTATED, K.TRADE]
        assert (reports[2].quantity, reports[2].limit_price, reports[2].cumulative_quantity) == (D(20), D(5), D(4))
        assert fills(reports)[-1] == ("A", D(16), D(5))
        assert held(service)[0] == D(20)


async def test_an_order_leaves_memory_when_its_script_is_over(tmp_path: Path) -> None:
    """The last step is passed over: nothing else touches the order then."""
    steps = (ACKNOWLEDGE, {"do": "fill"}, {"do": "cancel", "after_ms": 10})
    async with serving(tmp_path, plans=plan(*steps)) as service:
        await service.create("A", terms(5, "10"))
        await service.listener.until_reports(2)
        await service.create("B", terms(5, "10"))
        assert "A" in service.book.image.commands
        await pass_ms(service, 10)
        await service.book.writer.drained()
        await service.create("C", terms(5, "10"))
        await service.listener.until_reports(6)
        assert "A" not in service.book.image.commands

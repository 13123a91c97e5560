"""Every order type's spec, as taken, kept and shown; and every pair with a time in force, taken or refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dropcopyd.domain.order import OrderTerms, OrderType, TimeInForce
from dropcopyd.domain.order_rules import SPECS, accepted_times, cell_of, spec_name
from dropcopyd.errors import Code, InvalidError
from dropcopyd.flow.submits import CreateRequest
from dropcopyd.rest.body import parse_json
from dropcopyd.rest.command import parse_submit
from dropcopyd.rest.submission import SubmitIntent
from tests.rest.gateway import Gateway, Json, create, replace

AMOUNTS = {"price": "10.5", "stop_price": "11", "trail_amount": "0.5", "trail_percent": "2.5"}
SPEC = "/command/payload/spec"


def spec(order_type: OrderType, time_in_force: TimeInForce | None = None) -> Json:
    shape = SPECS[order_type]
    members = {name: AMOUNTS[name] for name in (*shape.required, *shape.one_of[:1])} | {"quantity": "3"}
    if time_in_force is not None:
        members["time_in_force"] = time_in_force
    return {spec_name(order_type): members}


def parsed(body: Json) -> OrderTerms:
    command = parse_submit(parse_json(json.dumps(body).encode()), 0).command
    assert isinstance(command, CreateRequest)
    return command.terms


def is_documented(body: Json) -> bool:
    try:
        SubmitIntent.model_validate_json(json.dumps(body))
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("time_in_force", TimeInForce)
@pytest.mark.parametrize("order_type", OrderType)
def test_every_pair_is_taken_or_refused_as_the_table_says(order_type: OrderType, time_in_force: TimeInForce) -> None:
    body = create(spec=spec(order_type, time_in_force))
    cell = cell_of(order_type, time_in_force)
    assert is_documented(body) == cell.is_accepted
    if cell.is_accepted:
        assert parsed(body).time_in_force is time_in_force
        return
    with pytest.raises(InvalidError) as caught:
        parsed(body)
    error = caught.value
    assert (error.code, error.pointer) == (
        Code.TIME_IN_FORCE_REFUSED,
        f"{SPEC}/{spec_name(order_type)}/time_in_force",
    )
    assert cell.text in error.message
    assert error.facts["accepted"] == ", ".join(accepted_times(order_type))


@pytest.mark.parametrize("order_type", OrderType)
def test_a_time_in_force_left_out_is_the_documented_one(order_type: OrderType) -> None:
    body = create(spec=spec(order_type))
    default = SPECS[order_type].default
    assert is_documented(body) == (default is not None)
    if default is not None:
        assert parsed(body).time_in_force is default
    else:
        with pytest.raises(InvalidError, match="time_in_force is required"):
            parsed(body)


@pytest.mark.parametrize("members", [{}, {"trail_amount": "1", "trail_percent": "1"}, {"trail_percent": "100"}])
def test_a_trailing_stop_has_one_trail_below_the_whole_price(members: Json) -> None:
    body = create(spec={"TrailingStop": {"quantity": "1", "time_in_force": "DAY", **members}})
    assert not is_documented(body)
    with pytest.raises(InvalidError):
        parsed(body)


async def test_what_was_asked_is_kept_and_shown(gateway: Gateway) -> None:
    shown: list[dict[str, Any]] = []
    for body in (
        {"StopLimit": {"stop_price": "11.00", "price": "10.50", "quantity": "3", "time_in_force": "EXT"}},
        {"TrailingStop": {"trail_percent": "2.50", "quantity": "3", "time_in_force": "GOOD_TILL_CANCEL"}},
        {"MarketOnClose": {"quantity": "3"}},
        {"FillOrKill": {"quantity": "3", "price": "9"}},
    ):
        intent = (await gateway.submit(create(spec=body))).json()["intent_id"]
        shown.append(await gateway.get(f"intents/{intent}"))
        order = next(row for row in (await gateway.get("orders"))["data"] if row["intent_id"] == intent)
        prices = ("order_type", "limit_price", "stop_price", "trail_amount", "trail_percent", "time_in_force")
        assert [order[name] for name in prices] == [shown[-1][name] for name in prices]
    assert [
        (row["order_type"], row["time_in_force"], row["limit_price"], row["stop_price"], row["trail_percent"])
        for row in shown
    ] == [
        ("STOP_LIMIT", "EXT", "10.5", "11", None),
        ("TRAILING_STOP", "GOOD_TILL_CANCEL", None, None, "2.5"),
        ("MARKET_ON_CLOSE", "AT_CLOSE", None, None, None),
        ("LIMIT", "FILL_OR_KILL", "9", None, None),
    ]


async def test_a_refused_pair_is_a_problem_that_quotes_the_cell(gateway: Gateway) -> None:
    body = create(spec={"Stop": {"stop_price": "11", "quantity": "1", "time_in_force": "IMMEDIATE_OR_CANCEL"}})
    answer = await gateway.submit(body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "time_in_force_refused")
    assert problem["pointer"] == f"{SPEC}/Stop/time_in_force"
    assert "a stop waits for its trigger" in problem["detail"]
    assert problem["accepted"] == "DAY, GOOD_TILL_CANCEL"


async def test_a_replace_is_held_to_the_same_table(gateway: Gateway) -> None:
    intent = (await gateway.submit(create())).json()["intent_id"]
    body = replace(intent)
    body["command"]["payload"]["spec"] = spec(OrderType.STOP, TimeInForce.AT_OPEN)
    assert (await gateway.submit(body)).json()["code"] == "time_in_force_refused"
    body["command"]["payload"]["spec"] = spec(OrderType.STOP, TimeInForce.DAY)
    assert (await gateway.submit(body)).status_code == 201


def test_the_document_lists_the_same_times() -> None:
    text = (Path(__file__).parents[2] / "docs" / "rest.md").read_text("utf-8")
    for order_type in OrderType:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{spec_name(order_type)}` |"))
        times = re.findall(r"`([A-Z_]+)`", row.split("|")[3])
        assert set(times) == set(accepted_times(order_type)), order_type
        if (default := SPECS[order_type].default) is not None:
            assert times[0] == default
            assert f"`{default}` (default)" in row
        else:
            assert "(default)" not in row
        assert [name for name in SPECS[order_type].prices if f"`{name}`" not in row] == []

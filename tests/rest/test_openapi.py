"""/openapi.json says what is: valid, complete, and its shapes are those that are taken and given."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dropcopyd.domain.account import Scope
from dropcopyd.errors import Code, InvalidError
from dropcopyd.rest.body import parse_json
from dropcopyd.rest.command import parse_submit
from dropcopyd.rest.errors import STATUS
from dropcopyd.rest.submission import SubmitIntent
from tests.rest.gateway import Gateway, cancel, create, replace

ROUTES = {
    ("POST", "/v1/accounts/{account_id}/intents"),
    ("GET", "/v1/accounts"),
    ("GET", "/v1/accounts/{account_id}"),
    ("GET", "/v1/accounts/{account_id}/intents"),
    ("GET", "/v1/accounts/{account_id}/intents/{intent_id}"),
    ("GET", "/v1/accounts/{account_id}/intents/{intent_id}/actions"),
    ("GET", "/v1/accounts/{account_id}/orders"),
    ("GET", "/v1/accounts/{account_id}/orders/{order_id}"),
    ("GET", "/v1/accounts/{account_id}/orders/{order_id}/timeline"),
    ("GET", "/v1/accounts/{account_id}/balances"),
    ("GET", "/v1/accounts/{account_id}/journal"),
    *(("GET", f"/v1/accounts/{{account_id}}/exports/{name}") for name in ("orders", "trades", "positions", "journal")),
    ("GET", "/v1/accounts/{account_id}/metrics"),
    ("GET", "/v1/accounts/{account_id}/state"),
    ("GET", "/v1/accounts/{account_id}/positions/{symbol}/explanation"),
    ("GET", "/v1/accounts/{account_id}/reconciliations"),
    ("POST", "/v1/accounts/{account_id}/reconciliations"),
    ("GET", "/v1/accounts/{account_id}/reconciliations/{reconciliation_id}"),
    ("GET", "/v1/accounts/{account_id}/breaks"),
    ("GET", "/v1/accounts/{account_id}/breaks/{break_id}"),
    ("POST", "/v1/accounts/{account_id}/breaks/{break_id}/resolution"),
    ("GET", "/v1/search"),
    ("GET", "/v1/accounts/{account_id}/positions"),
    ("GET", "/v1/accounts/{account_id}/trades"),
    ("GET", "/v1/streams"),
    ("DELETE", "/v1/streams/{stream_id}"),
    ("POST", "/v1/accounts/{account_id}/flatten"),
    ("GET", "/v1/accounts/{account_id}/flattens"),
    ("GET", "/v1/accounts/{account_id}/flattens/{flatten_id}"),
    ("GET", "/v1/accounts/{account_id}/risk"),
    ("GET", "/v1/accounts/{account_id}/armings"),
    ("DELETE", "/v1/accounts/{account_id}/armings"),
    ("POST", "/v1/tokens"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("GET", "/v1/keys/{key_id}"),
    ("PATCH", "/v1/keys/{key_id}"),
    ("DELETE", "/v1/keys/{key_id}"),
    ("POST", "/v1/keys/{key_id}/rotate"),
    ("GET", "/v1/organization"),
    ("PATCH", "/v1/organization"),
    ("POST", "/v1/accounts"),
    ("PATCH", "/v1/accounts/{account_id}"),
    ("POST", "/v1/accounts/{account_id}/disable"),
    ("POST", "/v1/accounts/{account_id}/enable"),
    ("GET", "/v1/accounts/{account_id}/events"),
    ("GET", "/v1/controls"),
    ("POST", "/v1/controls/evaluate"),
    ("PUT", "/v1/controls/accounts/{account_id}"),
    ("PUT", "/v1/controls/accounts/{account_id}/limits"),
    ("PUT", "/v1/controls/accounts/{account_id}/reconciliation"),
    ("PUT", "/v1/controls/organization"),
    ("PUT", "/v1/controls/organization/limits"),
    ("PUT", "/v1/controls/symbols/{symbol}"),
    ("PUT", "/v1/controls/symbols/{symbol}/limits"),
    ("POST", "/v1/accounts/{account_id}/cancel-all"),
    ("POST", "/v1/accounts/{account_id}/kill"),
    ("DELETE", "/v1/accounts/{account_id}/kill"),
    ("POST", "/v1/kill"),
    ("DELETE", "/v1/kill"),
    ("GET", "/v1/audit"),
    ("POST", "/v1/paper/adjustments"),
    ("POST", "/v1/paper/quotes"),
    ("DELETE", "/v1/paper/quotes"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
}


@pytest.fixture
async def document(gateway: Gateway) -> Any:
    answer = await gateway.client.get("/openapi.json", headers={"x-api-key": ""})
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from walk(child)
    elif isinstance(value, list):
        for child in value:
            yield from walk(child)


async def test_the_document_is_valid_and_complete(document: Any) -> None:
    OpenAPI.model_validate(document)
    assert document["openapi"].startswith("3.1")
    operations = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert operations == ROUTES
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(set(ids)) == len(ids)
    for node in walk(document):
        if "$ref" in node:
            assert node["$ref"].removeprefix("#/components/schemas/") in document["components"]["schemas"]
        if isinstance(node.get("pattern"), str):
            re.compile(node["pattern"])
        assert node.get("type") != "number", "an amount is never a number"


async def test_every_operation_says_its_parameters_its_key_and_its_refusals(document: Any) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
            if path.startswith("/v1"):
                schemes = [name for scheme in operation["security"] for name in scheme]
                assert schemes == (["ApiKey"] if path == "/v1/tokens" else ["ApiKey", "Bearer"])
                assert path == "/v1/tokens" or operation["x-scope"] in set(Scope)
                assert {"401", "403", "422", "503"} <= set(operation["responses"])
                assert "404" in operation["responses"] or "{" not in path or "{symbol}" in path
    body = document["paths"]["/v1/accounts/{account_id}/intents"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/SubmitIntent"}


async def test_refusals_name_codes_that_exist_with_their_status(document: Any) -> None:
    seen = set()
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {})
                if "application/problem+json" not in content:
                    continue
                _, facts = content["application/problem+json"]["schema"]["allOf"]
                for code in facts["properties"]["code"]["enum"]:
                    assert STATUS[Code(code)][0] == int(status) == facts["properties"]["status"]["const"]
                    assert f"`{code}`" in answer["description"]
                    seen.add(code)
    assert {"idempotency_key_reused", "time_in_force_refused", "invalid_cursor", "account_halted", "internal"} <= seen


async def test_each_parameter_is_explained(document: Any) -> None:
    unexplained = {
        (path, parameter["name"])
        for path, methods in document["paths"].items()
        for operation in methods.values()
        for parameter in operation.get("parameters", ())
        if not parameter.get("description")
    }
    assert unexplained == set()


async def test_the_page_for_people(gateway: Gateway) -> None:
    answer = await gateway.client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for word in (*(path for _, path in ROUTES), "SubmitIntent", "idempotency_key_reused", "intents:edit"):
        assert word in answer.text
    assert "<script" not in answer.text
    assert "`" not in answer.text.partition("<h2>Shapes</h2>")[0]
    anchors = re.findall(r'href="#([^"]+)"', answer.text)
    assert len(anchors) > len(ROUTES)
    assert all(f'id="{anchor}"' in answer.text for anchor in anchors)
    assert "//" not in answer.text.replace("</", "")


# --- what is documented is what is taken --------------------------------------------------------------------------


def mostly(first: str, second: str, *others: str) -> st.SearchStrategy[str]:
    """A word; nine times in ten one of the first two, which are right."""
    return st.integers(0, 9).flatmap(lambda dice: st.sampled_from(others if dice == 9 else (first, second)))


UUIDS = mostly("00000000-0000-4000-8000-000000000000", "ABCDEF00-0000-4000-8000-00000000000A", "no", "")
AMOUNTS = mostly("1", "1.5", "007", "1e5", "-1", "NaN", "", " 1", "1.", ".5", "1" * 21, "1." + "0" * 19, "+1")
PERCENTS = mostly("1", "99.9", "007", "100", "0100", "1e1", "-1", "")
TIMES_IN_FORCE = mostly("DAY", "GOOD_TILL_CANCEL", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL", "EVER", "day", "AT_OPEN")
JUNK = st.sampled_from([None, True, 1, 1.5, "x", [], {}, ["x"], {"x": "y"}])


@st.composite
def members(draw: st.DrawFn, required: dict[str, Any], optional: dict[str, Any]) -> dict[str, Any]:
    """An object that is right eight times in ten; else one member misses, is junk, or is too many."""
    value = draw(st.fixed_dictionaries(required, optional=optional))
    name = draw(st.sampled_from([*required, *optional, "unknown"]))
    dice = draw(st.integers(0, 9))
    if dice == 9:
        value.pop(name, None)
    if dice == 8:
        value[name] = draw(JUNK)
    return value


SPECS = st.one_of(
    members({"Market": members({"quantity": AMOUNTS}, {"time_in_force": TIMES_IN_FORCE})}, {}),
    members({"Limit": members({"price": AMOUNTS, "quantity": AMOUNTS, "time_in_force": TIMES_IN_FORCE}, {})}, {}),
    members({"FillOrKill": members({"quantity": AMOUNTS}, {"price": AMOUNTS, "time_in_force": TIMES_IN_FORCE})}, {}),
    members({"LimitOnOpen": members({"price": AMOUNTS, "quantity": AMOUNTS}, {"time_in_force": TIMES_IN_FORCE})}, {}),
    members({"Stop": members({"stop_price": AMOUNTS, "quantity": AMOUNTS, "time_in_force": TIMES_IN_FORCE}, {})}, {}),
    members(
        {
            "TrailingStop": members(
                {"quantity": AMOUNTS, "time_in_force": TIMES_IN_FORCE},
                {"trail_amount": AMOUNTS, "trail_percent": PERCENTS},
            )
        },
        {},
    ),
    st.just({}),
)
CREATES = members(
    {
        "symbol": mostly("AAPL", "A B", " A", "A ", "", "Ä", "A" * 65),
        "spec": SPECS,
        "order_side": st.just("BUY"),
    },
    {"asset_class": st.just("EQUITY"), "order_venue": mostly("ARCA", "NYSE", "X")},
)
REPLACES = members({"ref_intent_id": UUIDS, "spec": SPECS}, {})
CANCELS = st.one_of(members({"ref_intent_id": UUIDS}, {}), members({"ref_order_id": UUIDS}, {"ref_intent_id": UUIDS}))
COMMANDS = st.one_of(
    *(
        members({"action_type": st.just(action), "payload": payload}, {})
        for action, payload in (("CREATE", CREATES), ("REPLACE", REPLACES), ("CANCEL", CANCELS))
    )
)
REFERENCES = mostly("r", "é", "a" * 128, "a" * 129, "")
BODIES = st.one_of(members({"command": COMMANDS}, {"client_reference_id": REFERENCES, "strategy_id": REFERENCES}), JUNK)


def agree(body: Any) -> bool:
    """Whether a body is taken; the documented models and the parser that answers must say the same."""
    text = json.dumps(body).encode()
    try:
        SubmitIntent.model_validate_json(text)
        is_documented = True
    except ValidationError:
        is_documented = False
    try:
        parse_submit(parse_json(text), 0)
        is_taken = True
    except InvalidError:
        is_taken = False
    assert is_taken == is_documented, body
    return is_taken


@settings(max_examples=300)
@given(BODIES)
@example({"command": {"action_type": "CANCEL", "payload": {"ref_intent_id": None, "ref_order_id": None}}})
def test_what_the_document_allows_is_what_is_taken(body: Any) -> None:
    agree(body)


LIMIT = {"Limit": {"price": "1", "quantity": "2", "time_in_force": "DAY"}}
CHANGES: tuple[Any, ...] = (None, "gone", 1, True, "", "x", [], {})
REFERENCED = {"client_reference_id": "c", "strategy_id": "s"}


@pytest.mark.parametrize(
    "body",
    [
        create(
            asset_class="EQUITY",
            order_venue="ARCA",
            valid_until="2027-01-04T14:30:00Z",
            spec={"Market": {"quantity": "1", "time_in_force": "DAY"}},
        )
        | REFERENCED,
        create(spec=LIMIT),
        replace("00000000-0000-4000-8000-000000000000"),
        cancel("00000000-0000-4000-8000-000000000000"),
        {"command": {"action_type": "CANCEL", "payload": {"ref_order_id": "00000000-0000-4000-8000-000000000000"}}},
    ],
)
def test_each_member_is_required_or_not_as_documented(body: Any) -> None:
    """Every member taken away, null, of another kind; and one more beside it."""
    assert agree(body)
    for path in paths(body):
        for change in CHANGES:
            agree(changed(body, path, change))
        agree(changed(body, (*path[:-1], "another"), "x"))


def paths(value: Any, here: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield (*here, name)
            yield from paths(child, (*here, name))


def changed(body: Any, path: tuple[str, ...], value: Any) -> Any:
    """A copy with the member at the path set; "gone" takes it away."""
    copy = json.loads(json.dumps(body))
    holder = copy
    for name in path[:-1]:
        holder = holder[name]
    if value == "gone":
        holder.pop(path[-1])
    else:
        holder[path[-1]] = value
    return copy

"""What goes wrong besides the input: unknown routes and methods, failures of ours, and the table of codes."""

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
import structlog

from dropcopyd.domain.account import Principal
from dropcopyd.errors import Code, StoreError
from dropcopyd.flow.access import Access, Credential
from dropcopyd.rest.errors import RETRY_AFTER_S, STATUS, problem
from dropcopyd.store.migrate import DATABASE_NAME
from tests.rest.gateway import Gateway, Tenants, cancel, create, opened

SECRET = "the secret text of an exception"


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_status_and_a_title(code: Code) -> None:
    status, title = STATUS[code]
    assert 400 <= status <= 599
    assert title
    assert (code in RETRY_AFTER_S) == (status in (429, 503))


@pytest.mark.parametrize("code", list(Code))
def test_every_code_becomes_a_problem(code: Code) -> None:
    status, headers, body = problem(code, "detail", {"pointer": "/a", "detail": "no", "status": 1, "fact": 7})
    assert json.loads(body) == {
        "type": f"urn:dropcopy:error:{code.value}",
        "title": STATUS[code][1],
        "status": status,
        "detail": "detail",
        "code": code.value,
        "pointer": "/a",
        "fact": 7,
    }
    assert headers["content-type"] == "application/problem+json"
    assert ("www-authenticate" in headers) == (status == 401)
    assert headers.get("retry-after") == (str(RETRY_AFTER_S[code]) if code in RETRY_AFTER_S else None)


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v2/accounts", "/v1/accounts/x/y", "/docs/", "/healthz/", "/v1/accounts/a%2Fb/orders", "/%ff"]
)
async def test_an_unknown_route(gateway: Gateway, path: str) -> None:
    answer = await gateway.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "route_not_found")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/accounts/x/intents", "GET, POST"),
        ("DELETE", "/v1/accounts/x/orders", "GET"),
        ("PUT", "/healthz", "GET"),
        ("POST", "/openapi.json", "GET"),
        ("PATCH", "/v1/accounts/x/intents/y", "GET"),
        ("OPTIONS", "/docs", "GET"),
    ],
)
async def test_an_unknown_method(gateway: Gateway, method: str, path: str, allow: str) -> None:
    answer = await gateway.client.request(method, path)
    assert (answer.status_code, answer.json()["code"], answer.headers["allow"]) == (405, "method_not_allowed", allow)


async def test_health_and_readiness(gateway: Gateway) -> None:
    del gateway.client.headers["x-api-key"]
    assert (await gateway.client.get("/healthz")).json() == {"status": "ok"}
    assert (await gateway.client.get("/readyz")).json() == {"status": "ready"}
    gateway.is_ready = False
    answer = await gateway.client.get("/readyz")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "not_ready", "1")
    assert (await gateway.client.get("/healthz")).status_code == 200


async def test_metrics_count_requests_and_show_no_account(gateway: Gateway) -> None:
    await gateway.create()
    await gateway.submit(create(symbol="NOPE"))
    await gateway.client.get("/nowhere")
    del gateway.client.headers["x-api-key"]
    answer = await gateway.client.get("/metrics")
    route = "/v1/accounts/{account_id}/intents"
    assert f'dropcopy_rest_requests_total{{route="{route}",status="201"}} 1.0' in answer.text
    assert f'dropcopy_rest_requests_total{{route="{route}",status="422"}} 1.0' in answer.text
    assert 'dropcopy_rest_requests_total{route="none",status="404"} 1.0' in answer.text
    assert 'dropcopy_intents_total{outcome="accepted"} 1.0' in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    for secret in (gateway.tenants.account_id, gateway.tenants.organization_id, gateway.tenants.key):
        assert secret not in answer.text


class BrokenAccess(Access):
    """Fails as told; everything behind it is the real thing."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    async def authenticate(self, credential: Credential | None, address: str = "") -> Principal:
        raise self._failure


async def test_an_unknown_exception_shows_its_id_only(tmp_path: Path, tenants: Tenants) -> None:
    async with opened(tmp_path, tenants, access=BrokenAccess(RuntimeError(SECRET))) as gateway:
        with structlog.testing.capture_logs() as events:
            answer = await gateway.client.get(f"{gateway.account}/orders")
    details = answer.json()
    assert (answer.status_code, details["code"]) == (500, "internal")
    assert details["detail"] == f"internal error {details['error_id']}"
    assert SECRET not in answer.text
    (event,) = (event for event in events if event["event"] == "rest.internal")
    assert (event["error_id"], event["exc_info"]) == (details["error_id"], True)
    assert event["route"] == "/v1/accounts/{account_id}/orders"


async def test_a_store_that_cannot_read_is_a_503(tmp_path: Path, tenants: Tenants) -> None:
    failure = StoreError(Code.STORE_FAILED, "the journal could not be read")
    async with opened(tmp_path, tenants, access=BrokenAccess(failure)) as gateway:
        answer = await gateway.client.get(f"{gateway.account}/orders")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "store_failed", "5")


async def test_a_halted_account_refuses_submits_and_still_reads(gateway: Gateway, tmp_path: Path) -> None:
    """A journal that cannot be written keeps nothing of the submit and halts the account; the others go on."""
    intent_id = await gateway.create()
    break_commands(tmp_path)
    first = await gateway.submit(create(), key="k")
    assert (first.status_code, first.json()["code"], first.headers["retry-after"]) == (503, "store_failed", "5")
    for body in (create(), cancel(intent_id)):
        answer = await gateway.submit(body, key="k")
        assert (answer.status_code, answer.json()["code"]) == (503, "account_halted")
        assert answer.headers["retry-after"] == "60"
    assert [order["intent_id"] for order in (await gateway.get("orders"))["data"]] == [intent_id]
    mend_commands(tmp_path)
    second = f"/v1/accounts/{gateway.tenants.second_account_id}/intents"
    assert (await gateway.client.post(second, json=create())).status_code == 201


def break_commands(folder: Path) -> None:
    """Let every INSERT of a command fail, as a full disk would."""
    run_sql(folder, "CREATE TRIGGER broken BEFORE INSERT ON commands BEGIN SELECT RAISE(ABORT, 'no'); END")


def mend_commands(folder: Path) -> None:
    run_sql(folder, "DROP TRIGGER broken")


def run_sql(folder: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(folder / DATABASE_NAME, isolation_level=None)) as connection:
        connection.execute(statement)

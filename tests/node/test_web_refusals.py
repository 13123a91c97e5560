"""What the running program refuses on its streams over HTTP/1.1, and from other origins; every end has its code."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToJson

from dropcopy import proto as pb
from dropcopyd.config import load
from dropcopyd.errors import DropcopyError
from tests.support.daemon import Daemon, Rest
from tests.support.web import CALLS, End, WebStream, framed, headers

pytestmark = pytest.mark.asyncio(loop_scope="module")
ORIGIN = "https://app.example.com"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    async with Daemon(tmp_path_factory.mktemp("web") / "data") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rest(daemon: Daemon) -> AsyncIterator[Rest]:
    async with Rest(daemon.info) as client:
        yield client


async def post(daemon: Daemon, form: str, content: bytes, **more: str) -> httpx2.Response:
    """A call that is over by itself."""
    given = headers(form, {"x-api-key": daemon.info["api_key"], **more})
    async with httpx2.AsyncClient(base_url=daemon.info["rest"], timeout=20.0) as client:
        return await client.post(pb.SUBSCRIBE_EVENTS_PATH, content=content, headers=given)


@pytest.mark.parametrize("form", CALLS)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not_supported"),
        (b"\x00\x00\x00", "invalid_argument"),
        (b"\x00\x00\x00\x00\x05ab", "invalid_argument"),
        (b"\x00\x00\x00\x00\x04\xff\xff\xff\xff", "invalid_argument"),
        (b"\x07\x00\x00\x00\x00", "invalid_argument"),
        (b"\x01\x00\x00\x00\x02{}", "invalid_argument"),
        (b"\x00\xff\xff\xff\xff{", "request_too_large"),
        (b"\x00\x00\x00\x00\x00" * 2, "not_supported"),
    ],
    ids=["nothing", "prefix", "cut", "garbage", "flags", "compressed", "huge", "two"],
)
async def test_a_body_that_is_no_subscribe(form: str, body: bytes, code: str, daemon: Daemon) -> None:
    if form.endswith("json"):
        body = body.replace(b"\x00\x00\x00\x00\x00", b"\x00\x00\x00\x00\x02{}")
    answer = await post(daemon, form, base64.b64encode(body) if "text" in form else body)
    end = end_of(answer, form)
    assert end.code == code
    assert "Error" not in end.text


def end_of(answer: httpx2.Response, form: str) -> End:
    """How a call ended that gave nothing else."""
    assert answer.status_code == 200, answer.text
    stream = WebStream("http://nowhere", form, "", headers={})
    stream.take(answer.content)
    assert not stream.events
    assert stream.end is not None
    return stream.end


@pytest.mark.parametrize("form", CALLS)
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"trading_account_id": "no"}, "invalid_argument"),
        ({"subscriptions": [999, 0]}, "no_known_event_type"),
        ({"instrument_class": "EQUITY"}, "invalid_instrument_class"),
        ({"resume": [pb.Cursor(sequence=-1)]}, "invalid_cursor"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
async def test_a_bad_subscribe_ends_the_call(form: str, fields: dict[str, Any], code: str, daemon: Daemon) -> None:
    whole: dict[str, Any] = {"trading_account_id": daemon.info["account_id"], "subscriptions": [1]}
    request = pb.Subscribe(**{**whole, **fields})
    content = MessageToJson(request).encode() if form.endswith("json") else request.SerializeToString()
    stream = WebStream("http://nowhere", form, "", headers={})
    stream.take((await post(daemon, form, framed(content, form))).content)
    assert stream.end is not None
    assert stream.end.code == code


@pytest.mark.parametrize(
    ("query", "header", "status", "code", "parameter"),
    [
        ("kinds=BROKER_ORDERS", "", 422, "invalid_argument", "kinds"),
        ("kinds=", "", 422, "no_known_event_type", None),
        ("kinds=BROKER_ORDER&kinds=BROKER_TRADE", "", 422, "invalid_argument", "kinds"),
        ("order_delivery=primed", "", 422, "invalid_argument", "order_delivery"),
        ("instrument_class=EQUITY", "", 422, "invalid_instrument_class", None),
        ("last_event_id=5", "", 400, "invalid_cursor", "last_event_id"),
        ("last_event_id=e:-5", "", 400, "invalid_cursor", "last_event_id"),
        ("", "e:1:2", 400, "invalid_cursor", "Last-Event-ID"),
        ("", "e:9999999999999999999", 400, "invalid_cursor", "Last-Event-ID"),
        ("token=x", "", 422, "invalid_argument", "token"),
    ],
)
async def test_a_bad_request_for_events_is_a_problem(
    query: str, header: str, status: int, code: str, parameter: str | None, rest: Rest
) -> None:
    given = {"last-event-id": header} if header else {}
    answer = await rest.client.get(f"/v1/accounts/{rest.account_id}/events?{query}", headers=given)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("parameter")) == (status, code, parameter)


@pytest.mark.parametrize(
    "media_type",
    ["application/grpc", "application/grpc+proto", "application/json", "application/proto", "text/plain", ""],
)
async def test_another_media_type_is_a_problem(media_type: str, daemon: Daemon) -> None:
    answer = await post(daemon, "connect+proto", b"", **{"content-type": media_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_another_method_is_a_problem(rest: Rest) -> None:
    answer = await rest.client.get(pb.SUBSCRIBE_EVENTS_PATH)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("form", CALLS)
@pytest.mark.parametrize(("name", "value"), [("grpc-timeout", "300m"), ("connect-timeout-ms", "300")])
async def test_the_time_that_the_client_sets_is_kept(form: str, name: str, value: str, daemon: Daemon) -> None:
    if name.split("-")[0] != form.split("-")[0].split("+")[0]:
        return
    async with WebStream(
        daemon.info["rest"], form, daemon.info["account_id"], headers={"x-api-key": daemon.info["api_key"], name: value}
    ) as stream:
        end = await stream.ended()
    assert end.code == "deadline_exceeded"


async def test_a_header_that_is_no_text_hurts_nobody(daemon: Daemon) -> None:
    given = [(name.encode(), value.encode()) for name, value in headers("connect+proto", {}).items()]
    given += [(b"cookie", b"\xe9\xff"), (b"x-api-key", daemon.info["api_key"].encode())]
    async with httpx2.AsyncClient(base_url=daemon.info["rest"], timeout=20.0) as client:
        answer = await client.post(pb.SUBSCRIBE_EVENTS_PATH, content=b"", headers=given)
    assert end_of(answer, "connect+proto").code == "not_supported"


async def test_a_body_that_does_not_come_ends_the_call(tmp_path: Path) -> None:
    async with Daemon(tmp_path / "data", DROPCOPYD_LIMITS__REQUEST_READ_S="0.3") as daemon:
        address = urlsplit(daemon.info["rest"])
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        head = headers("connect+proto", {"x-api-key": daemon.info["api_key"], "content-length": "5", "host": "x"})
        lines = [f"POST {pb.SUBSCRIBE_EVENTS_PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + b"\x00")
        async with asyncio.timeout(20):
            answer = await reader.readuntil(b"0\r\n\r\n")
        assert b"request_timeout" in answer
        writer.close()


# --- other origins ----------------------------------------------------------------------------------------------------


async def test_pages_of_named_origins_may_call_and_no_others(tmp_path: Path) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    setting = {"DROPCOPYD_CORS_ORIGINS": json.dumps([ORIGIN])}
    async with Daemon(tmp_path / "data", **setting) as daemon, Rest(daemon.info) as rest:
        for path in (pb.SUBSCRIBE_EVENTS_PATH, "/v1/tokens"):
            allowed = await rest.client.options(path, headers={"origin": ORIGIN, **asked})
            assert allowed.headers["access-control-allow-origin"] == ORIGIN
            assert "authorization" in allowed.headers["access-control-allow-headers"]
            refused = await rest.client.options(path, headers={"origin": "https://evil.example.com", **asked})
            assert "access-control-allow-origin" not in refused.headers
        for key in (daemon.info["api_key"], "wrong"):
            answer = await rest.client.get("/v1/streams", headers={"origin": ORIGIN, "x-api-key": key})
            assert answer.headers["access-control-allow-origin"] == ORIGIN
            assert "dropcopy-code" in answer.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in answer.headers


async def test_without_a_setting_no_page_may_call(rest: Rest) -> None:
    answer = await rest.client.get("/v1/streams", headers={"origin": ORIGIN})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    asked = await rest.client.options("/v1/tokens", headers={"origin": ORIGIN, "access-control-request-method": "POST"})
    assert (asked.status_code, asked.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "origin", ["*", "app.example.com", "https://app.example.com/", "https://APP.example.com", "null"]
)
async def test_what_is_no_origin_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(DropcopyError, match="cors_origins"):
        load(cors_origins=[origin])

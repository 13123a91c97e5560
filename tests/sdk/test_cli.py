"""The command line as its users run it: a process, its output, its exit code."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.sdk.network import Answer, HttpRequest, HttpServer, json_answer
from tests.sdk.peers import ACCOUNT, KEY, WAIT_S, Cut, Gateway, Journal, Plan, order, position, serving
from tests.sdk.test_client import INTENT, ORDER, PROBLEM

DROPCOPY = (sys.executable, "-W", "error", "-m", "dropcopy._cli")
LIMIT = ("submit", "--symbol", "AAPL", "--side", "buy", "--quantity", "10", "--limit", "187.20")
ACTION = {
    "intent_id": INTENT,
    "account_id": ACCOUNT,
    "seq": 1,
    "action_type": "CREATE",
    "symbol": "AAPL",
    "order_side": "BUY",
    "order_type": "LIMIT",
    "quantity": "10",
    "limit_price": "187.20",
}


@dataclass
class Done:
    """A run that is over."""

    code: int | None
    out: str
    err: str

    def is_one_line(self) -> bool:
        """Whether stderr is one clear line: no traceback, no key."""
        lines = self.err.splitlines()
        return len(lines) == 1 and lines[0].startswith("dropcopy: ") and KEY not in self.out + self.err


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DROPCOPY_")}
    return kept | {"COLUMNS": "100", "NO_COLOR": "1"} | more


async def run(*arguments: str, env: dict[str, str] | None = None) -> Done:
    """Run the command to its end."""
    process = await asyncio.create_subprocess_exec(
        *DROPCOPY,
        *arguments,
        env=environment() if env is None else env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), WAIT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Done(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def rest(*answers: Answer) -> AsyncIterator[tuple[HttpServer, dict[str, str]]]:
    """A REST server that gives these answers in turn, and the environment to reach it."""
    script = list(answers)

    async def respond(request: HttpRequest) -> Answer:
        return script.pop(0) if script else json_answer(201, {"intent_id": INTENT})

    async with HttpServer(respond).serving() as server:
        yield (
            server,
            environment(
                DROPCOPY_REST=server.url,
                DROPCOPY_GRPC="127.0.0.1:9",
                DROPCOPY_API_KEY=KEY,
                DROPCOPY_ACCOUNT=ACCOUNT,
            ),
        )


# --- commands


async def test_submit_prints_the_intent() -> None:
    async with rest() as (server, env):
        done = await run(*LIMIT, "--tif", "gtc", "--reference", "mine", env=env)
        assert (done.code, done.out, done.err) == (0, f"{INTENT}\n", "")
        done = await run("submit", "--symbol", "AAPL", "--side", "sell-short", "--quantity", "1", "--json", env=env)
        assert json.loads(done.out) == {"intent_id": INTENT}
    limit, market = (request.body["command"]["payload"] for request in server.requests)
    assert limit["spec"] == {"Limit": {"price": "187.20", "quantity": "10", "time_in_force": "GOOD_TILL_CANCEL"}}
    assert (market["spec"], market["order_side"]) == (
        {"Market": {"quantity": "1", "time_in_force": "DAY"}},
        "SELL_SHORT",
    )
    assert server.requests[0].body["client_reference_id"] == "mine"


@pytest.mark.parametrize(
    ("options", "spec"),
    [
        (("--stop", "190"), {"Stop": {"stop_price": "190", "quantity": "5", "time_in_force": "DAY"}}),
        (
            ("--stop", "190", "--limit", "191", "--tif", "ext"),
            {"StopLimit": {"stop_price": "190", "price": "191", "quantity": "5", "time_in_force": "EXT"}},
        ),
        (
            ("--trail", "2.5%", "--tif", "gtc"),
            {"TrailingStop": {"trail_percent": "2.5", "quantity": "5", "time_in_force": "GOOD_TILL_CANCEL"}},
        ),
        (
            ("--trail", "0.50"),
            {"TrailingStop": {"trail_amount": "0.50", "quantity": "5", "time_in_force": "DAY"}},
        ),
        (("--tif", "close"), {"Market": {"quantity": "5", "time_in_force": "AT_CLOSE"}}),
        (("--type", "market-on-open"), {"MarketOnOpen": {"quantity": "5", "time_in_force": "AT_OPEN"}}),
        (
            ("--type", "limit-on-close", "--limit", "9"),
            {"LimitOnClose": {"price": "9", "quantity": "5", "time_in_force": "AT_CLOSE"}},
        ),
        (("--type", "fill-or-kill"), {"FillOrKill": {"quantity": "5", "time_in_force": "FILL_OR_KILL"}}),
    ],
)
async def test_submit_of_every_kind(options: tuple[str, ...], spec: dict[str, Any]) -> None:
    async with rest() as (server, env):
        done = await run("submit", "--symbol", "AAPL", "--side", "sell", "--quantity", "5", *options, env=env)
        assert (done.code, done.err) == (0, "")
    (sent,) = (request.body["command"]["payload"]["spec"] for request in server.requests)
    assert list(sent) == list(spec)
    assert sent == spec


async def test_prices_that_do_not_go_together_are_wrong_usage() -> None:
    async with rest() as (server, env):
        done = await run(*LIMIT, "--trail", "1", env=env)
    assert (done.code, server.requests) == (2, [])
    assert "TRAILING_STOP" in done.err


async def test_replace_keeps_a_stop_a_stop() -> None:
    row = ORDER | {"order_type": "TRAILING_STOP", "stop_price": "99", "trail_amount": "2", "limit_price": None}
    action = ACTION | {"order_type": "TRAILING_STOP", "limit_price": None}
    page = json_answer(200, {"data": [row], "next_cursor": None})
    async with rest(json_answer(200, action), page) as (server, env):
        done = await run("replace", INTENT, "--trail", "3", env=env)
        assert (done.code, done.err) == (0, "")
    (spec,) = (r.body["command"]["payload"]["spec"] for r in server.requests if r.method == "POST")
    assert spec == {"TrailingStop": {"quantity": "10", "trail_amount": "3", "time_in_force": "DAY"}}
    async with rest(json_answer(200, action)) as (server, env):
        done = await run("replace", INTENT, "--quantity", "1", "--limit", "5", "--tif", "day", env=env)
    assert done.code == 2
    assert "TRAILING_STOP" in done.err
    assert all(request.method == "GET" for request in server.requests)


async def test_cancel_names_the_intent() -> None:
    async with rest() as (server, env):
        done = await run("cancel", INTENT, env=env)
    assert (done.code, done.out) == (0, f"{INTENT}\n")
    assert server.requests[0].body["command"]["payload"] == {"ref_intent_id": INTENT}


async def test_replace_keeps_what_is_not_given() -> None:
    page = json_answer(200, {"data": [ORDER | {"intent_id": "x"}, ORDER], "next_cursor": None})
    async with rest(json_answer(200, ACTION), page) as (server, env):
        done = await run("replace", INTENT, "--limit", "188", env=env)
        assert (done.code, done.err) == (0, "")
    spec = server.requests[-1].body["command"]["payload"]["spec"]
    assert spec == {"Limit": {"price": "188", "quantity": "10", "time_in_force": "DAY"}}


@pytest.mark.parametrize(
    ("action", "row"),
    [
        (ACTION | {"quantity": "1000"}, ORDER),  # a replace that was refused, or is not decided
        (ACTION, ORDER | {"in_doubt_since": "2026-01-01T00:00:00Z"}),
        (ACTION, ORDER | {"intent_id": "another"}),
    ],
)
async def test_replace_never_guesses_the_terms(action: dict[str, Any], row: dict[str, Any]) -> None:
    page = json_answer(200, {"data": [row], "next_cursor": None})
    async with rest(json_answer(200, action), page) as (server, env):
        done = await run("replace", INTENT, "--limit", "188", env=env)
    assert done.code == 2
    assert done.is_one_line()
    assert "give --quantity, --limit and --tif" in done.err
    assert all(request.method == "GET" for request in server.requests)


# --- errors


async def test_a_refusal_is_one_line_and_code_1() -> None:
    problem = PROBLEM | {"detail": "no such \x1b[31msymbol\nat all", "pointer": "/command/payload/symbol"}
    async with rest(json_answer(422, problem)) as (_, env):
        done = await run(*LIMIT, env=env)
    assert done.code == 1
    assert done.is_one_line()
    assert "[unknown_symbol] at /command/payload/symbol" in done.err
    assert "\x1b" not in done.err


async def test_a_doubt_is_code_3_and_the_key_to_ask_again_with() -> None:
    async with rest(None) as (server, env):
        done = await run(*LIMIT, env=env)
        assert done.code == 3
        assert done.is_one_line()
        key = server.requests[0].headers["idempotency-key"]
        assert done.err.endswith(f"--idempotency-key {key}\n")
        assert (await run(*LIMIT, "--idempotency-key", key, env=env)).code == 0
    assert server.requests[1].headers["idempotency-key"] == key
    assert server.requests[1].body == server.requests[0].body


async def test_no_connection_is_code_4() -> None:
    env = environment(
        DROPCOPY_REST="http://127.0.0.1:9", DROPCOPY_GRPC="127.0.0.1:9", DROPCOPY_API_KEY=KEY, DROPCOPY_ACCOUNT=ACCOUNT
    )
    done = await run(*LIMIT, env=env)
    assert done.code == 4
    assert done.is_one_line()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((*LIMIT[:5], "--quantity", "1e5"), "plain decimal"),
        ((*LIMIT[:3], "--side", "up", "--quantity", "1"), "none of BUY, SELL, SELL_SHORT"),
        ((*LIMIT, "--tif", "forever"), "none of DAY"),
        ((*LIMIT, "--valid-until", "2026-01-01T00:00:00"), "time zone"),
        (("cancel", "../../x"), "is not an id"),
        (("replace", INTENT), "nothing to change"),
    ],
)
async def test_wrong_usage_is_code_2(arguments: tuple[str, ...], text: str) -> None:
    async with rest() as (server, env):
        done = await run(*arguments, env=env)
    assert done.code == 2
    assert done.is_one_line()
    assert text in done.err
    assert not server.requests


async def test_without_a_connection_it_says_what_is_missing() -> None:
    done = await run(*LIMIT)
    assert done.code == 2
    assert done.is_one_line()
    assert all(name in done.err for name in ("DROPCOPY_REST", "DROPCOPY_GRPC", "DROPCOPY_API_KEY", "--connect"))


async def test_flags_come_before_the_file_and_the_file_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "connect.json"
    async with rest() as (server, env):
        line = {"rest": server.url, "grpc": "127.0.0.1:9", "api_key": KEY, "account_id": ACCOUNT}
        file.write_text(json.dumps(line))
        elsewhere = env | {"DROPCOPY_REST": "http://127.0.0.1:9", "DROPCOPY_CA": "/no/such/file"}
        assert (await run(*LIMIT, "--connect", str(file), env=elsewhere)).code == 0
        done = await run(*LIMIT, "--connect", str(file), "--account", "other-account", env=elsewhere)
        assert done.code == 0
    assert [request.path.split("/")[3] for request in server.requests] == [ACCOUNT, "other-account"]


async def test_help_documents_exit_codes_and_hides_the_key() -> None:
    done = await run("submit", "--help", env=environment(DROPCOPY_API_KEY=KEY))
    assert done.code == 0
    assert "Exit codes: 0 done; 1 refused" in done.out
    assert KEY not in done.out


# --- watch


@asynccontextmanager
async def watched(gateway: Gateway) -> AsyncIterator[dict[str, str]]:
    async with asyncio.timeout(60), serving(gateway):
        yield environment(
            DROPCOPY_REST="http://127.0.0.1:9",
            DROPCOPY_GRPC=gateway.target,
            DROPCOPY_API_KEY=KEY,
            DROPCOPY_ACCOUNT=ACCOUNT,
        )


async def test_watch_prints_lines_and_ends_by_itself() -> None:
    gateway = Gateway(Journal().fill(3))
    gateway.states = [position(5), order(1, reason="\x1b]0;title\x07")]
    async with watched(gateway) as env:
        done = await run("watch", "--seconds", "1", env=env)
    assert (done.code, done.err) == (0, "")
    assert "stream   subscribed" in done.out
    assert "AAPL BUY 0/10 @ 187.20 NEW" in done.out
    assert "position AAPL 5 @ 187.2" in done.out
    assert "\x1b" not in done.out


async def test_watch_prints_json_for_each_event() -> None:
    gateway = Gateway(Journal().fill(3))
    gateway.states = [order(1)]
    async with watched(gateway) as env:
        done = await run("watch", "--seconds", "1", "--json", env=env)
    events = [json.loads(line) for line in done.out.splitlines()]
    assert {"heartbeat", "status", "primed", "order"} <= {event["type"] for event in events}
    (found,) = (event for event in events if event["type"] == "order")
    assert found["limit_price"] == "187.20"
    assert found["received_at"] == "2023-11-14T22:13:21.123456789Z"
    assert found["instrument"] == {"asset_class": "EQUITY", "symbol": "AAPL", "exchange": "NASDAQ"}


async def test_watch_says_why_it_cannot() -> None:
    gateway = Gateway(Journal())
    gateway.plans = [Plan(after=0, fault=Cut(grpc.StatusCode.UNAUTHENTICATED, "unauthenticated", "unknown API key"))]
    async with watched(gateway) as env:
        done = await run("watch", "--seconds", "5", env=env)
    assert done.code == 1
    assert done.is_one_line()
    assert "unknown API key [unauthenticated]" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_watch_is_left_cleanly(number: signal.Signals) -> None:
    async with watched(Gateway(Journal())) as env:
        process = await asyncio.create_subprocess_exec(
            *DROPCOPY, "watch", env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            await asyncio.wait_for(process.stdout.readline(), WAIT_S)
            process.send_signal(number)
            _, err = await asyncio.wait_for(process.communicate(), WAIT_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert (process.returncode, err) == (0, b"")


async def test_watch_does_not_mind_a_reader_that_leaves() -> None:
    async with watched(Gateway(Journal(), heartbeat_s=0.02)) as env:
        reading, writing = os.pipe()
        process = await asyncio.create_subprocess_exec(
            *DROPCOPY, "watch", "--json", "--seconds", "20", env=env, stdout=writing, stderr=asyncio.subprocess.PIPE
        )
        os.close(writing)
        try:
            await asyncio.to_thread(os.read, reading, 10)
            os.close(reading)
            _, err = await asyncio.wait_for(process.communicate(), WAIT_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert (process.returncode, err) == (0, b"")

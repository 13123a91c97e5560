"""Pages in headless Chromium, built as docs/clients/browser.md says, against the real server's REST port.

They come from another origin than the gateway's, so every call is also a test of its CORS settings.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.interop.browser.chromium import Chromium, Pages, chromium, serve
from tests.interop.toolchain import BROWSER, build, require
from tests.interop.transcript import WAIT_S, Transcript, assert_complete, confirmed, count, filled
from tests.support.daemon import Daemon, Rest
from tests.support.streams import StreamClient, has

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

LIBRARIES = (
    {"page": "connect", "protocol": "connect-json"},
    {"page": "connect", "protocol": "connect-binary"},
    {"page": "connect", "protocol": "grpc-web"},
    {"page": "grpcweb", "protocol": "grpc-web-text"},
)
EVENT_SOURCE = {"page": "sse", "protocol": "sse"}
STATUSES = {"UNAUTHENTICATED": "401", "RESOURCEEXHAUSTED": "429"}
"""What HTTP says where gRPC says that."""
CORS_SETTING = "DROPCOPYD_CORS_ORIGINS"
"""A JSON list of the origins whose pages may call."""


@dataclass
class Gateway:
    """A daemon that the pages may call, and the browser that they are opened in."""

    daemon: Daemon
    browser: Chromium

    def open(self, library: dict[str, str], token: str, resume: str = "") -> AbstractAsyncContextManager[Transcript]:
        """Open a page that subscribes to the account."""
        info = self.daemon.info
        return self.browser.open(**library, rest=info["rest"], token=token, account=info["account_id"], resume=resume)

    async def token(self) -> str:
        """A token of the daemon's key."""
        async with Rest(self.daemon.info) as rest:
            answer = await rest.client.post("/v1/tokens", json={})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])


@pytest.fixture(params=(*LIBRARIES, EVENT_SOURCE), ids=lambda library: "-".join(library.values()))
def library(request: pytest.FixtureRequest) -> dict[str, str]:
    chosen: dict[str, str] = request.param
    return chosen


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pages() -> AsyncIterator[Pages]:
    require(BROWSER)
    with serve(build(BROWSER)) as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chromium]:
    async with chromium(tmp_path_factory.mktemp("profile"), pages) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(pages: Pages, browser: Chromium, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with new_daemon(tmp_path_factory, pages, "--heartbeat-s", "0.2") as daemon:
        yield Gateway(daemon, browser)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(gateway: Gateway, pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """A gateway that allows one stream."""
    one = {"DROPCOPYD_LIMITS__STREAMS_PER_ORGANIZATION": "1"}
    async with new_daemon(tmp_path_factory, pages, **one) as daemon:
        yield Gateway(daemon, gateway.browser)


@pytest_asyncio.fixture(loop_scope="module")
async def reference(gateway: Gateway) -> AsyncIterator[StreamClient]:
    """A native client that is there before the page."""
    info = gateway.daemon.info
    async with StreamClient(info["grpc"], info["api_key"]) as client:
        client.subscribe(info["account_id"])
        await client.until(has("status"))
        yield client


def new_daemon(tmp_path_factory: pytest.TempPathFactory, pages: Pages, *arguments: str, **environment: str) -> Daemon:
    """A daemon that lets the pages call it."""
    environment[CORS_SETTING] = f'["{pages.origin}"]'
    return Daemon(tmp_path_factory.mktemp("browser") / "data", *arguments, **environment)


def status_of(library: dict[str, str], word: str) -> str:
    return STATUSES[word] if library == EVENT_SOURCE else word


async def test_every_event_arrives_as_it_was_sent(
    library: dict[str, str], gateway: Gateway, reference: StreamClient
) -> None:
    async with gateway.open(library, await gateway.token()) as page, Rest(gateway.daemon.info) as rest:
        await page.until(confirmed("subscribed"), "the confirmation")
        assert "heartbeat" in page.lines[0], "the first sign of life comes before all else"
        await rest.create("AAPL", "BUY", "3")
        await rest.create("AAPL", "SELL", "1", price="1.25")
        await page.until(filled(2), "two filled orders")
        beats = count(page.lines, "heartbeat")
        await page.until(lambda lines: count(lines, "heartbeat") >= beats + 2, "two more heartbeats")
    await assert_complete(page.journal, int(page.status().get("head", 0)) + 1, reference)


async def test_a_cursor_resumes_without_gap_or_repeat(
    library: dict[str, str], gateway: Gateway, reference: StreamClient
) -> None:
    token = await gateway.token()
    async with Rest(gateway.daemon.info) as rest:
        async with gateway.open(library, token) as page:
            await page.until(confirmed("subscribed"), "the confirmation")
            await rest.create("AAPL", "BUY", "3")
            await page.until(filled(1), "a filled order")
            first = page.journal[:3]
            cursor = page.cursor(first[-1])
        await rest.create("MSFT", "SELL", "2")
        async with gateway.open(library, token, cursor) as page:
            await page.until(filled(2), "both filled orders")
    [answer] = page.status()["resumes"]
    assert answer["outcome"] == "RESUME_OUTCOME_RESUMED"
    await assert_complete(first + page.journal, int(first[0]["sequence"]), reference)


async def test_a_wrong_token_is_refused_with_the_reason(library: dict[str, str], gateway: Gateway) -> None:
    async with gateway.open(library, "nonsense") as page:
        end = await page.ended()
    assert (end["status"], end["code"]) == (status_of(library, "UNAUTHENTICATED"), "unauthenticated")
    assert len(page.lines) == 1


async def test_a_stream_above_the_quota_is_refused_with_the_reason(library: dict[str, str], strict: Gateway) -> None:
    info = strict.daemon.info
    async with StreamClient(info["grpc"], info["api_key"]) as holder:
        await holder.until(has("heartbeat"))
        async with strict.open(library, await strict.token()) as page:
            end = await page.ended()
    assert (end["status"], end["code"]) == (status_of(library, "RESOURCEEXHAUSTED"), "stream_quota_exceeded")
    assert len(page.lines) == 1


async def test_a_closed_page_frees_its_place(library: dict[str, str], strict: Gateway) -> None:
    async with strict.open(library, await strict.token()) as page:
        await page.until(confirmed("subscribed"), "the confirmation")
    info = strict.daemon.info

    async def has_place() -> bool:
        async with StreamClient(info["grpc"], info["api_key"]) as client:
            await client.until(lambda _: client.error is not None or client.events, "an answer")
            return client.error is None

    async with asyncio.timeout(WAIT_S):
        while not await has_place():
            await asyncio.sleep(0.05)


async def test_a_page_of_another_origin_is_kept_out(
    library: dict[str, str], gateway: Gateway, browser: Chromium, pages: Pages
) -> None:
    """The same page from an origin that the settings do not name: the browser does not let it read a thing."""
    with serve(pages.folder) as foreign:
        stranger = Gateway(gateway.daemon, Chromium(browser.control, foreign))
        async with stranger.open(library, await gateway.token()) as page:
            if library == EVENT_SOURCE:  # it goes on trying
                await page.until(lambda lines: count(lines, "retry") == 2, "two failures")
                assert all("retry" in line for line in page.lines)
                return
            end = await page.ended()
    assert not end.get("code")
    assert len(page.lines) == 1


async def test_a_stop_of_the_server_is_announced_to_every_page(
    gateway: Gateway, pages: Pages, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with new_daemon(tmp_path_factory, pages) as daemon:
        stopping = Gateway(daemon, gateway.browser)
        token = await stopping.token()
        async with AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(stopping.open(library, token)) for library in LIBRARIES]
            for page in opened:
                await page.until(confirmed("subscribed"), "the confirmation")
            await daemon.stop()
            for page in opened:
                end = await page.ended()
                assert (end["status"], end["code"]) == ("UNAVAILABLE", "draining")
                assert page.lines[-2]["status"]["code"] == "draining"


async def test_an_event_source_comes_back_by_itself_with_its_cursor(
    gateway: Gateway, pages: Pages, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with new_daemon(tmp_path_factory, pages) as daemon, Rest(daemon.info) as rest:
        token = await Gateway(daemon, gateway.browser).token()
        async with Gateway(daemon, gateway.browser).open(EVENT_SOURCE, token) as page:
            await page.until(confirmed("subscribed"), "the confirmation")
            await rest.create("AAPL", "BUY", "3")
            await page.until(filled(1), "a filled order")
            port = daemon.info["rest"].rpartition(":")[2]
            await daemon.stop()
            await page.until(lambda lines: count(lines, "pause") == 1, "the drain")
            daemon.arguments += ("--rest-port", port)
            await daemon.start()
            await page.until(lambda lines: count(lines, "status") >= 3, "the confirmation after the restart")
            await rest.create("MSFT", "SELL", "2")
            await page.until(filled(2), "both filled orders")
    answers = [line["status"]["resumes"][0]["outcome"] for line in page.lines if "resumes" in line.get("status", {})]
    assert answers == ["RESUME_OUTCOME_LIVE", "RESUME_OUTCOME_RESUMED"]
    sequences = [int(line["sequence"]) for line in page.journal]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))

"""Headless Chromium, ended by its own process group, and the little web server that its pages come from."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx2

from tests.interop.transcript import WAIT_S, Transcript

_SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--remote-debugging-port=0",
)


@dataclass
class Pages:
    """Serves the files of a folder below /NUMBER/, and takes what page NUMBER posts to /NUMBER/line."""

    folder: Path
    loop: asyncio.AbstractEventLoop
    origin: str = ""
    lines: dict[str, asyncio.Queue[bytes]] = field(default_factory=dict)

    def take(self, number: str, line: bytes) -> None:
        """From the server's thread to the tests'."""
        self.loop.call_soon_threadsafe(self.lines[number].put_nowait, line)


@contextmanager
def serve(folder: Path) -> Iterator[Pages]:
    """The pages of the folder, on any free port of this machine."""
    pages = Pages(folder, asyncio.get_running_loop())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = folder / self.path.split("?")[0].rpartition("/")[2]
            if not path.is_file():
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("content-type", "text/javascript" if path.suffix == ".js" else "text/html")
            self.end_headers()
            self.wfile.write(path.read_bytes())

        def do_POST(self) -> None:
            pages.take(self.path.split("/")[1], self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        pages.origin = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield pages
        finally:
            server.shutdown()
            thread.join(WAIT_S)


@dataclass
class Chromium:
    """A running browser; `open` opens pages in it."""

    control: httpx2.AsyncClient
    pages: Pages

    @asynccontextmanager
    async def open(self, **settings: str) -> AsyncIterator[Transcript]:
        """A page of its own with these settings, closed at the end; what it writes."""
        number = str(len(self.pages.lines))
        queue = self.pages.lines[number] = asyncio.Queue()
        address = f"{self.pages.origin}/{number}/index.html#{urlencode(settings)}"
        opened = await self.control.put(f"/json/new?{quote(address, safe='')}")
        assert opened.status_code == 200, opened.text
        try:
            yield Transcript(queue.get)
        finally:
            await self.control.get(f"/json/close/{opened.json()['id']}")


@asynccontextmanager
async def chromium(profile: Path, pages: Pages) -> AsyncIterator[Chromium]:
    """Start the browser with an empty profile."""
    process = await asyncio.create_subprocess_exec(
        "chromium",
        *_SWITCHES,
        f"--user-data-dir={profile}",
        "about:blank",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = await _control_port(profile / "DevToolsActivePort", process)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_S) as control:
            yield Chromium(control, pages)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        async with asyncio.timeout(WAIT_S):
            await process.wait()


async def _control_port(file: Path, process: asyncio.subprocess.Process) -> int:
    """Chromium writes the port of its control interface into its profile as soon as it listens."""
    async with asyncio.timeout(WAIT_S):
        while not (lines := _lines_of(file)):
            assert process.returncode is None, "chromium did not start"
            await asyncio.sleep(0.05)
    return int(lines[0])


def _lines_of(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []

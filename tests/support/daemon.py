"""The real program as a child process, on any free ports, ended by its own process id."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

_READY_S = 30.0
_STOP_S = 20.0


class Daemon:
    """`dropcopyd dev --json` on a folder; may be killed and started again on the same one."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self.arguments = arguments
        self.environment = environment
        self.info: dict[str, Any] = {}
        self.process: asyncio.subprocess.Process | None = None
        self._log = folder.with_suffix(".log")

    async def start(self, **environment: str) -> Self:
        """Start and wait until it says that it is ready."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "dropcopyd",
                *("dev", "--json", "--data", str(self.folder)),
                *("--rest-port", "0", "--grpc-port", "0", "--grpc-tls-port", "0"),
                *self.arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self.environment, **environment},
            )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), _READY_S)
        assert line, f"the daemon did not start:\n{self.log()}"
        self.info = json.loads(line)
        return self

    async def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
        await self.ended()

    async def stop(self) -> None:
        """SIGTERM, and wait for the orderly end."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        await self.ended()

    async def ended(self) -> int:
        """Wait for the end; returns the exit code (negative = signal)."""
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), _STOP_S)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def log(self) -> str:
        """What it wrote to stderr."""
        return self._log.read_text() if self._log.exists() else ""

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_running:
            await self.kill()


class Rest:
    """A plain HTTP client of one daemon, with its key."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.account_id = info["account_id"]
        self.client = httpx2.AsyncClient(
            base_url=info["rest"], headers={"x-api-key": info["api_key"]}, timeout=httpx2.Timeout(20.0)
        )

    async def submit(
        self, command: dict[str, Any], *, key: str | None = None, account_id: str | None = None, **members: str
    ) -> httpx2.Response:
        """POST one command."""
        headers = {} if key is None else {"idempotency-key": key}
        url = f"/v1/accounts/{account_id or self.account_id}/intents"
        return await self.client.post(url, json={"command": command, **members}, headers=headers)

    async def create(self, symbol: str, side: str, quantity: str, *, key: str | None = None, **limit: str) -> str:
        """Submit a market order, or with `price=` a limit order; the intent id."""
        answer = await self.submit(create_command(symbol, side, quantity, **limit), key=key)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["intent_id"])

    async def all(self, what: str) -> list[dict[str, Any]]:
        """Every row of a list endpoint, newest first."""
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            parameters = {"limit": "100"} if cursor is None else {"limit": "100", "next_cursor": cursor}
            answer = await self.client.get(f"/v1/accounts/{self.account_id}/{what}", params=parameters)
            assert answer.status_code == 200, answer.text
            rows.extend(answer.json()["data"])
            cursor = answer.json()["next_cursor"]
            if cursor is None:
                return rows

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.client.aclose()


def create_command(symbol: str, side: str, quantity: str, **limit: str) -> dict[str, Any]:
    """The command member of a CREATE."""
    if "price" in limit:
        spec = {"Limit": {"quantity": quantity, "time_in_force": "DAY", **limit}}
    else:
        spec = {"Market": {"quantity": quantity, **limit}}
    return {"action_type": "CREATE", "payload": {"symbol": symbol, "order_side": side, "spec": spec}}

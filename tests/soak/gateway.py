"""A folder with organizations, accounts and keys, and the program on it, as its parent sees it."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dropcopyd.domain.account import BrokerKind, Scope
from dropcopyd.flow.access import digest, mint_key
from dropcopyd.node import read_pepper
from dropcopyd.store.admin import Admin
from dropcopyd.system import RandomIds, SystemClock
from tests.store.build import ORGANIZATIONS, account, account_id

_READY_S = 60.0
_ANSWER_S = 120.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Member:
    """An organization with its key and accounts."""

    organization_id: str
    api_key: str
    account_ids: tuple[str, ...]


def two_organizations(folder: Path, accounts: int) -> tuple[Member, ...]:
    """Accounts of tests/store/build.py, which live at the program's word; odd and even ones are apart."""
    admin = Admin(folder, SystemClock().now_ns())
    for organization_id in ORGANIZATIONS:
        admin.add_organization(organization_id, organization_id[-1])
    owned: list[tuple[str, ...]] = [(), ()]
    for one in (account(number) for number in range(1, accounts + 1)):
        admin.add_account(one.account_id, one.organization_id, one.name, one.broker)
        owned[ORGANIZATIONS.index(one.organization_id)] += (one.account_id,)
    admin.close()
    keys = _add_keys(folder, ORGANIZATIONS)
    return tuple(Member(*facts) for facts in zip(ORGANIZATIONS, keys, owned, strict=True))


def many_organizations(folder: Path, count: int) -> tuple[Member, ...]:
    """So many organizations with one account each: the first has account 1, and so on."""
    ids, clock = RandomIds(), SystemClock()
    pairs = [(ids.uuid(), account_id(number)) for number in range(1, count + 1)]
    admin = Admin(folder, clock.now_ns())
    for number, (organization_id, one) in enumerate(pairs):
        admin.add_organization(organization_id, f"organization {number}")
        admin.add_account(one, organization_id, "paper", BrokerKind.PAPER)
    admin.close()
    keys = _add_keys(folder, [organization_id for organization_id, _ in pairs])
    return tuple(Member(organization_id, key, (one,)) for (organization_id, one), key in zip(pairs, keys, strict=True))


def _add_keys(folder: Path, organization_ids: Sequence[str]) -> list[str]:
    ids = RandomIds()
    pepper = read_pepper(folder, ids)
    admin = Admin(folder, SystemClock().now_ns())
    keys = []
    for organization_id in organization_ids:
        key_id, api_key = mint_key(ids)
        admin.add_key(key_id, organization_id, "test", digest(pepper, api_key), Scope)
        keys.append(api_key)
    admin.close()
    return keys


@dataclass
class Gateway:
    """The running program."""

    folder: Path
    members: tuple[Member, ...]
    process: asyncio.subprocess.Process
    grpc: str
    rest: str
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _reader: sqlite3.Connection | None = None

    async def live(self, number: int, batches: int) -> None:
        """Commit the next batches of account NUMBER's life."""
        await self._ask({"lives": number, "batches": batches})

    async def burst(self, number: int, events: int) -> None:
        """Commit the same order's event so many times."""
        await self._ask({"burst": number, "events": events})

    async def _ask(self, command: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        async with self._turn, asyncio.timeout(_ANSWER_S):
            self.process.stdin.write(json.dumps(command).encode() + b"\n")
            line = await self.process.stdout.readline()
        assert line, f"the program ended: {self.folder.with_suffix('.log').read_text()[-2000:]}"

    def heads(self) -> dict[str, int]:
        """Where each account's journal ends, read from the file."""
        if self._reader is None:
            self._reader = sqlite3.connect(f"file:{self.folder / 'dropcopy.db'}?mode=ro", uri=True)
        return dict(self._reader.execute("SELECT account_id, head FROM accounts").fetchall())

    def close(self) -> None:
        """Let the file go."""
        if self._reader is not None:
            self._reader.close()

    @property
    def resident_bytes(self) -> int:
        """Memory of the program's process."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE_BYTES

    @property
    def cpu_s(self) -> float:
        """CPU time of the program's process."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@asynccontextmanager
async def running(
    folder: Path, members: tuple[Member, ...], *, seed: int = 0, **limits: float
) -> AsyncIterator[Gateway]:
    """The program on the folder; `seed` of the accounts' lives, `limits` by their names (domain/limits.py)."""
    environment = {f"DROPCOPYD_LIMITS__{name.upper()}": str(value) for name, value in limits.items()}
    with folder.with_suffix(".log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.soak.program", str(folder), str(seed)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            cwd=Path(__file__).parents[2],
            env={**os.environ, **environment},
        )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), _READY_S)
        assert line, f"the program did not start:\n{folder.with_suffix('.log').read_text()[-3000:]}"
        addresses = json.loads(line)
        gateway = Gateway(folder, members, process, addresses["grpc"], addresses["rest"])
        try:
            yield gateway
        finally:
            gateway.close()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0, "the program did not end in order"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

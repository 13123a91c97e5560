"""The campaign: 20 clients of mixed scopes on one gateway do what clients do, at random, while accounts live on.

Each client subscribes, unsubscribes, resumes, disconnects, stalls and asks nonsense over sockets of its own. At the end
every connection's transcript is checked against the journal by tests/soak/model.py, and the clients that kept one
scope through all their reconnects are checked as a whole: all they ever heard is the journal, filtered.
"""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Final

from tests.soak.client import Client, Connection, story
from tests.soak.gateway import Gateway, running, two_organizations
from tests.soak.journal import Journal, by_number, number, text
from tests.soak.model import Got, Heard

_LIMITS: Final = {
    "heartbeat_s": 0.25,
    "stall_s": 1.5,
    "retention_s": 1e9,
    "ring_events_per_account": 24,
    "replay_page_events": 7,
}
"""Small rings and pages: every client falls out of its ring again and again."""


async def campaign(folder: Path, seed: int, *, clients: int = 20, steps: int = 20) -> Counter[str]:
    """One run; what happened how often. Raises AssertionError with a note that names client and connection."""
    rng = random.Random(seed)
    members = two_organizations(folder, accounts=6)
    async with running(folder, members, seed=seed, **_LIMITS) as gateway:
        all_clients = [
            Client(f"client {place}", gateway, rng.choice(members), random.Random(rng.random()), place % 4 == 0)
            for place in range(clients)
        ]
        await _live(gateway, all_clients, rng, steps)
        heads = gateway.heads()
        await asyncio.gather(*(client.settle(heads) for client in all_clients))
    return check(folder, all_clients)


async def _live(gateway: Gateway, clients: list[Client], rng: random.Random, steps: int) -> None:
    """The clients act; the accounts live for as long as they do."""

    is_over = False

    async def lives() -> None:
        while not is_over:
            await gateway.live(rng.randrange(1, 7), rng.choice([1, 1, 2, 3, 12]))
            await asyncio.sleep(rng.random() * 0.06)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lives())
        await asyncio.gather(*(client.run(steps) for client in clients))
        is_over = True


def check(folder: Path, clients: list[Client]) -> Counter[str]:
    """Every connection against the journal."""
    journals = {
        client.member.organization_id: {
            one: Journal.read(folder / "dropcopy.db", one) for one in client.member.account_ids
        }
        for client in clients
    }
    counts: Counter[str] = Counter()
    for client in clients:
        owned = journals[client.member.organization_id]
        for place, connection in enumerate(client.connections):
            try:
                counts += _check_connection(owned, client.epoch, connection)
            except AssertionError as error:
                error.add_note(f"{client.name}, connection {place} of {len(client.connections)}")
                raise
        if client.is_steadfast:
            _check_whole(client, owned)
    counts["connections"] = sum(len(client.connections) for client in clients)
    return counts


def _check_connection(owned: dict[str, Journal], epoch: str, connection: Connection) -> Counter[str]:
    heard = Heard(owned, epoch, connection.transcript).check()
    heard.check_trailer(connection.trailer)
    if connection.is_complete:
        heard.check_complete()
    return heard.counts


def _check_whole(client: Client, owned: dict[str, Journal]) -> None:
    """One scope through all connections: what was heard from the first event on is the journal, filtered."""
    scope = next(iter(client.scopes.values()))
    heard: dict[str, list[bytes]] = {one: [] for one in owned}
    for connection in client.connections:
        for entry in connection.transcript:
            if isinstance(entry, Got):
                found = by_number(entry.raw)
                if number(found, 1000):
                    heard[text(found, 1001)].append(entry.raw)
    for one, raws in heard.items():
        named, whole = (scope, None) if scope.account_id == one else (None, None if scope.account_id else scope)
        journal = owned[one]
        due = [journal.raw[at - 1] for at in journal.wanted(named, whole)]
        assert raws == due[len(due) - len(raws) :], story(client, one)

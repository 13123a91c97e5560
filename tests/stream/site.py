"""A running program with as many tenants as tests want: each its own organization, key and accounts."""

import asyncio
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from dropcopy import proto as pb
from dropcopyd.domain.account import BrokerKind, Scope
from dropcopyd.flow.access import digest, mint_key
from dropcopyd.node import read_pepper
from dropcopyd.store.admin import Admin
from dropcopyd.system import RandomIds, SystemClock
from tests.support.daemon import Daemon
from tests.support.streams import StreamClient

ORDER, POSITION = pb.EVENT_TYPE_BROKER_ORDER, pb.EVENT_TYPE_BROKER_POSITION
TRADE, ACTION = pb.EVENT_TYPE_BROKER_TRADE, pb.EVENT_TYPE_INTENT_ACTION
STATUS, BALANCE = pb.EVENT_TYPE_ACCOUNT_STATUS, pb.EVENT_TYPE_ACCOUNT_BALANCE
OUTCOME = pb.EVENT_TYPE_COMMAND_OUTCOME
PRIMED = pb.ORDER_DELIVERY_PRIMED
UNKNOWN_UUID = "00000000-0000-4000-8000-000000000000"
_IDS = RandomIds()
_WAIT_S = 30.0


@dataclass
class Tenant:
    """One organization of a site."""

    site: "Site"
    organization_id: str
    api_key: str
    accounts: list[str]

    def stream(self, api_key: str | None = None, **options: Any) -> StreamClient:
        """A new stream, not yet opened."""
        return StreamClient(self.site.daemon.info["grpc"], api_key or self.api_key, **options)

    def add_account(self) -> str:
        """One more account, as the operator adds one beside the running program."""
        account_id = _IDS.uuid()
        with self.site.admin() as admin:
            admin.add_account(account_id, self.organization_id, account_id, BrokerKind.PAPER)
        self.accounts.append(account_id)
        return account_id

    def add_key(self, *scopes: Scope) -> tuple[str, str]:
        """One more key: (its id, the key)."""
        return self.site.add_key(self.organization_id, *scopes)

    async def submit(self, command: dict[str, Any], account_id: str | None = None) -> str:
        """Submit a command; the intent's id."""
        url = f"{self.site.daemon.info['rest']}/v1/accounts/{account_id or self.accounts[0]}/intents"
        answer = await self.site.http.post(url, json={"command": command}, headers={"x-api-key": self.api_key})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["intent_id"])

    async def create(self, account_id: str | None = None, symbol: str = "AAPL", side: str = "BUY", **spec: str) -> str:
        """A market order for 1, or with `price=` a limit order."""
        spec = {"quantity": "1", **spec}
        tagged = {"Limit": {"time_in_force": "GOOD_TILL_CANCEL", **spec}} if "price" in spec else {"Market": spec}
        payload = {"symbol": symbol, "order_side": side, "spec": tagged}
        return await self.submit({"action_type": "CREATE", "payload": payload}, account_id)

    async def cancel(self, intent_id: str, account_id: str | None = None) -> None:
        """Cancel an intent's order and wait until it is."""
        await self.submit({"action_type": "CANCEL", "payload": {"ref_intent_id": intent_id}}, account_id)
        await self.settled(intent_id, "CANCELLED", account_id)

    async def fill(self, account_id: str | None = None, symbol: str = "AAPL", side: str = "BUY", **spec: str) -> str:
        """A market order, filled."""
        intent_id = await self.create(account_id, symbol, side, **spec)
        await self.settled(intent_id, "FILLED", account_id)
        return intent_id

    async def rest_order(self, account_id: str | None = None, symbol: str = "AAPL") -> str:
        """A limit order far from the market, working."""
        intent_id = await self.create(account_id, symbol, price="0.50")
        await self.settled(intent_id, "NEW", account_id)
        return intent_id

    async def settled(self, intent_id: str, order_status: str, account_id: str | None = None) -> None:
        """Wait until an intent's order has that status and no command of it is open."""
        async with asyncio.timeout(_WAIT_S):
            while self.site.standing(account_id or self.accounts[0], intent_id) != (order_status, 0):
                await asyncio.sleep(0.02)


class Site:
    """A running program, what is in its journal, and its operator's hand."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.http = httpx2.AsyncClient(timeout=httpx2.Timeout(20.0))

    def admin(self) -> "_Open":
        return _Open(Admin(self.daemon.folder, SystemClock().now_ns()))

    def tenant(self, accounts: int = 1) -> Tenant:
        """A new organization with a key of all scopes and so many accounts."""
        organization_id = _IDS.uuid()
        with self.admin() as admin:
            admin.add_organization(organization_id, organization_id)
        tenant = Tenant(self, organization_id, self.add_key(organization_id, *Scope)[1], [])
        for _ in range(accounts):
            tenant.add_account()
        return tenant

    def add_key(self, organization_id: str, *scopes: Scope) -> tuple[str, str]:
        key_id, api_key = mint_key(_IDS)
        pepper = read_pepper(self.daemon.folder, _IDS)
        with self.admin() as admin:
            admin.add_key(key_id, organization_id, key_id, digest(pepper, api_key), scopes)
        return key_id, api_key

    def rows(self, statement: str, *values: object) -> list[Any]:
        """What the journal's file says, read beside the program."""
        return rows(self.daemon.folder, statement, *values)

    def standing(self, account_id: str, intent_id: str) -> tuple[str, int] | None:
        """(order status, commands without a final outcome) of an intent."""
        found = self.rows(
            "SELECT order_status, (SELECT count(*) FROM commands WHERE commands.order_id = orders.order_id"
            " AND outcome IN ('PENDING', 'IN_DOUBT')) FROM orders JOIN accounts ON account = accounts.number"
            " WHERE account_id = ? AND intent_id = ?",
            account_id,
            intent_id,
        )
        return None if not found else (str(found[0][0]), int(found[0][1]))

    def head(self, account_id: str) -> int:
        """Where the account's journal ends."""
        return int(self.rows("SELECT head FROM accounts WHERE account_id = ?", account_id)[0][0])

    def journal(self, account_id: str, after: int = 0, *kinds: str) -> list[pb.TradingEvent]:
        """An account's events after a sequence, of these kinds (all when none is named)."""
        chosen = json.dumps(kinds or [name for name, number in _kinds()])
        return [
            pb.TradingEvent.FromString(payload)
            for (payload,) in self.rows(
                "SELECT payload FROM journal JOIN accounts ON account = accounts.number"
                " WHERE account_id = ? AND sequence > ? AND kind IN (SELECT value FROM json_each(?)) ORDER BY sequence",
                account_id,
                after,
                chosen,
            )
        ]

    def epoch(self) -> str:
        """The store's epoch."""
        return str(self.rows("SELECT value FROM meta WHERE name = 'epoch'")[0][0])


class _Open:
    """An Admin that is closed at the end of the block."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def __enter__(self) -> Admin:
        return self._admin

    def __exit__(self, *error: object) -> None:
        self._admin.close()


def rows(folder: Path, statement: str, *values: object) -> list[Any]:
    """What a folder's journal file says."""
    connection = sqlite3.connect(f"file:{folder / 'dropcopy.db'}?mode=ro", uri=True, timeout=20)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


def _kinds() -> list[tuple[str, int]]:
    return [(name.removeprefix("EVENT_TYPE_"), number) for name, number in pb.EventType.items() if number]


def words(client: StreamClient) -> list[str]:
    """The kinds of all messages in order, heartbeats left out."""
    return [str(kind) for event in client.events if (kind := event.WhichOneof("event")) != "heartbeat"]

"""The client: orders in over REST, live context out of one gRPC stream."""

import json
import os
import secrets
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

from dropcopy._channel import Target, is_loopback
from dropcopy._credential import Credential
from dropcopy._decode import MalformedError, from_json
from dropcopy._enums import AssetClass, EventType, OrderSide, OrderVenue
from dropcopy._errors import ConfigurationError, UnexpectedAnswer
from dropcopy._models import Cursor, IntentAction, Order, Position, Trade
from dropcopy._rest import Rest
from dropcopy._specs import OrderSpec, Page
from dropcopy._stream import Stream
from dropcopy._subscription import ALL_KINDS, Subscription

_PAGE_ROWS: Final = 100
_Row = TypeVar("_Row")


class Client:
    """One gateway as one API key, or one bearer token, sees it. Use it as an async context manager, in one event loop.

    `rest` is the base URL, `grpc` is `host:port`, `ca` a PEM file of certificates to trust (then gRPC is TLS).
    Without `ca`, gRPC is plaintext to this machine and TLS with the system's certificates elsewhere; `plaintext`
    True or False decides it outright. A key or token travels unencrypted to another machine only with `plaintext=True`.
    In place of `api_key` there may be a `token` of `POST /v1/tokens`: text, or a function that gives the one of the
    moment at once; a stream whose token expires then goes on with the next one.
    `timeout_s` bounds each REST call as a whole, `connect_timeout_s` the connecting in it.

    Raises ConfigurationError. Nothing is connected before the first call.
    """

    def __init__(
        self,
        *,
        rest: str,
        grpc: str,
        api_key: str | None = None,
        token: str | Callable[[], str] | None = None,
        ca: str | Path | None = None,
        plaintext: bool | None = None,
        account_id: str | None = None,
        timeout_s: float = 15.0,
        connect_timeout_s: float = 5.0,
    ) -> None:
        credential = Credential.of(api_key, token)
        self.account_id = account_id
        """The account to use by default: what `from_env` and the command line were told. No method reads it."""
        roots = _read_roots(ca)
        self._target = Target(grpc, credential, _is_plaintext(grpc, ca, plaintext), roots)
        self._rest = Rest(
            _checked_url(rest, plaintext),
            credential,
            verify=True if ca is None else ssl.create_default_context(cafile=str(ca)),
            timeout_s=timeout_s,
            connect_timeout_s=connect_timeout_s,
        )
        self._streams: list[Stream] = []

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None, **options: Any) -> Self:
        """From DROPCOPY_REST, DROPCOPY_GRPC, DROPCOPY_API_KEY and, if set, DROPCOPY_CA and DROPCOPY_ACCOUNT.

        `options` go to the constructor. Raises ConfigurationError, which names what is not set.
        """
        env = os.environ if environment is None else environment
        needed = {"rest": "DROPCOPY_REST", "grpc": "DROPCOPY_GRPC", "api_key": "DROPCOPY_API_KEY"}
        missing = [name for argument, name in needed.items() if not env.get(name) and argument not in options]
        if missing:
            raise ConfigurationError(f"not set: {', '.join(missing)}")
        values: dict[str, Any] = {argument: env.get(name) for argument, name in needed.items()}
        values |= {"ca": env.get("DROPCOPY_CA") or None, "account_id": env.get("DROPCOPY_ACCOUNT") or None}
        return cls(**(values | options))

    @classmethod
    def from_file(cls, path: str | Path, **options: Any) -> Self:
        """From a file with the JSON line that `dropcopyd dev --json` prints. Raises ConfigurationError."""
        return cls(**(read_connection(path) | options))

    async def aclose(self) -> None:
        """Close the streams and connections. Idempotent."""
        for stream in self._streams:
            await stream.aclose()
        self._streams.clear()
        await self._rest.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # --- commands ------------------------------------------------------------------------------------------------

    async def submit(
        self,
        account_id: str,
        *,
        symbol: str,
        side: OrderSide | str,
        spec: OrderSpec,
        venue: OrderVenue | str = OrderVenue.SMART,
        asset_class: AssetClass | str | None = None,
        client_reference_id: str | None = None,
        strategy_id: str | None = None,
        valid_until: datetime | None = None,
        idempotency_key: str | None = None,
        retries: int = 0,
    ) -> str:
        """Submit an order; the answer is the intent's id, and the gateway has it safely when it comes.

        Never sent twice blindly: the call carries an idempotency key (yours, or one it makes). Where no certain
        answer comes it raises SubmitInDoubt with that key; call again with it and the same arguments to learn what
        happened. `retries` does this for you so many times, always under the same key. If you may cancel the call,
        give a key of your own, or it is lost with the call. `asset_class` is needed where a symbol names several
        instruments; an order whose sending has not begun by `valid_until` is not sent.

        Raises SubmitInDoubt, ConnectionFailed (certainly not sent), ApiError (refused), TypeError and ValueError.
        """
        payload: dict[str, Any] = {
            "symbol": symbol,
            "spec": spec.to_wire(),
            "order_side": OrderSide.parse(side).value,
            "order_venue": OrderVenue.parse(venue).value,
        }
        if asset_class is not None:
            payload["asset_class"] = AssetClass.parse(asset_class).value
        if valid_until is not None:
            if valid_until.tzinfo is None:
                raise ValueError("valid_until needs a time zone")
            payload["valid_until"] = valid_until.isoformat()
        body: dict[str, Any] = {"command": {"action_type": "CREATE", "payload": payload}}
        if client_reference_id is not None:
            body["client_reference_id"] = client_reference_id
        if strategy_id is not None:
            body["strategy_id"] = strategy_id
        return await self._command(account_id, body, idempotency_key, retries)

    async def replace(
        self,
        account_id: str,
        intent_id: str,
        spec: OrderSpec,
        *,
        idempotency_key: str | None = None,
        retries: int = 0,
    ) -> str:
        """Ask for new terms; `spec.quantity` is the new total, filled part included. Otherwise like `submit`.

        What became of it shows as CommandOutcome and Order on the stream; the old terms hold until then.
        """
        payload = {"ref_intent_id": _segment(intent_id), "spec": spec.to_wire()}
        body = {"command": {"action_type": "REPLACE", "payload": payload}}
        return await self._command(account_id, body, idempotency_key, retries)

    async def cancel(
        self, account_id: str, intent_id: str, *, idempotency_key: str | None = None, retries: int = 0
    ) -> str:
        """Ask for the order's end; it can still fill until the broker has agreed. Otherwise like `submit`."""
        body = {"command": {"action_type": "CANCEL", "payload": {"ref_intent_id": _segment(intent_id)}}}
        return await self._command(account_id, body, idempotency_key, retries)

    async def _command(self, account_id: str, body: dict[str, Any], key: str | None, retries: int) -> str:
        if key is not None and not (key.isascii() and key.isprintable() and 1 <= len(key) <= 255):
            raise ValueError("an idempotency key is 1 to 255 printable ASCII characters")
        key = key or secrets.token_hex(16)
        return await self._rest.command(_segment(account_id), body, key, retries)

    async def disarm(self, account_id: str, strategy_id: str = "") -> None:
        """End a strategy's cancel on disconnect (`Stream.arm`), so that its stream can be closed without consequence.

        Cancels that have begun go on. Idempotent. Raises ConnectionFailed, ApiError.
        """
        query = {"strategy_id": strategy_id} if strategy_id else None
        await self._rest.delete(f"/v1/accounts/{_segment(account_id)}/armings", query)

    # --- queries -------------------------------------------------------------------------------------------------

    async def latest_action(self, account_id: str, intent_id: str) -> IntentAction:
        """The intent's latest action, which need not have been carried out. Raises ConnectionFailed, ApiError."""
        data = await self._rest.get(f"/v1/accounts/{_segment(account_id)}/intents/{_segment(intent_id)}")
        return _record(IntentAction, data)

    async def actions(
        self, account_id: str, intent_id: str, *, limit: int = _PAGE_ROWS, next_cursor: str | None = None
    ) -> Page[IntentAction]:
        """A page of the intent's actions, in their order."""
        path = f"/v1/accounts/{_segment(account_id)}/intents/{_segment(intent_id)}/actions"
        return await self._page(IntentAction, path, limit, next_cursor)

    async def orders(self, account_id: str, *, limit: int = _PAGE_ROWS, next_cursor: str | None = None) -> Page[Order]:
        """A page of orders, newest first."""
        return await self._page(Order, f"/v1/accounts/{_segment(account_id)}/orders", limit, next_cursor)

    async def positions(
        self, account_id: str, *, limit: int = _PAGE_ROWS, next_cursor: str | None = None
    ) -> Page[Position]:
        """A page of positions."""
        return await self._page(Position, f"/v1/accounts/{_segment(account_id)}/positions", limit, next_cursor)

    async def trades(self, account_id: str, *, limit: int = _PAGE_ROWS, next_cursor: str | None = None) -> Page[Trade]:
        """A page of executions, newest first."""
        return await self._page(Trade, f"/v1/accounts/{_segment(account_id)}/trades", limit, next_cursor)

    async def each(
        self, pages: Callable[..., Awaitable[Page[_Row]]], *arguments: str, limit: int = _PAGE_ROWS
    ) -> AsyncIterator[_Row]:
        """All rows of a paged query: `async for trade in client.each(client.trades, account_id)`."""
        next_cursor: str | None = None
        while True:
            page = await pages(*arguments, limit=limit, next_cursor=next_cursor)
            for row in page.data:
                yield row
            if page.next_cursor is None or page.next_cursor == next_cursor:
                return
            next_cursor = page.next_cursor

    async def _page(self, kind: type[_Row], path: str, limit: int, next_cursor: str | None) -> Page[_Row]:
        query: dict[str, str] = {"limit": str(limit)}
        if next_cursor is not None:
            query["next_cursor"] = next_cursor
        answer = await self._rest.get(path, query)
        rows, following = answer.get("data"), answer.get("next_cursor")
        if not isinstance(rows, list) or not isinstance(following, str | None):
            raise UnexpectedAnswer(f"{path} answered with something that is no page")
        return Page(tuple(_record(kind, row) for row in rows), following)

    # --- stream --------------------------------------------------------------------------------------------------

    def stream(
        self,
        account_id: str | None = None,
        *,
        kinds: Iterable[EventType | str] | None = None,
        instrument: str = "",
        instrument_class: AssetClass | str | None = None,
        primed: bool = True,
        resume: Cursor | Iterable[Cursor] | None = None,
        heartbeat_s: float | None = None,
        connect_timeout_s: float = 10.0,
        give_up_after_s: float | None = None,
    ) -> Stream:
        """Live events of an account (None: of every account of the organization); see Stream.

        `kinds` None is all. `instrument` narrows orders and positions of a named account to one symbol, `primed`
        brings the present orders first, `resume` goes on from stored cursors. `heartbeat_s` is the gateway's
        interval (None: 5, then as observed); after 2.5 of them in silence the stream reconnects. It connects when
        the first event is asked for and gives up if that does not succeed in `connect_timeout_s`; a stream that has
        been connected tries again for ever, or for `give_up_after_s`.
        """
        wanted = ALL_KINDS if kinds is None else frozenset(EventType.parse(kind) for kind in kinds)
        if not wanted:
            raise ValueError("kinds is empty")
        subscription = Subscription(
            account_id=_canonical(account_id or ""),
            kinds=wanted,
            instrument=instrument,
            instrument_class="" if instrument_class is None else AssetClass.parse(instrument_class).value.lower(),
            is_primed=primed,
            heartbeat_s=heartbeat_s,
            connect_timeout_s=connect_timeout_s,
            give_up_after_s=give_up_after_s,
        )
        cursors = (resume,) if isinstance(resume, Cursor) else tuple(resume or ())
        stream = Stream(self._target, subscription, cursors)
        self._streams = [known for known in self._streams if not known.is_closed]
        self._streams.append(stream)
        return stream


def read_connection(path: str | Path) -> dict[str, Any]:
    """The constructor's arguments from the JSON line of `dropcopyd dev --json`. Raises ConfigurationError."""
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {getattr(error, 'strerror', None) or 'not a text file'}") from error
    for line in lines:
        if not line.lstrip().startswith("{"):
            continue
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and isinstance(found.get("rest"), str) and isinstance(found.get("api_key"), str):
            return _arguments(found)
    raise ConfigurationError(f"{path} does not hold the JSON line of `dropcopyd dev --json`")


def _arguments(found: Mapping[str, Any]) -> dict[str, Any]:
    plain, secure = found.get("grpc"), found.get("grpc_tls")
    arguments = {"rest": found["rest"], "api_key": found["api_key"], "account_id": found.get("account_id")}
    if plain and is_loopback(plain):
        return arguments | {"grpc": plain}
    return arguments | {"grpc": secure or plain, "ca": found.get("ca") if secure else None}


def _read_roots(ca: str | Path | None) -> bytes | None:
    if ca is None:
        return None
    try:
        ssl.create_default_context(cafile=str(ca))
        return Path(ca).read_bytes()
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"{ca} holds no certificates that can be used: {error}") from error


def _is_plaintext(grpc: str, ca: str | Path | None, wish: bool | None) -> bool:
    if not grpc or not isinstance(grpc, str):
        raise ConfigurationError("there is no gRPC address")
    if wish and ca is not None:
        raise ConfigurationError("plaintext and a CA exclude each other")
    return (ca is None and is_loopback(grpc)) if wish is None else wish


def _checked_url(rest: str, plaintext: bool | None) -> str:
    parts = urlsplit(rest)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"the REST address {rest!r} is not a URL such as http://127.0.0.1:8080")
    if parts.scheme == "http" and not is_loopback(parts.hostname) and not plaintext:
        raise ConfigurationError(
            f"{rest} would carry the API key unencrypted to another machine; use https, or ask for plaintext"
        )
    return rest.rstrip("/")


def _canonical(account_id: str) -> str:
    """A UUID as the gateway spells it; anything else is left for the gateway to refuse."""
    try:
        return str(uuid.UUID(account_id))
    except ValueError:
        return account_id


def _segment(name: str) -> str:
    """An id as one segment of a path: nothing in it may lead elsewhere."""
    if not name or not all(character.isalnum() or character in "-_" for character in name):
        raise ValueError(f"{name!r} is not an id")
    return name


def _record(kind: type[_Row], data: Any) -> _Row:
    try:
        return from_json(kind, data)
    except MalformedError as error:
        raise UnexpectedAnswer(str(error)) from error

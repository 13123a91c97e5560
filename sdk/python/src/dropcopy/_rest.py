"""The REST side: one place that knows what an HTTP outcome proves about a command.

A command is sent once per call. It is refused only if the gateway says so in its own words; it is certainly not sent
only if no connection came about. Everything else is doubt, which nothing but the answer under the same idempotency
key can end.
"""

import asyncio
import secrets
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from dropcopy._channel import is_loopback
from dropcopy._credential import Credential
from dropcopy._errors import (
    ApiError,
    ConnectionFailed,
    DropcopyError,
    SubmitInDoubt,
    Unavailable,
    UnexpectedAnswer,
    error_class_of,
)

_NOT_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
_REFUSED_BEFORE_COMMIT: Final = frozenset({"overloaded", "draining", "not_ready", "account_halted"})
"""Codes of a 503 with which the gateway says that it has taken nothing."""
_KEEPALIVE_S: Final = 2.0
"""Shorter than servers keep idle connections: a command must not go out on one that is just being closed."""
_RETRY_BACKOFF_S: Final = (0.2, 5.0)
_KNOWN_MEMBERS: Final = frozenset({"type", "title", "detail", "status", "code", "pointer"})


class _InDoubt(Exception):  # noqa: N818 # a state of knowledge
    """No certain answer came; the text says why."""


class Rest:
    """HTTP calls of one credential. Never follows redirects, never repeats a request by itself."""

    def __init__(
        self,
        base_url: str,
        credential: Credential,
        *,
        verify: ssl.SSLContext | bool,
        timeout_s: float,
        connect_timeout_s: float,
    ) -> None:
        self._credential = credential
        self._timeout_s = timeout_s
        self._address = base_url
        self._http = httpx2.AsyncClient(
            base_url=base_url,
            headers={"accept": "application/json, application/problem+json"},
            verify=verify,
            follow_redirects=False,
            timeout=httpx2.Timeout(timeout_s, connect=connect_timeout_s, pool=connect_timeout_s),
            limits=httpx2.Limits(keepalive_expiry=_KEEPALIVE_S),
            trust_env=not is_loopback(urlsplit(base_url).hostname or ""),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object behind a path. Raises ConnectionFailed, ApiError, UnexpectedAnswer."""
        return _object(await self._ask("GET", path, query))

    async def delete(self, path: str, query: Mapping[str, str] | None = None) -> None:
        """Take away what is behind a path. Raises ConnectionFailed, ApiError, UnexpectedAnswer."""
        await self._ask("DELETE", path, query)

    async def _ask(self, method: str, path: str, query: Mapping[str, str] | None) -> httpx2.Response:
        try:
            async with asyncio.timeout(self._timeout_s):
                headers = [self._credential.header()]
                response = await self._http.request(method, path, params=query, headers=headers)
        except (httpx2.TransportError, TimeoutError) as error:
            raise ConnectionFailed(f"no answer from {self._address}: {_text(error)}") from error
        if response.status_code >= 300:
            raise _problem(response)
        return response

    async def command(self, account_id: str, body: dict[str, Any], key: str, retries: int) -> str:
        """Send a command under its key, up to 1 + `retries` times; the intent's id.

        Once an attempt is in doubt, only an acceptance ends the doubt: a later refusal says nothing about a request
        that may still be on its way. Raises SubmitInDoubt, ConnectionFailed, ApiError.
        """
        doubt = ""
        for attempt in range(1 + max(retries, 0)):
            is_last = attempt >= retries
            wait_s: float | None = None
            try:
                return await self._send(account_id, body, key)
            except _InDoubt as error:
                doubt = str(error)
                if is_last:
                    raise SubmitInDoubt(account_id, key, doubt) from error.__cause__
            except (ConnectionFailed, ApiError) as error:
                is_worth_it = isinstance(error, ConnectionFailed | Unavailable)
                if doubt and (is_last or not is_worth_it):
                    raise SubmitInDoubt(account_id, key, doubt) from error
                if is_last or not is_worth_it:
                    raise
                wait_s = error.retry_after_s if isinstance(error, ApiError) else None
            await asyncio.sleep(_pause_s(attempt, wait_s))
        raise AssertionError("the last attempt returns or raises")

    async def _send(self, account_id: str, body: dict[str, Any], key: str) -> str:
        """One attempt. Raises _InDoubt, ConnectionFailed or ApiError."""
        path = f"/v1/accounts/{account_id}/intents"
        try:
            async with asyncio.timeout(self._timeout_s):
                headers = [self._credential.header(), ("idempotency-key", key)]
                response = await self._http.post(path, json=body, headers=headers)
        except _NOT_SENT as error:
            raise ConnectionFailed(f"not sent: no connection to {self._address}: {_text(error)}") from error
        except (httpx2.HTTPError, TimeoutError) as error:
            raise _InDoubt(_text(error)) from error
        if response.status_code < 300:
            try:
                intent_id = _object(response).get("intent_id")
            except UnexpectedAnswer as error:
                raise _InDoubt(str(error)) from error
            if not isinstance(intent_id, str) or not intent_id:
                raise _InDoubt("the answer names no intent")
            return intent_id
        problem = _problem(response)
        if not isinstance(problem, ApiError) or not _is_refusal(response.status_code, problem.code):
            raise _InDoubt(f"HTTP {response.status_code}: {problem}") from problem
        raise problem


def _is_refusal(status: int, code: str) -> bool:
    """Whether the gateway itself says that it has not taken the command."""
    return 400 <= status < 500 or (status == 503 and code in _REFUSED_BEFORE_COMMIT)


def _problem(response: httpx2.Response) -> DropcopyError:
    """The exception for an answer of 300 or above; UnexpectedAnswer if it is not the gateway's."""
    status = response.status_code
    try:
        data = _object(response)
    except UnexpectedAnswer:
        data = {}
    code = data.get("code")
    if status < 400 or not isinstance(code, str) or not code:
        return UnexpectedAnswer(f"HTTP {status} without a problem document")
    return error_class_of(status)(
        code,
        title=str(data.get("title") or ""),
        detail=str(data.get("detail") or ""),
        status=status,
        pointer=str(data.get("pointer") or ""),
        retry_after_s=_retry_after_s(response),
        facts={name: value for name, value in data.items() if name not in _KNOWN_MEMBERS},
    )


def _object(response: httpx2.Response) -> dict[str, Any]:
    try:
        data = response.json()
    except ValueError as error:
        raise UnexpectedAnswer(f"HTTP {response.status_code} with a body that is not JSON") from error
    if not isinstance(data, dict):
        raise UnexpectedAnswer(f"HTTP {response.status_code} with JSON that is not an object")
    return data


def _retry_after_s(response: httpx2.Response) -> float | None:
    try:
        return max(float(response.headers.get("retry-after", "")), 0.0)
    except ValueError:
        return None


def _pause_s(attempt: int, wish_s: float | None) -> float:
    first_s, most_s = _RETRY_BACKOFF_S
    if wish_s is not None:
        return min(wish_s, most_s)
    return secrets.SystemRandom().uniform(0, min(first_s * 2.0**attempt, most_s))


def _text(error: Exception) -> str:
    """What happened, in one line; some of the library's exceptions have no text of their own."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text}" if text else name

"""A request's headers and bytes as values: media type, size and time limits, and JSON read without leniency."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from fastapi import Request
from starlette.requests import ClientDisconnect

from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError, InvalidError

_MEDIA_TYPE: Final = re.compile(
    r"application/json(?:[ \t]*;[ \t]*charset=(?:utf-8|\"utf-8\"))?", re.ASCII | re.IGNORECASE
)
_IDEMPOTENCY_KEY: Final = re.compile(r"[ -~]{1,255}", re.ASCII)
_OPTIONAL_SPACE: Final = " \t"

ADMISSION_SCOPE: Final = "dropcopy.admission"
"""Where a request's scope keeps its credential, once it was accepted (flow.access.Admission)."""


class Number(str):
    """A JSON number, kept as it was written: no amount is ever a number, so none is converted."""

    __slots__ = ()


def one_header(request: Request, name: str, code: Code) -> str | None:
    """A header that may be given once, without outer blanks; None when absent. Raises DropcopyError(code)."""
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise DropcopyError(code, f"the header {name} was given {len(values)} times; give it once")
    return values[0].strip(_OPTIONAL_SPACE) if values else None


def idempotency_key(request: Request) -> str | None:
    """The caller's Idempotency-Key, None when absent. Raises DropcopyError(INVALID_IDEMPOTENCY_KEY)."""
    key = one_header(request, "idempotency-key", Code.INVALID_IDEMPOTENCY_KEY)
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise DropcopyError(Code.INVALID_IDEMPOTENCY_KEY, "an Idempotency-Key has 1 to 255 printable ASCII characters")
    return key


async def read_json(request: Request, limits: Limits) -> Any:
    """The JSON value of the body; numbers as `Number`.

    Raises DropcopyError: UNSUPPORTED_MEDIA_TYPE, BODY_TOO_LARGE, REQUEST_TIMEOUT, MALFORMED_REQUEST (fewer bytes than
    announced), INVALID_JSON; UNAUTHENTICATED, TOKEN_EXPIRED, PERMISSION_DENIED when the credential was good for the
    head and is not any more: a client may take its time with a body, and what it asks for is decided now. Raises
    ClientDisconnect when the client has gone before the end of its body.
    """
    media_type = one_header(request, "content-type", Code.UNSUPPORTED_MEDIA_TYPE)
    if media_type is None or not _MEDIA_TYPE.fullmatch(media_type):
        raise DropcopyError(Code.UNSUPPORTED_MEDIA_TYPE, "the Content-Type must be application/json (UTF-8)")
    encoding = one_header(request, "content-encoding", Code.UNSUPPORTED_MEDIA_TYPE)
    if encoding not in (None, "identity"):
        raise DropcopyError(Code.UNSUPPORTED_MEDIA_TYPE, "the body must not have a Content-Encoding")
    if getattr(request.scope.get("dropcopy.connection"), "has_body", False):
        return parse_json(await _read(request, limits.request_body_bytes_max))  # nothing to wait for
    try:
        async with asyncio.timeout(limits.request_read_s):
            body = await _read(request, limits.request_body_bytes_max)
    except TimeoutError as error:
        raise DropcopyError(
            Code.REQUEST_TIMEOUT, f"the body did not arrive within {limits.request_read_s:g} s"
        ) from error
    admission = request.scope.get(ADMISSION_SCOPE)
    if admission is not None:
        await admission.recheck()
    return parse_json(body)


async def _read(request: Request, bytes_max: int) -> bytes:
    announced = request.headers.get("content-length")
    if announced is not None and int(announced) > bytes_max:
        raise _too_large(bytes_max)
    body = bytearray()
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
        if not message.get("more_body", False):
            break
    if announced is not None and int(announced) != len(body):
        # The parser stops at an upgrade; what would follow is then no longer this request's body.
        raise DropcopyError(
            Code.MALFORMED_REQUEST, "the body is shorter than announced; ask for no protocol upgrade on a submit"
        )
    return bytes(body)


def _too_large(bytes_max: int) -> DropcopyError:
    return DropcopyError(Code.BODY_TOO_LARGE, f"the body is over {bytes_max} bytes", limit_bytes=bytes_max)


def parse_json(body: bytes) -> Any:
    """The value of a JSON text, objects as dicts, numbers as `Number`.

    Raises InvalidError(INVALID_JSON) for what is not JSON in UTF-8, NaN and Infinity, a member that appears twice,
    a lone surrogate, and nesting that no request needs.
    """
    if not body:
        raise _invalid("it is empty")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _invalid(f"not UTF-8 at byte {error.start}") from error
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _invalid(f"{error.msg} (line {error.lineno}, column {error.colno})") from error
    except RecursionError as error:
        raise _invalid("nested too deeply") from error
    if "\\u" in text:
        _refuse_lone_surrogates(value)
    return value


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _invalid("an escape stands for half a character (a lone surrogate)") from error


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name in members if counts[name] > 1)
        raise _invalid(f"the member {json.dumps(twice[:64])} appears {counts[twice]} times in one object")
    return members


def _constant(word: str) -> NoReturn:
    raise _invalid(f"{word} is not JSON")


def _invalid(problem: str) -> InvalidError:
    return InvalidError(f"the body cannot be read: {problem}", code=Code.INVALID_JSON)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=Number, parse_float=Number, parse_constant=_constant
)

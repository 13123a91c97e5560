"""What every route needs: its dependencies, who is asking for which account, and its parameters."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from dropcopyd.domain.account import Account, Principal, Scope
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError, InvalidError
from dropcopyd.flow.access import Access, Admission, credential_of, parse_uuid
from dropcopyd.flow.controls import Controls
from dropcopyd.flow.disconnect import DisconnectCancels
from dropcopyd.flow.flatten import Flattener
from dropcopyd.flow.intake import Intake
from dropcopyd.flow.keyring import Keyring
from dropcopyd.flow.losses import LossWatch
from dropcopyd.flow.masscancel import MassCancel
from dropcopyd.flow.paper import PaperBench
from dropcopyd.flow.pump import Pumps
from dropcopyd.flow.rates import Policy
from dropcopyd.flow.reconciliations import Reconciliations
from dropcopyd.flow.registrar import Registrar
from dropcopyd.flow.resolutions import Resolutions
from dropcopyd.flow.streams import Streams
from dropcopyd.observe import Metrics
from dropcopyd.ports import Clock
from dropcopyd.record import Record
from dropcopyd.rest.body import ADMISSION_SCOPE, one_header
from dropcopyd.rest.errors import parameter_error

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_VERSION: Final = re.compile(r'"?([0-9]{1,18})"?', re.ASCII)
_ADMINISTRATIVE: Final = frozenset({Scope.ACCOUNTS_ADMIN.value, Scope.KEYS_ADMIN.value})
"""Scopes without which even looking is written down."""
_INTEGER: Final = re.compile(r"(-?)0*([0-9]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the REST port is built from. `is_ready` says whether the node serves; asked at /readyz."""

    access: Access
    intake: Intake
    record: Record
    controls: Controls
    cancels: MassCancel
    disconnects: DisconnectCancels
    flattener: Flattener
    losses: LossWatch
    paper: PaperBench
    keyring: Keyring
    registrar: Registrar
    reconciliations: Reconciliations
    resolutions: Resolutions
    clock: Clock
    limits: Limits
    metrics: Metrics
    streams: Streams
    pumps: Pumps
    is_ready: Callable[[], bool]


RATE_SCOPE: Final = "dropcopy.rate"
"""Where a request's scope keeps the headers that say what is left of its key's rate."""


async def admit(
    access: Access, request: Request, scope: Scope, *known: str, is_cancel: bool = False
) -> tuple[Principal, Account]:
    """Who asks, and the account of the path: key, rate, scope, account, then that all query parameters are `known`.

    Raises DropcopyError: UNAUTHENTICATED, TOKEN_EXPIRED, RATE_LIMITED, PERMISSION_DENIED, ACCOUNT_NOT_FOUND,
    INVALID_ARGUMENT.
    """
    principal = await identify(access, request, scope, is_cancel=is_cancel)
    account = await access.account(principal, uuid_parameter(request, "account_id"))
    refuse_unknown_parameters(request, *known)
    return principal, account


async def identify(access: Access, request: Request, scope: Scope, *, is_cancel: bool = False) -> Principal:
    """Who asks, by key or token. `is_cancel`: what stops trading draws on the cancels once the requests are used up.

    Raises DropcopyError: UNAUTHENTICATED, TOKEN_EXPIRED, RATE_LIMITED, PERMISSION_DENIED.
    """
    principal = await authenticated(access, request)
    refusal = counted(access, request, principal)
    if refusal is not None and is_cancel:
        refusal = counted(access, request, principal, Policy.CANCELS)
    if refusal is not None:
        raise refusal
    access.require(principal, scope)
    return principal


async def authenticated(access: Access, request: Request) -> Principal:
    """Who asks, by key or token. Raises DropcopyError: UNAUTHENTICATED, TOKEN_EXPIRED."""
    credential = credential_of(request.headers.getlist("x-api-key"), request.headers.getlist("authorization"))
    principal = await access.authenticate(credential, "" if request.client is None else request.client.host)
    request.scope[ADMISSION_SCOPE] = Admission(access, principal)
    return principal


async def note_denial(request: Request, error: DropcopyError) -> None:
    """Write to the audit log that a key was refused what administrates or trades; what only reads is left out."""
    admission = request.scope.get(ADMISSION_SCOPE)
    if error.code is not Code.PERMISSION_DENIED or admission is None:
        return
    if request.method not in ("GET", "HEAD") or error.facts.get("scope") in _ADMINISTRATIVE:
        await admission.denied(request.method, request.url.path, error)


def counted(
    access: Access, request: Request, principal: Principal, policy: Policy = Policy.REQUESTS
) -> DropcopyError | None:
    """Count the request against its key's rate; the refusal if that is used up. The answer will tell what is left."""
    allowance = access.rates.take(principal, policy)
    request.scope[RATE_SCOPE] = allowance.headers
    return allowance.refusal


def refuse_unknown_parameters(request: Request, *known: str) -> None:
    """Raises DropcopyError(INVALID_ARGUMENT) for a query parameter that is none of the `known`."""
    if not request.scope.get("query_string"):
        return
    for name in request.query_params:
        if name not in known:
            rule = f"known are {', '.join(known)}" if known else "the route takes none"
            raise parameter_error(name[:64], f"there is no such query parameter; {rule}")


def uuid_parameter(request: Request, name: str) -> str:
    """A UUID of the path in canonical form. Raises DropcopyError(INVALID_ARGUMENT)."""
    try:
        return parse_uuid(request.path_params[name], name)
    except InvalidError as error:
        raise parameter_error(name, error.message) from error


def query_parameter(request: Request, name: str) -> str | None:
    """A query parameter that may be given once. Raises DropcopyError(INVALID_ARGUMENT)."""
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise parameter_error(name, f"was given {len(values)} times; give it once")
    return values[0] if values else None


def page_limit(request: Request, limits: Limits) -> int:
    """How many records the caller wants, clamped to 1..page_size_max; the whole page by default.

    Raises DropcopyError(INVALID_ARGUMENT) for what is not a whole number.
    """
    text = query_parameter(request, "limit")
    if text is None:
        return limits.page_size_max
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise parameter_error("limit", "must be a whole number")
    if match[1]:
        return 1
    is_above = len(match[2]) > len(str(limits.page_size_max))  # it may have more digits than int() takes
    return limits.page_size_max if is_above else max(1, min(int(match[2]), limits.page_size_max))


def answer(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer that no cache may keep."""
    body = _ENCODER.encode(content).encode()
    return Response(body, status, {"cache-control": "no-store", **(headers or {})}, "application/json")


def if_match(request: Request) -> int | None:
    """The version of an If-Match header, with or without quotes. Raises InvalidError for anything else."""
    text = one_header(request, "if-match", Code.INVALID_ARGUMENT)
    if text is None:
        return None
    match = _VERSION.fullmatch(text)
    if match is None:
        raise InvalidError("the header If-Match takes the control's version, a whole number")
    return int(match[1])

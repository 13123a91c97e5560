"""The OpenAPI document: what the routes say of themselves, with every refusal and its codes."""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from dropcopyd.domain.account import Scope
from dropcopyd.errors import Code
from dropcopyd.rest import admin_bodies, break_schemas, control_bodies, paper_bodies, shapes, submission
from dropcopyd.rest.errors import PROBLEM_MEDIA_TYPE, RETRY_AFTER_S, STATUS

Json = dict[str, Any]
_REF: Final = "#/components/schemas/{model}"
_KEY: Final = "ApiKey"
_BEARER: Final = "Bearer"

TRANSPORT_CODES: Final = (Code.MALFORMED_REQUEST, Code.REQUEST_TOO_LARGE, Code.INTERNAL)
"""What any route may answer."""
CREDENTIAL_CODES: Final = (Code.UNAUTHENTICATED, Code.TOKEN_EXPIRED, Code.PERMISSION_DENIED, Code.RATE_LIMITED)
"""What any route that asks for a credential may answer."""
BODY_CODES: Final = (Code.UNSUPPORTED_MEDIA_TYPE, Code.BODY_TOO_LARGE, Code.REQUEST_TIMEOUT, Code.INVALID_JSON)
"""What any route that reads a body may answer."""
ORGANIZATION_CODES: Final = (*TRANSPORT_CODES, *CREDENTIAL_CODES, Code.INVALID_ARGUMENT, Code.STORE_FAILED)
"""What any route of a whole organization may answer."""
ADMISSION_CODES: Final = (
    *TRANSPORT_CODES,
    *CREDENTIAL_CODES,
    Code.INVALID_ARGUMENT,
    Code.ACCOUNT_NOT_FOUND,
    Code.STORE_FAILED,
)
"""What any route of an account may answer."""

ACCOUNT_ID: Final[Json] = {
    "name": "account_id",
    "in": "path",
    "description": "One of the accounts that the key may see.",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
INTENT_ID: Final[Json] = {**ACCOUNT_ID, "name": "intent_id", "description": "As the submit answered it."}
ORDER_ID: Final[Json] = {**ACCOUNT_ID, "name": "order_id", "description": "The gateway's own id of the order."}
FLATTEN_ID: Final[Json] = {**ACCOUNT_ID, "name": "flatten_id", "description": "As the flatten answered it."}
BREAK_ID: Final[Json] = {**ACCOUNT_ID, "name": "break_id", "description": "From the list of breaks."}
RECONCILIATION_ID: Final[Json] = {
    **ACCOUNT_ID,
    "name": "reconciliation_id",
    "description": "From the list of reconciliations.",
}
STREAM_ID: Final[Json] = {**ACCOUNT_ID, "name": "stream_id", "description": "From the list of streams."}
SYMBOL: Final[Json] = {
    "name": "symbol",
    "in": "path",
    "description": "As the catalogue spells it.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[!-~]{1,64}$"},
}
IF_MATCH: Final[Json] = {
    "name": "If-Match",
    "in": "header",
    "description": "The control's version; needed for whatever loosens a control.",
    "schema": {"type": "string", "pattern": '^"?[0-9]{1,18}"?$'},
}
LIMIT: Final[Json] = {
    "name": "limit",
    "in": "query",
    "description": "Records on a page; clamped to 1..100, never refused for its size.",
    "schema": {"type": "integer", "default": 100},
}
NEXT_CURSOR: Final[Json] = {
    "name": "next_cursor",
    "in": "query",
    "description": "`next_cursor` of the page before; opaque, good for the same list only.",
    "schema": {"type": "string"},
}
IDEMPOTENCY_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same command gets the first answer again; unique per account, kept for ever.",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
}


_RATE_HEADERS: Final[Json] = {
    "RateLimit-Policy": {
        "description": 'What the key may send: `"requests";q=10000;w=10` is 10,000 in any 10 seconds.',
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": 'What is left: `"requests";r=9999;t=1`, all of it back in `t` seconds.',
        "schema": {"type": "string"},
    },
}
_BEFORE_RATE: Final = ("400", "401", "431", "500")
"""Statuses that an answer may have before its key was known."""


CONTROL_BODIES: Final = (
    control_bodies.Switch,
    control_bodies.Evaluate,
    control_bodies.CancelAll,
    control_bodies.Kill,
    control_bodies.FlattenAccount,
    control_bodies.Limits,
)

PAPER_BODIES: Final = (paper_bodies.PushAdjustment, paper_bodies.PushQuotes)


def details(
    *parameters: Json, body: type[BaseModel] | None = None, scope: Scope | None = None, is_key_only: bool = False
) -> Json:
    """What an operation says beyond its answers: parameters, body, the scope that the credential needs."""
    operation: Json = {"parameters": list(parameters)}
    if body is not None:
        schema = {"$ref": _REF.format(model=body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if scope is not None:
        operation["security"] = [{_KEY: []}, {_BEARER: []}]
        operation["x-scope"] = scope.value
    if is_key_only:
        operation["security"] = [{_KEY: []}]
    return operation


def answers(
    status: int,
    model: type[BaseModel],
    description: str,
    codes: Iterable[Code],
    *,
    location: str | None = "The intent.",
) -> dict[int | str, Json]:
    """The answers of an operation: the good one, and a problem for each status that the codes have.

    `location`: what the Location header of a 201 names; None = it has none.
    """
    good: Json = {"description": description, "model": model}
    if status == 201 and location is not None:
        good["headers"] = {"Location": {"description": location, "schema": {"type": "string"}}}
    return {status: good, **_problems(codes)}


def empty_answers(description: str, codes: Iterable[Code]) -> dict[int | str, Json]:
    """The answers of an operation whose good one is 204, without content."""
    return {204: {"description": description}, **_problems(codes)}


def stream_answers(media_types: Iterable[str], description: str, codes: Iterable[Code]) -> dict[int | str, Json]:
    """The answers of an operation whose good one goes on, in one of the media types."""
    return {
        200: {"description": description, "content": {one: {"schema": {"type": "string"}} for one in media_types}},
        **_problems(codes),
    }


def _problems(codes: Iterable[Code]) -> dict[int | str, Json]:
    by_status: dict[int, list[Code]] = {}
    for code in codes:
        by_status.setdefault(STATUS[code][0], []).append(code)
    return {status: _problem(status, by_status[status]) for status in sorted(by_status)}


def _problem(status: int, codes: list[Code]) -> Json:
    facts = {"status": {"const": status}, "code": {"enum": [code.value for code in codes]}}
    schema = {"allOf": [{"$ref": _REF.format(model="Problem")}, {"type": "object", "properties": facts}]}
    answer: Json = {
        "description": "; ".join(f"`{code.value}`: {STATUS[code][1]}" for code in codes),
        "content": {PROBLEM_MEDIA_TYPE: {"schema": schema}},
    }
    if any(code in RETRY_AFTER_S for code in codes):
        answer["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return answer


def document(app: FastAPI) -> Json:
    """The whole document."""
    result = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=app.description, routes=app.routes
    )
    models: list[tuple[type[BaseModel], Any]] = [
        (submission.SubmitIntent, "validation"),
        (submission.MintToken, "validation"),
        *((body, "validation") for body in (*CONTROL_BODIES, *PAPER_BODIES, *admin_bodies.BODIES)),
        (break_schemas.Resolve, "validation"),
        (break_schemas.SetInterval, "validation"),
        (shapes.Problem, "validation"),
    ]
    _, shared = models_json_schema(models, ref_template=_REF)
    components = result.setdefault("components", {})
    components["schemas"] = dict(sorted({**components.get("schemas", {}), **shared["$defs"]}.items()))
    components["securitySchemes"] = {
        _KEY: {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "From `dropcopyd keys add`."},
        _BEARER: {"type": "http", "scheme": "bearer", "description": "From `POST /v1/tokens`."},
    }
    _add_rate_headers(result)
    return result


def _add_rate_headers(document: Json) -> None:
    """Every answer to a credential that was accepted says what is left of its key's rate."""
    for operations in document["paths"].values():
        for operation in operations.values():
            if "security" not in operation:
                continue
            for status, given in operation["responses"].items():
                if status not in _BEFORE_RATE:
                    given["headers"] = {**given.get("headers", {}), **_RATE_HEADERS}

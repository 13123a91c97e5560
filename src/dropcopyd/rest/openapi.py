"""The OpenAPI document: what the routes say of themselves, with every refusal and its codes."""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from dropcopyd.domain.account import Scope
from dropcopyd.errors import Code
from dropcopyd.rest import schemas, submission
from dropcopyd.rest.errors import PROBLEM_MEDIA_TYPE, RETRY_AFTER_S, STATUS

Json = dict[str, Any]
_REF: Final = "#/components/schemas/{model}"
_KEY: Final = "ApiKey"

TRANSPORT_CODES: Final = (Code.MALFORMED_REQUEST, Code.REQUEST_TOO_LARGE, Code.INTERNAL)
"""What any route may answer."""
ADMISSION_CODES: Final = (
    *TRANSPORT_CODES,
    Code.UNAUTHENTICATED,
    Code.PERMISSION_DENIED,
    Code.INVALID_ARGUMENT,
    Code.ACCOUNT_NOT_FOUND,
    Code.STORE_FAILED,
)
"""What any route of an account may answer."""

ACCOUNT_ID: Final[Json] = {
    "name": "account_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
INTENT_ID: Final[Json] = {**ACCOUNT_ID, "name": "intent_id"}
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


def details(*parameters: Json, body: type[BaseModel] | None = None, scope: Scope | None = None) -> Json:
    """What an operation says beyond its answers: parameters, body, the scope that the key needs."""
    operation: Json = {"parameters": list(parameters)}
    if body is not None:
        schema = {"$ref": _REF.format(model=body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if scope is not None:
        operation["security"] = [{_KEY: []}]
        operation["x-scope"] = scope.value
    return operation


def answers(status: int, model: type[BaseModel], description: str, codes: Iterable[Code]) -> dict[int | str, Json]:
    """The answers of an operation: the good one, and a problem for each status that the codes have."""
    by_status: dict[int, list[Code]] = {}
    for code in codes:
        by_status.setdefault(STATUS[code][0], []).append(code)
    good: Json = {"description": description, "model": model}
    if status == 201:
        good["headers"] = {"Location": {"description": "The intent.", "schema": {"type": "string"}}}
    result: dict[int | str, Json] = {status: good}
    return result | {status: _problem(status, by_status[status]) for status in sorted(by_status)}


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
        (schemas.Problem, "validation"),
    ]
    _, shared = models_json_schema(models, ref_template=_REF)
    components = result.setdefault("components", {})
    components["schemas"] = dict(sorted({**components.get("schemas", {}), **shared["$defs"]}.items()))
    components["securitySchemes"] = {
        _KEY: {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "From `dropcopyd keys add`."}
    }
    return result

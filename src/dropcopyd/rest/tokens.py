"""The route that mints bearer tokens."""

import re
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd.domain.account import Scope
from dropcopyd.errors import Code, InvalidError
from dropcopyd.flow.access import parse_uuid
from dropcopyd.rest import openapi, submission, token_schemas
from dropcopyd.rest.body import Number, read_json
from dropcopyd.rest.gate import Dependencies, answer, authenticated, counted, refuse_unknown_parameters
from dropcopyd.rest.times import render_time

_WHOLE: Final = re.compile(r"([0-9]{1,9})(?:\.0+)?", re.ASCII)
_ACCOUNTS_MAX: Final = 32
"""So many fit into a header with room to spare."""
_MEMBERS: Final = ("scopes", "account_ids", "lifetime_s")
_CODES: Final = (
    *openapi.TRANSPORT_CODES,
    *openapi.CREDENTIAL_CODES,
    Code.INVALID_ARGUMENT,
    Code.ACCOUNT_NOT_FOUND,
    *openapi.BODY_CODES,
    Code.STORE_FAILED,
)


class TokenRoutes:
    """POST /v1/tokens"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._limits = dependencies.limits

    def router(self) -> APIRouter:
        """The route, described."""
        router = APIRouter(redirect_slashes=False)
        router.add_api_route(
            "/v1/tokens",
            self.mint,
            methods=["POST"],
            status_code=201,
            summary="Mint a short-lived bearer token from an API key",
            description="For browsers and other places where the key should not go: never more than the key may do.",
            response_model=None,
            responses=openapi.answers(201, token_schemas.Token, "The token, shown only now.", _CODES, location=None),
            openapi_extra=openapi.details(body=submission.MintToken, is_key_only=True),
        )
        return router

    async def mint(self, request: Request) -> Response:
        """A token for all or a part of the key's rights."""
        principal = await authenticated(self._access, request)
        refusal = counted(self._access, request, principal)
        if refusal is not None:
            raise refusal
        refuse_unknown_parameters(request)
        body = await read_json(request, self._limits)
        if not isinstance(body, dict):
            raise InvalidError("the body must be an object")
        for name in body:
            if name not in _MEMBERS:
                raise InvalidError(f"there is no such member; known are {', '.join(_MEMBERS)}", pointer=f"/{name[:64]}")
        token, grant = await self._access.mint_token(
            principal, _scopes(body), _accounts(body), self._lifetime_s(body.get("lifetime_s"))
        )
        accounts = None if grant.account_ids is None else sorted(grant.account_ids)
        return answer(
            {
                "token": token,
                "token_type": "Bearer",
                "expires_at": render_time(grant.expires_at_ns),
                "scopes": sorted(grant.scopes),
                "account_ids": accounts,
            },
            201,
        )

    def _lifetime_s(self, value: Any) -> int:
        limit = int(self._limits.token_lifetime_s_max)
        if value is None:
            return min(int(self._limits.token_lifetime_s), limit)
        match = _WHOLE.fullmatch(value) if isinstance(value, Number) else None
        if match is None or not 1 <= int(match[1]) <= limit:
            raise InvalidError(f"a token lives a whole number of seconds from 1 to {limit}", pointer="/lifetime_s")
        return int(match[1])


def _scopes(body: dict[str, Any]) -> frozenset[Scope] | None:
    words = _words(body, "scopes")
    if words is None:
        return None
    known = {scope.value for scope in Scope}
    for index, word in enumerate(words):
        if word not in known:
            raise InvalidError(f"no scope; known are {', '.join(sorted(known))}", pointer=f"/scopes/{index}")
    return frozenset(Scope(word) for word in words)


def _accounts(body: dict[str, Any]) -> frozenset[str] | None:
    words = _words(body, "account_ids")
    if words is None:
        return None
    if len(words) > _ACCOUNTS_MAX:
        raise InvalidError(f"a token names at most {_ACCOUNTS_MAX} accounts", pointer="/account_ids")
    return frozenset(parse_uuid(word, f"/account_ids/{index}") for index, word in enumerate(words))


def _words(body: dict[str, Any], name: str) -> list[str] | None:
    """A member that is a list of strings with something in it; None when absent or null."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not value or any(type(word) is not str for word in value):
        raise InvalidError("must be a list of strings with at least one", pointer=f"/{name}")
    return value

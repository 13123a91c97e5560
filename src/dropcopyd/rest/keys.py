"""The routes of keys: list, make, change, rotate, revoke. A key is shown once, when it is made or rotated."""

import re
from dataclasses import replace
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd.domain.account import Principal, Scope
from dropcopyd.domain.attenuation import UNATTENUATED, attenuation_to_json
from dropcopyd.domain.keys import KeyRecord, KeySettings, network_of
from dropcopyd.errors import Code, InvalidError, NotFoundError
from dropcopyd.rest import admin_bodies as bodies
from dropcopyd.rest import cursor, openapi
from dropcopyd.rest.body import read_json
from dropcopyd.rest.control_bodies import read
from dropcopyd.rest.gate import (
    Dependencies,
    answer,
    identify,
    page_limit,
    query_parameter,
    refuse_unknown_parameters,
)
from dropcopyd.rest.times import parse_time, render_time

_KEY_ID: Final = re.compile(r"[a-z0-9]{1,32}", re.ASCII)
_KEY: Final = "/v1/keys/{key_id}"
_ONE: Final = (*openapi.ORGANIZATION_CODES, Code.KEY_NOT_FOUND)
_GRANT: Final = (*openapi.BODY_CODES, Code.ACCOUNT_NOT_FOUND)
_KEY_PARAMETER: Final[openapi.Json] = {
    "name": "key_id",
    "in": "path",
    "description": "From the list of keys; not the key itself.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[a-z0-9]{1,32}$"},
}


class KeyRoutes:
    """/v1/keys and below"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._keyring = dependencies.keyring
        self._clock = dependencies.clock
        self._limits = dependencies.limits

    def router(self) -> APIRouter:
        """The routes, described."""
        router = APIRouter(redirect_slashes=False)
        page = (*openapi.ORGANIZATION_CODES, Code.INVALID_CURSOR)
        described: tuple[tuple[str, str, Any, str, Any, int, Any, Any], ...] = (
            ("GET", "/v1/keys", self.keys, "The organization's keys", bodies.KeyPage, 200, page, None),
            ("POST", "/v1/keys", self.add_key, "Make a key; it is shown only now", bodies.ShownKey, 201,
             (*openapi.ORGANIZATION_CODES, *_GRANT, Code.ORGANIZATION_LIMIT_EXCEEDED), bodies.CreateKey),
            ("GET", _KEY, self.key, "One key", bodies.Key, 200, _ONE, None),
            ("PATCH", _KEY, self.change_key, "Change what a key is allowed", bodies.Key, 200, (*_ONE, *_GRANT),
             bodies.ChangeKey),
            ("POST", f"{_KEY}/rotate", self.rotate_key, "Give a key another secret", bodies.ShownKey, 200,
             (*_ONE, *_GRANT, Code.KEY_DISABLED), bodies.RotateKey),
        )  # fmt: skip
        for method, path, endpoint, summary, model, status, codes, body in described:
            parameters = [_KEY_PARAMETER] if "{key_id}" in path else []
            parameters += [openapi.LIMIT, openapi.NEXT_CURSOR] if Code.INVALID_CURSOR in codes else []
            router.add_api_route(
                path,
                endpoint,
                methods=[method],
                status_code=status,
                summary=summary,
                response_model=None,
                responses=openapi.answers(status, model, summary, codes, location="The key."),
                openapi_extra=openapi.details(*parameters, body=body, scope=Scope.KEYS_ADMIN),
            )
        router.add_api_route(
            _KEY,
            self.revoke_key,
            methods=["DELETE"],
            status_code=204,
            summary="Revoke a key for good; its open streams end",
            response_model=None,
            responses=openapi.empty_answers("The key is refused from now on.", _ONE),
            openapi_extra=openapi.details(_KEY_PARAMETER, scope=Scope.KEYS_ADMIN),
        )
        return router

    async def keys(self, request: Request) -> Response:
        """A page of keys."""
        principal = await self._who(request, "limit", "next_cursor")
        binding, limit = f"keys {principal.organization_id}", page_limit(request, self._limits)
        text = query_parameter(request, "next_cursor")
        after = "" if text is None else cursor.read_cursor(binding, text, _KEY_ID)
        found = await self._keyring.keys(principal, after, limit + 1)
        is_more, found = len(found) > limit, found[:limit]
        following = cursor.make_cursor(binding, found[-1].key_id) if is_more else None
        return answer({"data": [self._key(record) for record in found], "next_cursor": following})

    async def add_key(self, request: Request) -> Response:
        """A new key."""
        principal = await self._who(request)
        asked = read(bodies.CreateKey, await read_json(request, self._limits))
        settings = KeySettings(name=asked.name, scopes=frozenset(asked.scopes))
        record, api_key = await self._keyring.add(principal, self._settings(settings, asked))
        headers = {"location": f"/v1/keys/{record.key_id}"}
        return answer({"api_key": api_key, "key": self._key(record)}, 201, headers)

    async def key(self, request: Request) -> Response:
        """One key."""
        principal = await self._who(request)
        return answer(self._key(await self._keyring.key(principal, _key_id(request))))

    async def change_key(self, request: Request) -> Response:
        """Other settings."""
        principal = await self._who(request)
        key_id = _key_id(request)
        asked = read(bodies.ChangeKey, await read_json(request, self._limits))
        record = await self._keyring.change(principal, key_id, lambda settings: self._settings(settings, asked))
        return answer(self._key(record))

    async def rotate_key(self, request: Request) -> Response:
        """Another secret."""
        principal = await self._who(request)
        key_id = _key_id(request)
        asked = read(bodies.RotateKey, await read_json(request, self._limits))
        record, api_key = await self._keyring.rotate(principal, key_id, asked.overlap_s)
        return answer({"api_key": api_key, "key": self._key(record)})

    async def revoke_key(self, request: Request) -> Response:
        """The end of a key."""
        principal = await self._who(request)
        await self._keyring.revoke(principal, _key_id(request))
        return Response(status_code=204, headers={"cache-control": "no-store"})

    async def _who(self, request: Request, *known: str) -> Principal:
        principal = await identify(self._access, request, Scope.KEYS_ADMIN)
        refuse_unknown_parameters(request, *known)
        return principal

    def _settings(self, settings: KeySettings, asked: bodies.CreateKey | bodies.ChangeKey) -> KeySettings:
        """The settings with the members that were given. Raises InvalidError."""
        given = asked.model_fields_set
        if "name" in given and asked.name is not None:
            settings = replace(settings, name=asked.name)
        if "scopes" in given and asked.scopes is not None:
            settings = replace(settings, scopes=frozenset(asked.scopes))
        if "account_ids" in given:
            accounts = asked.account_ids
            named = None if accounts is None else frozenset(account_id.lower() for account_id in accounts)
            settings = replace(settings, account_ids=named)
        if "expires_at" in given:
            settings = replace(settings, expires_at_ns=self._future(asked.expires_at))
        if "allowed_addresses" in given:
            settings = replace(settings, addresses=_networks(asked.allowed_addresses))
        if "attenuation" in given:
            limits = UNATTENUATED if asked.attenuation is None else asked.attenuation.limits()
            settings = replace(settings, attenuation=limits)
        return settings

    def _future(self, text: str | None) -> int | None:
        if text is None:
            return None
        try:
            at_ns = parse_time(text)
        except ValueError as error:
            raise InvalidError(str(error), pointer="/expires_at") from error
        if at_ns <= self._clock.now_ns():
            raise InvalidError("must be in the future; revoke a key that is to end now", pointer="/expires_at")
        return at_ns

    def _key(self, record: KeyRecord) -> dict[str, Any]:
        """`admin_bodies.Key`."""
        settings = record.settings
        accounts, addresses = settings.account_ids, settings.addresses
        has_previous = record.previous_until_ns > self._clock.now_ns() and record.previous_digest is not None
        return {
            "key_id": record.key_id,
            "name": settings.name,
            "scopes": sorted(settings.scopes),
            "account_ids": None if accounts is None else sorted(accounts),
            "expires_at": _time(settings.expires_at_ns),
            "allowed_addresses": None if addresses is None else list(addresses),
            "attenuation": None if settings.attenuation == UNATTENUATED else attenuation_to_json(settings.attenuation),
            "created_at": render_time(record.created_at_ns),
            "created_by": record.created_by,
            "rotated_at": _time(record.rotated_at_ns),
            "previous_valid_until": render_time(record.previous_until_ns) if has_previous else None,
            "last_used_at": _time(record.last_used_at_ns),
            "last_used_from": record.last_used_from or None,
            "disabled_at": _time(record.disabled_at_ns),
        }


def _time(at_ns: int | None) -> str | None:
    return None if at_ns is None else render_time(at_ns)


def _networks(texts: list[str] | None) -> tuple[str, ...] | None:
    if texts is None:
        return None
    networks = []
    for index, text in enumerate(texts):
        try:
            networks.append(network_of(text))
        except ValueError as error:
            raise InvalidError(str(error), pointer=f"/allowed_addresses/{index}") from error
    return tuple(networks)


def _key_id(request: Request) -> str:
    """The key of the path; what cannot be one is not there."""
    text = str(request.path_params["key_id"])
    if not _KEY_ID.fullmatch(text):
        raise NotFoundError(Code.KEY_NOT_FOUND, "there is no such key")
    return text

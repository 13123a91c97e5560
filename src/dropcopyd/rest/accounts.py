"""The routes by which administrators handle the organization and its accounts."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd.domain.account import Account, Organization, Scope
from dropcopyd.errors import Code
from dropcopyd.rest import account_schemas, openapi, render
from dropcopyd.rest import admin_bodies as bodies
from dropcopyd.rest.body import read_json
from dropcopyd.rest.control_bodies import read
from dropcopyd.rest.gate import Dependencies, admit, answer, identify, refuse_unknown_parameters
from dropcopyd.rest.read import ACCOUNT
from dropcopyd.rest.times import render_time


class AccountRoutes:
    """/v1/organization, POST /v1/accounts, PATCH /v1/accounts/{account_id}, its /disable and /enable"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._registrar = dependencies.registrar
        self._queries = dependencies.record.queries
        self._limits = dependencies.limits

    def router(self) -> APIRouter:
        """The routes, described."""
        router = APIRouter(redirect_slashes=False)
        admin, of_all, of_account = Scope.ACCOUNTS_ADMIN, openapi.ORGANIZATION_CODES, openapi.ADMISSION_CODES
        body, name = openapi.BODY_CODES, (Code.NAME_IN_USE,)
        described: tuple[tuple[str, str, Any, str, Any, int, Any, Any, Scope], ...] = (
            ("GET", "/v1/organization", self.organization, "The key's organization", bodies.Organization, 200, of_all,
             None, Scope.RECORDS_READ),
            ("PATCH", "/v1/organization", self.rename_organization, "Rename the organization", bodies.Organization,
             200, (*of_all, *body), bodies.ChangeOrganization, admin),
            ("POST", "/v1/accounts", self.add_account, "Open an account", account_schemas.Account, 201,
             (*of_all, *body, *name, Code.NOT_SUPPORTED, Code.ORGANIZATION_LIMIT_EXCEEDED),
             bodies.CreateAccount, admin),
            ("PATCH", ACCOUNT, self.change_account, "Change an account's name or day", account_schemas.Account, 200,
             (*of_account, *body, *name), bodies.ChangeAccount, admin),
            ("POST", f"{ACCOUNT}/disable", self.disable_account, "Take no more orders", account_schemas.Account, 200,
             (*of_account, *body), bodies.SwitchAccount, admin),
            ("POST", f"{ACCOUNT}/enable", self.enable_account, "Take orders again", account_schemas.Account, 200,
             (*of_account, *body), bodies.SwitchAccount, admin),
        )  # fmt: skip
        for method, path, endpoint, summary, model, status, codes, shape, scope in described:
            parameters = [openapi.ACCOUNT_ID] if "{account_id}" in path else []
            router.add_api_route(
                path,
                endpoint,
                methods=[method],
                status_code=status,
                summary=summary,
                response_model=None,
                responses=openapi.answers(status, model, summary, codes, location="The account."),
                openapi_extra=openapi.details(*parameters, body=shape, scope=scope),
            )
        return router

    async def organization(self, request: Request) -> Response:
        """Who the key belongs to."""
        principal = await identify(self._access, request, Scope.RECORDS_READ)
        refuse_unknown_parameters(request)
        return answer(_organization(await self._registrar.organization(principal)))

    async def rename_organization(self, request: Request) -> Response:
        """Another name."""
        principal = await identify(self._access, request, Scope.ACCOUNTS_ADMIN)
        self._access.require_all_accounts(principal)
        refuse_unknown_parameters(request)
        asked = read(bodies.ChangeOrganization, await read_json(request, self._limits))
        return answer(_organization(await self._registrar.rename_organization(principal, asked.name)))

    async def add_account(self, request: Request) -> Response:
        """A new account."""
        principal = await identify(self._access, request, Scope.ACCOUNTS_ADMIN)
        self._access.require_all_accounts(principal)
        refuse_unknown_parameters(request)
        asked = read(bodies.CreateAccount, await read_json(request, self._limits))
        account = await self._registrar.add_account(principal, asked.request())
        return await self._answer(account, 201, {"location": f"/v1/accounts/{account.account_id}"})

    async def change_account(self, request: Request) -> Response:
        """Another name or day."""
        principal, account = await admit(self._access, request, Scope.ACCOUNTS_ADMIN)
        asked = read(bodies.ChangeAccount, await read_json(request, self._limits))
        changed = await self._registrar.change_account(
            principal, account, name=asked.name, time_zone=asked.time_zone, roll_time=asked.roll_time
        )
        return await self._answer(changed)

    async def disable_account(self, request: Request) -> Response:
        """No more creates and replaces."""
        return await self._switch(request, is_disabled=True)

    async def enable_account(self, request: Request) -> Response:
        """Creates and replaces again."""
        return await self._switch(request, is_disabled=False)

    async def _switch(self, request: Request, *, is_disabled: bool) -> Response:
        principal, account = await admit(self._access, request, Scope.ACCOUNTS_ADMIN)
        asked = read(bodies.SwitchAccount, await read_json(request, self._limits))
        return await self._answer(
            await self._registrar.disable_account(principal, account, is_disabled=is_disabled, reason=asked.reason)
        )

    async def _answer(self, account: Account, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        return answer(render.account(await self._queries.account(account.account_id)), status, headers)


def _organization(organization: Organization) -> dict[str, Any]:
    return {
        "organization_id": organization.organization_id,
        "name": organization.own_name or organization.name,
        "created_at": render_time(organization.created_at_ns),
        "streams_max": organization.streams_max,
    }

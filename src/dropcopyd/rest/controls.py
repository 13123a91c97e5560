"""The routes of controls: switches and limits, what they would refuse, mass cancel, kill, and the audit log."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd.domain.account import Account, Principal, Scope
from dropcopyd.domain.audit import AuditEntry
from dropcopyd.domain.controls import Breach, Control, ControlScope, Objection, limits_to_json
from dropcopyd.domain.order import OrderSide
from dropcopyd.errors import Code, InvalidError
from dropcopyd.flow.access import parse_uuid
from dropcopyd.flow.masscancel import CancelFilter, Cancelled
from dropcopyd.rest import audit_schemas, control_bodies, control_schemas, cursor, openapi
from dropcopyd.rest.body import read_json
from dropcopyd.rest.gate import (
    Dependencies,
    admit,
    answer,
    identify,
    if_match,
    page_limit,
    query_parameter,
    refuse_unknown_parameters,
)
from dropcopyd.rest.times import render_time

_NEWEST: Final = 2**62
_VERSION_CODES: Final = (Code.VERSION_REQUIRED, Code.VERSION_CONFLICT)
_ACCOUNT: Final = "/v1/controls/accounts/{account_id}"
_HALTED: Final = (Code.ACCOUNT_HALTED,)


class ControlRoutes:
    """/v1/controls, /v1/accounts/{id}/cancel-all and /kill, /v1/kill, /v1/audit"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._controls = dependencies.controls
        self._cancels = dependencies.cancels
        self._limits = dependencies.limits

    def router(self) -> APIRouter:
        """The routes, described."""
        router = APIRouter(redirect_slashes=False)
        edit, read, trade = Scope.CONTROLS_EDIT, Scope.RECORDS_READ, Scope.INTENTS_EDIT
        of_account = (*openapi.ADMISSION_CODES, *openapi.BODY_CODES)
        of_all = (*openapi.ORGANIZATION_CODES, *openapi.BODY_CODES)
        switch, limit = control_bodies.Switch, control_bodies.Limits
        control, killed, full = control_schemas.Control, control_schemas.Killed, Code.ORGANIZATION_LIMIT_EXCEEDED
        described: tuple[tuple[str, str, Any, str, Any, Any, Any, Scope], ...] = (
            ("GET", "/v1/controls", self.controls, "All controls", control_schemas.ControlPage,
             openapi.ORGANIZATION_CODES, None, read),
            ("POST", "/v1/controls/evaluate", self.evaluate, "What would stop an order now", control_schemas.Evaluation,
             (*of_all, Code.ACCOUNT_NOT_FOUND), control_bodies.Evaluate, read),
            ("PUT", _ACCOUNT, self.switch_account, "Disable or enable an account", control_schemas.AccountControl,
             (*of_account, *_VERSION_CODES), switch, edit),
            ("PUT", f"{_ACCOUNT}/limits", self.limit_account, "Set an account's limits", control,
             (*of_account, *_VERSION_CODES), limit, edit),
            ("PUT", "/v1/controls/organization", self.switch_organization, "Disable or enable the organization",
             control, (*of_all, *_VERSION_CODES), switch, edit),
            ("PUT", "/v1/controls/organization/limits", self.limit_organization, "Set the organization's limits",
             control, (*of_all, *_VERSION_CODES), limit, edit),
            ("PUT", "/v1/controls/symbols/{symbol}", self.switch_symbol, "Disable or enable a symbol", control,
             (*of_all, *_VERSION_CODES, full), switch, edit),
            ("PUT", "/v1/controls/symbols/{symbol}/limits", self.limit_symbol, "Set a symbol's limits", control,
             (*of_all, *_VERSION_CODES, full), limit, edit),
            ("POST", "/v1/accounts/{account_id}/cancel-all", self.cancel_all, "Cancel every working order",
             control_schemas.Cancelled, (*of_account, *_HALTED), control_bodies.CancelAll, trade),
            ("POST", "/v1/accounts/{account_id}/kill", self.kill_account, "Kill an account", killed,
             (*of_account, *_HALTED), control_bodies.Kill, edit),
            ("DELETE", "/v1/accounts/{account_id}/kill", self.release_account, "Release an account's kill", control,
             (*openapi.ADMISSION_CODES, *_VERSION_CODES), None, edit),
            ("POST", "/v1/kill", self.kill_organization, "Kill the organization", killed, (*of_all, *_HALTED),
             control_bodies.Kill, edit),
            ("DELETE", "/v1/kill", self.release_organization, "Release the organization's kill", control,
             (*openapi.ORGANIZATION_CODES, *_VERSION_CODES), None, edit),
            ("GET", "/v1/audit", self.audit, "The audit log, newest first", audit_schemas.AuditPage,
             (*openapi.ORGANIZATION_CODES, Code.INVALID_CURSOR), None, read),
        )  # fmt: skip
        for method, path, endpoint, summary, model, codes, body, scope in described:
            parameters = [openapi.ACCOUNT_ID] if "{account_id}" in path else []
            parameters += [openapi.SYMBOL] if "{symbol}" in path else []
            parameters += [openapi.IF_MATCH] if Code.VERSION_REQUIRED in codes else []
            parameters += [openapi.LIMIT, openapi.NEXT_CURSOR] if Code.INVALID_CURSOR in codes else []
            router.add_api_route(
                path,
                endpoint,
                methods=[method],
                summary=summary,
                response_model=None,
                responses=openapi.answers(200, model, summary, codes),
                openapi_extra=openapi.details(*parameters, body=body, scope=scope),
            )
        return router

    # --- reading --------------------------------------------------------------------------------------------------

    async def controls(self, request: Request) -> Response:
        """Every control of the organization, all on one page."""
        principal = await self._organization(request, Scope.RECORDS_READ)
        found = self._controls.kept.all_of(principal.organization_id)
        return answer({"data": [_control(control) for control in found], "next_cursor": None})

    async def evaluate(self, request: Request) -> Response:
        """What would stop any order of an account, in a symbol if one is named."""
        principal = await identify(self._access, request, Scope.RECORDS_READ)
        refuse_unknown_parameters(request)
        asked = control_bodies.read(control_bodies.Evaluate, await read_json(request, self._limits))
        account = await self._access.account(principal, parse_uuid(asked.account_id, "/account_id"), "/account_id")
        found = self._controls.judging.evaluate(account, asked.symbol, principal)
        return answer({"allowed": not found, "triggered": [_triggered(one) for one in found]})

    async def audit(self, request: Request) -> Response:
        """A page of the audit log."""
        principal = await self._organization(request, Scope.RECORDS_READ, "limit", "next_cursor")
        limit, binding = page_limit(request, self._limits), f"audit/{principal.organization_id}"
        text = query_parameter(request, "next_cursor")
        before = _NEWEST if text is None else int(cursor.read_cursor(binding, text, cursor.NUMBER))
        entries = await self._controls.audit_log(principal.organization_id, before, limit + 1)
        mark = str(entries[limit - 1].number) if len(entries) > limit else ""
        data = [_entry(entry) for entry in entries[:limit]]
        return answer({"data": data, "next_cursor": cursor.make_cursor(binding, mark) if mark else None})

    # --- switches and limits --------------------------------------------------------------------------------------

    async def switch_account(self, request: Request) -> Response:
        """The public contract's account control."""
        principal, account = await admit(self._access, request, Scope.CONTROLS_EDIT)
        changed = await self._switch(request, principal, _of_account(self, account))
        return answer(
            {
                "account_id": account.account_id,
                "organization_id": account.organization_id,
                "manually_disabled": changed.manually_disabled,
                "manual_reason": changed.manual_reason,
                "version": changed.version,
                "created_at": render_time(changed.created_at_ns),
                "updated_at": render_time(changed.updated_at_ns),
            }
        )

    async def limit_account(self, request: Request) -> Response:
        """All limits of an account at once."""
        principal, account = await admit(self._access, request, Scope.CONTROLS_EDIT)
        return answer(_control(await self._limit(request, principal, _of_account(self, account))))

    async def switch_organization(self, request: Request) -> Response:
        """One switch for every account."""
        principal = await self._organization(request, Scope.CONTROLS_EDIT)
        return answer(_control(await self._switch(request, principal, self._of_organization(principal))))

    async def limit_organization(self, request: Request) -> Response:
        """Limits over the sum of all accounts."""
        principal = await self._organization(request, Scope.CONTROLS_EDIT)
        return answer(_control(await self._limit(request, principal, self._of_organization(principal))))

    async def switch_symbol(self, request: Request) -> Response:
        """One switch for a symbol in every account."""
        principal = await self._organization(request, Scope.CONTROLS_EDIT)
        return answer(_control(await self._switch(request, principal, self._of_symbol(request, principal))))

    async def limit_symbol(self, request: Request) -> Response:
        """Limits of a symbol over the sum of all accounts."""
        principal = await self._organization(request, Scope.CONTROLS_EDIT)
        return answer(_control(await self._limit(request, principal, self._of_symbol(request, principal))))

    # --- mass cancel and kill -------------------------------------------------------------------------------------

    async def cancel_all(self, request: Request) -> Response:
        """Cancel what works, all or by side, symbol and strategy."""
        principal, account = await admit(self._access, request, Scope.INTENTS_EDIT, is_cancel=True)
        asked = control_bodies.read(control_bodies.CancelAll, await read_json(request, self._limits))
        side = None if asked.side is None else OrderSide(asked.side)
        wanted = CancelFilter(order_side=side, symbol=asked.symbol, strategy_id=asked.strategy_id)
        return answer(_cancelled(await self._cancels.cancel_all(principal, account, wanted)))

    async def kill_account(self, request: Request) -> Response:
        """Latch, withhold, cancel."""
        principal, account = await admit(self._access, request, Scope.CONTROLS_EDIT, is_cancel=True)
        asked = control_bodies.read(control_bodies.Kill, await read_json(request, self._limits))
        control, cancelled = await self._cancels.kill_account(principal, account, asked.reason)
        return answer(_killed(control, cancelled))

    async def release_account(self, request: Request) -> Response:
        """Orders are taken again."""
        principal, account = await admit(self._access, request, Scope.CONTROLS_EDIT)
        version = if_match(request)
        return answer(_control(await self._controls.kept.release(principal, _of_account(self, account), version)))

    async def kill_organization(self, request: Request) -> Response:
        """Latch, withhold, cancel: every account."""
        principal = await self._organization(request, Scope.CONTROLS_EDIT, is_cancel=True)
        asked = control_bodies.read(control_bodies.Kill, await read_json(request, self._limits))
        control, cancelled = await self._cancels.kill_organization(principal, asked.reason)
        return answer(_killed(control, cancelled))

    async def release_organization(self, request: Request) -> Response:
        """Orders are taken again."""
        principal = await self._organization(request, Scope.CONTROLS_EDIT)
        control = self._of_organization(principal)
        return answer(_control(await self._controls.kept.release(principal, control, if_match(request))))

    # --- inside ---------------------------------------------------------------------------------------------------

    async def _organization(self, request: Request, scope: Scope, *known: str, is_cancel: bool = False) -> Principal:
        """Who asks for all of his organization."""
        principal = await identify(self._access, request, scope, is_cancel=is_cancel)
        self._access.require_all_accounts(principal)
        refuse_unknown_parameters(request, *known)
        return principal

    async def _switch(self, request: Request, principal: Principal, current: Control) -> Control:
        asked = control_bodies.read(control_bodies.Switch, await read_json(request, self._limits))
        return await self._controls.kept.switch(
            principal,
            current,
            disabled=asked.manually_disabled,
            reason=asked.manual_reason,
            version=if_match(request),
        )

    async def _limit(self, request: Request, principal: Principal, current: Control) -> Control:
        limits = control_bodies.read(control_bodies.Limits, await read_json(request, self._limits)).limits()
        if limits.is_watched and current.scope is ControlScope.SYMBOL:
            raise InvalidError("losses are watched of accounts and organizations", pointer="/daily_loss_max")
        return await self._controls.kept.limit(principal, current, limits, if_match(request))

    def _of_organization(self, principal: Principal) -> Control:
        organization_id = principal.organization_id
        return self._controls.kept.control(organization_id, ControlScope.ORGANIZATION, organization_id)

    def _of_symbol(self, request: Request, principal: Principal) -> Control:
        symbol = control_bodies.symbol_of(request.path_params["symbol"])
        return self._controls.kept.control(principal.organization_id, ControlScope.SYMBOL, symbol)


def _of_account(routes: ControlRoutes, account: Account) -> Control:
    return routes._controls.kept.control(account.organization_id, ControlScope.ACCOUNT, account.account_id)


def _control(control: Control) -> dict[str, Any]:
    return {
        "scope": {control.scope.value: control.subject},
        "organization_id": control.organization_id,
        "manually_disabled": control.manually_disabled,
        "manual_reason": control.manual_reason,
        "killed": control.is_killed,
        "breach": None if control.breach is None else _breach(control.breach),
        "limits": limits_to_json(control.limits),
        "version": control.version,
        "created_at": render_time(control.created_at_ns),
        "updated_at": render_time(control.updated_at_ns),
    }


def _breach(breach: Breach) -> dict[str, Any]:
    return {
        "control": breach.rule,
        "limit": breach.limit,
        "actual": breach.actual,
        "currency": breach.currency,
        "at": render_time(breach.at_ns),
    }


def _triggered(found: Objection) -> dict[str, Any]:
    return {
        "reason": found.message,
        "scope": {found.scope.value: found.subject},
        "control": found.control,
        "limit": found.limit,
        "actual": found.actual,
    }


def _cancelled(cancelled: Cancelled) -> dict[str, Any]:
    return {
        "cancels": [
            {"intent_id": one.intent_id, "order_id": one.order_id, "seq": one.seq} for one in cancelled.commands
        ],
        "withheld": cancelled.withheld,
    }


def _killed(control: Control, cancelled: Cancelled) -> dict[str, Any]:
    failed = [{"account_id": account_id, "code": code.value} for account_id, code in cancelled.failed]
    return {"control": _control(control), **_cancelled(cancelled), "failed": failed}


def _entry(entry: AuditEntry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "at": render_time(entry.at_ns),
        "principal_id": entry.principal_id,
        "action": entry.action.value,
        "account_id": entry.account_id,
        "subject": entry.subject,
        "detail": dict(entry.detail),
    }

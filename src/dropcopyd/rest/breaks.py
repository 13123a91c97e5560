"""The routes of reconciliation: reconcile now, past reconciliations, breaks, and what a person decides about one."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd.domain import machine, money
from dropcopyd.domain.account import Scope
from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.reconciliation import BreakStatus, Reconciliation, Resolution, ResolutionAction, Ticket
from dropcopyd.errors import Code, InvalidError, NotFoundError
from dropcopyd.rest import break_schemas, control_bodies, openapi
from dropcopyd.rest import listing as lists
from dropcopyd.rest.body import read_json
from dropcopyd.rest.gate import Dependencies, admit, answer, if_match, uuid_parameter
from dropcopyd.rest.read import ACCOUNT, described_route
from dropcopyd.rest.times import parse_time, render_time

Json = dict[str, Any]
_ONE: Final = openapi.ADMISSION_CODES
_PAGE: Final = (*openapi.ADMISSION_CODES, Code.INVALID_CURSOR)
_RECONCILIATIONS: Final = f"{ACCOUNT}/reconciliations"
_BREAKS: Final = f"{ACCOUNT}/breaks"
_INTERVAL: Final = "/v1/controls/accounts/{account_id}/reconciliation"
_AMOUNTS: Final = ("quantity_delta", "cost_delta", "cash_delta", "quantity", "price")
_ASK_CODES: Final = (*_ONE, Code.ACCOUNT_HALTED, Code.NOT_READY, Code.OVERLOADED, Code.DRAINING)
_INTERVAL_CODES: Final = (*_ONE, *openapi.BODY_CODES, Code.VERSION_REQUIRED, Code.VERSION_CONFLICT)
_RESOLVE_CODES: Final = (
    *_ONE,
    *(Code.UNSUPPORTED_MEDIA_TYPE, Code.BODY_TOO_LARGE, Code.REQUEST_TIMEOUT, Code.INVALID_JSON),
    *(Code.BREAK_NOT_FOUND, Code.BREAK_CLOSED, Code.BREAK_CHANGED, Code.UNKNOWN_SYMBOL, Code.ACCOUNT_HALTED),
)


class BreakRoutes:
    """.../reconciliations and .../breaks of an account, and how often it is reconciled"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._queries = dependencies.record.queries
        self._reconciliations = dependencies.reconciliations
        self._resolutions = dependencies.resolutions
        self._registrar = dependencies.registrar
        self._limits = dependencies.limits

    def router(self) -> APIRouter:
        """The routes, described."""
        router = APIRouter(redirect_slashes=False)
        account = openapi.ACCOUNT_ID
        reads: tuple[tuple[str, Any, Any, Any, str, list[openapi.Json]], ...] = (
            (_RECONCILIATIONS, self.reconciliations, break_schemas.ReconciliationPage, _PAGE,
             "Reconciliations, newest first", [account, *lists.RECONCILIATIONS.described]),
            (f"{_RECONCILIATIONS}/{{reconciliation_id}}", self.reconciliation, break_schemas.Reconciliation,
             (*_ONE, Code.RECONCILIATION_NOT_FOUND), "One reconciliation", [account, openapi.RECONCILIATION_ID]),
            (_BREAKS, self.breaks, break_schemas.BreakPage, _PAGE, "Breaks, newest first",
             [account, *lists.BREAKS.described]),
            (f"{_BREAKS}/{{break_id}}", self.one_break, break_schemas.Break, (*_ONE, Code.BREAK_NOT_FOUND),
             "One break", [account, openapi.BREAK_ID]),
        )  # fmt: skip
        for path, endpoint, model, codes, summary, parameters in reads:
            described_route(router, path, endpoint, model, codes, summary, parameters)
        router.add_api_route(
            _RECONCILIATIONS,
            self.reconcile,
            methods=["POST"],
            status_code=201,
            summary="Reconcile the account now",
            response_model=None,
            responses=openapi.answers(
                201, break_schemas.Reconciliation, "What was found", _ASK_CODES, location="The reconciliation."
            ),
            openapi_extra=openapi.details(account, scope=Scope.CONTROLS_EDIT),
        )
        router.add_api_route(
            f"{_BREAKS}/{{break_id}}/resolution",
            self.resolve,
            methods=["POST"],
            summary="Decide about a break",
            response_model=None,
            responses=openapi.answers(200, break_schemas.Break, "The break after it", _RESOLVE_CODES),
            openapi_extra=openapi.details(
                account, openapi.BREAK_ID, body=break_schemas.Resolve, scope=Scope.CONTROLS_EDIT
            ),
        )
        router.add_api_route(
            _INTERVAL,
            self.set_interval,
            methods=["PUT"],
            summary="Set how often an account is reconciled",
            response_model=None,
            responses=openapi.answers(200, break_schemas.Interval, "The interval after it", _INTERVAL_CODES),
            openapi_extra=openapi.details(
                account, openapi.IF_MATCH, body=break_schemas.SetInterval, scope=Scope.CONTROLS_EDIT
            ),
        )
        return router

    async def reconcile(self, request: Request) -> Response:
        """Answered when it is over."""
        principal, account = await admit(self._access, request, Scope.CONTROLS_EDIT)
        run = await self._reconciliations.ask(principal, account)
        place = f"/v1/accounts/{account.account_id}/reconciliations/{run.reconciliation_id}"
        return answer(_reconciliation(run), 201, {"location": place})

    async def reconciliations(self, request: Request) -> Response:
        """A page of them."""
        account_id, asked = await self._asked(request, lists.RECONCILIATIONS)
        return asked.answer(await self._queries.reconciliations(account_id, asked.listing), _reconciliation)

    async def reconciliation(self, request: Request) -> Response:
        """One of them."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ)
        reconciliation_id = uuid_parameter(request, "reconciliation_id")
        run = await self._queries.reconciliation(account.account_id, reconciliation_id)
        if run is None:
            raise NotFoundError(Code.RECONCILIATION_NOT_FOUND, f"the account has no reconciliation {reconciliation_id}")
        return answer(_reconciliation(run))

    async def breaks(self, request: Request) -> Response:
        """A page of them."""
        account_id, asked = await self._asked(request, lists.BREAKS)
        return asked.answer(await self._queries.breaks(account_id, asked.listing), _break)

    async def one_break(self, request: Request) -> Response:
        """One of them."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ)
        break_id = uuid_parameter(request, "break_id")
        ticket = await self._queries.find_break(account.account_id, break_id)
        if ticket is None:
            raise NotFoundError(Code.BREAK_NOT_FOUND, f"the account has no break {break_id}")
        return answer(_break(ticket))

    async def resolve(self, request: Request) -> Response:
        """Book what was decided and close the ticket; the same decision again has the same answer."""
        principal, account = await admit(self._access, request, Scope.CONTROLS_EDIT)
        break_id = uuid_parameter(request, "break_id")
        body = control_bodies.read(break_schemas.Resolve, await read_json(request, self._limits))
        decision, asked = _decision(body)
        return answer(_break(await self._resolutions.resolve(principal, account, break_id, decision, asked)))

    async def set_interval(self, request: Request) -> Response:
        """In force within seconds."""
        principal, account = await admit(self._access, request, Scope.CONTROLS_EDIT)
        body = control_bodies.read(break_schemas.SetInterval, await read_json(request, self._limits))
        changed = await self._registrar.set_reconcile(principal, account, body.reconcile_s, if_match(request))
        return answer(
            {
                "account_id": changed.account_id,
                "organization_id": changed.organization_id,
                "reconcile_s": changed.reconcile_s,
                "version": changed.reconcile_version,
            }
        )

    async def _asked(self, request: Request, kind: lists.Kind) -> tuple[str, lists.Asked]:
        _, account = await admit(self._access, request, Scope.RECORDS_READ, *kind.known)
        return account.account_id, lists.read_listing(request, kind, self._limits, account.account_id)


def _decision(body: break_schemas.Resolve) -> tuple[machine.Decision, dict[str, str]]:
    """The decision, and the request beside action and reason: amounts by value, so that the same is the same."""
    amounts = {name: money.parse(text) for name in _AMOUNTS if (text := getattr(body, name)) is not None}
    asked = {name: money.render(amount) for name, amount in amounts.items()}
    if body.kind != AdjustmentKind.MANUAL:
        asked["kind"] = body.kind
    executed_at_ns = None
    if body.executed_at is not None:
        try:
            executed_at_ns = parse_time(body.executed_at)
        except ValueError as error:
            raise InvalidError(str(error), pointer="/executed_at") from error
        asked["executed_at"] = render_time(executed_at_ns)
    order_id = None if body.order_id is None else body.order_id.lower()
    if order_id is not None:
        asked["order_id"] = order_id
    decision = machine.Decision(
        action=ResolutionAction(body.action),
        reason=body.reason,
        kind=AdjustmentKind(body.kind),
        order_id=order_id,
        executed_at_ns=executed_at_ns,
        **amounts,
    )
    return decision, asked


def _reconciliation(run: Reconciliation) -> Json:
    """`break_schemas.Reconciliation`."""
    return {
        "reconciliation_id": run.reconciliation_id,
        "account_id": run.account_id,
        "trigger": run.trigger,
        "verdict": run.verdict,
        "begun_at": render_time(run.begun_at_ns),
        "ended_at": render_time(run.ended_at_ns),
        "snapshots": run.snapshots,
        "mended": run.mended,
        "healed": run.healed,
        "opened": run.opened,
        "closed": run.closed,
        "standing": run.standing,
        "detail": run.detail or None,
    }


def _break(ticket: Ticket) -> Json:
    """`break_schemas.Break`."""
    difference = ticket.difference
    gap, key = difference.gap, difference.key
    is_over = ticket.status is BreakStatus.CLOSED
    return {
        "break_id": ticket.break_id,
        "account_id": ticket.account_id,
        "kind": difference.kind,
        "status": ticket.status,
        "subject": difference.subject,
        "figure": difference.figure,
        "ours": difference.ours or None,
        "theirs": difference.theirs or None,
        "difference": None if gap is None else money.render(gap),
        "detail": difference.detail,
        "asset_class": None if key is None else key[0],
        "symbol": None if key is None else key[1],
        "order_id": difference.order_id,
        "first_at": render_time(ticket.first_at_ns),
        "last_at": render_time(ticket.last_at_ns),
        "times": ticket.times,
        "actions": [] if is_over else sorted(machine.actions_for(ticket)),
        "closing": ticket.closing,
        "closed_at": None if ticket.closed_at_ns is None else render_time(ticket.closed_at_ns),
        "resolution": None if ticket.resolution is None else _resolution(ticket.resolution),
    }


def _resolution(resolution: Resolution) -> Json:
    return {
        "action": resolution.action,
        "reason": resolution.reason,
        "principal_id": resolution.principal_id,
        "at": render_time(resolution.at_ns),
        "asked": dict(resolution.asked),
        "booked": resolution.booked,
    }

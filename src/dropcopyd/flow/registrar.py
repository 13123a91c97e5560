"""Organizations and accounts as their administrators handle them; each change with its line of the audit log.

An organization is made by the operator alone: whoever has a key belongs to one and sees no other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dropcopyd.domain.account import Account, BrokerKind, Organization, Principal
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.day import check_day
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError, InvalidError
from dropcopyd.flow.ownership import Actors
from dropcopyd.flow.versions import require_version
from dropcopyd.ports import Clock, Ids, NewAccount, Registry, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRequest:
    """What a paper account is to be like, in the words of the command line."""

    profile: str
    seed: int = 0
    cash: Sequence[str] = ()
    parameters: Sequence[str] = ()
    scenario: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRequest:
    """A new account."""

    name: str
    broker: BrokerKind
    paper: PaperRequest
    time_zone: str = "UTC"
    roll_time: str = "00:00"


PlanOf = Callable[[PaperRequest], str]
"""The settings of a paper account, as its broker keeps them. Raises ValueError in the user's words."""


class Registrar:
    """Organizations and accounts, for principals that hold `accounts:admin`."""

    def __init__(
        self,
        *,
        registry: Registry,
        store: Store,
        actors: Actors,
        clock: Clock,
        ids: Ids,
        limits: Limits,
        plan_of: PlanOf,
    ) -> None:
        self._limits = limits
        self._registry = registry
        self._store = store
        self._actors = actors
        self._clock = clock
        self._ids = ids
        self._plan_of = plan_of

    async def organization(self, principal: Principal) -> Organization:
        """The principal's own."""
        return await self._registry.organization(principal.organization_id)

    async def rename_organization(self, principal: Principal, name: str) -> Organization:
        """Give the organization a name of its own. No name is refused for what other organizations are called: nobody
        is to learn that; the operator goes on by the name that he gave.
        """
        entry = self._entry(principal, AuditAction.ORGANIZATION_CHANGED, principal.organization_id, {"name": name})
        await self._registry.rename_organization(principal.organization_id, name, entry)
        return await self.organization(principal)

    async def add_account(self, principal: Principal, asked: AccountRequest) -> Account:
        """A new account, connected at once.

        Raises DropcopyError: NAME_IN_USE, NOT_SUPPORTED, INVALID_ARGUMENT, ORGANIZATION_LIMIT_EXCEEDED.
        """
        if asked.broker is not BrokerKind.PAPER:
            raise DropcopyError(Code.NOT_SUPPORTED, "only paper accounts are supported yet")
        _check_day(asked.time_zone, asked.roll_time)
        try:
            plan = self._plan_of(asked.paper)
        except ValueError as error:
            raise InvalidError(str(error), pointer="/paper") from error
        account = NewAccount(
            account_id=self._ids.uuid(),
            organization_id=principal.organization_id,
            name=asked.name,
            broker=asked.broker,
            broker_settings=plan,
            time_zone=asked.time_zone,
            roll_time=asked.roll_time,
            created_at_ns=self._clock.now_ns(),
        )
        detail = {"name": asked.name, "broker": asked.broker.value, "profile": asked.paper.profile}
        entry = self._entry(principal, AuditAction.ACCOUNT_CREATED, account.account_id, detail, account.account_id)
        await self._registry.add_account(account, entry, self._limits.accounts_per_organization)
        return (await self._actors.get(account.account_id)).account

    async def change_account(
        self, principal: Principal, account: Account, *, name: str | None, time_zone: str | None, roll_time: str | None
    ) -> Account:
        """Other words for an account; None leaves as it is. Raises DropcopyError: NAME_IN_USE, INVALID_ARGUMENT."""
        _check_day(time_zone or "UTC", roll_time or "00:00")
        given = {"name": name, "time_zone": time_zone, "roll_time": roll_time}
        detail = {member: value for member, value in given.items() if value is not None}
        await self._registry.change_account(
            account.account_id,
            name=name,
            time_zone=time_zone,
            roll_time=roll_time,
            entry=self._entry(principal, AuditAction.ACCOUNT_CHANGED, account.account_id, detail, account.account_id),
        )
        return await self._renewed(account)

    async def disable_account(
        self, principal: Principal, account: Account, *, is_disabled: bool, reason: str | None
    ) -> Account:
        """Take no creates and replaces, or take them again; what works stays, and cancels go on. Idempotent."""
        action = AuditAction.ACCOUNT_DISABLED if is_disabled else AuditAction.ACCOUNT_ENABLED
        detail = {"reason": reason or ""}
        entry = self._entry(principal, action, account.account_id, detail, account.account_id)
        at_ns = self._clock.now_ns() if is_disabled else None
        await self._registry.disable_account(account.account_id, at_ns, entry)
        return await self._renewed(account)

    async def set_reconcile(
        self, principal: Principal, account: Account, seconds: int | None, version: int | None
    ) -> Account:
        """Give an account its own interval between reconciliations: 0 = none by the timer, None = as the gateway does.

        Needs the version once it has one. Raises DropcopyError: VERSION_REQUIRED, VERSION_CONFLICT.
        """
        await self._store.accounts()  # the command line may have changed it
        current = (await self._renewed(account)).reconcile_version
        if version is not None or current:
            require_version(current, version)
        detail = {"reconcile_s": "" if seconds is None else str(seconds), "version": str(current + 1)}
        entry = self._entry(principal, AuditAction.ACCOUNT_CHANGED, account.account_id, detail, account.account_id)
        is_done = await self._registry.set_reconcile(account.account_id, seconds, current, entry)
        changed = await self._renewed(account)
        if not is_done:  # another change came first
            require_version(changed.reconcile_version, current)
        return changed

    async def _renewed(self, account: Account) -> Account:
        """The account as it is now."""
        found = await self._store.find_account(account.account_id)
        if found is None:
            raise AssertionError("an account never goes away")
        return found

    def _entry(
        self,
        principal: Principal,
        action: AuditAction,
        subject: str,
        detail: dict[str, str],
        account_id: str | None = None,
    ) -> AuditEntry:
        return AuditEntry(
            organization_id=principal.organization_id,
            account_id=account_id,
            at_ns=self._clock.now_ns(),
            principal_id=principal.key_id,
            action=action,
            subject=subject,
            detail=detail,
        )


def _check_day(time_zone: str, roll_time: str) -> None:
    for member, zone, at in (("time_zone", time_zone, "00:00"), ("roll_time", "UTC", roll_time)):
        try:
            check_day(zone, at)
        except DropcopyError as error:
            raise InvalidError(error.message, pointer=f"/{member}") from error

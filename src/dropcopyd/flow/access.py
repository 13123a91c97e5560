"""Who is asking, and whether they may: keys and tokens to principals, principals to accounts."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from dropcopyd.domain.account import Account, Principal, Scope
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.keys import KeyRecord, is_narrower, lapse_of
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError, InvalidError, NotFoundError
from dropcopyd.flow.denials import Denials
from dropcopyd.flow.rates import Rates
from dropcopyd.flow.tokens import NOBODY, Grant, Tokens
from dropcopyd.flow.uses import KeyUses
from dropcopyd.ports import Clock, Ids, Store

_log = structlog.get_logger()

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_KEY: Final = re.compile(r"dc_([a-z0-9]{1,32})_([A-Za-z0-9]{20,128})", re.ASCII)
_BEARER: Final = re.compile(r"bearer +([!-~]+)", re.ASCII | re.IGNORECASE)
_NS: Final = 1_000_000_000
_FAR_NS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller showed: a key or a token, as sent."""

    word: str
    is_token: bool = False


def credential_of(api_keys: Sequence[object], authorizations: Sequence[object]) -> Credential | None:
    """The one credential among the values of `x-api-key` and `authorization`; None for none, several, a strange one."""
    given = [*api_keys, *authorizations]
    if len(given) != 1 or not isinstance(given[0], str):
        return None
    if api_keys:
        return Credential(given[0].strip(" \t"))
    match = _BEARER.fullmatch(given[0].strip(" \t"))
    return None if match is None else Credential(match.group(1), is_token=True)


def mint_key(ids: Ids) -> tuple[str, str]:
    """A new API key: (key_id, the whole key as the caller sends it). Only its `digest` is ever stored."""
    key_id = ids.command_id().lower()
    return key_id, mint_secret(key_id, ids)


def mint_secret(key_id: str, ids: Ids) -> str:
    """A whole key of that id with a new secret."""
    return f"dc_{key_id}_{ids.secret()}"


def digest(pepper: bytes, api_key: str) -> bytes:
    """The keyed hash of a key: without the folder's pepper a copy of the database proves nothing."""
    return hmac.new(pepper, api_key.encode(), hashlib.sha256).digest()  # hmac.digest would let other threads in between


def parse_uuid(text: str, pointer: str) -> str:
    """The canonical form of a UUID. Raises InvalidError naming the member."""
    if not _UUID.fullmatch(text):
        raise InvalidError("not a UUID (8-4-4-4-12 hexadecimal digits)", pointer=pointer)
    return text.lower()


@dataclass(frozen=True, slots=True)
class Admission:
    """A credential that was good when its request began."""

    access: "Access"
    principal: Principal

    async def recheck(self) -> None:
        """Raises as `Access.recheck`."""
        await self.access.recheck(self.principal)

    async def denied(self, method: str, path: str, error: DropcopyError) -> None:
        """Write down that it was not enough."""
        await self.access.denials.note(self.principal, method, path, error)


class Access:
    """Authenticates keys and authorizes principals, each time by the key as it is now: a disabled one ends at once."""

    def __init__(self, store: Store, pepper: bytes, clock: Clock, limits: Limits | None = None) -> None:
        self._store = store
        self._pepper = pepper
        self._clock = clock
        self._tokens = Tokens(pepper)
        self.rates = Rates(clock, limits or Limits())
        """What each key may send."""
        self.denials = Denials(store, clock)
        """What was refused to keys that are good."""
        self.uses = KeyUses()
        """When keys were used last."""

    async def authenticate(self, credential: Credential | None, address: str = "") -> Principal:
        """The principal of a key or token shown by a peer at that address ("" = unknown: good for unrestricted keys).

        Raises DropcopyError(UNAUTHENTICATED), the same for every reason, or TOKEN_EXPIRED for a token of ours.
        """
        if credential is None:
            raise _nobody()
        principal = await (self._by_token if credential.is_token else self._by_key)(credential.word, address)
        self.uses.note(principal.key_id, self._clock.now_ns(), address)
        return principal

    async def admit(self, credential: Credential | None, address: str, scope: Scope) -> Principal:
        """The principal, counted against its key's rate, that holds the scope.

        Raises DropcopyError: UNAUTHENTICATED, TOKEN_EXPIRED, RATE_LIMITED, PERMISSION_DENIED.
        """
        principal = await self.authenticate(credential, address)
        refusal = self.rates.take(principal).refusal
        if refusal is not None:
            raise refusal
        self.require(principal, scope)
        return principal

    async def _by_key(self, api_key: str, address: str) -> Principal:
        match = _KEY.fullmatch(api_key)
        if match is None:
            raise _nobody()
        record = await self._store.find_key(match.group(1))
        given = digest(self._pepper, api_key)
        is_current = hmac.compare_digest(bytes(32) if record is None else record.digest, given)
        is_previous = hmac.compare_digest((record and record.previous_digest) or bytes(32), given)
        if record is None or not (is_current or is_previous):
            raise _nobody()
        generation = record.generation if is_current else record.generation - 1
        self._require_good(record, generation, address)
        return record.principal(generation, address)

    async def _by_token(self, token: str, address: str) -> Principal:
        grant = self._tokens.read(token)
        if grant.expires_at_ns <= self._clock.now_ns():
            raise _token_over()
        record = await self._store.find_key(grant.key_id)
        if record is None:
            raise _nobody()
        self._require_good(record, grant.generation, address)
        principal = record.principal(grant.generation, address)
        return replace(
            principal,
            scopes=principal.scopes & grant.scopes,
            account_ids=_both(principal.account_ids, grant.account_ids),
            expires_at_ns=grant.expires_at_ns,
            is_token=True,
        )

    async def recheck(self, principal: Principal) -> None:
        """That the credential is good for all it was admitted with, now that time has passed: a body's, a stream's.

        Raises DropcopyError: UNAUTHENTICATED, TOKEN_EXPIRED, PERMISSION_DENIED when its key may do less by now.
        """
        record = await self._store.find_key(principal.key_id)
        if record is None:
            raise _nobody()
        if principal.is_token and (principal.expires_at_ns or _FAR_NS) <= self._clock.now_ns():
            raise _token_over()
        self._require_good(record, principal.generation, principal.address)
        is_same = principal.attenuation == record.settings.attenuation and principal.scopes <= record.scopes
        if not is_same or is_narrower(record, principal):
            raise DropcopyError(Code.PERMISSION_DENIED, "the key was changed meanwhile; ask again")

    def _require_good(self, record: KeyRecord, generation: int, address: str) -> None:
        lapse = lapse_of(record, generation, address, self._clock.now_ns())
        if lapse is not None:
            _log.info("key.refused", key_id=record.key_id, cause=lapse, address=address)
            raise _nobody()

    async def mint_token(
        self,
        principal: Principal,
        scopes: frozenset[Scope] | None,
        account_ids: frozenset[str] | None,
        lifetime_s: int,
    ) -> tuple[str, Grant]:
        """A token for a part of the principal's rights (None = all it has), never for more; noted in the audit log.

        Raises DropcopyError: PERMISSION_DENIED for a scope that the key lacks and when the principal is a token itself,
        NotFoundError for an account that is not the organization's.
        """
        if principal.is_token:
            raise DropcopyError(Code.PERMISSION_DENIED, "a token mints no tokens; use the key")
        for scope in sorted(scopes or ()):
            self.require(principal, scope)
        for account_id in sorted(account_ids or ()):
            await self.account(principal, account_id, "/account_ids")
        now_ns = self._clock.now_ns()
        expires_at_ns = min(now_ns + lifetime_s * _NS, principal.expires_at_ns or _FAR_NS)
        grant = Grant(
            principal.key_id,
            scopes or principal.scopes,
            account_ids or principal.account_ids,
            expires_at_ns,
            principal.generation,
        )
        detail = {"scopes": " ".join(sorted(grant.scopes)), "lifetime_s": str(lifetime_s)}
        await self._store.audit(
            AuditEntry(
                organization_id=principal.organization_id,
                at_ns=now_ns,
                principal_id=principal.key_id,
                action=AuditAction.TOKEN_MINTED,
                subject=principal.key_id,
                detail=detail,
            )
        )
        return self._tokens.write(grant), grant

    def digest(self, api_key: str) -> bytes:
        """What is kept of a key."""
        return digest(self._pepper, api_key)

    def require(self, principal: Principal, scope: Scope) -> None:
        """Raises DropcopyError(PERMISSION_DENIED) naming the scope that the key lacks."""
        if scope not in principal.scopes:
            raise DropcopyError(Code.PERMISSION_DENIED, f"this key lacks the scope {scope.value}", scope=scope.value)

    async def account(self, principal: Principal, account_id: str, pointer: str = "") -> Account:
        """The principal's account. Raises InvalidError for no UUID, NotFoundError for unknown and foreign alike."""
        canonical = parse_uuid(account_id, pointer)
        account = await self._store.find_account(canonical)
        is_hidden = principal.account_ids is not None and canonical not in principal.account_ids
        if account is None or account.organization_id != principal.organization_id or is_hidden:
            raise NotFoundError(Code.ACCOUNT_NOT_FOUND, f"there is no account {canonical}")
        return account

    def require_all_accounts(self, principal: Principal) -> None:
        """Raises DropcopyError(PERMISSION_DENIED) for a principal that is restricted to some accounts."""
        if principal.account_ids is not None:
            raise DropcopyError(Code.PERMISSION_DENIED, "this credential is for some accounts only; name one of them")


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """The accounts that both allow; None = all."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _token_over() -> DropcopyError:
    return DropcopyError(Code.TOKEN_EXPIRED, "the bearer token has expired; mint another one")


def _nobody() -> DropcopyError:
    return DropcopyError(Code.UNAUTHENTICATED, NOBODY)

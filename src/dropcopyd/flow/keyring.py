"""Keys as their administrators handle them: made, narrowed, rotated, revoked; never more handed on than is held.

Changes are made one after another; each is committed with its line of the audit log, and ends what it makes invalid:
open streams at once, requests from the next one on. A key of another organization, or one that is wider than its reader
may see, looks like one that is not there.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from dropcopyd.domain.account import Principal
from dropcopyd.domain.attenuation import UNATTENUATED, attenuation_to_json
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.keys import KeyRecord, KeySettings, excess_of
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError, NotFoundError
from dropcopyd.flow.access import Access, mint_key, mint_secret
from dropcopyd.flow.streams import Streams
from dropcopyd.ports import Clock, Ids, Registry, Store

OVERLAP_S_MAX: Final = 30 * 86_400
_NS: Final = 1_000_000_000


class Keyring:
    """The keys of all organizations, for principals that hold `keys:admin`."""

    def __init__(
        self,
        *,
        registry: Registry,
        store: Store,
        access: Access,
        streams: Streams,
        clock: Clock,
        ids: Ids,
        limits: Limits,
    ) -> None:
        self._limits = limits
        self._registry = registry
        self._store = store
        self._access = access
        self._streams = streams
        self._clock = clock
        self._ids = ids
        self._changing = asyncio.Lock()

    async def keys(self, principal: Principal, after: str, limit: int) -> list[KeyRecord]:
        """The keys that the principal may see, by id, those after a place."""
        found: list[KeyRecord] = []
        while len(found) < limit:
            page = await self._registry.keys(principal.organization_id, after, limit)
            found += [self._as_used(record) for record in page if _is_seen(record, principal)]
            if len(page) < limit:
                break
            after = page[-1].key_id
        return found[:limit]

    async def key(self, principal: Principal, key_id: str) -> KeyRecord:
        """One key. Raises NotFoundError."""
        record = await self._store.find_key(key_id)
        if record is None or record.organization_id != principal.organization_id or not _is_seen(record, principal):
            raise NotFoundError(Code.KEY_NOT_FOUND, f"there is no key {key_id}")
        return self._as_used(record)

    async def add(self, principal: Principal, settings: KeySettings) -> tuple[KeyRecord, str]:
        """A new key, and itself as it is shown once.

        Raises DropcopyError(PERMISSION_DENIED, ORGANIZATION_LIMIT_EXCEEDED), NotFoundError.
        """
        await self._require_grantable(principal, settings)
        key_id, api_key = mint_key(self._ids)
        record = KeyRecord(
            key_id=key_id,
            organization_id=principal.organization_id,
            settings=settings,
            digest=self._access.digest(api_key),
            created_at_ns=self._clock.now_ns(),
            created_by=principal.key_id,
        )
        entry = self._entry(principal, AuditAction.KEY_CREATED, key_id, told(settings))
        await self._registry.add_key(record, entry, self._limits.keys_per_organization)
        return record, api_key

    async def change(
        self, principal: Principal, key_id: str, change: Callable[[KeySettings], KeySettings]
    ) -> KeyRecord:
        """A key with other settings. Raises as `add`, and when the result is more than the principal holds."""
        async with self._changing:
            record = await self.key(principal, key_id)
            settings = change(record.settings)
            await self._require_grantable(principal, settings)
            entry = self._entry(principal, AuditAction.KEY_CHANGED, key_id, told(settings))
            await self._registry.change_key(key_id, settings, entry)
            await self._streams.end_revoked()
            return replace(record, settings=settings)

    async def rotate(self, principal: Principal, key_id: str, overlap_s: int) -> tuple[KeyRecord, str]:
        """A new secret of a key; the one before stays good for the overlap, an older one ends now.

        Raises as `add`: whoever rotates a key comes to hold it.
        """
        async with self._changing:
            record = await self.key(principal, key_id)
            await self._require_grantable(principal, record.settings)
            api_key, now_ns = mint_secret(key_id, self._ids), self._clock.now_ns()
            digest, until_ns = self._access.digest(api_key), now_ns + overlap_s * _NS
            entry = self._entry(principal, AuditAction.KEY_ROTATED, key_id, {"overlap_s": str(overlap_s)})
            if not await self._registry.rotate_key(key_id, digest, now_ns, until_ns, entry):
                raise DropcopyError(Code.KEY_DISABLED, "the key is disabled; make a new one")
            await self._streams.end_revoked()
            return await self.key(principal, key_id), api_key

    async def revoke(self, principal: Principal, key_id: str) -> None:
        """Refuse a key for good and end its streams; idempotent."""
        record = await self.key(principal, key_id)
        if record.disabled_at_ns is None:
            entry = self._entry(principal, AuditAction.KEY_REVOKED, key_id, {"name": record.name})
            await self._registry.disable_key(key_id, self._clock.now_ns(), entry)
        await self._streams.end_revoked()

    async def _require_grantable(self, principal: Principal, settings: KeySettings) -> None:
        """Raises DropcopyError when the key would be more than its maker, or for accounts that are not there."""
        if principal.is_token:
            raise DropcopyError(Code.PERMISSION_DENIED, "a token makes no keys; use the key")
        for account_id in sorted(settings.account_ids or ()):
            await self._access.account(principal, account_id, "/account_ids")
        await self._access.recheck(principal)
        maker = await self._store.find_key(principal.key_id)
        excess = excess_of(settings, principal, () if maker is None else maker.settings.addresses)
        if excess is not None:
            raise DropcopyError(Code.PERMISSION_DENIED, excess.message, pointer=f"/{excess.member}")

    def _as_used(self, record: KeyRecord) -> KeyRecord:
        """With a use that is not written yet."""
        use = self._access.uses.of(record.key_id)
        return record if use is None else replace(record, last_used_at_ns=use.at_ns, last_used_from=use.address)

    def _entry(self, principal: Principal, action: AuditAction, key_id: str, detail: dict[str, str]) -> AuditEntry:
        return AuditEntry(
            organization_id=principal.organization_id,
            at_ns=self._clock.now_ns(),
            principal_id=principal.key_id,
            action=action,
            subject=key_id,
            detail=detail,
        )


def told(settings: KeySettings) -> dict[str, str]:
    """What a key is allowed, for the audit log."""
    detail = {"name": settings.name, "scopes": " ".join(sorted(settings.scopes))}
    if settings.account_ids is not None:
        detail["account_ids"] = " ".join(sorted(settings.account_ids))
    if settings.addresses is not None:
        detail["addresses"] = " ".join(settings.addresses)
    if settings.expires_at_ns is not None:
        detail["expires_at_ns"] = str(settings.expires_at_ns)
    if settings.attenuation != UNATTENUATED:
        detail["attenuation"] = json.dumps(attenuation_to_json(settings.attenuation))
    return detail


def _is_seen(record: KeyRecord, principal: Principal) -> bool:
    """A principal for some accounts sees the keys for those accounts or fewer."""
    accounts = record.settings.account_ids
    return principal.account_ids is None or (accounts is not None and accounts <= principal.account_ids)

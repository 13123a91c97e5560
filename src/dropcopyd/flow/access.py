"""Who is asking, and whether they may: keys to principals, principals to accounts."""

import hashlib
import hmac
import re
from typing import Final

from dropcopyd.domain.account import Account, Principal, Scope
from dropcopyd.errors import Code, DropcopyError, InvalidError, NotFoundError
from dropcopyd.ports import Ids, Store

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_KEY: Final = re.compile(r"dc_([a-z0-9]{1,32})_([A-Za-z0-9]{20,128})", re.ASCII)
_NOBODY: Final = DropcopyError(Code.UNAUTHENTICATED, "the API key is missing, unknown or disabled")


def mint_key(ids: Ids) -> tuple[str, str]:
    """A new API key: (key_id, the whole key as the caller sends it). Only its `digest` is ever stored."""
    key_id = ids.command_id().lower()
    return key_id, f"dc_{key_id}_{ids.secret()}"


def digest(pepper: bytes, api_key: str) -> bytes:
    """The keyed hash of a key: without the folder's pepper a copy of the database proves nothing."""
    return hmac.new(pepper, api_key.encode(), hashlib.sha256).digest()


def parse_uuid(text: str, pointer: str) -> str:
    """The canonical form of a UUID. Raises InvalidError naming the member."""
    if not _UUID.fullmatch(text):
        raise InvalidError("not a UUID (8-4-4-4-12 hexadecimal digits)", pointer=pointer)
    return text.lower()


class Access:
    """Authenticates keys and authorizes principals; keys are read anew each time, so a disabled one ends at once."""

    def __init__(self, store: Store, pepper: bytes) -> None:
        self._store = store
        self._pepper = pepper

    async def authenticate(self, api_key: str | None) -> Principal:
        """The principal of a key. Raises DropcopyError(UNAUTHENTICATED), the same for every reason."""
        match = _KEY.fullmatch(api_key or "")
        if match is None or api_key is None:
            raise DropcopyError(_NOBODY.code, _NOBODY.message)
        record = await self._store.find_key(match.group(1))
        expected = record.digest if record is not None else bytes(32)
        is_right = hmac.compare_digest(expected, digest(self._pepper, api_key))
        if record is None or not is_right or record.is_disabled:
            raise DropcopyError(_NOBODY.code, _NOBODY.message)
        return Principal(record.organization_id, record.key_id, record.scopes)

    def require(self, principal: Principal, scope: Scope) -> None:
        """Raises DropcopyError(PERMISSION_DENIED) naming the scope that the key lacks."""
        if scope not in principal.scopes:
            raise DropcopyError(Code.PERMISSION_DENIED, f"this key lacks the scope {scope.value}", scope=scope.value)

    async def account(self, principal: Principal, account_id: str, pointer: str = "") -> Account:
        """The principal's account. Raises InvalidError for no UUID, NotFoundError for unknown and foreign alike."""
        canonical = parse_uuid(account_id, pointer)
        account = await self._store.find_account(canonical)
        if account is None or account.organization_id != principal.organization_id:
            raise NotFoundError(Code.ACCOUNT_NOT_FOUND, f"there is no account {canonical}")
        return account

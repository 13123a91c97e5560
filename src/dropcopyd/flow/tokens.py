"""Bearer tokens: short-lived words that stand for a part of a key's rights, for places where the key should not go.

A token is `dct_`, base64url(JSON of the grant), `.` and base64url(HMAC-SHA256 of it under a secret derived from the
folder's). Nothing is stored: a token is good while its signature is right, its time is not over and its key is not
neither disabled nor expired nor rotated away; it never has a scope or account that the key does not have now, and its
attenuation is the key's.
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Final

from dropcopyd.domain.account import Scope
from dropcopyd.errors import Code, DropcopyError

PREFIX: Final = "dct_"
TOKEN_CHARACTERS_MAX: Final = 4_096
NOBODY: Final = (
    "the credential is missing, unknown, disabled, expired or not for this address; give one of x-api-key and"
    " authorization: Bearer"
)
"""The one answer to every bad credential."""
_PURPOSE: Final = b"dropcopy bearer token 1"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token says. `account_ids` None = every account that the key may see. `generation`: which of the key's
    secrets made it; it ends with that one."""

    key_id: str
    scopes: frozenset[Scope]
    account_ids: frozenset[str] | None
    expires_at_ns: int
    generation: int = 1


class Tokens:
    """Writes and reads tokens under one folder's secret."""

    def __init__(self, pepper: bytes) -> None:
        self._secret = hmac.new(pepper, _PURPOSE, hashlib.sha256).digest()

    def write(self, grant: Grant) -> str:
        """The token of a grant."""
        accounts = None if grant.account_ids is None else sorted(grant.account_ids)
        facts = {
            "k": grant.key_id,
            "s": sorted(grant.scopes),
            "a": accounts,
            "e": grant.expires_at_ns,
            "g": grant.generation,
        }
        body = json.dumps(facts, separators=(",", ":")).encode()
        return f"{PREFIX}{_encode(body)}.{_encode(self._sign(body))}"

    def read(self, token: str) -> Grant:
        """The grant of a token that is ours, whatever its time. Raises DropcopyError(UNAUTHENTICATED)."""
        words = token.removeprefix(PREFIX).split(".")
        if not token.startswith(PREFIX) or len(words) != 2 or len(token) > TOKEN_CHARACTERS_MAX:
            raise _no_token()
        try:
            body, signature = (base64.b64decode(word + "=" * (-len(word) % 4), b"-_", validate=True) for word in words)
        except (binascii.Error, UnicodeError, ValueError) as error:
            raise _no_token() from error
        if not hmac.compare_digest(signature, self._sign(body)):
            raise _no_token()
        facts = json.loads(body)
        accounts = None if facts["a"] is None else frozenset(facts["a"])
        scopes = frozenset(Scope(word) for word in facts["s"])
        return Grant(facts["k"], scopes, accounts, facts["e"], facts.get("g", 1))

    def _sign(self, body: bytes) -> bytes:
        return hmac.new(self._secret, body, hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _no_token() -> DropcopyError:
    return DropcopyError(Code.UNAUTHENTICATED, NOBODY)

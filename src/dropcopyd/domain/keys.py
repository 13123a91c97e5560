"""API keys: what one is allowed, when it is good, and what may be handed on. Pure.

A key has one name and one secret at a time. After a rotation the secret before is good for an overlap; which of the two
was shown is the *generation*, and tokens carry it, so that both end together.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dropcopyd.domain.account import Principal, Scope
from dropcopyd.domain.attenuation import UNATTENUATED, Attenuation

ADDRESSES_MAX: Final = 64
OPERATOR: Final = "operator"
"""Who made what was made on the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """What a key is allowed. None = no restriction; `addresses` are networks in CIDR form."""

    name: str
    scopes: frozenset[Scope]
    account_ids: frozenset[str] | None = None
    expires_at_ns: int | None = None
    addresses: tuple[str, ...] | None = None
    attenuation: Attenuation = UNATTENUATED


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """An API key as stored: digests are keyed hashes of whole keys, never the keys."""

    key_id: str
    organization_id: str
    settings: KeySettings
    digest: bytes
    created_at_ns: int
    created_by: str = OPERATOR
    generation: int = 1
    """Raised by each rotation."""
    previous_digest: bytes | None = None
    previous_until_ns: int = 0
    """Until when the secret before the last rotation is good."""
    rotated_at_ns: int | None = None
    disabled_at_ns: int | None = None
    last_used_at_ns: int | None = None
    last_used_from: str | None = None
    streams_max: int | None = None
    """The organization's own stream quota, None = the node's."""

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def scopes(self) -> frozenset[Scope]:
        return self.settings.scopes

    @property
    def is_disabled(self) -> bool:
        return self.disabled_at_ns is not None

    def principal(self, generation: int, address: str) -> Principal:
        """Who asks with that secret of the key, from that address.

        The secret before ends with the overlap, and hands on nothing that lasts longer.
        """
        settings, ends_ns = self.settings, self.settings.expires_at_ns
        if generation != self.generation:
            ends_ns = self.previous_until_ns if ends_ns is None else min(ends_ns, self.previous_until_ns)
        return Principal(
            self.organization_id,
            self.key_id,
            settings.scopes,
            key_name=settings.name,
            account_ids=settings.account_ids,
            expires_at_ns=ends_ns,
            streams_max=self.streams_max,
            generation=generation,
            address=address,
            attenuation=settings.attenuation,
        )


def _next(generation_number: int) -> int:
    return generation_number + 1


def lapse_of(record: KeyRecord, generation: int, address: str, now_ns: int) -> str | None:
    """Why that secret of the key is not good now, from there; None when it is. For logs: callers hear one answer."""
    settings = record.settings
    if record.is_disabled:
        return "disabled"
    if settings.expires_at_ns is not None and settings.expires_at_ns <= now_ns:
        return "expired"
    is_previous = _next(generation) == record.generation and now_ns < record.previous_until_ns
    if generation != record.generation and not is_previous:
        return "rotated"
    if not is_admitted(settings.addresses, address):
        return "address"
    return None


def is_narrower(record: KeyRecord, principal: Principal) -> bool:
    """Whether the key has lost an account that the principal was admitted with."""
    left = record.settings.account_ids
    return left is not None and (principal.account_ids is None or not principal.account_ids <= left)


# --- addresses ----------------------------------------------------------------------------------------------------


def network_of(text: str) -> str:
    """A network in canonical CIDR form; an address is a network of one. Raises ValueError in the user's words."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(f"{text[:64]!r} is no network such as 203.0.113.0/24 or 2001:db8::/32") from error


def is_admitted(networks: Sequence[str] | None, address: str) -> bool:
    """Whether a peer's address is in one of the networks (None = any); an unknown address is in none."""
    if networks is None:
        return True
    try:
        at = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = at.ipv4_mapped if isinstance(at, ipaddress.IPv6Address) else None
    return any((mapped or at) in ipaddress.ip_network(network) for network in networks)


def _are_within(networks: Sequence[str] | None, outer: Sequence[str] | None) -> bool:
    if outer is None:
        return True
    if networks is None:
        return False
    wide = [ipaddress.ip_network(network) for network in outer]
    return all(
        any(inner.version == one.version and inner.subnet_of(one) for one in wide)  # type: ignore[arg-type]
        for inner in map(ipaddress.ip_network, networks)
    )


# --- handing on ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Excess:
    """What of a wanted key is more than its maker holds: a member of the request, and why."""

    member: str
    message: str


def excess_of(wanted: KeySettings, maker: Principal, addresses: Sequence[str] | None) -> Excess | None:
    """The first thing in which a key would be more than the maker; `addresses` are the maker's own networks.

    A maker that is attenuated hands nothing on: each new key would have counters of its own.
    """
    if maker.attenuation != UNATTENUATED:
        return Excess("", "an attenuated key makes no keys")
    missing = sorted(wanted.scopes.difference(maker.scopes))
    if missing:
        return Excess("scopes", f"this key lacks the scope {missing[0].value}")
    if maker.account_ids is not None and (wanted.account_ids is None or not wanted.account_ids <= maker.account_ids):
        return Excess("account_ids", "this key is for some accounts only; a key that it makes is for those or fewer")
    ends_ns = maker.expires_at_ns
    if ends_ns is not None and (wanted.expires_at_ns is None or wanted.expires_at_ns > ends_ns):
        return Excess("expires_at", "this key expires; a key that it makes expires no later")
    if not _are_within(wanted.addresses, addresses):
        return Excess("allowed_addresses", "this key is for some addresses only; a key that it makes is for those")
    return None

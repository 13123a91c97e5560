"""How many requests a key may send: a bucket per key and policy that refills evenly, on the monotonic clock.

Each bucket is one number, the time at which it will be full again; a key whose bucket is full is forgotten. A cancel
that finds the requests used up draws on a far larger bucket of its own.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dropcopyd.domain.account import Principal
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.ports import Clock

_NS: Final = 1_000_000_000
_KEYS_MAX: Final = 100_000
"""Buckets that are not full, at most; above it the ones that are nearest to full are forgotten."""


class Policy(StrEnum):
    """What is counted, as named in the headers."""

    REQUESTS = "requests"
    CANCELS = "cancels"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a request left of its key's quota. `wait_ns`: until one more passes; 0 = this one did."""

    policy: Policy
    quota: int
    window_s: int
    remaining: int
    reset_ns: int
    wait_ns: int

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """RateLimit-Policy and RateLimit, as draft-ietf-httpapi-ratelimit-headers has them."""
        reset_s = _whole_seconds(self.reset_ns)
        return (
            (b"ratelimit-policy", b'"%s";q=%d;w=%d' % (self.policy.encode(), self.quota, self.window_s)),
            (b"ratelimit", b'"%s";r=%d;t=%d' % (self.policy.encode(), self.remaining, reset_s)),
        )

    @property
    def refusal(self) -> DropcopyError | None:
        """RATE_LIMITED when the request did not pass."""
        if not self.wait_ns:
            return None
        wait_s = _whole_seconds(self.wait_ns)
        return DropcopyError(
            Code.RATE_LIMITED,
            f"the key has used up its {self.policy.value}: {self.quota} in {self.window_s} s; try again in {wait_s} s",
            policy=self.policy.value,
            limit=self.quota,
            window_s=self.window_s,
            retry_after_s=wait_s,
        )


class Rates:
    """The buckets of all keys; a key's tokens share its own."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._window_s = max(1, limits.rate_window_s)
        self._quotas = {
            Policy.REQUESTS: max(1, limits.requests_per_key),
            Policy.CANCELS: max(1, limits.cancels_per_key),
        }
        self._full_at_ns: dict[tuple[str, Policy], int] = {}

    def __len__(self) -> int:
        return len(self._full_at_ns)

    def take(self, principal: Principal, policy: Policy = Policy.REQUESTS) -> Allowance:
        """Count one request; one that does not pass costs nothing."""
        place, quota = (principal.key_id, policy), self._quotas[policy]
        window_ns = self._window_s * _NS
        cost_ns = max(1, window_ns // quota)
        now_ns = self._clock.monotonic_ns()
        full_at_ns = max(self._full_at_ns.get(place, now_ns), now_ns) + cost_ns
        wait_ns = full_at_ns - now_ns - cost_ns * quota
        if wait_ns > 0:
            return Allowance(policy, quota, self._window_s, 0, full_at_ns - cost_ns - now_ns, wait_ns)
        self._full_at_ns[place] = full_at_ns
        if len(self._full_at_ns) > _KEYS_MAX:
            self._forget(now_ns)
        remaining = quota - -((now_ns - full_at_ns) // cost_ns)
        return Allowance(policy, quota, self._window_s, max(0, remaining), full_at_ns - now_ns, 0)

    def _forget(self, now_ns: int) -> None:
        """Leave half of the buckets, those that are least full; a full one is as good as none."""
        kept = sorted(self._full_at_ns.items(), key=lambda item: item[1])[-_KEYS_MAX // 2 :]
        self._full_at_ns = {place: at_ns for place, at_ns in kept if at_ns > now_ns}


def _whole_seconds(span_ns: int) -> int:
    return -(-span_ns // _NS)

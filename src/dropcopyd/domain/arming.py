"""Cancel on disconnect: what a stream has asked to become of orders when it is lost."""

from dataclasses import dataclass

STRATEGY_CHARACTERS_MAX = 128
GRACE_S_MAX = 86_400
LOST = "stream_lost"
"""Why a command was withheld, or cancelled, when the stream that watched over it was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arming:
    """One strategy's arming. `strategy_id` "" is every order of the account, whatever its strategy.

    Armed, it fires when its stream has been lost for longer than the grace. Fired (at `fired_at_ns`, UTC), the orders
    that were there then are pursued until none of them may trade; a stream may arm it anew meanwhile.
    """

    account_id: str
    organization_id: str
    strategy_id: str
    grace_s: int
    key_id: str
    """Whose stream armed it."""
    armed_at_ns: int
    is_armed: bool = True
    fired_at_ns: int | None = None

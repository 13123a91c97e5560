"""Chance that needs no memory: a number is a function of the seed and of what it is drawn for.

So nothing has to be kept over a restart, and the same run draws the same numbers.
"""

import hashlib
from decimal import Decimal
from typing import Final

from dropcopyd.domain import money

_BITS: Final = 64
_UNIT: Final = 2**_BITS
_LN2: Final = Decimal("0.693147")
_FRACTION_BITS: Final = 16


def draw(seed: int, purpose: str, *facts: object) -> int:
    """A number from 0 to 2**64 - 1, the same for the same arguments on every machine."""
    text = "|".join([str(seed), purpose, *map(str, facts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=_BITS // 8).digest(), "big")


def happens(chance: Decimal, number: int) -> bool:
    """Whether something of that chance (0..1) happens at a drawn number."""
    return money.multiply(chance, Decimal(_UNIT)) > number


def between(least: Decimal, most: Decimal, number: int) -> Decimal:
    """A value between two, in ten thousandths of the way."""
    way = money.multiply(money.subtract(most, least), Decimal(number % 10_001))
    return money.add(least, money.divide(way, Decimal(10_000)))


def delay_ns(least_ms: Decimal, tail_ms: Decimal, number: int) -> int:
    """A latency: the least, plus an exponential time of that mean (its logarithm in straight pieces, so exact)."""
    if not least_ms and not tail_ms:
        return 0
    bits = max(1, number).bit_length()
    mantissa = (max(1, number) << _FRACTION_BITS >> bits - 1) - (1 << _FRACTION_BITS)
    halvings = money.subtract(Decimal(_BITS - bits + 1), money.divide(Decimal(mantissa), Decimal(1 << _FRACTION_BITS)))
    tail = money.multiply(money.multiply(tail_ms, _LN2), halvings)
    return int(money.multiply(money.add(least_ms, tail), Decimal(1_000_000)))

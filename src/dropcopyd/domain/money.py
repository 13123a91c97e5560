"""Exact decimal money and quantity: at most 20 digits before the point and 18 after it.

Every sum and product goes through this module: the operators of `Decimal` round to the 28 digits of the thread's
context without a word, these functions raise instead. Rounding happens only where a name says so, half-even to 18
places (contract.md section 3).
"""

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Clamped, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Final

PLACES: Final = 18
INTEGER_DIGITS_MAX: Final = 20
ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)

_EXACT: Final = Context(prec=200, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact, Clamped])
_ROUNDING: Final = Context(prec=200, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
_QUANTUM: Final = Decimal(1).scaleb(-PLACES)
_SCALE: Final = Decimal(10) ** PLACES
_TEXT: Final = re.compile(rf"-?[0-9]{{1,{INTEGER_DIGITS_MAX}}}(\.[0-9]{{1,{PLACES}}})?", re.ASCII)

add = _EXACT.add
subtract = _EXACT.subtract
multiply = _EXACT.multiply
negate = _EXACT.minus
magnitude = _EXACT.abs


def parse(text: str) -> Decimal:
    """The exact value of a decimal string such as `"187.20"`.

    Raises ValueError for anything else: exponents, signs other than a leading minus, spaces, more than 20 digits
    before or 18 after the point.
    """
    if not _TEXT.fullmatch(text):
        raise ValueError(
            f"not a decimal with at most {INTEGER_DIGITS_MAX} digits before and {PLACES} after the point: {text[:64]!r}"
        )
    return Decimal(text)


def render(value: Decimal) -> str:
    """The shortest decimal string of the value: no exponent, no trailing zeros, never `-0`."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def total(values: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    result = ZERO
    for value in values:
        result = _EXACT.add(result, value)
    return result


def round_half_even(value: Decimal) -> Decimal:
    """The value at 18 places, ties to even."""
    return _ROUNDING.quantize(value, _QUANTUM)


def divide(dividend: Decimal, divisor: Decimal) -> Decimal:
    """The quotient at 18 places, rounded once, ties to even. Raises DivisionByZero for a zero divisor."""
    if not divisor:
        raise DivisionByZero("an amount divided by zero")
    quotient, remainder = _EXACT.divmod(_EXACT.multiply(dividend, _SCALE), divisor)
    twice, whole = _EXACT.abs(_EXACT.add(remainder, remainder)), _EXACT.abs(divisor)
    odd = bool(int(quotient) & 1)
    if twice > whole or (twice == whole and odd):
        away = ONE if (dividend < 0) == (divisor < 0) else negate(ONE)
        quotient = _EXACT.add(quotient, away)
    return _EXACT.scaleb(quotient, -PLACES)


def is_multiple(value: Decimal, increment: Decimal) -> bool:
    """Whether the value is a whole number of increments (increment > 0)."""
    return not _EXACT.remainder(value, increment)

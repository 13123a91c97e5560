"""Money is exact: every operation against `fractions.Fraction`, which shares nothing with `decimal`."""

from decimal import Decimal, DivisionByZero, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropcopyd.domain import money

SCALE = 10**18


def decimal_of(units: int, places: int) -> Decimal:
    """`units` over 10**places, written out: no arithmetic of `decimal` is involved."""
    digits = f"{abs(units):0{places + 1}}"
    whole, fraction = digits[: len(digits) - places], digits[len(digits) - places :]
    return Decimal(f"{'-' if units < 0 else ''}{whole}{'.' + fraction if fraction else ''}")


amounts = st.builds(decimal_of, st.integers(-(10**38) + 1, 10**38 - 1), st.integers(0, 18))
"""Up to 38 digits, up to 18 of them after the point: the widest operands there are."""


def half_even(value: Fraction) -> Fraction:
    """The model's own rounding to 18 places: `round` of a Fraction is half-even on integers."""
    return Fraction(round(value * SCALE), SCALE)


@given(amounts, amounts)
def test_sums_differences_and_products_are_exact(one: Decimal, other: Decimal) -> None:
    assert Fraction(money.add(one, other)) == Fraction(one) + Fraction(other)
    assert Fraction(money.subtract(one, other)) == Fraction(one) - Fraction(other)
    assert Fraction(money.multiply(one, other)) == Fraction(one) * Fraction(other)
    assert Fraction(money.negate(one)) == -Fraction(one)
    assert Fraction(money.magnitude(one)) == abs(Fraction(one))


@given(st.lists(amounts, max_size=20))
def test_a_total_is_exact(values: list[Decimal]) -> None:
    assert Fraction(money.total(values)) == sum(map(Fraction, values), Fraction(0))


@given(amounts, amounts)
def test_a_quotient_is_rounded_once_half_even(dividend: Decimal, divisor: Decimal) -> None:
    if not divisor:
        with pytest.raises(DivisionByZero):
            money.divide(dividend, divisor)
        return
    assert Fraction(money.divide(dividend, divisor)) == half_even(Fraction(dividend) / Fraction(divisor))


@given(amounts, amounts, st.integers(1, 4))
def test_what_lies_between_two_last_digits_goes_to_the_nearer_or_even_one(
    one: Decimal, other: Decimal, eighths: int
) -> None:
    exact = money.add(money.multiply(one, other), decimal_of(eighths * 125, 21))
    assert Fraction(money.round_half_even(exact)) == half_even(Fraction(exact))


@pytest.mark.parametrize(
    ("dividend", "divisor", "quotient"),
    [
        ("1", "3", "0.333333333333333333"),
        ("2", "3", "0.666666666666666667"),
        ("-2", "3", "-0.666666666666666667"),
        ("0.000000000000000001", "2", "0"),  # a tie: 0 is even
        ("0.000000000000000003", "2", "0.000000000000000002"),  # a tie: 2 is even
        ("0.000000000000000005", "2", "0.000000000000000002"),
        ("-0.000000000000000003", "2", "-0.000000000000000002"),
        ("0.000000000000000003", "-2", "-0.000000000000000002"),
        ("99999999999999999999", "0.000000000000000001", "99999999999999999999" + "0" * 18),
    ],
)
def test_quotients_one_can_check_by_hand(dividend: str, divisor: str, quotient: str) -> None:
    assert money.render(money.divide(Decimal(dividend), Decimal(divisor))) == quotient


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        ("0.0000000000000000005", "0"),
        ("0.0000000000000000015", "0.000000000000000002"),
        ("0.0000000000000000025", "0.000000000000000002"),
        ("-0.0000000000000000015", "-0.000000000000000002"),
        ("0.00000000000000000150000001", "0.000000000000000002"),
        ("0.00000000000000000249999999", "0.000000000000000002"),
    ],
)
def test_ties_go_to_even_at_the_18th_place(value: str, rounded: str) -> None:
    assert money.render(money.round_half_even(Decimal(value))) == rounded


def test_the_callers_decimal_context_has_no_say() -> None:
    with localcontext() as context:
        context.prec = 3
        assert money.render(money.add(Decimal("123456.789"), Decimal("0.001"))) == "123456.79"
        assert money.render(money.multiply(Decimal("1234.5"), Decimal("1000.1"))) == "1234623.45"
        assert money.parse("123456.789") == Decimal("123456.789")


@given(amounts)
def test_what_is_rendered_parses_to_the_same_value(value: Decimal) -> None:
    text = money.render(value)
    assert Decimal(text) == value
    assert "e" not in text.lower()
    assert not (text.startswith("-") and value == 0)
    assert not ("." in text and text[-1] in "0."), "no trailing zeros"
    if abs(value) < 10**20:
        assert money.parse(text) == value
        assert money.render(money.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("-0", "0"),
        ("-0.000", "0"),
        ("007", "7"),
        ("1.50", "1.5"),
        ("100", "100"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
        ("-187.20", "-187.2"),
    ],
)
def test_texts_that_are_amounts(text: str, rendered: str) -> None:
    assert money.render(money.parse(text)) == rendered


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1e5",
        "1E5",
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        "+1",
        "--1",
        ".5",
        "5.",
        "1,000",
        "1_000",
        " 1",
        "1 ",
        "1\n",
        "0x10",
        "1.2.3",
        "0." + "0" * 18 + "1",
        "1" * 21,
        "１",  # a full-width digit
        "٣",  # an Arabic-Indic digit
        "1.０",
        "−1",  # a minus sign that is no hyphen
        "1\u00a0",
        "\ud800",
    ],
)
def test_texts_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a decimal"):
        money.parse(text)


@given(amounts, st.integers(-(10**6), 10**6), st.integers(1, 10**9))
def test_multiples(increment: Decimal, times: int, off: int) -> None:
    increment = money.magnitude(increment) or money.ONE
    multiple = money.multiply(increment, Decimal(times))
    assert money.is_multiple(multiple, increment)
    beside = money.add(multiple, decimal_of(off, 18))
    assert money.is_multiple(beside, increment) == ((Fraction(beside) / Fraction(increment)).denominator == 1)

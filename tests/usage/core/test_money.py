from decimal import Decimal

import pytest

from usage.core.money import format_amount, is_cents, parse_amount, to_cents


@pytest.mark.parametrize("text", ["0", "1", "0.000000000000000001", "47.608895", "999999999999999999"])
def test_an_amount_is_read_digit_by_digit(text: str) -> None:
    assert format_amount(parse_amount(text)) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a decimal"),
        ("12,5", "not a decimal"),
        ("NaN", "finite"),
        ("Infinity", "finite"),
        ("-0.01", "negative"),
        ("0.0000000000000000001", "decimals"),
        ("1000000000000000000", "too large"),
    ],
)
def test_what_is_no_amount_is_refused_with_a_reason(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_amount(text)


@pytest.mark.parametrize(
    ("amount", "text"), [("1E-7", "0.0000001"), ("1.500000", "1.5"), ("0E-18", "0"), ("100", "100")]
)
def test_amounts_are_written_in_plain_digits(amount: str, text: str) -> None:
    assert format_amount(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("amount", "cents"), [("0.005", "0.00"), ("0.015", "0.02"), ("0.025", "0.02"), ("0.0251", "0.03")]
)
def test_cents_are_rounded_half_even(amount: str, cents: str) -> None:
    assert to_cents(Decimal(amount)) == Decimal(cents)


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        ("0", True),
        ("12.34", True),
        ("-0.5", True),
        ("12.340", True),
        ("12.345", False),
        ("999999999999999999.99", True),
        ("1000000000000000000", False),
        ("1e30", False),
        ("NaN", False),
        ("Infinity", False),
    ],
)
def test_whole_cents_are_told_from_everything_else(text: str, is_so: bool) -> None:
    assert is_cents(Decimal(text)) is is_so

from decimal import Decimal

import pytest

from alwrity_billing.dashboard import figures


@pytest.mark.parametrize(
    ("amount", "rounded", "exact"),
    [
        ("0", "$0.00", "$0.00"),
        ("50", "$50.00", "$50.00"),
        ("0.5", "$0.50", "$0.50"),
        ("47.608895", "$47.61", "$47.608895"),
        ("0.009999", "$0.01", "$0.009999"),
        ("0.01", "$0.01", "$0.01"),
        ("0.0061728", "$0.0062", "$0.0061728"),
        ("0.006", "$0.006", "$0.006"),
        ("0.000000000000000001", "$0.000000000000000001", "$0.000000000000000001"),
        ("1234567.125", "$1,234,567.12", "$1,234,567.125"),
        ("999999999999999999.999", "$1,000,000,000,000,000,000.00", "$999,999,999,999,999,999.999"),
        ("3.500000000000000000", "$3.50", "$3.50"),
    ],
)
def test_money_is_written_in_cents_and_exactly(amount: str, rounded: str, exact: str) -> None:
    assert figures.usd(Decimal(amount)) == rounded
    assert figures.exact_usd(Decimal(amount)) == exact


def test_money_has_both_spellings_when_they_differ() -> None:
    written = figures.money(Decimal("47.608895"))
    assert '<span class="money-rounded">$47.61</span>' in written
    assert '<span class="money-exact">$47.608895</span>' in written


def test_money_has_one_spelling_when_cents_say_it_all() -> None:
    assert figures.money(Decimal(50)) == "$50.00"


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("0", "$0.00"),
        ("0.00012345", "$0.000123"),
        ("0.012345", "$0.0123"),
        ("0.0101", "$0.0101"),
        ("0.0043", "$0.00430"),
        ("0.01", "$0.01"),
        ("0.5", "$0.50"),
        ("0.999499", "$0.999"),
        ("0.9996", "$1.00"),
        ("1", "$1.00"),
        ("12.3456", "$12.35"),
    ],
)
def test_what_one_of_something_costs_has_three_digits_below_a_dollar(amount: str, written: str) -> None:
    assert figures.usd_each(Decimal(amount)) == written


@pytest.mark.parametrize(
    ("amount", "written"), [("0", "–"), ("1.5", "+$1.50"), ("-0.25", "−$0.25"), ("-0.0061", "−$0.0061")]
)
def test_a_difference_has_its_sign(amount: str, written: str) -> None:
    assert figures.difference(Decimal(amount)) == written


def test_a_difference_has_both_spellings_behind_one_sign() -> None:
    written = figures.difference(Decimal("-47.608895"))
    assert written.startswith("−<span")
    assert "$47.61" in written
    assert "$47.608895" in written


@pytest.mark.parametrize(
    ("share", "written"),
    [
        ("0", "0%"),
        ("0.0001", "<0.1%"),
        ("0.1", "0.1%"),
        ("12.34", "12.3%"),
        ("99.9", "99.9%"),
        ("99.95", ">99.9%"),
        ("100", "100%"),
    ],
)
def test_a_percentage_never_reads_as_nothing_or_all_when_it_is_not(share: str, written: str) -> None:
    assert figures.percent(Decimal(share)) == written


@pytest.mark.parametrize(
    ("duration_s", "written"),
    [("0", "0 ms"), ("0.25", "250 ms"), ("0.9994", "999 ms"), ("1", "1.00 s"), ("1234.5", "1,234.50 s")],
)
def test_a_duration_is_in_milliseconds_below_a_second(duration_s: str, written: str) -> None:
    assert figures.seconds(Decimal(duration_s)) == written


def test_a_call_without_a_quantity_shows_a_dash_and_not_a_zero() -> None:
    assert (figures.count(None), figures.count(0), figures.count(18_059_974)) == ("–", "0", "18,059,974")
    assert (figures.milliseconds(None), figures.milliseconds(0)) == ("–", "0 ms")


@pytest.mark.parametrize(
    ("amount", "cents", "exactly"),
    [
        ("0", "$0.00", "$0.00"),
        ("1234.5", "$1,234.50", "$1,234.50"),
        ("-2", "−$2.00", "−$2.00"),
        ("12.345678", "$12.35", "$12.345678"),
    ],
)
def test_amounts_of_an_invoice_have_a_sign_cents_and_every_digit(
    amount: str, cents: str, exactly: str
) -> None:
    assert figures.billed(Decimal(amount)) == cents
    assert figures.billed_exactly(Decimal(amount)) == exactly

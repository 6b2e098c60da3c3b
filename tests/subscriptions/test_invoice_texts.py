from datetime import UTC, datetime
from decimal import Decimal

import pytest

from subscriptions import invoice_texts


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2026-03-15", "2026-04-15", "15 Mar – 14 Apr 2026"),
        # The 15th is part of it, until noon.
        ("2026-03-15T12:00", "2026-04-15T12:00", "15 Mar – 15 Apr 2026"),
        ("2025-12-15", "2026-01-15", "15 Dec 2025 – 14 Jan 2026"),
        ("2026-03-15", "2026-03-16", "15 Mar 2026"),
        ("2026-03-15T12:00", "2026-03-15T12:00", "15 Mar 2026"),
    ],
)
def test_a_span_names_its_first_and_last_day(start: str, end: str, words: str) -> None:
    assert invoice_texts.span(at(start), at(end)) == words


@pytest.mark.parametrize(
    ("number", "unit", "words"),
    [
        ("1100.000", "token", "1,100 tokens"),
        ("1", "call", "1 call"),
        ("2", "search", "2 searches"),
        ("1.5", "second", "1.5 seconds"),
        ("0", "page", "0 pages"),
    ],
)
def test_a_quantity_is_counted_in_words(number: str, unit: str, words: str) -> None:
    assert invoice_texts.quantity(Decimal(number), unit) == words


def test_what_is_not_counted_has_no_quantity() -> None:
    assert invoice_texts.quantity(None, "") == ""


def test_counts_leave_out_the_calls_which_the_line_tells() -> None:
    details = {"quantities": {"requests": "3", "input_tokens": "1000", "output_tokens": "100"}}
    assert invoice_texts.counts(details) == "1,000 input tokens, 100 output tokens"
    assert invoice_texts.counts({}) == ""


@pytest.mark.parametrize(
    ("value", "cents", "exact"),
    [
        ("1234.5", "1,234.50", "1,234.50"),
        ("-2", "−2.00", "−2.00"),
        ("0", "0.00", "0.00"),
        ("27.096774193548387097", "27.10", "27.096774193548387097"),
    ],
)
def test_amounts_have_cents_and_a_real_minus(value: str, cents: str, exact: str) -> None:
    assert invoice_texts.amount(Decimal(value)) == cents
    assert invoice_texts.exact(Decimal(value)) == exact

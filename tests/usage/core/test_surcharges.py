"""Surcharges: a table with the arithmetic visible, and which terms are in force when."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from usage.core.rating import Quantities
from usage.core.surcharges import DatedTerms, SurchargeTerms, surcharge, terms_at

MARCH, APRIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("per_request", "per_hour", "requests", "seconds", "expected"),
    [
        ("0.005", "0", 1, "0", "0.005"),
        # 3 × 0.005
        ("0.005", "0", 3, "0", "0.015"),
        # A failed call is no request.
        ("0.005", "0", 0, "0", "0"),
        # 0.02 an hour for two hours, half an hour, one second: 0.02 / 3600 to 18 decimals.
        ("0", "0.02", 1, "7200", "0.04"),
        ("0", "0.02", 1, "1800", "0.01"),
        ("0", "0.02", 1, "1", "0.000005555555555556"),
        # 0.008 + 0.02 × 90 / 3600
        ("0.008", "0.02", 1, "90", "0.0085"),
    ],
)
def test_requests_and_hours_add_up(
    per_request: str, per_hour: str, requests: int, seconds: str, expected: str
) -> None:
    terms = SurchargeTerms(Decimal(per_request), Decimal(per_hour))

    assert surcharge(terms, Quantities(requests=requests, seconds=Decimal(seconds))) == Decimal(expected)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (MARCH - timedelta(microseconds=1), "0"),
        (MARCH, "0.005"),
        (APRIL - timedelta(microseconds=1), "0.005"),
        (APRIL, "0"),
    ],
)
def test_terms_hold_until_the_next_ones(at: datetime, expected: str) -> None:
    dated = [
        DatedTerms(MARCH, SurchargeTerms(Decimal("0.005"))),
        DatedTerms(APRIL, SurchargeTerms(Decimal(0))),
    ]

    assert terms_at({"smart_inference": dated}, "smart_inference", at=at).per_request == Decimal(expected)


def test_another_request_type_carries_none() -> None:
    dated = [DatedTerms(MARCH, SurchargeTerms(Decimal("0.005")))]

    assert terms_at({"smart_inference": dated}, "chat", at=APRIL).per_request == 0

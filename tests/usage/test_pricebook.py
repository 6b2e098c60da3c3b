"""Finding the price of a call, and what the table refuses."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from tests.support.cast import NOW, a_user
from tests.support.prices import an_entry, load, price_book
from usage import pricebook
from usage.core.errors import InvalidRequest, PricingException
from usage.core.rating import Quantities, rate
from usage.models import APIProviderPricing
from usage.pricebook import ANY_MODEL

__all__ = ["price_book"]

MAY, JULY = datetime(2025, 5, 15, tzinfo=UTC), datetime(2025, 7, 15, tzinfo=UTC)
MILLION = Quantities(input_tokens=1_000_000, output_tokens=1_000_000)
pytestmark = pytest.mark.django_db


def set_price(
    *, model: str, since: datetime = NOW, provider: str = "openai", **columns: object
) -> APIProviderPricing:
    columns = columns or {"cost_per_input_token": Decimal("0.000001")}
    return pricebook.add(
        by=None, at=NOW, provider=provider, model_name=model, effective_from=since, **columns
    )


@pytest.mark.usefixtures("price_book")
@pytest.mark.parametrize(
    ("provider", "model", "at", "expected"),
    [
        ("openai", "o3", MAY, "50"),
        ("openai", "o3", JULY, "10"),
        ("openai", "o3-2025-04-16", JULY, "10"),
        ("gemini", "gemini-2.5-pro", NOW, "17.50"),
        ("huggingface", "openai/gpt-oss-120b:groq", NOW, "4"),
    ],
)
def test_a_call_is_rated_at_the_price_of_its_time(
    provider: str, model: str, at: datetime, expected: str
) -> None:
    price = pricebook.current_book().find(provider, model, at=at)

    assert rate(MILLION, price).total == Decimal(expected)


def test_a_price_holds_from_its_instant_until_the_next_ones() -> None:
    set_price(model="m", since=NOW)
    later = set_price(model="m", since=NOW + timedelta(days=1))
    book = pricebook.current_book()

    assert book.find("openai", "m", at=NOW + timedelta(days=1, microseconds=-1)).id != later.pk
    assert book.find("openai", "m", at=NOW + timedelta(days=1)).id == later.pk


def test_before_its_first_price_a_model_has_none() -> None:
    set_price(model="m", since=NOW)

    with pytest.raises(PricingException):
        pricebook.current_book().find("openai", "m", at=NOW - timedelta(microseconds=1))


def test_an_unknown_model_is_never_guessed_at() -> None:
    load(an_entry(model="gpt-4o"))

    with pytest.raises(PricingException) as refused:
        pricebook.current_book().find("openai", "gpt-4o-but-not-really", at=NOW)
    assert refused.value.error_code == "price_unknown"
    assert refused.value.details == {"provider": "openai", "model": "gpt-4o-but-not-really"}


def test_a_providers_default_price_takes_models_without_a_row() -> None:
    own = set_price(model="known")
    default = set_price(model=ANY_MODEL)
    book = pricebook.current_book()

    assert book.find("openai", "anything", at=NOW).id == default.pk
    assert book.find("openai", "known", at=NOW).id == own.pk


def test_a_new_price_is_found_at_once() -> None:
    set_price(model="m", since=NOW - timedelta(days=1))
    before = pricebook.current_book().find("openai", "m", at=NOW)
    added = set_price(model="m", since=NOW)

    assert before.id != added.pk
    assert pricebook.current_book().find("openai", "m", at=NOW).id == added.pk


@pytest.mark.parametrize(
    "columns",
    [
        {"description": "no price at all"},
        {"cost_per_input_token": Decimal("-0.1")},
        {"cost_per_request": Decimal(99_999)},
        {"cost_per_input_token": Decimal("0.1"), "tiers": [{"input": "0.2"}]},
        {"cost_per_input_token": Decimal("0.1"), "batch": {"input": 0.05}},
    ],
)
def test_a_price_that_cannot_be_rated_with_is_refused(columns: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        set_price(model="m", **columns)
    assert not APIProviderPricing.objects.exists()


def test_a_model_has_one_price_per_instant() -> None:
    set_price(model="m", since=NOW)

    with pytest.raises(InvalidRequest, match="effective_from"):
        set_price(model="m", since=NOW)


def test_the_database_itself_refuses_to_change_or_delete_a_price() -> None:
    row = set_price(model="m")

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        APIProviderPricing.objects.filter(pk=row.pk).update(cost_per_input_token=1)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        row.delete()


def test_a_staff_members_price_says_whose_it_is() -> None:
    staff = a_user("bob", is_staff=True)
    row = pricebook.add(
        by=staff,
        at=NOW,
        provider="openai",
        model_name="m",
        effective_from=NOW,
        cost_per_request=Decimal("0.01"),
    )

    assert (row.source, row.created_by) == ("staff", staff)

"""The catalog of what could serve a call for less: every model in it has a price, and nothing is twice."""

import tomllib
from datetime import date

import pytest

from tests.support.prices import load_every_price
from usage import pricebook
from usage.alternatives import CATALOG, Capability, catalog

AT = date(2026, 3, 15)


@pytest.mark.django_db
def test_every_model_of_the_catalog_has_a_price_of_its_own() -> None:
    load_every_price()
    book = pricebook.current_book()

    unknown = [key for key in (*catalog().models, *catalog().batch_discounts) if not book.knows(*key)]
    renamed = [key for key in catalog().models if book.name_of(*key) != key[1]]

    assert (unknown, renamed) == ([], [])


@pytest.mark.django_db
def test_a_batch_discount_is_stated_only_where_the_book_has_no_batch_price() -> None:
    load_every_price()
    prices = pricebook.current_book().by_id().values()

    assert {(price.provider, price.model) for price in prices if price.batch}.isdisjoint(
        catalog().batch_discounts
    )


def test_a_model_stands_in_one_class_and_every_class_says_where_it_comes_from() -> None:
    groups = tomllib.loads(CATALOG.read_text(encoding="utf-8"))["model"]
    named = [(group["provider"], model) for group in groups for model in group["models"]]

    assert len(named) == len(set(named)) == len(catalog().models)
    assert [group for group in groups if not group["said"]] == []


def test_a_model_that_stops_answering_is_one_of_the_catalog_and_says_where_that_was_read() -> None:
    assert set(catalog().retirements) <= set(catalog().models)
    assert [each for each in catalog().retirements.values() if not each.source.startswith("https://")] == []


def test_every_class_has_somebody_to_compare_with() -> None:
    for capability in Capability:
        assert len([each for each in catalog().models.values() if each.capability is capability]) > 1


def test_of_a_class_are_the_others_of_all_providers() -> None:
    alike = {each.key for each in catalog().of_class("openai", "gpt-4o", at=AT)}

    assert ("anthropic", "claude-sonnet-4-6") in alike
    assert ("openai", "gpt-4o") not in alike
    assert ("openai", "gpt-4o-mini") not in alike


@pytest.mark.parametrize(
    ("model", "smaller"),
    [
        ("claude-opus-4-8", Capability.GENERAL),
        ("claude-sonnet-4-6", Capability.SMALL),
        ("claude-haiku-4-5", None),
        ("unheard-of", None),
    ],
)
def test_smaller_is_one_class_below_of_the_same_provider(model: str, smaller: Capability | None) -> None:
    found = catalog().smaller("anthropic", model, at=AT)

    assert {each.capability for each in found} == ({smaller} if smaller else set())
    assert {each.provider for each in found} == ({"anthropic"} if smaller else set())


@pytest.mark.parametrize(
    ("at", "is_offered"),
    [
        # It stops on 14 January 2027: in 91 days, in 90, and not at all any more.
        (date(2026, 10, 15), True),
        (date(2026, 10, 16), False),
        (date(2027, 1, 15), False),
    ],
)
def test_nobody_is_told_to_move_to_a_model_that_stops_answering_within_ninety_days(
    at: date, is_offered: bool
) -> None:
    alike = {each.key for each in catalog().of_class("anthropic", "claude-sonnet-4-6", at=at)}
    below = {each.key for each in catalog().smaller("openai", "gpt-5.6-terra", at=at)}

    assert (("openai", "gpt-4o") in alike) is is_offered
    assert (("openai", "gpt-4o-mini") in below) is is_offered
    # Calls on it still get offers.
    assert catalog().of_class("openai", "gpt-4o", at=at)
    assert catalog().smaller("openai", "gpt-4o", at=at)

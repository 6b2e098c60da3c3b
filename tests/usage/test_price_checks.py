"""The nightly look at the price lists: tells what the book lacks, or adds it, as it was told to."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.support.cast import NOW
from tests.support.prices import load
from usage import price_checks, price_lists, tasks
from usage.models import APIProviderPricing, HeldPrice, PriceCheck

pytestmark = pytest.mark.django_db

LIMIT = Decimal(2)


@pytest.fixture(autouse=True)
def _book() -> None:
    """All prices of the lists, but for a model that is missing and one that is at ten times its price."""
    entries = list(price_lists.every_entry())
    dates = Counter((entry.provider, entry.model_name) for entry in entries)
    missing, moved, *_ = (
        entry for entry in entries if dates[entry.provider, entry.model_name] == 1 and entry.tokens.input
    )
    dearer = replace(moved, tokens=moved.tokens._replace(input=10 * moved.tokens.input))
    load(*(dearer if entry is moved else entry for entry in entries if entry is not missing))


def test_a_check_counts_what_would_be_done_and_does_nothing() -> None:
    before = APIProviderPricing.objects.count()

    found = price_checks.check(at=NOW, factor_limit=LIMIT, load=False)

    assert found.added >= 1
    assert found.held == 1
    assert str(found) == f"{found.added} prices would be added, 1 would be held back"
    assert any(each.startswith("held back: ") for each in found.sentences)
    assert APIProviderPricing.objects.count() == before
    assert not HeldPrice.objects.exists()


def test_a_load_adds_what_is_new_and_holds_back_what_moved_too_far() -> None:
    before = APIProviderPricing.objects.count()

    found = price_checks.check(at=NOW, factor_limit=LIMIT, load=True)

    assert APIProviderPricing.objects.count() == before + found.added
    assert HeldPrice.objects.count() == found.held == 1
    again = price_checks.check(at=NOW, factor_limit=LIMIT, load=True)
    assert (again.added, again.held) == (0, 0)


@pytest.mark.parametrize("refresh", ["check", "load"])
def test_the_setting_says_whether_the_nightly_task_loads(refresh: str, settings: Any) -> None:
    settings.PRICE_REFRESH = refresh

    rows = tasks.check_prices()

    found = PriceCheck.objects.get()
    assert (rows, found.loaded) == (found.added + found.held, refresh == "load")

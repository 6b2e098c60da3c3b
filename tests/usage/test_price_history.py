"""A model's prices through time."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.support.usage_rows import a_price
from usage.models import HeldPrice, PriceSource
from usage.price_history import Standing, dated_prices, waiting_prices

pytestmark = pytest.mark.django_db

JANUARY, MARCH, MAY = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 3, 5))


@pytest.fixture
def three_prices() -> None:
    a_price(since=MAY, cost_per_input_token="0.000004")
    a_price(since=JANUARY, cost_per_input_token="0.000002")
    a_price(since=MARCH, cost_per_input_token="0.000003")
    a_price("o3", since=MARCH)


def standings(at: datetime) -> list[Standing]:
    return [price.standing for price in dated_prices("openai", "gpt-4o", at=at)]


@pytest.mark.usefixtures("three_prices")
def test_each_price_holds_until_the_next_oldest_first() -> None:
    prices = dated_prices("openai", "gpt-4o", at=MARCH)

    assert [(price.row.effective_from, price.until) for price in prices] == [
        (JANUARY, MARCH),
        (MARCH, MAY),
        (MAY, None),
    ]


@pytest.mark.usefixtures("three_prices")
def test_each_price_stands_against_the_one_before() -> None:
    first, second, _ = dated_prices("openai", "gpt-4o", at=MARCH)

    assert (first.is_first, second.is_first) == (True, False)
    assert [(line.before, line.after) for line in second.lines] == [
        (Decimal("0.000002"), Decimal("0.000003"))
    ]


@pytest.mark.usefixtures("three_prices")
def test_a_price_is_in_force_from_its_first_instant_to_the_next_ones() -> None:
    past, now, future = Standing.PAST, Standing.IN_FORCE, Standing.FUTURE
    instant = timedelta(microseconds=1)

    assert standings(JANUARY - instant) == [future, future, future]
    assert standings(MARCH - instant) == [now, future, future]
    assert standings(MARCH) == [past, now, future]
    assert standings(MAY) == [past, past, now]


def test_only_the_models_own_prices_that_wait_are_found() -> None:
    def held(model: str, state: HeldPrice.State = HeldPrice.State.WAITING) -> HeldPrice:
        return HeldPrice.objects.create(
            provider="openai",
            model_name=model,
            effective_from=MAY,
            source=PriceSource.GENAI_PRICES,
            source_hash=state,
            reason="input moves by a factor of 4",
            state=state,
            decided_at=None if state == HeldPrice.State.WAITING else MARCH,
        )

    waiting = held("gpt-4o")
    held("gpt-4o", HeldPrice.State.DISCARDED)
    held("o3")

    assert waiting_prices("openai", "gpt-4o") == [waiting]

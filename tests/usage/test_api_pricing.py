"""GET /api/subscription/pricing"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, a_member, an_account
from tests.support.contract import ask
from tests.support.credentials import a_key
from tests.support.usage_rows import APRIL, MARCH, a_price
from usage.models import Scope

pytestmark = pytest.mark.django_db

PRICING = "/api/subscription/pricing"


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def test_a_price_is_shown_as_existing_front_ends_read_it() -> None:
    a_price(cost_per_input_token="0.0000025", cost_per_output_token="0.00001", since=MARCH)

    answer = ask(PRICING, user=a_member(an_account()))
    assert answer.data == {
        "pricing": [
            {
                "provider": "openai",
                "model_name": "gpt-4o",
                "cost_per_input_token": 0.0000025,
                "cost_per_output_token": 0.00001,
                "cost_per_request": 0,
                "cost_per_search": 0,
                "cost_per_image": 0,
                "cost_per_page": 0,
                "description": "",
                "effective_date": "2026-03-01T00:00:00Z",
            }
        ],
        "total": 1,
    }


def test_prices_are_numbers_even_where_there_are_none() -> None:
    a_price("basic", provider="tavily", cost_per_search="0.001")

    (price,) = ask(PRICING, user=a_member(an_account())).data["pricing"]
    assert {type(price[name]) for name in price if name.startswith("cost_")} <= {int, float}


def test_an_empty_price_book_is_an_empty_list() -> None:
    assert ask(PRICING, user=a_member(an_account())).data == {"pricing": [], "total": 0}


def test_only_prices_that_have_begun_are_in_force() -> None:
    a_price(since=APRIL)

    assert ask(PRICING, user=a_member(an_account())).data["total"] == 0


def test_prices_of_another_instant_may_be_asked_for() -> None:
    a_price(since=APRIL)

    user = a_member(an_account())
    assert ask(PRICING, user=user, query={"at": "2026-04-01T00:00:00Z"}).data["total"] == 1
    assert ask(PRICING, user=user, query={"at": "2026-04-01"}).data["total"] == 1
    assert ask(PRICING, user=user, query={"at": "2026-04-01T00:00:00+01:00"}).data["total"] == 0


def test_one_provider_is_found_under_each_of_its_names() -> None:
    a_price("search", provider="metaphor", cost_per_search="0.003")
    a_price()

    user = a_member(an_account())
    for name in ("metaphor", "exa", "Exa"):
        assert [
            price["provider"] for price in ask(PRICING, user=user, query={"provider": name}).data["pricing"]
        ] == ["metaphor"]


def test_an_empty_parameter_counts_as_not_given() -> None:
    a_price()

    assert ask(PRICING, user=a_member(an_account()), query={"provider": "", "at": ""}).data["total"] == 1


def test_a_provider_without_prices_has_none() -> None:
    a_price()

    assert ask(PRICING, user=a_member(an_account()), query={"provider": "nobody"}).data["total"] == 0


def test_the_slash_at_the_end_is_optional() -> None:
    assert ask(f"{PRICING}/", user=a_member(an_account())).status == 200


@pytest.mark.parametrize(
    ("parameter", "wrong", "told"),
    [
        ("at", "yesterday", "at: Write an ISO 8601 instant"),
        ("at", "1999-12-31", "at: Choose an instant in the years 2000 to 2099."),
        ("at", "2100-01-01", "at: Choose an instant in the years 2000 to 2099."),
        ("provider", "open\x00ai", "provider: Null characters are not allowed."),
    ],
)
def test_a_wrong_parameter_is_named(parameter: str, wrong: str, told: str) -> None:
    answer = ask(PRICING, user=a_member(an_account()), query={parameter: wrong})

    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert answer.error.startswith(told)
    assert answer.body["detail"]["errors"][0]["parameter"] == parameter


def test_prices_are_not_for_the_public() -> None:
    assert ask(PRICING).status == 401


def test_a_key_that_only_sends_usage_does_not_read_prices() -> None:
    key = a_key(an_account(), scopes=(Scope.INGEST,)).plain

    answer = ask(PRICING, key=key)
    assert answer.status == 403
    assert "read" in answer.error


def test_a_service_key_reads_prices() -> None:
    assert ask(PRICING, key=a_key().plain).status == 200


def test_the_whole_book_takes_a_bounded_number_of_statements(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(30):
        a_price(f"model-{number}", since=datetime(2026, 1, 1, tzinfo=UTC))
    key = a_key().plain

    # One for all prices; the others verify the key and note its use.
    with django_assert_max_num_queries(4):
        assert ask(PRICING, key=key).data["total"] == 30

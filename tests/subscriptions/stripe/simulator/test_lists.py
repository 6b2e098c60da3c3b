"""Lists with cursors."""

from typing import Any

import pytest

from tests.support.stripe_simulator import refused


@pytest.fixture
def made(api: Any) -> list[str]:
    """Five customers, newest first."""
    return [api.customers.create({"name": str(number)}).id for number in range(5)][::-1]


def ids(page: Any) -> list[str]:
    return [each.id for each in page.data]


def test_the_newest_come_first(api: Any, made: list[str]) -> None:
    page = api.customers.list({"limit": 2})

    assert (ids(page), page.has_more) == (made[:2], True)


def test_a_page_follows_its_cursor(api: Any, made: list[str]) -> None:
    page = api.customers.list({"limit": 3, "starting_after": made[1]})

    assert (ids(page), page.has_more) == (made[2:], False)


def test_a_page_goes_before_its_cursor(api: Any, made: list[str]) -> None:
    page = api.customers.list({"limit": 2, "ending_before": made[4]})

    assert (ids(page), page.has_more) == (made[2:4], True)


def test_the_library_walks_all_pages(api: Any, made: list[str]) -> None:
    page = api.customers.list({"limit": 2})

    assert [each.id for each in page.auto_paging_iter()] == made


def test_deleted_customers_are_not_listed(api: Any, made: list[str]) -> None:
    api.customers.delete(made[0])

    assert ids(api.customers.list()) == made[1:]


def test_creation_has_bounds(api: Any, made: list[str]) -> None:
    created = api.customers.retrieve(made[0]).created

    assert ids(api.customers.list({"created": {"lt": created - 60}})) == []
    assert ids(api.customers.list({"created": {"gte": created - 60, "lte": created + 60}})) == made


@pytest.mark.parametrize("limit", [0, 101])
def test_a_limit_has_bounds(api: Any, limit: int) -> None:
    with refused() as error:
        api.customers.list({"limit": limit})

    assert error().param == "limit"


def test_an_unknown_cursor_is_refused(api: Any) -> None:
    with refused() as error:
        api.customers.list({"starting_after": "cus_nobody"})

    assert error().param == "starting_after"

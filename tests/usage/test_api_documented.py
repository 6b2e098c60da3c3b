"""The commands of docs/api.md do what the page says they do."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine

from tests.support.api_page import assert_as_shown, download, run, shown, shown_file
from tests.support.authorizing import a_limit, counters, limit
from tests.support.cast import NOW, an_account, an_event
from tests.support.credentials import a_key
from tests.support.prices import load_every_price
from tests.support.recording import record
from tests.support.usage_rows import a_day
from usage.models import Account, Scope

SATURDAY = 5

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        an_account("acme")
        load_every_price()
        yield


@pytest.fixture
def key(clock: None) -> str:
    return a_key(Account.objects.get(), scopes=(Scope.INGEST, Scope.READ)).plain


def test_the_first_call_is_metered_as_the_page_says(key: str) -> None:
    limit(a_limit(5, "cost", name="monthly_cost"))
    ask, permission = shown('/authorizations"')
    settle, settled = shown("$ID/settle")

    granted = run(ask, KEY=key)
    assert_as_shown(granted, permission)
    assert_as_shown(run(settle, KEY=key, ID=granted["id"]), settled)

    assert counters("monthly_cost") == (Decimal(settled["cost"]), 0)


def test_a_workflow_is_checked_as_the_page_says(key: str) -> None:
    command, expected = shown("preflight-check")

    assert_as_shown(run(command, KEY=key), expected)


@pytest.mark.parametrize("address", ["usage/export?interval", "usage/calls.csv?"])
def test_a_file_reads_as_the_page_shows_it(key: str, address: str) -> None:
    november = datetime(2026, 11, 21, 12, tzinfo=UTC)
    with time_machine.travel(november, tick=False):
        record(an_event("call-1", source="gateway-1", at=november, request_type="chat"), at=november)
    command, lines = shown_file(address)

    told = download(command, KEY=key)

    assert [
        _with_what_is_shown(line, shown=as_shown) for line, as_shown in zip(told, lines, strict=True)
    ] == lines


def _with_what_is_shown(line: str, *, shown: str) -> str:
    """`line`, shortened as the page does: up to its first ellipsis, and after it."""
    begin, ellipsis, end = shown.partition("…")
    shortened = line.startswith(begin) and line.endswith(end)
    return f"{begin}{ellipsis}{end}" if ellipsis and shortened else line


def test_the_next_month_is_forecast_as_the_page_says(key: str) -> None:
    """Twelve weeks of 10 USD on workdays and 3 at weekends, but for one day."""
    command, expected = shown("billing/forecast")
    now = datetime(2026, 11, 25, 9, tzinfo=UTC)
    for number in range(1, 85):
        day = (now - timedelta(days=number)).date()
        usual = "10" if day.weekday() < SATURDAY else "3"
        a_day(Account.objects.get(), day=day, cost="45" if day == date(2026, 11, 10) else usual)

    with time_machine.travel(now, tick=False):
        assert_as_shown(run(command, KEY=key), expected)

"""The usage log in the admin: what staff see of it, and that its size does not matter."""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.support import log_pages
from tests.support.authorizing import ask
from tests.support.cast import NOW, a_member, a_user, an_account, an_event
from tests.support.recording import prepare, record, the_row
from tests.support.usage_rows import a_log_row, a_period
from tests.support.worlds import shared
from usage import browsing
from usage.admin.log import address_of, log_of
from usage.models import Account, BillingPeriod

pytestmark = pytest.mark.django_db

LIST = "/admin/usage/apiusagelog/"
# Session, staff, the account (once for the question, twice for its field), how far to look, names, rows.
MAX_QUERIES = 9


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(a_user("sam", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def march() -> BillingPeriod:
    return a_period(an_account())


def listed(staff: Client, account: Account, **asked: str) -> list[str]:
    """The event ids on the first page."""
    page = staff.get(LIST, {"account": account.pk, **asked})
    assert page.status_code == 200
    return [row.event_id for row in page.context["cl"].result_list]


def text_of(staff: Client, address: str, **asked: Any) -> str:
    """What a page says, without its markup."""
    page = staff.get(address, asked)
    assert page.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


# --- The list ------------------------------------------------------------------------------------------


def test_without_an_account_the_list_is_empty_and_says_what_to_do(
    staff: Client, march: BillingPeriod
) -> None:
    a_log_row(march)
    with CaptureQueriesContext(
        connection,
    ) as seen:
        shown = text_of(staff, LIST)
    assert "Choose an account" in shown
    assert log_pages.of_the_log(seen.captured_queries) == []


@pytest.mark.parametrize("account", ["0", "x", "1,2", str(2**70), "", "²"])
def test_an_account_that_is_none_is_as_good_as_no_choice(staff: Client, account: str) -> None:
    assert "Choose an account" in text_of(staff, LIST, account=account)


def test_an_accounts_newest_calls_of_the_last_31_days_are_listed(staff: Client, march: BillingPeriod) -> None:
    for name, days in [("old", 32), ("edge", 30), ("new", 1)]:
        a_log_row(march, event_id=name, at=NOW - timedelta(days=days))
    a_log_row(a_period(an_account("globex")), event_id="another's")
    assert listed(staff, march.account) == ["new", "edge"]


def test_a_row_tells_what_support_asks_for(staff: Client, march: BillingPeriod) -> None:
    a_log_row(march, status_code=429, request_type="chat", cost=Decimal("0.003500000000000000"))
    shown = text_of(staff, LIST, account=march.account.pk)
    assert "2026-03-15 12:00:00 OpenAI gpt-4o chat 1,000 100 0.0035 429 failed 1,500 ms" in shown


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"last": "1"}, ["hours"]),
        ({"last": "92"}, ["hours", "days", "months"]),
        ({"since": "2026-03-10", "until": "2026-03-10"}, ["days"]),
        ({"since": "2026-03-11"}, ["hours"]),
        ({"until": "2026-03-09"}, []),
        ({"until": "2026-01-31"}, ["months"]),
        # A range of many years is cut to its last 366 days.
        ({"since": "2001-01-01"}, ["hours", "days", "months"]),
        ({"since": "2001-01-01", "until": "9999-12-31"}, []),
        # Days of one's own win.
        ({"last": "1", "since": "2026-03-10"}, ["hours", "days"]),
    ],
)
def test_the_range_is_chosen(
    staff: Client, march: BillingPeriod, asked: dict[str, str], found: list[str]
) -> None:
    a_log_row(march, event_id="hours", at=NOW - timedelta(hours=2))
    a_log_row(march, event_id="days", at=NOW - timedelta(days=5))
    a_log_row(march, event_id="months", at=NOW - timedelta(days=60))
    a_log_row(march, event_id="years", at=NOW - timedelta(days=900))
    assert listed(staff, march.account, **asked) == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"provider": "tavily"}, ["search"]),
        ({"provider": ""}, ["search", "chat"]),
        ({"model": " gpt-4o "}, ["chat"]),
        ({"request_type": "lookup"}, ["search"]),
        ({"status": "failed"}, ["search"]),
        ({"status": "ok"}, ["chat"]),
        ({"status": "failed", "provider": "openai"}, []),
        ({"q": "chat"}, ["chat"]),
        ({"q": "cha"}, []),
    ],
)
def test_the_list_is_filtered_and_searched(staff: Client, asked: dict[str, str], found: list[str]) -> None:
    prepare()
    record(
        an_event("chat"),
        an_event(
            "search", provider="tavily", model="", request_type="lookup", status_code=500,
            at=NOW + timedelta(seconds=1),
        ),
    )  # fmt: skip
    assert listed(staff, Account.objects.get(), **asked) == found


def test_a_page_leads_to_the_older_ones_and_back(staff: Client, march: BillingPeriod) -> None:
    for number in range(51):
        a_log_row(march, event_id=f"e{number}", at=NOW - timedelta(minutes=number))
    first = staff.get(LIST, {"account": march.account.pk, "provider": "openai"})
    second = staff.get(LIST + first.context["cl"].older_url)
    assert [row.event_id for row in second.context["cl"].result_list] == ["e50"]
    assert "The end of the range" in second.content.decode()
    newest = staff.get(LIST + second.context["cl"].newest_url)
    assert [row.event_id for row in newest.context["cl"].result_list][:2] == ["e0", "e1"]


def test_filtering_anew_begins_with_the_newest(staff: Client, march: BillingPeriod) -> None:
    before = str(browsing.Place.of(a_log_row(march)))
    page = staff.get(LIST, {"account": march.account.pk, "before": before}).content.decode()
    assert 'name="before"' not in page


def test_a_page_that_looked_through_enough_says_how_far_it_came(
    staff: Client, march: BillingPeriod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "MAX_LOOKED_THROUGH", 1)
    a_log_row(march)
    a_log_row(march, at=NOW - timedelta(minutes=1))
    shown = text_of(staff, LIST, account=march.account.pk, status="failed")
    assert "back to 2026-03-15 12:00:00" in shown
    assert "No such calls yet" in shown


@pytest.mark.parametrize(
    "asked", [{"before": "x"}, {"since": "x"}, {"last": "5000"}, {"q": "\x00"}, {"model": "\x00"}]
)
def test_what_cannot_be_asked_leads_back_to_the_start(
    staff: Client, march: BillingPeriod, asked: dict[str, str]
) -> None:
    answer = staff.get(LIST, {"account": march.account.pk, **asked})
    assert answer.status_code == (200 if "q" in asked else 302)


@pytest.mark.parametrize("lookup", ["cost__gt", "account__name", "team"])
def test_what_no_filter_takes_is_refused(staff: Client, march: BillingPeriod, lookup: str) -> None:
    assert staff.get(LIST, {"account": march.account.pk, lookup: "1"}).status_code == 400


def test_nobody_but_staff_reads_the_log(client: Client, march: BillingPeriod) -> None:
    client.force_login(a_member(march.account))
    row = a_log_row(march)
    assert {client.get(address).status_code for address in (LIST, address_of(row))} == {302}


def test_the_log_is_not_written_here(staff: Client, march: BillingPeriod) -> None:
    row = a_log_row(march)
    written = [
        staff.post(address_of(row), {"model": "other"}),
        staff.post(address_of(row).replace("/change/", "/delete/"), {"post": "yes"}),
        staff.post(LIST + "add/", {}),
    ]
    assert [answer.status_code for answer in written] == [403, 403, 403]


# --- One call ------------------------------------------------------------------------------------------


def test_a_call_tells_its_whole_story(staff: Client) -> None:
    prepare()
    granted = ask()
    tags = {"team": "content", "project": "blog"}
    event = an_event(granted.id, source="authorization", authorization=granted.id, response_time=1.5)
    record(event)
    row = the_row()
    row.__class__.objects.filter(pk=row.pk).update(**tags, error_message="It broke.")
    shown = text_of(staff, address_of(row))
    for part in (
        "Acme", "2026-03-15 12:00:00.000000", "OpenAI", "gpt-4o", "1000", "100", "0.0035", "0.0025",
        "Rated from the price book", "cost_per_input_token 0.0000025", f"{granted.id} (",
        "2026-03-01 to 2026-04-01", "content", "blog", "It broke.", "1,500 ms",
        f"{granted.id} of authorization",
    ):  # fmt: skip
        assert part in shown


def test_a_call_links_to_what_it_stands_for(staff: Client) -> None:
    prepare()
    granted = ask()
    record(an_event(granted.id, source="authorization", authorization=granted.id))
    row = the_row()
    page = staff.get(address_of(row)).content.decode()
    for model, key in [
        ("account", row.account_id), ("apiproviderpricing", row.price_id),
        ("billingperiod", row.billing_period_id), ("authorization", granted.id),
    ]:  # fmt: skip
        address = reverse(f"admin:usage_{model}_change", args=[key])
        assert f'href="{address}"' in page
        assert staff.get(address).status_code == 200


def test_what_a_call_does_not_have_is_left_out_or_said_so(staff: Client, march: BillingPeriod) -> None:
    shown = text_of(staff, address_of(a_log_row(march, cost_source="provider", authorization="elsewhere-1")))
    assert "Reported by the provider" in shown
    assert "none: the cost was reported, or nothing was to pay" in shown
    assert "elsewhere-1" in shown
    assert "Images" not in shown


def test_a_call_without_quantities_has_no_heading_for_them(staff: Client, march: BillingPeriod) -> None:
    none = a_log_row(march, input_tokens=None, output_tokens=None)
    assert "Quantities" not in text_of(staff, address_of(none))


def test_the_list_leads_to_each_call(staff: Client, march: BillingPeriod) -> None:
    row = a_log_row(march)
    page = staff.get(log_of(march.account)).content.decode()
    assert f'href="{address_of(row)}' in page


@pytest.mark.parametrize("key", ["1", "x.1.1", "1.x.1", "1.1", f"{2**70}.1.1", "0.1773576000000000.1"])
def test_a_call_that_is_none_leads_back(staff: Client, key: str) -> None:
    assert staff.get(f"{LIST}{key}/change/").status_code == 302


# --- What it costs -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def busy(django_db_setup: None, django_db_blocker: Any) -> Iterator[Account]:
    """Of two accounts with calls of five months the one with many."""
    with shared(django_db_blocker):
        busy, calm = (a_period(an_account(name)) for name in ("busy", "calm"))
        log_pages.fill(busy, rows=60_000, until=NOW, apart="3 minutes")
        log_pages.fill(calm, rows=2_000, until=NOW, apart="1 hour")
        yield busy.account


@pytest.fixture
def large(busy: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The busy one; a page may look through few of its calls."""
    monkeypatch.setattr(browsing, "MAX_LOOKED_THROUGH", 1_000)
    return busy


ASKED: list[dict[str, str]] = [
    {},
    {"last": "92"},
    {"before": f"{1_772_000_000_000_000}.5"},
    {"status": "failed"},
    {"model": "none", "provider": "tavily", "request_type": "none", "status": "ok"},
    {"q": "none"},
]


@pytest.mark.parametrize("asked", ASKED)
def test_the_log_is_read_by_the_primary_key_of_the_months_in_range(
    staff: Client, large: Account, asked: dict[str, str]
) -> None:
    with CaptureQueriesContext(connection) as seen:
        listed(staff, large, **asked)
    statements = log_pages.of_the_log(seen.captured_queries)
    assert statements != []
    for statement in statements:
        found = log_pages.scans(log_pages.plan_of(statement))
        assert found != []
        assert "Seq Scan" not in {how for how, _, _ in found}
        assert all(index.endswith("_pkey") for _, _, index in found)
        assert log_pages.months_of(found) <= {"2025_12", "2026_01", "2026_02", "2026_03"}
        if asked.keys() <= {"last", "before"}:
            # In the order of the page: it reads no more than it shows.
            assert {how for how, _, _ in found} == {"Index Scan"}
        if "last" not in asked:
            assert log_pages.months_of(found) <= {"2026_02", "2026_03"}


@pytest.mark.parametrize("asked", ASKED)
def test_nothing_is_counted_grouped_or_read_without_an_end(
    staff: Client, large: Account, asked: dict[str, str]
) -> None:
    with CaptureQueriesContext(connection) as seen:
        listed(staff, large, **asked)
    assert len(seen) <= MAX_QUERIES
    for statement in log_pages.of_the_log(seen.captured_queries):
        assert not re.search(r"COUNT\(|DISTINCT|GROUP BY", statement, re.IGNORECASE)
        assert "LIMIT" in statement


def test_an_event_is_looked_for_in_the_index_of_the_keys(staff: Client, large: Account) -> None:
    log_pages.claim_keys(large, rows=5_000)
    with CaptureQueriesContext(connection) as seen:
        listed(staff, large, q="none")
    (statement,) = [query["sql"] for query in seen.captured_queries if "usage_event_keys" in query["sql"]]
    found = log_pages.scans(log_pages.plan_of(statement))
    assert {how for how, table, _ in found if table == "usage_event_keys"} <= {
        "Index Scan",
        "Index Only Scan",
    }


def test_a_call_is_found_by_the_primary_key_of_its_month(staff: Client, large: Account) -> None:
    row = browsing.page(
        browsing.Question(account=large, start=NOW - timedelta(days=1), end=NOW), limit=1
    ).rows[0]
    with CaptureQueriesContext(connection) as seen:
        assert staff.get(address_of(row)).status_code == 200
    (statement,) = log_pages.of_the_log(seen.captured_queries)
    ((_, name, index),) = log_pages.scans(log_pages.plan_of(statement))
    assert (name, index) == ("api_usage_logs_2026_03", "api_usage_logs_2026_03_pkey")


def test_the_number_of_queries_is_the_same_for_one_row_and_for_fifty(
    staff: Client, march: BillingPeriod
) -> None:
    a_log_row(march)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as seen:
            listed(staff, march.account)
        counts.append(len(seen))
        log_pages.fill(march, rows=100, until=NOW, apart="1 minute")
    assert counts[0] == counts[1]

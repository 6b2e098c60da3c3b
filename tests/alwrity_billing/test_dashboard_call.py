"""A call's story on its page: its arithmetic, its hold, and the invoice line that bills it."""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.support.authorizing import a_limit, an_operation, ask, limit, settle
from tests.support.cast import NOW, a_member, an_event
from tests.support.invoicing import metered, period_invoice, used
from tests.support.prices import an_entry, load
from tests.support.recording import prepare, record, the_row
from usage import surcharges
from usage.browsing import Place
from usage.core.surcharges import SurchargeTerms
from usage.models import Account, APIUsageLog

pytestmark = pytest.mark.django_db

MOST_QUERIES = 15
SOON = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        prepare()
        yield Account.objects.get()


@pytest.fixture
def alice(client: Client, acme: Account) -> Client:
    client.force_login(a_member(acme))
    return client


def story_of(client: Client, row: APIUsageLog | None = None) -> str:
    """What the page of the row (the only one) says, without its markup."""
    response = client.get(f"/usage/calls/{Place.of(row or the_row())}/")
    assert response.status_code == 200
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


def test_the_cost_is_told_line_by_line(alice: Client) -> None:
    record(an_event(input_tokens=1_000, output_tokens=100))

    page = story_of(alice)

    assert "Input tokens 1,000 × 0.0000025 per token $0.0025" in page
    assert "Output tokens 100 × 0.00001 per token $0.001" in page
    assert "it happened, and the surcharge of your plan where there is one. $0.0035" in page
    assert "Rated by the price book" in page
    assert "gpt-4o, valid from the beginning; it comes from genai-prices test." in page


def test_a_later_price_says_since_when_it_holds(alice: Client) -> None:
    load(an_entry(model="gpt-4o", input="2", output="8", since=NOW - timedelta(days=1)))
    record(an_event())

    page = story_of(alice)

    assert "Input tokens 1,000 × 0.000002 per token $0.002" in page
    assert "gpt-4o, valid from 14 Mar 2026, 12:00 on" in page


def test_a_surcharge_is_a_line_of_its_own(alice: Client, acme: Account) -> None:
    terms = SurchargeTerms(per_request=Decimal("0.005"), per_hour=Decimal(1))
    surcharges.put(acme, surcharges={"tune": terms}, at=NOW)
    record(an_event(request_type="tune"))
    APIUsageLog.objects.update(seconds=None)

    page = story_of(alice)

    assert "Surcharge: requests 1 × 0.005 per request $0.005" in page
    assert "$0.0085" in page


def test_what_ones_own_key_paid_is_not_billed(alice: Client) -> None:
    record(an_event(byok=True))

    page = story_of(alice)

    assert "$0.0035 Paid by your own provider key −$0.0035" in page
    assert page.count("$0.00 ") == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"status_code": 500, "input_tokens": None, "output_tokens": None},
            "The call failed and consumed nothing",
        ),
        ({"status_code": 500, "error_message": "It broke."}, "It broke."),
        ({"end_user": "u-7"}, "Member u-7"),
        ({"authorization": "their-own"}, "Under the authorization their-own"),
        ({}, "None was asked for"),
    ],
)
def test_what_is_known_is_told(alice: Client, data: dict[str, object], said: str) -> None:
    record(an_event(**data))  # type: ignore[arg-type]
    assert said in story_of(alice)


def test_a_reported_cost_says_who_reported_it(alice: Client) -> None:
    used("0.5", at=NOW)
    assert "The provider itself reported this cost" in story_of(alice)


def test_a_row_that_somebody_touched_is_not_passed_over(alice: Client) -> None:
    record(an_event())
    assert "does not come to the cost" not in story_of(alice)
    APIUsageLog.objects.update(cost=Decimal(1))
    assert "does not come to the cost" in story_of(alice)


def test_hold_and_decision_are_told(
    alice: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    limit(a_limit("5", "cost", name="monthly_cost"))
    settle(ask(an_operation(max_output_tokens=200), key="k1"))
    row = the_row()

    with django_assert_max_num_queries(MOST_QUERIES):
        page = story_of(alice, row)

    # Held: 1000 × 2.50 + 200 × 10 per million; used 100 of the output tokens.
    assert "Cost (USD) 0.0045 0.0035" in page
    assert "Tokens 1,200 1,100" in page
    assert "State Settled" in page
    assert "monthly_cost plan, block cost per period 5 0 0 0.0045 5" in page


def test_without_a_key_the_page_says_why_no_limits_are_told(alice: Client) -> None:
    settle(ask())
    assert "kept only of requests that came with an Idempotency-Key" in story_of(alice)


# --- Who bills it --------------------------------------------------------------------------------------


def test_a_call_that_is_not_billed_yet_says_when_it_will_be(alice: Client) -> None:
    record(an_event())
    assert "Not billed yet: its billing period ends on 1 Apr 2026" in story_of(alice)


def test_a_billed_call_leads_to_its_invoice_line(alice: Client, acme: Account) -> None:
    metered()
    used("2", event_id="late", at=NOW + SOON)
    used("7", event_id="search", provider="tavily", model="")
    invoice = period_invoice(acme)

    page = alice.get(f"/usage/calls/{Place.of(APIUsageLog.objects.get(event_id='late'))}/").content.decode()

    assert f'<a href="/billing/invoices/{invoice.number}/">Invoice {invoice.number}</a>' in page
    assert "gpt-4o (OpenAI): 1 call, at the cost reported" in page

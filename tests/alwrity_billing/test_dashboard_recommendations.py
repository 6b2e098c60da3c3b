"""What would be cheaper, as people see it, and hiding it for a while."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser, User
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries

from alwrity_billing.dashboard.recommendation_cards import cards_of
from subscriptions import recommending
from subscriptions.models import RecommendationDismissal, UsageRecommendation
from tests.alwrity_billing.test_dashboard_pages import INLINE
from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.invoices import use
from tests.support.prices import load
from tests.support.replays import a_price, daily, spend
from tests.support.subscribing import a_plan, start
from usage.core.calendar import months_after
from usage.models import Account, Role

PAGE = "/costs/"
DISMISS = "/recommendations/dismiss/"
CHEAPER = {"kind": "cheaper_model", "subject": "openai/gpt-4o", "next": "/#recommendations"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    """56 calls of 500 000 tokens: 70 USD at gpt-4o, 28 on another model."""
    load(a_price("gpt-4o", "2.50", "10"), a_price("gpt-6.1-terra", "1", "5"))
    an_account("acme")
    # gpt-4o is asked for half a million tokens here; what its own window is does not matter.
    account = spend(*daily(*range(28), calls=2, input_tokens=500_000, output_tokens=0))
    recommending.compute(account, at=NOW)
    return account


def part_of(account: Account, *, may_change: bool = True) -> str:
    request = RequestFactory().get(PAGE)
    request.user = AnonymousUser()
    context = {"cards": cards_of(account, at=NOW), "may_change": may_change}
    page = render_to_string("dashboard/costs/recommendations.html", context, request=request)
    assert not INLINE.search(page)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def log_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def test_a_card_shows_saving_confidence_and_every_line_of_the_arithmetic(acme: Account) -> None:
    part = part_of(acme)

    assert "gpt-6.1-terra (OpenAI) instead of gpt-4o (OpenAI)" in part
    assert "$45.00 a month less, 60.0%" in part
    assert "Low confidence" in part
    assert "It rests on 56 calls on 28 of 28 days. The rule: fewer than 100 calls" in part
    assert "Input tokens $70.00 28,000,000 × $2.50 a million $28.00 28,000,000 × $1.00 a million" in part
    assert "Together $70.00 $28.00" in part
    assert "$42.00 × 30 ÷ 28 = $45.00 in 30 days" in part
    assert "try it on a sample" in part


def test_a_plan_to_stay_on_is_shown_with_its_periods_and_nothing_to_hide() -> None:
    an_account("acme")
    a_plan("other", price="100")
    begin = months_after(NOW, -2)
    account = start(a_plan("team"), account=Account.objects.get(), at=begin).account
    load(a_price("gpt-4o", "2.50", "10"))
    for number in range(2):
        use("1", at=months_after(begin, number))
    recommending.compute(account, at=NOW)

    part = part_of(account)

    assert "Stay on Team" in part
    assert "Fee, 15 Feb to 15 Mar 2026 $30.00 $30.00" in part
    assert "2 calls in 2 complete billing periods" in part
    assert "Hide for 90 days" not in part


def test_without_any_it_says_what_is_looked_for() -> None:
    assert "Nothing to recommend" in part_of(an_account("idle"))


def test_cards_are_read_in_one_query(
    acme: Account, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        cards_of(acme, at=NOW)


def test_who_may_not_change_anything_has_no_button(acme: Account) -> None:
    assert "Hide for 90 days" in part_of(acme)
    assert "Hide for 90 days" not in part_of(acme, may_change=False)


def test_hiding_one_is_kept_with_who_did_it_and_leads_back(client: Client, acme: Account) -> None:
    response = log_in(client, a_member(acme)).post(DISMISS, CHEAPER)

    assert response["Location"] == "/#recommendations"
    kept = RecommendationDismissal.objects.get()
    assert (kept.actor, kept.actor_user) == ("alice", User.objects.get(username="alice"))
    assert "Nothing to recommend" in part_of(acme)


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "", "overview"]
)
def test_hiding_never_leads_elsewhere(client: Client, acme: Account, elsewhere: str) -> None:
    response = log_in(client, a_member(acme)).post(DISMISS, {**CHEAPER, "next": elsewhere})

    assert response["Location"] == "/"


def test_what_is_gone_is_said_to_be(client: Client, acme: Account) -> None:
    UsageRecommendation.objects.all().delete()

    response = log_in(client, a_member(acme)).post(DISMISS, CHEAPER, follow=True)

    assert "There is no such recommendation any more." in response.content.decode()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER])
def test_only_those_who_may_change_the_account_may_hide(client: Client, acme: Account, role: Role) -> None:
    assert log_in(client, a_member(acme, role=role)).post(DISMISS, CHEAPER).status_code == 403
    assert not RecommendationDismissal.objects.exists()


def test_a_stranger_cannot_hide_what_is_told_another_account(client: Client, acme: Account) -> None:
    stranger = a_member(an_account("globex"), username="mallory")

    assert log_in(client, stranger).post(f"{DISMISS}?account=acme", CHEAPER).status_code in (403, 404)
    log_in(client, stranger).post(DISMISS, CHEAPER)
    assert not RecommendationDismissal.objects.exists()


def test_who_is_not_logged_in_is_asked_to(client: Client, acme: Account) -> None:
    assert client.post(DISMISS, CHEAPER)["Location"].startswith("/login/")


def test_looking_at_the_address_does_nothing(client: Client, acme: Account) -> None:
    a_user("bob")
    assert log_in(client, a_member(acme)).get(DISMISS).status_code == 405

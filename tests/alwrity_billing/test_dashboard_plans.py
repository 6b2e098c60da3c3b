"""The plans side by side, and one of them confirmed after having seen what it comes to."""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.asserts import assertRedirects

from subscriptions import credits, lifecycle, queries
from subscriptions.models import CreditKind, SubscriptionPlan, UserSubscription
from subscriptions.stripe.simulator.server import Simulator
from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.invoicing import start_invoice
from tests.support.paying import a_card
from tests.support.subscribing import TESTS, YEARLY, a_plan, again, load_catalog, subscribe
from usage.models import Account, Role

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=10)


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(LATER, tick=False):
        yield an_account()


@pytest.fixture
def alice(client: Client, acme: Account) -> Client:
    client.force_login(a_member(acme))
    return client


@pytest.fixture
def small(acme: Account) -> SubscriptionPlan:
    return a_plan("small", price="10", features=["basic_analytics"])


@pytest.fixture
def large(acme: Account) -> SubscriptionPlan:
    return a_plan("large", price="50", description="For teams.")


@pytest.fixture
def on_small(acme: Account, small: SubscriptionPlan) -> UserSubscription:
    """Acme is on the small plan since ten days, has paid for it and has a card."""
    a_card(acme)
    subscription = subscribe(small)
    start_invoice(subscription)
    return subscription


def page_of(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return unescape(response.content.decode())


def card_of(page: str, plan: SubscriptionPlan) -> str:
    """The part of the plans page that is about the plan."""
    found = re.search(rf'<article[^>]*aria-labelledby="plan-{plan.pk}".*?</article>', page, re.DOTALL)
    assert found is not None
    return found[0]


def due_on(page: str) -> str:
    found = re.search(r'name="due" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def choose(client: Client, plan: SubscriptionPlan, *, cycle: str = "monthly", due: str = "") -> Any:
    """Look at the plan and confirm what is seen, or another amount `due`."""
    url = f"/billing/plans/{plan.pk}/"
    seen = due or due_on(page_of(client, f"{url}?cycle={cycle}"))
    return client.post(url, {"cycle": cycle, "due": seen})


def current(account: Account) -> UserSubscription | None:
    return queries.subscription_of(account)


class TestPlans:
    def test_plans_stand_side_by_side_with_what_they_give(
        self, alice: Client, on_small: UserSubscription, small: SubscriptionPlan, large: SubscriptionPlan
    ) -> None:
        page = page_of(alice, "/billing/plans/")

        mine, other = card_of(page, small), card_of(page, large)
        assert "Your plan" in mine
        assert "Basic analytics" in mine
        assert "$50.00" in other
        assert "For teams." in other
        assert f'href="/billing/plans/{large.pk}/?cycle=monthly"' in other

    def test_under_the_year_prices_are_told_by_the_month(
        self, alice: Client, on_small: UserSubscription, small: SubscriptionPlan, large: SubscriptionPlan
    ) -> None:
        page = page_of(alice, "/billing/plans/?cycle=yearly")

        # Ten months are paid for twelve.
        assert "$41.67" in card_of(page, large)
        assert "$500.00 billed once a year" in card_of(page, large)
        assert "up to 16% less" in page
        assert "Pay yearly" in card_of(page, small)
        assert "Your plan" not in card_of(page, small)

    def test_less_is_offered_for_the_terms_end_and_told_once_scheduled(
        self, alice: Client, on_small: UserSubscription, acme: Account
    ) -> None:
        tiny = a_plan("tiny", price="5")
        assert "Change at the term’s end" in card_of(page_of(alice, "/billing/plans/"), tiny)

        choose(alice, tiny)

        assert "From 15 Apr" in card_of(page_of(alice, "/billing/plans/"), tiny)

    def test_a_plan_made_for_the_account_is_shown_and_one_of_others_is_not(
        self, alice: Client, acme: Account
    ) -> None:
        a_plan("ours", account=acme, visibility="hidden")
        theirs = a_plan("theirs", account=an_account("other"), visibility="hidden")

        page = page_of(alice, "/billing/plans/")

        assert ">Ours<" in page
        assert ">Theirs<" not in page
        assert alice.get(f"/billing/plans/{theirs.pk}/").status_code == 404

    def test_a_plan_that_is_not_sold_any_more_is_shown_to_whom_it_belongs(
        self, alice: Client, on_small: UserSubscription, small: SubscriptionPlan
    ) -> None:
        SubscriptionPlan.objects.update(retired_at=LATER)

        assert "Your plan" in card_of(page_of(alice, "/billing/plans/"), small)

    def test_readers_see_plans_without_a_way_to_choose(
        self, client: Client, acme: Account, large: SubscriptionPlan
    ) -> None:
        client.force_login(a_member(acme, role=Role.VIEWER))

        page = page_of(client, "/billing/plans/")

        assert "$50.00" in page
        assert f"/billing/plans/{large.pk}/" not in page

    def test_queries_do_not_grow_with_plans(self, alice: Client, on_small: UserSubscription) -> None:
        def counted() -> int:
            with CaptureQueriesContext(connection) as queries_made:
                alice.get("/billing/plans/")
            return len(queries_made)

        few = counted()
        load_catalog()

        assert counted() == few


class TestConfirming:
    def test_more_shows_what_is_given_back_what_it_costs_and_which_card_pays(
        self, alice: Client, on_small: UserSubscription, large: SubscriptionPlan
    ) -> None:
        page = page_of(alice, f"/billing/plans/{large.pk}/?cycle=monthly")

        # 21 of 31 days are left.
        for words in ("−$6.77", "$33.87", "$27.10", "at once", "Visa ending in 4242", "Confirm and pay"):
            assert words in page, words

    def test_confirming_changes_the_plan(
        self, alice: Client, on_small: UserSubscription, large: SubscriptionPlan
    ) -> None:
        assert choose(alice, large)["Location"] == "/billing/"

        assert again(on_small).plan == large
        page = page_of(alice, "/billing/")
        assert "You are on Large, monthly now." in page
        assert "The payment is being processed…" in page

    def test_it_was_the_person_who_changed_it(
        self, alice: Client, on_small: UserSubscription, large: SubscriptionPlan
    ) -> None:
        choose(alice, large)

        change = queries.changes_of(on_small)[0]
        assert (change.actor, str(change.actor_user)) == ("alice", "alice")

    def test_less_says_when_it_begins_and_charges_nothing(
        self, alice: Client, on_small: UserSubscription
    ) -> None:
        tiny = a_plan("tiny", price="5")
        page = page_of(alice, f"/billing/plans/{tiny.pk}/?cycle=monthly")
        assert "15 April 2026" in page
        assert "Nothing is charged today" in page

        assert choose(alice, tiny)["Location"] == "/billing/"

        assert "Tiny, monthly begins on 15 April 2026." in page_of(alice, "/billing/")
        assert (again(on_small).pending_plan, again(on_small).plan.name) == (tiny, "Small")

    def test_a_price_that_rose_meanwhile_is_asked_for_again(
        self, alice: Client, on_small: UserSubscription, large: SubscriptionPlan
    ) -> None:
        response = choose(alice, large, due="20")

        assert response.status_code == 200
        assert "The amount has changed since you looked" in response.content.decode()
        assert again(on_small).plan.name == "Small"

    @pytest.mark.parametrize("due", ["x", "NaN", "-Infinity", "-1", "9.999e999999", "\x00"])
    def test_an_amount_that_is_none_is_asked_for_again(
        self, alice: Client, on_small: UserSubscription, large: SubscriptionPlan, due: str
    ) -> None:
        assert choose(alice, large, due=due).status_code == 200
        assert again(on_small).plan.name == "Small"

    def test_a_price_that_fell_meanwhile_is_taken(
        self, alice: Client, on_small: UserSubscription, large: SubscriptionPlan
    ) -> None:
        assertRedirects(choose(alice, large, due="30"), "/billing/")

    def test_credit_is_told_and_taken_before_the_card(
        self, alice: Client, acme: Account, on_small: UserSubscription, large: SubscriptionPlan
    ) -> None:
        credits.grant(acme, kind=CreditKind.PREPAID, amount=Decimal(100), reason="Paid.", at=NOW, by=TESTS)

        page = page_of(alice, f"/billing/plans/{large.pk}/?cycle=monthly")

        assert "−$27.10" in page
        assert "your credit" in page
        assert due_on(page) == "0"

    def test_a_trial_begins_without_a_card(self, alice: Client, acme: Account) -> None:
        plan = a_plan(trial_days=14)
        assert "14 days of trial" in page_of(alice, "/billing/plans/")

        assertRedirects(choose(alice, plan), "/billing/")

        subscription = current(acme)
        assert subscription is not None
        assert subscription.state == "trialing"

    def test_what_is_left_of_a_dear_term_is_told_as_credit(self, alice: Client, acme: Account) -> None:
        subscribe(a_plan("small", price="30"), cycle=YEARLY)
        large = a_plan("large", price="50")

        assert "on your next invoice" in page_of(alice, f"/billing/plans/{large.pk}/?cycle=monthly")

    def test_while_past_due_it_is_refused_in_words(
        self, alice: Client, on_small: UserSubscription, large: SubscriptionPlan
    ) -> None:
        lifecycle.payment_failed(on_small, at=LATER, by=TESTS)
        page = page_of(alice, f"/billing/plans/{large.pk}/")
        assert "Your last invoice is not paid yet." in page
        assert "Confirm" not in page

        answer = alice.post(f"/billing/plans/{large.pk}/", {"cycle": "monthly", "due": "99"})

        assert (answer.status_code, again(on_small).plan.name) == (200, "Small")

    def test_a_plan_that_is_retired_while_one_looks_is_refused(
        self, alice: Client, on_small: UserSubscription, large: SubscriptionPlan
    ) -> None:
        SubscriptionPlan.objects.filter(pk=large.pk).update(retired_at=LATER)

        answer = choose(alice, large)

        assert answer["Location"] == "/billing/plans/"
        assert "is not sold any more" in page_of(alice, "/billing/plans/")


class TestWithoutACard:
    def test_it_leads_to_where_a_card_is_saved(
        self, alice: Client, acme: Account, at_stripe: Simulator, large: SubscriptionPlan
    ) -> None:
        page = page_of(alice, f"/billing/plans/{large.pk}/?cycle=monthly")
        assert "Continue to payment" in page

        answer = choose(alice, large)

        assert answer["Refresh"].startswith(f"0; url={at_stripe.url}")
        assert current(acme) is None

    def test_what_costs_nothing_needs_none(self, alice: Client, acme: Account) -> None:
        assertRedirects(choose(alice, a_plan("free", price="0")), "/billing/")

        subscription = current(acme)
        assert subscription is not None
        assert subscription.plan.key == "free"

    def test_where_no_cards_are_taken_it_is_invoiced(
        self, alice: Client, acme: Account, large: SubscriptionPlan, settings: Any
    ) -> None:
        settings.STRIPE_MODE = "off"

        assertRedirects(choose(alice, large), "/billing/")
        assert current(acme) is not None


class TestWho:
    @pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
    def test_readers_look_and_do_not_confirm(
        self, client: Client, acme: Account, on_small: UserSubscription, large: SubscriptionPlan, role: Role
    ) -> None:
        client.force_login(a_member(acme, role=role))
        url = f"/billing/plans/{large.pk}/"

        assert "Confirm" not in page_of(client, url)
        assert client.post(url, {"cycle": "monthly", "due": "99"}).status_code == 403
        assert again(on_small).plan.name == "Small"

    def test_a_billing_admin_confirms(
        self, client: Client, acme: Account, on_small: UserSubscription, large: SubscriptionPlan
    ) -> None:
        client.force_login(a_member(acme, role=Role.BILLING_ADMIN))

        assertRedirects(choose(client, large), "/billing/")

    def test_a_stranger_neither_looks_nor_confirms(
        self, client: Client, on_small: UserSubscription, large: SubscriptionPlan
    ) -> None:
        client.force_login(a_member(an_account("other"), username="eve"))
        url = f"/billing/plans/{large.pk}/?account=acme"

        assert client.get(url).status_code == 403
        assert client.post(url, {"cycle": "monthly", "due": "99"}).status_code == 403

    def test_staff_without_the_permission_do_not_confirm(
        self, client: Client, on_small: UserSubscription, large: SubscriptionPlan
    ) -> None:
        client.force_login(a_user("staff", is_staff=True))

        answer = client.post(f"/billing/plans/{large.pk}/?account=acme", {"cycle": "monthly", "due": "99"})

        assert answer.status_code == 403

    @pytest.mark.parametrize("plan_id", ["0", "999999", "999999999999999999"])
    def test_a_plan_that_there_is_not_is_not_found(self, alice: Client, plan_id: str) -> None:
        assert alice.get(f"/billing/plans/{plan_id}/").status_code == 404


@pytest.mark.parametrize("taxed", [True, False])
def test_a_plan_says_that_tax_comes_on_top_where_it_may(
    alice: Client, large: SubscriptionPlan, on_small: UserSubscription, settings: Any, taxed: bool
) -> None:
    settings.STRIPE_TAX = taxed

    told = "Tax is added where it is due." in page_of(alice, f"/billing/plans/{large.pk}/?cycle=monthly")

    assert told is taxed

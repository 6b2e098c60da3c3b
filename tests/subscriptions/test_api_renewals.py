"""GET /api/subscription/renewal-history/{user_id}"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from subscriptions import invoicing, lifecycle, renewals, settling
from subscriptions.models import SubscriptionPlan, UserSubscription
from tests.support.cast import NOW, an_event
from tests.support.credentials import a_key
from tests.support.invoicing import paid, refused, start_invoice
from tests.support.posting import Posted, look
from tests.support.recording import prepare, record
from tests.support.subscribing import MONTHLY, TESTS, YEARLY, a_plan, a_version, subscribe
from usage.core.calendar import months_after
from usage.events import Units
from usage.models import Account, BillingPeriod

HISTORY = "/api/subscription/renewal-history/acme"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        prepare()
        yield Account.objects.get()


def asked(query: str = "") -> Posted:
    return look(f"{HISTORY}{query}", key=a_key().plain)


def told(*names: str) -> list[tuple[Any, ...]]:
    """Those fields of every renewal, oldest first."""
    return [tuple(renewal[name] for name in names) for renewal in reversed(asked().data["renewals"])]


def renew(at: datetime) -> None:
    renewals.renew_due(at=at, limit=100)


def in_months(count: int) -> datetime:
    return months_after(NOW, count)


def a_year_of(plan: SubscriptionPlan) -> UserSubscription:
    """Started and renewed eleven times."""
    subscription = subscribe(plan)
    renew(in_months(11))
    return subscription


def test_a_first_subscription_is_told_with_nothing_before_it() -> None:
    subscribe(a_plan())

    (renewal,) = asked().data["renewals"]

    renewal.pop("id")
    assert renewal == {
        "plan_name": "Team",
        "plan_tier": "basic",
        "previous_period_start": None,
        "previous_period_end": None,
        "new_period_start": "2026-03-15T12:00:00Z",
        "new_period_end": "2026-04-15T12:00:00Z",
        "billing_cycle": "monthly",
        "renewal_type": "new",
        "renewal_count": 0,
        "previous_plan_name": None,
        "previous_plan_tier": None,
        "usage_before_renewal": None,
        "payment_amount": 30,
        "credit_amount": 0,
        "payment_status": "pending",
        "payment_date": None,
        "created_at": "2026-03-15T12:00:00Z",
    }


def test_a_renewal_tells_the_term_before_and_what_was_used_in_it() -> None:
    subscribe(a_plan())
    record(an_event(), an_event("e2", provider="tavily", model="", units=Units(searches=1)))
    renew(in_months(1))

    renewal = asked().data["renewals"][0]

    assert (renewal["renewal_type"], renewal["renewal_count"]) == ("renewal", 1)
    assert (renewal["previous_period_start"], renewal["previous_period_end"]) == (
        "2026-03-15T12:00:00Z",
        "2026-04-15T12:00:00Z",
    )
    assert (renewal["previous_plan_name"], renewal["previous_plan_tier"]) == ("Team", "basic")
    # 0.0035 of tokens and 0.001 of a search
    assert renewal["usage_before_renewal"] == {
        "total_calls": 2,
        "total_tokens": 1100,
        "total_cost": 0.0045,
        "providers": 2,
    }


def test_changes_of_plan_are_told_by_what_they_give() -> None:
    small, large = a_plan("small", price="10"), a_plan("large", price="50")
    subscribe(small)
    subscribe(large)
    subscribe(small)
    renew(in_months(1))

    assert told("renewal_type", "previous_plan_name", "plan_name") == [
        ("new", None, "Small"),
        ("upgrade", "Small", "Large"),
        ("downgrade", "Large", "Small"),
    ]


def test_a_term_that_begins_with_a_dearer_plan_is_an_upgrade() -> None:
    cheap, other = a_plan("cheap", price="10"), a_plan("other", price="10")
    subscribe(cheap, cycle=YEARLY)
    subscribe(other, cycle=MONTHLY)
    a_version(other, price="20", at=NOW + timedelta(days=1))
    renew(in_months(12))

    assert told("renewal_type", "plan_name")[-1] == ("upgrade", "Other")


def test_a_dearer_version_of_the_same_plan_is_a_renewal() -> None:
    plan = a_plan(price="10")
    subscribe(plan)
    a_version(plan, price="20", at=NOW + timedelta(days=1))
    renew(in_months(1))

    assert told("renewal_type", "payment_amount") == [("new", 10), ("renewal", 20)]


def test_what_had_ended_and_begins_again_is_new() -> None:
    plan = a_plan()
    lifecycle.cancel(subscribe(plan), at=NOW, by=TESTS, at_term_end=False)
    subscribe(plan, at=NOW + timedelta(days=3))

    assert told("renewal_type") == [("new",), ("new",)]


def test_a_pause_or_a_late_payment_is_no_renewal() -> None:
    subscription = subscribe(a_plan())
    lifecycle.pause(subscription, at=NOW, by=TESTS)
    lifecycle.resume(subscription, at=NOW, by=TESTS)
    lifecycle.payment_failed(subscription, at=NOW, by=TESTS)

    assert len(told("renewal_type")) == 1


def test_what_costs_nothing_is_not_due() -> None:
    subscribe(a_plan(price="0"))

    assert told("payment_amount", "payment_status", "payment_date") == [(0, "not_due", None)]


def payment() -> tuple[Any, ...]:
    return told("payment_status", "payment_date")[-1]


def test_a_payment_is_told_as_its_invoice_stands() -> None:
    subscription = subscribe(a_plan())
    assert payment() == ("pending", None)

    invoice = start_invoice(subscription)
    assert payment() == ("pending", None)

    refused(invoice)
    assert payment() == ("failed", None)

    paid(invoice)
    assert payment() == ("paid", "2026-03-15T12:00:00Z")


def test_what_was_waived_is_not_due_and_what_was_given_up_has_failed() -> None:
    invoice = start_invoice(subscribe(a_plan()))
    settling.give_up(invoice, at=NOW, by=TESTS, reason="Gone.")
    assert payment() == ("failed", None)

    settling.void(invoice, at=NOW, by=TESTS, reason="Never mind.")
    assert payment() == ("not_due", None)


def test_a_renewal_that_is_on_a_draft_is_pending(acme: Account) -> None:
    start_invoice(subscribe(a_plan()))
    period = BillingPeriod.objects.get()
    invoicing.close_period(period, at=period.period_end)

    assert payment() == ("pending", None)


def test_a_credit_is_told_as_one_and_nothing_is_to_pay() -> None:
    subscribe(a_plan("small", price="30"), cycle=YEARLY)
    subscribe(a_plan("large", price="50"))

    # 300 USD of the year are credited, 50 of the month charged.
    assert told("renewal_type", "payment_amount", "credit_amount", "payment_status")[-1] == (
        "upgrade", 0, 250, "not_due",
    )  # fmt: skip


def test_amounts_keep_every_decimal() -> None:
    subscribe(a_plan("small", price="10"))
    subscribe(a_plan("large", price="50"), at=NOW + timedelta(days=10))

    # 21 of 31 days are left: 40 × 21 / 31
    assert Decimal(str(told("payment_amount")[-1][0])) == pytest.approx(Decimal(40 * 21) / 31)
    assert b'"payment_amount":27.096774193548387097' in asked().content


class TestPages:
    def test_they_are_newest_first_and_know_whether_more_follow(self) -> None:
        a_year_of(a_plan())

        first, last = asked("?limit=5").data, asked("?limit=5&offset=10").data

        assert [renewal["renewal_count"] for renewal in first["renewals"]] == [11, 10, 9, 8, 7]
        assert [renewal["renewal_count"] for renewal in last["renewals"]] == [1, 0]
        assert (first["total_count"], first["limit"], first["offset"], first["has_more"]) == (12, 5, 0, True)
        assert (last["total_count"], last["limit"], last["offset"], last["has_more"]) == (12, 5, 10, False)

    def test_an_account_without_a_subscription_has_none(self) -> None:
        assert asked().data == {
            "renewals": [],
            "total_count": 0,
            "limit": 50,
            "offset": 0,
            "has_more": False,
        }

    @pytest.mark.parametrize(
        ("query", "name"),
        [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=ten", "limit"),
            ("offset=-1", "offset"),
            ("offset=100001", "offset"),
        ],
    )
    def test_a_wrong_parameter_is_named(self, query: str, name: str) -> None:
        answer = asked(f"?{query}")

        assert (answer.status, answer.body["code"]) == (400, "invalid_request")
        assert answer.body["detail"]["errors"][0]["parameter"] == name
        assert answer.error.startswith(f"{name}: ")

    def test_a_page_takes_as_many_queries_as_one_renewal(
        self, acme: Account, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        a_year_of(a_plan())
        key = a_key(acme).plain
        look(HISTORY, key=key)

        # The key, the page with its plans, their number, and what bills them.
        with django_assert_num_queries(4):
            assert len(look(HISTORY, key=key).data["renewals"]) == 12

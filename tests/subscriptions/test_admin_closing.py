"""Month close in the admin: how far it has come, what failed and why, and another try."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from subscriptions import invoicing
from subscriptions.models import CloseFailure
from tests.support.cast import NOW, an_account
from tests.support.staff_invoices import a_clerk, history, offered, queries_of
from tests.support.subscribing import a_plan, start
from usage.models import Account, BillingPeriod

pytestmark = pytest.mark.django_db

PAGE = "admin:subscriptions_closefailure_"


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def staff() -> Client:
    return a_clerk("settle_billinghistory")


def a_period(external_id: str, *, end: datetime, closed: bool = False) -> BillingPeriod:
    account = Account.objects.filter(external_id=external_id).first() or an_account(external_id)
    return BillingPeriod.objects.create(
        account=account,
        period_start=end - timedelta(days=28),
        period_end=end,
        closed_at=end if closed else None,
    )


def a_failure(external_id: str = "acme", *, end: datetime = NOW - timedelta(days=1)) -> CloseFailure:
    return CloseFailure.objects.create(
        billing_period=a_period(external_id, end=end),
        error="TrackingException: the log and its totals differ",
        first_failed_at=end,
        next_attempt_at=NOW + timedelta(hours=6),
    )


def shown(client: Client) -> str:
    return re.sub(r"\s+", " ", client.get(reverse(f"{PAGE}changelist")).content.decode())


def test_nothing_to_close_says_so_and_stays_still(staff: Client) -> None:
    told = shown(staff)

    assert "0 closed, 0 waiting" in told
    assert "None." in told
    assert "http-equiv" not in told


def test_both_months_tell_what_is_closed_and_what_waits(staff: Client) -> None:
    march, february = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 2, 27, tzinfo=UTC)
    a_period("one", end=march, closed=True)
    a_period("two", end=march)
    a_period("three", end=datetime(2026, 3, 20, tzinfo=UTC))
    a_period("four", end=february, closed=True)
    a_period("five", end=february - timedelta(days=60))

    told = shown(staff)

    assert "Periods that end in March 2026: 1 closed, 1 waiting, 1 still running" in told
    assert "Periods that end in February 2026: 1 closed, 0 waiting" in told
    assert "width: 50%" in told
    assert "width: 100%" in told


def test_the_page_reads_itself_anew_while_something_waits(staff: Client) -> None:
    period = a_period("one", end=NOW - timedelta(days=1))
    assert '<meta http-equiv="refresh"' in shown(staff)

    BillingPeriod.objects.filter(pk=period.pk).update(closed_at=NOW)
    assert "http-equiv" not in shown(staff)


def test_what_only_failed_is_not_watched(staff: Client) -> None:
    a_failure()

    assert "http-equiv" not in shown(staff)


def test_a_failure_says_why_and_is_tried_again(staff: Client) -> None:
    failure = a_failure()
    told = shown(staff)
    assert "the log and its totals differ" in told
    assert "2026-03-15 18:00" in told
    address = reverse(f"{PAGE}change", args=[failure.pk])
    assert address in told
    assert offered(staff, address, {"try-again"}) == {"try-again"}

    staff.post(reverse(f"{PAGE}try_again", args=[failure.pk]))

    failure.refresh_from_db()
    assert failure.next_attempt_at == NOW
    assert history() == ["The next run closes 2026-02-14 to 2026-03-14 of Acme again."]


def test_drafts_that_are_left_are_linked(staff: Client) -> None:
    draft = invoicing.invoice_changes(start(a_plan()), at=NOW)
    assert draft is not None

    assert reverse("admin:subscriptions_billinghistory_change", args=[draft.pk]) in shown(staff)


def test_it_takes_as_many_queries_however_much_failed(staff: Client) -> None:
    a_failure("one")
    few = queries_of(staff, reverse(f"{PAGE}changelist"))
    for number in range(4):
        a_failure(f"more-{number}")

    assert len(queries_of(staff, reverse(f"{PAGE}changelist"))) == len(few)


def test_without_the_permission_nothing_is_tried_again() -> None:
    viewer, failure = a_clerk(), a_failure()

    assert viewer.post(reverse(f"{PAGE}try_again", args=[failure.pk])).status_code == 403
    assert offered(viewer, reverse(f"{PAGE}change", args=[failure.pk]), {"try-again"}) == set()
    failure.refresh_from_db()
    assert failure.next_attempt_at == NOW + timedelta(hours=6)

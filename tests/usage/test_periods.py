"""Billing periods: calendar months until a subscription says otherwise, never two at once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from tests.support.cast import NOW, an_account
from usage import periods
from usage.models import BillingPeriod

pytestmark = pytest.mark.django_db

MARCH, APRIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)


def test_an_account_without_a_period_gets_the_calendar_month() -> None:
    period = periods.open_period(an_account(), at=NOW)

    assert (period.period_start, period.period_end) == (MARCH, APRIL)


def test_an_open_period_is_kept_to_its_last_moment() -> None:
    account = an_account()
    march = periods.open_period(account, at=NOW)

    assert periods.open_period(account, at=APRIL - timedelta(microseconds=1)) == march
    assert periods.open_period(account, at=APRIL) != march


def test_several_accounts_are_served_at_once_each_with_its_own() -> None:
    known, new = an_account("known"), an_account("new")
    period = periods.open_period(known, at=NOW)

    found = periods.ensure([known.pk, new.pk], at=NOW)

    assert found[known.pk] == period.pk
    assert BillingPeriod.objects.get(pk=found[new.pk]).account == new


def test_a_month_that_other_periods_reach_into_is_cut_to_what_they_leave() -> None:
    account = an_account()
    ended, begins = NOW - timedelta(days=3), NOW + timedelta(days=4)
    for start, end in [(MARCH - timedelta(days=9), ended), (begins, APRIL + timedelta(days=9))]:
        BillingPeriod.objects.create(account=account, period_start=start, period_end=end)

    period = periods.open_period(account, at=NOW)

    assert (period.period_start, period.period_end) == (ended, begins)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (MARCH, APRIL),
        (NOW, NOW + timedelta(days=1)),
        (MARCH - timedelta(days=1), MARCH + timedelta(microseconds=1)),
        (APRIL, APRIL),
    ],
)
def test_the_database_refuses_periods_that_overlap_or_are_empty(start: datetime, end: datetime) -> None:
    account = an_account()
    periods.open_period(account, at=NOW)

    with pytest.raises(IntegrityError), transaction.atomic():
        BillingPeriod.objects.create(account=account, period_start=start, period_end=end)


def test_periods_that_touch_and_those_of_other_accounts_are_fine() -> None:
    account = an_account()
    periods.open_period(account, at=NOW)
    BillingPeriod.objects.create(account=account, period_start=APRIL, period_end=APRIL + timedelta(days=1))
    BillingPeriod.objects.create(account=an_account("other"), period_start=MARCH, period_end=APRIL)

    assert BillingPeriod.objects.count() == 3

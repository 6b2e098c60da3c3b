"""Billing periods: calendar months until a subscription says otherwise, never two at once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from tests.support.cast import NOW, an_account
from tests.support.concurrency import at_once
from usage import periods
from usage.core.calendar import months_after
from usage.models import Account, BillingPeriod

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


# --- Months from an anchor ---------------------------------------------------------------------------------


def spans(account: Account) -> list[tuple[datetime, datetime]]:
    periods_of = BillingPeriod.objects.filter(account=account).order_by("period_start")
    return list(periods_of.values_list("period_start", "period_end"))


def test_what_was_open_ends_where_the_anchored_months_begin() -> None:
    account = an_account()
    periods.open_period(account, at=NOW)

    periods.begin(account, anchor=NOW, at=NOW)

    assert spans(account) == [(MARCH, NOW), (NOW, months_after(NOW, 1))]


def test_an_account_without_a_period_begins_with_an_anchored_one() -> None:
    account = an_account()

    periods.begin(account, anchor=NOW, at=NOW)

    assert spans(account) == [(NOW, months_after(NOW, 1))]


def test_beginning_again_at_the_same_instant_changes_nothing() -> None:
    account = an_account()
    periods.begin(account, anchor=NOW, at=NOW)
    before = spans(account)

    periods.begin(account, anchor=NOW, at=NOW)

    assert spans(account) == before


def test_months_anchored_in_the_future_begin_with_a_shorter_one() -> None:
    account = an_account()
    anchor = NOW + timedelta(days=14)

    periods.begin(account, anchor=anchor, at=NOW)
    periods.open_period(account, at=anchor)

    assert spans(account) == [(NOW, anchor), (anchor, months_after(anchor, 1))]


def test_a_moved_anchor_moves_the_end_of_what_is_open() -> None:
    account = an_account()
    periods.begin(account, anchor=NOW + timedelta(days=14), at=NOW)

    periods.move_anchor(account, anchor=NOW + timedelta(days=21), at=NOW + timedelta(days=1))

    assert spans(account) == [(NOW, NOW + timedelta(days=21))]


def test_an_end_does_not_move_into_a_period_that_exists() -> None:
    account = an_account()
    periods.begin(account, anchor=NOW, at=NOW)
    periods.open_period(account, at=months_after(NOW, 1))

    periods.move_anchor(account, anchor=NOW + timedelta(days=3), at=NOW + timedelta(days=4))

    first, second = spans(account)
    assert first[1] == second[0] == months_after(NOW, 1)


def test_a_period_made_late_is_the_anchors() -> None:
    account = an_account()
    anchor = datetime(2026, 1, 31, 9, tzinfo=UTC)
    periods.begin(account, anchor=anchor, at=anchor)

    period = periods.open_period(account, at=datetime(2026, 3, 2, tzinfo=UTC))

    assert (period.period_start, period.period_end) == (months_after(anchor, 1), months_after(anchor, 2))


def test_missing_periods_are_made_without_a_gap() -> None:
    account = an_account()
    anchor = datetime(2025, 8, 31, tzinfo=UTC)
    periods.begin(account, anchor=anchor, at=anchor)

    assert periods.open_missing(at=NOW, limit=10) == 1

    assert spans(account) == [(months_after(anchor, n), months_after(anchor, n + 1)) for n in range(7)]
    assert periods.open_missing(at=NOW, limit=10) == 0


def test_whoever_comes_first_after_a_pause_leaves_no_gap() -> None:
    account = an_account()
    anchor = datetime(2025, 8, 31, tzinfo=UTC)
    periods.begin(account, anchor=anchor, at=anchor)

    periods.ensure([account.pk], at=NOW)

    assert spans(account) == [(months_after(anchor, n), months_after(anchor, n + 1)) for n in range(7)]


def test_months_up_to_a_later_period_are_cut_where_it_begins() -> None:
    account = an_account()
    anchor = datetime(2026, 1, 1, tzinfo=UTC)
    periods.begin(account, anchor=anchor, at=anchor)
    BillingPeriod.objects.create(account=account, period_start=NOW + timedelta(days=1), period_end=APRIL)

    periods.ensure([account.pk], at=NOW)

    assert spans(account)[1:3] == [(months_after(anchor, 1), MARCH), (MARCH, NOW + timedelta(days=1))]


def test_accounts_without_an_anchor_are_left_alone() -> None:
    periods.open_period(an_account(), at=NOW - timedelta(days=60))

    assert periods.open_missing(at=NOW, limit=10) == 0


@pytest.mark.django_db(transaction=True)
def test_racing_workers_make_each_missing_period_once() -> None:
    account = an_account()
    anchor = datetime(2025, 8, 31, tzinfo=UTC)
    periods.begin(account, anchor=anchor, at=anchor)

    at_once(lambda _: periods.open_missing(at=NOW, limit=10), times=4)

    assert spans(account) == [(months_after(anchor, n), months_after(anchor, n + 1)) for n in range(7)]

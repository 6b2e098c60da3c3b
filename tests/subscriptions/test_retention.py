"""Stripe's events are forgotten ninety days after they were processed, and never before."""

from datetime import datetime, timedelta

import pytest

from subscriptions import retention, tasks
from subscriptions.models import StripeEvent
from tests.support.cast import NOW
from tests.support.concurrency import at_once

pytestmark = pytest.mark.django_db

AGO = NOW - timedelta(days=90)
MOMENT = timedelta(microseconds=1)


def an_event(
    event_id: str = "evt_1",
    *,
    state: str = "done",
    received: datetime = AGO - MOMENT,
    took: timedelta = MOMENT * 0,
) -> StripeEvent:
    waits = state == "received"
    return StripeEvent.objects.create(
        event_id=event_id,
        type="invoice.paid",
        created_at=received,
        received_at=received,
        body="{}",
        state=state,
        next_attempt_at=NOW if waits else None,
        processed_at=None if waits else received + took,
    )


@pytest.mark.parametrize(
    ("received", "took", "goes"),
    [
        (AGO - MOMENT, MOMENT * 0, True),
        (AGO, MOMENT * 0, False),
        (AGO - MOMENT, MOMENT, False),
        (AGO + MOMENT, MOMENT, False),
    ],
)
def test_an_event_goes_ninety_days_after_it_was_processed(
    received: datetime, took: timedelta, goes: bool
) -> None:
    an_event(received=received, took=took)

    assert retention.prune(at=NOW, limit=10) == goes
    assert StripeEvent.objects.exists() is not goes


@pytest.mark.parametrize(
    ("state", "goes"), [("done", True), ("ignored", True), ("parked", False), ("received", False)]
)
def test_only_what_was_processed_goes(state: str, goes: bool) -> None:
    an_event(state=state)

    assert retention.prune(at=NOW, limit=10) == goes


def test_the_oldest_go_first_so_many_at_a_time() -> None:
    for number in range(3):
        an_event(f"evt_{number}", received=AGO - (3 - number) * timedelta(days=1))

    assert retention.prune(at=NOW, limit=2) == 2
    assert StripeEvent.objects.get().event_id == "evt_2"


@pytest.mark.django_db(transaction=True)
def test_runs_at_once_forget_each_event_once() -> None:
    for number in range(20):
        an_event(f"evt_{number}")

    done = at_once(lambda _: retention.prune(at=NOW, limit=20), times=4)

    assert sum(done) == 20


def test_the_nightly_task_tells_how_many_went() -> None:
    an_event()

    assert tasks.prune_subscriptions() == 1

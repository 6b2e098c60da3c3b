"""What is written down of each task: by Celery's signals, in any order, and of runs that were killed."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection

from alwrity_billing import task_standings
from alwrity_billing.models import MAX_ERROR, TaskStanding
from alwrity_billing.task_standings import NOT_ENDED
from tests.support.cast import NOW
from tests.support.concurrency import at_once

pytestmark = pytest.mark.django_db

TASK = "usage.tasks.expire_holds"
LONGEST = timedelta(seconds=600)
SECOND = timedelta(seconds=1)


@shared_task(name="tests.do")
def do(what: Any) -> Any:
    """Do as told."""
    if isinstance(what, str):
        raise ValueError(what)
    if what == -1:
        raise SoftTimeLimitExceeded
    return what


def run(what: Any) -> TaskStanding:
    do.apply(args=[what])
    return TaskStanding.objects.get(name="tests.do")


@time_machine.travel(NOW, tick=False)
def test_a_run_that_succeeds_is_written_down_with_its_rows() -> None:
    standing = run(7)

    assert (standing.last_started_at, standing.last_succeeded_at, standing.last_failed_at) == (NOW, NOW, None)
    assert (standing.last_rows, standing.runs, standing.failures) == (7, 1, 0)
    assert standing.last_duration is not None


@pytest.mark.parametrize(("returned", "rows"), [(0, 0), (None, None), (True, None)])
def test_only_a_number_is_a_number_of_rows(returned: Any, rows: int | None) -> None:
    assert run(returned).last_rows == rows


def test_failures_are_counted_in_a_row_until_a_success() -> None:
    run(1)
    run("no")
    standing = run("no again")
    assert (standing.failures_in_a_row, standing.failures, standing.runs) == (2, 2, 3)
    assert standing.last_error == "ValueError: no again"
    assert standing.last_rows == 1

    standing = run(1)
    assert (standing.failures_in_a_row, standing.failures, standing.runs) == (0, 2, 4)


def test_a_run_that_was_asked_to_stop_has_failed() -> None:
    assert run(-1).last_error.startswith("SoftTimeLimitExceeded")


def test_what_was_raised_is_kept_without_secrets_and_cut() -> None:
    error = "sk_test_abcdefgh12345678 \x00 " + "x" * 1000

    task_standings.failed(TASK, at=NOW, took=SECOND, error=error)

    standing = TaskStanding.objects.get()
    assert "sk_test" not in standing.last_error
    assert len(standing.last_error) == MAX_ERROR


@pytest.mark.django_db(transaction=True)
def test_runs_in_parallel_are_all_counted() -> None:
    def one(number: int) -> None:
        task_standings.started(TASK, at=NOW + number * SECOND)
        task_standings.failed(TASK, at=NOW + number * SECOND, took=SECOND, error="no")

    at_once(one, times=8)

    standing = TaskStanding.objects.get()
    assert (standing.runs, standing.failures, standing.failures_in_a_row) == (8, 8, 8)
    assert standing.last_started_at == standing.last_failed_at == NOW + 7 * SECOND


def test_the_later_time_stays_whoever_comes_first() -> None:
    task_standings.succeeded(TASK, at=NOW, took=SECOND, rows=1)
    task_standings.succeeded(TASK, at=NOW - SECOND, took=SECOND, rows=2)

    assert TaskStanding.objects.get().last_succeeded_at == NOW


@pytest.mark.parametrize(
    ("later", "over"), [(LONGEST - SECOND, False), (LONGEST, False), (LONGEST + SECOND, True)]
)
def test_a_run_that_neither_succeeds_nor_fails_did_not_end_once_its_time_is_over(
    later: timedelta, over: bool
) -> None:
    task_standings.started(TASK, at=NOW)

    assert TaskStanding.objects.get().did_not_end(at=NOW + later) is over
    assert TaskStanding.objects.left_off(at=NOW + later).exists() is over


@pytest.mark.parametrize("earlier", ["succeeded", "failed"])
def test_a_run_that_ended_is_not_taken_for_one_that_did_not(earlier: str) -> None:
    task_standings.started(TASK, at=NOW)
    if earlier == "succeeded":
        task_standings.succeeded(TASK, at=NOW, took=SECOND, rows=0)
    else:
        task_standings.failed(TASK, at=NOW, took=SECOND, error="no")
    at = NOW + 2 * LONGEST

    assert not TaskStanding.objects.get().did_not_end(at=at)
    assert not TaskStanding.objects.left_off(at=at).exists()


def test_the_next_start_counts_a_run_that_did_not_end_as_a_failure_once() -> None:
    task_standings.started(TASK, at=NOW)

    for number in range(2):
        task_standings.started(TASK, at=NOW + LONGEST + (number + 1) * SECOND)

    standing = TaskStanding.objects.get()
    assert (standing.failures, standing.failures_in_a_row, standing.runs) == (1, 1, 3)
    assert standing.last_error == NOT_ENDED
    assert standing.last_failed_at == NOW + LONGEST


def test_a_standing_that_cannot_be_written_fails_no_task(caplog: pytest.LogCaptureFixture) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE task_standings RENAME TO task_standings_away")

    assert do.apply(args=[7]).get() == 7

    assert "the standing of tests.do was not written" in caplog.text

"""Telling our staff of tasks that fail or are late: the clock is the project's, so these findings are."""

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction
from django.urls import reverse

from alerts import raising
from alerts.core.findings import Finding, Recovery, Severity
from alerts.core.rules import TASK_FAILING
from alerts.locks import take_turn
from alerts.raising import Found
from alwrity_billing import clock
from alwrity_billing.clock import Entry, State

MOST_TOLD = 200
# So often in a row a task of every minute has failed before anybody is woken.
FAILURES = 3


def stand(*, at: datetime) -> int:
    """Tell of the tasks that fail or are late at `at`, and of those that no longer do; returns how many
    alerts that were. Safe to run twice and in parallel.
    """
    with transaction.atomic():
        take_turn(f"rule {TASK_FAILING.key}")
        return len(raising.stand_all(TASK_FAILING, _found(at), at=at))


def _found(at: datetime) -> Iterator[Found]:
    for entry in clock.late_or_failing(at=at):
        if entry.state is not State.FAILING or _fails_for_good(entry):
            yield None, _finding(entry, at=at)


def _fails_for_good(entry: Entry) -> bool:
    """Not what the next run, a moment later, may mend by itself."""
    is_nightly = entry.row is not None and entry.row.crontab_id is not None
    failures = 0 if entry.standing is None else entry.standing.failures_in_a_row
    return is_nightly or failures == 0 or failures >= FAILURES


def _finding(entry: Entry, *, at: datetime) -> Finding:
    fails = entry.state is State.FAILING
    what = "fails" if fails else "is late"
    told = entry.error if fails else "It has not run for longer than its schedule says: is a worker running?"
    return Finding(
        subject=f"task/{entry.name}",
        # At most once a day, however often it comes and goes.
        occasion=f"{entry.state} {at:%Y-%m-%d}",
        severity=Severity.ERROR if fails else Severity.WARNING,
        title=f"“{entry.name}” {what}"[:MOST_TOLD],
        message=f"{entry.about} {told}".strip(),
        facts={"task": entry.task},
        path=reverse("admin:alwrity_billing_taskstanding_changelist"),
        recovery=Recovery(title=f"“{entry.name}” runs again", message=entry.about),
    )

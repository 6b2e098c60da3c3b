"""How the clock stands: every entry of the schedule, what came of it last, and what is late or fails."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from celery import current_app
from django.utils.module_loading import import_string
from django_celery_beat.models import PeriodicTask

from alwrity_billing.models import ClockDefault, TaskStanding
from alwrity_billing.schedules import due_after, spelled
from alwrity_billing.task_standings import NOT_ENDED
from usage.core.errors import BillingError

# As much may pass between the time a task is due and its start: beat and workers have other things to do.
TOLERANCE = timedelta(minutes=5)


class State(StrEnum):
    """How an entry stands; of several the first of these."""

    OFF = "switched off"
    FAILING = "failing"
    LATE = "late"
    NEVER = "never ran"
    ON_TIME = "on time"


class BrokerAway(BillingError):
    """The broker takes no task at this moment."""

    code = "broker_away"
    status = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of the schedule. `row` is django-celery-beat's, None until beat has been started once.

    `lag` is how long it has been due, None where it is not or nobody knows. `is_changed` says that staff gave
    it another schedule than the code's.
    """

    name: str
    task: str
    about: str
    row: PeriodicTask | None
    standing: TaskStanding | None
    state: State
    lag: timedelta | None
    error: str
    is_changed: bool


def entries(*, at: datetime) -> list[Entry]:
    """Every entry: those of the code in its order, then those that staff added, by name."""
    table: Mapping[str, Mapping[str, object]] = current_app.conf.beat_schedule
    related = PeriodicTask.objects.select_related("interval", "crontab", "solar", "clocked")
    rows = {row.name: row for row in related.order_by("name")}
    standings = {standing.name: standing for standing in TaskStanding.objects.all()}
    added = dict(ClockDefault.objects.values_list("name", "added_at"))
    return [
        _entry(
            name,
            task=str(table[name]["task"]) if name in table else rows[name].task,
            default=table[name]["schedule"] if name in table else None,
            row=rows.get(name),
            standings=standings,
            since=added.get(name),
            at=at,
        )
        for name in [*table, *(name for name in rows if name not in table)]
    ]


def late_or_failing(*, at: datetime) -> list[Entry]:
    """The entries that somebody should look at."""
    return [entry for entry in entries(at=at) if entry.state in (State.FAILING, State.LATE)]


def summary(found: Sequence[Entry]) -> str:
    """Such as "1 failing, 2 late"; "on time" when nothing is."""
    counts = {state: sum(entry.state == state for entry in found) for state in (State.FAILING, State.LATE)}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "on time"


def run_now(row: PeriodicTask) -> None:
    """Send the entry's task to the broker, beside its schedule; raises BrokerAway when that takes none."""
    told = {"args": json.loads(row.args), "kwargs": json.loads(row.kwargs)}
    try:
        # Its own connection: one that has waited in the pool may have been cut meanwhile.
        with current_app.connection_for_write() as broker:
            current_app.send_task(row.task, connection=broker, retry=False, **told)
    except Exception as refused:  # whatever a transport raises means the same here
        raise BrokerAway(
            "The broker is away, so nothing was started. What is due is made up for once it is back."
        ) from refused


def _entry(
    name: str,
    *,
    task: str,
    default: object,
    row: PeriodicTask | None,
    standings: Mapping[str, TaskStanding],
    since: datetime | None,
    at: datetime,
) -> Entry:
    standing = standings.get(task)
    started = None if standing is None else standing.last_started_at
    lag = None if row is None or not row.enabled else _lag(row, last=started or since, at=at)
    error = _error(standing, at=at)
    return Entry(
        name=name,
        task=task,
        about=about(task),
        row=row,
        standing=standing,
        state=_state(row, started=started, lag=lag, fails=bool(error)),
        lag=lag,
        error=error,
        is_changed=row is not None and default is not None and spelled(row.schedule) != spelled(default),
    )


def _lag(row: PeriodicTask, *, last: datetime | None, at: datetime) -> timedelta | None:
    if row.last_run_at is None:
        # Beat has not sent it since it was added or switched on, and counts from there.
        last = max(last or row.date_changed, row.date_changed)
    due = None if last is None else due_after(row.schedule, last)
    return None if due is None or due >= at else at - due


def _error(standing: TaskStanding | None, *, at: datetime) -> str:
    """What the last run ended with; nothing when it succeeded, or there was none."""
    if standing is None:
        return ""
    if standing.did_not_end(at=at):
        return NOT_ENDED
    return standing.last_error if standing.failures_in_a_row else ""


def _state(
    row: PeriodicTask | None, *, started: datetime | None, lag: timedelta | None, fails: bool
) -> State:
    if row is not None and not row.enabled:
        return State.OFF
    if fails:
        return State.FAILING
    if lag is not None and lag > TOLERANCE:
        return State.LATE
    return State.NEVER if started is None else State.ON_TIME


def about(task: str) -> str:
    """What a task does, in its own words; nothing for one that is not ours to import."""
    try:
        words = import_string(task).__doc__ or ""
    except ImportError:
        return ""
    return words.strip().partition("\n")[0]

"""Writing down what comes of each task, by Celery's signals.

A worker that is killed with its task sends none: the next start of the task notices, and until then the row
says so by itself (`TaskStanding.did_not_end`). What cannot be written is logged, and no task fails of it.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from celery import signals, states
from django.db import DatabaseError, InterfaceError, close_old_connections, transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from alwrity_billing import scrubbing
from alwrity_billing.models import MAX_ERROR, MAX_NAME, TaskStanding, longest

logger = logging.getLogger(__name__)

NOT_ENDED = "The run did not end: its worker was killed."

# When the runs of this process began, by their id, in monotonic seconds.
_began: dict[str, float] = {}


def listen() -> None:
    """Have Celery's signals written down from now on."""
    signals.task_prerun.connect(on_start, dispatch_uid="standings")
    signals.task_postrun.connect(on_end, dispatch_uid="standings")
    signals.task_failure.connect(on_failure, dispatch_uid="standings")


def on_start(sender: Any, task_id: str, **_: Any) -> None:
    _began[task_id] = time.monotonic()
    _write(sender, lambda: started(sender.name, at=timezone.now()))


def on_end(sender: Any, task_id: str, state: str | None = None, retval: Any = None, **_: Any) -> None:
    took = _took(task_id)
    _began.pop(task_id, None)
    if state == states.SUCCESS:
        rows = retval if isinstance(retval, int) and not isinstance(retval, bool) else None
        _write(sender, lambda: succeeded(sender.name, at=timezone.now(), took=took, rows=rows))


def on_failure(sender: Any, task_id: str, exception: BaseException, **_: Any) -> None:
    """Sent where the task ran, or by the worker's parent process for one whose process was killed."""
    took, error = _took(task_id), f"{type(exception).__name__}: {exception}"
    _write(sender, lambda: failed(sender.name, at=timezone.now(), took=took, error=error))


def started(name: str, *, at: datetime) -> None:
    """A run of the task `name` begins; a run before it that did not end has failed."""
    TaskStanding.objects.filter(name=name).left_off(at=at).update(
        last_failed_at=F("last_started_at") + longest(),
        last_error=NOT_ENDED,
        failures_in_a_row=F("failures_in_a_row") + 1,
        failures=F("failures") + 1,
    )
    _put(name, last_started_at=_later("last_started_at", at), runs=F("runs") + 1)


def succeeded(name: str, *, at: datetime, took: timedelta | None, rows: int | None) -> None:
    """A run of the task `name` has done `rows` rows (None: it does not say)."""
    _put(
        name,
        last_succeeded_at=_later("last_succeeded_at", at),
        last_duration=took,
        last_rows=rows,
        failures_in_a_row=0,
    )


def failed(name: str, *, at: datetime, took: timedelta | None, error: str) -> None:
    """A run of the task `name` ended with `error`, which is scrubbed and cut."""
    _put(
        name,
        last_failed_at=_later("last_failed_at", at),
        last_duration=took,
        last_error=scrubbing.text(error).replace("\x00", "")[:MAX_ERROR],
        failures_in_a_row=F("failures_in_a_row") + 1,
        failures=F("failures") + 1,
    )


def _put(name: str, **values: Any) -> None:
    """Change the task's row, which the database does one after the other; the first run makes it."""
    row = TaskStanding.objects.filter(name=name[:MAX_NAME])
    if not row.update(**values):
        TaskStanding.objects.bulk_create([TaskStanding(name=name[:MAX_NAME])], ignore_conflicts=True)
        row.update(**values)


def _later(column: str, at: datetime) -> Any:
    """The later of what is there and `at`: runs in parallel may come here in any order."""
    return Greatest(F(column), Value(at))


def _took(task_id: str) -> timedelta | None:
    began = _began.get(task_id)
    return None if began is None else timedelta(seconds=time.monotonic() - began)


def _write(task: Any, write: Callable[[], None]) -> None:
    # Between two tasks a worker keeps no connection: the one it has may have been cut meanwhile.
    eager = task.request.is_eager
    try:
        if not eager:
            close_old_connections()
        with transaction.atomic():
            write()
    except (DatabaseError, InterfaceError) as wrong:
        logger.warning("the standing of %s was not written: %s", task.name, wrong)
    finally:
        if not eager:
            close_old_connections()

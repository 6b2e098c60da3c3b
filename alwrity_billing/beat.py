"""Beat as this project runs it: django-celery-beat's, with the table of `celery.py` as what it begins with.

django-celery-beat writes the code's schedule over that of its table at every start, keeps what the code no
longer has, passes over nightly tasks whose hour is long gone, and counts a task as done that the broker did
not take. Here staff's changes stay, what the code dropped goes, and what was missed is made up for.
"""

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from celery import current_app
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from alwrity_billing.models import ClockDefault
from alwrity_billing.schedules import spelled

logger = logging.getLogger(__name__)

TABLE_LOCK = 0x_62_65_61_74
# Celery puts it into every schedule; ours has the same under a name of its own.
CELERYS_OWN = "celery.backend_cleanup"
# How long a task that the broker did not take waits for the next attempt.
RETRY_S = 5

Table = Mapping[str, Mapping[str, Any]]


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # django-celery-beat has no types
    """Any number may run at once: each sends every task, and tasks may run twice."""

    _refused = False

    def setup_schedule(self) -> None:
        bring_up_to_date(self.app.conf.beat_schedule, at=timezone.now())

    def _get_crontab_exclude_query(self) -> Q:
        """Leave out nothing: a nightly task that was missed is due, whatever the hour."""
        return Q(pk__in=[])

    def tick(self, *args: Any, **kwargs: Any) -> float:
        self._refused = False
        wait: float = super().tick(*args, **kwargs)
        if not self._refused:
            return wait
        # From the rows again, where what was not sent is still due.
        self.sync()
        self._schedule = self.all_as_schedule()
        self._heap = None
        return RETRY_S

    def apply_entry(self, entry: ModelEntry, producer: Any = None) -> None:
        """Send the task; one that the broker does not take has not run."""
        logger.info("sending due task %s (%s)", entry.name, entry.task)
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except Exception as refused:  # whatever a transport raises means the same here
            logger.warning("%s waits, the broker does not take it: %s", entry.name, refused)
            entry.model.last_run_at = entry.last_run_at
            entry.model.total_run_count -= 1
            self._dirty.add(entry.name)
            self._refused = True


def bring_up_to_date(table: Table, *, at: datetime) -> None:
    """Have the database's schedule contain `table`, as far as staff did not decide otherwise.

    A new entry is added; a new default replaces the one before, unless staff changed it; whether an entry is
    switched on, and every entry that staff added, is left alone. What the code no longer has is removed.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [TABLE_LOCK])
        defaults = {default.name: default for default in ClockDefault.objects.all()}
        related = PeriodicTask.objects.select_related("interval", "crontab", "solar", "clocked")
        rows = {row.name: row for row in related.filter(name__in=[*table, *defaults, CELERYS_OWN])}
        for name, entry in table.items():
            _bring(name, entry, row=rows.get(name), default=defaults.get(name), at=at)
        gone = (defaults.keys() | {CELERYS_OWN}) - table.keys()
        for row in (rows[name] for name in gone if name in rows):
            row.delete()
        ClockDefault.objects.filter(name__in=gone).delete()


def back_to_default(row: PeriodicTask) -> None:
    """Let the entry run when the code says. For entries of the table only."""
    ModelEntry.from_entry(row.name, app=current_app, **current_app.conf.beat_schedule[row.name])


def _bring(
    name: str,
    entry: Mapping[str, Any],
    *,
    row: PeriodicTask | None,
    default: ClockDefault | None,
    at: datetime,
) -> None:
    wanted = spelled(entry["schedule"])
    present = "" if row is None else spelled(row.schedule)
    by_staff = row is not None and default is not None and present != default.schedule
    if row is None or (present != wanted and not by_staff):
        ModelEntry.from_entry(name, app=current_app, **entry)
    elif (row.task, row.args, row.kwargs) != (told := _what(entry)):
        row.task, row.args, row.kwargs = told
        row.save(update_fields=["task", "args", "kwargs"])
    if default is None or default.schedule != wanted:
        ClockDefault.objects.update_or_create(
            name=name, defaults={"schedule": wanted}, create_defaults={"schedule": wanted, "added_at": at}
        )


def _what(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """The entry's task and arguments as django-celery-beat keeps them."""
    return entry["task"], json.dumps(entry.get("args") or []), json.dumps(entry.get("kwargs") or {})

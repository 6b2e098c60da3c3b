"""How the clock stands: what came of each task, and what the code says about when it runs."""

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest

MAX_NAME = 200
MAX_ERROR = 500


class TaskStandings(models.QuerySet["TaskStanding"]):
    """The standings of many tasks."""

    def left_off(self, *, at: datetime) -> Self:
        """Those whose last run did not end: it began longer ago than a task may take. As `did_not_end`."""
        ended = Greatest("last_succeeded_at", "last_failed_at")
        return self.alias(ended=ended).filter(
            Q(ended=None) | Q(ended__lt=F("last_started_at")), last_started_at__lt=at - longest()
        )


class TaskStanding(models.Model):
    """What came of a task's runs, however they were begun. Written by `alwrity_billing.task_standings`."""

    name = models.CharField(max_length=MAX_NAME, help_text="The task's dotted name.")
    last_started_at = models.DateTimeField(null=True)
    last_succeeded_at = models.DateTimeField(null=True)
    last_failed_at = models.DateTimeField(null=True)
    last_duration = models.DurationField(null=True, help_text="Of the run that ended last.")
    last_rows = models.BigIntegerField(null=True, help_text="What the last run that succeeded did.")
    last_error = models.CharField(max_length=MAX_ERROR, blank=True, default="")
    failures_in_a_row = models.PositiveIntegerField(default=0)
    runs = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveBigIntegerField(default=0)

    objects = TaskStandings.as_manager()

    class Meta:
        db_table = "task_standings"
        ordering = ["name"]
        verbose_name = "task standing"
        permissions = [("run_taskstanding", "Can run a task now")]
        constraints = [models.UniqueConstraint(fields=["name"], name="task_standing_one_per_task")]

    def __str__(self) -> str:
        return self.name

    def did_not_end(self, *, at: datetime) -> bool:
        """Whether the last run neither succeeded nor failed, though it is over: killed with its worker."""
        if self.last_started_at is None or self.last_started_at >= at - longest():
            return False
        ends = [end for end in (self.last_succeeded_at, self.last_failed_at) if end is not None]
        return not ends or max(ends) < self.last_started_at


class ClockDefault(models.Model):
    """What the code last said of an entry of the clock: how beat tells staff's changes from its own.

    Beat writes a row for each entry of `alwrity_billing/celery.py` beside the one django-celery-beat has.
    """

    name = models.CharField(max_length=MAX_NAME, help_text="The entry's name.")
    schedule = models.CharField(max_length=MAX_NAME, help_text="As `alwrity_billing.schedules` spells it.")
    added_at = models.DateTimeField()

    class Meta:
        db_table = "clock_defaults"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["name"], name="clock_default_one_per_entry")]

    def __str__(self) -> str:
        return f"{self.name}: {self.schedule}"


def longest() -> timedelta:
    """How long a task may take: then its worker is killed."""
    return timedelta(seconds=settings.CELERY_TASK_TIME_LIMIT)

"""Reports of totals that were compared with the log, and repairing what one found."""

from collections import Counter
from datetime import datetime

from django.contrib.auth.models import User

from usage import drift
from usage.models import DriftReport

# So many differences are kept in words; the rest is counted.
MAX_KEPT = 50


def check(*, start: datetime, end: datetime, at: datetime) -> DriftReport:
    """Compare the totals and limits in [start, end), whole hours, with the log, and keep what was found."""
    found = drift.check(start=start, end=end)
    return DriftReport.objects.create(
        checked_at=at,
        start=start,
        end=end,
        found=len(found),
        by_kind=dict(Counter(each.kind for each in found)),
        differences=[str(each) for each in found[:MAX_KEPT]],
    )


def repair(report: DriftReport, *, by: User, at: datetime) -> list[str]:
    """Set what differs now in the report's hours to what the log says; returns the first of it, in words.

    Compares again: since the report something may have been repaired, or more have drifted. The report keeps
    how much that was and what is left. Repairing twice is harmless.
    """
    found = drift.check(start=report.start, end=report.end)
    drift.repair(found, start=report.start, end=report.end)
    report.repaired_at, report.repaired_by, report.repaired = at, by, len(found)
    report.left = len(drift.check(start=report.start, end=report.end))
    report.save(update_fields=["repaired_at", "repaired_by", "repaired", "left"])
    return [str(each) for each in found[:MAX_KEPT]]

"""Totals or limits that were found to differ from the log and have not been repaired."""

from collections.abc import Iterator
from datetime import datetime

from alerts.core.findings import Finding, Recovery, Severity
from alerts.core.rules import DRIFT
from alerts.raising import Found
from usage.models import DriftReport

RULE = DRIFT


def find(*, at: datetime) -> Iterator[Found]:
    """What the newest comparison found, until it is repaired or a later one finds nothing."""
    report = DriftReport.objects.order_by("-id").first()
    if report is None or not report.found or (report.repaired_at is not None and not report.left):
        return
    kinds = ", ".join(f"{count} of kind {kind}" for kind, count in sorted(report.by_kind.items()))
    yield (
        None,
        Finding(
            subject="drift",
            occasion=f"report {report.pk}",
            severity=Severity.ERROR,
            title=f"{report.found} totals or limits differ from the log",
            message=f"{kinds}. A difference is a bug: the report shows what differs, and repairs it.",
            facts={"count": str(report.found)},
            path=f"/admin/usage/driftreport/{report.pk}/change/",
            recovery=Recovery(
                title="Totals and limits equal the log again", message="Nothing differs any more."
            ),
        ),
    )

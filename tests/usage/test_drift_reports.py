"""What the nightly comparison found is kept, and repaired with one click."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from tests.support.cast import a_user, an_account, an_event
from tests.support.prices import an_entry, load
from tests.support.staff_invoices import a_clerk, history, offered
from usage import drift_reports, tasks
from usage.ingest import ingest
from usage.models import DriftReport, UsageSummary

pytestmark = pytest.mark.django_db

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
AT = START + timedelta(days=14)


@pytest.fixture(autouse=True)
def _usage() -> None:
    load(an_entry(model="gpt-4o"))
    an_account("acme")
    ingest([an_event(f"e{number}", at=AT) for number in range(5)], at=AT)


def drifted() -> DriftReport:
    UsageSummary.objects.update(calls=9)
    return drift_reports.check(start=START, end=END, at=AT)


def calls() -> int:
    return UsageSummary.objects.get().calls


def test_a_report_keeps_how_many_drifted_and_which() -> None:
    report = drifted()

    assert (report.found, report.by_kind) == (1, {"summary": 1})
    assert report.differences[0].endswith("calls is 9, the log says 5")


def test_no_drift_is_a_report_too() -> None:
    report = drift_reports.check(start=START, end=END, at=AT)

    assert (report.found, report.by_kind, report.differences) == (0, {}, [])


def test_a_repair_sets_what_differs_and_says_who_did_it() -> None:
    report, sam = drifted(), a_user("sam")

    told = drift_reports.repair(report, by=sam, at=AT)

    assert calls() == 5
    assert len(told) == 1
    assert (report.repaired, report.left, report.repaired_by, report.repaired_at) == (1, 0, sam, AT)


def test_a_second_repair_finds_nothing() -> None:
    report, sam = drifted(), a_user("sam")
    drift_reports.repair(report, by=sam, at=AT)

    assert drift_reports.repair(report, by=sam, at=AT) == []
    assert calls() == 5


def test_the_nightly_task_returns_how_many_drifted() -> None:
    ingest([an_event("now", at=None)], at=datetime.now(UTC))
    assert tasks.check_recent_totals() == 0

    UsageSummary.objects.update(calls=9)
    assert tasks.check_recent_totals() == DriftReport.objects.first().found > 0  # type: ignore[union-attr]


def test_staff_repair_a_report_and_its_history_says_what_was_done() -> None:
    report, clerk = drifted(), a_clerk("repair_driftreport")
    page = reverse("admin:usage_driftreport_change", args=[report.pk])
    assert offered(clerk, page, {"repair"}) == {"repair"}
    assert "calls is 9, the log says 5" in clerk.get(page).content.decode()

    clerk.post(reverse("admin:usage_driftreport_repair", args=[report.pk]))

    assert calls() == 5
    assert DriftReport.objects.get().repaired_by == User.objects.get(username="clerk")
    assert history()[0].startswith("1 repaired, 0 left: summary of account")


def test_without_the_permission_nothing_is_repaired() -> None:
    report, viewer = drifted(), a_clerk()

    assert viewer.post(reverse("admin:usage_driftreport_repair", args=[report.pk])).status_code == 403
    assert offered(viewer, reverse("admin:usage_driftreport_change", args=[report.pk]), {"repair"}) == set()
    assert calls() == 9

"""Totals against the log: what is reported, and what a repair sets right."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.support.cast import NOW, an_account, an_event
from tests.support.ledger import assert_totals_equal_the_log
from tests.support.prices import an_entry, load
from usage import drift, tasks
from usage.ingest import ingest
from usage.models import APIUsageLog, UsageRollup, UsageSummary

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
RANGE = ("--from=2026-03-01", "--to=2026-04-01")
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _usage() -> None:
    load(an_entry(model="gpt-4o"))
    for external_id in ("acme", "globex"):
        an_account(external_id)
        ingest(
            [
                an_event(f"e{number}", subject=external_id, at=NOW - timedelta(days=number))
                for number in range(5)
            ],
            at=NOW,
        )


def found() -> list[drift.Drift]:
    return drift.check(start=START, end=END)


def command(*options: str) -> str:
    out = StringIO()
    call_command("check_totals", *RANGE, *options, stdout=out)
    return out.getvalue()


def test_totals_as_recorded_show_no_drift() -> None:
    assert found() == []
    assert "equal the log" in command()


def test_a_changed_total_is_reported_with_both_values() -> None:
    UsageSummary.objects.filter(account__external_id="acme").update(calls=9, cost=Decimal("0.1"))
    [difference] = found()

    assert difference.kind == "summary"
    assert difference.differences == {
        "calls": (Decimal(9), Decimal(5)),
        "cost": (Decimal("0.1"), Decimal("0.0175")),  # 5 × 0.0035
    }


@pytest.mark.parametrize("change", ["log row gone", "log row dearer", "rollup gone", "rollup invented"])
def test_any_difference_is_found_and_repaired(change: str) -> None:
    match change:
        case "log row gone":
            APIUsageLog.objects.filter(event_id="e2").delete()
        case "log row dearer":
            APIUsageLog.objects.filter(event_id="e2").update(cost=1)
        case "rollup gone":
            UsageRollup.objects.filter(hour__lt=NOW).delete()
        case "rollup invented":
            row = UsageRollup.objects.all()[0]
            row.hour += timedelta(hours=1)
            row.save(force_insert=True)

    assert found()
    assert "repaired" in command("--repair")
    assert found() == []
    assert_totals_equal_the_log()


def test_drift_that_is_not_repaired_fails_the_command() -> None:
    UsageSummary.objects.update(calls=9)

    with pytest.raises(CommandError, match="2 differences"):
        command()


def test_the_check_can_be_confined_to_one_account() -> None:
    UsageSummary.objects.filter(account__external_id="globex").update(calls=9)

    assert "equal the log" in command("--account=acme")
    with pytest.raises(CommandError, match="1 differences"):
        command("--account=globex")


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("--account=nobody", "nobody"),
        ("--from=2026-04-01", "before --to"),
        ("--from=yesterday", "invalid day value"),
    ],
)
def test_what_cannot_be_checked_is_said(option: str, complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        command(option)


def test_a_repair_leaves_other_accounts_alone() -> None:
    UsageSummary.objects.update(calls=9)
    drift.repair([each for each in found() if each.account_id == found()[0].account_id], start=START, end=END)

    assert len(found()) == 1


def test_the_nightly_task_reports_drift_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    ingest([an_event("now", at=None)], at=datetime.now(UTC))
    UsageSummary.objects.update(calls=9)
    tasks.check_recent_totals()

    assert "drifted" in caplog.text

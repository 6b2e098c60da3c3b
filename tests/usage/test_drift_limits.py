"""The counters of limits against the log and the open holds: what is reported, what a repair sets right."""

from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.support.authorizing import a_limit, an_operation, ask, counters, limit, settle
from tests.support.cast import NOW, an_account, an_event
from tests.support.invariants import END, START
from tests.support.recording import prepare, record
from usage import drift
from usage.models import Account, APIUsageLog, Hold, UsageLimit

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOW + timedelta(seconds=75)
WINDOWS = ["concurrent", "second", "minute", "hour", "day", "period"]


@pytest.fixture(autouse=True)
def world() -> None:
    """Each window's limit has used and holds something, of its present window and of the one before."""
    prepare()
    limit(*(a_limit(100, window=window) for window in WINDOWS), a_limit("1", "cost"))
    record(an_event("before"))
    ask(an_operation(calls=3))
    settle(ask(at=LATER), "settled", at=LATER)
    ask(an_operation("tavily", ""), at=LATER)


def found() -> list[drift.Drift]:
    return drift.check(start=START, end=END)


def repair() -> None:
    drift.repair(found(), start=START, end=END)


def test_counters_as_they_were_moved_show_no_drift() -> None:
    assert found() == []


@pytest.mark.parametrize("column", ["used", "held", "previous"])
@pytest.mark.parametrize("window", WINDOWS)
def test_a_counter_that_was_changed_is_reported_with_both_values(window: str, column: str) -> None:
    name = f"everything_calls_{window}"
    expected = getattr(UsageLimit.objects.get(name=name), column)
    UsageLimit.objects.filter(name=name).update(**{column: 77})

    (difference,) = found()

    assert (difference.kind, difference.key) == ("limit", f"{name}, source plan")
    assert difference.differences == {column: (Decimal(77), expected)}


@pytest.mark.parametrize("change", ["a call gone", "a call dearer", "a hold gone", "counters gone"])
def test_any_difference_is_found_and_repaired(change: str) -> None:
    match change:
        case "a call gone":
            APIUsageLog.objects.filter(event_id="settled").delete()
        case "a call dearer":
            APIUsageLog.objects.filter(event_id="settled").update(cost=Decimal("0.5"))
        case "a hold gone":
            Hold.objects.filter(provider="tavily").delete()
        case "counters gone":
            UsageLimit.objects.update(used=0, held=0, previous=0)

    assert any(each.kind == "limit" for each in found())
    repair()

    assert found() == []


def test_a_repair_gives_every_counter_back() -> None:
    before = list(UsageLimit.objects.order_by("id").values())
    UsageLimit.objects.update(used=1, held=2, previous=3)

    repair()

    assert list(UsageLimit.objects.order_by("id").values()) == before


def test_repaired_limits_go_on_counting() -> None:
    UsageLimit.objects.update(used=0, held=0, previous=0)
    repair()

    record(an_event("after", at=LATER), at=LATER)

    # The two calls before and this one; three and one are held.
    assert counters("everything_calls_period", at=LATER) == (3, 4)
    assert found() == []


@pytest.mark.parametrize(
    "time", [NOW - timedelta(hours=3), NOW - timedelta(seconds=10), LATER + timedelta(minutes=4)]
)
def test_usage_that_comes_late_or_too_early_is_no_drift(time: datetime) -> None:
    record(an_event("odd", at=time), at=LATER)

    assert found() == []


def test_a_period_that_has_ended_is_not_taken_for_drift() -> None:
    april = NOW + timedelta(days=20)

    record(an_event("april", at=april), at=april)

    assert counters("everything_calls_period", at=april) == (1, 4)
    assert found() == []


def test_the_check_can_be_confined_to_one_account() -> None:
    other = an_account("other")
    UsageLimit.objects.filter(account__external_id="acme").update(used=9)

    assert drift.check(start=START, end=END, account_id=other.pk) == []
    assert drift.check(start=START, end=END, account_id=Account.objects.get(external_id="acme").pk)


def test_the_command_reports_and_repairs_limits() -> None:
    UsageLimit.objects.filter(name="everything_cost_period").update(used=9)
    options = ("--from=2026-03-01", "--to=2026-04-01")

    with pytest.raises(CommandError, match="1 differences"):
        call_command("check_totals", *options, stdout=StringIO())
    call_command("check_totals", *options, "--repair", stdout=StringIO())

    assert found() == []

"""Recording usage: what becomes of one event, and of its neighbours in the batch."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.cast import NOW, an_account, an_event
from tests.support.ledger import assert_nothing_recorded, assert_totals_equal_the_log
from tests.support.recording import prepare, record, the_row
from usage.core.errors import InvalidRequest, TrackingException
from usage.events import Outcome, ReportedCost, Tags, Units, UsageEvent
from usage.ingest import Window
from usage.models import Account, APIUsageLog, BillingPeriod, UsageRollup, UsageSummary

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _world() -> None:
    prepare()


def test_a_recorded_event_answers_with_its_exact_cost() -> None:
    [outcome] = record(an_event(input_tokens=1_000, output_tokens=100))

    # 1000 × 2.50/M + 100 × 10/M
    assert outcome == Outcome(
        index=0, outcome="recorded", source="tests", id="e1", cost="0.0035", currency="USD"
    )


def test_the_log_keeps_everything_the_event_said() -> None:
    record(
        an_event(
            input_tokens=1_000,
            cached_input_tokens=300,
            cache_write_tokens=200,
            output_tokens=100,
            reasoning_tokens=60,
            response_model="gpt-4o-2024-08-06",
            endpoint="/v1/chat/completions",
            method="POST",
            request_type="chat",
            response_time=1.2345,
            request_size=512,
            response_size=2048,
            retry_count=2,
            end_user="u-7",
            tags=Tags(team="search", project="bot", department="r&d"),
            authorization="auth-1",
        ),
        at=NOW + timedelta(minutes=3),
    )
    row = the_row()

    assert (row.input_tokens, row.cached_input_tokens, row.cache_write_tokens) == (1_000, 300, 200)
    assert (row.output_tokens, row.reasoning_tokens, row.requests) == (100, 60, 1)
    assert (row.provider, row.provider_name, row.model, row.model_used) == (
        "openai",
        "openai",
        "gpt-4o",
        "gpt-4o-2024-08-06",
    )
    assert (row.endpoint, row.method, row.request_type) == ("/v1/chat/completions", "POST", "chat")
    assert (row.response_time_ms, row.request_size, row.response_size, row.retry_count) == (
        1234,
        512,
        2048,
        2,
    )
    assert (row.team, row.project, row.department, row.end_user) == ("search", "bot", "r&d", "u-7")
    assert (row.occurred_at, row.recorded_at) == (NOW, NOW + timedelta(minutes=3))
    assert (row.source, row.event_id, row.authorization) == ("tests", "e1", "auth-1")
    assert (row.cost_input, row.cost_output, row.cost) == (
        Decimal("0.0025"),
        Decimal("0.001"),
        Decimal("0.0035"),
    )
    assert row.price is not None
    assert row.price.model_name == "gpt-4o"


def test_an_event_without_a_time_happened_when_it_was_recorded() -> None:
    record(an_event(at=None))

    assert the_row().occurred_at == NOW


def test_an_event_without_a_time_is_the_same_event_later() -> None:
    record(an_event(at=None))
    [again] = record(an_event(at=None), at=NOW + timedelta(hours=1))

    assert again.outcome == "replayed"


def test_a_replay_answers_as_the_first_time_and_counts_nothing() -> None:
    [first] = record(an_event())
    [again] = record(an_event(), at=NOW + timedelta(days=1))

    assert again == msgspec.structs.replace(first, outcome="replayed")
    assert APIUsageLog.objects.count() == UsageSummary.objects.get().calls == 1


@pytest.mark.parametrize(
    "other",
    [
        an_event(input_tokens=1_001),
        an_event(at=NOW + timedelta(microseconds=1)),
        an_event(tags=Tags(team="x")),
        an_event(cost=ReportedCost(source="provider", amount="0.0035")),
    ],
)
def test_the_same_id_with_other_content_is_a_conflict(other: UsageEvent) -> None:
    record(an_event())
    [outcome] = record(other)

    assert (outcome.outcome, outcome.code, outcome.pointer) == ("conflict", "event_conflict", "/id")
    assert outcome.cost is None
    assert UsageSummary.objects.get().calls == 1


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (an_event(at=NOW), an_event(at=NOW.astimezone(timezone(timedelta(hours=1))))),
        (an_event(units=Units(seconds=12)), an_event(units=Units(seconds="12.0"))),
        (an_event(subject=""), an_event(subject="acme")),
    ],
    ids=["other timezone", "other spelling of seconds", "subject left out"],
)
def test_the_same_event_in_another_spelling_is_a_replay(first: UsageEvent, again: UsageEvent) -> None:
    acme = Account.objects.get()
    outcomes = record(first, account=acme) + record(again, account=acme)

    assert [outcome.outcome for outcome in outcomes] == ["recorded", "replayed"]


def test_the_same_id_from_another_source_or_account_is_another_event() -> None:
    an_account("globex")
    outcomes = record(an_event(), an_event(source="other"), an_event(subject="globex"))

    assert [outcome.outcome for outcome in outcomes] == ["recorded"] * 3


def test_an_event_twice_in_one_batch_is_recorded_once() -> None:
    outcomes = record(an_event(), an_event(), an_event(input_tokens=7))

    assert [outcome.outcome for outcome in outcomes] == ["recorded", "replayed", "conflict"]
    assert UsageSummary.objects.get().calls == 1


def test_a_bad_event_is_named_and_the_others_are_recorded() -> None:
    outcomes = record(an_event("1"), an_event("2", model="gpt-99"), an_event("3"))

    assert [outcome.outcome for outcome in outcomes] == ["recorded", "rejected", "recorded"]
    assert (outcomes[1].index, outcomes[1].id, outcomes[1].code) == (1, "2", "price_unknown")
    assert APIUsageLog.objects.count() == 2


def test_the_window_takes_its_bounds_and_nothing_beyond() -> None:
    window = Window(earliest=NOW - timedelta(days=35), latest=NOW)
    times = [
        window.earliest - timedelta(microseconds=1),
        window.earliest,
        window.latest,
        window.latest + timedelta(microseconds=1),
    ]
    outcomes = record(*(an_event(str(time), at=time) for time in times), window=window)

    assert [outcome.outcome for outcome in outcomes] == ["rejected", "recorded", "recorded", "rejected"]


def test_one_accounts_credential_reaches_no_other_subject() -> None:
    acme, globex = an_event("1"), an_event("2", subject="globex")
    account = an_account("initech")
    outcomes = record(
        acme, globex, an_event("3", subject=""), an_event("4", subject="initech"), account=account
    )

    assert [outcome.outcome for outcome in outcomes] == ["rejected", "rejected", "recorded", "recorded"]
    # acme exists, globex does not: the answer is the same
    assert (outcomes[0].message or "").replace("acme", "globex") == outcomes[1].message


def test_totals_are_kept_per_period_and_provider_and_per_hour_and_dimension() -> None:
    record(
        an_event("1"),
        an_event("2", at=NOW - timedelta(hours=1)),
        an_event("3", tags=Tags(team="a")),
        an_event("4", provider="tavily", model=""),
        an_event("5", status_code=500, response_time=2),
    )

    assert {(s.provider, s.calls, s.errors) for s in UsageSummary.objects.all()} == {
        ("openai", 4, 1),
        ("tavily", 1, 0),
    }
    assert UsageRollup.objects.count() == 4
    assert UsageRollup.objects.get(team="a").calls == 1
    assert UsageSummary.objects.get(provider="openai").timed_calls == 1
    assert_totals_equal_the_log()


def test_dimensions_that_read_alike_when_joined_are_told_apart() -> None:
    record(
        an_event("1", tags=Tags(team="a,b", project="c")),
        an_event("2", tags=Tags(team="a", project="b,c")),
        an_event("3", tags=Tags(team='a"', project="")),
        an_event("4", tags=Tags(team="a", project='"')),
    )

    assert UsageRollup.objects.count() == 4


def test_usage_lands_in_the_period_open_when_it_is_recorded() -> None:
    record(an_event("late", at=NOW - timedelta(days=20)), at=NOW)
    period = BillingPeriod.objects.get()

    assert (period.period_start, period.period_end) == (
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 4, 1, tzinfo=UTC),
    )
    assert the_row().billing_period == UsageSummary.objects.get().billing_period == period
    assert UsageRollup.objects.get().hour == datetime(2026, 2, 23, 12, tzinfo=UTC)


def test_the_hour_of_a_rollup_is_utc() -> None:
    record(an_event(at=datetime(2026, 3, 15, 0, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))))

    assert UsageRollup.objects.get().hour == datetime(2026, 3, 14, 19, tzinfo=UTC)


@pytest.mark.parametrize("size", [0, 10_001])
def test_a_batch_has_bounds(size: int) -> None:
    with pytest.raises(InvalidRequest, match="10000"):
        record(*[an_event()] * size)


def test_an_event_built_in_python_beyond_its_bounds_records_nothing_of_the_batch() -> None:
    with pytest.raises(TrackingException):
        record(an_event("1"), an_event("2", status_code=99_999))
    assert_nothing_recorded()


def test_a_batch_costs_the_same_number_of_queries_whatever_its_size() -> None:
    record(an_event("first"))
    with CaptureQueriesContext(connection) as one:
        record(an_event("one"))
    with CaptureQueriesContext(connection) as many:
        record(*(an_event(str(number)) for number in range(200)))

    assert len(many) == len(one) > 0

"""Usage as CSV: the same numbers as everywhere, whatever is in the names, however much there is."""

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.db import connection

from tests.support import log_pages
from tests.support.cast import NOW, an_account, an_event
from tests.support.csv_files import most_memory, rows_of, total
from tests.support.recording import prepare, record
from tests.support.usage_rows import MARCH, a_log_row, a_period, a_rollup
from usage import analytics, browsing, exports, streaming
from usage.analytics import Dimension, Selection
from usage.browsing import Question
from usage.core.money import format_amount
from usage.events import Tags
from usage.models import Account
from usage.queries import Interval

pytestmark = pytest.mark.django_db

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = NOW.replace(hour=0)


def around_now(account: Account, **asked: object) -> Question:
    days = {"start": NOW - DAY, "end": NOW + DAY}
    return Question(account=account, **{**days, **asked})  # type: ignore[arg-type]


def in_march(account: Account, **only: str) -> Selection:
    picked = {Dimension(name): value for name, value in only.items()}
    return Selection(account=account, start=MARCH, end=MARCH + 31 * DAY, only=picked)


# --- Calls ---------------------------------------------------------------------------------------------


def test_a_call_is_told_with_all_that_the_log_has_of_it() -> None:
    prepare()
    tags = Tags(team="research", project="atlas", department="sales")
    record(an_event(request_type="chat", end_user="u-7", tags=tags, response_time=1.5))

    (row,) = rows_of(exports.calls_csv(around_now(Account.objects.get())))

    assert (
        row
        | {
            "occurred_at": "2026-03-15T12:00:00Z",
            "event_id": "e1",
            "source": "tests",
            "provider": "openai",
            "model": "gpt-4o",
            "request_type": "chat",
            "input_tokens": "1000",
            "cached_input_tokens": "",
            "output_tokens": "100",
            "response_time_ms": "1500",
            "cost": "0.0035",
            "cost_source": "local",
            "currency": "USD",
            "team": "research",
            "project": "atlas",
            "department": "sales",
            "member": "u-7",
        }
        == row
    )


@pytest.mark.parametrize(("first", "at_a_time"), [(1, 1), (1, 2), (2, 2), (1, 10), (10, 10)])
def test_the_calls_are_those_of_the_pages_in_their_order(
    first: int, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are read at a time, and in the beginning."""
    monkeypatch.setattr(browsing, "FIRST_AT_ONCE", first)
    monkeypatch.setattr(exports, "CALLS_AT_A_TIME", at_a_time)
    period = a_period(an_account())
    for number in range(5):
        a_log_row(period, event_id=f"e{number}", at=NOW - number * HOUR, status_code=200 + 300 * (number % 2))
    question = around_now(period.account, failed=False)

    told = [row["event_id"] for row in rows_of(exports.calls_csv(question))]

    assert told == [row.event_id for row in browsing.page(question, limit=10).rows] == ["e0", "e2", "e4"]


def test_a_call_that_is_found_by_its_name_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "CALLS_AT_A_TIME", 1)
    monkeypatch.setattr(browsing, "MAX_LOOKED_THROUGH", 1)
    prepare()
    record(*(an_event(name, at=NOW - number * HOUR) for number, name in enumerate(("a", "wanted", "b"))))

    told = rows_of(exports.calls_csv(around_now(Account.objects.get(), name="wanted")))

    assert [row["event_id"] for row in told] == ["wanted"]


HOSTILE = 'a "quoted", name\r\nover two lines; ünïcode ☃'


def test_texts_survive_whatever_is_in_them_and_run_in_no_spreadsheet() -> None:
    period = a_period(an_account())
    a_log_row(period, error_message=HOSTILE, team="=cmd|' /C calc'!A0", project="-1+1", end_user="@SUM(A1)")

    (row,) = rows_of(exports.calls_csv(around_now(period.account)))

    assert row["error_message"] == HOSTILE
    assert (row["team"], row["project"], row["member"]) == ("'=cmd|' /C calc'!A0", "'-1+1", "'@SUM(A1)")


def test_lines_end_as_rfc_4180_has_it() -> None:
    period = a_period(an_account())
    a_log_row(period)
    told = b"".join(exports.calls_csv(around_now(period.account)))
    assert told.count(b"\r\n") == told.count(b"\n") == 2
    assert told.endswith(b",USD\r\n")
    assert not told.startswith(b"\xef\xbb\xbf")


# --- Totals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (
            "hour",
            [
                ("2026-03-15T10:00:00Z", "2026-03-15T11:00:00Z", "openai", "2", "3"),
                ("2026-03-15T12:00:00Z", "2026-03-15T13:00:00Z", "openai", "1", "2"),
                ("2026-03-15T12:00:00Z", "2026-03-15T13:00:00Z", "tavily", "1", "0.5"),
                ("2026-03-16T00:00:00Z", "2026-03-16T01:00:00Z", "openai", "1", "1"),
            ],
        ),
        (
            "day",
            [
                ("2026-03-15T00:00:00Z", "2026-03-16T00:00:00Z", "openai", "3", "5"),
                ("2026-03-15T00:00:00Z", "2026-03-16T00:00:00Z", "tavily", "1", "0.5"),
                ("2026-03-16T00:00:00Z", "2026-03-17T00:00:00Z", "openai", "1", "1"),
            ],
        ),
        (
            "month",
            [
                ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "openai", "4", "6"),
                ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "tavily", "1", "0.5"),
            ],
        ),
    ],
)
def test_totals_are_told_by_interval_the_most_expensive_first(
    interval: Interval, expected: list[tuple[str, ...]]
) -> None:
    account = an_account()
    a_rollup(account, hour=NOW - 2 * HOUR, calls=2, cost="3")
    a_rollup(account, cost="2")
    a_rollup(account, provider="tavily", model="", cost="0.5")
    a_rollup(account, hour=TODAY + DAY, cost="1")

    told = rows_of(exports.usage_csv(in_march(account), interval=interval, by=Dimension.PROVIDER))

    names = ("interval_start", "interval_end", "provider", "calls", "cost")
    assert [tuple(row[name] for name in names) for row in told] == expected


def test_the_first_and_last_interval_are_those_of_the_selection() -> None:
    account = an_account()
    a_rollup(account)
    selection = Selection(account=account, start=NOW - HOUR, end=NOW + HOUR)

    (row,) = rows_of(exports.usage_csv(selection, interval="month", by=Dimension.PROVIDER))

    assert (row["interval_start"], row["interval_end"]) == ("2026-03-15T11:00:00Z", "2026-03-15T13:00:00Z")


@pytest.mark.parametrize("by", list(Dimension))
def test_the_totals_are_those_of_the_pages_by_every_dimension(by: Dimension) -> None:
    prepare()
    for number, team in enumerate(("red", "", "=blue")):
        tags = Tags(team=team)
        record(
            an_event(f"e{number}", tags=tags, end_user=f"u-{number % 2}", input_tokens=10**number),
            an_event(f"t{number}", tags=tags, provider="tavily", model=""),
        )
    selection = in_march(Account.objects.get())

    rows = rows_of(exports.usage_csv(selection, interval="day", by=by))

    groups = analytics.grouped(selection, by=by).groups
    told = {row[by.value].removeprefix("'"): (row["calls"], row["cost"]) for row in rows}
    assert told == {
        group.key: (str(group.totals.calls), format_amount(group.totals.cost)) for group in groups
    }
    assert total(rows, "cost") == analytics.totals(selection).cost > 0


def test_only_what_is_picked_is_told() -> None:
    account = an_account()
    a_rollup(account, model="gpt-4o", cost="1")
    a_rollup(account, model="o3", cost="2")

    (row,) = rows_of(
        exports.usage_csv(in_march(account, model="openai/o3"), interval="day", by=Dimension.MODEL)
    )

    assert (row["model"], row["cost"]) == ("openai/o3", "2")


def test_without_usage_there_is_the_first_line_alone() -> None:
    told = b"".join(exports.usage_csv(in_march(an_account()), interval="day", by=Dimension.TEAM))
    (header,) = csv.reader(StringIO(told.decode(), newline=""))
    assert header[:5] == ["interval_start", "interval_end", "team", "calls", "errors"]
    assert header[-2:] == ["cost", "currency"]


# --- However much there is -------------------------------------------------------------------------------

HOURS_OF_USAGE = """
INSERT INTO usage_rollups (account_id, hour, dimensions_hash, provider, model, endpoint, request_type, team,
    project, department, end_user, calls, errors, input_tokens, cached_input_tokens, cache_write_tokens,
    output_tokens, reasoning_tokens, requests, searches, images, pages, characters, seconds,
    response_time_ms, timed_calls, cost)
SELECT %(account)s, %(since)s::timestamptz + number * interval '1 minute' / 60, md5(number::text)::uuid,
    'openai', 'gpt-4o', '/v1/chat/completions', 'chat', '', '', '', 'user-' || number,
    1, 0, 1000, 0, 0, 100, 0, 1, 0, 0, 0, 0, 0, 1500, 1, 0.0035
FROM generate_series(1, %(rows)s) AS number
"""
FEW, MANY = 1_000, 10_000
ROOM_BYTES = 500_000


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows at a time, so that FEW are many of them already."""
    monkeypatch.setattr(exports, "CALLS_AT_A_TIME", 100)
    monkeypatch.setattr(streaming, "ROWS_AT_A_TIME", 100)


def members(account: Account, *, count: int, since: datetime) -> None:
    """So many end users of the account with a call each, a second apart."""
    with connection.cursor() as cursor:
        cursor.execute(HOURS_OF_USAGE, {"account": account.pk, "since": since, "rows": count})


def test_a_file_of_calls_needs_no_more_memory_than_a_part_of_it(small_pieces: None) -> None:
    account = an_account()
    log_pages.fill(a_period(account), rows=MANY, until=NOW, apart="1 second")

    newest = around_now(account, start=NOW - timedelta(seconds=FEW))
    few_bytes, for_few = most_memory(exports.calls_csv(newest))
    many_bytes, for_many = most_memory(exports.calls_csv(around_now(account)))

    assert many_bytes > 9 * few_bytes
    assert for_many < for_few + ROOM_BYTES


def test_a_file_of_totals_needs_no_more_memory_than_a_part_of_it(small_pieces: None) -> None:
    account, other = an_account("acme"), an_account("globex")
    members(account, count=FEW, since=MARCH)
    members(other, count=MANY, since=MARCH)

    few_bytes, for_few = most_memory(
        exports.usage_csv(in_march(account), interval="day", by=Dimension.MEMBER)
    )
    many_bytes, for_many = most_memory(
        exports.usage_csv(in_march(other), interval="day", by=Dimension.MEMBER)
    )

    assert many_bytes > 9 * few_bytes
    assert for_many < for_few + ROOM_BYTES


def test_the_first_lines_come_before_the_last_are_made() -> None:
    account = an_account()
    members(account, count=MANY, since=datetime(2026, 3, 1, tzinfo=UTC))
    pieces = exports.usage_csv(in_march(account), interval="day", by=Dimension.MEMBER)

    first = next(pieces)

    assert len(first) < 2 * exports.PIECE_CHARACTERS
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors WHERE name LIKE '\\_django\\_curs%%'")
        assert cursor.fetchone() == (1,)
        pieces.close()
        cursor.execute("SELECT count(*) FROM pg_cursors WHERE name LIKE '\\_django\\_curs%%'")
        assert cursor.fetchone() == (0,)
    assert Decimal(first.decode().splitlines()[1].split(",")[-2]) == Decimal("0.0035")

"""Which range of time an address asks for."""

from datetime import UTC, datetime, timedelta

import pytest

from alwrity_billing.dashboard.ranges import MOST_DAYS, Range, range_of

# A Sunday afternoon.
AT = datetime(2026, 3, 15, 14, 30, tzinfo=UTC)


def asked(**query: str) -> Range:
    found, errors = range_of({name.rstrip("_"): value for name, value in query.items()}, at=AT)
    assert errors == {}
    return found


@pytest.mark.parametrize(
    ("last", "start", "end", "before", "interval"),
    [
        # The running hour, day and month belong to what is asked for.
        ("24h", "2026-03-14 15", "2026-03-15 15", "2026-03-13 15", "hour"),
        ("7d", "2026-03-09 00", "2026-03-16 00", "2026-03-02 00", "day"),
        ("30d", "2026-02-14 00", "2026-03-16 00", "2026-01-15 00", "day"),
        ("90d", "2025-12-16 00", "2026-03-16 00", "2025-09-17 00", "day"),
        ("month", "2026-03-01 00", "2026-04-01 00", "2026-02-01 00", "day"),
        ("last_month", "2026-02-01 00", "2026-03-01 00", "2026-01-01 00", "day"),
        ("12m", "2025-04-01 00", "2026-04-01 00", "2024-04-01 00", "month"),
    ],
)
def test_a_named_range_ends_with_what_is_running(
    last: str, start: str, end: str, before: str, interval: str
) -> None:
    found = asked(last=last)

    assert [f"{each:%Y-%m-%d %H}" for each in (found.start, found.end, found.before)] == [start, end, before]
    assert found.interval == interval


def test_without_a_word_it_is_thirty_days() -> None:
    assert asked() == asked(last="30d")


def test_both_days_belong_to_a_range_between_them() -> None:
    found = asked(from_="2026-03-01", to="2026-03-02")

    assert (found.start, found.end) == (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))
    assert found.before == datetime(2026, 2, 27, tzinfo=UTC)
    assert (str(found.first_day), str(found.last_day)) == ("2026-03-01", "2026-03-02")
    assert found.words == "1 Mar 2026 – 2 Mar 2026"


def test_dates_go_before_a_name() -> None:
    assert asked(last="7d", from_="2026-03-01", to="2026-03-01").last == ""


def test_without_a_last_day_it_is_today() -> None:
    assert asked(from_="2026-03-15").end == datetime(2026, 3, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "interval", "shown"),
    [
        (1, "", "hour"),
        (2, "", "day"),
        (7, "hour", "hour"),
        (8, "hour", "day"),
        (100, "", "day"),
        (101, "day", "month"),
        (30, "month", "month"),
        (30, "week", "day"),
    ],
)
def test_an_interval_that_does_not_fit_is_exchanged(days: int, interval: str, shown: str) -> None:
    first = AT.date() - timedelta(days=days - 1)

    assert asked(from_=str(first), to=str(AT.date()), interval=interval).interval == shown


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"from": "yesterday"}, {"from": "Write the day as 2026-03-31."}),
        ({"to": "2026-02-30"}, {"to": "Write the day as 2026-03-31."}),
        ({"from": "0001-01-01"}, {"from": "Choose a year from 2000 to 2100."}),
        (
            {"from": "2026-03-02", "to": "2026-03-01"},
            {"from": "Choose a day that is not after the last one."},
        ),
        (
            {"from": "2020-01-01", "to": "2026-03-01"},
            {"from": f"At most {MOST_DAYS} days can be shown: choose a later first day."},
        ),
        ({"last": "7w"}, {"last": "Choose one of 24h, 7d, 30d, 90d, month, last_month, 12m."}),
    ],
)
def test_what_cannot_be_is_named_and_answered_with_the_usual(
    query: dict[str, str], wrong: dict[str, str]
) -> None:
    found, errors = range_of(query, at=AT)

    assert errors == wrong
    assert found.last == "30d"


@pytest.mark.parametrize(
    "query", [{"last": "12m", "interval": "month"}, {"from": "2026-03-01", "to": "2026-03-02"}]
)
def test_its_query_means_the_same_range(query: dict[str, str]) -> None:
    found, _ = range_of(query, at=AT)

    assert range_of(found.query, at=AT) == (found, {})

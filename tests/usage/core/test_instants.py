"""Times as files spell them."""

from datetime import UTC, datetime

import pytest

from usage.core.instants import parse_instant

SECOND = datetime(2023, 11, 16, 18, 17, 3, tzinfo=UTC)
WITH_FRACTION = SECOND.replace(microsecond=979_960)


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-16 18:17:03",
        "2023-11-16T18:17:03Z",
        "2023-11-16T20:17:03+02:00",
        "2023-11-16 18:17:03 UTC",
        "1700158623",
        "1700158623000",
    ],
)
def test_a_time_is_read_in_utc_whatever_its_spelling(text: str) -> None:
    assert parse_instant(text) == SECOND


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-16 18:17:03.97996",
        "2023-11-16 18:17:03.9799600",
        "2023-11-16 18:17:03.979960999",
        "1700158623.97996",
        "1700158623.979960999",
        "1700158623979.960",
        "1700158623979960",
        "1700158623979960999",
    ],
)
def test_fractions_are_cut_to_microseconds_not_rounded(text: str) -> None:
    assert parse_instant(text) == WITH_FRACTION


def test_a_date_alone_is_its_midnight() -> None:
    assert parse_instant("2023-11-16") == datetime(2023, 11, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "123456789", "2023-13-01", "9999-12-31T23:59:59-10:00", "999999999999", "٢٠٢٣"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither an ISO 8601 time nor Unix time"):
        parse_instant(text)

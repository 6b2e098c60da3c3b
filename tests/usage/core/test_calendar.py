from datetime import UTC, datetime, timedelta, timezone

import pytest

from usage.core.calendar import month_of


@pytest.mark.parametrize(
    ("instant", "start", "end"),
    [
        (
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2026, 2, 1, tzinfo=UTC),
        ),
        (
            datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
            datetime(2026, 12, 1, tzinfo=UTC),
            datetime(2027, 1, 1, tzinfo=UTC),
        ),
        # 1 March 00:30 at +01:00 is still February in UTC
        (
            datetime(2028, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))),
            datetime(2028, 2, 1, tzinfo=UTC),
            datetime(2028, 3, 1, tzinfo=UTC),
        ),
    ],
)
def test_the_month_of_an_instant_is_half_open_in_utc(
    instant: datetime, start: datetime, end: datetime
) -> None:
    assert month_of(instant) == (start, end)

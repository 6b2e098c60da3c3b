"""When a failed payment is tried again."""

from datetime import UTC, datetime, timedelta

import pytest

from subscriptions.core.dunning import next_attempt

FAILED_AT = datetime(2026, 3, 1, tzinfo=UTC)
STEPS = [timedelta(days=3), timedelta(days=5)]


@pytest.mark.parametrize(("failures", "days"), [(1, 3), (2, 5), (3, None), (4, None)])
def test_each_failure_waits_for_its_step_and_after_the_last_there_is_no_attempt(
    failures: int, days: int | None
) -> None:
    expected = None if days is None else FAILED_AT + timedelta(days=days)

    assert next_attempt(failures, failed_at=FAILED_AT, steps=STEPS) == expected


def test_without_steps_the_first_failure_is_the_last() -> None:
    assert next_attempt(1, failed_at=FAILED_AT, steps=[]) is None

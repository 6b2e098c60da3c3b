from datetime import timedelta

import pytest

from alerts.core.retries import WAITS, wait_after


@pytest.mark.parametrize(("failures", "wait"), list(enumerate(WAITS, start=1)))
def test_each_failure_waits_as_the_schedule_says_and_up_to_a_fifth_longer(
    failures: int, wait: timedelta
) -> None:
    waits = {wait_after(failures, key=f"delivery {number}") for number in range(50)}
    assert all(each is not None and wait <= each < wait * 1.2 for each in waits)
    assert len(waits) > 10


def test_the_same_delivery_waits_the_same() -> None:
    assert wait_after(3, key="one") == wait_after(3, key="one")


def test_after_the_last_wait_it_is_given_up() -> None:
    assert wait_after(len(WAITS), key="one") is not None
    assert wait_after(len(WAITS) + 1, key="one") is None

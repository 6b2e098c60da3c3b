import pytest

from subscriptions.core.thresholds import are_ascending


@pytest.mark.parametrize(
    ("thresholds", "ascend"),
    [
        ([], True),
        ([1], True),
        ([80, 90, 100], True),
        ([0, 80], False),
        ([80, 101], False),
        ([90, 80], False),
        ([80, 80], False),
        ([-1], False),
    ],
)
def test_percentages_ascend_between_one_and_the_most_each_once(thresholds: list[int], ascend: bool) -> None:
    assert are_ascending(thresholds, most=100) is ascend

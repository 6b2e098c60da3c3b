"""Percentages at which people are told of something that is used up."""

from collections.abc import Sequence


def are_ascending(thresholds: Sequence[int], *, most: int) -> bool:
    """Whether the percentages lie between 1 and `most` and ascend, each once."""
    within = all(1 <= each <= most for each in thresholds)
    return within and list(thresholds) == sorted(set(thresholds))

"""What a measurement is: how many events in how many seconds, after a little unmeasured work."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

Payload = TypeVar("Payload")
Answer = TypeVar("Answer")

# Sent before the clock starts. The first writes to a page after a checkpoint cost more than the next ones,
# and whichever probe came first would pay for all.
WARM_UP_EVENTS = 1_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one probe."""

    events: int
    seconds: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle one of several rounds, and how far they lie apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value."""
        return cls(median(values), min(values), max(values))


def timed(
    send: Callable[[Payload], Answer], payloads: Sequence[Payload], *, size: int, warm_up: int = 0
) -> tuple[Sample, list[Answer]]:
    """Send `payloads` of `size` events each, one after the other; returns the sample and all answers.

    The first `warm_up` payloads are sent before the clock starts and are not part of the sample.
    """
    answers = [send(payload) for payload in payloads[:warm_up]]
    started = time.perf_counter()
    for payload in payloads[warm_up:]:
        answers.append(send(payload))
    seconds = time.perf_counter() - started
    return Sample((len(payloads) - warm_up) * size, seconds), answers

"""What a measurement is: how many events or requests in how many seconds, after a little unmeasured work."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import NamedTuple, TypeVar

Payload = TypeVar("Payload")
Answer = TypeVar("Answer")

# Sent before the clock starts. The first writes to a page after a checkpoint cost more than the next ones,
# and whichever probe came first would pay for all.
WARM_UP_EVENTS = 1_000


class Turn(NamedTuple):
    """When one request began and ended, in seconds of a clock that all clients of a sample share."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one request takes, in seconds: half of them at most `p50`, all but a twentieth
    `p95`, all but a hundredth `p99`, all of them `longest`.
    """

    p50: float
    p95: float
    p99: float
    longest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """The nearest-rank percentiles of at least one duration."""
        ranked = sorted(seconds)
        return cls(*(ranked[ceil(share * len(ranked)) - 1] for share in (0.5, 0.95, 0.99, 1)))


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one probe; `latency` where each request was timed by itself, `growth` where it was
    seen by how many bytes the process grew at most, `statements` where they were counted, `most_statements`
    where those of each request were.
    """

    count: int
    seconds: float
    latency: Latency | None = None
    growth: int | None = None
    statements: int | None = None
    most_statements: int | None = None

    @property
    def rate(self) -> float:
        """Events, requests, accounts or deliveries a second."""
        return self.count / self.seconds

    @classmethod
    def of_turns(cls, turns: Sequence[Turn]) -> "Sample":
        """The sample of all clients' requests, from the first one's beginning to the last one's end."""
        seconds = max(turn.end for turn in turns) - min(turn.start for turn in turns)
        return cls(len(turns), seconds, Latency.of([turn.end - turn.start for turn in turns]))

    @classmethod
    def of_pages(cls, turns: Sequence[Turn], *, most_statements: int) -> "Sample":
        """The sample of pages made one after the other; what was done in between does not count."""
        latencies = [turn.end - turn.start for turn in turns]
        return cls(len(turns), sum(latencies), latency=Latency.of(latencies), most_statements=most_statements)


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

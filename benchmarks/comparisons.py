"""The ratios that count, each between two probes of the same round, and the aims set for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmarks import probes
from benchmarks.timing import Sample, Spread

MEGABYTE = 1_000_000


class Figure(StrEnum):
    """What of a sample is compared: its rate, the milliseconds that half of the requests, or all but a
    twentieth or a hundredth, do not exceed, by how many MB the process grew, the milliseconds or statements
    that each of its accounts took, the most statements that a request took, or the seconds that all took
    together.
    """

    RATE = "rate"
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"
    GROWTH = "growth"
    EACH = "each"
    STATEMENTS = "statements each"
    MOST_STATEMENTS = "most"
    SECONDS = "all together"

    @property
    def unit(self) -> str:
        """What the figure itself is told in."""
        units = {
            Figure.RATE: "a second",
            Figure.GROWTH: "MB",
            Figure.STATEMENTS: "statements",
            Figure.MOST_STATEMENTS: "statements",
            Figure.SECONDS: "s",
        }
        return units.get(self, "ms")

    def of(self, sample: Sample) -> float:
        """The figure itself; a percentile needs a sample whose requests were timed one by one, growth one
        whose memory was looked at, statements one that counted them.
        """
        match self:
            case Figure.RATE:
                return sample.rate
            case Figure.SECONDS:
                return sample.seconds
            case Figure.EACH:
                return 1_000 * sample.seconds / sample.count
            case Figure.STATEMENTS:
                assert sample.statements is not None
                return sample.statements / sample.count
            case Figure.MOST_STATEMENTS:
                assert sample.most_statements is not None
                return sample.most_statements
            case Figure.GROWTH:
                assert sample.growth is not None
                return sample.growth / MEGABYTE
        assert sample.latency is not None
        latency = sample.latency
        return 1_000 * {Figure.P50: latency.p50, Figure.P95: latency.p95}.get(self, latency.p99)


class Relation(StrEnum):
    """How two figures are compared: how many times the reference's, how much more than it, or not at all."""

    TIMES = "times"
    BEYOND = "beyond"
    ITSELF = "itself"

    def between(self, figure: float, reference: float) -> float:
        """What is compared with the aim."""
        if self is Relation.ITSELF:
            return figure
        return figure / reference if self is Relation.TIMES else figure - reference


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is the figure of `probe` to that of `reference`? Without an aim it is for information."""

    probe: str
    reference: str
    at_least: float | None = None
    at_most: float | None = None
    figure: Figure = Figure.RATE
    relation: Relation = Relation.TIMES

    @property
    def aim(self) -> str:
        """What is aimed at, in short; empty where nothing is."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"

    @property
    def name(self) -> str:
        """What is compared, in short."""
        if self.relation is Relation.ITSELF:
            return f"{self.probe}, {self.figure}, {self.figure.unit}"
        if self.relation is Relation.BEYOND:
            return f"{self.probe} - {self.reference}, {self.figure}, {self.figure.unit}"
        figure = "" if self.figure is Figure.RATE else f", {self.figure}"
        return f"{self.probe} / {self.reference}{figure}"

    def between(self, sample: Sample, reference: Sample) -> float:
        """The relation of the two figures in one round."""
        return self.relation.between(self.figure.of(sample), self.figure.of(reference))


@dataclass(frozen=True, slots=True)
class Verdict:
    """A comparison over all rounds; the median decides. `met` is None where nothing was aimed at."""

    comparison: Comparison
    ratio: Spread

    @property
    def met(self) -> bool | None:
        """Whether the aim is met."""
        least, most = self.comparison.at_least, self.comparison.at_most
        if least is not None:
            return self.ratio.median >= least
        return None if most is None else self.ratio.median <= most


INGEST = (
    Comparison(probes.POST_1000, probes.P1_VALUES_1000, at_least=0.35),
    Comparison(probes.POST_100, probes.P1_VALUES_1000, at_least=0.20),
    Comparison(probes.INGEST_1000, probes.P5, at_least=1.5),
    Comparison(probes.REPLAY_1000, probes.POST_1000, at_least=1.0),
    Comparison(probes.LARGE_1000, probes.SMALL_1000, at_least=0.8),
    Comparison(probes.LARGE_CHECKPOINT_1000, probes.SMALL_CHECKPOINT_1000, at_least=0.8),
    Comparison(probes.POST_1000, probes.P6, at_least=150),
    Comparison(probes.POST_100, probes.P1_VALUES_100),
    Comparison(probes.POST_1000, probes.P1_TEXT_1000),
    Comparison(probes.POST_100, probes.P1_TEXT_100),
    Comparison(probes.INGEST_1000, probes.P1_VALUES_1000),
    Comparison(probes.INGEST_1000, probes.P1_TEXT_1000),
    Comparison(probes.POST_1000, probes.P5),
    Comparison(probes.P5, probes.P1_VALUES_1000),
    Comparison(probes.LARGE_CHECKPOINT_1000, probes.LARGE_1000),
    Comparison(probes.SMALL_CHECKPOINT_1000, probes.SMALL_1000),
    Comparison(probes.HOT_1000, probes.POST_1000),
    Comparison(probes.HOT_1000, probes.P1_VALUES_1000),
    Comparison(probes.HOT_1000, probes.P6),
    Comparison(probes.CLIENTS_1000, probes.POST_1000),
    Comparison(probes.RANDOM_1000, probes.LARGE_1000),
    Comparison(probes.RANDOM_CHECKPOINT_1000, probes.LARGE_CHECKPOINT_1000),
)


def verdicts(samples: Mapping[str, Sequence[Sample]], comparisons: Sequence[Comparison]) -> list[Verdict]:
    """Every comparison whose two probes were taken; `samples` holds one sample a round, by probe."""
    return [
        Verdict(comparison, spread(comparison, samples[comparison.probe], samples[comparison.reference]))
        for comparison in comparisons
        if comparison.probe in samples and comparison.reference in samples
    ]


def spread(comparison: Comparison, taken: Sequence[Sample], reference: Sequence[Sample]) -> Spread:
    """Each round's figure against the reference's in the same round."""
    return Spread.of(
        [comparison.between(sample, other) for sample, other in zip(taken, reference, strict=True)]
    )

"""The ratios that count, each between two probes of the same round, and the aims set for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks import probes
from benchmarks.timing import Sample, Spread


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many times as fast as `reference` is `probe`? Without `at_least` it is for information."""

    probe: str
    reference: str
    at_least: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A comparison's ratios over all rounds; the median decides. `met` is None where nothing was aimed at."""

    comparison: Comparison
    ratio: Spread

    @property
    def met(self) -> bool | None:
        """Whether the aim is met."""
        aim = self.comparison.at_least
        return None if aim is None else self.ratio.median >= aim


COMPARISONS = (
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


def verdicts(samples: Mapping[str, Sequence[Sample]]) -> list[Verdict]:
    """Every comparison whose two probes were taken; `samples` holds one sample a round, by probe."""
    return [
        Verdict(
            comparison,
            Spread.of(
                [
                    sample.rate / reference.rate
                    for sample, reference in zip(
                        samples[comparison.probe], samples[comparison.reference], strict=True
                    )
                ]
            ),
        )
        for comparison in COMPARISONS
        if comparison.probe in samples and comparison.reference in samples
    ]

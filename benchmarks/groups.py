"""A group of probes: measured side by side with the others, believed by its own sums."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.comparisons import Comparison
from benchmarks.databases import Storage
from benchmarks.sums import Check
from benchmarks.timing import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Probes on one stage. `takes` has for each probe, by the name that stands in tables and comparisons, the
    function that takes one sample; `sizes` says what it was taken on.

    `checks` and `storage` are asked in the end; `fill_rates` is in events a second.
    """

    takes: Mapping[str, Callable[[], Sample]]
    comparisons: Sequence[Comparison]
    sizes: Mapping[str, int]
    checks: Callable[[], list[Check]]
    storage: Callable[[], dict[str, Storage]] = dict
    fill_rates: Mapping[str, float] = field(default_factory=dict)

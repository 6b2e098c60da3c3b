"""Every probe, in the order of a round. A new one is a function in a file here and a line in the list."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.probes import (
    bulk_create,
    concurrent,
    ingest_batches,
    naive_orm,
    post_events,
    raw_copy,
    replayed,
)
from benchmarks.stage import Stage
from benchmarks.timing import Sample

POST_1000 = "POST 1000"
POST_100 = "POST 100"
INGEST_1000 = "ingest 1000"
REPLAY_1000 = "POST 1000 replayed"
HOT_1000 = "POST 1000, one account"
CLIENTS_1000 = "POST 1000, 4 clients"
SMALL_1000 = "POST 1000, small log"
LARGE_1000 = "POST 1000, large log"
SMALL_CHECKPOINT_1000 = "POST 1000 after CHECKPOINT, small log"
LARGE_CHECKPOINT_1000 = "POST 1000 after CHECKPOINT, large log"
RANDOM_1000 = "POST 1000, large log, random ids"
RANDOM_CHECKPOINT_1000 = "POST 1000 after CHECKPOINT, large log, random ids"
P1_VALUES_1000 = "P1a COPY of values, 1000"
P1_VALUES_100 = "P1a COPY of values, 100"
P1_TEXT_1000 = "P1b COPY of text, 1000"
P1_TEXT_100 = "P1b COPY of text, 100"
P5 = "P5 bulk_create 1000"
P6 = "P6 naive ORM"


@dataclass(frozen=True, slots=True)
class Probe:
    """A name, as it stands in tables and comparisons, and the function that takes one sample."""

    name: str
    measure: Callable[[Stage], Sample]


PROBES = (
    Probe(P1_VALUES_1000, lambda stage: raw_copy.from_values(stage, size=1000)),
    Probe(P1_TEXT_1000, lambda stage: raw_copy.from_text(stage, size=1000)),
    Probe(POST_1000, lambda stage: post_events.fresh(stage, stage.main, size=1000)),
    Probe(REPLAY_1000, lambda stage: replayed.again(stage, stage.main, size=1000)),
    Probe(SMALL_1000, lambda stage: post_events.fresh(stage, stage.small, size=1000)),
    Probe(LARGE_1000, lambda stage: post_events.fresh(stage, stage.large, size=1000)),
    Probe(INGEST_1000, lambda stage: ingest_batches.fresh(stage, size=1000)),
    Probe(P5, lambda stage: bulk_create.ignoring_conflicts(stage, size=1000)),
    Probe(P1_VALUES_100, lambda stage: raw_copy.from_values(stage, size=100)),
    Probe(P1_TEXT_100, lambda stage: raw_copy.from_text(stage, size=100)),
    Probe(POST_100, lambda stage: post_events.fresh(stage, stage.main, size=100)),
    Probe(P6, naive_orm.event_by_event),
    Probe(HOT_1000, lambda stage: post_events.fresh(stage, stage.main, size=1000, hot=True)),
    Probe(CLIENTS_1000, lambda stage: concurrent.clients(stage, stage.main, size=1000, count=4)),
    Probe(SMALL_CHECKPOINT_1000, lambda stage: post_events.after_checkpoint(stage, stage.small, size=1000)),
    Probe(LARGE_CHECKPOINT_1000, lambda stage: post_events.after_checkpoint(stage, stage.large, size=1000)),
)


def probes_of(stage: Stage) -> tuple[Probe, ...]:
    """The probes that can be taken on this stage."""
    random_ids = stage.random_ids
    if random_ids is None:
        return PROBES
    return (
        *PROBES,
        Probe(RANDOM_1000, lambda stage: post_events.fresh(stage, random_ids, size=1000)),
        Probe(
            RANDOM_CHECKPOINT_1000,
            lambda stage: post_events.after_checkpoint(stage, random_ids, size=1000),
        ),
    )

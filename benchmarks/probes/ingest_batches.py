"""Ours, from Python: `usage.ingest` of events that exist as structs."""

from functools import partial

from django.utils import timezone

from benchmarks.databases import NotMeasurable
from benchmarks.stage import Stage, warm_up_batches
from benchmarks.timing import Sample, timed
from usage.ingest import ingest


def fresh(stage: Stage, *, size: int) -> Sample:
    """Key check, claim, rating, log, summary and rollup of a batch in one commit."""
    batches = stage.fresh_batches(size)
    send = partial(ingest, at=timezone.now())
    sample, answers = timed(send, batches, size=size, warm_up=warm_up_batches(size))
    wrong = [outcome for outcomes in answers for outcome in outcomes if outcome.outcome != "recorded"]
    if wrong:
        raise NotMeasurable(f"Not every event was recorded as expected: {wrong[0]}")
    stage.main.events += sum(map(len, batches))
    return sample

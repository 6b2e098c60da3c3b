"""Ours, over HTTP: POST /api/usage/events, one after the other on one keep-alive connection."""

from benchmarks.stage import Log, Stage, warm_up_batches
from benchmarks.timing import Sample, timed


def fresh(stage: Stage, log: Log, *, size: int, hot: bool = False) -> Sample:
    """Events never sent before; with `hot` all of one customer."""
    warm_up = warm_up_batches(size)
    bodies = log.bodies(stage.events // size + warm_up, size=size, hot=hot)
    with log.sender() as sender:
        sample, answers = timed(sender.post, bodies, size=size, warm_up=warm_up)
    log.confirm(answers, size=size)
    return sample


def after_checkpoint(stage: Stage, log: Log, *, size: int) -> Sample:
    """Straight after a CHECKPOINT, when the first change of every page writes the whole page to the WAL."""
    bodies = log.bodies(stage.events // size, size=size)
    with log.sender() as sender:
        log.server.execute("CHECKPOINT")
        sample, answers = timed(sender.post, bodies, size=size)
    log.confirm(answers, size=size)
    return sample

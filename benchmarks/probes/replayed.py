"""Ours, over HTTP: batches that were recorded before, as a sender repeats them after a time-out."""

from benchmarks.stage import Log, Stage
from benchmarks.timing import Sample, timed


def again(stage: Stage, log: Log, *, size: int) -> Sample:
    """Each batch is sent twice; the second time is measured."""
    bodies = log.bodies(stage.events // size, size=size)
    with log.sender() as sender:
        log.confirm([sender.post(body) for body in bodies], size=size)
        sample, answers = timed(sender.post, bodies, size=size)
    log.confirm(answers, size=size, replayed=True)
    return sample

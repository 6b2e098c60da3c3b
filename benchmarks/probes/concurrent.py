"""Ours, over HTTP: several clients at once, each on a connection of its own."""

import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.stage import Log, Stage
from benchmarks.timing import Sample


def clients(stage: Stage, log: Log, *, size: int, count: int) -> Sample:
    """The same number of events as one client sends, shared by `count`."""
    shares = [log.bodies(max(stage.events // size // count, 1), size=size) for _ in range(count)]
    warm_ups = log.bodies(count, size=size)
    with ThreadPoolExecutor(count) as pool:
        log.confirm(list(pool.map(lambda body: send(log, [body])[0], warm_ups)), size=size)
        started = time.perf_counter()
        answers = [
            answer for answers in pool.map(lambda share: send(log, share), shares) for answer in answers
        ]
        seconds = time.perf_counter() - started
    log.confirm(answers, size=size)
    return Sample(len(answers) * size, seconds)


def send(log: Log, bodies: list[bytes]) -> list[bytes]:
    with log.sender() as sender:
        return [sender.post(body) for body in bodies]

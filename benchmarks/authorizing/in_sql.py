"""Ours, in SQL alone: the statement of `usage.authorization`, sent by pgbench."""

from django.utils import timezone

from benchmarks import databases
from benchmarks.authorizing import asking
from benchmarks.authorizing.load import Load
from benchmarks.authorizing.stage import Stage
from benchmarks.timing import Sample


def measure(stage: Stage, load: Load) -> Sample:
    """Six limits checked, the hold written, one commit; prepared, each statement a transaction."""
    with databases.pointed_at(stage.database):
        script = asking.script(stage.server, at=timezone.now())
    sample = stage.in_sql(script, load)
    stage.confirm_holds("authorize in SQL", load)
    return sample

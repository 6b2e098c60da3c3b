"""P4, the reference: one row, changed if a condition holds, and a commit: what the database does at best."""

from benchmarks.authorizing.load import Load
from benchmarks.authorizing.stage import Stage
from benchmarks.authorizing.tables import COUNTERS
from benchmarks.timing import Sample

SCRIPT = f"""
\\set number random(0, :last)
UPDATE {COUNTERS} SET used = used + 1 WHERE id = :number AND used < amount;
"""


def measure(stage: Stage, load: Load) -> Sample:
    """Through pgbench, prepared, each statement a transaction."""
    sample = stage.in_sql(SCRIPT, load)
    stage.confirm("P4: counted", f"SELECT sum(used) FROM {COUNTERS}", expected=[load.total])
    stage.tidy(f"UPDATE {COUNTERS} SET used = 0 WHERE used <> 0", tables=[COUNTERS])
    return sample

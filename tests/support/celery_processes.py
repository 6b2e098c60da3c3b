"""Real workers and beats, on the test's database and a broker of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.database import address
from tests.support.processes import PROJECT, environment


@contextmanager
def running(*arguments: str, data_dir: Path, broker: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`celery` with those arguments; `broker` is empty for the one made of folders in `data_dir`.

    What it says is in `data_dir`, for whoever wonders why a test failed.
    """
    command = [sys.executable, "-m", "celery", "--app", "alwrity_billing", *arguments]
    variables = environment(data_dir, DATABASE_URL=address(), CELERY_BROKER_URL=broker)
    with (data_dir / f"{arguments[0]}.log").open("ab") as said:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=variables, stdout=said, stderr=said, start_new_session=True
        )
        try:
            yield process
        finally:
            # With the processes of its pool, which would live on and keep the database.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

"""Running the project's commands as a person would: real processes in a data folder of their own."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def a_data_dir() -> Iterator[Path]:
    """An empty data folder, gone when the block ends.

    Not pytest's `tmp_path`: as root the embedded PostgreSQL runs as another user, who must pass through the
    folders above, and each pytest that starts closes the one above `tmp_path` again.
    """
    with tempfile.TemporaryDirectory(prefix="data-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


def environment(data_dir: Path, **variables: str) -> dict[str, str]:
    """Ours without what the tests set for themselves: the command starts its own services in `data_dir`."""
    ours = {**os.environ, "DATABASE_URL": "", "DATA_DIR": str(data_dir), "PYTHONWARNINGS": "", **variables}
    return {name: value for name, value in ours.items() if name != "DATABASE_POOL"}


def manage(*arguments: str, data_dir: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` to its end."""
    return subprocess.run(
        [sys.executable, str(PROJECT / "manage.py"), *arguments],
        env=environment(data_dir, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def in_background(
    module: str, *arguments: str, log: Path, **variables: str
) -> "Iterator[subprocess.Popen[bytes]]":
    """`python -m module` with those arguments, killed when the block ends; `log` gets what it says."""
    command = [sys.executable, "-m", module, *arguments]
    with log.open("ab") as said:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=variables, stdout=said, stderr=said, start_new_session=True
        )
        try:
            yield process
        finally:
            # With the processes it has started, which would live on and keep the database.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Whether `condition` came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        return (
            ") Z " not in Path(f"/proc/{pid}/stat").read_text()
            if sys.platform == "linux"
            else _signalled(pid)
        )
    except OSError:
        return False


def _signalled(pid: int) -> bool:
    os.kill(pid, 0)
    return True

"""The guard of a supervisor: when that is killed outright, stop what it left running.

Started by `alwrity_billing.supervisor` as `python -m alwrity_billing.lifeline <its pid> <its folder> [data
folder]`. With the data folder it uses the embedded PostgreSQL too, and so is the last to leave it.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from alwrity_billing import embedded

POLL_S = 0.5
PATIENCE_S = 10


def main() -> None:
    supervisor, folder, *embedded_in = int(sys.argv[1]), *map(Path, sys.argv[2:])
    for data_dir in embedded_in:
        embedded.database_url(data_dir)
    while os.getppid() == supervisor:
        time.sleep(POLL_S)
    stop([int(pid_file.read_text()) for pid_file in folder.glob("*.pid")])


def stop(groups: list[int]) -> None:
    """End the process groups politely, and after PATIENCE_S without asking."""
    _send(signal.SIGTERM, groups)
    deadline = time.monotonic() + PATIENCE_S
    while _send(0, groups) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    _send(signal.SIGKILL, groups)


def _send(number: int, groups: list[int]) -> bool:
    """Send a signal (0: none) to each group; whether any of them was there."""
    reached = False
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            reached = True
    return reached


if __name__ == "__main__":
    main()

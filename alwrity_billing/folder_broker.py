"""The broker made of folders, which survives that somebody empties or deletes them.

kombu's own reads a folder that is gone as an error of the program, and a worker ends of it. Messages are only
wake-ups: whatever was in the folder is sent again by beat.
"""

import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps

# How often the folders are looked into, and for how long until a worker looks whether it is to stop. It looks
# twice before it ends; celery's two seconds each were too long for the five that honcho gives a program.
LOOK_EVERY_S, LOOK_FOR_S = 0.2, 0.5


class Channel(filesystem.Channel):  # type: ignore[misc]  # kombu has no types
    """kombu's, which makes its folders again before it looks into them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Where they cannot be made there is no connection, and whoever wants one waits before it tries again.
        self._make_folders()

    def _get(self, queue: str) -> Any:
        self._make_folders()
        try:
            return super()._get(queue)
        except ValueError as half_written:
            # As the machine went down: it is out of the way now, and no reason for a worker to end.
            raise Empty from half_written

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:
        """Write it beside the messages and then put it among them: nobody reads half of one."""
        self._make_folders()
        folder = Path(self.data_folder_out)
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        unfinished = folder / f".{name}"
        unfinished.write_text(dumps(payload))
        unfinished.rename(folder / name)

    def _size(self, queue: str) -> int:
        self._make_folders()
        return int(super()._size(queue))

    def _queue_bind(self, *binding: Any) -> None:
        self._make_folders()
        super()._queue_bind(*binding)

    def _make_folders(self) -> None:
        for folder in (self.data_folder_in, self.data_folder_out, self.control_folder):
            Path(folder).mkdir(parents=True, exist_ok=True)


class Transport(filesystem.Transport):  # type: ignore[misc]
    """kombu's, for which a folder that cannot be read is a connection that is lost, and made again."""

    Channel = Channel
    polling_interval = LOOK_EVERY_S
    connection_errors = (*filesystem.Transport.connection_errors, OSError)

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver what is in the folders; raises `socket.timeout` where there is nothing for LOOK_FOR_S."""
        super().drain_events(connection, timeout=None if timeout is None else min(timeout, LOOK_FOR_S))

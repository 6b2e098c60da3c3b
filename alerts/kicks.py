"""Being faster than the clock: what has just been committed is looked at, and delivered, within moments.

A process sends at most one message every PAUSE_S, from a thread of its own, so that whoever records usage
never waits for the broker; and none for a while after the broker failed. Lost kicks cost a minute, not an
alert: what is to be done stands in rows, and the clock looks at them anyway.
"""

import logging
import threading
import time
from typing import Any

from alerts import signals, tasks
from usage import moves

logger = logging.getLogger(__name__)

PAUSE_S = 0.5
REST_AFTER_FAILURE_S = 15


class Kick:
    """Sends one task soon, however often it is asked to."""

    def __init__(self, task: Any) -> None:
        self._task = task
        self._lock = threading.Lock()
        self._is_pending = False
        self._rests_until = 0.0

    def soon(self, **_: object) -> None:
        """Send the task within PAUSE_S. Takes what signals send."""
        with self._lock:
            if self._is_pending or time.monotonic() < self._rests_until:
                return
            self._is_pending = True
        threading.Thread(target=self._send, name=f"kick {self._task.name}", daemon=True).start()

    def _send(self) -> None:
        time.sleep(PAUSE_S)
        with self._lock:
            # Whoever comes from here on needs another message: this one may be read at once.
            self._is_pending = False
        try:
            self._task.apply_async(retry=False)
        except Exception as away:  # whatever a broker's driver raises means the same here
            self._rests_until = time.monotonic() + REST_AFTER_FAILURE_S
            logger.warning("the broker cannot be reached (%s): the clock does it", away)


evaluate, deliver = Kick(tasks.evaluate_alerts), Kick(tasks.deliver_alerts)


def connect() -> None:
    """Listen to what is announced."""
    moves.accounts_moved.connect(evaluate.soon, dispatch_uid="alerts evaluate")
    signals.deliveries_planned.connect(deliver.soon, dispatch_uid="alerts deliver")

"""Not asking again at once whoever just did not answer."""

import threading
import time

PAUSE_S = 2.0


class Circuit:
    """Counts how often a question may be tried: `attempts` times as a rule; not at all for `pause_s` after a
    failure; then once, by one caller in each further pause, until that one gets an answer.
    """

    def __init__(self, *, attempts: int, pause_s: float = PAUSE_S) -> None:
        self._attempts = attempts
        self._pause_s = pause_s
        self._lock = threading.Lock()
        self._paused_until: float | None = None

    def attempts(self) -> int:
        """How often the caller may try."""
        if self._paused_until is None:
            return self._attempts
        with self._lock:
            return self._attempts if self._paused_until is None else self._probes()

    def failed(self) -> None:
        """Nobody answered."""
        with self._lock:
            self._paused_until = time.monotonic() + self._pause_s

    def succeeded(self) -> bool:
        """Somebody answered; whether that ends an outage."""
        if self._paused_until is None:
            return False
        with self._lock:
            was_out = self._paused_until is not None
            self._paused_until = None
            return was_out

    def _probes(self) -> int:
        now = time.monotonic()
        if self._paused_until is None or now < self._paused_until:
            return 0
        # Others keep waiting while this caller finds out.
        self._paused_until = now + self._pause_s
        return 1

"""A redis-server that can be killed and started again, empty, at the same address."""

import subprocess
from pathlib import Path

import redis

START_TIMEOUT_S = 10


class Redis:
    """Keeps nothing on disk."""

    def __init__(self, program: str, *, port: int, folder: Path) -> None:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._command = [program, *options]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), retries=START_TIMEOUT_S * 20)
        with redis.Redis.from_url(self.url, retry=retry, retry_on_error=[redis.ConnectionError]) as client:
            client.ping()

    def kill(self) -> None:
        """End it at once, with all that is in it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

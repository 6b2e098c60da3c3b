"""The host project, served by a real server in a process of its own."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.support.ports import free_port
from tests.support.processes import PROJECT, environment, wait_until

START_S = 60
STOP_S = 60
REQUEST_S = 60
THREADS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The running host."""

    url: str

    def get(self, path: str, *, tenant: str = "acme/ann/search", method: str = "GET") -> httpx2.Response:
        """The answer to a request of `tenant` (customer/person/team)."""
        headers = {"X-Tenant": tenant} if tenant else {}
        with httpx2.Client(base_url=self.url, timeout=REQUEST_S) as client:
            return client.request(method, path, headers=headers)

    def get_all(self, requests: list[tuple[str, str]]) -> list[httpx2.Response]:
        """The answers to (path, tenant) requests that are all under way at the same time."""
        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(lambda asked: self.get(asked[0], tenant=asked[1]), requests))


@contextmanager
def serving(interface: str, *, settings: str, folder: Path, **variables: str) -> Iterator[Host]:
    """The host under granian's "wsgi" (with threads) or "asgi" (in one loop), until the block ends."""
    port = free_port()
    program = [sys.executable, "-m", "granian", "--interface", interface, "--port", str(port)]
    threads = ["--blocking-threads", str(THREADS)] if interface == "wsgi" else []
    known = environment(
        folder,
        DJANGO_SETTINGS_MODULE=settings,
        PYTHONPATH=str(PROJECT),
        HOST_SPOOL=str(folder / "spool.sqlite3"),
        **variables,
    )
    with (folder / f"{interface}.log").open("wb") as log:
        process = subprocess.Popen(
            [*program, *threads, f"tests.host_project.{interface}:application"],
            env=known, cwd=PROJECT, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            assert wait_until(lambda: _listens(port), seconds=START_S), "the host did not start"
            yield Host(url=f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(STOP_S)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False

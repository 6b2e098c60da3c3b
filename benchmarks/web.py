"""The measured web server, started as `make run` starts it, and a client that keeps its connection."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from socket import socket

from django.conf import settings

import benchmarks
from alwrity_billing.management.commands import run
from benchmarks.databases import NotMeasurable, url_of

HOST = "127.0.0.1"
STOP_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 120


class Sender:
    """One keep-alive connection that posts usage events with a service key."""

    def __init__(self, port: int, *, key: str) -> None:
        self._server = http.client.HTTPConnection(HOST, port, timeout=ANSWER_TIMEOUT_S)
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/cloudevents-batch+json",
        }

    def post(self, body: bytes) -> bytes:
        """Post one batch; returns the answer's body. Raises NotMeasurable when it is not a 200."""
        self._server.request("POST", "/api/usage/events", body, self._headers)
        response = self._server.getresponse()
        answer = response.read()
        if response.status != HTTPStatus.OK:
            raise NotMeasurable(f"The server answered {response.status}: {answer.decode(errors='replace')}")
        return answer

    def close(self) -> None:
        self._server.close()


@contextmanager
def serving(database: str, *, settings_module: str = "alwrity_billing.settings") -> Iterator[int]:
    """A web server of one worker on `database`; yields its port, stops it in the end."""
    port = free_port()
    web = next(program for program in run.programs(HOST, port) if program.name == "web")
    environment = {
        **benchmarks.ENVIRONMENT,
        benchmarks.MEASURED: "true",
        "DJANGO_SETTINGS_MODULE": settings_module,
        "DATABASE_URL": url_of(database),
        "PYTHONPATH": str(settings.BASE_DIR),
        "PRODUCTION": "false",
        "LOG_LEVEL": "WARNING",
        "GRANIAN_LOG_LEVEL": "warning",
    }
    # In a session of its own: Ctrl-C is for us, who then stop the server in order.
    server = subprocess.Popen(
        web.command, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True
    )
    try:
        if not run.answers(HOST, port):
            raise NotMeasurable("The web server did not start: its complaint stands above.")
        yield port
    finally:
        stop(server)


def stop(server: "subprocess.Popen[bytes]") -> None:
    """End `server` in order, then by force what is left of it: told to stop while it starts, it may leave a
    worker behind, whose connections would keep the database from being dropped.
    """
    server.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.wait(STOP_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])

"""A refused sender reads why, over a real server, however much it was still sending."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.credentials import a_key
from tests.support.database import address
from tests.support.ports import free_port
from tests.support.processes import PROJECT, environment, wait_until
from usage.models import Scope

START_S = ANSWER_S = 60
REQUESTS = 60
MEDIUM_BODY = b" " * 560_000
LARGE_BODY = b" " * 8_000_000
TOO_LARGE_BODY = b" " * 40_000_000

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[int]:
    """Where granian serves the project, as in production: one port, on the test database."""
    port = free_port()
    granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port)]
    server = subprocess.Popen(
        [*granian, "--blocking-threads", "2", "alwrity_billing.wsgi:application"],
        cwd=PROJECT,
        env=environment(Path(tmp_path_factory.mktemp("served")), DATABASE_URL=address()),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert wait_until(lambda: answers(port), seconds=START_S)
        yield port
    finally:
        server.terminate()
        server.wait()


@contextmanager
def connected(port: int) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)) as client:
        yield client


def answers(port: int) -> bool:
    try:
        with connected(port) as client:
            client.request("GET", "/healthz")
            return client.getresponse().status == 200
    except OSError:
        return False


def post(client: http.client.HTTPConnection, path: str, body: bytes) -> tuple[int, bytes]:
    client.request("POST", path, body, {"Authorization": "Bearer no-key", "Host": "localhost"})
    response = client.getresponse()
    return response.status, response.read()


def test_a_kept_connection_survives_many_refusals(port: int) -> None:
    with connected(port) as client:
        statuses = {post(client, "/api/usage/events", MEDIUM_BODY)[0] for _ in range(REQUESTS)}

    assert statuses == {401}


@pytest.mark.parametrize(("path", "status"), [("/api/usage/events", 401), ("/api/nowhere", 404)])
@pytest.mark.parametrize("body", [LARGE_BODY, TOO_LARGE_BODY], ids=["8 MB", "40 MB"])
def test_the_answer_to_a_large_body_is_read(port: int, path: str, status: int, body: bytes) -> None:
    with connected(port) as client:
        answer, text = post(client, path, body)

    assert (answer, json.loads(text)["status"]) == (status, status)


def test_a_body_sent_in_chunks_is_read(port: int) -> None:
    with connected(port) as client:
        client.request(
            "POST",
            "/api/usage/events",
            iter([b"[{", b"}]"]),
            {"Authorization": f"Bearer {a_key(scopes=(Scope.INGEST,)).plain}", "Host": "localhost"},
            encode_chunked=True,
        )
        answer = json.loads(client.getresponse().read())

    assert answer["rejected"] == 1

"""Real workers, beats and web servers, on the test's database and a broker of its own."""

import http.client
import json
import subprocess
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.database import address
from tests.support.processes import environment, in_background

REQUEST_S = 20


def running(
    *arguments: str, data_dir: Path, broker: str, **variables: str
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """`celery` with those arguments; `broker` is empty for the one made of folders in `data_dir`.

    What it says is in `data_dir`, for whoever wonders why a test failed.
    """
    known = environment(data_dir, DATABASE_URL=address(), CELERY_BROKER_URL=broker, **variables)
    log = data_dir / f"{arguments[0]}.log"
    return in_background("celery", "--app", "alwrity_billing", *arguments, log=log, **known)


def serving(
    port: int, *, data_dir: Path, broker: str, **variables: str
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """The web server as production runs it, in one process; it takes a moment until it answers."""
    known = environment(data_dir, DATABASE_URL=address(), CELERY_BROKER_URL=broker, **variables)
    where = ["--interface", "wsgi", "--port", str(port), "--blocking-threads", "10"]
    log = data_dir / "web.log"
    return in_background("granian", *where, "alwrity_billing.wsgi:application", log=log, **known)


@dataclass(frozen=True, slots=True)
class Ready:
    """What `/readyz` said; status 0 where nobody answered."""

    status: int
    failed: list[str]


def readiness(port: int) -> Ready:
    """Whether the web server at `port` can do its work, and what it misses."""
    server = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_S)
    try:
        with suppress(OSError):
            server.request("GET", "/readyz")
            answer = server.getresponse()
            checks = json.loads(answer.read())["checks"]
            return Ready(answer.status, [name for name, said in checks.items() if said != "ok"])
    finally:
        server.close()
    return Ready(0, [])

"""`manage.py run`, started and stopped for real."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.processes import PROJECT, a_data_dir, environment, is_alive, manage, wait_until

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 30


class System:
    """A running `manage.py run` on a folder of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.log = data_dir / "run.log"
        command = [sys.executable, str(PROJECT / "manage.py"), "run", "--no-demo", "--port", str(self.port)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                env=environment(data_dir),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert wait_until(self._is_up, seconds=START_TIMEOUT_S), self.log.read_text()
        self.pids = [*self._recorded_pids(), self._postgres_pid()]

    def _is_up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return "Ctrl-C stops everything" in self.log.read_text() and len(self._recorded_pids()) == 4

    def _recorded_pids(self) -> list[int]:
        return [int(file.read_text()) for file in (self.data_dir / "run").glob("*.pid") if file.read_text()]

    def _postgres_pid(self) -> int:
        return int((self.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])

    def pid_of(self, program: str) -> int:
        return int((self.data_dir / "run" / f"{program}.pid").read_text())

    def get(self, path: str) -> tuple[int, bytes]:
        server = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            server.request("GET", path)
            answer = server.getresponse()
            return answer.status, answer.read()
        finally:
            server.close()

    def everything_ended(self) -> bool:
        return wait_until(lambda: not any(map(is_alive, self.pids)), seconds=STOP_TIMEOUT_S)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """New to the first that runs on it; the others find what those before left, however they ended."""
    with a_data_dir() as made:
        yield made


@pytest.fixture
def system(folder: Path) -> Iterator[System]:
    running = System(folder)
    yield running
    if running.process.poll() is None:
        running.process.send_signal(signal.SIGTERM)
    running.process.wait(STOP_TIMEOUT_S)
    assert running.everything_ended()


def test_it_serves_and_ctrl_c_stops_everything(system: System) -> None:
    status, body = system.get("/readyz")
    os.killpg(system.process.pid, signal.SIGINT)

    checks = {"database": "ok", "migrations": "ok", "broker": "ok"}
    assert (status, json.loads(body)["checks"]) == (200, checks)
    assert f"Stripe is simulated at http://127.0.0.1:{system.port + 1}/" in system.log.read_text()
    assert "4242 4242 4242 4242" in system.log.read_text()
    assert system.process.wait(STOP_TIMEOUT_S) == 0
    assert system.everything_ended()


def test_when_one_program_dies_the_others_stop_and_it_is_named(system: System) -> None:
    os.kill(system.pid_of("beat"), signal.SIGKILL)

    assert system.process.wait(STOP_TIMEOUT_S) == 1
    assert "beat ended by itself (exit code -9); the others were stopped." in system.log.read_text()
    assert system.everything_ended()


def test_nothing_is_left_when_it_is_killed_outright(system: System) -> None:
    system.process.kill()

    assert system.everything_ended()


def test_a_second_one_on_the_same_data_is_refused_in_one_sentence(system: System) -> None:
    simulator = str(free_port())
    second = manage(
        "run", "--port", str(free_port()), data_dir=system.data_dir, STRIPE_SIMULATOR_PORT=simulator
    )

    assert second.returncode == 1
    assert second.stderr.startswith(f"CommandError: Already running on the data in {system.data_dir}")
    assert second.stderr.count("\n") == 1


def test_a_busy_port_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]

        refused = manage("run", "--port", str(port), data_dir=tmp_path)

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"CommandError: Port {port} on 127.0.0.1 cannot be used")
    assert f"make run PORT={port + 1}" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_busy_port_of_the_simulator_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = str(busy.getsockname()[1])

        refused = manage("run", "--port", str(free_port()), data_dir=tmp_path, STRIPE_SIMULATOR_PORT=taken)

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"CommandError: Port {taken} on 127.0.0.1, for the simulator of Stripe,")
    assert "STRIPE_SIMULATOR_PORT" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_an_unreachable_database_is_refused_in_one_sentence_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://billing:hunter2@127.0.0.1:{free_port()}/billing"

    refused = manage("run", "--port", str(free_port()), data_dir=tmp_path, DATABASE_URL=url)

    assert refused.returncode == 1
    assert refused.stderr.startswith("CommandError: No database at DATABASE_URL (")
    assert refused.stderr.count("\n") == 1
    assert "hunter2" not in refused.stderr

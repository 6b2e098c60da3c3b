"""What was answered is still there after the simulator was killed; its command runs it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from subscriptions.stripe.simulator.server import Simulator
from tests.conftest import free_port
from tests.support.processes import PROJECT, environment, wait_until
from tests.support.stripe_simulator import a_customer, an_open_invoice, v1

START_TIMEOUT_S = 30
# The simulator needs none, and so none is started for it.
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"
KEY = {"idempotency_key": "once"}


@contextmanager
def running(folder: Path, *, port: int) -> Iterator["subprocess.Popen[str]"]:
    """`manage.py stripe_simulator` on a file of this folder."""
    log = folder / "simulator.log"
    command = [sys.executable, str(PROJECT / "manage.py"), "stripe_simulator", "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--data", str(folder / "stripe.sqlite3")],
            env=environment(folder, DATABASE_URL=NO_DATABASE),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        is_up = wait_until(lambda: "Stripe simulator at" in log.read_text(), seconds=START_TIMEOUT_S)
        assert is_up, log.read_text()
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def at(tmp_path: Path) -> Simulator:
    """Only the address of the simulator that the command starts."""
    return Simulator(path=tmp_path / "unused", port=free_port())


def test_a_killed_simulator_has_lost_nothing(at: Simulator, tmp_path: Path) -> None:
    with running(tmp_path, port=at.port):
        customer = v1(at).customers.create({"name": "Ada"}, KEY)
    with running(tmp_path, port=at.port) as process:
        again = v1(at, retries=3).customers.create({"name": "Ada"}, KEY)
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=10) == 0
    assert again.id == customer.id
    assert "POST /v1/customers 200 in" in (tmp_path / "simulator.log").read_text()


def test_an_invoice_is_paid_after_a_restart(simulator: Simulator, api: Any) -> None:
    invoice = an_open_invoice(api, a_customer(api))

    simulator.stop()
    simulator.start()

    assert v1(simulator).invoices.pay(invoice.id).status == "paid"

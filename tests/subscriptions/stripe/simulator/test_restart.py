"""What was answered is still there after the simulator was killed; its command runs it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from subscriptions.stripe.simulator.server import Simulator
from tests.support.ports import free_port
from tests.support.processes import PROJECT, environment, wait_until
from tests.support.stripe_simulator import a_customer, an_open_invoice, v1

START_TIMEOUT_S = 30
# The simulator needs none, and so none is started for it.
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"
KEY = {"idempotency_key": "once"}
SERVE = """
import sys, threading
from pathlib import Path
from subscriptions.stripe.simulator.server import Simulator
simulator = Simulator(path=Path(sys.argv[1]), port=int(sys.argv[2]))
simulator.start()
print("Stripe simulator at", simulator.url, flush=True)
threading.Event().wait()
"""


@contextmanager
def running(command: list[str], *, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The process, once it serves; killed in the end if it is still there."""
    log = folder / "simulator.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT,
            env=environment(folder, DATABASE_URL=NO_DATABASE),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        is_up = wait_until(lambda: "Stripe simulator at" in log.read_text(), seconds=START_TIMEOUT_S)
        assert is_up, log.read_text()
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def later(tmp_path: Path) -> Simulator:
    """At the address and on the file of a process that a test runs first; not started yet."""
    return Simulator(path=tmp_path / "stripe.sqlite3", port=free_port())


def test_a_killed_simulator_has_lost_nothing(later: Simulator, tmp_path: Path) -> None:
    with running(["-c", SERVE, str(later.path), str(later.port)], folder=tmp_path):
        customer = v1(later).customers.create({"name": "Ada"}, KEY)

    later.start()
    again = v1(later).customers.create({"name": "Ada"}, KEY)
    later.stop()

    assert again.id == customer.id


def test_the_command_serves_until_it_is_told_to_stop(later: Simulator, tmp_path: Path) -> None:
    command = ["manage.py", "stripe_simulator", "--port", str(later.port), "--data", str(later.path)]
    with running(command, folder=tmp_path) as process:
        v1(later).customers.create({"name": "Ada"})
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=START_TIMEOUT_S) == 0
    assert "POST /v1/customers 200 in" in (tmp_path / "simulator.log").read_text()


def test_an_invoice_is_paid_after_a_restart(simulator: Simulator, api: Any) -> None:
    invoice = an_open_invoice(api, a_customer(api))

    simulator.stop()
    simulator.start()

    assert v1(simulator).invoices.pay(invoice.id).status == "paid"


def test_there_is_no_simulator_in_production(settings: Any) -> None:
    settings.PRODUCTION = True

    with pytest.raises(CommandError, match="in production"):
        call_command("stripe_simulator")


@pytest.mark.parametrize("host", ["::", "192.0.2.1", "example.com"])
def test_it_is_reached_from_this_machine_alone(host: str) -> None:
    with pytest.raises(CommandError, match="--host"):
        call_command("stripe_simulator", host=host)

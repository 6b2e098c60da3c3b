"""Who may ask, after nobody answered."""

import threading

from tests.support.concurrency import at_once
from tests.support.processes import wait_until
from usage.metering.circuit import Circuit

FOREVER_S = 3600


def test_as_a_rule_every_attempt_is_allowed() -> None:
    circuit = Circuit(attempts=3)

    assert circuit.attempts() == 3
    assert not circuit.succeeded()


def test_nobody_asks_in_the_pause_after_a_failure() -> None:
    circuit = Circuit(attempts=3, pause_s=FOREVER_S)
    circuit.failed()

    assert circuit.attempts() == 0


def test_after_the_pause_one_caller_asks_once() -> None:
    circuit = Circuit(attempts=3, pause_s=0.2)
    circuit.failed()
    allowed: list[int] = []

    def ask() -> bool:
        allowed.append(circuit.attempts())
        return allowed[-1] > 0

    assert wait_until(ask, seconds=5)
    assert allowed[-1] == 1
    assert circuit.attempts() == 0


def test_of_racing_callers_one_asks() -> None:
    circuit = Circuit(attempts=3, pause_s=1)
    circuit.failed()
    threading.Event().wait(1)

    assert sorted(at_once(lambda number: circuit.attempts(), times=8)) == [0] * 7 + [1]


def test_an_answer_ends_the_outage() -> None:
    circuit = Circuit(attempts=3, pause_s=FOREVER_S)
    circuit.failed()

    assert circuit.succeeded()
    assert circuit.attempts() == 3

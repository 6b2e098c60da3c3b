"""A meter's work in threads: contexts, failures, forks."""

import asyncio
import os
import signal

import pytest

from usage.metering import threads
from usage.metering.context import attribute, current

CHILD_TIMEOUT_S = 10


def test_work_sees_the_context_of_its_caller() -> None:
    async def main() -> str:
        with attribute(customer="acme"):
            return await threads.run(lambda: current().customer)

    assert asyncio.run(main()) == "acme"


def test_what_work_raises_reaches_its_caller_and_nothing_is_left_unclaimed() -> None:
    unclaimed: list[object] = []

    def fail() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(threads.run(fail, unclaimed=unclaimed.append))

    assert unclaimed == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own() -> None:
    parent = asyncio.run(threads.run(os.getpid))
    child = os.fork()
    if not child:
        signal.alarm(CHILD_TIMEOUT_S)
        os._exit(asyncio.run(threads.run(lambda: 7)))

    assert parent == os.getpid()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

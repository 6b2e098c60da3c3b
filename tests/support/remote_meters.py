"""Meters over HTTP and host processes, as the tests of both against a billing server want them."""

import subprocess
import sys
from pathlib import Path

from tests.support.metering_server import API_KEY, MeteringServer
from tests.support.processes import PROJECT, wait_until
from usage.core.errors import EnforcementUnavailable
from usage.metering.protocol import Intent
from usage.metering.remote import FailPolicy, RemoteMeter
from usage.metering.spool import DEFAULT_MAX_BYTES, Spool
from usage.operations import Operation

PATIENCE_S = 20
CAPPED = Operation(provider="openai", model="gpt-4o", input_tokens=10, max_output_tokens=50)
UNCAPPED = Operation(provider="openai", model="gpt-4o", input_tokens=10)
# A host application: settles an event for each name, says so, and ends as it is told.
HOST = """
import os, sys, time
from usage.events import UsageData, UsageEvent
from usage.metering.remote import RemoteMeter

url, key, spool, ending, *names = sys.argv[1:]
meter = RemoteMeter(url, key, spool=spool)

def settle(name):
    meter.settle(UsageEvent(id=name, source="tests", data=UsageData(provider="openai")))
    sys.stdout.write(name + "\\n")
    sys.stdout.flush()

for name in names:
    settle(name)
if ending == "wait":
    time.sleep(600)
if ending == "fork":
    child = os.fork()
    settle("in the parent" if child else "in the child")
    if not child:
        os._exit(0 if meter.close() else 1)
    sys.exit(os.waitpid(child, 0)[1])
"""


def a_meter(
    server: MeteringServer,
    spool: Path,
    *,
    key: str = API_KEY,
    fail: FailPolicy = "closed",
    retries: int = 2,
    timeout_s: float = 2,
    spool_bytes: int = DEFAULT_MAX_BYTES,
) -> RemoteMeter:
    return RemoteMeter(
        server.url,
        key,
        spool=spool,
        timeout_s=timeout_s,
        retries=retries,
        fail=fail,
        spool_bytes=spool_bytes,
    )


def an_intent(*operations: Operation) -> Intent:
    return Intent(customer="acme", operations=operations or (CAPPED,))


def grants(meter: RemoteMeter) -> bool:
    """Whether an authorization comes through."""
    try:
        meter.authorize(an_intent())
    except EnforcementUnavailable:
        return False
    return True


def has_all(server: MeteringServer, *names: str) -> bool:
    """Whether the events arrive in time."""
    return wait_until(lambda: set(names) <= set(server.event_ids), seconds=PATIENCE_S)


def is_empty(spool_path: Path) -> bool:
    """Whether all that waited was delivered, and the sender knows."""
    spool = Spool(spool_path)
    try:
        return spool.is_empty()
    finally:
        spool.close()


def parked_in(spool_path: Path) -> dict[str, str]:
    """Message by code."""
    spool = Spool(spool_path)
    try:
        return {parked.code: parked.message for parked in spool.parked()}
    finally:
        spool.close()


def a_host(server: MeteringServer, spool: Path, *names: str, ending: str) -> subprocess.Popen[str]:
    """A process that settles `names`, then ends "at once", waits to be killed ("wait") or forks ("fork")."""
    arguments = [sys.executable, "-c", HOST, server.url, API_KEY, str(spool), ending, *names]
    return subprocess.Popen(arguments, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def wait_until_settled(process: subprocess.Popen[str], *names: str) -> None:
    assert process.stdout is not None
    assert [process.stdout.readline().strip() for _ in names] == list(names)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=PATIENCE_S)

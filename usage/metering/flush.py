"""See what waits in a spool and deliver it by hand: `python -m usage.metering.flush --help`.

For the spool of a process that will not start again, and for events that were parked and can be taken now.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from usage.core.errors import BillingError
from usage.metering.http_api import MeteringApi
from usage.metering.sender import Sender
from usage.metering.spool import Spool

API_KEY_VARIABLE = "METERING_API_KEY"
TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 5.0
PARKED_SHOWN = 100


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; 0 when nothing waits and nothing is parked any more, 1 otherwise."""
    options = parser().parse_args(arguments)
    if not options.spool.is_file():
        return complain(f"There is no spool at {options.spool}.")
    spool = Spool(options.spool)
    try:
        return flush(spool, options)
    except BillingError as failure:
        return complain(failure.message)
    finally:
        spool.close()


def flush(spool: Spool, options: Namespace) -> int:
    if options.resend:
        spool.resend()
    if options.url:
        send(spool, url=options.url, timeout_s=options.timeout)
    counts = spool.counts()
    tell(f"{counts.waiting} waiting, {counts.parked} parked")
    for one in spool.parked(limit=PARKED_SHOWN):
        tell(f"parked: {one.code}: {one.message}")
    return 1 if counts.waiting or counts.parked else 0


def send(spool: Spool, *, url: str, timeout_s: float) -> None:
    api = MeteringApi(url, os.environ.get(API_KEY_VARIABLE, ""), timeout_s=CONNECT_TIMEOUT_S)
    try:
        sender = Sender(spool, api.record)
        sender.wake()
        sender.close(timeout_s)
    finally:
        api.close()


def parser() -> ArgumentParser:
    takes = ArgumentParser(
        prog="python -m usage.metering.flush", description="See and empty a spool of usage."
    )
    takes.add_argument("spool", type=Path, help="the spool's file")
    takes.add_argument("--url", help=f"deliver to this billing server, with the key in {API_KEY_VARIABLE}")
    takes.add_argument("--resend", action="store_true", help="let the parked events wait again")
    takes.add_argument(
        "--timeout", type=float, default=TIMEOUT_S, help="seconds to deliver for (%(default)s)"
    )
    return takes


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def complain(line: str) -> int:
    sys.stderr.write(f"{line}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

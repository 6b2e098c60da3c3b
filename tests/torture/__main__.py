"""`make torture`: race, kill and crash until the time is over, then say what was done and what broke."""

import argparse
import logging
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from tests.support.servers import OwnServer, own_server
from tests.torture.plan import Found, Plan, scenes
from tests.torture.race import race
from tests.torture.world import MANY, furnish
from tests.torture.writers import write_for

SHARE_OF_WRITERS = 0.3
NARROWEST = 140
CHECKED = """
Checked after every round: whatever a client was told is in the database; used + held of a blocking limit was
never above its amount, also while they raced; the limit could be filled to its last call, at once and again
after all holds had expired; no total, counter or hold drifts from log and open holds; no deadlock."""


def main() -> int:
    """Torture the ledger; 0 when nothing broke, otherwise 1."""
    plan = Plan(**vars(parser().parse_args()))
    # It warns of each connection that ends in the middle of something, as most of ours do.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    console = Console() if sys.stdout.isatty() else Console(width=NARROWEST)
    with (
        TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder,
        own_server(Path(folder).resolve(), database="torture") as server,
    ):
        furnish()
        total = torture(plan, server, console)
    for what, count in sorted(total.counts.items()):
        console.print(f"{count:9,}  {what}", highlight=False)
    console.print(CHECKED, highlight=False)
    verdict = f"{len(total.broken)} things broke." if total.broken else "Nothing broke."
    console.print(verdict, style="bold red" if total.broken else "bold green")
    return 1 if total.broken else 0


def torture(plan: Plan, server: OwnServer, console: Console) -> Found:
    """The rounds until their share of the time is over (at least one), then the writers."""
    total = Found()
    seconds = plan.minutes * 60
    end = time.monotonic() + seconds * (1 - SHARE_OF_WRITERS)
    to_do = scenes(plan.seeds, many=MANY)
    for number, scene in enumerate(to_do, start=1):
        add(race(scene, count=plan.clients, server=server), total, f"{number}/{len(to_do)} {scene}", console)
        total.counts["rounds of racing clients"] += 1
        if time.monotonic() > end:
            break
    name = f"{plan.writers} writers of {MANY} accounts for {seconds * SHARE_OF_WRITERS:.0f} s"
    add(write_for(seconds * SHARE_OF_WRITERS, count=plan.writers), total, name, console)
    return total


def add(found: Found, total: Found, name: str, console: Console) -> None:
    """Count in what one round found, and say it."""
    total.counts.update(found.counts)
    total.broken.extend(found.broken)
    counts = ", ".join(f"{what} {count}" for what, count in sorted(found.counts.items()))
    console.print(f"{name}: {counts}", highlight=False)
    for line in found.broken:
        console.print(f"  BROKEN {line}", style="red", markup=False)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="make torture ARGS=…", description=__doc__)
    options.add_argument("--minutes", type=float, default=5, help="how long, about")
    options.add_argument("--clients", type=positive, default=64, help="processes that race")
    options.add_argument("--writers", type=positive, default=16, help="processes on the same accounts")
    options.add_argument("--seeds", type=positive, default=50, help="times four rounds, if there is time")
    return options


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())

"""`make torture` as a program: a tiny run does all it is meant to do, and a ledger that lies is noticed."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.authorizing import a_limit, ask, limit, settle
from tests.support.cast import NOW
from tests.support.clients import all_told, clients
from tests.support.invariants import broken_invariants
from tests.support.processes import PROJECT, wait_until
from tests.support.racing import crowd, watched
from tests.support.recording import prepare
from tests.torture.plan import scenes
from usage.models import Authorization, Hold, UsageLimit

TIMEOUT_S = 240
DONE = {"crashes of the server", "told: granted", "told: settled", "told: away", "turns: report"}


def test_a_tiny_run_does_everything_and_breaks_nothing() -> None:
    options = ("--minutes", "0.1", "--clients", "4", "--writers", "4", "--seeds", "1")
    with crowd():
        run = subprocess.run(
            [sys.executable, "-m", "tests.torture", *options],
            cwd=PROJECT,
            env={**os.environ, "PYTHONWARNINGS": ""},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    assert run.returncode == 0, run.stdout + run.stderr
    assert "Nothing broke." in run.stdout
    counts = dict(line.split(maxsplit=1)[::-1] for line in run.stdout.splitlines() if line.startswith("  "))
    assert counts.keys() >= DONE


def test_the_scenes_are_all_combinations_of_every_seed() -> None:
    planned = scenes(3, many=16)

    assert Counter((each.limits, each.accounts) for each in planned) == dict.fromkeys(
        [(1, 1), (1, 16), (6, 1), (6, 16)], 3
    )
    assert {each.seed for each in planned if each.crash} == {0}


@pytest.mark.django_db(transaction=True)
class TestBrokenLedgers:
    """What the checks are for: each of these must be noticed."""

    @pytest.fixture(autouse=True)
    def held_and_settled(self) -> None:
        prepare()
        limit(a_limit(2))
        settle(ask())
        ask()
        assert broken_invariants() == []

    def test_more_used_and_held_than_the_limit_allows(self) -> None:
        UsageLimit.objects.update(amount=1)

        assert [line.split(":")[0] for line in broken_invariants()] == [
            "more is used and held than the blocking limit allows"
        ]

    def test_a_hold_that_leaked(self) -> None:
        Authorization.objects.filter(state="open").update(state="released", closed_at=NOW)

        assert [line.split(":")[0] for line in broken_invariants()] == [
            "something is held without an open authorization"
        ]

    def test_a_hold_that_was_lost(self) -> None:
        Hold.objects.all().delete()

        assert [line.split(":")[0] for line in broken_invariants()] == [
            "limit drifted",
            "an open authorization holds nothing",
        ]

    def test_a_settlement_that_was_not_written_down(self) -> None:
        Authorization.objects.update(settled_calls=0)

        assert [line.split(":")[0] for line in broken_invariants()] == [
            "an authorization does not say what was settled"
        ]

    def test_an_excess_that_only_lasted_a_moment(self) -> None:
        with watched() as seen:
            UsageLimit.objects.update(used=3)
            assert wait_until(lambda: bool(seen.excesses), seconds=10)
            UsageLimit.objects.update(used=1)

        assert seen.peaks == {"everything_calls_period": 4}


def test_a_client_that_fails_is_noticed(tmp_path: Path) -> None:
    with clients(lambda number, tell: tell(str(1 / number)), count=2, folder=tmp_path) as running:
        pass

    assert running[1].told() == ["1.0"]
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        all_told(running)

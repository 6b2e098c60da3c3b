"""The backtest_forecast command: whose months it tries, and what it prints."""

from datetime import date, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command

from tests.support.cast import NOW, an_account
from tests.support.usage_rows import TODAY, a_day


def printed(*options: str) -> str:
    out = StringIO()
    call_command("backtest_forecast", *options, stdout=out)
    return out.getvalue()


def test_it_prints_each_kind_and_all_together_for_both_targets() -> None:
    running, following = printed("--number", "2").split("The next month")

    for table in (running, following):
        rows = [line.split("│")[1].strip() for line in table.splitlines() if line.startswith("│")]
        assert rows == ["even", "no weekends", "all"]
    # All of a year's eleven months after the first, and three of its days; as of seven days each.
    assert "error of 160 trials" in running
    assert "error of 106 trials" in following


def test_another_seed_makes_other_accounts() -> None:
    assert printed("--number", "1") == printed("--number", "1")
    assert printed("--number", "1") != printed("--number", "1", "--seed", "another")


@pytest.mark.django_db
def test_the_databases_own_accounts_are_tried_on_their_last_year() -> None:
    an_account("never-used")
    for name in ("acme", "globex"):
        account = an_account(name)
        for number in range((TODAY - date(2026, 1, 1)).days):
            a_day(account, day=date(2026, 1, 1) + timedelta(days=number), cost="2")
    with time_machine.travel(NOW, tick=False):
        table = printed("--accounts")

    # January and February are whole: as of three and of seven days, twice.
    assert "error of 20 trials" in table
    # February, as of three days of January.
    assert "error of 6 trials" in table
    assert [line for line in table.splitlines() if line.startswith("│ own")] != []


@pytest.mark.django_db
def test_without_a_month_to_try_it_says_so() -> None:
    a_day(an_account(), cost="2")

    with time_machine.travel(NOW, tick=False), pytest.raises(CommandError, match="two weeks of history"):
        printed("--accounts")


@pytest.mark.parametrize("number", ["0", "100001"])
def test_a_number_out_of_bounds_is_refused(number: str) -> None:
    with pytest.raises(CommandError, match="--number must be 1 to 100000"):
        printed("--number", number)

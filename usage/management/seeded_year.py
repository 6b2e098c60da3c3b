"""A year of daily costs of accounts that there are not: the same for the same seed, on every machine.

Each account is of a kind, which is what a forecast finds hard about it, and beside that has what accounts
have: a size, a week, and days that differ without a reason. What differs between accounts of a kind is drawn
for each from its own dice.
"""

from calendar import monthrange
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from math import exp, log
from random import Random

SEED = "ALwrity Billing forecast"
FIRST_DAY = date(2025, 1, 1)
DAYS = 365
DAYS_A_MONTH = 30
SATURDAY, SUNDAY = 5, 6
COST_UNIT = Decimal("0.000001")

# What a day costs beside an ordinary one, for each day of the year.
Course = Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededAccount:
    """`costs` are USD of the UTC days from `start` on, none left out, until the end of the year."""

    name: str
    kind: str
    start: date
    costs: Sequence[Decimal]


def seeded_year(accounts: int, *, seed: str = SEED) -> list[SeededAccount]:
    """So many accounts, the kinds by turns."""
    kinds = list(KINDS)
    return [_account(number, kinds[number % len(kinds)], seed) for number in range(accounts)]


def _account(number: int, kind: str, seed: str) -> SeededAccount:
    dice = Random(f"{seed} {number}")  # noqa: S311
    course = KINDS[kind](dice)
    size = exp(dice.uniform(log(0.5), log(200)))
    spread = 0.5 if kind == "unsteady" else dice.uniform(0.08, 0.3)
    weekend = 1.0 if kind == "no weekends" else dice.uniform(0.15, 0.9)
    monday = dice.uniform(0.9, 1.2)
    costs = []
    for number_of_day, relative in enumerate(course):
        weekday = (FIRST_DAY + timedelta(days=number_of_day)).weekday()
        usual = {0: monday, SATURDAY: weekend, SUNDAY: weekend * 0.8}.get(weekday, 1.0)
        costs.append(size * usual * relative * exp(dice.gauss(-(spread**2) / 2, spread)))
    idle = next(day for day, cost in enumerate(costs) if cost > 0)
    return SeededAccount(
        name=f"{kind} {number}",
        kind=kind,
        start=FIRST_DAY + timedelta(days=idle),
        costs=[Decimal(cost).quantize(COST_UNIT) for cost in costs[idle:]],
    )


def _even(dice: Random) -> Course:
    return [1.0] * DAYS


def _growing(dice: Random) -> Course:
    """5 to 20 percent a month."""
    return _compounding(dice.uniform(0.05, 0.20))


def _shrinking(dice: Random) -> Course:
    """5 to 15 percent a month."""
    return _compounding(-dice.uniform(0.05, 0.15))


def _compounding(a_month: float) -> Course:
    return [(1 + a_month) ** (day / DAYS_A_MONTH) for day in range(DAYS)]


def _spikes(dice: Random) -> Course:
    """One to five of a hundred days cost four to ten times as much."""
    share = dice.uniform(0.01, 0.05)
    return [dice.uniform(4, 10) if dice.random() < share else 1.0 for _ in range(DAYS)]


def _shift(dice: Random) -> Course:
    """From one day on another level: a third to three times as much."""
    at, to = dice.randrange(60, 300), exp(dice.choice([-1, 1]) * dice.uniform(0.4, 1.1))
    return [to if day >= at else 1.0 for day in range(DAYS)]


def _sparse(dice: Random) -> Course:
    """Used on one day of three to fifteen."""
    share = 1 / dice.uniform(3, 15)
    return [dice.uniform(0.3, 3) if dice.random() < share else 0.0 for _ in range(DAYS)]


def _month_end(dice: Random) -> Course:
    """The last three days of a month cost two to six times as much."""
    factor = dice.uniform(2, 6)
    days = [FIRST_DAY + timedelta(days=day) for day in range(DAYS)]
    return [factor if day.day > monthrange(day.year, day.month)[1] - 3 else 1.0 for day in days]


def _spells(dice: Random) -> Course:
    """Busy and quiet times of a week or two each."""
    course, state = [], 0.0
    for _ in range(DAYS):
        state = 0.9 * state + dice.gauss(0, 0.17)
        course.append(exp(state))
    return course


def _wandering(dice: Random) -> Course:
    """Every day's level is the last one's, and a little off."""
    course, level = [], 0.0
    for _ in range(DAYS):
        level += dice.gauss(0, 0.025)
        course.append(exp(level))
    return course


def _newcomer(dice: Random) -> Course:
    """Begins in the course of the year, and comes to its level in two months."""
    start = dice.randrange(45, 220)
    return [0.0 if day < start else min((day - start + 10) / 70, 1.0) for day in range(DAYS)]


def _pause(dice: Random) -> Course:
    """Idle once, for three to eight weeks."""
    start, days = dice.randrange(60, 280), dice.randrange(21, 57)
    return [0.0 if start <= day < start + days else 1.0 for day in range(DAYS)]


def _bends(dice: Random) -> Course:
    """Grows, stays, shrinks: another rate every two to four months."""
    turns = [0, *sorted(dice.sample(range(60, 340), 3)), DAYS]
    level, course = 0.0, []
    for start, end in pairwise(turns):
        rate = dice.uniform(-0.12, 0.18)
        for _ in range(end - start):
            level += rate / DAYS_A_MONTH
            course.append(exp(level))
    return course


KINDS: dict[str, Callable[[Random], Course]] = {
    "even": _even,
    "no weekends": _even,
    "unsteady": _even,
    "growing": _growing,
    "shrinking": _shrinking,
    "spikes": _spikes,
    "level shift": _shift,
    "sparse": _sparse,
    "month end": _month_end,
    "spells": _spells,
    "wandering": _wandering,
    "newcomer": _newcomer,
    "pause": _pause,
    "bends": _bends,
}

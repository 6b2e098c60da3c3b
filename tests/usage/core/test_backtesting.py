"""Backtests: what is tried, how it is scored, and that forecasts beat what they have to beat."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest

from usage.core.backtesting import Method, Series, Target, Trial, score, scores, trials
from usage.management.seeded_year import KINDS, seeded_year

TEN = Decimal(10)
FORECAST, RUN_RATE, SEASONAL_NAIVE = Method


def a_series(*costs: Decimal, start: date = date(2026, 1, 1)) -> Series:
    return Series(kind="even", start=start, costs=costs)


def a_trial(
    actual: str = "100", said: str = "100", *, low: str = "0", high: str = "0", kind: str = "even"
) -> Trial:
    return Trial(
        kind=kind,
        target=Target.NEXT_MONTH,
        made_on=date(2026, 1, 1),
        actual=Decimal(actual),
        said={method: Decimal(said) for method in Method},
        low=Decimal(low),
        high=Decimal(high),
    )


class TestTrials:
    def test_months_are_tried_with_two_weeks_of_history_and_once_they_are_over(self) -> None:
        # January to March.
        made = [(trial.target, trial.made_on) for trial in trials(a_series(*[TEN] * 90))]

        assert [day for target, day in made if target is Target.RUNNING_MONTH] == [
            *(date(2026, 1, day) for day in (15, 20, 25)),
            *(date(2026, 2, day) for day in (3, 5, 8, 12, 15, 20, 25)),
            *(date(2026, 3, day) for day in (3, 5, 8, 12, 15, 20, 25)),
        ]
        assert [day for target, day in made if target is Target.NEXT_MONTH] == [
            *(date(2026, 1, day) for day in (15, 22, 28)),
            *(date(2026, 2, day) for day in (1, 8, 15, 22, 28)),
        ]

    @pytest.mark.parametrize(
        ("start", "months"), [(date(2026, 1, 1), {1, 2}), (date(2026, 1, 2), {2}), (date(2026, 2, 1), {2})]
    )
    def test_a_month_whose_start_is_not_known_is_not_tried(self, start: date, months: set[int]) -> None:
        series = a_series(*[TEN] * (date(2026, 3, 1) - start).days, start=start)
        tried = {t.made_on.month for t in trials(series) if t.target is Target.RUNNING_MONTH}

        assert tried == months

    def test_it_is_said_what_was_known_then(self) -> None:
        """10 on each day until 14 February, 20 until the end of the month, and 10 again."""
        costs = [TEN] * 45 + [Decimal(20)] * 14 + [TEN] * 31
        found = {(t.target, t.made_on): t for t in trials(a_series(*costs))}
        running = found[Target.RUNNING_MONTH, date(2026, 2, 20)]
        following = found[Target.NEXT_MONTH, date(2026, 2, 22)]

        # Known are 14 days at 10 and 5 at 20; the last week was 2 × 10 and 5 × 20.
        assert running.actual == 420
        assert running.said[RUN_RATE] == Decimal(240) / 19 * 28
        # Nine days are left: that week, and its first two days once more.
        assert running.said[SEASONAL_NAIVE] == 240 + 120 + 20
        # On the 22nd all of the last week cost 20.
        assert following.actual == 310
        assert following.said[RUN_RATE] == Decimal(280) / 21 * 31
        assert following.said[SEASONAL_NAIVE] == 31 * 20

    def test_a_steady_account_is_foreseen_by_every_method(self) -> None:
        for trial in trials(a_series(*[TEN] * 90)):
            assert [round(trial.error(method), 9) for method in Method] == [0, 0, 0]
            assert trial.low <= trial.actual <= trial.high


class TestScore:
    def test_errors_are_a_share_of_what_the_month_came_to(self) -> None:
        found = score([a_trial("200", "150"), a_trial("100", "110"), a_trial("50", "60")])

        # 25, 10 and 20 percent.
        assert found.trials == 3
        assert found.median_error[FORECAST] == 20
        assert found.mean_error[FORECAST] == Decimal(55) / 3

    @pytest.mark.parametrize(
        ("actual", "holds"), [("89", False), ("90", True), ("110", True), ("111", False)]
    )
    def test_a_range_covers_what_lies_within_and_its_ends(self, actual: str, holds: bool) -> None:
        assert score([a_trial(actual, low="90", high="110")]).coverage == 100 * holds

    def test_a_range_is_as_wide_as_the_month_was_large(self) -> None:
        assert score([a_trial("200", low="150", high="210")]).width == 30

    def test_a_month_that_came_to_nothing_counts_for_the_coverage_alone(self) -> None:
        found = score([a_trial("0", "50", low="10", high="90"), a_trial("100", "110", low="90", high="120")])

        assert (found.trials, found.coverage) == (2, 50)
        assert (found.median_error[FORECAST], found.width) == (10, 30)

    def test_groups_are_scored_apart(self) -> None:
        made = [
            a_trial("100", "120", kind="b"),
            a_trial("100", "110", kind="a"),
            a_trial("100", "140", kind="b"),
        ]
        found = scores(made, by=lambda trial: trial.kind)

        assert {kind: each.mean_error[FORECAST] for kind, each in found.items()} == {"b": 30, "a": 10}


class TestSeededYear:
    def test_it_is_the_same_each_time(self) -> None:
        assert seeded_year(20) == seeded_year(20)
        assert seeded_year(20)[:14] == seeded_year(14)
        assert seeded_year(14, seed="another") != seeded_year(14)

    def test_every_account_knows_its_days_until_the_end_of_the_year(self) -> None:
        for account in seeded_year(len(KINDS)):
            assert account.start.year == 2025
            assert (date(2026, 1, 1) - account.start).days == len(account.costs)
            assert account.costs[0] > 0
            assert min(account.costs) >= 0

    def test_all_kinds_occur(self) -> None:
        assert [account.kind for account in seeded_year(len(KINDS))] == list(KINDS)


@pytest.fixture(scope="module")
def backtest() -> Mapping[str, list[Trial]]:
    """Every trial of the first seven months of one account of each kind, by target."""
    made: dict[str, list[Trial]] = {target: [] for target in Target}
    for account in seeded_year(len(KINDS)):
        days = (date(2025, 8, 1) - account.start).days
        for trial in trials(Series(kind=account.kind, start=account.start, costs=account.costs[:days])):
            made[trial.target].append(trial)
    return made


@pytest.mark.parametrize("target", list(Target))
def test_forecasts_beat_the_run_rate_and_hold_what_their_range_says(
    backtest: Mapping[str, list[Trial]], target: Target
) -> None:
    found = score(backtest[target])

    assert found.trials > 200
    for naive in (RUN_RATE, SEASONAL_NAIVE):
        assert found.median_error[FORECAST] < Decimal("0.9") * found.median_error[naive]
        assert found.mean_error[FORECAST] < Decimal("0.9") * found.mean_error[naive]
    assert 75 <= found.coverage <= 85

"""Budgets that several change and use at once, and workers killed in between."""

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from django.db import OperationalError

from subscriptions import budgets, changes
from subscriptions.budget_protection import is_in_place
from subscriptions.models import Budget, BudgetChange
from tests.support.authorizing import a_limit, ask, is_granted
from tests.support.cast import NOW, an_account, an_event
from tests.support.concurrency import holding, kill_while_blocked
from tests.support.invariants import broken_invariants
from tests.support.racing import by_clients, crowd, together, watched
from tests.support.recording import prepare, record
from tests.support.subscribing import MONTHLY, TESTS, a_plan, start
from usage.core.calendar import months_after
from usage.core.errors import Conflict
from usage.models import Account

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 4
OVER = months_after(NOW, 1)
CALL = Decimal("0.0035")


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    """On a plan of 60 calls a minute and 25 USD a month."""
    prepare()
    plan = a_plan("team", a_limit(60, window="minute", name="a_minute"), included_usage=Decimal(25))
    with crowd():
        yield start(plan, account=Account.objects.get()).account


def use(calls: int, *, of: str = "acme") -> None:
    record(*(an_event(f"{of}-{number}", subject=of) for number in range(calls)))


def the_account() -> Account:
    return Account.objects.get(external_id="acme")


def everything_of(acme: Account) -> list[object]:
    return [
        list(Budget.objects.values()),
        list(BudgetChange.objects.order_by("id").values()),
        list(acme.limits.order_by("id").values("source", "name", "mode", "amount")),
        Account.objects.filter(pk=acme.pk).values().get(),
    ]


# --- At once ---


def test_two_first_updates_at_once_make_one_budget_that_has_both(acme: Account) -> None:
    together(
        lambda: budgets.update(acme, changes={"monthly_budget": Decimal(10)}, at=NOW, by=TESTS),
        lambda: budgets.update(acme, changes={"per_day": Decimal(2)}, at=NOW, by=TESTS),
        lambda: budgets.update(acme, changes={"per_hour": Decimal(1)}, at=NOW, by=TESTS),
    )

    budget = Budget.objects.get()
    assert (budget.monthly_budget, budget.per_day, budget.per_hour) == (10, 2, 1)
    assert is_in_place(acme, at=NOW)
    # Each began where the one before it ended.
    history = list(BudgetChange.objects.order_by("id"))
    assert [each.before for each in history[1:]] == [each.after for each in history[:-1]]


def test_a_raise_beside_the_clock_leaves_what_the_budget_then_calls_for(acme: Account) -> None:
    budgets.update(
        acme,
        changes={"monthly_budget": 10 * CALL, "throttle_from": 80, "throttle_to": 50},
        at=NOW,
        by=TESTS,
    )
    use(10)

    together(
        lambda: budgets.update(acme, changes={"monthly_budget": 20 * CALL}, at=NOW, by=TESTS),
        *[lambda: budgets.protect(acme, at=NOW)] * 3,
    )

    budget = Budget.objects.get()
    assert (budget.monthly_budget, budget.is_paused, budget.throttled_at) == (20 * CALL, False, None)
    assert the_account().suspended_reason == ""
    assert is_in_place(acme, at=NOW)


def test_racing_sweeps_let_go_once(acme: Account) -> None:
    plan = acme.subscription.plan
    team = [start(plan, account=an_account(f"account-{number}")).account for number in range(6)]
    for account in team:
        budgets.update(account, changes={"monthly_budget": CALL}, at=NOW, by=TESTS)
        use(1, of=account.external_id)
        budgets.protect(account, at=NOW)

    sweeps: list[Callable[[], int]] = [lambda: budgets.protect_due(at=OVER, limit=100)] * WORKERS
    changed = together(*sweeps)

    assert sum(changed) == len(team)
    assert BudgetChange.objects.filter(reason="There is room again.").count() == len(team)
    assert not Account.objects.exclude(suspended_reason="").exists()


def test_two_pauses_by_hand_are_one(acme: Account) -> None:
    def pause() -> str:
        try:
            budgets.pause(acme, reason="A runaway script.", at=NOW, by=TESTS)
        except Conflict as conflict:
            return conflict.error_code
        return "done"

    met = together(*[pause] * WORKERS)

    assert sorted(met) == ["budget_paused"] * (WORKERS - 1) + ["done"]
    assert BudgetChange.objects.count() == 1


def test_slower_rates_follow_a_plan_that_changes_meanwhile(acme: Account) -> None:
    large = a_plan("large", a_limit(100, window="minute", name="a_minute"), price="60")
    budgets.update(
        acme,
        changes={"monthly_budget": CALL, "auto_pause": False, "throttle_from": 50, "throttle_to": 50},
        at=NOW,
        by=TESTS,
    )
    use(1)

    together(
        lambda: changes.change_plan(acme.subscription, plan=large, cycle=MONTHLY, at=NOW, by=TESTS),
        *[lambda: budgets.protect(acme, at=NOW)] * 3,
    )

    assert [limit.amount for limit in acme.limits.filter(source="budget", measure="calls")] == [50]


# --- Calls meanwhile ---


def test_of_twenty_calls_at_once_as_many_pass_as_the_budget_pays(acme: Account) -> None:
    budgets.update(acme, changes={"monthly_budget": 10 * CALL}, at=NOW, by=TESTS)

    with watched() as seen:
        granted = by_clients(lambda _: is_granted(), times=20, clients=20)

    assert sum(granted) == 10
    assert seen.excesses == set()
    assert seen.peaks["monthly_budget"] == 10 * CALL
    assert broken_invariants() == []


def test_calls_during_updates_see_the_old_budget_or_the_new_never_none(acme: Account) -> None:
    """Either way ten calls are paid for: an instant without a budget would let an eleventh through."""
    budgets.update(acme, changes={"monthly_budget": 10 * CALL}, at=NOW, by=TESTS)

    def change() -> int:
        for turn in range(10):
            one, other = (
                ("max_monthly_cost", "monthly_budget") if turn % 2 else ("monthly_budget", "max_monthly_cost")
            )
            swapped = {one: 10 * CALL, other: None, "auto_pause": True}
            budgets.update(acme, changes=swapped, at=NOW, by=TESTS)  # type: ignore[arg-type]
        return 0

    def call() -> int:
        return sum(is_granted() for _ in range(10))

    with watched() as seen:
        granted = together(change, *[call] * WORKERS)

    assert sum(granted) == 10
    assert seen.excesses == set()
    # The plan's two and one of the budget, at every look.
    assert seen.fewest_limits == 3
    assert broken_invariants() == []


def test_calls_while_it_is_being_paused_pass_before_or_not_at_all(acme: Account) -> None:
    def pause() -> int:
        budgets.pause(acme, reason="A runaway script.", at=NOW, by=TESTS)
        return 0

    together(pause, *[lambda: sum(is_granted() for _ in range(5))] * WORKERS)

    assert not is_granted()
    assert broken_invariants() == []


# --- Killed in between ---


@pytest.mark.parametrize(
    "held",
    [
        "LOCK TABLE budget_changes IN SHARE MODE",
        "SELECT FROM accounts FOR UPDATE",
        "SELECT FROM usage_limits FOR UPDATE",
    ],
    ids=["history", "account", "limits"],
)
def test_an_update_killed_between_two_effects_leaves_nothing_and_the_next_does_it(
    acme: Account, held: str
) -> None:
    budgets.update(acme, changes={"monthly_budget": 10 * CALL}, at=NOW, by=TESTS)
    use(2)
    before = everything_of(acme)

    def lower() -> Budget:
        return budgets.update(acme, changes={"monthly_budget": 2 * CALL}, at=NOW, by=TESTS)

    with holding(held) as let_go:
        failure = kill_while_blocked(lower)
        let_go()

    assert isinstance(failure, OperationalError)
    assert everything_of(acme) == before
    assert lower().is_paused
    assert the_account().suspended_reason != ""


@pytest.mark.parametrize(
    "held",
    [
        "LOCK TABLE budget_changes IN SHARE MODE",
        "SELECT FROM usage_limits WHERE source = 'budget' FOR UPDATE",
    ],
    ids=["history", "limits"],
)
def test_a_sweep_killed_in_the_middle_leaves_nothing_and_the_next_lets_go(acme: Account, held: str) -> None:
    budgets.update(
        acme,
        changes={"monthly_budget": CALL, "throttle_from": 50, "throttle_to": 50},
        at=NOW,
        by=TESTS,
    )
    use(1)
    budgets.protect(acme, at=NOW)
    before = everything_of(acme)

    with holding(held) as let_go:
        failure = kill_while_blocked(lambda: budgets.protect_due(at=OVER, limit=10))
        let_go()

    assert isinstance(failure, OperationalError)
    assert everything_of(acme) == before
    assert budgets.protect_due(at=OVER, limit=10) == 1
    assert ask(at=OVER)

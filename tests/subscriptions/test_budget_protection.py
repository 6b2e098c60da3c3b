"""What a budget does by itself: it slows calls down, pauses, and lets go again."""

from datetime import timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from subscriptions import budgets, lifecycle, overrides, renewals
from subscriptions.actors import Actor
from subscriptions.budget_settings import Changes
from subscriptions.models import Budget, BudgetChange, LimitOverride, PlanLimit
from tests.support.authorizing import a_limit, ask, is_granted
from tests.support.cast import NOW, an_account, an_event
from tests.support.recording import prepare, record
from tests.support.subscribing import TESTS, a_plan, again, start, subscribe
from usage import limits
from usage.core.calendar import months_after
from usage.core.errors import Conflict, UsageLimitExceededException
from usage.limits import LimitTerms
from usage.models import Account, APIUsageLog, LimitSource

pytestmark = pytest.mark.django_db

ALICE = Actor(name="alice")
# The subscription starts NOW, so its billing period ends a month later.
OVER = months_after(NOW, 1)
MICROSECOND = timedelta(microseconds=1)
# A usual call: 1000 tokens in at 2.50 and 100 out at 10 USD a million.
CALL = Decimal("0.0035")
RATES = (
    a_limit(60, window="minute", name="a_minute"),
    a_limit(7, window="concurrent", name="at_once"),
)


@pytest.fixture(autouse=True)
def acme() -> Account:
    """On a plan of 60 calls a minute, 7 at once, and 25 USD a month."""
    prepare()
    return start(a_plan("team", *RATES, included_usage=Decimal(25)), account=Account.objects.get()).account


def change(acme: Account, **changes: object) -> Budget:
    return budgets.update(acme, changes=Changes(**changes), at=NOW, by=ALICE)  # type: ignore[typeddict-item]


def use(calls: int) -> None:
    """So many usual calls, reported without an authorization."""
    before = APIUsageLog.objects.count()
    record(*(an_event(f"e{before + number}") for number in range(calls)))


def rates(acme: Account) -> dict[str, int]:
    """The slower rates there are, by name."""
    slower = acme.limits.filter(source=LimitSource.BUDGET, measure="calls")
    return {limit.name: int(limit.amount or 0) for limit in slower}


def reasons() -> list[tuple[str, str]]:
    return list(BudgetChange.objects.order_by("id").values_list("actor", "reason"))[1:]


def refusal() -> str:
    with pytest.raises(UsageLimitExceededException) as refused:
        ask()
    return refused.value.message


# --- Slowing down ---


@pytest.mark.parametrize(("calls", "slow"), [(7, False), (8, True), (9, True)])
def test_calls_are_slowed_down_from_the_threshold_on(acme: Account, calls: int, slow: bool) -> None:
    change(acme, monthly_budget=10 * CALL, throttle_from=80, throttle_to=25)
    use(calls)

    assert budgets.protect(acme, at=NOW) is slow

    # 60 × 25% and 7 × 25% = 1.75
    assert rates(acme) == ({"a_minute": 15, "at_once": 1} if slow else {})
    assert (Budget.objects.get().throttled_at, Budget.objects.get().protected_until) == (
        (NOW, OVER) if slow else (None, None)
    )


def test_slower_rates_are_enforced_and_count_what_went_before(acme: Account) -> None:
    change(acme, monthly_budget=10 * CALL, auto_pause=False, throttle_from=80, throttle_to=15)
    use(8)
    budgets.protect(acme, at=NOW)

    # 60 × 15% = 9 a minute, of which 8 are used.
    assert is_granted()
    assert "The limit a_minute has no room: 9 of 9 calls" in refusal()


@pytest.mark.parametrize(
    ("terms", "slower"),
    [
        (a_limit(3, window="second", name="x"), 1),
        (a_limit(3, window="hour", name="x"), 1),
        (a_limit(3, window="day", name="x"), 1),
        (a_limit(8, window="minute", scope="provider", value="openai", name="x"), 4),
        (a_limit(0, window="hour", name="x"), None),
        (a_limit(None, window="hour", name="x"), None),
        (a_limit(8, window="hour", mode="notify", name="x"), None),
        (a_limit(8, window="period", name="x"), None),
        (a_limit(8, window="request", name="x"), None),
        (a_limit(8, "tokens", window="hour", name="x"), None),
    ],
)
def test_what_is_slowed_down_are_the_rates_of_calls(
    acme: Account, terms: LimitTerms, slower: int | None
) -> None:
    subscribe(a_plan("large", terms, included_usage=Decimal(25), price="60"), account=acme)
    change(acme, monthly_budget=CALL, auto_pause=False, throttle_from=1, throttle_to=50)
    use(1)

    budgets.protect(acme, at=NOW)

    assert rates(acme) == ({} if slower is None else {"x": slower})


def test_slower_rates_follow_the_plan_and_overrides(acme: Account) -> None:
    change(acme, monthly_budget=CALL, auto_pause=False, throttle_from=50, throttle_to=50)
    use(1)
    budgets.protect(acme, at=NOW)
    assert rates(acme) == {"a_minute": 30, "at_once": 3}

    subscribe(a_plan("large", a_limit(100, window="minute", name="a_minute"), price="60"), account=acme)
    assert rates(acme) == {"a_minute": 50}

    more = a_limit(10, window="minute", name="fewer")
    overrides.add(acme, more, reason="Abuse.", by=TESTS, at=NOW)
    assert rates(acme) == {"fewer": 5}


@pytest.mark.parametrize(
    "changes",
    [{"monthly_budget": 20 * CALL}, {"throttle_from": None, "throttle_to": None}, {"monthly_budget": None}],
)
def test_a_budget_with_room_slows_nothing_any_more(acme: Account, changes: dict[str, object]) -> None:
    change(acme, monthly_budget=10 * CALL, throttle_from=80, throttle_to=50)
    use(8)
    budgets.protect(acme, at=NOW)

    change(acme, **changes)

    assert rates(acme) == {}
    assert Budget.objects.get().protected_until is None


def test_a_new_period_slows_nothing_any_more(acme: Account) -> None:
    change(acme, monthly_budget=10 * CALL, throttle_from=80, throttle_to=50)
    use(8)
    budgets.protect(acme, at=NOW)

    assert budgets.protect_due(at=OVER - MICROSECOND, limit=10) == 0
    assert rates(acme) != {}
    assert budgets.protect_due(at=OVER, limit=10) == 1

    assert rates(acme) == {}
    assert budgets.protect_due(at=OVER, limit=10) == 0
    assert reasons() == [("system", "80% of the budget are used."), ("system", "The budget has room again.")]


def test_as_many_slower_rates_as_an_account_can_have(acme: Account) -> None:
    many = [
        a_limit(10, window="minute", scope="model", value=f"openai/m{number}", name=f"m{number}")
        for number in range(limits.MAX_LIMITS - 1)
    ]
    subscribe(a_plan("many", *many, price="60"), account=acme)
    change(acme, monthly_budget=CALL, per_hour=CALL, auto_pause=False, throttle_from=50, throttle_to=50)
    use(1)

    assert budgets.protect(acme, at=NOW)

    assert PlanLimit.objects.filter(version__plan__key="many").count() == limits.MAX_LIMITS - 1
    assert len(rates(acme)) == limits.MAX_LIMITS - 2


# --- Pausing ---


@pytest.mark.parametrize(("calls", "paused"), [(9, False), (10, True), (11, True)])
def test_a_budget_that_is_used_up_pauses_until_the_period_ends(
    acme: Account, calls: int, paused: bool
) -> None:
    change(acme, monthly_budget=10 * CALL)
    use(calls)

    assert budgets.protect(acme, at=NOW) is paused

    budget = Budget.objects.get()
    assert (budget.is_paused, budget.paused_automatically) == (paused, paused)
    if paused:
        assert (budget.paused_at, budget.paused_until, budget.protected_until) == (NOW, OVER, OVER)
        assert refusal() == (
            "The monthly budget of 0.035 USD is used up. All calls are paused until 2026-04-15 12:00 UTC: "
            "raise it to go on sooner."
        )


def test_it_resumes_by_itself_when_the_period_is_over_and_not_before(acme: Account) -> None:
    change(acme, monthly_budget=CALL)
    use(1)
    budgets.protect(acme, at=NOW)

    assert budgets.protect_due(at=OVER - MICROSECOND, limit=10) == 0
    assert not is_granted(at=OVER - MICROSECOND)
    assert budgets.protect_due(at=OVER, limit=10) == 1
    assert is_granted(at=OVER)
    assert reasons() == [
        ("system", "The monthly budget of 0.0035 USD is used up."),
        ("system", "There is room again."),
    ]


def test_raising_the_budget_resumes_at_once(acme: Account) -> None:
    change(acme, monthly_budget=CALL)
    use(1)
    budgets.protect(acme, at=NOW)
    assert not is_granted()

    change(acme, monthly_budget=2 * CALL)

    assert is_granted()


def test_lowering_it_below_what_is_used_pauses_at_once(acme: Account) -> None:
    change(acme, monthly_budget=10 * CALL)
    use(2)

    budget = change(acme, monthly_budget=2 * CALL)

    assert budget.paused_automatically
    assert "is used up" in refusal()


def test_resuming_while_the_budget_is_used_up_is_a_conflict_that_says_what_to_do(acme: Account) -> None:
    change(acme, monthly_budget=CALL)
    use(1)
    budgets.protect(acme, at=NOW)

    with pytest.raises(Conflict) as refused:
        budgets.resume(acme, at=NOW, by=ALICE)

    assert refused.value.error_code == "budget_used_up"
    assert refused.value.message == (
        "The monthly budget of 0.0035 USD is used up. Raise it first, or wait until the billing period ends "
        "at 2026-04-15 12:00 UTC."
    )
    # The period is over, the clock just was not there yet.
    assert not budgets.resume(acme, at=OVER, by=ALICE).is_paused


def test_a_pause_by_hand_takes_over_and_stays_when_there_is_room_again(acme: Account) -> None:
    change(acme, monthly_budget=CALL)
    use(1)
    budgets.protect(acme, at=NOW)
    budgets.pause(acme, reason="We look into it.", at=NOW, by=ALICE)

    change(acme, monthly_budget=5 * CALL)

    assert refusal() == "All calls are paused: We look into it. Resume the budget to go on."
    assert budgets.protect_due(at=OVER, limit=10) == 0
    budgets.resume(acme, at=OVER, by=ALICE)
    assert is_granted(at=OVER)


@pytest.mark.parametrize(
    ("changes", "paused"),
    [
        ({"max_monthly_cost": 2 * CALL}, False),
        ({"max_monthly_cost": 2 * CALL, "pause_at_maximum": True}, True),
        ({"max_monthly_cost": 3 * CALL, "pause_at_maximum": True}, False),
        ({"monthly_budget": 2 * CALL, "auto_pause": False}, False),
        ({"per_day": CALL}, False),
    ],
)
def test_only_what_is_said_to_pause_pauses(acme: Account, changes: dict[str, object], paused: bool) -> None:
    change(acme, **changes)
    use(2)

    assert budgets.protect(acme, at=NOW) is paused
    if paused:
        assert "The most that a billing period may cost, 0.007 USD, is reached." in refusal()


def test_the_most_that_the_plan_allows_can_pause_as_well(acme: Account) -> None:
    subscribe(a_plan("tiny", included_usage=2 * CALL, price="60"), account=acme)
    change(acme, pause_at_maximum=True)
    use(1)
    assert not budgets.protect(acme, at=NOW)
    use(1)

    assert budgets.protect(acme, at=NOW)


def test_where_nothing_is_included_nothing_is_paused(acme: Account) -> None:
    subscribe(a_plan("none", included_usage=Decimal(0), price="60"), account=acme)
    change(acme, pause_at_maximum=True)

    assert not budgets.protect(acme, at=NOW)
    assert not budgets.protect(acme, at=OVER + timedelta(days=90))


def test_the_subscriptions_own_suspension_is_told_first(acme: Account) -> None:
    change(acme, monthly_budget=CALL)
    use(1)
    budgets.protect(acme, at=NOW)
    subscription = again(acme.subscription)

    lifecycle.pause(subscription, at=NOW, by=TESTS)
    assert refusal() == "The subscription is paused: resume it to go on."

    lifecycle.resume(subscription, at=NOW, by=TESTS)
    assert "The monthly budget" in refusal()


# --- Called for whoever used anything ---


def test_a_second_look_changes_nothing(acme: Account) -> None:
    change(acme, monthly_budget=CALL, throttle_from=50, throttle_to=50)
    use(1)

    assert [budgets.protect(acme, at=NOW) for _ in range(3)] == [True, False, False]
    assert len(reasons()) == 1


def test_where_nothing_changes_it_takes_four_queries_and_without_a_budget_one(
    acme: Account, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        budgets.protect(acme, at=NOW)
    change(acme, monthly_budget=10 * CALL, throttle_from=50, throttle_to=50)
    use(5)
    budgets.protect(acme, at=NOW)

    with django_assert_num_queries(4):
        budgets.protect(acme, at=NOW)


def test_a_sweep_looks_at_no_more_than_it_may_and_at_all_in_turn(acme: Account) -> None:
    plan = acme.subscription.plan
    for name in ("globex", "initech"):
        other = start(plan, account=an_account(name)).account
        change(other, monthly_budget=CALL)
        record(an_event("x", subject=name))
        budgets.protect(other, at=NOW)
    change(acme, monthly_budget=CALL)
    use(1)
    budgets.protect(acme, at=NOW)

    assert [budgets.protect_due(at=OVER, limit=2) for _ in range(3)] == [2, 1, 0]


def test_a_budget_that_cannot_be_seen_to_holds_up_no_other(acme: Account) -> None:
    change(acme, monthly_budget=CALL, auto_pause=False, throttle_from=1, throttle_to=50)
    other = start(acme.subscription.plan, account=an_account("globex")).account
    change(other, monthly_budget=CALL)
    record(an_event("e1"), an_event("e2", subject="globex"))
    budgets.protect(acme, at=NOW)
    budgets.protect(other, at=NOW)
    # Of a provider that is not metered any more: it cannot be written again.
    LimitOverride.objects.create(
        account=acme, name="gone", measure="calls", scope="provider", scope_value="gone", window="hour",
        mode="block", amount=5, reason="Test.",
    )  # fmt: skip

    with pytest.raises(ExceptionGroup) as failed:
        budgets.protect_due(at=OVER, limit=10)

    assert failed.value.exceptions[0].__notes__ == [f"account {acme.pk}"]
    assert not Budget.objects.get(account=other).is_paused


def test_a_renewal_leaves_the_budget_as_it_should_be(acme: Account) -> None:
    change(acme, monthly_budget=CALL)
    use(1)
    budgets.protect(acme, at=NOW)

    renewals.renew_due(at=OVER, limit=10)

    assert not Budget.objects.get().is_paused
    assert is_granted(at=OVER)

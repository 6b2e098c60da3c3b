"""What customers set: amounts below their plan's, told or enforced, with a history."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from subscriptions import budget_settings, budgets, overrides
from subscriptions.actors import Actor
from subscriptions.budget_settings import Changes
from subscriptions.models import Budget, BudgetChange
from tests.support.authorizing import a_limit, an_operation, ask, is_granted
from tests.support.cast import NOW, an_event
from tests.support.recording import prepare, record
from tests.support.subscribing import TESTS, a_plan, start, subscribe
from usage.core.errors import InvalidRequest, UsageLimitExceededException
from usage.models import Account, LimitSource

pytestmark = pytest.mark.django_db

ALICE = Actor(name="alice")
LATER = NOW + timedelta(hours=1)
SMALLEST = Decimal("0.000000000000000001")


@pytest.fixture(autouse=True)
def acme() -> Account:
    """On a plan that allows 25 USD a month, 1 a request, 5 an hour and 9 a day."""
    prepare()
    return start(
        a_plan(
            "team",
            a_limit("1", "cost", "request"),
            a_limit("5", "cost", "hour"),
            a_limit("9", "cost", "day"),
            included_usage=Decimal(25),
        ),
        account=Account.objects.get(),
    ).account


def dollars(amount: str) -> Decimal:
    return Decimal(amount)


def change(acme: Account, **changes: object) -> Budget:
    return budgets.update(acme, changes=Changes(**changes), at=NOW, by=ALICE)  # type: ignore[typeddict-item]


def own_limits(acme: Account) -> dict[str, tuple[str, str, Decimal | None]]:
    """The account's limits of the source budget, by name."""
    of_budget = acme.limits.filter(source=LimitSource.BUDGET)
    return {each.name: (each.window, each.mode, each.amount) for each in of_budget}


# --- Amounts are limits ---


def test_every_amount_is_a_limit_of_its_own(acme: Account) -> None:
    change(
        acme,
        monthly_budget=dollars("10"),
        per_request=dollars("0.5"),
        per_hour=dollars("2"),
        per_day=dollars("3"),
    )

    assert own_limits(acme) == {
        "monthly_budget": ("period", "block", 10),
        "spend_per_request": ("request", "block", dollars("0.5")),
        "spend_per_hour": ("hour", "block", 2),
        "spend_per_day": ("day", "block", 3),
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"monthly_budget": 10, "auto_pause": False}, {"monthly_budget": ("period", "notify", 10)}),
        ({"max_monthly_cost": 12}, {"max_monthly_cost": ("period", "block", 12)}),
        # Of two that refuse the smaller is the one.
        ({"monthly_budget": 10, "max_monthly_cost": 12}, {"monthly_budget": ("period", "block", 10)}),
        ({"monthly_budget": 12, "max_monthly_cost": 10}, {"max_monthly_cost": ("period", "block", 10)}),
        ({"monthly_budget": 10, "max_monthly_cost": 10}, {"monthly_budget": ("period", "block", 10)}),
        # One that only tells stands beside one that refuses.
        (
            {"monthly_budget": 10, "auto_pause": False, "max_monthly_cost": 12},
            {"monthly_budget": ("period", "notify", 10), "max_monthly_cost": ("period", "block", 12)},
        ),
    ],
)
def test_a_budget_that_pauses_refuses_and_one_that_does_not_tells(
    acme: Account, changes: dict[str, object], expected: dict[str, object]
) -> None:
    amounts = {
        name: Decimal(value) if type(value) is int else value  # type: ignore[arg-type]
        for name, value in changes.items()
    }
    change(acme, **amounts)

    assert own_limits(acme) == expected


def test_what_is_not_given_stays_and_null_takes_away(acme: Account) -> None:
    change(acme, monthly_budget=dollars("10"), per_day=dollars("3"), alert_thresholds=[50, 90])
    change(acme, per_day=None)

    budget = Budget.objects.get()
    assert (budget.monthly_budget, budget.per_day, budget.alert_thresholds) == (10, None, [50, 90])
    assert own_limits(acme) == {"monthly_budget": ("period", "block", 10)}


def test_a_call_beyond_the_budget_is_refused_and_told_whose_it_is(acme: Account) -> None:
    # A usual operation may cost 0.0035 USD.
    change(acme, monthly_budget=dollars("0.0069"))
    ask()

    with pytest.raises(UsageLimitExceededException, match="monthly_budget has no room") as refused:
        ask()
    assert refused.value.hint == "An owner or billing admin of the account can raise this budget."


def test_a_budget_that_only_tells_refuses_nothing(acme: Account) -> None:
    change(acme, monthly_budget=dollars("0.0035"), auto_pause=False)
    record(an_event("e1"), an_event("e2"))

    assert is_granted()
    assert not budgets.protect(acme, at=NOW)


@pytest.mark.parametrize(("amount", "granted"), [("0.0034", False), ("0.0035", True), ("0.0036", True)])
def test_what_one_request_may_cost_is_bounded(acme: Account, amount: str, granted: bool) -> None:
    change(acme, per_request=dollars(amount))

    assert is_granted(an_operation()) is granted


def test_a_changed_amount_keeps_what_is_used_and_held(acme: Account) -> None:
    record(an_event())
    change(acme, monthly_budget=dollars("10"))
    ask()
    change(acme, monthly_budget=dollars("20"))

    limit = acme.limits.get(name="monthly_budget")
    assert (limit.amount, limit.used, limit.held) == (20, dollars("0.0035"), dollars("0.0035"))


# --- Never looser than the plan ---


@pytest.mark.parametrize(
    ("field", "bound", "within"),
    [
        ("monthly_budget", "25", "a billing period"),
        ("max_monthly_cost", "25", "a billing period"),
        ("per_request", "1", "a request"),
        ("per_hour", "5", "an hour"),
        ("per_day", "9", "a day"),
    ],
)
def test_an_amount_may_be_the_plans_and_not_more(acme: Account, field: str, bound: str, within: str) -> None:
    change(acme, **{field: dollars(bound) - SMALLEST})
    change(acme, **{field: dollars(bound)})

    with pytest.raises(InvalidRequest) as refused:
        change(acme, **{field: dollars(bound) + SMALLEST})

    assert refused.value.message == (
        f"{field}: The plan allows {bound} USD {within}: choose at most that, or take a larger plan first."
    )
    assert refused.value.details == {"field": field, "allowed": bound}
    assert getattr(Budget.objects.get(), field) == dollars(bound)


def test_an_override_of_staff_bounds_in_the_plans_place(acme: Account) -> None:
    more = a_limit("40", "cost", name="monthly_cost")
    overrides.add(acme, more, reason="A good customer.", by=TESTS, at=NOW)
    change(acme, monthly_budget=dollars("40"))

    with pytest.raises(InvalidRequest, match="Our staff's limit allows 40 USD a billing period"):
        change(acme, monthly_budget=dollars("41"))


def test_what_the_plan_bills_beyond_is_no_bound_and_its_maximum_is(acme: Account) -> None:
    billed = a_plan(
        "large", included_usage=Decimal(25), overage_policy="bill", max_monthly_cost=Decimal(50), price="90"
    )
    subscribe(billed, account=acme)
    change(acme, monthly_budget=dollars("50"))

    with pytest.raises(InvalidRequest, match="The plan allows 50 USD"):
        change(acme, monthly_budget=dollars("50.01"))


def test_a_budget_stays_as_it_is_when_the_plan_shrinks_and_can_still_be_changed(acme: Account) -> None:
    change(acme, monthly_budget=dollars("20"))
    override = overrides.add(
        acme, a_limit("5", "cost", name="monthly_cost"), reason="Fraud.", by=TESTS, at=NOW
    )

    change(acme, monthly_budget=dollars("20"), per_day=dollars("2"))

    assert Budget.objects.get().monthly_budget == 20
    assert (override.amount, own_limits(acme)["monthly_budget"]) == (5, ("period", "block", 20))


# --- What is wrong is named ---


@pytest.mark.parametrize(
    "field", ["monthly_budget", "max_monthly_cost", "per_request", "per_hour", "per_day"]
)
@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("0", "Give an amount above 0, or none"),
        ("-0.01", "is negative"),
        ("NaN", "is not a finite amount"),
        ("Infinity", "is not a finite amount"),
        ("1e40", "is too large"),
        ("0.0000000000000000001", "has more than 18 decimals"),
    ],
)
def test_an_amount_is_exact_and_positive(acme: Account, field: str, amount: str, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told) as refused:
        change(acme, **{field: dollars(amount)})

    assert refused.value.message.startswith(f"{field}: ")
    assert refused.value.details["field"] == field
    assert not Budget.objects.exists()


@pytest.mark.parametrize(
    ("thresholds", "fine"),
    [
        ([1], True),
        ([0], False),
        ([100], True),
        ([101], False),
        ([50, 80, 95], True),
        ([80, 50], False),
        ([50, 50], False),
        ([], True),
        (None, True),
    ],
)
def test_thresholds_ascend_from_1_to_100(acme: Account, thresholds: list[int] | None, fine: bool) -> None:
    if fine:
        assert change(acme, alert_thresholds=thresholds).alert_thresholds == thresholds
    else:
        with pytest.raises(InvalidRequest, match="alert_thresholds: Give ascending percentages"):
            change(acme, alert_thresholds=thresholds)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ((1, 1), ""),
        ((100, 99), ""),
        ((None, None), ""),
        ((0, 50), "throttle_from"),
        ((101, 50), "throttle_from"),
        ((80, 0), "throttle_to"),
        ((80, 100), "throttle_to"),
        ((80, None), "throttle_to"),
        ((None, 50), "throttle_from"),
    ],
)
def test_throttling_is_two_percentages_or_none(
    acme: Account, given: tuple[int | None, int | None], wrong: str
) -> None:
    changes = dict(zip(("throttle_from", "throttle_to"), given, strict=True))
    if not wrong:
        change(acme, **changes)
        return
    with pytest.raises(InvalidRequest) as refused:
        change(acme, **changes)
    assert refused.value.details["field"] == wrong


@pytest.mark.parametrize(
    "broken",
    [
        {"monthly_budget": 0},
        {"per_hour": -1},
        {"throttle_from": 80},
        {"throttle_to": 80},
        {"throttle_from": 80, "throttle_to": 100},
        {"paused_reason": "Why?"},
        {"paused_at": NOW},
        {"paused_at": NOW, "paused_reason": "Why?", "paused_automatically": True},
    ],
)
def test_the_table_holds_no_broken_budget(acme: Account, broken: dict[str, object]) -> None:
    change(acme, monthly_budget=dollars("10"))

    with pytest.raises(IntegrityError), transaction.atomic():
        Budget.objects.update(**broken)


# --- When people are told ---


def test_thresholds_are_the_budgets_or_else_the_plans_or_else_the_usual(acme: Account) -> None:
    version = a_plan("alerting", alert_thresholds=[70, 90]).versions.get()
    silent = change(acme, alert_thresholds=[])
    assert budget_settings.alert_thresholds(silent, version) == []
    budget = change(acme, alert_thresholds=[60])
    assert budget_settings.alert_thresholds(budget, version) == [60]
    budget = change(acme, alert_thresholds=None)
    assert budget_settings.alert_thresholds(budget, version) == [70, 90]
    assert budget_settings.alert_thresholds(None, version) == [70, 90]
    assert budget_settings.alert_thresholds(None, None) == [50, 80, 95]


# --- History ---


def test_every_change_is_kept_with_who_and_what_was_before(acme: Account) -> None:
    change(acme, monthly_budget=dollars("10.50"))
    budgets.update(acme, changes={"monthly_budget": dollars("8")}, at=LATER, by=TESTS, reason="On the phone.")

    first, second = BudgetChange.objects.order_by("id")
    assert (first.actor, first.at, first.before["monthly_budget"]) == ("alice", NOW, None)
    assert (second.actor, second.at, second.reason) == ("tests", LATER, "On the phone.")
    assert (second.before["monthly_budget"], second.after["monthly_budget"]) == ("10.5", "8")


def test_what_changes_nothing_leaves_no_trace(acme: Account) -> None:
    change(acme, monthly_budget=dollars("10"))
    change(acme, monthly_budget=dollars("10.00"))
    change(acme)

    assert BudgetChange.objects.count() == 1


def test_the_history_cannot_be_changed(acme: Account) -> None:
    change(acme, monthly_budget=dollars("10"))

    for statement in ("UPDATE budget_changes SET actor = 'mallory'", "DELETE FROM budget_changes"):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            connection.cursor().execute(statement)


def test_other_limits_of_the_account_are_not_touched(acme: Account) -> None:
    before = list(acme.limits.values())
    change(acme, monthly_budget=dollars("10"))
    change(acme, monthly_budget=None)

    assert list(acme.limits.values()) == before

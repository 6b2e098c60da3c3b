"""Plans and their versions: drafted, published, retired, and never changed once sold."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from subscriptions import plans
from subscriptions.actors import of_user
from subscriptions.models import (
    PlanLimit,
    PlanSurcharge,
    PlanVersion,
    SubscriptionChange,
    SubscriptionPlan,
)
from tests.support.authorizing import a_limit
from tests.support.cast import NOW, a_user
from tests.support.subscribing import (
    LONG_AGO,
    TESTS,
    a_plan,
    a_version,
    columns,
    load_catalog,
    start,
    the_plan,
)
from usage.core.errors import Conflict, InvalidRequest, SubscriptionException

pytestmark = pytest.mark.django_db

MICROSECOND = timedelta(microseconds=1)


def a_draft(plan: SubscriptionPlan | None = None) -> PlanVersion:
    return plans.draft_of(plan or a_plan("team", a_limit(10, name="calls")), by=TESTS, at=NOW)


# --- What is sold when ---


@pytest.mark.parametrize(("at", "number"), [(NOW - MICROSECOND, 1), (NOW, 2), (NOW + timedelta(days=1), 2)])
def test_a_version_is_sold_from_the_moment_it_is_published(at: object, number: int) -> None:
    plan = a_plan()
    a_version(plan, at=NOW)

    assert plans.version_at(plan, at=at).number == number  # type: ignore[arg-type]


def test_of_two_published_at_the_same_moment_the_later_one_is_sold() -> None:
    plan = a_plan(at=NOW)
    a_version(plan, at=NOW)

    assert plans.version_at(plan, at=NOW).number == 2


def test_before_its_first_version_a_plan_is_not_sold() -> None:
    plan = a_plan(at=NOW)

    with pytest.raises(SubscriptionException, match="Team is not sold yet") as refused:
        plans.version_at(plan, at=NOW - MICROSECOND)

    assert refused.value.error_code == "plan_not_published"


# --- Drafts ---


def test_a_draft_begins_as_a_copy_of_the_newest_version() -> None:
    load_catalog("gateway")
    plan = the_plan("gateway-professional")
    (sold,) = plan.versions.all()

    draft = plans.draft_of(plan, by=of_user(a_user("staff")), at=NOW)

    assert (draft.number, draft.published_at, draft.source) == (2, None, "staff")
    assert draft.created_by is not None
    for names, of in (
        (plans.TERMS, lambda version: PlanVersion.objects.filter(pk=version.pk)),
        (plans.LIMIT_TERMS, lambda version: version.limits.all()),
        (plans.SURCHARGE_TERMS, lambda version: version.surcharges.all()),
    ):
        assert list(of(draft).values_list(*names)) == list(of(sold).values_list(*names))  # type: ignore[no-untyped-call]


def test_a_plan_has_one_draft() -> None:
    draft = a_draft()

    assert plans.draft_of(draft.plan, by=TESTS, at=NOW) == draft


def test_the_first_draft_of_a_plan_is_empty() -> None:
    plan = SubscriptionPlan.objects.create(key="new", name="New")

    draft = a_draft(plan)

    assert (draft.number, draft.price_monthly, draft.limits.count()) == (1, 0, 0)


def test_a_discarded_draft_is_gone_with_its_limits_and_its_number_is_free() -> None:
    draft = a_draft()

    plans.discard(draft)

    assert PlanLimit.objects.filter(version__number=2).count() == 0
    assert a_draft(draft.plan).number == 2


def test_what_is_published_cannot_be_discarded() -> None:
    version = a_plan().versions.get()

    with pytest.raises(Conflict, match="Team v1 is published and stays"):
        plans.discard(version)

    assert PlanVersion.objects.filter(pk=version.pk).exists()


# --- Publishing ---


def test_a_published_draft_is_sold() -> None:
    draft, staff = a_draft(), of_user(a_user("staff"))

    plans.publish(draft, by=staff, at=NOW)

    assert (draft.published_at, draft.published_by) == (NOW, staff.user)
    assert plans.version_at(draft.plan, at=NOW) == draft


def test_a_version_is_published_once() -> None:
    draft = a_draft()
    plans.publish(draft, by=TESTS, at=NOW)

    with pytest.raises(Conflict, match="was published already"):
        plans.publish(draft, by=TESTS, at=NOW + MICROSECOND)

    assert PlanVersion.objects.get(pk=draft.pk).published_at == NOW


@pytest.mark.parametrize(
    ("thresholds", "fine"),
    [
        ([], True),
        ([80, 90, 100], True),
        ([1, 1000], True),
        ([0, 80], False),
        ([80, 1001], False),
        ([90, 80], False),
        ([80, 80], False),
    ],
)
def test_alert_thresholds_ascend_between_1_and_1000_percent(thresholds: list[int], fine: bool) -> None:
    draft = a_draft()
    draft.alert_thresholds = thresholds

    if fine:
        plans.check(draft)
    else:
        with pytest.raises(InvalidRequest, match="alert_thresholds takes ascending percentages"):
            plans.publish(draft, by=TESTS, at=NOW)


@pytest.mark.parametrize(("policy", "fine"), [("block", True), ("bill", False), ("pause", False)])
def test_only_what_is_included_can_be_gone_beyond(policy: str, fine: bool) -> None:
    draft = a_draft()
    draft.included_usage, draft.overage_policy = None, policy

    if fine:
        plans.check(draft)
    else:
        with pytest.raises(InvalidRequest, match="included_usage: without an amount"):
            plans.check(draft)
    draft.included_usage = Decimal(0)
    plans.check(draft)


def test_a_limit_that_cannot_be_enforced_is_not_published() -> None:
    draft = a_draft()
    PlanLimit.objects.create(version=draft, **columns(a_limit(1, name="x", scope="provider", value="acme")))

    with pytest.raises(InvalidRequest, match="The limit 'x': the provider 'acme' is not metered here"):
        plans.publish(draft, by=TESTS, at=NOW)

    assert PlanVersion.objects.get(pk=draft.pk).published_at is None


def test_nothing_is_written_past_somebodys_draft() -> None:
    draft = a_draft()

    with pytest.raises(Conflict, match="Team is being edited: publish or discard its draft first"):
        a_version(draft.plan)

    assert draft.plan.versions.count() == 2


# --- Once sold, never changed ---


@pytest.mark.parametrize(
    "act",
    [
        lambda version: PlanVersion.objects.filter(pk=version.pk).update(price_monthly=1),
        lambda version: PlanVersion.objects.filter(pk=version.pk).update(published_at=None),
        lambda version: PlanVersion.objects.filter(pk=version.pk).delete(),
        lambda version: version.limits.update(amount=1),
        lambda version: version.limits.all().delete(),
        lambda version: PlanLimit.objects.create(version=version, name="more", window="hour"),
        lambda version: PlanLimit.objects.filter(version__number=2).update(version=version, window="day"),
        lambda version: version.surcharges.update(per_request=1),
        lambda version: version.surcharges.all().delete(),
        lambda version: PlanSurcharge.objects.create(version=version, request_type="more"),
    ],
)
def test_the_database_refuses_to_change_what_is_sold(act: object) -> None:
    version = a_plan("team", a_limit(10, name="calls"), at=LONG_AGO).versions.get()
    draft = a_draft(version.plan)
    PlanSurcharge.objects.create(version=draft, request_type="smart")
    plans.publish(draft, by=TESTS, at=NOW)
    a_draft(version.plan)

    with pytest.raises(IntegrityError, match="stays as it was sold"), transaction.atomic():
        act(draft)  # type: ignore[operator]


def test_a_draft_may_change() -> None:
    draft = a_draft()

    PlanVersion.objects.filter(pk=draft.pk).update(price_monthly=1)
    draft.limits.update(amount=1)

    assert draft.limits.get().amount == 1


@pytest.mark.parametrize(
    "statement",
    ["UPDATE subscription_changes SET amount_due = 0", "DELETE FROM subscription_changes"],
)
def test_the_database_refuses_to_change_history(statement: str) -> None:
    start(a_plan())

    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    assert SubscriptionChange.objects.get().amount_due == 30


# --- Retiring ---


def test_a_retired_plan_is_not_sold_and_its_subscribers_keep_it() -> None:
    subscription = start(a_plan())

    plans.retire(subscription.plan, at=NOW)

    assert the_plan("team").retired_at == NOW
    with pytest.raises(SubscriptionException, match="is not sold any more"):
        plans.require_sold(the_plan("team"), account=subscription.account, by_staff=True)
    assert plans.version_at(subscription.plan, at=NOW) == subscription.plan_version


def test_a_plan_retires_and_comes_back_once() -> None:
    plan = a_plan()
    with pytest.raises(Conflict, match="is not retired"):
        plans.bring_back(plan)
    plans.retire(plan, at=NOW)
    with pytest.raises(Conflict, match="is retired already"):
        plans.retire(plan, at=NOW)

    plans.bring_back(plan)

    assert (plan.retired_at, the_plan("team").retired_at) == (None, None)


def test_the_default_plan_does_not_retire() -> None:
    load_catalog()

    with pytest.raises(Conflict, match="make another one the default first"):
        plans.retire(the_plan("free"), at=NOW)

    assert the_plan("free").retired_at is None


def test_a_plan_that_became_the_default_meanwhile_does_not_retire() -> None:
    plan = a_plan()
    SubscriptionPlan.objects.filter(pk=plan.pk).update(is_default=True)

    with pytest.raises(Conflict):
        plans.retire(plan, at=NOW)


def test_the_default_plan_is_the_one_with_the_flag_once_it_is_sold() -> None:
    plan = SubscriptionPlan.objects.create(key="new", name="New", is_default=True)
    assert plans.default_plan() is None

    plans.publish(a_draft(plan), by=TESTS, at=NOW)

    assert plans.default_plan() == plan

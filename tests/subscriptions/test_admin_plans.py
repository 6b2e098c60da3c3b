"""Plans and versions in the admin: drafted, compared, published, applied; every step in the history."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from subscriptions import plans
from subscriptions.models import PlanVersion, SubscriptionPlan, VersionRollout
from tests.support.authorizing import a_limit
from tests.support.cast import NOW, a_user, an_account, an_event
from tests.support.recording import prepare, record
from tests.support.subscribing import TESTS, a_plan, a_version, load_catalog, start
from usage.models import Account

pytestmark = pytest.mark.django_db

NO_PARTS = {
    f"{prefix}-{name}": "0"
    for prefix in ("limits", "surcharges")
    for name in ("TOTAL_FORMS", "INITIAL_FORMS")
}
TERMS = {
    "price_monthly": "40", "price_yearly": "400", "description": "", "features": "fast\nfriendly\n",
    "trial_days": "0", "trial_converts": "on", "included_usage": "20", "overage_policy": "block",
    "overage_markup_percent": "0", "max_monthly_cost": "", "alert_thresholds": "50, 90", "note": "",
}  # fmt: skip


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(a_user("sam", is_staff=True, is_superuser=True))
    return client


def page(name: str, *arguments: object) -> str:
    return reverse(f"admin:subscriptions_{name}", args=arguments)


def draft_of(plan: SubscriptionPlan) -> PlanVersion:
    return plans.draft_of(plan, by=TESTS, at=NOW)


def save(staff: Client, draft: PlanVersion, **fields: Any) -> str:
    sent = {**NO_PARTS, **TERMS, "_continue": "", **fields}
    return staff.post(page("planversion_change", draft.pk), sent, follow=True).content.decode()


def read(staff: Client, name: str, *arguments: object) -> str:
    return " ".join(staff.get(page(name, *arguments)).content.decode().split())


def last_entry() -> str:
    return LogEntry.objects.latest("pk").get_change_message()


def test_a_new_plan_goes_on_with_the_draft_of_its_first_version(staff: Client) -> None:
    form = {"key": "team", "name": "Team", "tier": "basic", "visibility": "public", "position": "0"}

    answer = staff.post(page("subscriptionplan_add"), form)

    draft = PlanVersion.objects.get()
    assert (draft.plan.key, draft.number, draft.published_at) == ("team", 1, None)
    assert answer.headers["Location"] == page("planversion_change", draft.pk)


def test_a_drafts_terms_are_saved_and_the_history_says_what_was(staff: Client) -> None:
    draft = draft_of(a_plan(price="30"))

    save(staff, draft)

    draft.refresh_from_db()
    assert (draft.price_monthly, draft.features, draft.alert_thresholds) == (
        40,
        ["fast", "friendly"],
        [50, 90],
    )
    assert "price_monthly: 30 → 40" in last_entry()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"alert_thresholds": "90, 50"}, "ascending percentages"),
        ({"overage_policy": "bill", "included_usage": ""}, "without an amount nothing is beyond it"),
    ],
)
def test_terms_that_cannot_be_published_are_told_when_they_are_saved(
    staff: Client, fields: dict[str, str], told: str
) -> None:
    assert told in save(staff, draft_of(a_plan()), **fields)


def test_terms_that_no_table_takes_are_told(staff: Client) -> None:
    draft = draft_of(a_plan())

    assert "max_monthly_cost" in save(staff, draft, max_monthly_cost="1")

    draft.refresh_from_db()
    assert draft.max_monthly_cost is None


def test_a_published_version_is_only_looked_at(staff: Client) -> None:
    version = a_plan(price="30").versions.get()

    assert staff.post(page("planversion_change", version.pk), {**NO_PARTS, **TERMS}).status_code == 403

    version.refresh_from_db()
    assert version.price_monthly == 30
    assert "30 USD" in read(staff, "planversion_change", version.pk)


def test_the_draft_shows_what_differs_from_what_is_sold(staff: Client) -> None:
    plan = a_plan("team", a_limit(5, name="calls"), price="30")
    draft = draft_of(plan)
    draft.limits.update(amount=7)

    shown = read(staff, "planversion_change", draft.pk)

    assert "Against v1" in shown
    assert "5 calls a billing period, then refused" in shown
    assert "7 calls a billing period, then refused" in shown


def test_looking_at_the_edit_address_begins_no_draft(staff: Client) -> None:
    plan = a_plan()

    assert "Begin a draft" in read(staff, "subscriptionplan_edit_terms", plan.pk)
    assert plan.versions.count() == 1

    staff.post(page("subscriptionplan_edit_terms", plan.pk))
    assert plan.versions.count() == 2


def test_publishing_is_in_the_history_with_who_did_it(staff: Client) -> None:
    draft = draft_of(a_plan())

    staff.post(page("planversion_publish", draft.pk))

    draft.refresh_from_db()
    assert draft.published_by is not None
    assert draft.published_by.username == "sam"
    assert "is sold from now on" in last_entry()


def test_the_preview_names_who_is_affected_and_who_is_beyond(staff: Client) -> None:
    prepare()
    plan = a_plan("team", a_limit(5, name="calls"))
    start(plan, account=Account.objects.get())
    start(plan, account=an_account("globex"))
    record(an_event("e1"), an_event("e2"))
    version = a_version(plan, a_limit(1, name="calls"))

    shown = read(staff, "planversion_apply_to_subscribers", version.pk)

    assert "From v1: 2 subscribers" in shown
    beyond = shown[shown.index("Used more than it allows already") : shown.index("Who is affected")]
    assert "Acme" in beyond
    assert "Globex" not in beyond
    assert not VersionRollout.objects.exists()


def test_applying_asks_for_a_rollout_with_the_reason(staff: Client) -> None:
    plan = a_plan()
    start(plan)
    version = a_version(plan, price="31")

    staff.post(page("planversion_apply_to_subscribers", version.pk), {"reason": "All alike."})

    rollout = VersionRollout.objects.get()
    assert (rollout.version, rollout.reason, rollout.wanted) == (version, "All alike.", 1)
    assert "0 of 1" in read(staff, "versionrollout_changelist")


def test_a_plan_that_was_sold_is_retired_and_not_deleted(staff: Client) -> None:
    plan = a_plan()

    assert staff.post(page("subscriptionplan_delete", plan.pk), {"post": "yes"}).status_code == 403
    staff.post(page("subscriptionplan_retire", plan.pk))

    plan.refresh_from_db()
    assert plan.retired_at is not None
    assert "is retired" in last_entry()


def test_a_plan_that_was_never_published_can_be_deleted(staff: Client) -> None:
    plan = SubscriptionPlan.objects.create(key="idea", name="Idea")
    draft_of(plan)

    staff.post(page("subscriptionplan_delete", plan.pk), {"post": "yes"})

    assert not SubscriptionPlan.objects.exists()


def test_another_plan_is_made_the_default(staff: Client) -> None:
    load_catalog()
    basic = SubscriptionPlan.objects.get(key="basic")

    staff.post(page("subscriptionplan_make_default", basic.pk))

    assert SubscriptionPlan.objects.get(is_default=True) == basic


@pytest.mark.parametrize("name", ["planversion_publish", "planversion_discard", "subscriptionplan_retire"])
def test_what_is_not_there_is_not_found(staff: Client, name: str) -> None:
    assert staff.get(page(name, 999)).status_code == 404


def test_the_lists_show_price_subscribers_and_state(staff: Client) -> None:
    plan = a_plan("team", price="30")
    start(plan)

    shown = read(staff, "subscriptionplan_changelist")

    assert ">Team<" in shown
    assert ">30<" in shown
    assert f'plan_version__plan__id__exact={plan.pk}">1<' in shown

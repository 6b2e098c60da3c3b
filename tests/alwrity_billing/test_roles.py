"""Roles of staff: what each may do in the admin, and what it cannot."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from alerts.models import AlertChannel, AlertDelivery, DeliveryState, UsageAlert
from subscriptions import month_close, plans
from subscriptions.models import (
    BillingHistory,
    BillingProfile,
    Budget,
    CreditGrant,
    InvoiceItem,
    LimitOverride,
    PlanVersion,
    SubscriptionPlan,
    UserSubscription,
)
from tests.support.alerting import a_delivery, an_alert
from tests.support.authorizing import a_limit
from tests.support.cast import NOW, a_user, an_account
from tests.support.email_channels import an_email_channel
from tests.support.subscribing import TESTS, a_plan, again, start
from tests.support.worlds import shared
from usage.models import Account, ApiKey, APIProviderPricing

pytestmark = pytest.mark.django_db

ROLES = ("Viewer", "Support", "Billing manager")


@pytest.fixture(scope="module")
def acme(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """On a plan of 30 USD with five calls, of which a draft of the next version exists; invoiced."""
    with shared(django_db_blocker):
        plan = a_plan("team", a_limit(5, name="calls"))
        subscribed = start(plan, account=an_account("acme"))
        month_close.invoice_of(subscribed, at=NOW)
        plans.draft_of(plan, by=TESTS, at=NOW)
        yield


def staff(role: str | None) -> Client:
    """Somebody of that role; None is staff without any, "superuser" one who may do everything."""
    user = a_user((role or "nobody").replace(" ", "-"), is_staff=True, is_superuser=role == "superuser")
    if role in ROLES:
        user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def page(name: str, *arguments: object) -> str:
    return reverse(f"admin:{name}", args=arguments)


def pages() -> list[str]:
    account, plan = Account.objects.get(), SubscriptionPlan.objects.get()
    return [
        page("usage_account_change", account.pk),
        page("usage_account_changelist"),
        page("usage_apiproviderpricing_changelist"),
        page("usage_apiusagelog_changelist"),
        page("usage_usagelimit_changelist"),
        page("subscriptions_subscriptionplan_change", plan.pk),
        page("subscriptions_planversion_changelist"),
        page("subscriptions_usersubscription_change", UserSubscription.objects.get().pk),
        page("subscriptions_subscriptionchange_changelist"),
        page("subscriptions_limitoverride_changelist"),
        page("subscriptions_budget_changelist"),
        page("subscriptions_versionrollout_changelist"),
        page("subscriptions_billinghistory_changelist"),
        page("subscriptions_billinghistory_change", BillingHistory.objects.get().pk),
        page("subscriptions_closefailure_changelist"),
        page("subscriptions_invoiceitem_changelist"),
        page("subscriptions_creditgrant_changelist"),
        page("subscriptions_creditentry_changelist"),
        page("subscriptions_payment_changelist"),
        page("subscriptions_creditnote_changelist"),
        page("subscriptions_billingprofile_changelist"),
        page("subscriptions_stripeevent_changelist"),
        page("alerts_usagealert_changelist"),
        page("alerts_alertdelivery_changelist"),
        page("alerts_alertchannel_changelist"),
        page("django_celery_results_taskresult_changelist"),
    ]


@pytest.mark.parametrize("role", [*ROLES, "superuser"])
def test_every_role_may_look_at_everything_that_is_sold_and_used(acme: None, role: str) -> None:
    client, known = staff(role), pages()

    assert {address: client.get(address).status_code for address in known} == dict.fromkeys(known, 200)


def test_staff_without_a_role_sees_nothing(acme: None) -> None:
    client = staff(None)

    assert {client.get(address).status_code for address in pages()} == {403}
    assert "Monthly recurring revenue" not in client.get(reverse("admin:index")).content.decode()


# What is done, by whom it may be done first: each role may also do what the ones before it may.
def pause(client: Client) -> bool:
    subscription = UserSubscription.objects.get()
    address = page("subscriptions_usersubscription_pause", subscription.pk)
    client.post(address, {"reason": "x", "resumes_at_0": "", "resumes_at_1": ""})
    return again(subscription).state == "paused"


def add_override(client: Client) -> bool:
    fields = {
        "account": Account.objects.get().pk, "name": "more", "measure": "calls", "scope": "everything",
        "scope_value": "", "window": "period", "amount": "9", "mode": "block", "reason": "x",
    }  # fmt: skip
    client.post(page("subscriptions_limitoverride_add"), fields)
    return LimitOverride.objects.exists()


def set_budget(client: Client) -> bool:
    fields = {"account": Account.objects.get().pk, "monthly_budget": "9", "reason": "x"}
    client.post(page("subscriptions_budget_add"), fields)
    return Budget.objects.exists()


def pause_the_account(client: Client) -> bool:
    account = Account.objects.get()
    forms = {
        f"{prefix}-{name}": "0"
        for prefix in ("members", "api_keys")
        for name in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    address = page("usage_account_change", account.pk)
    client.post(address, {"name": account.name, "paused_reason": "Fraud.", **forms})
    account.refresh_from_db()
    return account.paused_reason == "Fraud."


def cancel(client: Client) -> bool:
    subscription = UserSubscription.objects.get()
    address = page("subscriptions_usersubscription_cancel", subscription.pk)
    client.post(address, {"when": "now", "reason": "x"})
    return again(subscription).state == "canceled"


def change_plan(client: Client) -> bool:
    subscription = UserSubscription.objects.get()
    other = a_plan("large", price="50")
    address = page("subscriptions_usersubscription_change_plan", subscription.pk)
    client.post(address, {"plan": other.pk, "billing_cycle": "monthly", "when": "", "reason": "x"})
    return again(subscription).plan == other


def void_invoice(client: Client) -> bool:
    invoice = BillingHistory.objects.get()
    client.post(page("subscriptions_billinghistory_void", invoice.pk), {"reason": "x"})
    invoice.refresh_from_db()
    return invoice.state == "void"


def give_credit(client: Client) -> bool:
    fields = {"account": Account.objects.get().pk, "kind": "promotional", "amount": "1", "reason": "x"}
    client.post(page("subscriptions_creditgrant_add"), fields)
    return CreditGrant.objects.exists()


def adjust(client: Client) -> bool:
    fields = {"account": Account.objects.get().pk, "amount": "1", "description": "x"}
    client.post(page("subscriptions_invoiceitem_add"), fields)
    return InvoiceItem.objects.exists()


def write_profile(client: Client) -> bool:
    client.post(page("subscriptions_billingprofile_add"), {"account": Account.objects.get().pk})
    return BillingProfile.objects.exists()


def publish(client: Client) -> bool:
    draft = PlanVersion.objects.get(published_at=None)
    client.post(page("subscriptions_planversion_publish", draft.pk))
    draft.refresh_from_db()
    return draft.published_at is not None


def edit_terms(client: Client) -> bool:
    PlanVersion.objects.filter(published_at=None).delete()
    client.post(page("subscriptions_subscriptionplan_edit_terms", SubscriptionPlan.objects.get().pk))
    return PlanVersion.objects.filter(published_at=None).exists()


def retire(client: Client) -> bool:
    plan = SubscriptionPlan.objects.get()
    client.post(page("subscriptions_subscriptionplan_retire", plan.pk))
    plan.refresh_from_db()
    return plan.retired_at is not None


def add_price(client: Client) -> bool:
    fields = {
        "provider": "openai", "model_name": "gpt-x", "effective_from_0": "2026-01-01",
        "effective_from_1": "00:00", "cost_per_input_token": "0.000001", "tiers": "[]", "batch": "null",
    }  # fmt: skip
    client.post(page("usage_apiproviderpricing_add"), fields)
    return APIProviderPricing.objects.exists()


def issue_key(client: Client) -> bool:
    client.post(page("usage_apikey_add"), {"name": "k", "account": "", "scopes": ["ingest"]})
    return ApiKey.objects.exists()


def mark_read(client: Client) -> bool:
    alert = an_alert(None)
    client.post(page("alerts_usagealert_mark_read", alert.pk))
    return UsageAlert.objects.filter(read_at__isnull=False).exists()


def try_again(client: Client) -> bool:
    failed = a_delivery(an_alert(None), an_email_channel(None), state=DeliveryState.PARKED)
    client.post(page("alerts_alertdelivery_try_again", failed.pk))
    return AlertDelivery.objects.get().state == "waiting"


def send_a_test(client: Client) -> bool:
    client.post(page("alerts_alertchannel_send_test", an_email_channel(None).pk))
    return AlertDelivery.objects.exists()


def switch_channel(client: Client) -> bool:
    client.post(page("alerts_alertchannel_switch_off", an_email_channel(None).pk), {"reason": "x"})
    return AlertChannel.objects.get().state == "disabled"


def add_channel(client: Client) -> bool:
    client.post(page("alerts_alertchannel_add"), {"kind": "email", "address": "ops@example.com"})
    return AlertChannel.objects.exists()


def remove_channel(client: Client) -> bool:
    client.post(page("alerts_alertchannel_remove", an_email_channel(None).pk), {"reason": "x"})
    return not AlertChannel.objects.exists()


def make_superuser(client: Client) -> bool:
    user = User.objects.get(pk=client.session["_auth_user_id"])
    address = page("auth_user_change", user.pk)
    client.post(address, {"username": user.username, "is_superuser": "on", "is_staff": "on"})
    return client.get(page("auth_group_changelist")).status_code == 200


@pytest.mark.parametrize(
    ("does", "first_role"),
    [
        (pause, "Support"),
        (add_override, "Support"),
        (set_budget, "Support"),
        (pause_the_account, "Support"),
        (mark_read, "Support"),
        (try_again, "Support"),
        (send_a_test, "Support"),
        (switch_channel, "Support"),
        (add_channel, "Billing manager"),
        (remove_channel, "Billing manager"),
        (cancel, "Billing manager"),
        (change_plan, "Billing manager"),
        (void_invoice, "Billing manager"),
        (give_credit, "Billing manager"),
        (adjust, "Billing manager"),
        (write_profile, "Billing manager"),
        (publish, "Billing manager"),
        (edit_terms, "Billing manager"),
        (retire, "Billing manager"),
        (add_price, "Billing manager"),
        (issue_key, "Billing manager"),
        (make_superuser, "superuser"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
@pytest.mark.parametrize("role", [*ROLES, "superuser"])
def test_a_role_does_what_it_may_and_nothing_else(
    acme: None,
    does: "object",
    first_role: str,
    role: str,
) -> None:
    ranks = [*ROLES, "superuser"]

    assert callable(does)
    assert does(staff(role)) is (ranks.index(role) >= ranks.index(first_role))


def test_a_role_is_brought_back_to_its_table_by_a_migration() -> None:
    viewer, manager = Group.objects.get(name="Viewer"), Group.objects.get(name="Billing manager")
    viewer.permissions.set(manager.permissions.all())

    call_command("migrate", verbosity=0)

    assert viewer.permissions.count() < manager.permissions.count()
    assert {name.split("_")[0] for name in viewer.permissions.values_list("codename", flat=True)} == {"view"}

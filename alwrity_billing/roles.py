"""The roles of staff, as Django groups: who may look, who helps customers, who sells.

Groups are made, and brought up to this table, after every migrate. Staff who need more get it on top, by
permissions of their own; superusers alone see to people and groups.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import AppConfig, apps
from django.db.models import Q

VIEWER, SUPPORT, BILLING_MANAGER = "Viewer", "Support", "Billing manager"
OUR_APPS = ("usage", "subscriptions", "alerts", "alwrity_billing")
# Failed tasks are worth a look to all of staff, and so is the clock.
LOOKED_AT = (
    "django_celery_results.view_taskresult",
    "django_celery_beat.view_periodictask",
    "django_celery_beat.view_intervalschedule",
    "django_celery_beat.view_crontabschedule",
)

# What a role adds to the one before it.
ADDS: Mapping[str, tuple[str, ...]] = {
    VIEWER: LOOKED_AT,
    SUPPORT: (
        # An account's pause, and its members.
        "usage.change_account",
        "usage.add_member",
        "usage.change_member",
        "usage.delete_member",
        # Revoking a key that leaked; issuing one gives access and is the manager's.
        "usage.change_apikey",
        "subscriptions.support_usersubscription",
        # What a customer bounds itself: set, changed, paused and resumed on the phone.
        "subscriptions.change_budget",
        "subscriptions.add_limitoverride",
        "subscriptions.change_limitoverride",
        # What a customer is told of, and the inbox on their behalf.
        "alerts.change_alertsettings",
        # Marking our own alerts read, another try of a delivery, and testing or switching a channel.
        "alerts.change_usagealert",
        "alerts.change_alertdelivery",
        "alerts.change_alertchannel",
    ),
    BILLING_MANAGER: (
        "usage.add_account",
        "usage.add_apikey",
        "usage.add_apiproviderpricing",
        "usage.change_heldprice",
        "usage.repair_driftreport",
        "subscriptions.add_subscriptionplan",
        "subscriptions.change_subscriptionplan",
        "subscriptions.delete_subscriptionplan",
        "subscriptions.change_planversion",
        "subscriptions.publish_planversion",
        "subscriptions.add_planlimit",
        "subscriptions.change_planlimit",
        "subscriptions.delete_planlimit",
        "subscriptions.add_plansurcharge",
        "subscriptions.change_plansurcharge",
        "subscriptions.delete_plansurcharge",
        "subscriptions.change_usersubscription",
        # All that may be done about invoices, credits, whom they go to, and what got stuck.
        "subscriptions.settle_billinghistory",
        # Where what our staff are told goes; removing a channel takes its log along.
        "alerts.add_alertchannel",
        "alerts.delete_alertchannel",
        # When what happens by itself does, and having it happen now.
        "alwrity_billing.run_taskstanding",
        "django_celery_beat.change_periodictask",
        "django_celery_beat.add_intervalschedule",
        "django_celery_beat.add_crontabschedule",
    ),
}


def bring_up_to_date(sender: AppConfig, **_: Any) -> None:
    """Let each role's group have exactly its permissions. Takes what `post_migrate` sends."""
    # By name: this module is read before there are any models.
    permissions, groups = (
        apps.get_model("auth", "Permission").objects,
        apps.get_model("auth", "Group").objects,
    )
    held = list(permissions.filter(content_type__app_label__in=OUR_APPS, codename__startswith="view_"))
    for role, names in ADDS.items():
        held += permissions.filter(_named(names))
        group, _made = groups.get_or_create(name=role)
        group.permissions.set(held)


def _named(names: Iterable[str]) -> Q:
    wanted = Q(pk__in=[])
    for name in names:
        app, codename = name.split(".")
        wanted |= Q(content_type__app_label=app, codename=codename)
    return wanted

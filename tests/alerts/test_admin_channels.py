"""Channels in the admin: those of customers looked after, those of our staff added as well; no page has an
address or a secret.
"""

from collections.abc import Iterator

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.test import Client
from pytest_django import Settings

from alerts import delivery, destinations, evaluation
from alerts.models import AlertChannel, AlertDelivery
from subscriptions.models import StripeEvent
from tests.support.alerting import a_delivery, an_alert, deliveries, titles
from tests.support.cast import NOW, an_account
from tests.support.email_channels import an_email_channel
from tests.support.staff_alerts import HOOK, a_hook, listed, page, text
from tests.support.staff_invoices import a_clerk, history, offered
from usage.models import Account

pytestmark = pytest.mark.django_db

BUTTONS = {"send-test", "switch-off", "switch-on", "remove"}


@pytest.fixture(autouse=True)
def now(settings: Settings) -> Iterator[None]:
    # Whether a host is public takes a look at the network.
    settings.ALERT_URLS_ALLOW_PRIVATE = True
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def support() -> Client:
    return a_clerk("change_alertchannel")


@pytest.fixture
def manager() -> Client:
    return a_clerk("change_alertchannel", "add_alertchannel", "delete_alertchannel")


def change(channel: AlertChannel) -> str:
    return page("alertchannel", "change", channel.pk)


def press(client: Client, channel: AlertChannel, name: str, **fields: str) -> str:
    """What the page behind a button answers."""
    return client.post(page("alertchannel", name, channel.pk), fields, follow=True).content.decode()


def add(client: Client, kind: str, address: str) -> str:
    return client.post(
        page("alertchannel", "add"), {"kind": kind, "address": address}, follow=True
    ).content.decode()


def test_an_email_address_of_our_staff_is_told_from_then_on(manager: Client) -> None:
    add(manager, "email", "ops@example.com")
    channel = AlertChannel.objects.get(kind="email")
    assert (channel.account, channel.state, channel.created_by) == (None, "active", "clerk")
    assert history() == ["Added for our staff."]

    StripeEvent.objects.create(
        event_id="evt_1", type="x", created_at=NOW, received_at=NOW, body="{}", state="parked", error="No."
    )
    evaluation.sweep(at=NOW)
    delivery.deliver_due(clock=lambda: NOW, limit=10)

    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (
        ["ops@example.com"],
        "[ALwrity Billing] 1 event of Stripe's could not be processed",
    )


def test_the_secret_of_a_webhook_is_shown_once_and_kept_in_no_history(manager: Client) -> None:
    shown = add(manager, "webhook", HOOK)
    channel = AlertChannel.objects.get(kind="webhook")
    (secret,) = destinations.destination_of(channel, "", at=NOW).secrets

    assert secret in shown.replace("&#x2B;", "+")
    assert "it is not shown again" in shown
    for address in (page("alertchannel", "changelist"), change(channel)):
        assert secret.removeprefix("whsec_")[:20] not in text(manager, address)
    assert "whsec_" not in "".join(history())


@pytest.mark.parametrize(
    ("kind", "address", "told"),
    [
        ("email", "nobody", "give an email address"),
        ("webhook", "ftp://example.com/", "address"),
        ("in_app", "x", "Select a valid choice"),
        ("email", "", "This field is required"),
    ],
)
def test_what_cannot_be_added_is_told_and_nothing_is(
    manager: Client, kind: str, address: str, told: str
) -> None:
    assert told in add(manager, kind, address)
    assert not AlertChannel.objects.exists()
    assert history() == []


def test_an_address_is_added_once(manager: Client) -> None:
    add(manager, "email", "ops@example.com")

    assert "This address is a channel already." in add(manager, "email", "ops@example.com")
    assert AlertChannel.objects.count() == 1


def test_lists_name_whose_a_channel_is_and_are_filtered_by_it(support: Client, acme: Account) -> None:
    an_email_channel(acme)
    an_email_channel(None, email="staff@example.com", state="disabled")
    shown = text(support, page("alertchannel", "changelist"))

    assert "Acme" in shown
    assert "our staff" in shown
    assert [listed(support, "alertchannel", audience=value) for value in ("staff", "customers")] == [1, 1]
    assert [listed(support, "alertchannel", kind=kind) for kind in ("email", "slack")] == [2, 0]
    assert [listed(support, "alertchannel", q=name) for name in ("acme", "other")] == [1, 0]
    assert listed(support, "alertchannel", state__exact="disabled") == 1


@pytest.mark.parametrize("model", ["alertchannel", "alertdelivery", "usagealert"])
def test_no_page_has_an_address_or_a_secret(manager: Client, acme: Account, model: str) -> None:
    channel, secret = a_hook(acme)
    alert = an_alert(acme)
    made = a_delivery(alert, channel)
    row = {"alertchannel": channel.pk, "alertdelivery": made.pk, "usagealert": alert.pk}[model]
    names = ["change", "history", *({"send_test", "remove"} if model == "alertchannel" else ())]
    pages = [page(model, "changelist"), *(page(model, name, row) for name in names)]
    kept = [HOOK, "T0P5ECRET", secret, channel.sealed_address, channel.sealed_secrets, channel.address_hash]

    for address in pages:
        assert [each for each in kept if each in text(manager, address)] == []


@pytest.mark.parametrize(("permission", "reads"), [("change_alertchannel", True), ("view_usagealert", False)])
def test_whoever_may_only_look_reads_email_addresses_in_part(
    acme: Account, permission: str, reads: bool
) -> None:
    channel = an_email_channel(acme)
    alert = an_alert(acme)
    made = a_delivery(alert, channel, recipient="bob@example.com")
    destinations.disable(channel, reason="It bounced.")
    clerk = a_clerk(permission)

    for model, row in (("alertchannel", channel), ("alertdelivery", made)):
        for address in (page(model, "change", row.pk), page(model, "history", row.pk)):
            assert ("ops@example.com" in text(clerk, address)) is reads
            assert "bob@example.com" not in text(clerk, page("alertchannel", "change", channel.pk))
    for address in (page("alertdelivery", "changelist"), page("usagealert", "change", alert.pk)):
        assert ("bob@example.com" in text(clerk, address)) is reads
    assert ("ops@example.com" in text(clerk, page("alertchannel", "changelist"))) is reads


def test_a_test_goes_out_and_is_audited(support: Client, acme: Account) -> None:
    channel = an_email_channel(acme)
    other = an_email_channel(acme, email="other@example.com")

    shown = press(support, channel, "send_test")

    assert "A test is on its way." in shown
    assert [each.channel for each in deliveries()] == [channel]
    assert history() == ["A test is on its way. The log of deliveries shows what becomes of it."]
    assert "wait ten seconds" in press(support, channel, "send_test")
    assert listed(support, "alertdelivery", channel__id__exact=str(other.pk)) == 0


def test_what_a_test_to_our_staff_leads_to_is_their_page(support: Client) -> None:
    press(support, an_email_channel(None), "send_test")

    (sent,) = deliveries()
    assert sent.alert.path == page("alertchannel", "changelist")


def test_a_channel_is_switched_off_with_a_reason_and_on_again(support: Client, acme: Account) -> None:
    channel = an_email_channel(acme)
    waiting = a_delivery(an_alert(acme), channel)
    assert offered(support, change(channel), BUTTONS) == {"send-test", "switch-off"}

    assert "This field is required" in press(support, channel, "switch_off")
    press(support, channel, "switch_off", reason="It floods them.")
    channel.refresh_from_db()
    waiting.refresh_from_db()
    assert (channel.state, channel.disabled_reason) == (
        "disabled",
        "Switched off by our staff: It floods them.",
    )
    assert waiting.state == "parked"
    assert offered(support, change(channel), BUTTONS) == {"switch-on"}
    assert "It is switched off already." in press(support, channel, "switch_off", reason="Again.")

    press(support, channel, "switch_on")
    channel.refresh_from_db()
    assert (channel.state, channel.disabled_reason) == ("active", "")
    assert "It is switched on already." in press(support, channel, "switch_on")
    assert history() == [
        "Switched off. It floods them.",
        "Switched on. It was off with: Switched off by our staff: It floods them.",
    ]


def test_an_address_that_nobody_confirmed_is_not_switched_on(support: Client, acme: Account) -> None:
    channel = an_email_channel(acme, state="unconfirmed")

    assert offered(support, change(channel), BUTTONS) == {"switch-off"}
    assert "waits to be confirmed" in press(support, channel, "switch_on")
    channel.refresh_from_db()
    assert channel.state == "unconfirmed"


def test_a_channel_is_removed_with_its_log_and_the_history_stays(manager: Client, acme: Account) -> None:
    channel = an_email_channel(acme)
    a_delivery(an_alert(acme), channel)

    press(manager, channel, "remove", reason="Asked for by phone.")

    assert not AlertChannel.objects.exists()
    assert not AlertDelivery.objects.exists()
    assert titles() == ["80 % of calls used"]
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(channel.pk), "Removed. Asked for by phone.")
    assert entry.is_deletion()


def test_what_everybody_has_is_neither_removed_nor_switched_off(manager: Client, acme: Account) -> None:
    destinations.all_of(acme, at=NOW)
    inbox, members = AlertChannel.objects.order_by("-kind")

    assert offered(manager, change(inbox), BUTTONS) == set()
    assert offered(manager, change(members), BUTTONS) == {"send-test"}
    for name in ("remove", "switch_off"):
        assert "always there" in press(manager, inbox, name, reason="x")
    assert "needs no test" in press(manager, inbox, "send_test")
    assert AlertChannel.objects.filter(state="active").count() == 2
    assert history() == []


@pytest.mark.parametrize("name", ["send_test", "switch_off", "switch_on", "remove"])
def test_whoever_may_only_look_changes_no_channel(acme: Account, name: str) -> None:
    channel = an_email_channel(acme, state="disabled" if name == "switch_on" else "active")
    viewer, address = a_clerk(), page("alertchannel", name, channel.pk)

    asked = [viewer.get(address), viewer.post(address, {"reason": "x"}), Client().post(address)]

    assert [each.status_code for each in asked] == [403, 403, 302]
    assert AlertChannel.objects.get().state == channel.state
    assert not deliveries()
    assert history() == []


def test_support_adds_and_removes_none(support: Client, acme: Account) -> None:
    channel = an_email_channel(acme)

    assert (
        support.post(page("alertchannel", "add"), {"kind": "email", "address": "a@b.com"}).status_code == 403
    )
    assert support.post(page("alertchannel", "remove", channel.pk), {"reason": "x"}).status_code == 403
    assert list(AlertChannel.objects.all()) == [channel]

"""The alert settings: who may choose what, and what becomes of it."""

import re
from collections.abc import Iterator

import pytest
import time_machine
from django.core import mail
from django.test import Client
from pytest_django.asserts import assertRedirects

from alerts import destinations, preferences
from alerts.adding import APART
from alerts.core.rules import Audience, chosen_among
from alerts.models import AlertChannel, ChannelState, EmailMode
from tests.support.alerting import deliveries
from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.channel_kinds import a_pigeon
from tests.support.email_channels import an_email_channel
from tests.support.reading_pages import read
from tests.support.subscribing import a_plan, subscribe
from usage.models import Account, Member, Role

SETTINGS = "/alerts/settings/"
ADD = "/alerts/channels/"
WHSEC = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pigeons")]


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def alice(client: Client, acme: Account) -> Client:
    client.force_login(a_member(acme))
    return client


@pytest.fixture
def vera(acme: Account) -> Client:
    """A viewer."""
    client = Client()
    client.force_login(a_member(acme, username="vera", role=Role.VIEWER))
    return client


@pytest.fixture
def loft(acme: Account) -> AlertChannel:
    return a_pigeon(acme)


def page_of(client: Client) -> str:
    return read(client.get(SETTINGS))


def again(channel: AlertChannel) -> AlertChannel:
    channel.refresh_from_db()
    return channel


class TestThresholds:
    URL = f"{SETTINGS}thresholds/"

    def test_those_of_the_plan_hold_until_others_are_chosen(self, alice: Client, acme: Account) -> None:
        subscribe(a_plan(alert_thresholds=[60, 95]), account=acme)
        assert "(60 %, 95 %)" in page_of(alice)
        assertRedirects(alice.post(self.URL, {"whose": "own", "limit_thresholds": "25, 75 %;100"}), SETTINGS)
        assert list(preferences.limit_thresholds_of(acme)) == [25, 75, 100]
        assert 'value="25, 75, 100"' in page_of(alice)
        alice.post(self.URL, {"whose": "plan", "limit_thresholds": "25, 75, 100"})
        assert list(preferences.limit_thresholds_of(acme)) == [60, 95]

    def test_none_of_ones_own_is_a_choice_too(self, alice: Client, acme: Account) -> None:
        alice.post(self.URL, {"whose": "own", "limit_thresholds": ""})
        assert list(preferences.limit_thresholds_of(acme)) == []

    @pytest.mark.parametrize(
        ("entered", "told"),
        [
            ("eighty", "Give whole percentages, such as 50, 80, 100."),
            ("80.5", "Give whole percentages, such as 50, 80, 100."),
            ("-5", "Give whole percentages, such as 50, 80, 100."),
            ("90, 80", "Give at most 10 ascending percentages between 1 and 1000, each once."),
            ("80, 80", "Give at most 10 ascending percentages between 1 and 1000, each once."),
            ("0", "Give at most 10 ascending percentages between 1 and 1000, each once."),
            ("9999999999", "Give at most 10 ascending percentages between 1 and 1000, each once."),
            (
                "1,2,3,4,5,6,7,8,9,10,11",
                "Give at most 10 ascending percentages between 1 and 1000, each once.",
            ),
        ],
    )
    def test_what_is_no_threshold_is_said_beside_the_field_and_kept(
        self, alice: Client, acme: Account, entered: str, told: str
    ) -> None:
        page = read(alice.post(self.URL, {"whose": "own", "limit_thresholds": entered}))
        field = re.search(r'<div class="field field-wrong">.*?</div>', page)
        assert field is not None
        assert told in field[0]
        assert f'value="{entered}"' in field[0]
        assert list(preferences.limit_thresholds_of(acme)) == [80, 90, 100]


class TestRules:
    URL = f"{SETTINGS}rules/"

    def test_what_is_not_ticked_does_not_go_out(self, alice: Client, acme: Account) -> None:
        ticked = {f"rules.{rule.key}": ["in_app", "pigeon"] for rule in chosen_among(Audience.CUSTOMER)}
        ticked["rules.invoice_ready"] = ["in_app"]
        ticked["rules.trial_ending"] = []
        assertRedirects(alice.post(self.URL, ticked), SETTINGS)
        wishes = preferences.wishes_of(acme)
        unwanted = {
            (rule, kind)
            for rule in ("limit_threshold", "invoice_ready", "trial_ending")
            for kind in ("in_app", "pigeon", "letter")
            if wishes.is_muted(rule, kind)
        }
        assert unwanted == {
            ("limit_threshold", "letter"),
            ("invoice_ready", "pigeon"),
            ("invoice_ready", "letter"),
            ("trial_ending", "in_app"),
            ("trial_ending", "pigeon"),
            ("trial_ending", "letter"),
        }

    def test_the_page_ticks_what_goes_out(self, alice: Client, acme: Account) -> None:
        preferences.mute(acme, {"invoice_ready": ["pigeon"]})
        boxes = re.findall(
            r'name="rules.invoice_ready" value="(\w+)" aria-label="[^"]*"( checked)?', page_of(alice)
        )
        assert {kind for kind, checked in boxes if checked} == {"pigeon"}
        assert {kind for kind, _ in boxes} >= {"in_app", "pigeon", "letter"}

    def test_every_rule_of_customers_can_be_chosen_and_none_of_staff(self, alice: Client) -> None:
        page = page_of(alice)
        for rule in chosen_among(Audience.CUSTOMER):
            assert f'name="rules.{rule.key}"' in page
        assert "rules.test" not in page
        assert "rules.price_held" not in page
        assert 'value="log"' not in page

    def test_a_channel_that_there_is_not_is_refused(self, alice: Client, acme: Account) -> None:
        assert alice.post(self.URL, {"rules.invoice_ready": ["fax"]}).status_code == 400
        assert not preferences.wishes_of(acme).muted


class TestEmails:
    URL = f"{SETTINGS}emails/"

    @staticmethod
    def mode_of(username: str) -> EmailMode:
        return preferences.mode_of(Member.objects.get(user__username=username))

    @staticmethod
    def field(username: str) -> str:
        return f"email.{Member.objects.get(user__username=username).pk}"

    def test_an_owner_chooses_for_everybody(self, alice: Client, vera: Client) -> None:
        chosen = {self.field("alice"): "digest", self.field("vera"): "each"}
        assertRedirects(alice.post(self.URL, chosen), SETTINGS)
        assert (self.mode_of("alice"), self.mode_of("vera")) == (EmailMode.DIGEST, EmailMode.EACH)

    def test_a_viewer_chooses_their_own(self, alice: Client, vera: Client) -> None:
        page = page_of(vera)
        assert re.search(rf'name="{self.field("vera")}">', page)
        assert re.search(rf'name="{self.field("alice")}" disabled>', page)
        assertRedirects(vera.post(self.URL, {self.field("vera"): "digest"}), SETTINGS)
        assert self.mode_of("vera") == EmailMode.DIGEST

    def test_a_viewer_chooses_for_nobody_else(self, alice: Client, vera: Client) -> None:
        both = {self.field("vera"): "digest", self.field("alice"): "none"}
        assert vera.post(self.URL, both).status_code == 403
        assert (self.mode_of("vera"), self.mode_of("alice")) == (EmailMode.NONE, EmailMode.EACH)

    def test_members_of_others_are_not_found(self, alice: Client) -> None:
        a_member(an_account("other"), username="eve")
        for field in (self.field("eve"), "email.0", "email.x"):
            assert alice.post(self.URL, {field: "none"}).status_code == 404
        assert self.mode_of("eve") == EmailMode.EACH

    def test_another_mode_is_refused(self, alice: Client) -> None:
        assert alice.post(self.URL, {self.field("alice"): "hourly"}).status_code == 400

    def test_staff_without_the_permission_choose_for_nobody(self, client: Client, acme: Account) -> None:
        a_member(acme)
        client.force_login(a_user("staff", is_staff=True))
        response = client.post(f"{self.URL}?account=acme", {self.field("alice"): "none"})
        assert response.status_code == 403


class TestChannels:
    def test_the_secret_of_a_new_channel_is_shown_once(self, alice: Client, acme: Account) -> None:
        page = read(alice.post(ADD, {"kind": "pigeon", "address": " loft:south "}))
        channel = AlertChannel.objects.get(account=acme, kind="pigeon")
        assert WHSEC.search(page)
        assert 'data-copy="secret"' in page
        assert (channel.label, channel.state, channel.created_by) == ("loft:south", "active", "alice")
        assert "loft:south" in page_of(alice)
        assert not WHSEC.search(page_of(alice))

    @pytest.mark.parametrize(
        ("entered", "told"),
        [
            ({"kind": "pigeon", "address": "south"}, "It begins with loft:."),
            ({"kind": "pigeon", "address": ""}, "This field is required."),
            ({"kind": "pigeon", "address": "loft:\x00"}, "Null characters are not allowed."),
            ({"kind": "fax", "address": "loft:a"}, "fax is not one of the available choices"),
            ({"kind": "in_app", "address": "loft:a"}, "in_app is not one of the available choices"),
        ],
    )
    def test_what_is_no_channel_is_said_beside_the_field(
        self, alice: Client, entered: dict[str, str], told: str
    ) -> None:
        page = read(alice.post(ADD, entered))
        field = re.search(r'<div class="field field-wrong">.*?</ul>', page)
        assert field is not None
        assert told in field[0]
        assert not AlertChannel.objects.filter(kind="pigeon").exists()

    def test_what_was_entered_is_kept(self, alice: Client) -> None:
        page = read(alice.post(ADD, {"kind": "letter", "address": "south"}))
        assert '<option value="letter" selected>' in page
        assert 'name="address" value="south"' in page

    def test_the_same_address_twice_is_refused(self, alice: Client, loft: AlertChannel) -> None:
        page = read(alice.post(ADD, {"kind": "pigeon", "address": "loft:north"}))
        assert "This address is a channel already." in page

    def test_a_test_is_planned_and_its_delivery_shown(self, alice: Client, loft: AlertChannel) -> None:
        response = alice.post(f"{ADD}{loft.pk}/test/")
        assertRedirects(response, f"/alerts/deliveries/?channel={loft.pk}")
        (delivery,) = deliveries()
        assert (delivery.channel, delivery.alert.rule) == (loft, "test")
        assert "This is a test" in read(alice.get(response["Location"]))
        assert "This is a test" not in read(alice.get("/alerts/"))

    def test_a_second_test_is_too_soon(self, alice: Client, loft: AlertChannel) -> None:
        alice.post(f"{ADD}{loft.pk}/test/")
        assert "wait ten seconds" in read(alice.post(f"{ADD}{loft.pk}/test/", follow=True))
        assert len(deliveries()) == 1

    def test_a_channel_is_switched_off_and_on(self, alice: Client, loft: AlertChannel) -> None:
        assertRedirects(alice.post(f"{ADD}{loft.pk}/off/"), SETTINGS)
        assert again(loft).state == ChannelState.DISABLED
        page = page_of(alice)
        assert "Switched off by alice." in page
        assert f"{ADD}{loft.pk}/test/" not in page
        assertRedirects(alice.post(f"{ADD}{loft.pk}/on/"), SETTINGS)
        assert again(loft).state == ChannelState.ACTIVE

    def test_what_waits_to_be_confirmed_cannot_be_switched_on(self, alice: Client, acme: Account) -> None:
        channel, _ = destinations.add(acme, kind="letter", address="to:bob", at=NOW, by="alice")
        page = read(alice.post(f"{ADD}{channel.pk}/on/", follow=True))
        assert "waits to be confirmed by its owner" in page

    def test_the_owner_of_an_address_is_asked_and_asked_again(self, alice: Client, acme: Account) -> None:
        page = read(alice.post(ADD, {"kind": "email", "address": "ops@example.com"}, follow=True))
        assert "We have asked ops@example.com by email. No alerts go there until" in page
        assert "Waits to be confirmed" in page
        assert "until its owner follows the link in our email of 15 Mar, 12:00." in page
        channel = AlertChannel.objects.get(kind="email", account=acme, label="ops@example.com")
        again = f"{ADD}{channel.pk}/ask-again/"
        assert again in page

        assert "has just been asked: wait until 15 March 2026, 12:10 UTC" in read(
            alice.post(again, follow=True)
        )
        with time_machine.travel(NOW + APART, tick=False):
            assertRedirects(alice.post(again), SETTINGS)
        assert [sent.to for sent in mail.outbox] == [["ops@example.com"]] * 2

    def test_a_mail_that_could_not_be_sent_is_told_until_it_is(self, alice: Client, acme: Account) -> None:
        # A letter's address is none that a mail could go to.
        page = read(alice.post(ADD, {"kind": "letter", "address": "to:bob"}, follow=True))

        failed = "could not be sent: This is not an email address."
        assert f"The email that asks to:bob {failed} Send it again." in page
        assert f"Our email to its owner {failed}" in page_of(alice)

    def test_an_address_whose_owner_unsubscribed_is_asked_when_switched_on(
        self, alice: Client, acme: Account
    ) -> None:
        channel = an_email_channel(acme)
        destinations.unsubscribe(channel, reason="Unsubscribed by its recipient.")

        page = read(alice.post(f"{ADD}{channel.pk}/on/", follow=True))

        assert "We have asked ops@example.com by email." in page
        assert again(channel).state == ChannelState.UNCONFIRMED

    def test_a_new_secret_is_shown_once(self, alice: Client, loft: AlertChannel) -> None:
        first = destinations.destination_of(loft, "", at=NOW).secrets
        shown = WHSEC.search(read(alice.post(f"{ADD}{loft.pk}/secret/")))
        assert shown is not None
        assert destinations.destination_of(again(loft), "", at=NOW).secrets == (shown[0], *first)

    def test_what_is_not_signed_has_no_secret(self, alice: Client, acme: Account) -> None:
        channel, _ = destinations.add(acme, kind="letter", address="to:bob", at=NOW, by="alice")
        assert f"{ADD}{channel.pk}/secret/" not in page_of(alice)
        assert "is not signed" in read(alice.post(f"{ADD}{channel.pk}/secret/", follow=True))

    def test_a_channel_is_removed(self, alice: Client, loft: AlertChannel) -> None:
        assertRedirects(alice.post(f"{ADD}{loft.pk}/remove/"), SETTINGS)
        assert not AlertChannel.objects.filter(pk=loft.pk).exists()

    def test_the_inbox_cannot_be_removed(self, alice: Client, acme: Account) -> None:
        inbox = next(each for each in destinations.all_of(acme, at=NOW) if each.kind == "in_app")
        assert f"{ADD}{inbox.pk}/" not in page_of(alice)
        page = read(alice.post(f"{ADD}{inbox.pk}/remove/", follow=True))
        assert "This channel is always there" in page


class TestWhoMay:
    ACTIONS = ("test", "off", "on", "secret", "remove", "ask-again")

    def changes(self, channel: AlertChannel) -> list[str]:
        choices = [f"{SETTINGS}thresholds/", f"{SETTINGS}rules/", ADD]
        return [*choices, *[f"{ADD}{channel.pk}/{action}/" for action in self.ACTIONS]]

    def test_readers_see_all_and_change_nothing(self, vera: Client, loft: AlertChannel) -> None:
        page = page_of(vera)
        assert "loft:north" in page
        assert "An owner or a billing admin of the account chooses here." in page
        for address in self.changes(loft):
            assert f'action="{address}"' not in page, address
            assert vera.post(address).status_code == 403, address
        assert again(loft).state == ChannelState.ACTIVE

    def test_changes_take_a_post_with_its_token(self, acme: Account, loft: AlertChannel) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(a_member(acme))
        for address in [*self.changes(loft), f"{SETTINGS}emails/", "/alerts/read/", "/alerts/1/read/"]:
            assert client.get(address).status_code == 405, address
            assert client.post(address).status_code == 403, address

    @pytest.mark.parametrize("action", ACTIONS)
    def test_a_strangers_channel_is_not_found(self, client: Client, loft: AlertChannel, action: str) -> None:
        client.force_login(a_member(an_account("other"), username="eve"))
        for unknown in (loft.pk, 10**17):
            assert client.post(f"{ADD}{unknown}/{action}/").status_code == 404
        assert client.post(f"{ADD}{loft.pk}/{action}/?account=acme").status_code == 403
        assert again(loft).state == ChannelState.ACTIVE

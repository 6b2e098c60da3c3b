"""GET and POST /api/usage/alerts"""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from alerts import destinations, preferences
from alerts.core.rules import Audience, chosen_among
from alerts.models import AlertSettings
from tests.support.alerts_api import ALERTS, an_admin_key, permit, staff
from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.channel_kinds import a_pigeon
from tests.support.credentials import a_key
from tests.support.email_channels import an_email_channel
from tests.support.posting import Posted, look, post
from tests.support.subscribing import a_plan, subscribe
from usage.models import Account, Role, Scope

RULES = [rule.key for rule in chosen_among(Audience.CUSTOMER)]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pigeons")]


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        yield an_account()


@pytest.fixture
def key(acme: Account) -> str:
    return an_admin_key(acme)


def told_by(rule: str, *, key: str) -> list[str]:
    kinds: list[str] = look(ALERTS, key=key).body["rules"][rule]["channels"]
    return kinds


def change(body: Any, **credential: Any) -> Posted:
    return post(ALERTS, body, **credential)


def test_an_account_that_chose_nothing_is_told_of_everything_by_every_channel(key: str) -> None:
    body = look(ALERTS, key=key).body

    assert body["thresholds"] == {"limits": [80, 90, 100], "limits_from": "plan", "budget": [50, 80, 95]}
    assert list(body["rules"]) == [rule.key for rule in chosen_among(Audience.CUSTOMER)]
    assert {"in_app", "pigeon", "letter"} <= set(body["rules"]["limit_threshold"]["channels"])
    assert "log" not in body["rules"]["limit_threshold"]["channels"]
    assert body["rules"]["trial_ending"]["name"] == "End of the trial"
    assert body["rules"]["trial_ending"]["meaning"] == "your trial is about to end"
    assert body["recipients"] == []
    [inbox] = [each for each in body["channels"] if each["kind"] == "in_app"]
    assert inbox == {
        "id": inbox["id"],
        "kind": "in_app",
        "name": "Inbox",
        "address": "",
        "state": "active",
        "disabled_reason": "",
        "last_delivered_at": None,
        "signed": False,
    }


def test_thresholds_come_from_the_plan_until_the_account_chooses(acme: Account, key: str) -> None:
    subscribe(a_plan("team"), account=acme)
    of_plan = look(ALERTS, key=key).body["thresholds"]

    assert of_plan["limits_from"] == "plan"
    chosen = change({"thresholds": {"limits": [25, 75]}}, key=key).body["thresholds"]
    assert (chosen["limits"], chosen["limits_from"]) == ([25, 75], "account")
    assert change({"thresholds": {"limits": None}}, key=key).body["thresholds"] == of_plan


def test_a_channel_that_was_added_is_told(acme: Account, key: str) -> None:
    pigeon = a_pigeon(acme)

    [told] = [each for each in look(ALERTS, key=key).body["channels"] if each["id"] == pigeon.pk]
    assert (told["kind"], told["name"], told["address"]) == ("pigeon", "Pigeon", "loft:north")
    assert (told["state"], told["signed"]) == ("active", True)


def test_rules_are_told_by_the_channels_chosen_and_others_stay(key: str) -> None:
    before = told_by("budget_threshold", key=key)

    change({"rules": {"limit_threshold": ["in_app"], "invoice_ready": []}}, key=key)
    assert told_by("limit_threshold", key=key) == ["in_app"]
    assert told_by("invoice_ready", key=key) == []
    assert told_by("budget_threshold", key=key) == before

    change({"rules": {"invoice_ready": ["in_app", "pigeon"]}}, key=key)
    assert told_by("invoice_ready", key=key) == ["in_app", "pigeon"]


def test_members_are_told_with_how_they_get_emails(acme: Account, key: str) -> None:
    a_member(acme)
    a_member(acme, username="bob", role=Role.VIEWER)

    assert look(ALERTS, key=key).body["recipients"] == [
        {"member": "alice", "email": "alice@example.com", "role": "owner", "mode": "each", "rules": RULES},
        {"member": "bob", "email": "bob@example.com", "role": "viewer", "mode": "none", "rules": RULES},
    ]
    chosen = {"recipients": [{"member": "bob", "mode": "digest"}]}
    assert [each["mode"] for each in change(chosen, key=key).body["recipients"]] == ["each", "digest"]


def test_members_get_emails_of_the_rules_they_want(acme: Account, key: str) -> None:
    for name in ("alice", "bob"):
        a_member(acme, username=name)

    def wants(body: Any) -> list[tuple[str, list[str]]]:
        told = change({"recipients": [{"member": "alice", **body}]}, key=key).body["recipients"]
        return [(each["mode"], each["rules"]) for each in told]

    assert wants({"rules": ["invoice_ready", "limit_threshold"]}) == [
        ("each", ["limit_threshold", "invoice_ready"]),
        ("each", RULES),
    ]
    assert wants({"mode": "digest"})[0] == ("digest", ["limit_threshold", "invoice_ready"])
    assert wants({"rules": []})[0] == ("digest", [])
    assert wants({"rules": RULES, "mode": "each"}) == [("each", RULES)] * 2
    wishes = preferences.wishes_of(acme)
    assert (wishes.muted, wishes.muted_by_member) == (frozenset(), frozenset())


def test_switching_on_an_address_whose_owner_unsubscribed_asks_them(acme: Account, key: str) -> None:
    channel = an_email_channel(acme)
    destinations.unsubscribe(channel, reason="Unsubscribed by its recipient.")

    told = change({"channels": [{"id": channel.pk, "state": "active"}]}, key=key).body["channels"]

    [state] = [(each["state"], each["confirmation"]) for each in told if each["id"] == channel.pk]
    assert state == ("unconfirmed", {"asked_at": "2026-03-15T12:00:00Z", "sent": True, "error": ""})
    assert [sent.to for sent in mail.outbox] == [["ops@example.com"]]


def test_channels_are_switched_off_and_on(acme: Account, key: str) -> None:
    pigeon = a_pigeon(acme)

    for state, reason in (("disabled", "Switched off by key prod"), ("active", "")):
        change({"channels": [{"id": pigeon.pk, "state": state}]}, key=key)
        pigeon.refresh_from_db()
        assert pigeon.state == state
        assert pigeon.disabled_reason.startswith(reason)


def test_an_empty_change_changes_nothing(key: str) -> None:
    before = look(ALERTS, key=key).body

    assert change({}, key=key).body == before
    assert not AlertSettings.objects.exists()


def test_a_repeated_change_is_answered_alike(acme: Account, key: str) -> None:
    a_member(acme)
    wanted = {
        "thresholds": {"limits": [10]},
        "rules": {"limit_threshold": ["pigeon"]},
        "channels": [{"id": a_pigeon(acme).pk, "state": "disabled"}],
        "recipients": [{"member": "alice", "mode": "none"}],
    }

    first, again = change(wanted, key=key), change(wanted, key=key)
    assert (first.status, first.body) == (again.status, again.body) == (200, look(ALERTS, key=key).body)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"threshold": {}}, "/threshold"),
        ({"thresholds": {}}, "/thresholds/limits"),
        ({"thresholds": {"limits": [80], "budget": [50]}}, "/thresholds/budget"),
        ({"thresholds": {"limits": "80"}}, "/thresholds/limits"),
        ({"thresholds": {"limits": ["80"]}}, "/thresholds/limits/0"),
        ({"thresholds": {"limits": [80.5]}}, "/thresholds/limits/0"),
        ({"thresholds": {"limits": [True]}}, "/thresholds/limits/0"),
        ({"thresholds": {"limits": [90, 80]}}, "/thresholds/limits"),
        ({"thresholds": {"limits": [80, 80]}}, "/thresholds/limits"),
        ({"thresholds": {"limits": [0]}}, "/thresholds/limits"),
        ({"thresholds": {"limits": [1001]}}, "/thresholds/limits"),
        ({"thresholds": {"limits": list(range(1, 12))}}, "/thresholds/limits"),
        ({"rules": []}, "/rules"),
        ({"rules": {"price_held": ["in_app"]}}, "/rules"),
        ({"rules": {"test": ["in_app"]}}, "/rules"),
        ({"rules": {"limit_threshold": ["owl"]}}, "/rules/limit_threshold"),
        ({"channels": [{"id": 1}]}, "/channels/0/state"),
        ({"channels": [{"id": 1, "state": "unconfirmed"}]}, "/channels/0/state"),
        ({"channels": [{"id": 1, "state": "active"}]}, "/channels/0/id"),
        ({"channels": [{"id": 2**70, "state": "active"}]}, "/channels/0/id"),
        ({"recipients": [{"member": "nobody", "mode": "each"}]}, "/recipients/0/member"),
        ({"recipients": [{"member": "a\x00", "mode": "each"}]}, "/recipients/0/member"),
        ({"recipients": [{"member": "\ud800", "mode": "each"}]}, "/recipients/0/member"),
        ({"recipients": [{"member": "alice", "mode": "weekly"}]}, "/recipients/0/mode"),
        ({"recipients": [{"member": "alice", "rules": "all"}]}, "/recipients/0/rules"),
        ({"recipients": [{"member": "alice", "rules": None}]}, "/recipients/0/rules"),
        ([], ""),
        (None, ""),
    ],
)
def test_a_field_that_is_wrong_or_unknown_is_named(key: str, body: Any, pointer: str) -> None:
    answer = change(body, key=key)

    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert answer.body["pointer"] == pointer
    assert answer.error.startswith(f"{pointer}: " if pointer else "Expected `object`")
    assert [fault["pointer"] for fault in answer.body["errors"]] == [pointer]


@pytest.mark.parametrize("rule", ["owl", "test", "price_held"])
def test_a_rule_that_members_are_not_told_of_is_named(acme: Account, key: str, rule: str) -> None:
    a_member(acme)
    a_member(acme, username="bob")
    wanted = [{"member": "alice", "rules": []}, {"member": "bob", "rules": ["invoice_ready", rule]}]

    answer = change({"recipients": wanted}, key=key)

    assert (answer.status, answer.body["pointer"]) == (400, "/recipients/1/rules")
    assert answer.error.startswith(f"/recipients/1/rules: there is no rule '{rule}'")
    assert not preferences.wishes_of(acme).muted_by_member


def test_what_is_no_json_is_refused(key: str) -> None:
    assert change(b"{", key=key).status == 400


@pytest.mark.parametrize("field", ["channels", "recipients"])
def test_nothing_is_named_twice(acme: Account, key: str, field: str) -> None:
    a_member(acme)
    each = {
        "channels": {"id": a_pigeon(acme).pk, "state": "active"},
        "recipients": {"member": "alice", "mode": "each"},
    }[field]

    assert change({field: [each, each]}, key=key).body["pointer"] == f"/{field}/1"


def test_a_change_that_fails_in_part_changes_nothing(acme: Account, key: str) -> None:
    a_member(acme)
    before = look(ALERTS, key=key).body
    fine = {
        "thresholds": {"limits": [10]},
        "rules": {"limit_threshold": []},
        "recipients": [{"member": "alice", "mode": "none"}],
    }

    letter, _ = destinations.add(acme, kind="letter", address="to:bob", at=NOW, by="alice")
    unconfirmed = [{"id": letter.pk, "state": "active"}]
    assert change({**fine, "channels": unconfirmed}, key=key).body["code"] == "channel_unconfirmed"
    destinations.remove(letter)
    stranger = [*fine["recipients"], {"member": "nobody", "mode": "none"}]
    assert change({**fine, "recipients": stranger}, key=key).status == 400
    assert look(ALERTS, key=key).body == before


def test_channels_of_others_cannot_be_switched(key: str) -> None:
    theirs = a_pigeon(an_account("globex"))

    answer = change({"channels": [{"id": theirs.pk, "state": "disabled"}]}, key=key)
    assert (answer.status, answer.body["pointer"]) == (400, "/channels/0/id")
    theirs.refresh_from_db()
    assert theirs.state == "active"


@pytest.mark.parametrize(
    ("role", "changes"),
    [(Role.OWNER, True), (Role.BILLING_ADMIN, True), (Role.MEMBER, False), (Role.VIEWER, False)],
)
def test_every_member_reads_and_those_who_may_change_the_account_change(
    acme: Account, role: Role, changes: bool
) -> None:
    a_member(acme, username="bob@example.com")
    alice = a_member(acme, role=role)

    answer = look(ALERTS, user=alice)
    assert answer.status == 200
    others = answer.body["recipients"][1]
    seen = "bob@example.com" if changes else "b…@example.com"
    assert (others["member"], others["email"]) == (seen, "bob@example.com@example.com" if changes else seen)
    assert change({"thresholds": {"limits": [10]}}, user=alice).status == (200 if changes else 403)
    assert (preferences.limit_thresholds_of(acme) == [10]) == changes


@pytest.mark.parametrize(
    ("scopes", "reads", "changes"),
    [
        ((Scope.READ,), 200, 403),
        ((Scope.READ, Scope.ADMIN), 200, 200),
        ((Scope.ADMIN,), 403, 200),
        ((Scope.INGEST,), 403, 403),
    ],
)
def test_a_key_does_what_its_scopes_say(
    acme: Account, scopes: tuple[Scope, ...], reads: int, changes: int
) -> None:
    key = a_key(acme, scopes=scopes).plain

    assert look(ALERTS, key=key).status == reads
    assert change({}, key=key).status == changes


def test_a_stranger_is_refused_whether_the_account_exists_or_not() -> None:
    mallory = a_member(an_account("globex"), username="mallory")
    for ask in (look, post):
        existing = ask(f"{ALERTS}?user_id=acme", user=mallory)
        missing = ask(f"{ALERTS}?user_id=nobody", user=mallory)
        assert existing.status == missing.status == 403
        assert existing.body == missing.body


def test_staff_read_any_account_and_need_the_permission_to_change_it(acme: Account) -> None:
    address, sam = f"{ALERTS}?user_id=acme", staff()
    wanted = {"thresholds": {"limits": [10]}}

    assert look(address, user=sam).status == 200
    assert post(address, wanted, user=sam).status == 403
    assert post(address, wanted, user=permit(sam)).status == 200
    assert preferences.limit_thresholds_of(acme) == [10]


def test_staff_who_switch_off_a_channel_are_not_named(acme: Account) -> None:
    pigeon = a_pigeon(acme)
    switched = {"channels": [{"id": pigeon.pk, "state": "disabled"}]}

    post(f"{ALERTS}?user_id=acme", switched, user=permit(staff()))
    pigeon.refresh_from_db()
    assert pigeon.disabled_reason == "Switched off by our staff."


def test_a_service_key_says_which_account(acme: Account) -> None:
    service = an_admin_key(None)

    assert look(ALERTS, key=service).status == change({}, key=service).status == 400
    assert post(f"{ALERTS}?user_id=acme", {}, key=service).status == 200
    assert look(f"{ALERTS}?user_id=nobody", key=service).status == 404


def test_a_session_changes_only_with_its_csrf_token(acme: Account) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_member(acme))

    refused = client.post(ALERTS, "{}", content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")


def test_without_a_credential_nothing_is_told_or_changed() -> None:
    assert look(ALERTS).status == change({}).status == 401


def test_somebody_who_is_in_no_account_is_refused() -> None:
    nobody: User = a_user("nobody")
    assert look(ALERTS, user=nobody).status == 403

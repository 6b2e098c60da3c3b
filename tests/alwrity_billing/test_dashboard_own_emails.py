"""Every member chooses on the alert settings which alerts they get by email."""

import re
from html import unescape

import pytest
from django.test import Client
from pytest_django.asserts import assertRedirects

from alerts import preferences
from alerts.core.rules import Audience, chosen_among
from tests.support.cast import a_member, a_user, an_account
from usage.models import Account, Member, Role

SETTINGS = "/alerts/settings/"
OWN_RULES = f"{SETTINGS}own-rules/"

pytestmark = pytest.mark.django_db


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


def page_of(client: Client, url: str = SETTINGS) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return " ".join(unescape(response.content.decode()).split())


def ticked(client: Client) -> list[str]:
    return re.findall(r'name="rules" value="([a-z_]+)" checked', page_of(client))


def test_everybody_chooses_for_themselves_what_they_get(alice: Client, vera: Client, acme: Account) -> None:
    everything = [rule.key for rule in chosen_among(Audience.CUSTOMER)]
    assert ticked(vera) == everything

    assertRedirects(vera.post(OWN_RULES, {"rules": ["limit_threshold", "invoice_ready"]}), SETTINGS)

    assert ticked(vera) == ["limit_threshold", "invoice_ready"]
    assert ticked(alice) == everything
    vera_id = Member.objects.get(user__username="vera").pk
    assert (vera_id, "budget_threshold") in preferences.wishes_of(acme).muted_by_member


def test_nothing_ticked_is_nothing_wanted(vera: Client) -> None:
    vera.post(OWN_RULES)
    assert ticked(vera) == []


def test_what_the_account_sends_no_emails_about_is_marked(vera: Client, acme: Account) -> None:
    told = "The account sends no emails about this."
    assert told not in page_of(vera)
    preferences.mute(acme, {"invoice_ready": ["in_app"]})
    assert f'Invoices<span class="name-detail">{told}' in page_of(vera)


def test_an_unknown_rule_is_refused(vera: Client, acme: Account) -> None:
    assert vera.post(OWN_RULES, {"rules": ["owl"]}).status_code == 400
    assert not preferences.wishes_of(acme).muted_by_member


def test_staff_who_are_no_members_have_none_to_choose(acme: Account) -> None:
    client = Client()
    client.force_login(a_user("sam", is_staff=True))
    assert "own-rules-heading" not in page_of(client, f"{SETTINGS}?account=acme")
    assert client.post(f"{OWN_RULES}?account=acme", {"rules": []}).status_code == 404

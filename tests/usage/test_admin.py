"""The admin of accounts, keys and prices, through its pages."""

import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import NoReverseMatch, reverse

from tests.support.cast import NOW, TESTS, a_member, a_user, an_account
from tests.support.credentials import a_key
from usage import invitations, keys
from usage.models import Account, ApiKey, APIProviderPricing, HeldPrice, Member, PriceSource, Scope

pytestmark = pytest.mark.django_db

LATER = {"effective_from_0": "2026-04-01", "effective_from_1": "00:00:00"}


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(a_user("sam", is_staff=True, is_superuser=True))
    return client


def page(model: str, action: str = "changelist", *arguments: object) -> str:
    return reverse(f"admin:usage_{model}_{action}", args=arguments)


def a_price(model: str = "gpt-4o", **columns: Any) -> APIProviderPricing:
    return APIProviderPricing.objects.create(
        **{
            "provider": "openai",
            "model_name": model,
            "effective_from": NOW,
            "cost_per_input_token": Decimal("0.0000025"),
            "source": PriceSource.CATALOG,
            **columns,
        }
    )


def a_held_price(model: str = "gpt-4o") -> HeldPrice:
    return HeldPrice.objects.create(
        provider="openai",
        model_name=model,
        effective_from=NOW + timedelta(days=1),
        cost_per_input_token=Decimal("0.00001"),
        source=PriceSource.GENAI_PRICES,
        reason="input moves by a factor of 4",
    )


def press(staff: Client, held: HeldPrice, button: str) -> None:
    staff.post(page("heldprice", "change", held.pk), {f"usage_heldprice_{button}": ""})


# --- Accounts ------------------------------------------------------------------------------------------


def test_every_page_of_the_admin_opens(staff: Client) -> None:
    acme = an_account("acme")
    a_member(acme)
    a_key(acme)
    a_price()
    a_held_price()
    for model in ("account", "member", "apikey", "apiproviderpricing", "heldprice"):
        rows = staff.get(page(model))
        assert rows.status_code == 200
        changed = re.search(rf'href="(/admin/usage/{model}/[^"/]+/change/)', rows.content.decode())
        assert changed is not None
        assert staff.get(changed[1]).status_code == 200
    invitations.invite(acme, email="bob@example.com", role="viewer", at=NOW, by=TESTS, by_staff=True)
    for model in ("billingperiod", "usagesummary", "invitation", "accountchange"):
        assert staff.get(page(model)).status_code == 200


def test_nobody_but_staff_comes_in(client: Client) -> None:
    client.force_login(a_member(an_account()))
    answer = client.get(page("account"))
    assert (answer.status_code, answer["Location"].startswith("/admin/login/")) == (302, True)


def test_an_account_is_found_by_its_members_name(staff: Client) -> None:
    a_member(an_account("acme"), username="alice")
    an_account("globex")
    found = staff.get(page("account"), {"q": "alice"}).content.decode()
    assert "acme" in found
    assert "globex" not in found


NO_ROWS_BESIDE = {
    f"{prefix}-{count}_FORMS": 0 for prefix in ("members", "api_keys") for count in ("TOTAL", "INITIAL")
}


def test_staff_add_an_account_with_its_owner(staff: Client) -> None:
    alice = a_user("alice")
    staff.post(
        page("account", "add"),
        {
            "external_id": "acme",
            "name": "Acme",
            **NO_ROWS_BESIDE,
            "members-TOTAL_FORMS": 1,
            "members-0-user": alice.pk,
            "members-0-role": "owner",
        },
    )
    member = Member.objects.get()
    assert (member.account.external_id, member.user, member.role) == ("acme", alice, "owner")


def test_an_accounts_external_id_never_changes(staff: Client) -> None:
    acme = an_account("acme")
    staff.post(
        page("account", "change", acme.pk), {"external_id": "other", "name": "Acme Ltd", **NO_ROWS_BESIDE}
    )
    assert Account.objects.values_list("external_id", "name").get() == ("acme", "Acme Ltd")


def test_an_account_cannot_be_deleted(staff: Client) -> None:
    acme = an_account("acme")
    assert staff.post(page("account", "delete", acme.pk), {"post": "yes"}).status_code == 403


# --- Keys --------------------------------------------------------------------------------------------------


def issue(staff: Client, **fields: Any) -> str:
    """Add a key through its form; the page that follows."""
    form = {"name": "prod", "account": "", "scopes": ["read", "ingest"], **fields}
    return staff.post(page("apikey", "add"), form, follow=True).content.decode()


def test_a_key_is_shown_exactly_once(staff: Client) -> None:
    acme = an_account("acme")
    shown = re.findall(r"[0-9A-Za-z]{8}\.[0-9A-Za-z]{32}\b", issue(staff, account=acme.pk))
    assert len(shown) == 1
    key = keys.verify(shown[0], at=NOW)
    assert key is not None
    assert (key.account, key.scopes) == (acme, ["ingest", "read"])
    secret = shown[0].partition(".")[2]
    for address in (page("apikey"), page("apikey", "change", key.pk), page("account", "change", acme.pk)):
        assert secret not in staff.get(address).content.decode()
    assert secret not in str(list(LogEntry.objects.values()))


def test_a_key_without_account_is_listed_as_a_service_key(staff: Client) -> None:
    assert "every account" in issue(staff)


@pytest.mark.parametrize(
    ("field", "wrong", "told"),
    [
        ("name", "", "This field is required."),
        ("scopes", [], "This field is required."),
        ("scopes", ["root"], "root is not one of the available choices"),
        ("expiry_date_0", "2020-01-01", "The expiry must lie in the future"),
    ],
)
def test_a_key_with_a_wrong_field_is_not_issued(staff: Client, field: str, wrong: Any, told: str) -> None:
    assert told in issue(staff, expiry_date_1="00:00:00" if "expiry" in field else "", **{field: wrong})
    assert not ApiKey.objects.exists()


def test_a_key_is_revoked_by_the_button_on_its_page(staff: Client) -> None:
    issued = a_key(an_account())
    staff.post(page("apikey", "change", issued.key.pk), {"usage_apikey_revoke_this": ""})
    assert keys.verify(issued.plain, at=NOW) is None
    assert LogEntry.objects.get().get_change_message() == "Revoked."


def test_several_keys_are_revoked_from_the_list(staff: Client) -> None:
    issued = [a_key(None, name=name, scopes=(Scope.READ,)) for name in ("one", "two")]
    chosen = [key.key.pk for key in issued]
    staff.post(page("apikey"), {"action": "revoke_chosen", "_selected_action": chosen})
    assert list(ApiKey.objects.values_list("revoked", flat=True)) == [True, True]


def test_saving_a_keys_page_changes_nothing(staff: Client) -> None:
    issued = a_key(an_account())
    staff.post(page("apikey", "change", issued.key.pk), {"name": "other", "scopes": ["admin"]})
    assert ApiKey.objects.values_list("name", "scopes").get() == ("prod", ["read"])
    assert not LogEntry.objects.exists()


def test_the_librarys_own_key_table_has_no_page() -> None:
    with pytest.raises(NoReverseMatch):
        reverse("admin:rest_framework_api_key_apikey_changelist")


# --- Prices ------------------------------------------------------------------------------------------------


def add_price(staff: Client, **fields: Any) -> str:
    form = {"provider": "openai", "model_name": "gpt-4o", "tiers": "[]", "batch": "null", **LATER, **fields}
    return staff.post(page("apiproviderpricing", "add"), form, follow=True).content.decode()


def test_staff_add_a_price_with_tiers_and_batch_rates(staff: Client) -> None:
    tiers = [{"above_input_tokens": 200000, "input": "0.000005"}]
    add_price(
        staff, cost_per_input_token="0.0000025", tiers=json.dumps(tiers), batch='{"input": "0.00000125"}'
    )
    price = APIProviderPricing.objects.get()
    assert (price.source, price.cost_per_input_token) == ("staff", Decimal("0.0000025"))
    assert (price.tiers, price.batch) == (tiers, {"input": "0.00000125"})
    assert price.created_by is not None
    assert price.created_by.username == "sam"


def test_the_log_tells_the_price_before_and_after(staff: Client) -> None:
    a_price(cost_per_input_token=Decimal("0.0000025"))
    add_price(staff, cost_per_input_token="0.000003")
    assert LogEntry.objects.get().get_change_message() == (
        "Added. Before: cost_per_input_token 0.0000025. From now on: cost_per_input_token 0.000003."
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "State at least one unit price"),
        ({"cost_per_image": "-1"}, "none of them negative"),
        ({"cost_per_image": "1", "tiers": "[1]"}, "It takes a list such as"),
        ({"cost_per_image": "1", "tiers": '[{"input": "1"}]'}, "above_input_tokens must be a whole number"),
        ({"cost_per_image": "1", "tiers": "not JSON"}, "Enter a valid JSON"),
        ({"cost_per_image": "1", "batch": "[]"}, "It takes an object such as"),
        ({"cost_per_image": "1", "batch": '{"input": 0.5}'}, "input must be a decimal string"),
        ({"cost_per_image": "1", "batch": '{"imgae": "1"}'}, "unknown price"),
        ({"cost_per_image": "1", "provider": "acme"}, "Select a valid choice"),
        ({"cost_per_image": "1", "model_name": "taken"}, "a price from that instant already"),
    ],
)
def test_a_price_that_cannot_be_is_refused_in_words(staff: Client, fields: dict[str, str], told: str) -> None:
    a_price("taken", effective_from="2026-04-01T00:00:00Z")
    assert told in add_price(staff, **fields)
    assert APIProviderPricing.objects.count() == 1


def test_a_price_is_never_changed_or_deleted(staff: Client) -> None:
    price = a_price()
    changed = staff.post(page("apiproviderpricing", "change", price.pk), {"cost_per_input_token": "1"})
    deleted = staff.post(page("apiproviderpricing", "delete", price.pk), {"post": "yes"})
    assert (changed.status_code, deleted.status_code) == (403, 403)


def test_the_history_link_lists_one_models_prices(staff: Client) -> None:
    a_price("gpt-4o")
    a_price("o3")
    rows = staff.get(page("apiproviderpricing"), {"provider": "openai", "model_name": "o3"})
    assert [price.model_name for price in rows.context["cl"].result_list] == ["o3"]


def test_a_confirmed_price_enters_the_book(staff: Client) -> None:
    a_price(cost_per_input_token=Decimal("0.0000025"))
    held = a_held_price()
    press(staff, held, "confirm_this")
    held.refresh_from_db()
    assert held.state == "confirmed"
    assert APIProviderPricing.objects.filter(cost_per_input_token=Decimal("0.00001")).count() == 1
    message = LogEntry.objects.get().get_change_message()
    assert "Before: cost_per_input_token 0.0000025." in message
    assert message.endswith("UTC: cost_per_input_token 0.00001.")


def test_a_discarded_price_does_not(staff: Client) -> None:
    held = a_held_price()
    press(staff, held, "discard_this")
    held.refresh_from_db()
    assert held.state == "discarded"
    assert not APIProviderPricing.objects.exists()
    assert LogEntry.objects.get().get_change_message().startswith("Discarded cost_per_input_token 0.00001.")


def test_a_held_price_is_decided_about_once(staff: Client) -> None:
    held = a_held_price()
    press(staff, held, "discard_this")
    staff.post(page("heldprice"), {"action": "confirm_chosen", "_selected_action": [held.pk]})
    assert "decided about already" in staff.get(page("heldprice")).content.decode()
    assert not APIProviderPricing.objects.exists()


def test_a_held_price_stands_beside_the_one_in_force(staff: Client) -> None:
    a_price(cost_per_input_token=Decimal("0.0000025"))
    shown = staff.get(page("heldprice", "change", a_held_price().pk)).content.decode()
    assert "cost_per_input_token: 0.0000025 → 0.00001" in shown

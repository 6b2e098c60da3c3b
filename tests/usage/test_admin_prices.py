"""The price pages of the admin: a model's prices through time, and last month at a draft price."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from tests.support.cast import a_user, an_account
from tests.support.usage_rows import a_log_row, a_period, a_price
from usage import pricebook
from usage.models import APIProviderPricing, HeldPrice, PriceSource

pytestmark = pytest.mark.django_db

MARCH, MAY = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
IN_MARCH, IN_APRIL = datetime(2026, 3, 10, 8, tzinfo=UTC), datetime(2026, 4, 20, 8, tzinfo=UTC)
DRAFT = {
    "provider": "openai",
    "model_name": "gpt-4o",
    "effective_from_0": "2026-06-01",
    "effective_from_1": "00:00:00",
    "tiers": "[]",
    "batch": "null",
    "cost_per_input_token": "0.000005",
    "cost_per_output_token": "0.00002",
}
PRICES = "admin:usage_apiproviderpricing"


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(a_user("sam", is_staff=True, is_superuser=True))
    return client


@pytest.fixture(autouse=True)
def in_april() -> Any:
    with time_machine.travel(IN_APRIL, tick=False):
        yield


def somebody_with(*permissions: str) -> Client:
    """A staff member who may do no more than `permissions`."""
    user = a_user("pat", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def a_waiting_price() -> HeldPrice:
    return HeldPrice.objects.create(
        provider="openai",
        model_name="gpt-4o",
        effective_from=MAY,
        cost_per_input_token=Decimal("0.00001"),
        source=PriceSource.GENAI_PRICES,
        reason="input moves by a factor of 4",
    )


# --- A model's prices through time --------------------------------------------------------------------------


def model_page(client: Client, model: str = "gpt-4o") -> Any:
    return client.get(reverse(f"{PRICES}_model"), {"provider": "openai", "model_name": model})


def lines(client: Client) -> list[list[list[str]]]:
    """The rows of every price's table on the page of gpt-4o."""
    return [price["table"]["rows"] for price in model_page(client).context["prices"]]


def test_every_dated_price_is_shown_with_where_it_stands_in_time(staff: Client) -> None:
    a_price(since=MAY, cost_per_input_token="0.000004")
    a_price(since=MARCH, cost_per_input_token="0.000003")
    a_price(cost_per_input_token="0.0000025")

    shown = model_page(staff).context["prices"]

    assert [(price["from"], price["to"], price["standing"]) for price in shown] == [
        ("2026-01-01 00:00", "2026-03-01 00:00 UTC", "past"),
        ("2026-03-01 00:00", "2026-05-01 00:00 UTC", "in force"),
        ("2026-05-01 00:00", "until a later price", "future"),
    ]


def test_each_price_says_what_changed_and_by_how_much(staff: Client) -> None:
    a_price(cost_per_input_token="0.0000025", cost_per_search="0.01", cost_per_output_token="0.00001")
    a_price(since=MARCH, cost_per_input_token="0.000003", cost_per_output_token="0.00001")

    first, second = lines(staff)

    assert first == [
        ["Input", "2.5 per 1M tokens"],
        ["Output", "10 per 1M tokens"],
        ["Search", "0.01 per search"],
    ]
    assert second == [
        ["Input", "3 per 1M tokens", "2.5 → 3 (+20 %)"],
        ["Output", "10 per 1M tokens", "–"],
        ["Search", "none", "0.01 → none"],
    ]


def test_a_rate_that_is_gone_shows_what_is_charged_instead(staff: Client) -> None:
    a_price(cost_per_input_token="0.000004", cost_per_cached_input_token="0.000001")
    a_price(since=MARCH, cost_per_input_token="0.000004")

    assert lines(staff)[1][1] == [
        "Cached input",
        "4 per 1M tokens (no rate of its own)",
        "1 → 4 (+300 %)",
    ]


def test_tiers_and_batch_rates_can_be_read(staff: Client) -> None:
    pricebook.add(
        by=None,
        at=MARCH,
        provider="openai",
        model_name="gpt-4o",
        effective_from=MARCH,
        cost_per_cached_input_token=Decimal("0.000001"),
        tiers=[{"above_input_tokens": 200_000, "cached_input": "0.000002"}],
        batch={"output": "0.000005", "tiers": [{"above_input_tokens": 0, "output": "0.000006"}]},
    )

    assert lines(staff)[0] == [
        ["Cached input", "1 per 1M tokens"],
        ["Cached input above 200,000 input tokens", "2 per 1M tokens"],
        ["Batch: output", "5 per 1M tokens"],
        ["Batch: output above 0 input tokens", "6 per 1M tokens"],
    ]


def test_a_price_says_who_added_it_and_when(staff: Client) -> None:
    staff.post(reverse(f"{PRICES}_add"), {**DRAFT, "_save": ""})
    a_price()

    loaded, added = [price["origin"] for price in model_page(staff).context["prices"]]

    assert loaded == "Default catalog, loaded on 2026-04-20 08:00 UTC"
    assert added == "Staff, added by sam on 2026-04-20 08:00 UTC"


def test_a_price_that_waits_is_mentioned_with_a_link(staff: Client) -> None:
    a_price()
    held = a_waiting_price()

    page = model_page(staff).content.decode()

    assert "A price from 2026-05-01 00:00 UTC waits for a decision" in page
    assert reverse("admin:usage_heldprice_change", args=[held.pk]) in page


def test_whoever_may_not_see_held_prices_gets_no_link_to_one() -> None:
    a_waiting_price()

    page = model_page(somebody_with("view_apiproviderpricing")).content.decode()

    assert "waits for a decision" in page
    assert "/heldprice/" not in page


@pytest.mark.parametrize("model", ["gpt-4o", "a/b&c=d:e +f"])
def test_the_page_is_reached_from_the_list_and_from_each_price(staff: Client, model: str) -> None:
    price = a_price(model)
    for address in (reverse(f"{PRICES}_changelist"), reverse(f"{PRICES}_change", args=[price.pk])):
        page = staff.get(address).content.decode()
        link = page.split(f'href="{reverse(f"{PRICES}_model")}?')[1].split('"')[0].replace("&amp;", "&")
        there = staff.get(f"{reverse(f'{PRICES}_model')}?{link}")
        assert (there.status_code, there.context["model_name"]) == (200, model)


def test_a_model_the_book_does_not_know_is_not_found(staff: Client) -> None:
    assert model_page(staff, "nobodys").status_code == 404


def test_only_who_may_see_prices_sees_them_through_time() -> None:
    a_price()
    assert model_page(somebody_with("view_account")).status_code == 403
    assert model_page(Client()).status_code == 302


# --- Last month at a draft price ----------------------------------------------------------------------------


def preview(client: Client, **fields: str) -> Any:
    return client.post(reverse(f"{PRICES}_add"), {**DRAFT, "_preview": "", **fields})


@pytest.fixture
def last_month() -> None:
    """One call of acme, 1000 input and 100 output tokens, for 0.0035; one of globex, cost reported."""
    price = a_price()
    a_log_row(a_period(an_account("acme")), at=IN_MARCH, price_id=price.pk)
    a_log_row(a_period(an_account("globex")), event_id="e2", at=IN_MARCH, cost_source="provider")


@pytest.mark.usefixtures("last_month")
def test_a_draft_shows_what_last_month_would_have_cost(staff: Client) -> None:
    shown = preview(staff)

    assert shown.context["preview_figures"] == [
        ("As rated, USD", "0.0035", ""),
        ("At this price, USD", "0.007", ""),
        ("Difference, USD", "+0.0035", "+100 %"),
        ("Calls rated again", "1", "1,000 input tokens, 100 output tokens"),
    ]
    assert shown.context["preview_accounts"]["rows"] == [
        ["Acme (acme)", "1", "0.0035", "0.007", "+0.0035 (+100 %)"]
    ]
    assert shown.context["preview_untouched"]["rows"] == [
        ["Cost reported by the provider or the sender", "1", "0.0035"]
    ]
    assert "openai/gpt-4o: March 2026 at this price" in shown.content.decode()


@pytest.mark.usefixtures("last_month")
def test_a_preview_writes_nothing(staff: Client) -> None:
    session = dict(staff.session.items())

    shown = preview(staff)

    assert APIProviderPricing.objects.count() == 1
    assert not LogEntry.objects.exists()
    assert (list(shown.context["messages"]), dict(staff.session.items())) == ([], session)
    assert "messages" not in shown.cookies


@pytest.mark.usefixtures("last_month")
def test_the_draft_stays_in_the_form_to_be_saved(staff: Client) -> None:
    tiers = [{"above_input_tokens": 200_000, "input": "0.000009"}]

    page = preview(staff, tiers=json.dumps(tiers)).content.decode()

    assert 'value="0.000005"' in page
    assert "0.000009" in page
    assert 'name="_save"' in page


@pytest.mark.usefixtures("last_month")
def test_the_drafts_tiers_and_batch_rates_count(staff: Client) -> None:
    tiers = [{"above_input_tokens": 999, "input": "0.000009"}]

    shown = preview(staff, tiers=json.dumps(tiers))

    assert shown.context["preview"].total.after == Decimal("0.009")  # 1000 × 9/M, output without a price
    assert "no rate for some of what was consumed" in shown.content.decode()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"cost_per_input_token": "", "cost_per_output_token": ""}, "State at least one unit price"),
        ({"tiers": "[1]"}, "It takes a list such as"),
        ({"effective_from_0": "2026-01-01"}, "a price from that instant already"),
    ],
)
@pytest.mark.usefixtures("last_month")
def test_a_draft_that_cannot_be_is_refused_like_a_price(
    staff: Client, fields: dict[str, str], told: str
) -> None:
    shown = preview(staff, **fields)

    assert told in shown.content.decode()
    assert "preview" not in shown.context


def test_only_who_may_add_prices_previews_them() -> None:
    assert preview(somebody_with("view_apiproviderpricing")).status_code == 403


def test_the_page_of_a_saved_price_offers_no_preview(staff: Client) -> None:
    page = staff.get(reverse(f"{PRICES}_change", args=[a_price().pk])).content.decode()
    assert 'name="_preview"' not in page
    assert 'name="_preview"' in staff.get(reverse(f"{PRICES}_add")).content.decode()

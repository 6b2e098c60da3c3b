"""The admin's pages about money: who may act, and addresses that name nothing."""

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from subscriptions.admin.base import SETTLE, RowsOfAccounts
from subscriptions.models import BillingHistory
from tests.support.staff_invoices import a_clerk, an_invoice, history

pytestmark = pytest.mark.django_db

PAGES = {
    str(model._meta.model_name): page
    for model, page in admin.site._registry.items()
    if isinstance(page, RowsOfAccounts) and model._meta.app_label == "subscriptions"
}
NOTHING = ["abc", "9" * 30, "-1", "%00", "1%00"]


def actions() -> Iterator[tuple[str, str]]:
    """Every button that changes something: its model and name."""
    for model, page in PAGES.items():
        for name in page.actions_detail:
            if getattr(page, name).allowed_permissions == SETTLE:
                yield model, name


@pytest.mark.parametrize(("model", "name"), list(actions()))
def test_whoever_may_only_look_is_refused_without_a_button_too(model: str, name: str) -> None:
    address = reverse(f"admin:subscriptions_{model}_{name}", args=["1"])
    viewer = a_clerk()

    assert [ask(address).status_code for ask in (viewer.get, viewer.post, Client().post)] == [403, 403, 302]
    assert history() == []


@pytest.mark.parametrize("model", sorted(PAGES))
def test_an_id_that_names_nothing_leads_nowhere(model: str) -> None:
    staff = a_clerk("settle_billinghistory")
    names = ["change", "history", *(name for of, name in actions() if of == model)]

    for name in names:
        address = reverse(f"admin:subscriptions_{model}_{name}", args=["ID"])
        for object_id in NOTHING:
            assert staff.get(address.replace("ID", object_id)).status_code in (302, 404)


@pytest.mark.parametrize("query", ["state__exact=%00", "reason__exact=a%00", "q=%00"])
def test_a_filter_that_no_text_can_hold_leads_back_to_the_list(query: str) -> None:
    address = reverse("admin:subscriptions_billinghistory_changelist")

    answer = a_clerk().get(f"{address}?{query}", follow=True)

    assert answer.redirect_chain == [(f"{address}?e=1", 302)]
    assert answer.status_code == 200


@pytest.mark.parametrize("model", ["billingprofile", "creditgrant", "invoiceitem"])
def test_an_account_that_can_be_none_is_told_beside_its_field(model: str) -> None:
    staff, address = a_clerk("settle_billinghistory"), reverse(f"admin:subscriptions_{model}_add")

    assert staff.get(f"{address}?account=abc").status_code == 200
    assert "account" in staff.post(address, {"account": "abc"}).context["form"].errors


def test_looking_at_what_can_be_done_does_nothing() -> None:
    staff, invoice = a_clerk("settle_billinghistory"), an_invoice()
    before = BillingHistory.objects.values().get(pk=invoice.pk)

    for name in ("prove", "record_payment", "credit_note", "void", "give_up"):
        query = {"amount": "30", "method": "cash", "reason": "x", "kind": "reduce"}
        address = reverse(f"admin:subscriptions_billinghistory_{name}", args=[invoice.pk])
        assert staff.get(address, query).status_code == 200

    assert BillingHistory.objects.values().get(pk=invoice.pk) == before
    assert history() == []


def test_a_forged_form_is_refused() -> None:
    invoice, foreign = an_invoice(), Client(enforce_csrf_checks=True)
    foreign.cookies = a_clerk("settle_billinghistory").cookies

    address = reverse("admin:subscriptions_billinghistory_void", args=[invoice.pk])

    assert foreign.post(address, {"reason": "x"}).status_code == 403
    assert BillingHistory.objects.get().state == "open"

"""Staff at work on invoices, in a real browser: accounts are found by typing, a button does one thing."""

import pytest
from playwright.sync_api import Page, expect

from subscriptions.models import BillingHistory, CreditGrant
from tests.browser.test_admin_plans import fill, follow, log_in, press
from tests.support.cast import a_user
from tests.support.staff_invoices import an_invoice

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def invoice() -> BillingHistory:
    """Acme's, and somebody of staff who may do everything."""
    a_user("sam", is_staff=True, is_superuser=True)
    return an_invoice()


def test_staff_find_an_account_by_typing_and_give_it_a_credit(page: Page, invoice: BillingHistory) -> None:
    log_in(page)
    page.goto("/admin/subscriptions/creditgrant/add/")
    page.locator(".select2-selection").first.click()
    page.locator(".select2-search__field").fill("acm")
    page.get_by_role("option", name="Acme").click()
    fill(page, amount="12.50", reason="For the outage.")
    press(page, "Give it")

    expect(page.get_by_text("Promotional credit of 12.50 USD for Acme. For the outage.")).to_be_visible()
    assert CreditGrant.objects.get().account == invoice.account


def test_staff_record_a_payment_and_see_it_on_the_invoice(page: Page, invoice: BillingHistory) -> None:
    log_in(page)
    page.goto("/admin/subscriptions/billinghistory/")
    follow(page, str(invoice.number))
    follow(page, "Record a payment")
    fill(page, reference="Statement 12")
    press(page, "Record the payment")

    expect(page.get_by_text("30.00 USD received for Invoice")).to_be_visible()
    expect(page.get_by_role("row", name="Paid Paid 30.00 sam")).to_be_visible()
    assert BillingHistory.objects.get().state == "paid"

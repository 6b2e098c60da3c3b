"""The simulator's pages, used as a browser without JavaScript would."""

import html
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from subscriptions.stripe.simulator.server import Simulator
from tests.subscriptions.stripe.simulator.test_checkout_sessions import PAYMENT, SETUP
from tests.support.stripe_simulator import a_customer, a_paid_invoice, an_open_invoice, event_types

DONE = "https://shop.test/done?session={CHECKOUT_SESSION_ID}"
VISA = {"number": "4242 4242 4242 4242", "expiry": "12 / 34", "cvc": "123", "name": "Ada"}
DECLINED = {**VISA, "number": "4000000000000002"}
TO_CONFIRM = {**VISA, "number": "4000 0025 0000 3155"}


class Browser:
    """Follows the simulator's own redirects, and stops at those that lead away."""

    def __init__(self, client: httpx.Client, *, home: str) -> None:
        self._client = client
        self._home = home

    def open(self, url: str) -> httpx.Response:
        return self._settle(self._client.get(url))

    def submit(self, page: httpx.Response, which: int = 0, /, **values: str) -> httpx.Response:
        """Send this one of the page's forms."""
        action = re.findall(r'<form method="post" action="([^"]+)"', page.text)[which]
        return self._settle(self._client.post(f"{self._home}{html.unescape(action)}", data=values))

    def _settle(self, answer: httpx.Response) -> httpx.Response:
        while answer.is_redirect and answer.headers["Location"].startswith("/"):
            answer = self._client.get(f"{self._home}{answer.headers['Location']}")
        return answer


@pytest.fixture
def browser(simulator: Simulator) -> Iterator[Browser]:
    with httpx.Client() as client:
        yield Browser(client, home=simulator.url)


@pytest.fixture
def customer(api: Any) -> Any:
    """Ada, who has no card yet."""
    return a_customer(api, card=None)


def to_save(api: Any, customer: Any) -> Any:
    return api.checkout.sessions.create({**SETUP, "customer": customer.id, "success_url": DONE})


def cards_of(api: Any, customer: Any) -> list[str]:
    return [method.card.last4 for method in api.customers.payment_methods.list(customer.id).data]


def test_every_page_says_that_no_money_moves(api: Any, browser: Browser, customer: Any) -> None:
    pages = [
        browser.open(browser._home),
        browser.open(to_save(api, customer).url),
        browser.open(an_open_invoice(api, customer).hosted_invoice_url),
        browser.open(api.billing_portal.sessions.create({"customer": customer.id}).url),
        browser.open(f"{browser._home}/nothing"),
    ]

    assert [page.status_code for page in pages] == [200, 200, 200, 200, 404]
    assert all("Stripe simulator:</strong> no real money moves" in page.text for page in pages)
    assert all("4242 4242 4242 4242" in page.text for page in pages[:4])


def test_a_card_is_saved(api: Any, browser: Browser, customer: Any) -> None:
    session = to_save(api, customer)

    left = browser.submit(browser.open(session.url), **VISA)

    assert left.headers["Location"] == f"https://shop.test/done?session={session.id}"
    done = api.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent.payment_method"]})
    assert (done.status, done.url) == ("complete", None)
    assert done.setup_intent.payment_method.billing_details.name == "Ada"
    assert cards_of(api, customer) == ["4242"]
    assert event_types(api)[-3:] == [
        "payment_method.attached",
        "setup_intent.succeeded",
        "checkout.session.completed",
    ]


def test_saving_does_not_choose_the_default_card(api: Any, browser: Browser, customer: Any) -> None:
    browser.submit(browser.open(to_save(api, customer).url), **VISA)

    assert api.customers.retrieve(customer.id).invoice_settings.default_payment_method is None


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("number", "4242424242424241", "Your card number is incorrect."),
        ("number", "4111111111111111", "non test card"),
        ("expiry", "13 / 34", "Write the expiry"),
        ("expiry", "01 / 20", "in the past"),
        ("cvc", "12", "three or four digits"),
        ("name", "", "Enter the name"),
    ],
)
def test_a_mistake_is_said_beside_its_field(
    api: Any, browser: Browser, customer: Any, field: str, value: str, problem: str
) -> None:
    session = to_save(api, customer)

    page = browser.submit(browser.open(session.url), **{**VISA, field: value})

    said = re.search(rf'id="{field}-error">([^<]+)<', page.text)
    assert page.status_code == 422
    assert said
    assert problem in said[1]
    assert api.checkout.sessions.retrieve(session.id).status == "open"


def test_what_was_typed_is_kept_but_for_the_code(api: Any, browser: Browser, customer: Any) -> None:
    page = browser.submit(
        browser.open(to_save(api, customer).url), **{**VISA, "expiry": "?", "name": '"><b>', "cvc": "987"}
    )

    assert 'value="&quot;&gt;&lt;b&gt;"' in page.text
    assert "987" not in page.text


def test_a_declined_card_can_be_replaced(api: Any, browser: Browser, customer: Any) -> None:
    session = to_save(api, customer)

    page = browser.submit(browser.open(session.url), **DECLINED)
    left = browser.submit(page, **VISA)

    assert "Your card was declined." in page.text
    assert left.headers["Location"].endswith(session.id)
    assert "setup_intent.setup_failed" in event_types(api)


def test_the_bank_may_ask_the_holder(api: Any, browser: Browser, customer: Any) -> None:
    session = to_save(api, customer)

    bank = browser.submit(browser.open(session.url), **TO_CONFIRM)
    left = browser.submit(bank, outcome="complete")

    assert "3-D Secure" in bank.text
    assert left.headers["Location"].endswith(session.id)
    card = api.customers.payment_methods.list(customer.id).data[0]
    paid = api.invoices.pay(an_open_invoice(api, customer).id, {"payment_method": card.id})
    assert paid.status == "paid"


def test_a_holder_who_does_not_confirm_is_back_at_the_form(api: Any, browser: Browser, customer: Any) -> None:
    session = to_save(api, customer)

    page = browser.submit(browser.submit(browser.open(session.url), **TO_CONFIRM), outcome="fail")

    assert "unable to authenticate" in html.unescape(page.text)
    assert browser.submit(page, **VISA).headers["Location"].endswith(session.id)
    assert cards_of(api, customer) == ["4242"]


def test_a_payment_is_made(api: Any, browser: Browser) -> None:
    session = api.checkout.sessions.create({**PAYMENT, "payment_intent_data": {"metadata": {"a": "1"}}})

    page = browser.open(session.url)
    left = browser.submit(browser.submit(page, **DECLINED), **VISA)

    done = api.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert "Pay 10.00 USD" in page.text
    assert left.headers["Location"] == "https://shop.test/done"
    assert (done.payment_status, done.payment_intent.amount_received) == ("paid", 1000)
    assert done.payment_intent.metadata.a == "1"


def test_a_done_session_leads_on_and_does_nothing_twice(api: Any, browser: Browser) -> None:
    session = api.checkout.sessions.create(PAYMENT)
    page = browser.open(session.url)
    browser.submit(page, **VISA)

    again = browser.submit(page, **VISA)

    assert again.headers["Location"] == "https://shop.test/done"
    assert len(api.charges.list().data) == 1


def test_an_expired_session_says_so(api: Any, browser: Browser, customer: Any) -> None:
    session = to_save(api, customer)
    api.checkout.sessions.expire(session.id)

    page = browser.open(session.url)

    assert (page.status_code, "has expired" in page.text) == (410, True)


def test_an_invoice_is_paid_on_its_page(api: Any, browser: Browser, customer: Any) -> None:
    invoice = an_open_invoice(api, customer, 1000, 250)

    page = browser.submit(browser.open(invoice.hosted_invoice_url), **VISA)

    assert invoice.number in page.text
    assert "Line 250" in page.text
    assert "<form" not in page.text
    assert api.invoices.retrieve(invoice.id).status == "paid"


def test_a_card_declined_on_the_invoice_can_be_replaced(api: Any, browser: Browser, customer: Any) -> None:
    invoice = an_open_invoice(api, customer)

    page = browser.submit(browser.open(invoice.hosted_invoice_url), **DECLINED)
    browser.submit(page, **VISA)

    found = api.invoices.retrieve(invoice.id)
    assert "Your card was declined." in page.text
    assert (found.status, found.attempt_count) == ("paid", 2)


def test_a_charge_that_waits_is_confirmed_from_the_invoice(api: Any, browser: Browser) -> None:
    customer = a_customer(api, card="pm_card_authenticationRequiredOnSetup")
    draft = api.invoices.create({"customer": customer.id, "auto_advance": True})
    api.invoices.add_lines(draft.id, {"lines": [{"amount": 1000}]})
    invoice = api.invoices.finalize_invoice(draft.id)

    page = browser.open(invoice.hosted_invoice_url)
    link = re.search(r'href="(/authenticate/[^"]+)"', page.text)
    assert link
    browser.submit(browser.open(f"{browser._home}{link[1]}"), outcome="complete")

    assert api.invoices.retrieve(invoice.id).status == "paid"


def test_an_invoice_needs_its_secret_address(api: Any, browser: Browser, customer: Any) -> None:
    invoice = an_open_invoice(api, customer)

    page = browser.open(f"{browser._home}/invoice/{invoice.id}/guessed")

    assert page.status_code == 404


def test_the_portal_keeps_cards(api: Any, browser: Browser) -> None:
    customer = a_customer(api, card="pm_card_mastercard")
    a_paid_invoice(api, customer)
    session = api.billing_portal.sessions.create(
        {"customer": customer.id, "return_url": "https://shop.test/"}
    )

    page = browser.open(session.url)
    added = browser.submit(page, 1, **VISA, default="yes")
    removed = browser.submit(added, 2)

    assert "Mastercard ending in 4444" in page.text
    assert f"{customer.invoice_prefix}-0001" in page.text
    assert 'href="https://shop.test/"' in page.text
    assert "Visa ending in 4242" in added.text
    assert "4444" not in removed.text.partition("Test cards")[0]
    assert cards_of(api, customer) == ["4242"]


def test_the_portal_makes_a_card_the_default(api: Any, browser: Browser) -> None:
    customer = a_customer(api)
    other = api.payment_methods.attach("pm_card_mastercard", {"customer": customer.id})
    session = api.billing_portal.sessions.create({"customer": customer.id})

    browser.submit(browser.open(session.url), 0)

    assert api.customers.retrieve(customer.id).invoice_settings.default_payment_method == other.id


def test_a_flow_replaces_the_card_and_leads_back(api: Any, browser: Browser) -> None:
    customer = a_customer(api)
    after = {"type": "redirect", "redirect": {"return_url": "https://shop.test/thanks"}}
    session = api.billing_portal.sessions.create(
        {
            "customer": customer.id,
            "flow_data": {"type": "payment_method_update", "after_completion": after},
        }
    )

    page = browser.open(session.url)
    bank = browser.submit(page, 1, **TO_CONFIRM)
    left = browser.submit(bank, outcome="complete")

    settings = api.customers.retrieve(
        customer.id, {"expand": ["invoice_settings.default_payment_method"]}
    ).invoice_settings
    assert left.headers["Location"] == "https://shop.test/thanks"
    assert settings.default_payment_method.card.last4 == "3155"

"""The addresses of Stripe's pages, and who may have them."""

from typing import Any

import pytest

from subscriptions.models import BillingProfile
from subscriptions.stripe.simulator.server import Simulator
from tests.support.cast import a_member, a_user, an_account
from tests.support.credentials import a_key
from tests.support.paying import fill_in, library
from tests.support.posting import Posted, post
from tests.support.subscribing import a_plan
from usage.models import Account, Role, Scope

CHECKOUT = "/api/subscription/create-checkout-session"
PORTAL = "/api/subscription/create-portal-session"
CARD = "/api/billing/payment-method"
EVERY = [CHECKOUT, PORTAL, CARD]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Account:
    return an_account()


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme, scopes=(Scope.READ, Scope.ADMIN)).plain


def ask(address: str, *, query: str = "", **options: Any) -> Posted:
    fields = {name: options.pop(name) for name in ("return_url",) if name in options}
    plan = {"plan_id": a_plan().pk, "billing_cycle": "monthly"} if address == CHECKOUT else {}
    return post(address + query, {**plan, **fields}, **options)


def url_in(answer: Posted, address: str) -> str:
    told: dict[str, str] = answer.body if address == CARD else answer.data
    return told["url"]


@pytest.mark.usefixtures("at_stripe")
class TestPages:
    @pytest.mark.parametrize("address", EVERY)
    def test_each_is_at_stripe_and_for_the_accounts_customer(
        self, acme: Account, key: str, address: str, settings: Any
    ) -> None:
        answer = ask(address, key=key)

        assert answer.status == 200
        assert url_in(answer, address).startswith(settings.STRIPE_API_BASE)
        (customer,) = library().v1.customers.list().data
        assert BillingProfile.objects.get(account=acme).stripe_customer_id == customer.id

    def test_the_checkout_page_takes_a_card(self, key: str) -> None:
        session_id = fill_in(url_in(ask(CHECKOUT, key=key), CHECKOUT))

        session = library().v1.checkout.sessions.retrieve(session_id)
        assert (session.status, session.metadata and session.metadata["cycle"]) == ("complete", "monthly")

    def test_a_plan_that_is_none_is_named(self, key: str) -> None:
        answer = post(CHECKOUT, {"plan_id": 999, "billing_cycle": "monthly"}, key=key)

        assert (answer.status, answer.body["code"]) == (400, "plan_unknown")

    @pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b"null", b"[" * 100_000])
    def test_a_body_that_is_none_is_refused(self, key: str, body: bytes) -> None:
        assert post(CARD, body, key=key).status == 400

    @pytest.mark.parametrize("address", [CHECKOUT, CARD])
    def test_the_same_request_under_the_same_key_has_one_page(self, key: str, address: str) -> None:
        plan = {"plan_id": a_plan().pk, "billing_cycle": "monthly"} if address == CHECKOUT else {}
        elsewhere = {**plan, "return_url": "/elsewhere"}
        asked = [(plan, "one"), (plan, "one"), (elsewhere, "one"), (plan, "tw\xf6"), (plan, ""), (plan, "")]

        urls = [url_in(post(address, body, key=key, idempotency_key=each), address) for body, each in asked]

        assert urls[0] == urls[1]
        assert len(set(urls)) == len(library().v1.checkout.sessions.list().data) == 5

    def test_a_key_is_an_accounts_own(self, acme: Account, key: str) -> None:
        other = a_key(an_account("globex"), scopes=(Scope.READ, Scope.ADMIN)).plain

        mine, theirs = (post(CARD, {}, key=each, idempotency_key="one").body["url"] for each in (key, other))

        assert mine != theirs

    @pytest.mark.parametrize("address", [CHECKOUT, PORTAL])
    def test_the_slash_at_the_end_is_optional(self, key: str, address: str) -> None:
        assert ask(address, query="/", key=key).status == 200


@pytest.mark.usefixtures("at_stripe")
class TestComingBack:
    @pytest.mark.parametrize("url", ["http://testserver/done?a=1", "/done?a=1"])
    def test_to_our_own_host(self, key: str, url: str) -> None:
        assert ask(CHECKOUT, key=key, return_url=url).status == 200

        (session,) = library().v1.checkout.sessions.list().data
        assert session.success_url == "http://testserver/done?a=1&checkout=done"
        assert session.cancel_url == "http://testserver/done?a=1&checkout=canceled"

    def test_to_a_place_on_a_page(self, key: str) -> None:
        assert ask(CARD, key=key, return_url="/done#card").status == 200

        (session,) = library().v1.checkout.sessions.list().data
        assert session.success_url == "http://testserver/done?checkout=done#card"

    def test_to_a_host_that_is_allowed(self, key: str, settings: Any) -> None:
        settings.RETURN_URL_HOSTS = ["app.example.com"]

        assert ask(CARD, key=key, return_url="https://app.example.com/billing").status == 200

    @pytest.mark.parametrize("address", EVERY)
    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example", "//evil.example", "https:///evil.example", "http:evil.example",
            "javascript:alert(1)", "https://testserver@evil.example", "https://testserver.evil.example",
            "http://testserver\\@evil.example", "\x08//evil.example", "/\t/evil.example", "/\\evil.example",
            "http://testserver:444/", "http://testserver\t.evil.example", "http://testserver\u3002evil.example",
        ],
    )  # fmt: skip
    def test_not_to_another(self, key: str, address: str, url: str) -> None:
        answer = ask(address, key=key, return_url=url)

        assert (answer.status, answer.body["code"]) == (400, "host_not_allowed")
        assert library().v1.customers.list().data == []


@pytest.mark.usefixtures("at_stripe")
@pytest.mark.parametrize("address", EVERY)
class TestWhoMay:
    @pytest.mark.parametrize("role", [Role.OWNER, Role.BILLING_ADMIN])
    def test_owners_and_billing_admins(self, acme: Account, address: str, role: Role) -> None:
        assert ask(address, user=a_member(acme, role=role)).status == 200

    @pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
    def test_no_other_members(self, acme: Account, address: str, role: Role) -> None:
        assert ask(address, user=a_member(acme, role=role)).status == 403

    def test_not_a_stranger_whether_the_account_exists_or_not(self, address: str) -> None:
        mallory = a_member(an_account("globex"), username="mallory")

        existing, missing = (
            post(f"{address}?user_id={name}", {"plan_id": 1, "billing_cycle": "monthly"}, user=mallory)
            for name in ("acme", "nobody")
        )

        assert existing.status == missing.status == 403
        assert existing.body == missing.body
        assert library().v1.customers.list().data == []

    def test_not_a_key_without_the_scope(self, acme: Account, address: str) -> None:
        assert ask(address, key=a_key(acme, scopes=(Scope.READ,)).plain).status == 403

    def test_not_staff_without_the_permission(self, address: str) -> None:
        assert ask(address, query="?user_id=acme", user=a_user("sam", is_staff=True)).status == 403

    def test_a_service_key_says_for_which_account(self, address: str) -> None:
        service = a_key(scopes=(Scope.READ, Scope.ADMIN)).plain

        assert ask(address, query="?user_id=acme", key=service).status == 200

    def test_not_without_a_credential(self, address: str) -> None:
        assert ask(address).status == 401


@pytest.mark.parametrize("address", EVERY)
class TestWithoutStripe:
    def test_where_no_cards_are_charged_it_says_so(self, key: str, address: str, settings: Any) -> None:
        settings.STRIPE_MODE = "off"

        answer = ask(address, key=key)

        assert (answer.status, answer.body["code"]) == (503, "card_payments_off")

    def test_while_stripe_is_away_it_says_when_to_come_back(
        self, at_stripe: Simulator, key: str, address: str
    ) -> None:
        at_stripe.faults.add(method="POST", path="/v1/customers", kind="connection_reset")

        answer = ask(address, key=key)

        assert (answer.status, answer.body["code"]) == (503, "stripe_unavailable")
        assert answer.headers["retry-after"] == "30"

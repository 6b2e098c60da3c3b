"""Who sees and changes what an account pays, and what stands above every page of it."""

from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pytest
import time_machine
from django.test import Client

from subscriptions import queries
from subscriptions.models import BillingHistory
from tests.alwrity_billing.test_dashboard_pages import INLINE
from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.invoicing import metered, refused, start_invoice
from tests.support.recording import prepare
from tests.support.subscribing import a_plan, subscribe
from usage.models import Account, Member, Role

pytestmark = pytest.mark.django_db

CHANGES = ["/billing/cancel/", "/billing/keep/", "/billing/card/", "/billing/portal/"]
READERS = [Role.MEMBER, Role.VIEWER]


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        prepare()
        yield Account.objects.get()


@pytest.fixture
def alice(client: Client, acme: Account) -> Client:
    client.force_login(a_member(acme))
    return client


@pytest.fixture
def first(acme: Account) -> BillingHistory:
    return start_invoice(metered())


def page_of(client: Client, url: str = "/billing/") -> str:
    response = client.get(url)
    assert response.status_code == 200
    return unescape(response.content.decode())


def as_role(account: Account, role: Role) -> Client:
    client = Client()
    client.force_login(a_member(account, username=role.value, role=role))
    return client


class TestRoles:
    @pytest.mark.parametrize("role", READERS)
    def test_readers_see_all_and_change_nothing(
        self, acme: Account, first: BillingHistory, role: Role
    ) -> None:
        client = as_role(acme, role)
        page = page_of(client)

        assert "2026-000001" in page
        assert "/billing/card/" not in page
        assert "/billing/cancel/" not in page
        for address in CHANGES:
            assert client.post(address).status_code == 403, address
        assert not queries.subscription_of(acme).cancel_at_term_end  # type: ignore[union-attr]

    @pytest.mark.parametrize("role", [Role.OWNER, Role.BILLING_ADMIN])
    def test_owners_and_billing_admins_change(self, acme: Account, first: BillingHistory, role: Role) -> None:
        client = as_role(acme, role)

        assert "/billing/cancel/" in page_of(client)
        assert client.post("/billing/cancel/").status_code == 302

    def test_staff_read_every_account_and_change_none_without_the_permission(
        self, client: Client, first: BillingHistory
    ) -> None:
        client.force_login(a_user("staff", is_staff=True))

        assert "2026-000001" in page_of(client, "/billing/?account=acme")
        assert client.post("/billing/cancel/?account=acme").status_code == 403

    def test_changes_take_a_post_with_its_token(self, acme: Account, first: BillingHistory) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(a_member(acme))

        for address in CHANGES:
            assert client.get(address).status_code == 405, address
            assert client.post(address).status_code == 403, address


class TestOtherAccounts:
    @pytest.mark.parametrize("url", ["/billing/", "/billing/plans/", "/billing/invoices/2026-000001/"])
    def test_a_strangers_account_is_refused(self, client: Client, first: BillingHistory, url: str) -> None:
        client.force_login(a_member(an_account("other"), username="eve"))

        response = client.get(f"{url}?account=acme")

        assert response.status_code == 403
        assert "2026-000001" not in response.content.decode().replace(url, "")

    @pytest.mark.parametrize("address", CHANGES)
    def test_a_strangers_account_is_not_changed(
        self, client: Client, first: BillingHistory, address: str
    ) -> None:
        client.force_login(a_member(an_account("other"), username="eve"))

        assert client.post(f"{address}?account=acme").status_code == 403

    def test_links_stay_in_the_account_one_chose(self, alice: Client, acme: Account) -> None:
        second = an_account("a/b&c", name="Second Ltd")
        Member.objects.create(account=second, user=Member.objects.get().user, role=Role.OWNER)
        number = start_invoice(subscribe(a_plan(), account=second)).number

        page = page_of(alice, "/billing/?account=a%2Fb%26c")

        chosen = "?account=a%2Fb%26c"
        for link in (f"/billing/invoices/{number}/", "/billing/plans/", "/billing/cancel/", "/billing/card/"):
            assert f'"{link}{chosen}"' in page, link
        assert 'href="/billing/?account=a%2Fb%26c" aria-current="page"' in page
        response = alice.post(f"/billing/cancel/{chosen}")
        assert response["Location"] == f"/billing/{chosen}"

    @pytest.mark.parametrize("url", ["/billing/", "/billing/plans/", "/billing/invoices/x/"])
    def test_a_stranger_logs_in_first(self, client: Client, url: str) -> None:
        assert client.get(url)["Location"] == f"/login/?next={url}"

    def test_whoever_is_in_no_account_is_told_so(self, client: Client) -> None:
        client.force_login(a_user("carol"))

        assert "You are in no account yet" in page_of(client)


class TestEveryPage:
    @pytest.mark.parametrize("url", ["/", "/billing/", "/billing/plans/", "/billing/invoices/2026-000001/"])
    def test_a_failed_payment_stands_above_it(self, alice: Client, first: BillingHistory, url: str) -> None:
        refused(first)

        page = page_of(alice, url)

        assert "$30.00 could not be paid" in page
        assert "Update card" in page

    def test_readers_are_told_who_can_help(self, acme: Account, first: BillingHistory) -> None:
        refused(first)
        page = page_of(as_role(acme, Role.VIEWER), "/")

        assert "$30.00 could not be paid" in page
        assert "An owner or a billing admin" in page
        assert "/billing/card/" not in page

    def test_a_trial_that_ends_soon_stands_above_it(self, alice: Client) -> None:
        subscribe(a_plan(trial_days=5))

        assert f"Your trial of Team ends on {(NOW + timedelta(days=5)).day} March 2026" in page_of(alice, "/")

    @pytest.mark.parametrize("url", ["/billing/", "/billing/plans/", "/billing/invoices/2026-000001/"])
    def test_no_page_has_inline_script_or_style(self, alice: Client, first: BillingHistory, url: str) -> None:
        refused(first)

        assert INLINE.findall(alice.get(url).content.decode()) == []
        assert "no-store" in alice.get(url)["Cache-Control"]

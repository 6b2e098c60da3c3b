"""The settings' page of members: who may change whom, invitations, and what it shows."""

import re
from collections.abc import Iterator

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.asserts import assertRedirects

from tests.support.cast import NOW, TESTS, a_member, a_user, an_account
from tests.support.credentials import a_key
from tests.support.reading_pages import logged_in, read
from usage import invitations
from usage.invitations import APART
from usage.models import Account, AccountChange, Invitation, Member, Role, Scope

SETTINGS = "/settings/"
INVITE = "/settings/invitations/"
MOST_QUERIES = 15

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    return an_account("acme", name="Acme Research")


@pytest.fixture
def alice(client: Client, acme: Account) -> Client:
    """The owner."""
    client.force_login(a_member(acme))
    return client


def member(username: str) -> Member:
    return Member.objects.get(user__username=username)


def address(username: str, action: str) -> str:
    return f"/settings/members/{member(username).pk}/{action}/"


def invited(account: Account, email: str = "carol@example.com") -> Invitation:
    return invitations.invite(account, email=email, role="member", at=NOW, by=TESTS, by_staff=True)


class TestMembers:
    def test_everybody_is_listed_with_role_and_since_when(self, alice: Client, acme: Account) -> None:
        a_member(acme, username="vera", role=Role.VIEWER)
        page = read(alice.get(SETTINGS))
        assert re.search(r'alice <span class="muted">\(you\)</span> <span class="state [a-z-]+">Owner<', page)
        assert re.search(r'vera +<span class="state [a-z-]+">Viewer<', page)
        assert "vera@example.com · since" in page
        assert ">15 Mar 2026<" in page
        assert "2 in all" in page

    def test_an_owner_changes_a_role(self, alice: Client, acme: Account) -> None:
        a_member(acme, username="vera", role=Role.VIEWER)
        page = read(alice.post(address("vera", "role"), {"role": "billing_admin"}, follow=True))
        assert member("vera").role == "billing_admin"
        assert "vera is a billing admin now." in page
        assert "<strong>alice</strong> made vera a billing admin" in page

    def test_a_role_that_there_is_not_is_refused(self, alice: Client, acme: Account) -> None:
        assert alice.post(address("alice", "role"), {"role": "king"}).status_code == 400

    def test_an_owner_removes_a_member_who_then_sees_nothing(self, alice: Client, acme: Account) -> None:
        vera = logged_in(acme, "vera", Role.VIEWER)
        assert vera.get(SETTINGS).status_code == 200
        removing = address("vera", "remove")
        page = read(alice.post(removing, follow=True))
        assert "vera is removed" in page
        assert "<strong>alice</strong> removed vera" in page
        assert vera.get(f"{SETTINGS}?account=acme").status_code == 403
        assert alice.post(removing).status_code == 404

    def test_the_last_owner_is_told_why_not(self, alice: Client) -> None:
        told = "The account needs an owner: make somebody else one first."
        for url, form in [
            (address("alice", "role"), {"role": "viewer"}),
            (address("alice", "remove"), {}),
            ("/settings/leave/", {}),
        ]:
            assert told in read(alice.post(url, form, follow=True)), url
        assert member("alice").role == "owner"
        assert "The only owner" in read(alice.get(SETTINGS))

    def test_a_member_leaves_and_lands_in_what_is_left(self, alice: Client, acme: Account) -> None:
        vera = logged_in(acme, "vera", Role.VIEWER)
        page = read(vera.post("/settings/leave/", follow=True))
        assert "You have left Acme Research." in page
        assert "You are in no account yet" in page
        assert not Member.objects.filter(user__username="vera").exists()
        assert "<strong>vera</strong> left" in read(alice.get(SETTINGS))

    def test_an_account_of_nobody_says_so(self, client: Client, acme: Account) -> None:
        client.force_login(a_user("staff", is_staff=True))
        assert "Nobody is in this account." in read(client.get(f"{SETTINGS}?account=acme"))

    def test_our_staff_are_not_named_in_the_history(self, alice: Client, acme: Account) -> None:
        a_member(acme, username="vera", role=Role.VIEWER)
        staff = a_user("sam", is_staff=True)
        staff.user_permissions.add(Permission.objects.get(codename="change_member"))
        client = Client()
        client.force_login(staff)
        url = f"{address('vera', 'role')}?account=acme"
        assertRedirects(client.post(url, {"role": "member"}), f"{SETTINGS}?account=acme")
        page = read(alice.get(SETTINGS))
        assert "<strong>Our staff</strong> made vera a member" in page
        assert "sam" not in page
        assert AccountChange.objects.get().actor == "sam"

    def test_names_are_escaped(self, alice: Client, acme: Account) -> None:
        user = a_member(acme, username="vera", role=Role.VIEWER)
        user.first_name = "<script>x"
        user.save(update_fields=["first_name"])
        assert "<script>x" not in alice.get(SETTINGS).content.decode()

    def test_the_page_needs_few_queries(
        self, alice: Client, acme: Account, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(20):
            a_member(acme, username=f"m{number}", role=Role.VIEWER)
            invited(acme, f"{number}@example.org")
        with django_assert_max_num_queries(MOST_QUERIES):
            alice.get(SETTINGS)

    def test_the_sub_navigation_leads_to_each_page_and_stays_in_the_account(
        self, alice: Client, acme: Account
    ) -> None:
        Member.objects.create(account=an_account("b&c"), user=member("alice").user)
        page = alice.get("/settings/?account=b%26c").content.decode()
        nav = page[page.index('aria-label="Settings"') :]
        links = re.findall(r'href="([^"]+)"', nav[: nav.index("</nav>")])
        assert links == [
            f"{path}?account=b%26c"
            for path in (
                "/settings/",
                "/settings/keys/",
                "/settings/budget/",
                "/settings/teams/",
                "/alerts/settings/",
            )
        ]


class TestInvitations:
    FORM = {"email": "carol@example.com", "role": "billing_admin"}

    def test_an_owner_invites_by_a_mail_with_a_link(self, alice: Client, acme: Account) -> None:
        page = read(alice.post(INVITE, self.FORM, follow=True))
        assert "We have sent carol@example.com a link to join." in page
        assert re.search(r"carol@example.com <span class=\"state state-warn\">Waits<", page)
        assert "as billing admin, invited by alice · until" in page
        (sent,) = mail.outbox
        assert sent.to == ["carol@example.com"]
        assert sent.subject == "alice asks you to join Acme Research"
        token = invitations.token_for(Invitation.objects.get())
        assert f"/join/{token}/" in str(sent.body)
        html = str(sent.alternatives[0][0])  # type: ignore[attr-defined]
        assert f"/join/{token}/" in html
        # Who invites never sees the link: it is the proof that somebody reads the address.
        assert token not in page

    def test_the_answer_is_the_same_whether_or_not_the_address_has_a_user(
        self, alice: Client, acme: Account
    ) -> None:
        a_user("carol")
        known = read(alice.post(INVITE, self.FORM, follow=True))
        unknown = read(alice.post(INVITE, {**self.FORM, "email": "nobody@example.com"}, follow=True))
        assert "We have sent carol@example.com a link to join." in known
        assert "We have sent nobody@example.com a link to join." in unknown

    @pytest.mark.parametrize(
        ("entered", "told"),
        [
            ({"email": "nobody", "role": "member"}, "Enter a valid email address."),
            ({"email": "", "role": "member"}, "This field is required."),
            ({"email": "x@example.com", "role": "king"}, "king is not one of the available choices"),
            ({"email": "alice@example.com", "role": "member"}, "Somebody with this address is a member"),
        ],
    )
    def test_what_cannot_be_invited_is_said_beside_the_field(
        self, alice: Client, entered: dict[str, str], told: str
    ) -> None:
        page = read(alice.post(INVITE, entered))
        field = re.search(r'<div class="field field-wrong">.*?</ul>', page)
        assert field is not None
        assert told in field[0]
        assert mail.outbox == []

    def test_it_is_sent_again_but_not_at_once(self, alice: Client, acme: Account) -> None:
        alice.post(INVITE, self.FORM)
        again = f"{INVITE}{Invitation.objects.get().pk}/again/"
        assert "has just gone to this address" in read(alice.post(again, follow=True))
        with time_machine.travel(NOW + APART, tick=False):
            assertRedirects(alice.post(again), SETTINGS)
        assert len(mail.outbox) == 2

    def test_it_is_withdrawn(self, alice: Client, acme: Account) -> None:
        invitation = invited(acme)
        page = read(alice.post(f"{INVITE}{invitation.pk}/withdraw/", follow=True))
        assert "The invitation of carol@example.com is withdrawn" in page
        assert "withdrew the invitation of carol@example.com" in page
        assert not Invitation.objects.exists()

    def test_a_mail_that_could_not_be_sent_is_told(self, alice: Client, acme: Account) -> None:
        invitation = invited(acme)
        invitations.sent(invitation, at=NOW, error="The mail server could not be reached.")
        page = read(alice.get(SETTINGS))
        assert "Not sent" in page
        assert "The mail server could not be reached." in page

    def test_an_expired_one_says_so(self, alice: Client, acme: Account) -> None:
        invitation = invited(acme)
        with time_machine.travel(invitation.expires_at, tick=False):
            assert ">Expired<" in read(alice.get(SETTINGS))


class TestWhoMay:
    def changes(self, acme: Account) -> list[str]:
        invitation = Invitation.objects.filter(account=acme).first() or invited(acme)
        return [
            address("alice", "role"),
            address("alice", "remove"),
            INVITE,
            f"{INVITE}{invitation.pk}/again/",
            f"{INVITE}{invitation.pk}/withdraw/",
        ]

    def test_billing_admins_read_all_and_change_nothing(self, alice: Client, acme: Account) -> None:
        bob = logged_in(acme, "bob", Role.BILLING_ADMIN)
        changes = self.changes(acme)
        page = read(bob.get(SETTINGS))
        assert "carol@example.com" in page
        assert "invited carol@example.com as a member" in page
        assert "An owner of the account changes who is in it." in page
        for url in changes:
            assert f'action="{url}"' not in page, url
            assert bob.post(url, {"role": "owner", "email": "x@example.com"}).status_code == 403, url
        assert Member.objects.filter(account=acme).count() == 2

    @pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
    def test_others_see_who_is_in_it_and_no_more(self, alice: Client, acme: Account, role: Role) -> None:
        vera = logged_in(acme, "vera", role)
        changes = self.changes(acme)
        page = read(vera.get(SETTINGS))
        assert "alice@example.com" in page
        assert "carol@example.com" not in page
        assert "Changes" not in page
        for url in changes:
            assert vera.post(url, {"role": "owner", "email": "x@example.com"}).status_code == 403, url

    def test_strangers_are_refused(self, alice: Client, acme: Account) -> None:
        eve = logged_in(an_account("other"), "eve", Role.OWNER)
        assert eve.get(f"{SETTINGS}?account=acme").status_code == 403
        for url in self.changes(acme):
            assert eve.post(f"{url}?account=acme", {"role": "viewer"}).status_code == 403, url
            if url != INVITE:
                # In her own account there is no such member or invitation.
                assert eve.post(url, {"role": "viewer"}).status_code == 404, url
        assert member("alice").role == "owner"
        assert Invitation.objects.filter(account=acme).exists()

    def test_staff_without_the_permission_change_nothing(self, alice: Client, acme: Account) -> None:
        staff = Client()
        staff.force_login(a_user("staff", is_staff=True))
        for url in self.changes(acme):
            assert staff.post(f"{url}?account=acme", {"role": "viewer"}).status_code == 403, url

    def test_a_key_in_the_header_makes_nobody_an_owner(self, alice: Client, acme: Account) -> None:
        bob = logged_in(acme, "bob", Role.BILLING_ADMIN)
        key = a_key(acme, scopes=(Scope.ADMIN, Scope.READ)).plain
        for url in self.changes(acme):
            response = bob.post(url, {"role": "owner"}, headers={"X-API-Key": key})
            assert response.status_code == 403, url
        assert bob.post("/settings/leave/", headers={"X-API-Key": key}).status_code == 403

    def test_changes_take_a_post_with_its_token(self, alice: Client, acme: Account) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(member("alice").user)
        for url in [*self.changes(acme), "/settings/leave/"]:
            assert client.get(url).status_code == 405, url
            assert client.post(url).status_code == 403, url

"""Invitations from the mail that carries their token to the membership."""

from datetime import timedelta

import pytest

from tests.support.cast import NOW, TESTS, a_member, a_user, an_account
from tests.support.racing import together
from usage import invitations, members
from usage.actors import Actor, of_user
from usage.core.errors import AccessDenied, BillingError, Conflict, InvalidRequest, NotFound
from usage.invitations import APART, DAY, MOST_A_DAY, MOST_OPEN, VALID_FOR
from usage.models import Account, AccountChange, Invitation, Member, Role

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


@pytest.fixture
def alice() -> Actor:
    return of_user(a_member(an_account()))


@pytest.fixture
def acme(alice: Actor) -> Account:
    return Account.objects.get()


def invited(account: Account, email: str = "bob@example.com", role: str = "billing_admin") -> Invitation:
    return invitations.invite(account, email=email, role=role, at=NOW, by=TESTS, by_staff=True)


def test_who_accepts_is_a_member_with_the_role_and_the_invitation_is_over(
    acme: Account, alice: Actor
) -> None:
    invitation = invitations.invite(acme, email=" bob@example.com ", role="billing_admin", at=NOW, by=alice)
    token = invitations.token_for(invitation)
    assert invitations.read(token, at=NOW) == invitation

    bob = a_user("bob")
    member = invitations.accept(token, bob, at=NOW + SECOND)

    assert (member.account, member.user, member.role) == (acme, bob, "billing_admin")
    assert member.created_at == NOW + SECOND
    assert not Invitation.objects.exists()
    ends = (NOW + VALID_FOR).isoformat()
    facts = {"role": "billing_admin", "expires_at": ends}
    found = AccountChange.objects.order_by("id")
    assert [(each.actor, each.about, each.subject, each.before, each.after) for each in found] == [
        ("alice", "invitation", "bob@example.com", {}, facts),
        ("bob", "member", "bob", {}, {"role": "billing_admin"}),
        ("bob", "invitation", "bob@example.com", facts, {"accepted_by": "bob"}),
    ]


def test_a_link_works_once(acme: Account) -> None:
    token = invitations.token_for(invited(acme))
    invitations.accept(token, a_user("bob"), at=NOW)
    with pytest.raises(NotFound):
        invitations.accept(token, a_user("carol"), at=NOW)


def test_a_link_works_until_it_expires_and_not_then(acme: Account) -> None:
    token = invitations.token_for(invited(acme))
    invitations.read(token, at=NOW + VALID_FOR - SECOND)
    with pytest.raises(NotFound):
        invitations.accept(token, a_user("bob"), at=NOW + VALID_FOR)


def test_a_withdrawn_link_leads_nowhere_nor_does_a_new_invitation_revive_it(
    acme: Account, alice: Actor
) -> None:
    invitation = invited(acme)
    token = invitations.token_for(invitation)
    invitations.withdraw(acme, invitation.pk, at=NOW, by=alice)
    later = NOW + APART
    again = invitations.invite(acme, email="bob@example.com", role="viewer", at=later, by=alice)
    with pytest.raises(NotFound):
        invitations.read(token, at=later)
    assert invitations.read(invitations.token_for(again), at=later).role == "viewer"


@pytest.mark.parametrize("forge", ["{0}:", "{0}:abc", "", "\x00", "9" * 30, "{0}", "{1}{0}"])
def test_a_token_that_nobody_made_leads_nowhere(acme: Account, forge: str) -> None:
    invitation = invited(acme)
    with pytest.raises(NotFound):
        invitations.read(forge.format(invitation.pk, "٣"), at=NOW)


def test_a_token_of_another_invitation_leads_nowhere(acme: Account) -> None:
    first, second = invited(acme), invited(acme, "carol@example.com", "owner")
    signature = invitations.token_for(first).partition(":")[2]
    with pytest.raises(NotFound):
        invitations.read(f"{second.pk}:{signature}", at=NOW)


def test_sending_it_again_lets_it_hold_from_then_on(acme: Account, alice: Actor) -> None:
    invitation = invited(acme)
    later = NOW + APART
    invitations.renew(acme, invitation.pk, at=later, by=alice)
    token = invitations.token_for(invitation)
    invitations.read(token, at=later + VALID_FOR - SECOND)
    with pytest.raises(NotFound):
        invitations.read(token, at=later + VALID_FOR)


class TestPace:
    def test_an_address_gets_one_mail_within_ten_minutes(self, acme: Account, alice: Actor) -> None:
        invitation = invited(acme)
        with pytest.raises(Conflict, match="wait until 12:10 UTC of 15 March") as told:
            invitations.renew(acme, invitation.pk, at=NOW + APART - SECOND, by=alice)
        assert told.value.details == {"retry_after": 1}
        invitations.renew(acme, invitation.pk, at=NOW + APART, by=alice)

    def test_withdrawing_does_not_make_it_faster(self, acme: Account, alice: Actor) -> None:
        invitations.withdraw(acme, invited(acme).pk, at=NOW, by=alice)
        with pytest.raises(Conflict, match="has just gone to this address"):
            invited(acme, "BOB@example.com")

    def test_a_mail_that_could_not_be_sent_is_sent_again_at_once(self, acme: Account, alice: Actor) -> None:
        invitation = invited(acme)
        invitations.sent(invitation, at=NOW, error="The mail server could not be reached.")
        invitations.renew(acme, invitation.pk, at=NOW + SECOND, by=alice)
        invitations.sent(invitation, at=NOW + SECOND)
        assert (invitation.error, invitation.sent_at) == ("", NOW + SECOND)

    def test_an_account_sends_so_many_within_a_day(self, acme: Account) -> None:
        for number in range(MOST_A_DAY):
            invited(acme, f"{number}@example.com")
        with pytest.raises(Conflict, match=f"{MOST_A_DAY} invitations were sent within a day"):
            invited(acme, "one.more@example.com")
        invitations.invite(
            acme, email="one.more@example.com", role="viewer", at=NOW + DAY, by=TESTS, by_staff=True
        )

    def test_so_many_are_open(self, acme: Account) -> None:
        Invitation.objects.bulk_create(
            Invitation(
                account=acme, email=f"{number}@example.com", expires_at=NOW + VALID_FOR, created_at=NOW
            )
            for number in range(MOST_OPEN - 1)
        )
        invited(acme)
        with pytest.raises(Conflict, match="50 invitations are open"):
            invited(acme, "carol@example.com")


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("field", "wrong"),
        [
            ("email", {"email": "nobody"}),
            ("email", {"email": "a@b.com\x00"}),
            ("email", {"email": f"{'a' * 64}@{'b' * 60}.{'c' * 63}.{'d' * 63}.example.com"}),
            ("role", {"role": "king"}),
            ("role", {"role": ""}),
        ],
    )
    def test_a_wrong_field_is_named(self, acme: Account, field: str, wrong: dict[str, str]) -> None:
        with pytest.raises(InvalidRequest) as told:
            invited(acme, **wrong)
        assert told.value.details == {"field": field}

    def test_a_members_address(self, acme: Account) -> None:
        with pytest.raises(Conflict, match="a member already"):
            invited(acme, "Alice@Example.com")

    def test_an_address_that_is_invited(self, acme: Account) -> None:
        invited(acme)
        with pytest.raises(Conflict, match="invited already"):
            invited(acme, "BOB@example.com")

    def test_a_user_of_no_account_is_invited_as_anybody_else(self, acme: Account) -> None:
        a_user("bob")
        assert invited(acme).email == "bob@example.com"

    def test_who_is_a_member_already_does_not_join_twice(self, acme: Account, alice: Actor) -> None:
        token = invitations.token_for(invited(acme))
        with pytest.raises(Conflict, match="a member of this account already"):
            invitations.accept(token, Member.objects.get().user, at=NOW)

    @pytest.mark.parametrize("role", [Role.BILLING_ADMIN, Role.MEMBER, Role.VIEWER])
    def test_whatever_who_is_no_owner_does(self, acme: Account, role: Role) -> None:
        by = of_user(a_member(acme, username="carol", role=role))
        invitation = invited(acme)
        with pytest.raises(AccessDenied):
            invitations.invite(acme, email="x@example.com", role="owner", at=NOW, by=by)
        with pytest.raises(AccessDenied):
            invitations.renew(acme, invitation.pk, at=NOW + APART, by=by)
        with pytest.raises(AccessDenied):
            invitations.withdraw(acme, invitation.pk, at=NOW, by=by)

    def test_invitations_of_others_are_not_found(self, acme: Account, alice: Actor) -> None:
        foreign = invited(an_account("other"))
        for unknown in (foreign.pk, 10**17):
            with pytest.raises(NotFound):
                invitations.withdraw(acme, unknown, at=NOW, by=alice)
            with pytest.raises(NotFound):
                invitations.renew(acme, unknown, at=NOW + APART, by=alice)


# --- At once ---


@pytest.mark.django_db(transaction=True)
def test_of_two_who_follow_a_link_at_once_one_joins() -> None:
    acme = an_account()
    a_member(acme)
    token = invitations.token_for(invited(acme))
    users = [a_user("bob"), a_user("carol")]

    def joining(number: int) -> str:
        try:
            return invitations.accept(token, users[number], at=NOW).role
        except BillingError as refused:
            return refused.error_code

    assert sorted(together(lambda: joining(0), lambda: joining(1))) == ["billing_admin", "invitation_over"]
    assert len(members.of_account(acme)) == 2

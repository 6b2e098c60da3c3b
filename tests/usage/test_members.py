"""The people of an account: their roles, and how they leave."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction

from tests.support.cast import NOW, TESTS, a_member, a_user, an_account
from tests.support.racing import together
from usage import members
from usage.actors import Actor, of_user
from usage.core.errors import AccessDenied, BillingError, Conflict, InvalidRequest, NotFound
from usage.models import Account, AccountChange, Member, Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Account:
    """With the owner alice and the viewer vera."""
    account = an_account()
    a_member(account)
    a_member(account, username="vera", role=Role.VIEWER)
    return account


def member(username: str) -> Member:
    return Member.objects.get(user__username=username)


def person(username: str) -> Actor:
    return of_user(member(username).user)


def roles(account: Account) -> dict[str, str]:
    return {each.user.username: each.role for each in members.of_account(account)}


def history(account: Account) -> list[tuple[str, str, dict[str, str], dict[str, str]]]:
    found = AccountChange.objects.filter(account=account).order_by("id")
    return [(each.actor, each.subject, each.before, each.after) for each in found]


def test_an_owner_gives_another_role_which_is_kept_in_the_history(acme: Account) -> None:
    members.change_role(acme, member("vera").pk, "billing_admin", at=NOW, by=person("alice"))

    assert roles(acme) == {"alice": "owner", "vera": "billing_admin"}
    assert history(acme) == [("alice", "vera", {"role": "viewer"}, {"role": "billing_admin"})]
    change = AccountChange.objects.get()
    assert (change.at, change.about, change.actor_user) == (NOW, "member", member("alice").user)


def test_the_role_a_member_has_already_changes_nothing(acme: Account) -> None:
    members.change_role(acme, member("vera").pk, "viewer", at=NOW, by=person("alice"))
    assert history(acme) == []


def test_an_owner_removes_a_member(acme: Account) -> None:
    members.remove(acme, member("vera").pk, at=NOW, by=person("alice"))

    assert roles(acme) == {"alice": "owner"}
    assert history(acme) == [("alice", "vera", {"role": "viewer"}, {})]


def test_a_member_leaves(acme: Account) -> None:
    members.leave(acme, member("vera").user, at=NOW)

    assert roles(acme) == {"alice": "owner"}
    assert history(acme) == [("vera", "vera", {"role": "viewer"}, {})]


def test_who_is_no_member_cannot_leave(acme: Account) -> None:
    with pytest.raises(NotFound):
        members.leave(acme, a_user("eve"), at=NOW)


class TestTheLastOwner:
    """With one owner nothing takes it away; with two either may go."""

    def everything(self, acme: Account) -> list[str]:
        """What each way of losing alice as an owner is met with."""
        alice, by = member("alice"), person("alice")
        met = []
        for way in (
            lambda: members.change_role(acme, alice.pk, "billing_admin", at=NOW, by=by),
            lambda: members.remove(acme, alice.pk, at=NOW, by=by),
            lambda: members.remove(acme, alice.pk, at=NOW, by=TESTS, by_staff=True),
            lambda: members.leave(acme, alice.user, at=NOW),
        ):
            try:
                with transaction.atomic():
                    way()
                    transaction.set_rollback(True)
                met.append("done")
            except Conflict as conflict:
                met.append(conflict.error_code)
        return met

    def test_stays_an_owner(self, acme: Account) -> None:
        assert self.everything(acme) == ["last_owner"] * 4
        assert roles(acme)["alice"] == "owner"
        assert history(acme) == []

    def test_may_go_once_there_is_another(self, acme: Account) -> None:
        a_member(acme, username="olga")
        assert self.everything(acme) == ["done"] * 4

    def test_is_not_replaced_by_an_owner_of_another_account(self, acme: Account) -> None:
        a_member(an_account("other"), username="olga")
        assert self.everything(acme) == ["last_owner"] * 4

    def test_may_be_said_once_more_to_be_the_owner(self, acme: Account) -> None:
        members.change_role(acme, member("alice").pk, "owner", at=NOW, by=person("alice"))
        assert roles(acme)["alice"] == "owner"


class TestWhoMay:
    @pytest.mark.parametrize("role", [Role.BILLING_ADMIN, Role.MEMBER, Role.VIEWER])
    def test_only_owners_change_others(self, acme: Account, role: Role) -> None:
        by = of_user(a_member(acme, username="bob", role=role))
        with pytest.raises(AccessDenied):
            members.change_role(acme, member("vera").pk, "owner", at=NOW, by=by)
        with pytest.raises(AccessDenied):
            members.remove(acme, member("vera").pk, at=NOW, by=by)

    def test_an_owner_of_another_account_may_not(self, acme: Account) -> None:
        by = of_user(a_member(an_account("other"), username="olga"))
        with pytest.raises(AccessDenied):
            members.remove(acme, member("vera").pk, at=NOW, by=by)

    def test_a_key_may_not(self, acme: Account) -> None:
        with pytest.raises(AccessDenied):
            members.remove(acme, member("vera").pk, at=NOW, by=Actor(name="key prod"))

    def test_our_staff_may(self, acme: Account) -> None:
        members.change_role(acme, member("vera").pk, "owner", at=NOW, by=TESTS, by_staff=True)
        assert roles(acme)["vera"] == "owner"

    def test_members_of_others_are_not_found(self, acme: Account) -> None:
        stranger = a_member(an_account("other"), username="eve")
        for unknown in (Member.objects.get(user=stranger).pk, 10**17):
            with pytest.raises(NotFound):
                members.remove(acme, unknown, at=NOW, by=person("alice"))
            with pytest.raises(NotFound):
                members.change_role(acme, unknown, "owner", at=NOW, by=person("alice"))
        assert Member.objects.filter(user=stranger).exists()

    def test_a_role_that_there_is_not_is_refused(self, acme: Account) -> None:
        with pytest.raises(InvalidRequest, match=r"^role: "):
            members.change_role(acme, member("vera").pk, "king", at=NOW, by=person("alice"))


def test_the_members_are_bounded(acme: Account) -> None:
    there = Member.objects.filter(account=acme).count()
    users = User.objects.bulk_create(User(username=str(each)) for each in range(members.MOST_MEMBERS - there))
    Member.objects.bulk_create(Member(account=acme, user=user) for user in users[1:])
    members.join(acme, users[0], Role.MEMBER, at=NOW, by=TESTS)
    with pytest.raises(Conflict, match="200 members"):
        members.join(acme, a_user("one-more"), Role.MEMBER, at=NOW, by=TESTS)


def test_the_history_cannot_be_changed(acme: Account) -> None:
    members.remove(acme, member("vera").pk, at=NOW, by=person("alice"))
    for change in (
        lambda: AccountChange.objects.update(actor="nobody"),
        lambda: AccountChange.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()


# --- At once ---


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_remove_each_other_leave_one_and_the_other_is_told() -> None:
    acme = an_account()
    pairs = (("alice", "olga"), ("olga", "alice"))
    a_member(acme)
    a_member(acme, username="olga")
    a_member(acme, username="third", role=Role.OWNER)
    people = {name: person(name) for pair in pairs for name in pair}

    def removal(of: str, by: str) -> str:
        try:
            members.remove(acme, ids[of], at=NOW + timedelta(seconds=1), by=people[by])
        except BillingError as refused:
            return refused.error_code
        return "done"

    ids = {each.user.username: each.pk for each in members.of_account(acme)}
    met = together(*(lambda pair=pair: removal(*pair) for pair in pairs))

    # Whoever came second was no owner any more, though there was another one.
    assert sorted(met) == ["access_denied", "done"]
    assert len(roles(acme)) == 2
    assert len(history(acme)) == 1


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_once_leave_one() -> None:
    acme = an_account()
    users = [a_member(acme, username=name) for name in ("alice", "olga")]

    def leaving(number: int) -> str:
        try:
            members.leave(acme, users[number], at=NOW)
        except Conflict as refused:
            return refused.error_code
        return "done"

    assert sorted(together(lambda: leaving(0), lambda: leaving(1))) == ["done", "last_owner"]
    assert list(roles(acme).values()) == ["owner"]

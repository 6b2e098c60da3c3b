"""What an account has chosen is read for people: kinds of channels, thresholds, members' emails."""

import pytest

from alerts import choices, preferences
from alerts.models import EmailMode
from tests.support.cast import NOW, a_member, an_account
from tests.support.channel_kinds import a_pigeon
from tests.support.subscribing import a_plan, subscribe
from usage.core.errors import NotFound
from usage.models import Account, Member, Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pigeons")]


@pytest.fixture
def acme() -> Account:
    return an_account()


def test_customers_choose_among_all_kinds_but_those_of_staff() -> None:
    every, added = ({each.key for each in kinds} for kinds in (choices.kinds(), choices.kinds_to_add()))
    assert {"in_app", "pigeon", "letter"} <= every
    assert {"pigeon", "letter"} <= added
    assert "log" not in every
    assert "in_app" not in added


def test_the_plans_thresholds_stand_beside_the_own_ones(acme: Account) -> None:
    subscription = subscribe(a_plan(alert_thresholds=[60]), account=acme)
    before = choices.limit_thresholds(acme, subscription)
    preferences.choose_limit_thresholds(acme, [25, 75], at=NOW)
    after = choices.limit_thresholds(acme, subscription)
    assert (before.own, before.of_plan) == (None, [60])
    assert (after.own, after.of_plan) == ([25, 75], [60])


def test_oneself_comes_first_and_the_list_has_an_end(acme: Account) -> None:
    a_member(acme)
    a_member(acme, username="bob", role=Role.MEMBER)
    carol = a_member(acme, username="carol", role=Role.VIEWER)
    a_member(an_account("globex"), username="eve")
    listed = choices.member_emails(acme, at_most=2, user=carol)
    assert [each.member.user.username for each in listed] == ["carol", "alice"]
    everybody = choices.member_emails(acme, at_most=9, user=None)
    assert [each.member.user.username for each in everybody] == ["alice", "bob", "carol"]


def test_each_member_gets_emails_as_they_chose_or_as_their_role_says(acme: Account) -> None:
    for username, role in (("alice", Role.OWNER), ("bob", Role.MEMBER), ("carol", Role.VIEWER)):
        a_member(acme, username=username, role=role)
    carol = Member.objects.get(user__username="carol")
    preferences.choose_email(carol, EmailMode.DIGEST, at=NOW)
    modes = [each.mode for each in choices.member_emails(acme, at_most=9, user=None)]
    assert modes == [EmailMode.EACH, EmailMode.NONE, EmailMode.DIGEST]


def test_who_left_has_no_address(acme: Account) -> None:
    user = a_member(acme)
    user.is_active = False
    user.save(update_fields=["is_active"])
    (listed,) = choices.member_emails(acme, at_most=9, user=None)
    assert listed.address == ""


def test_only_own_channels_are_found(acme: Account) -> None:
    own, other = a_pigeon(acme), a_pigeon(an_account("globex"))
    assert choices.channel_of(acme, own.pk) == own
    for unknown in (other.pk, 2**62):
        with pytest.raises(NotFound, match="no such channel"):
            choices.channel_of(acme, unknown)

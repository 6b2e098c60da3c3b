"""What an account is told of is changed in one go, by however many at once."""

import pytest

from alerts import preferences, updating
from alerts.models import EmailMode, MutedAlert
from alerts.updating import Recipient, Update
from tests.support.cast import NOW, a_member, an_account
from tests.support.channel_kinds import a_pigeon
from tests.support.concurrency import at_once
from usage.core.errors import InvalidRequest
from usage.models import Account, Member

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pigeons")]


@pytest.fixture
def acme() -> Account:
    account = an_account()
    a_member(account)
    return account


def mode_of_alice() -> EmailMode:
    return preferences.mode_of(Member.objects.get())


def test_what_is_not_named_stays(acme: Account) -> None:
    preferences.choose_limit_thresholds(acme, [10], at=NOW)

    updating.update(
        acme, Update(recipients=[Recipient(member="alice", mode=EmailMode.DIGEST)]), at=NOW, by="alice"
    )

    assert preferences.limit_thresholds_of(acme) == [10]
    assert mode_of_alice() is EmailMode.DIGEST


def test_one_wrong_field_and_nothing_is_done(acme: Account) -> None:
    pigeon = a_pigeon(acme)
    wanted = Update(
        limit_thresholds=[10],
        rules={"limit_threshold": []},
        channels=[(pigeon.pk, False)],
        recipients=[Recipient(member=name, mode=EmailMode.NONE) for name in ("alice", "bob")],
    )

    with pytest.raises(InvalidRequest, match=r"recipients\.1\.member: "):
        updating.update(acme, wanted, at=NOW, by="alice")

    pigeon.refresh_from_db()
    assert pigeon.state == "active"
    assert not MutedAlert.objects.exists()
    assert preferences.limit_thresholds_of(acme) == (80, 90, 100)
    assert mode_of_alice() is EmailMode.EACH


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_change_the_same_at_once_one_is_the_last(acme: Account) -> None:
    choices = (["in_app"], ["pigeon"])

    def change(number: int) -> None:
        wanted = Update(
            limit_thresholds=[10 + number],
            rules={"limit_threshold": choices[number % 2]},
            recipients=[Recipient(member="alice", mode=list(EmailMode)[number % 3])],
        )
        updating.update(acme, wanted, at=NOW, by="alice")

    at_once(change, times=8)

    # All is of one of them: the last.
    [last] = [number - 10 for number in preferences.limit_thresholds_of(acme)]
    wishes = preferences.wishes_of(acme)
    told_by = [kind for kind in ("in_app", "pigeon") if not wishes.is_muted("limit_threshold", kind)]
    assert told_by == choices[last % 2]
    assert mode_of_alice() is list(EmailMode)[last % 3]

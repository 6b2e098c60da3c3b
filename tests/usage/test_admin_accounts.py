"""An account's page in the admin: how it stands now, and what its history tells of its members."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from tests.support.authorizing import a_limit, limit
from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.credentials import a_key
from tests.support.usage_rows import a_period, a_summary
from usage.models import Account, AccountChange, LimitSource, Member, Role, UsageLimit

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
TEXT = re.compile(r"<[^>]+>")


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(a_user("sam", is_staff=True, is_superuser=True))
    return client


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    return an_account("acme")


def page_of(account: Account) -> str:
    return reverse("admin:usage_account_change", args=[account.pk])


def shown(staff: Client, account: Account) -> str:
    """What the page says, without its markup."""
    page = staff.get(page_of(account))
    assert page.status_code == 200
    return re.sub(r"\s+", " ", TEXT.sub(" ", page.content.decode()))


def rows(staff: Client, account: Account, table: str) -> list[list[str]]:
    """The cells of a table on the page, without their markup."""
    found = getattr(staff.get(page_of(account)).context["standing"], table)["rows"]
    return [[TEXT.sub("", cell) for cell in row] for row in found]


# --- How it stands -------------------------------------------------------------------------------------


def test_the_usage_of_the_open_period_is_told_by_provider(staff: Client, acme: Account) -> None:
    march = a_period(acme)
    a_summary(march, provider="tavily", calls=2, errors=1, cost="0.002")
    a_summary(march, calls=1234, input_tokens=5_000_000, output_tokens=70, cost="12.500000000000000000")
    assert rows(staff, acme, "usage") == [
        ["OpenAI", "1,234", "0", "5,000,000", "70", "12.5"],
        ["Tavily", "2", "1", "0", "0", "0.002"],
        ["all together", "1,236", "1", "5,000,000", "70", "12.502"],
    ]
    assert "2026-03-01 to 2026-04-01" in shown(staff, acme)


def test_the_usage_of_a_period_that_has_ended_is_not_told(staff: Client, acme: Account) -> None:
    a_summary(a_period(acme, start=NOW - 48 * HOUR, end=NOW - HOUR))
    assert rows(staff, acme, "usage") == []
    assert "None is open" in shown(staff, acme)


def test_another_accounts_usage_and_limits_are_not_told(staff: Client, acme: Account) -> None:
    a_summary(a_period(an_account("globex")))
    limit(a_limit(5), of="globex")
    a_period(acme)
    assert (rows(staff, acme, "usage"), rows(staff, acme, "limits")) == ([], [])
    assert "Nothing was recorded in it yet." in shown(staff, acme)
    assert "Nothing limits this account." in shown(staff, acme)


def test_a_limit_is_told_with_what_is_used_held_and_left(staff: Client, acme: Account) -> None:
    limit(a_limit("0.5", "cost", scope="provider", value="openai", mode="bill", name="openai budget"))
    UsageLimit.objects.update(used="0.1", held="0.15")
    assert rows(staff, acme, "limits") == [
        [
            "openai budget", "Cost (USD), openai", "a billing period", "Plan",
            "Let pass and invoice as overage", "0.5", "0.1", "0.15", "0.25", "2026-04-01 00:00:00",
        ]
    ]  # fmt: skip


def test_a_limit_is_told_as_it_stands_now_and_not_as_it_was_last_counted(
    staff: Client, acme: Account
) -> None:
    limit(a_limit(5, window="hour"))
    UsageLimit.objects.update(used=4)
    used_then = rows(staff, acme, "limits")[0][6]
    with time_machine.travel(NOW + 5 * HOUR, tick=False):
        used_later = rows(staff, acme, "limits")[0][6]
    assert (used_then, used_later) == ("4", "0")
    assert UsageLimit.objects.get().used == 4


def test_what_still_counts_of_the_window_before_is_told_in_few_digits(staff: Client, acme: Account) -> None:
    limit(a_limit(100, window="hour"))
    UsageLimit.objects.update(previous=50)
    with time_machine.travel(NOW + HOUR / 3, tick=False):
        told = rows(staff, acme, "limits")[0]
    # Two thirds of 50.
    assert (told[6], told[8]) == ("33.333333", "66.666667")


def test_an_unlimited_limit_says_so(staff: Client, acme: Account) -> None:
    limit(a_limit(None))
    assert rows(staff, acme, "limits")[0][5:9] == ["unlimited", "0", "0", "unlimited"]


def test_limits_of_every_source_lead_to_their_own_page(staff: Client, acme: Account) -> None:
    limit(a_limit(5))
    limit(a_limit(3), source=LimitSource.OVERRIDE)
    page = staff.get(page_of(acme)).content.decode()
    for each in UsageLimit.objects.all():
        assert f'href="{reverse("admin:usage_usagelimit_change", args=[each.pk])}"' in page


def test_the_page_leads_to_the_accounts_log_and_authorizations(staff: Client, acme: Account) -> None:
    standing = staff.get(page_of(acme)).context["standing"]
    log = staff.get(standing.log_url)
    assert log.context["cl"].question.account == acme
    assert staff.get(standing.authorizations_url).status_code == 200


def test_keys_and_members_are_on_the_page(staff: Client, acme: Account) -> None:
    a_member(acme, username="alice")
    key = a_key(acme).key
    page = shown(staff, acme)
    assert key.prefix in page
    assert "alice (Owner)" in page


def test_looking_changes_nothing(staff: Client, acme: Account) -> None:
    limit(a_limit(5, window="hour"))
    before = UsageLimit.objects.values().get()
    with time_machine.travel(NOW + 5 * HOUR, tick=False):
        staff.get(page_of(acme))
    assert UsageLimit.objects.values().get() == before


def test_an_account_that_is_not_there_yet_has_no_standing(staff: Client) -> None:
    page = staff.get(reverse("admin:usage_account_add"))
    assert page.status_code == 200
    assert "as they stand now" not in page.content.decode()


def test_who_may_not_look_is_told_nothing(acme: Account) -> None:
    client = Client()
    client.force_login(a_user("tom", is_staff=True))
    assert client.get(page_of(acme)).status_code == 403


# --- What the history tells ----------------------------------------------------------------------------


def save(staff: Client, account: Account, members: list[dict[str, Any]], **fields: str) -> str:
    """Save the account's page with its members as given; what the history then says."""
    form: dict[str, Any] = {"external_id": account.external_id, "name": account.name, **fields}
    form |= {"api_keys-TOTAL_FORMS": 0, "api_keys-INITIAL_FORMS": 0}
    form |= {"members-TOTAL_FORMS": len(members), "members-INITIAL_FORMS": Member.objects.count()}
    for number, member in enumerate(members):
        form |= {f"members-{number}-{name}": value for name, value in member.items()}
    answer = staff.post(page_of(account), form)
    assert answer.status_code == 302, answer.context["errors"]
    return LogEntry.objects.get().get_change_message()


def as_shown(member: Member, **changed: Any) -> dict[str, Any]:
    """A member's row of the form."""
    return {
        "id": member.pk, "account": member.account_id, "user": member.user_id, "role": member.role, **changed,
    }  # fmt: skip


def members_of(account: Account, *usernames: str) -> list[Member]:
    return [Member.objects.get(user=a_member(account, username=username)) for username in usernames]


def test_a_members_new_role_is_told_with_the_old_one(staff: Client, acme: Account) -> None:
    alice, bob = members_of(acme, "alice", "bob")
    told = save(staff, acme, [as_shown(alice), as_shown(bob, role="viewer")])
    assert told == "Changed role: owner → viewer for member “bob (Viewer)”."


def test_a_member_who_becomes_someone_else_is_told_by_name(staff: Client, acme: Account) -> None:
    (alice,) = members_of(acme, "alice")
    told = save(staff, acme, [as_shown(alice, user=a_user("carol").pk)])
    assert told == "Changed user: alice → carol for member “carol (Owner)”."


def test_every_change_of_one_save_is_told(staff: Client, acme: Account) -> None:
    alice, bob, dave = members_of(acme, "alice", "bob", "dave")
    erin = {"id": "", "account": acme.pk, "user": a_user("erin").pk, "role": Role.MEMBER}
    changed = [
        as_shown(alice, role="viewer", DELETE="on"), as_shown(bob, role="member"),
        as_shown(dave, role="viewer"), erin,
    ]  # fmt: skip
    told = save(staff, acme, changed, name="Acme Ltd")
    assert told == (
        "Changed name: Acme → Acme Ltd. Added member “erin (Member)”. "
        "Changed role: owner → member for member “bob (Member)”. "
        "Changed role: owner → viewer for member “dave (Viewer)”. Deleted member “alice (Viewer)”."
    )


def test_saving_without_a_change_tells_nothing_more(staff: Client, acme: Account) -> None:
    (alice,) = members_of(acme, "alice")
    assert save(staff, acme, [as_shown(alice)]) == "No fields changed."


def test_a_members_own_page_tells_the_user_by_name_too(staff: Client, acme: Account) -> None:
    (alice,) = members_of(acme, "alice")
    form = {"account": acme.pk, "user": a_user("carol").pk, "role": "owner"}
    staff.post(reverse("admin:usage_member_change", args=[alice.pk]), form)
    assert LogEntry.objects.get().get_change_message() == "Changed user: alice → carol."


def test_what_staff_do_with_members_is_in_the_accounts_own_history_too(staff: Client, acme: Account) -> None:
    alice, bob = members_of(acme, "alice", "bob")
    carol = a_user("carol")
    save(
        staff,
        acme,
        [
            as_shown(alice, role="viewer"),
            as_shown(bob, DELETE="on"),
            {"account": acme.pk, "user": carol.pk, "role": "member"},
        ],
    )
    staff.post(reverse("admin:usage_member_delete", args=[alice.pk]), {"post": "yes"})
    other = an_account("other")
    moved = Member.objects.get(user=carol)
    staff.post(
        reverse("admin:usage_member_change", args=[moved.pk]),
        {"account": other.pk, "user": carol.pk, "role": "owner"},
    )
    found = AccountChange.objects.order_by("id").values_list("account", "actor", "subject", "before", "after")
    owner, viewer, member = ({"role": role} for role in ("owner", "viewer", "member"))
    assert list(found) == [
        (acme.pk, "sam", "alice", owner, viewer),
        (acme.pk, "sam", "bob", owner, {}),
        (acme.pk, "sam", "carol", {}, member),
        (acme.pk, "sam", "alice", viewer, {}),
        (acme.pk, "sam", "carol", member, {}),
        (other.pk, "sam", "carol", {}, owner),
    ]

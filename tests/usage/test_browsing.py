"""Looking through the log: where pages begin and end, and what a page may cost."""

from datetime import datetime, timedelta

import pytest

from tests.support.authorizing import ask
from tests.support.authorizing import settle as settle_by_event
from tests.support.cast import NOW, an_account, an_event
from tests.support.recording import prepare, record
from tests.support.usage_rows import a_log_row, a_period
from usage import browsing
from usage.browsing import Page, Place, Question
from usage.models import Account, BillingPeriod

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def march() -> BillingPeriod:
    return a_period(an_account())


def ask_for(account: Account, *, limit: int = 2, before: Place | None = None, **asked: object) -> Page:
    """What is found in the day around NOW."""
    day = {"start": NOW - timedelta(hours=12), "end": NOW + timedelta(hours=12)}
    return browsing.page(Question(account=account, before=before, **{**day, **asked}), limit=limit)  # type: ignore[arg-type]


def ids(page: Page) -> list[str]:
    return [row.event_id for row in page.rows]


def some_rows(period: BillingPeriod, count: int) -> None:
    """Rows e1, e2 … each a minute older than the one before."""
    for number in range(1, count + 1):
        a_log_row(period, event_id=f"e{number}", at=NOW - number * MINUTE)


def test_pages_follow_each_other_newest_first_without_a_gap(march: BillingPeriod) -> None:
    some_rows(march, 5)
    first = ask_for(march.account)
    second = ask_for(march.account, before=first.older)
    third = ask_for(march.account, before=second.older)
    assert [ids(first), ids(second), ids(third)] == [["e1", "e2"], ["e3", "e4"], ["e5"]]
    assert third.older is None


def test_a_full_page_that_is_the_last_one_says_so(march: BillingPeriod) -> None:
    some_rows(march, 2)
    assert ask_for(march.account).older is None


def test_calls_of_the_same_instant_are_not_lost_between_pages(march: BillingPeriod) -> None:
    for number in range(3):
        a_log_row(march, event_id=f"e{number}")
    first = ask_for(march.account)
    assert ids(first) + ids(ask_for(march.account, before=first.older)) == ["e2", "e1", "e0"]


def test_the_range_takes_its_start_and_not_its_end(march: BillingPeriod) -> None:
    for name, at in [("before", NOW - MINUTE), ("start", NOW), ("end", NOW + MINUTE)]:
        a_log_row(march, event_id=name, at=at)
    assert ids(ask_for(march.account, start=NOW, end=NOW + MINUTE)) == ["start"]


def test_another_accounts_calls_are_not_seen(march: BillingPeriod) -> None:
    a_log_row(a_period(an_account("globex")))
    assert ids(ask_for(march.account)) == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"provider": "tavily"}, ["search"]),
        ({"model": "gpt-4o"}, ["chat"]),
        ({"model": "gpt-4o-2024-08-06"}, ["chat"]),
        ({"model": "gpt-4"}, []),
        ({"request_type": "lookup"}, ["search"]),
        ({"endpoint": "/search"}, ["search"]),
        ({"team": "research"}, ["search"]),
        ({"project": "atlas"}, ["search"]),
        ({"department": "sales"}, ["search"]),
        ({"member": "u-7"}, ["search"]),
        ({"member": "u-7", "team": "other"}, []),
        ({"untold": frozenset({"team", "member"})}, ["chat"]),
        ({"failed": True}, ["search"]),
        ({"failed": False}, ["chat"]),
        ({"failed": False, "provider": "tavily"}, []),
    ],
)
def test_calls_are_picked_out(march: BillingPeriod, asked: dict[str, object], found: list[str]) -> None:
    a_log_row(march, event_id="chat", status_code=399)
    other = {
        "provider": "tavily",
        "model": "",
        "model_used": "",
        "request_type": "lookup",
        "endpoint": "/search",
        "team": "research",
        "project": "atlas",
        "department": "sales",
        "end_user": "u-7",
        "status_code": 400,
    }
    a_log_row(march, event_id="search", **other)
    assert ids(ask_for(march.account, **asked)) == found


def test_a_page_that_picks_ends_when_it_has_looked_through_enough_and_the_next_goes_on(
    march: BillingPeriod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "MAX_LOOKED_THROUGH", 3)
    some_rows(march, 4)
    a_log_row(march, event_id="failed", at=NOW - 9 * MINUTE, status_code=500)
    first = ask_for(march.account, failed=True)
    assert (ids(first), first.is_cut) == ([], True)
    assert first.older is not None
    assert first.older.occurred_at == NOW - 3 * MINUTE
    second = ask_for(march.account, failed=True, before=first.older)
    assert (ids(second), second.older, second.is_cut) == (["failed"], None, False)


def test_a_page_that_picks_is_followed_by_the_rest_of_what_it_looked_through(
    march: BillingPeriod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "MAX_LOOKED_THROUGH", 4)
    some_rows(march, 5)
    first = ask_for(march.account, failed=False)
    second = ask_for(march.account, failed=False, before=first.older)
    assert [ids(first), ids(second)] == [["e1", "e2"], ["e3", "e4"]]


def test_an_event_is_found_by_its_id_whatever_its_source_and_however_far_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(browsing, "MAX_LOOKED_THROUGH", 1)
    prepare()
    named = [an_event("wanted", source=source, at=NOW - 5 * MINUTE) for source in ("a", "b")]
    record(*named, an_event("other", source="c"), an_event("wanted2", source="a"))
    found = ask_for(Account.objects.get(), name="wanted")
    assert [(row.event_id, row.source) for row in found.rows] == [("wanted", "b"), ("wanted", "a")]


def test_an_event_outside_the_range_is_not_found() -> None:
    prepare()
    record(an_event("wanted", at=NOW - timedelta(days=2)))
    assert ids(ask_for(Account.objects.get(), name="wanted")) == []


def test_the_calls_of_an_authorization_are_found_by_its_id() -> None:
    prepare()
    granted = ask()
    settle_by_event(granted, "call-1")
    record(an_event(f"{granted.id}/step", source="authorization"), an_event("stranger"))
    found = ask_for(Account.objects.get(), name=granted.id)
    assert sorted(ids(found)) == sorted([f"{granted.id}/step", "call-1"])


def test_a_call_found_by_its_key_is_shown_once() -> None:
    prepare()
    granted = ask()
    settle_by_event(granted)
    assert ids(ask_for(Account.objects.get(), name=granted.id)) == [granted.id]


def test_the_filters_hold_for_what_is_found_by_its_id() -> None:
    prepare()
    record(an_event("wanted"))
    assert ids(ask_for(Account.objects.get(), name="wanted", failed=True)) == []


def test_a_place_survives_being_written_down(march: BillingPeriod) -> None:
    at = NOW.replace(microsecond=123_457)
    place = Place.of(a_log_row(march, at=at))
    assert Place.parse(str(place)) == place
    found = browsing.row(march.account_id, place)
    assert found is not None
    assert found.occurred_at == at


@pytest.mark.parametrize("text", ["", "1", "1.", "x.1", "1.x", f"{10**30}.1", f"1.{2**63}", "1.-1"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # some are those of int()
        Place.parse(text)


def test_a_row_is_not_found_under_another_account(march: BillingPeriod) -> None:
    place = Place.of(a_log_row(march))
    assert browsing.row(march.account_id + 1, place) is None


def test_times_before_the_epoch_are_places_too() -> None:
    place = Place(occurred_at=datetime(1969, 12, 31, tzinfo=NOW.tzinfo), id=1)
    assert Place.parse(str(place)) == place

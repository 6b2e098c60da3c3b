"""Bringing the book up to the price lists: added once, never rewritten, held back when too far off."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError

from tests.support.cast import a_user
from tests.support.concurrency import at_once, holding, kill_while_blocked
from tests.support.prices import LOADED_AT, an_entry, input_prices, load
from usage import pricebook
from usage.core.errors import InvalidRequest
from usage.models import APIProviderPricing, HeldPrice
from usage.price_lists import ALWAYS, every_entry

LATER = LOADED_AT + timedelta(days=30)
JUNE = datetime(2025, 6, 10, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def test_the_command_loads_every_listed_price_once() -> None:
    first, second = StringIO(), StringIO()
    call_command("load_prices", stdout=first)
    call_command("load_prices", stdout=second)

    assert APIProviderPricing.objects.count() == len(every_entry())
    assert f"{len(every_entry())} added" in first.getvalue()
    assert "0 added" in second.getvalue()


def test_every_row_names_its_source_version_and_content_hash() -> None:
    call_command("load_prices", stdout=StringIO())

    o3 = APIProviderPricing.objects.filter(provider="openai", model_name="o3").earliest("effective_from")
    assert (o3.source, len(o3.source_version) > 0, len(o3.source_hash)) == ("genai-prices", True, 64)


def test_a_dry_run_prints_what_would_change_and_changes_nothing() -> None:
    out = StringIO()
    call_command("load_prices", dry_run=True, stdout=out)

    assert (
        "+ openai/o3 from 2025-06-10: input 0.000002, cached_input 0.0000005, output 0.000008"
        in out.getvalue()
    )
    assert not APIProviderPricing.objects.exists()


def test_a_model_new_to_the_book_gets_its_whole_history_however_far_it_moves() -> None:
    report = load(an_entry(input="10"), an_entry(input="2", since=JUNE))

    assert input_prices() == [(ALWAYS, Decimal(10)), (JUNE, Decimal(2))]
    assert report.held == []


def test_a_changed_price_adds_a_row_from_the_time_of_loading_on() -> None:
    load(an_entry(input="2.50"))
    report = load(an_entry(input="3"), at=LATER)

    assert input_prices() == [(ALWAYS, Decimal("2.5")), (LATER, Decimal(3))]
    assert len(report.added) == 1


def test_a_changed_price_is_added_once() -> None:
    load(an_entry(input="2.50"))
    load(an_entry(input="3"), at=LATER)
    report = load(an_entry(input="3"), at=LATER + timedelta(days=1))

    assert len(input_prices()) == 2
    assert report.added == []


def test_a_newly_listed_date_is_added_at_that_date() -> None:
    load(an_entry(input="2.50"))
    load(an_entry(input="2.50"), an_entry(input="3", since=LATER), at=LOADED_AT + timedelta(days=1))

    assert input_prices() == [(ALWAYS, Decimal("2.5")), (LATER, Decimal(3))]


def test_the_past_is_not_rewritten() -> None:
    load(an_entry(input="10"), an_entry(input="2", since=JUNE))
    load(an_entry(input="11"), an_entry(input="2", since=JUNE), at=LATER)

    assert input_prices() == [(ALWAYS, Decimal(10)), (JUNE, Decimal(2))]


@pytest.mark.parametrize(("price", "held"), [("1.25", 0), ("1.24", 1), ("5", 0), ("5.01", 1)])
def test_a_move_beyond_the_factor_is_held_back_and_one_at_it_applied(price: str, held: int) -> None:
    load(an_entry(input="2.50"))
    report = load(an_entry(input=price), at=LATER)

    assert len(report.held) == HeldPrice.objects.count() == held
    assert len(input_prices()) == 2 - held


def test_a_held_price_is_asked_about_once() -> None:
    load(an_entry(input="2.50"))
    load(an_entry(input="25"), at=LATER)
    load(an_entry(input="25"), at=LATER + timedelta(days=1))

    assert HeldPrice.objects.count() == 1


def test_a_confirmed_price_is_in_force_from_then_on() -> None:
    load(an_entry(input="2.50"))
    load(an_entry(input="25"), at=LATER)
    confirmed_at = LATER + timedelta(hours=3)

    pricebook.confirm(HeldPrice.objects.get(), by=a_user(), at=confirmed_at)

    assert input_prices() == [(ALWAYS, Decimal("2.5")), (confirmed_at, Decimal(25))]
    assert load(an_entry(input="25"), at=LATER + timedelta(days=1)).added == []


def test_a_discarded_price_stays_out() -> None:
    load(an_entry(input="2.50"))
    load(an_entry(input="25"), at=LATER)

    pricebook.discard(HeldPrice.objects.get(), by=a_user(), at=LATER)
    report = load(an_entry(input="25"), at=LATER + timedelta(days=1))

    assert len(input_prices()) == 1
    assert report.held == []


def test_a_held_price_is_decided_once() -> None:
    load(an_entry(input="2.50"))
    load(an_entry(input="25"), at=LATER)
    held, staff = HeldPrice.objects.get(), a_user()
    pricebook.confirm(held, by=staff, at=LATER)

    with pytest.raises(InvalidRequest, match="decided"):
        pricebook.discard(held, by=staff, at=LATER)


def test_a_price_held_for_an_instant_taken_meanwhile_stays_undecided() -> None:
    load(an_entry(input="2.50"))
    load(an_entry(input="25"), at=LATER)
    held, staff = HeldPrice.objects.get(), a_user()
    pricebook.add(
        by=staff, at=LATER, provider="openai", model_name="gpt-test", effective_from=LATER,
        cost_per_input_token=Decimal("0.000007"),
    )  # fmt: skip

    with pytest.raises(InvalidRequest, match="effective_from"):
        pricebook.confirm(held, by=staff, at=LATER)
    assert HeldPrice.objects.get().state == HeldPrice.State.WAITING


def test_a_price_set_by_staff_is_kept() -> None:
    load(an_entry(input="2.50"))
    pricebook.add(
        by=a_user(), at=LATER, provider="openai", model_name="gpt-test", effective_from=LATER,
        cost_per_input_token=Decimal("0.000007"),
    )  # fmt: skip
    report = load(an_entry(input="3"), at=LATER + timedelta(days=1))

    assert len(report.kept) == 1
    assert input_prices()[-1] == (LATER, Decimal(7))


@pytest.mark.django_db(transaction=True)
def test_two_loads_at_once_add_each_price_once() -> None:
    entries = every_entry()[:50]

    added = at_once(lambda _: len(load(*entries).added), times=2)

    assert sorted(added) == [0, 50]
    assert APIProviderPricing.objects.count() == 50


@pytest.mark.django_db(transaction=True)
def test_a_held_price_confirmed_and_discarded_at_once_is_decided_once() -> None:
    load(an_entry(input="2.50"))
    load(an_entry(input="25"), at=LATER)
    held, staff = HeldPrice.objects.get(), a_user()

    def decide(number: int) -> str:
        try:
            if number % 2:
                pricebook.discard(held, by=staff, at=LATER)
                return "discarded"
            pricebook.confirm(held, by=staff, at=LATER)
            return "confirmed"
        except InvalidRequest:
            return "too late"

    decisions = at_once(decide, times=6)
    state = HeldPrice.objects.get().state

    assert sorted(decisions) == sorted([state, *["too late"] * 5])
    assert len(input_prices()) == (2 if state == "confirmed" else 1)


@pytest.mark.django_db(transaction=True)
def test_a_load_whose_connection_is_killed_adds_nothing() -> None:
    with holding("LOCK TABLE held_prices IN ACCESS EXCLUSIVE MODE") as release:
        load(an_entry(model="known", input="2.50"))
        failure = kill_while_blocked(lambda: load(an_entry(model="new"), an_entry(model="known", input="25")))
        release()

    assert isinstance(failure, OperationalError)
    assert input_prices("new") == []
    assert len(load(an_entry(model="new")).added) == 1

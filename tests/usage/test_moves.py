"""Who moved is marked with what moved them, and a mark is gone only when somebody has looked."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from tests.support.cast import NOW, an_account, an_event
from tests.support.concurrency import at_once
from tests.support.recording import prepare, record
from usage import limits, moves
from usage.limits import LimitTerms
from usage.models import Account, LimitSource, Measure, MovedAccount, Window

SECOND = timedelta(seconds=1)
CALLS = LimitTerms(name="calls", measure=Measure.CALLS, window=Window.PERIOD, amount=Decimal(10))

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def world(db: None) -> None:
    prepare()


def the_account() -> Account:
    return Account.objects.get(external_id="acme")


def waiting(at: Any = NOW) -> list[str]:
    ids = moves.waiting(at=at, limit=10)
    return [Account.objects.get(pk=each).external_id for each in ids]


def test_recorded_usage_marks_its_account_and_no_other() -> None:
    an_account("globex")
    record(an_event())
    assert waiting() == ["acme"]


def test_a_replay_moves_nobody() -> None:
    record(an_event())
    moves.take(the_account().pk, at=NOW)
    moves.done(the_account().pk, taken_at=NOW)
    record(an_event())
    assert waiting() == []


def test_a_changed_limit_marks_its_account_and_an_unchanged_one_does_not() -> None:
    limits.put(the_account(), source=LimitSource.PLAN, limits=[CALLS], at=NOW)
    assert waiting() == ["acme"]
    MovedAccount.objects.all().delete()
    limits.put(the_account(), source=LimitSource.PLAN, limits=[CALLS], at=NOW)
    assert waiting() == []


def test_who_waits_longest_is_looked_at_first() -> None:
    an_account("globex")
    record(an_event(subject="globex"), at=NOW)
    record(an_event(), at=NOW + SECOND)
    assert waiting(NOW + SECOND) == ["globex", "acme"]
    assert moves.oldest(at=NOW + SECOND) == NOW


def test_a_mark_is_taken_once_and_removed_when_done() -> None:
    record(an_event())
    account = the_account().pk
    assert moves.take(account, at=NOW)
    assert not moves.take(account, at=NOW + SECOND)
    moves.done(account, taken_at=NOW)
    assert not MovedAccount.objects.exists()


def test_usage_that_comes_while_somebody_looks_is_looked_at_again() -> None:
    record(an_event("e1"))
    account = the_account().pk
    moves.take(account, at=NOW)
    record(an_event("e2"), at=NOW + SECOND)
    moves.done(account, taken_at=NOW)
    assert waiting(NOW + SECOND) == ["acme"]


def test_a_mark_whose_taker_died_waits_again_after_a_minute() -> None:
    record(an_event())
    moves.take(the_account().pk, at=NOW)
    assert waiting(NOW + moves.LEASE - SECOND) == []
    assert waiting(NOW + moves.LEASE) == ["acme"]


@pytest.mark.django_db(transaction=True)
def test_of_many_who_take_a_mark_one_has_it() -> None:
    record(an_event())
    account = the_account().pk
    taken = at_once(lambda number: moves.take(account, at=NOW), times=8)
    assert sorted(taken) == [False] * 7 + [True]


@pytest.mark.django_db(transaction=True)
def test_taking_a_mark_waits_for_the_usage_that_left_it() -> None:
    """Were the mark taken beside an open transaction that found it there, that usage would be forgotten."""
    record(an_event("e1"))
    account = the_account().pk
    seen: list[int] = []

    def one(number: int) -> None:
        if number == 0:
            with transaction.atomic():
                record(an_event("e2"))
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(0.5)")
        else:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.2)")
            moves.take(account, at=NOW)
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM api_usage_logs")
                seen.append(cursor.fetchone()[0])

    at_once(one, times=2)
    assert seen == [2]

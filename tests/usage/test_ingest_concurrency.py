"""Exactly once with real connections: racing processes, crashes in the middle, repairs beside writers."""

import multiprocessing
import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from multiprocessing.connection import Connection

import pytest
from django.db import OperationalError, connection, connections, transaction

from tests.support.cast import NOW, an_account, an_event
from tests.support.concurrency import (
    PATIENCE_S,
    at_once,
    holding,
    kill_while_blocked,
    wait_for_blocked_session,
)
from tests.support.ledger import (
    assert_nothing_recorded,
    assert_totals_equal_the_log,
    log_totals,
)
from tests.support.prices import an_entry, load
from usage import drift, partitions, tasks
from usage.events import UsageEvent
from usage.ingest import ingest
from usage.models import BillingPeriod, UsageSummary

SENDERS = 8
EVENTS = 20_000
BATCH = 1_000
SENDER_PATIENCE_S = 60

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _priced() -> None:
    for external_id in ("acme", "globex", "initech"):
        an_account(external_id)
    load(an_entry(model="gpt-4o"))


def the_events() -> list[UsageEvent]:
    """20 000 events of three accounts over three hours, each of a cost of its own."""
    accounts = ("acme", "globex", "initech")
    return [
        an_event(
            f"e{number:05d}",
            subject=accounts[number % 3],
            at=NOW - timedelta(hours=number % 3),
            input_tokens=number,
            output_tokens=number % 7,
        )
        for number in range(EVENTS)
    ]


def send_all(seed: int, answers: Connection) -> None:
    """One sender: the same events in batches of its own order, told back as outcome counts."""
    connections.close_all()
    shuffled = the_events()
    random.Random(seed).shuffle(shuffled)
    counts: Counter[str] = Counter()
    for start in range(0, EVENTS, BATCH):
        outcomes = ingest(shuffled[start : start + BATCH], at=NOW)
        counts.update(outcome.outcome for outcome in outcomes)
    answers.send(counts)
    connections.close_all()


def test_eight_processes_sending_the_same_events_record_each_once() -> None:
    context = multiprocessing.get_context("fork")
    connections.close_all()
    pipes = [context.Pipe(duplex=False) for _ in range(SENDERS)]
    senders = [context.Process(target=send_all, args=(seed, write)) for seed, (_, write) in enumerate(pipes)]
    for sender in senders:
        sender.start()
    counts: Counter[str] = Counter()
    for read, _ in pipes:
        assert read.poll(SENDER_PATIENCE_S), "a sender died or hangs"
        counts += read.recv()
    for sender in senders:
        sender.join()

    assert counts == {"recorded": EVENTS, "replayed": EVENTS * (SENDERS - 1)}
    tokens = sum(range(EVENTS))
    answers = sum(number % 7 for number in range(EVENTS))
    cost = Decimal(tokens) * Decimal("0.0000025") + Decimal(answers) * Decimal("0.00001")
    assert log_totals() == (EVENTS, tokens, answers, cost)
    assert_totals_equal_the_log()


# What another session holds so that the batch stops at a known step of its transaction.
BEFORE_THE_LOG = """
INSERT INTO usage_event_keys
    (account_id, source, event_id, log_id, occurred_at, recorded_at, content_hash, cost)
SELECT id, 'tests', 'e00500', 0, now(), now(), md5('')::uuid, 0 FROM accounts WHERE external_id = 'acme'
"""
AFTER_THE_LOG = "LOCK TABLE usage_summaries IN EXCLUSIVE MODE"
BETWEEN_THE_TOTALS = "LOCK TABLE usage_rollups IN EXCLUSIVE MODE"


@pytest.mark.parametrize("held", [BEFORE_THE_LOG, AFTER_THE_LOG, BETWEEN_THE_TOTALS])
def test_a_batch_whose_connection_is_killed_in_the_middle_leaves_nothing(held: str) -> None:
    events = [an_event(f"e{number:05d}") for number in range(1_000)]
    with holding(held) as release:
        failure = kill_while_blocked(lambda: ingest(events, at=NOW))
        release()

    assert isinstance(failure, OperationalError)
    assert_nothing_recorded()
    assert {outcome.outcome for outcome in ingest(events, at=NOW)} == {"recorded"}
    assert_totals_equal_the_log()


@pytest.mark.parametrize(("twin", "outcome"), [("committed", "replayed"), ("rolled back", "recorded")])
def test_an_event_waits_for_its_unfinished_twin_and_follows_from_what_becomes_of_it(
    twin: str, outcome: str
) -> None:
    event, answers = an_event(), []

    def send() -> None:
        try:
            answers.extend(ingest([event], at=NOW))
        finally:
            connection.close()

    sender = threading.Thread(target=send)
    with transaction.atomic():
        ingest([event], at=NOW)
        sender.start()
        wait_for_blocked_session()
        assert answers == []
        transaction.set_rollback(twin == "rolled back")
    sender.join(PATIENCE_S)

    assert [answer.outcome for answer in answers] == [outcome]
    assert_totals_equal_the_log()


def test_totals_repaired_while_others_record_end_equal_to_the_log() -> None:
    ingest([an_event(f"before{number}") for number in range(100)], at=NOW)
    UsageSummary.objects.update(calls=7, cost=0)
    start, end = NOW - timedelta(hours=1), NOW + timedelta(hours=1)

    def send(sender: int) -> None:
        try:
            for batch in range(20):
                ingest([an_event(f"{sender}-{batch}-{number}") for number in range(20)], at=NOW)
        finally:
            connection.close()

    senders = [threading.Thread(target=send, args=(number,)) for number in range(3)]
    for each in senders:
        each.start()
    drifts = drift.check(start=start, end=end)
    while any(each.is_alive() for each in senders):
        drift.repair(drifts, start=start, end=end)
    drift.repair(drifts, start=start, end=end)

    assert drifts
    assert drift.check(start=start, end=end) == []
    assert log_totals()[0] == 100 + 3 * 20 * 20
    assert_totals_equal_the_log()


def test_partitions_asked_for_at_once_are_made_once_and_keep_the_default_partitions_rows() -> None:
    month = datetime(2019, 7, 1, tzinfo=UTC)
    ingest([an_event("stray", at=month)], at=NOW)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE api_usage_logs DETACH PARTITION api_usage_logs_2019_07")
        cursor.execute("INSERT INTO api_usage_logs SELECT * FROM api_usage_logs_2019_07")
        cursor.execute("DROP TABLE api_usage_logs_2019_07")
    assert partitions.default_rows() == 1
    partitions.forget()

    made = at_once(lambda _: partitions.ensure([month]), times=4)

    assert sorted(made) == [[], [], [], ["api_usage_logs_2019_07"]]
    assert partitions.default_rows() == 0
    assert log_totals()[0] == 1


def test_partitions_whose_making_is_killed_are_made_by_the_next() -> None:
    month = datetime(2018, 7, 1, tzinfo=UTC)
    with holding("LOCK TABLE api_usage_logs_default IN ACCESS EXCLUSIVE MODE") as release:
        failure = kill_while_blocked(lambda: partitions.ensure([month]))
        release()

    assert isinstance(failure, OperationalError)
    assert partitions.ensure([month]) == ["api_usage_logs_2018_07"]


def test_racing_first_events_of_an_account_open_one_period() -> None:
    at_once(lambda number: ingest([an_event(f"first-{number}")], at=NOW), times=6)

    assert BillingPeriod.objects.count() == 1
    assert_totals_equal_the_log()


def test_tasks_running_twice_at_once_do_no_harm() -> None:
    partitions.forget()
    ingest([an_event()], at=NOW)
    at_once(lambda _: tasks.make_log_partitions(), times=3)
    at_once(lambda _: tasks.check_recent_totals(), times=3)

    assert partitions.ensure_ahead(at=datetime.now(UTC), months=3) == []
    assert_totals_equal_the_log()

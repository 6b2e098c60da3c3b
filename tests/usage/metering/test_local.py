"""The meter in this process: permission, recording and giving back, each committed by itself."""

import logging
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from tests.support.authorizing import a_limit, an_operation, counters, limit
from tests.support.cast import an_event
from tests.support.concurrency import PATIENCE_S, holding, other_sessions, terminate
from tests.support.processes import wait_until
from tests.support.recording import prepare, the_row
from usage.core.errors import (
    EnforcementUnavailable,
    InvalidRequest,
    NotFound,
    PricingException,
    UsageLimitExceededException,
)
from usage.events import UsageEvent
from usage.metering.local import THREADS, LocalMeter
from usage.metering.protocol import UNENFORCED, Grant, Intent
from usage.metering.spool import Spool
from usage.models import APIUsageLog, Authorization
from usage.operations import Operation

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite3"


@pytest.fixture
def meter(spool: Path) -> Iterator[LocalMeter]:
    prepare()
    limit(a_limit(10, name="calls"), at=datetime.now(UTC))
    with LocalMeter(spool=spool) as opened:
        yield opened


def an_intent(*operations: Operation, customer: str = "acme") -> Intent:
    return Intent(customer=customer, operations=operations or (an_operation(),))


def a_call(grant: Grant, event_id: str = "e1", **data: str) -> UsageEvent:
    return an_event(event_id, at=datetime.now(UTC), authorization=grant.authorization, **data)


def calls() -> tuple[Decimal, Decimal]:
    """What is used and held of the limit."""
    return counters("calls", at=datetime.now(UTC))


def test_an_authorization_holds_and_names_the_caps(meter: LocalMeter) -> None:
    grant = meter.authorize(an_intent(an_operation(max_output_tokens=50)))

    assert calls() == (0, 1)
    assert grant.output_caps == (50,)
    assert grant.decision is not None
    assert grant.decision.allowed


def test_settling_turns_what_is_held_into_what_is_used(meter: LocalMeter) -> None:
    grant = meter.authorize(an_intent())

    meter.settle(a_call(grant))

    assert calls() == (1, 0)
    assert the_row().cost == Decimal("0.0035")


def test_releasing_gives_back_once(meter: LocalMeter) -> None:
    grant = meter.authorize(an_intent())

    meter.release(grant)
    meter.release(grant)

    assert calls() == (0, 0)


def test_releasing_what_was_settled_changes_nothing(meter: LocalMeter) -> None:
    grant = meter.authorize(an_intent())
    meter.settle(a_call(grant))

    meter.release(grant)

    assert calls() == (1, 0)


def test_a_refusal_carries_the_decision(meter: LocalMeter) -> None:
    limit(a_limit(0, name="calls"), at=datetime.now(UTC))

    with pytest.raises(UsageLimitExceededException) as refused:
        meter.authorize(an_intent())

    assert refused.value.status == 402
    assert refused.value.details["decision"]["reason"] == "not_included"


def test_what_cannot_be_asked_is_said(meter: LocalMeter) -> None:
    with pytest.raises(NotFound):
        meter.authorize(an_intent(customer="nobody"))
    with pytest.raises(PricingException):
        meter.authorize(an_intent(an_operation(model="gpt-unheard-of")))


def test_an_event_without_a_time_happened_now(meter: LocalMeter) -> None:
    before = datetime.now(UTC)

    meter.settle(an_event(at=None))

    assert before <= the_row().occurred_at <= datetime.now(UTC)


def test_a_rollback_of_the_caller_undoes_nothing(meter: LocalMeter) -> None:
    with transaction.atomic():
        meter.settle(a_call(meter.authorize(an_intent())))
        transaction.set_rollback(True)

    assert calls() == (1, 0)
    assert APIUsageLog.objects.count() == 1


def test_closing_leaves_no_connection_behind(meter: LocalMeter) -> None:
    before = other_sessions()
    meter.authorize(an_intent())
    opened = other_sessions() - before

    meter.close()

    assert opened
    assert wait_until(lambda: opened.isdisjoint(other_sessions()), seconds=PATIENCE_S)


def test_a_meter_that_is_dropped_leaves_no_connection_behind(meter: LocalMeter, spool: Path) -> None:
    before = other_sessions()
    LocalMeter(spool=spool).authorize(an_intent())

    assert wait_until(lambda: before == other_sessions(), seconds=PATIENCE_S)


def test_a_connection_that_died_is_replaced_and_the_question_asked_again(meter: LocalMeter) -> None:
    own = other_sessions()
    meter.authorize(an_intent())
    for pid in other_sessions() - own:
        terminate(pid)

    grants = [meter.authorize(an_intent()) for _ in range(THREADS)]

    assert len({grant.authorization for grant in grants}) == THREADS
    assert calls() == (0, THREADS + 1)


def test_usage_is_recorded_over_a_new_connection_when_the_old_one_died(
    meter: LocalMeter, spool: Path
) -> None:
    own = other_sessions()
    grant = meter.authorize(an_intent())
    for pid in other_sessions() - own:
        terminate(pid)

    meter.settle(a_call(grant))

    assert calls() == (1, 0)
    assert Spool(spool).is_empty()


# Newer Pythons warn of every fork beside threads; pre-forking servers do it all the same.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_meter_goes_on_in_both_processes_after_a_fork(meter: LocalMeter) -> None:
    meter.authorize(an_intent())
    child = os.fork()
    if not child:
        # Nothing of the test runner may run in the child.
        status = 1
        try:
            meter.settle(a_call(meter.authorize(an_intent()), "in-the-child"))
            meter.close()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)

    meter.settle(a_call(meter.authorize(an_intent()), "in-the-parent"))

    assert status == 0
    assert calls() == (2, 1)


# A lock that another session keeps is a database that does not answer, as far as the meter can tell.
LOCKED = "SELECT FROM accounts WHERE external_id = 'acme' FOR UPDATE"
IMPATIENT_S = 0.3


@pytest.fixture
def impatient(meter: LocalMeter, spool: Path) -> Iterator[LocalMeter]:
    with LocalMeter(spool=spool, timeout_s=IMPATIENT_S) as opened:
        yield opened


def test_calls_are_refused_while_the_database_does_not_answer(impatient: LocalMeter) -> None:
    with holding(LOCKED), pytest.raises(EnforcementUnavailable):
        impatient.authorize(an_intent())


def test_calls_may_pass_by_policy(meter: LocalMeter, spool: Path) -> None:
    with LocalMeter(spool=spool, fail="open", timeout_s=IMPATIENT_S) as lenient, holding(LOCKED) as give_up:
        grant = lenient.authorize(an_intent(an_operation(max_output_tokens=50)))
        lenient.release(grant)
        give_up()

    assert grant == Grant(authorization=UNENFORCED, output_caps=(50,))


def test_a_hold_that_comes_too_late_is_given_back(impatient: LocalMeter) -> None:
    with holding(LOCKED) as give_up:
        with pytest.raises(EnforcementUnavailable):
            impatient.authorize(an_intent())
        give_up()

    assert wait_until(lambda: the_state() == "released", seconds=PATIENCE_S)
    assert calls() == (0, 0)


def test_usage_waits_on_disk_and_is_recorded_once(impatient: LocalMeter) -> None:
    grant = impatient.authorize(an_intent())

    with holding(LOCKED) as give_up:
        impatient.settle(a_call(grant))
        give_up()

    assert wait_until(lambda: calls() == (1, 0), seconds=PATIENCE_S)
    assert impatient.close()
    assert APIUsageLog.objects.count() == 1


def test_usage_outlives_a_database_that_cannot_be_reached(meter: LocalMeter, spool: Path) -> None:
    grant = meter.authorize(an_intent())
    meter.close()
    reachable, connection.settings_dict["HOST"] = connection.settings_dict["HOST"], "/nowhere"
    try:
        with LocalMeter(spool=spool) as cut_off:
            with pytest.raises(EnforcementUnavailable, match="OperationalError"):
                cut_off.authorize(an_intent())
            cut_off.settle(a_call(grant))
            assert not cut_off.close(timeout_s=IMPATIENT_S)
    finally:
        connection.settings_dict["HOST"] = reachable

    with LocalMeter(spool=spool):
        assert wait_until(lambda: calls() == (1, 0), seconds=PATIENCE_S)


def test_without_a_spool_the_loss_is_said_aloud(meter: LocalMeter, settings: Any) -> None:
    settings.METERING_SPOOL = None
    grant = meter.authorize(an_intent())

    with LocalMeter(timeout_s=IMPATIENT_S) as unspooled, holding(LOCKED) as give_up:
        with pytest.raises(EnforcementUnavailable):
            unspooled.settle(a_call(grant))
        give_up()


def the_state() -> str | None:
    return Authorization.objects.values_list("state", flat=True).first()


def test_an_earlier_process_s_usage_is_recorded_at_the_start(spool: Path) -> None:
    prepare()
    left_behind = Spool(spool)
    left_behind.put(an_event(at=datetime.now(UTC)))
    left_behind.close()

    with LocalMeter(spool=spool):
        assert wait_until(APIUsageLog.objects.exists, seconds=PATIENCE_S)


def test_refused_usage_is_logged_without_content_and_kept_aside(
    meter: LocalMeter, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        meter.settle(an_event("e7", at=datetime.now(UTC), model="gpt-unheard-of", error_message="SECRET"))
        meter.close()

    [parked] = Spool(spool).parked()
    assert parked.code == "price_unknown"
    assert "Usage of event e7 was refused: price_unknown" in caplog.messages
    assert "SECRET" not in caplog.text


def test_usage_that_breaks_its_own_bounds_is_kept_aside_too(meter: LocalMeter, spool: Path) -> None:
    meter.settle(an_event("e8", at=datetime.now(UTC), input_tokens=10**30))
    meter.close()

    [parked] = Spool(spool).parked()
    assert parked.code == "event_unreadable"


def test_a_policy_of_another_name_is_refused(spool: Path) -> None:
    with pytest.raises(InvalidRequest, match="closed"):
        LocalMeter(spool=spool, fail="ajar")  # type: ignore[arg-type]


def test_many_threads_share_one_meter(meter: LocalMeter) -> None:
    granted: list[str] = []

    def work() -> None:
        try:
            granted.append(meter.authorize(an_intent()).authorization)
        except UsageLimitExceededException:
            return

    threads = [threading.Thread(target=work) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(granted)) == 10
    assert calls() == (0, 10)

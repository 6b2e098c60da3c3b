"""Clients killed, and the database stopped, in the middle: what was told is true, nothing stays held."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from django.db import OperationalError

from tests.support import database, migrated
from tests.support.authorizing import (
    a_limit,
    an_operation,
    ask,
    counters,
    is_granted,
    limit,
    settle,
    the_authorization,
)
from tests.support.cast import NOW, an_account
from tests.support.clients import AWAY, Tell, all_told, clients, reconnecting, wait_for_the_end
from tests.support.concurrency import holding, kill_while_blocked
from tests.support.invariants import broken_invariants
from tests.support.processes import wait_until
from tests.support.racing import crowd, wait_until_alone, watched
from tests.support.recording import prepare
from tests.support.servers import own_server
from usage import authorization
from usage.core.errors import UsageLimitExceededException
from usage.models import Account, APIUsageLog, Authorization, Hold, UsageLimit

CLIENTS = 64
CALLS = 500
CALLS_ACROSS_A_CRASH = 300
PATIENCE_S = 30

pytestmark = pytest.mark.django_db(transaction=True)


# --- Clients that are killed, a database that is stopped ---------------------------------------------------


def warm_up() -> None:
    """Load prices here, so that not each of 64 clients has to."""
    authorization.preflight([an_operation()], customer="acme", at=NOW)


def ask_until_refused(number: int, tell: Tell) -> None:
    while True:
        try:
            tell(ask().id)
        except UsageLimitExceededException:
            return


def test_grants_of_clients_killed_in_the_middle_stay_until_they_expire(tmp_path: Path) -> None:
    prepare()
    limit(a_limit(CALLS))
    warm_up()

    with crowd(), clients(ask_until_refused, count=CLIENTS, folder=tmp_path) as running, watched() as seen:
        assert wait_until(lambda: len(all_told(running)) >= CALLS // 5, seconds=PATIENCE_S)
        for client in running[::2]:
            client.kill()
        wait_for_the_end(running)
    wait_until_alone()

    told = set(all_told(running))
    known = {str(key) for key in Authorization.objects.values_list("id", flat=True)}
    assert told <= known
    # Who was killed may have been granted a call without hearing of it: one each.
    assert CALLS - CLIENTS // 2 <= len(told) <= len(known) == CALLS
    assert seen.peaks == {"everything_calls_period": CALLS}
    assert broken_invariants() == []

    later = NOW + timedelta(hours=1)
    authorization.expire(at=later, limit=10)
    assert counters("everything_calls_period", at=later) == (0, 0)
    assert is_granted(an_operation(calls=CALLS), at=later)
    assert broken_invariants() == []


def ask_by_key_and_settle_every_other(number: int, tell: Tell) -> None:
    for attempt in range(CALLS_ACROSS_A_CRASH):
        key = f"{number}-{attempt}"
        try:
            granted = reconnecting(partial(ask, key=key), tell)
        except UsageLimitExceededException:
            return
        tell(f"granted {key} {granted.id}")
        if attempt % 2:
            reconnecting(partial(settle, granted), tell)
            tell(f"settled {key} {granted.id}")


def test_nothing_told_is_lost_when_the_database_is_stopped_in_the_middle(
    data_dir: Path, tmp_path: Path, transactional_db: None
) -> None:
    amount, like = CALLS_ACROSS_A_CRASH, database.address(migrated.database())
    with crowd(), own_server(data_dir, database="stopped_in_the_middle", like=like) as server:
        prepare()
        limit(a_limit(amount))
        warm_up()
        with clients(ask_by_key_and_settle_every_other, count=CLIENTS, folder=tmp_path) as running:
            assert wait_until(lambda: len(all_told(running)) >= amount // 3, seconds=PATIENCE_S)
            server.stop_immediately()
            server.start()

        told = all_told(running)
        granted = {line.removeprefix("granted ") for line in told if line.startswith("granted ")}
        settled = {line.removeprefix("settled ") for line in told if line.startswith("settled ")}
        known = {f"{row.idempotency_key} {row.id}": row.state for row in Authorization.objects.all()}
        assert AWAY in told
        assert len(granted) == amount
        assert granted == known.keys()
        assert settled == {line for line, state in known.items() if state == "settled"}
        assert APIUsageLog.objects.count() == len(settled)
        assert counters("everything_calls_period") == (len(settled), amount - len(settled))
        assert broken_invariants() == []


# --- Sessions ended at each step between two effects -------------------------------------------------------


ACCOUNT = "SELECT FROM accounts FOR UPDATE"
LIMITS = "SELECT FROM usage_limits FOR UPDATE"
HOLDS = "SELECT FROM usage_holds FOR UPDATE"
AUTHORIZATION = "SELECT FROM authorizations FOR UPDATE"
WRITES_TO = "LOCK TABLE {} IN EXCLUSIVE MODE"
EVENT_KEY = """
INSERT INTO usage_event_keys
    (account_id, source, event_id, log_id, occurred_at, recorded_at, content_hash, cost)
SELECT id, 'tests', 'e1', 0, now(), now(), md5('')::uuid, 0 FROM accounts
"""


@pytest.fixture
def limited() -> None:
    prepare()
    limit(a_limit(3), a_limit("1", "cost"), a_limit(2, window="concurrent"), a_limit(9, window="minute"))


def ledger() -> list[object]:
    """All that settling, releasing and expiring change, but for the totals."""
    return [
        list(model.objects.order_by("pk").values())
        for model in (UsageLimit, Authorization, Hold, APIUsageLog)
    ]


@pytest.mark.parametrize(
    "held",
    [
        EVENT_KEY,
        WRITES_TO.format("api_usage_logs"),
        ACCOUNT,
        WRITES_TO.format("usage_summaries"),
        WRITES_TO.format("usage_rollups"),
        HOLDS,
        AUTHORIZATION,
        LIMITS,
    ],
    ids=["key", "log", "account", "summaries", "rollups", "hold", "authorization", "limits"],
)
def test_a_settle_killed_between_two_effects_leaves_nothing_and_can_be_repeated(
    limited: None, held: str
) -> None:
    granted = ask()
    before = ledger()

    with holding(held) as let_go:
        failure = kill_while_blocked(lambda: settle(granted, "e1"))
        let_go()

    assert isinstance(failure, OperationalError)
    assert ledger() == before
    assert broken_invariants() == []
    assert [settle(granted, "e1").outcome for _ in range(2)] == ["recorded", "replayed"]
    assert counters("everything_cost_period") == (Decimal("0.0035"), 0)
    assert the_authorization(granted).state == "settled"
    assert broken_invariants() == []


@pytest.mark.parametrize(
    "held",
    [ACCOUNT, WRITES_TO.format("usage_holds"), LIMITS, WRITES_TO.format("authorizations")],
    ids=["account", "hold", "limits", "authorization"],
)
def test_an_authorize_killed_between_two_effects_leaves_nothing_and_can_be_repeated(
    limited: None, held: str
) -> None:
    before = ledger()

    with holding(held) as let_go:
        failure = kill_while_blocked(lambda: ask(key="k"))
        let_go()

    assert isinstance(failure, OperationalError)
    assert ledger() == before
    assert ask(key="k") == ask(key="k")
    assert counters("everything_calls_period") == (0, 1)
    assert broken_invariants() == []


@pytest.mark.parametrize("held", [ACCOUNT, HOLDS, AUTHORIZATION, LIMITS])
@pytest.mark.parametrize("ending", ["released", "expired"])
def test_an_end_killed_between_two_effects_leaves_nothing_and_can_be_repeated(
    limited: None, ending: str, held: str
) -> None:
    granted = ask()
    later = NOW + timedelta(hours=1)
    before = ledger()

    def end() -> None:
        if ending == "released":
            authorization.release(the_authorization(granted), at=later)
        else:
            authorization.expire(at=later, limit=10)

    with holding(held) as let_go:
        failure = kill_while_blocked(end)
        let_go()

    assert isinstance(failure, OperationalError)
    assert ledger() == before
    end()
    assert the_authorization(granted).state == ending
    assert counters("everything_calls_period", at=later) == (0, 0)
    assert counters("everything_calls_concurrent", at=later) == (0, 0)
    assert broken_invariants() == []


@pytest.mark.parametrize("held", [ACCOUNT, AUTHORIZATION, HOLDS])
def test_an_extension_killed_between_two_effects_leaves_the_deadline_as_it_was(
    limited: None, held: str
) -> None:
    granted = ask()
    before = ledger()
    known = the_authorization(granted)

    with holding(held) as let_go:
        failure = kill_while_blocked(
            lambda: authorization.extend(known, expires_in=timedelta(hours=2), at=NOW)
        )
        let_go()

    assert isinstance(failure, OperationalError)
    assert ledger() == before
    authorization.extend(known, expires_in=timedelta(hours=2), at=NOW)
    assert authorization.expire(at=NOW + timedelta(hours=1), limit=10) == 0
    assert broken_invariants() == []


@pytest.mark.parametrize("held", [ACCOUNT, LIMITS])
def test_new_terms_killed_between_two_effects_leave_the_old_ones(limited: None, held: str) -> None:
    ask()
    before = ledger()

    with holding(held) as let_go:
        failure = kill_while_blocked(lambda: limit(a_limit(7), a_limit(5, window="day")))
        let_go()

    assert isinstance(failure, OperationalError)
    assert ledger() == before
    limit(a_limit(7), a_limit(5, window="day"))
    assert counters("everything_calls_day") == (0, 1)
    assert broken_invariants() == []


def test_a_sweep_killed_at_its_second_account_has_finished_the_first(limited: None) -> None:
    an_account("globex")
    limit(a_limit(3), of="globex")
    ask()
    ask(customer="globex")
    later = NOW + timedelta(hours=1)
    second = Account.objects.order_by("id").last()
    assert second

    with holding(f"SELECT FROM accounts WHERE id = {second.pk} FOR UPDATE") as let_go:
        failure = kill_while_blocked(lambda: authorization.expire(at=later, limit=10))
        let_go()

    assert isinstance(failure, OperationalError)
    assert counters("everything_calls_period", at=later) == (0, 0)
    assert counters("everything_calls_period", of="globex", at=later) == (0, 1)
    assert authorization.expire(at=later, limit=10) == 1
    assert broken_invariants() == []

"""What it takes to look at an account: few statements, however much is told, and none that reads them all."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts import evaluation
from tests.support.alerting import a_limit, deliveries, limited, look, of_provider, raised, use
from tests.support.cast import NOW
from tests.support.log_pages import plan_of
from tests.support.recording import prepare
from usage.models import Account, Measure

# A savepoint, the turn, limits, thresholds, the projection, the errors of providers, alerts, and the end.
LOOKING = 8
# The channels, what is muted, the members; all alerts, all deliveries.
TELLING = 5
OF_OTHERS = """
WITH others AS (
    INSERT INTO accounts (external_id, name, created_at, paused_reason, suspended_reason)
    SELECT 'other-' || number, '', now(), '', '' FROM generate_series(1, 500) AS number RETURNING id
)
INSERT INTO usage_alerts (account_id, rule, key, subject, severity, title, message, provider, threshold,
    path, payload, is_lasting, is_recovery, is_shown, created_at)
SELECT id, 'limit_threshold', 'limit ' || number, '', 'info', '', '', '', 80,
    '', '{}', true, false, true, now()
FROM others, generate_series(1, 20) AS number
"""

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Account:
    prepare()
    return Account.objects.get(external_id="acme")


def statements_of_a_look(account: Account) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        evaluation.evaluate(account, at=NOW)
    return [query["sql"] for query in captured]


def steps(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """All steps of a plan."""
    return [plan, *(step for part in plan.get("Plans", []) for step in steps(part))]


def test_looking_takes_as_many_statements_whether_alerts_are_open_or_not(acme: Account) -> None:
    limited(acme, a_limit(amount="10"), of_provider("openai", Measure.TOKENS, "20000"))
    use(7)
    assert len(statements_of_a_look(acme)) == LOOKING
    use(3, since=7)
    assert len(look(acme)) == 3
    assert len(statements_of_a_look(acme)) == LOOKING


def test_telling_takes_as_many_statements_for_one_alert_as_for_five(acme: Account) -> None:
    limited(acme, a_limit(amount="10"))
    use(8)
    # Its channels are made with the first alert.
    assert len(look(acme)) == 1
    use(1, since=8)
    assert len(statements_of_a_look(acme)) == LOOKING + TELLING
    assert len(raised()) == 2
    limited(acme, a_limit(amount="10"), of_provider("openai", Measure.TOKENS, "11000"))
    use(1, since=9)
    assert len(statements_of_a_look(acme)) == LOOKING + TELLING
    # The tenth call, and 80, 90 and 100 percent of the tokens.
    assert len(raised()) == len(deliveries()) == 2 + 1 + 3


def test_the_alerts_of_others_are_not_read(acme: Account) -> None:
    limited(acme, a_limit(amount="10"))
    use(9)
    look(acme)
    with connection.cursor() as cursor:
        cursor.execute(OF_OTHERS)
        cursor.execute("ANALYZE usage_alerts")
    (known,) = [sql for sql in statements_of_a_look(acme) if 'FROM "usage_alerts"' in sql]
    found = [step for step in steps(plan_of(known)) if step.get("Relation Name") == "usage_alerts"]
    assert found
    # By an index, of which only the account's part is read.
    assert all("account_id" in step.get("Index Cond", step.get("Recheck Cond", "")) for step in found)

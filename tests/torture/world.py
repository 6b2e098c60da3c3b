"""The small world of a round: accounts that may make so many calls, and prices."""

from django.db import connection
from django.utils import timezone

from tests.support.authorizing import a_limit
from tests.support.prices import an_entry, load
from usage import authorization, limits, partitions
from usage.limits import LimitTerms
from usage.models import Account, LimitSource
from usage.operations import Operation

CALLS = 480
MANY = 16
EMPTY = """
TRUNCATE accounts, billing_periods, usage_limits, usage_holds, authorizations, api_usage_logs,
         usage_event_keys, usage_summaries, usage_rollups CASCADE
"""
OPERATION = Operation(provider="openai", model="gpt-4o", input_tokens=1000, max_output_tokens=100)


def furnish() -> None:
    """What all rounds share."""
    load(an_entry(model="gpt-4o", input="2.50", output="10"))
    partitions.ensure_ahead(at=timezone.now(), months=1)


def begin(*, accounts: int, limited_by: int) -> list[str]:
    """Empty the ledger and make new accounts, which together may make CALLS calls; their ids."""
    names = [f"account-{number:02d}" for number in range(accounts)]
    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
    for account in Account.objects.bulk_create(Account(external_id=name, name=name) for name in names):
        terms = terms_for(CALLS // accounts)[:limited_by]
        limits.put(account, source=LimitSource.PLAN, limits=terms, at=timezone.now())
    # Loads the prices here, so that not each client has to.
    authorization.preflight([OPERATION], customer=names[0], at=timezone.now())
    return names


def terms_for(calls: int) -> list[LimitTerms]:
    """Six limits; the first is the one that ends the calls, the others come near it."""
    return [
        a_limit(calls),
        a_limit(calls * 1_100, "tokens"),
        a_limit(calls, "cost", scope="provider", value="openai"),
        a_limit(calls + 100, window="concurrent"),
        a_limit(calls * 2, window="day", scope="kind", value="llm"),
        a_limit(calls * 3, window="minute", mode="notify"),
    ]

"""A database with a year of usage, and members of some of its accounts who open pages in this process."""

import itertools
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import Client

from alwrity_billing.dashboard import overview
from benchmarks import databases
from benchmarks.databases import NotMeasurable
from benchmarks.pages import furnishing
from benchmarks.pages.addresses import Page
from benchmarks.pages.filling import ROLLED_UP, Year
from benchmarks.sums import Check, sums
from benchmarks.timing import Sample, Turn
from benchmarks.web import HOST
from subscriptions.models import BillingHistory, SubscriptionPlan
from usage import analytics, browsing
from usage.analytics import Selection
from usage.browsing import Place
from usage.core.repricing import sum_exactly
from usage.models import Account

SEED = "accounts whose pages are opened"
# How far back the page of calls that is no longer the first one begins.
LATER = 500
FIRST_TWIN = 5
MOST_TWINS = 16

# The log once by account, month and provider, against the summaries; what it comes to, and what differs.
LOG = """
WITH logged AS (
    SELECT account_id, billing_period_id, provider, count(*) AS calls, sum(cost) AS cost,
        COALESCE(sum(input_tokens), 0) AS input_tokens, COALESCE(sum(output_tokens), 0) AS output_tokens
    FROM api_usage_logs GROUP BY account_id, billing_period_id, provider
)
SELECT sum(logged.calls), sum(logged.cost), sum(logged.input_tokens), sum(logged.output_tokens),
    count(*) FILTER (WHERE (logged.calls, logged.cost, logged.input_tokens, logged.output_tokens)
        IS DISTINCT FROM (kept.calls, kept.cost, kept.input_tokens, kept.output_tokens))
FROM logged FULL JOIN usage_summaries kept USING (account_id, billing_period_id, provider)
"""
KEPT = "SELECT sum(calls), sum(cost), sum(input_tokens), sum(output_tokens), 0 FROM {table}"
MARKED = "SELECT sum(calls) FROM usage_roll_up_marks"
OF_ACCOUNTS = "SELECT count(*), sum(cost) FROM api_usage_logs WHERE account_id = ANY(%s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody logged in, and the facts that addresses of their account's pages hold."""

    account: Account
    client: Client
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The database `name`, with a connection to look at it beside Django's, and who visits it."""

    name: str
    database: str
    server: "psycopg.Connection[Any]"
    year: Year
    rows: int
    visitors: Sequence[Visitor]
    twins: Sequence[Visitor]
    opened: set[str] = field(default_factory=set)

    def open(self, page: Page, *, by: Sequence[Visitor]) -> Sample:
        """Let each of these open the page once; one has opened it before, ever, which is not timed."""
        turns, counts = [], []
        with databases.pointed_at(self.database):
            if page.name not in self.opened:
                self._open(page, by[0])
                self.opened.add(page.name)
            for visitor in by:
                turn, count = self._open(page, visitor)
                turns.append(turn)
                counts.append(count)
        return Sample.of_pages(turns, most_statements=max(counts))

    def _open(self, page: Page, visitor: Visitor) -> tuple[Turn, int]:
        """When the page was asked for and had been made, and how many statements that took.

        Of what is streamed, the first part. Raises NotMeasurable for another answer than expected.
        """
        address, statements = page.address(visitor.facts), itertools.count()

        def counting(execute: Any, *call: Any) -> Any:
            next(statements)
            return execute(*call)

        with connection.execute_wrapper(counting):
            started = time.perf_counter()
            response = visitor.client.get(address, headers={"Host": HOST})
            if isinstance(response, StreamingHttpResponse):
                next(iter(response), None)
            turn = Turn(started, time.perf_counter())
        response.close()
        if response.status_code != page.status:
            raise NotMeasurable(f"{address}: {response.status_code}, not {page.status}.")
        return turn, next(statements)

    def checks(self) -> list[Check]:
        """The log against its size, all that is kept of it, and what pages read of it."""
        logged = sums(self.server, LOG)
        name = f"{self.name} log of pages"
        same = [
            Check(what=f"{name}: {table}", found=sums(self.server, KEPT.format(table=table)), expected=logged)
            for table in ("usage_summaries", *ROLLED_UP)
        ]
        marked = Check(what=f"{name}: marked", found=sums(self.server, MARKED), expected=logged[:1])
        rows = Check(what=f"{name}: rows", found=logged[:1], expected=(Decimal(self.rows),))
        return [rows, *same, marked, self._what_pages_read(name)]

    def _what_pages_read(self, name: str) -> Check:
        accounts = list(dict.fromkeys(visitor.account for visitor in (*self.visitors, *self.twins)))
        with databases.pointed_at(self.database):
            read = [
                analytics.totals(Selection(account=account, start=self.year.start, end=self.year.months[-1]))
                for account in accounts
            ]
        row = self.server.execute(OF_ACCOUNTS, [[account.pk for account in accounts]]).fetchone()
        assert row is not None
        return Check(
            what=f"{name}: read for pages",
            found=(
                Decimal(sum(totals.calls for totals in read)),
                sum_exactly(totals.cost for totals in read),
            ),
            expected=(Decimal(row[0]), Decimal(row[1])),
        )


def visited(accounts: Sequence[Account], *, others: int) -> list[Account]:
    """The largest of the accounts, the one in the middle, and up to so many others, always the same."""
    middle = len(accounts) // 2
    rest = [account for place, account in enumerate(accounts) if place not in (0, middle)]
    drawn = random.Random(SEED).sample(rest, min(others, len(rest)))
    return list(dict.fromkeys([accounts[0], accounts[middle], *drawn]))


def twins(accounts: Sequence[Account], *, times: int, of: int) -> list[Account]:
    """MOST_TWINS accounts that made as many calls as their like in a log `times` as large or as small.

    The one of rank n makes about one n-th of the first one's calls (from the fifth on within a tenth), so in
    a log twenty times as large the one of rank 20 n made what that of rank n makes in the small one. `of` is
    the factor of this log: `times`, or 1.
    """
    ranks = range(FIRST_TWIN, len(accounts) // times + 1) or range(1, 2)
    chosen = ranks[:: max(len(ranks) // MOST_TWINS, 1)][:MOST_TWINS]
    return [accounts[min(rank * of, len(accounts)) - 1] for rank in chosen]


def visitor_of(account: Account, *, year: Year) -> Visitor:
    """A member of the account of Django's database, logged in."""
    client = Client()
    client.force_login(furnishing.a_member(account, year=year))
    return Visitor(account=account, client=client, facts=facts_of(account))


def facts_of(account: Account) -> dict[str, str]:
    """What addresses need to know."""
    newest = browsing.newest(account, limit=LATER)
    if not newest:
        raise NotMeasurable(f"{account} made no call: fewer accounts, or more rows.")
    return {
        "version": overview.current_version(account),
        "newest": str(Place.of(newest[0])),
        "older": str(Place.of(newest[-1])),
        "invoice": str(BillingHistory.objects.filter(account=account).values_list("number", flat=True)[0]),
        "plan": str(SubscriptionPlan.objects.get(key="pro").pk),
    }

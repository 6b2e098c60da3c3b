"""Pages of the admin over logs of different size: filling such a log, and fetching a page of it."""

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import psycopg
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from benchmarks.databases import NotMeasurable
from benchmarks.timing import Sample, Turn
from benchmarks.web import ANSWER_TIMEOUT_S, HOST
from usage import partitions, periods
from usage.admin.log import PER_PAGE
from usage.models import Account

SPREAD = timedelta(days=60)
LISTED = timedelta(days=31)
WARM_UP = 2
ROW = b'<tr class="data-row'
LIST = "/admin/usage/apiusagelog/"
# A table that has no rows.
EMPTY_LIST = "/admin/usage/heldprice/"

# Nine of ten calls are the first account's; the others share the rest. Only reading is measured, so the rows
# need not come in through `usage.ingest`.
FILL = """
INSERT INTO api_usage_logs (
    account_id, billing_period_id, occurred_at, recorded_at, input_tokens, output_tokens, response_time_ms,
    status_code, retry_count, cost_input, cost_output, cost, cost_source, source, event_id, provider,
    provider_name, model, model_used, endpoint, method, request_type, team, project, department, end_user,
    "authorization", error_message
)
SELECT account_id, id, at, at, 1000 + number %% 997, 100 + number %% 97, 500 + number %% 7919,
    200, 0, 0.0025, 0.001, 0.0035, 'local', 'gateway', number::text, 'openai',
    'openai', 'gpt-4o', 'gpt-4o-2024-08-06', '/v1/chat/completions', 'POST', 'chat', 'content', 'blog', '',
    '', '', ''
FROM generate_series(1, %(rows)s) AS number
CROSS JOIN LATERAL (SELECT %(start)s::timestamptz + number * %(apart)s::interval AS at) AS times
JOIN (
    SELECT account_id, id, row_number() OVER (ORDER BY account_id) - 1 AS place FROM billing_periods
) AS owners
ON place = CASE WHEN number %% 10 > 0 THEN 0 ELSE 1 + number / 10 %% (%(accounts)s - 1) END
ORDER BY number
"""
LISTED_ROWS = """
SELECT count(*) FROM (
    SELECT FROM api_usage_logs WHERE account_id = %s AND occurred_at >= %s LIMIT %s
) AS listed
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A filled log behind a web server. The account `busy` has most of its `rows`, `calm` has few."""

    server: "psycopg.Connection[Any]"
    port: int
    cookie: str
    at: datetime
    rows: int
    busy: int
    calm: int

    def fetch(self, address: str, *, pages: int, shown: int) -> Sample:
        """Ask for the page again and again; raises NotMeasurable unless it shows so many rows each time."""
        server = http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_TIMEOUT_S)
        turns = []
        for _ in range(WARM_UP + pages):
            started = time.perf_counter()
            server.request("GET", address, headers={"Cookie": self.cookie})
            response = server.getresponse()
            body = response.read()
            turns.append(Turn(started, time.perf_counter()))
            if response.status != HTTPStatus.OK or body.count(ROW) != shown:
                raise NotMeasurable(f"{address}: {response.status}, {body.count(ROW)} rows, not {shown}.")
        server.close()
        return Sample.of_turns(turns[WARM_UP:])

    def log_of(self, account: int, *, pages: int, filters: Mapping[str, str] | None = None) -> Sample:
        """The list of an account's newest calls; with `filters`, which nothing passes, an empty one."""
        shown = 0 if filters else self.listed(account)
        address = f"{LIST}?{urlencode({'account': account, **(filters or {})})}"
        return self.fetch(address, pages=pages, shown=shown)

    def empty_list(self, *, pages: int) -> Sample:
        """A list of the same admin that has nothing to show."""
        return self.fetch(EMPTY_LIST, pages=pages, shown=0)

    def listed(self, account: int) -> int:
        """How many rows the account's first page must show."""
        row = self.server.execute(LISTED_ROWS, [account, self.at - LISTED, PER_PAGE]).fetchone()
        assert row is not None
        return int(row[0])


def fill(rows: int, *, at: datetime) -> tuple[int, int]:
    """Give Django's database so many calls before `at`; returns the busy and a calm account."""
    accounts = sorted(Account.objects.values_list("pk", flat=True))
    start = at - SPREAD
    partitions.ensure(start + timedelta(days=day) for day in range(SPREAD.days + 1))
    periods.ensure(accounts, at=at)
    values = {"rows": rows, "start": start, "apart": SPREAD / rows, "accounts": len(accounts)}
    with connection.cursor() as cursor:
        cursor.execute(FILL, values)
    return accounts[0], accounts[-1]


def a_staff_cookie() -> str:
    """The cookie of somebody at work in the admin of Django's database."""
    client = Client()
    client.force_login(User.objects.create_superuser("bench-staff"))
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"

"""What metering adds to a call: the same httpx2 client with and without the metered transport."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from random import Random

import httpx2
from django.db import connection

from benchmarks.authorizing.asking import OPERATION, external_id
from benchmarks.authorizing.limits import LIMITS
from benchmarks.authorizing.load import Load
from benchmarks.authorizing.stage import LET_GO, LIMITED_TABLES, Stage
from benchmarks.authorizing.upstream import INPUT_TOKENS, OUTPUT_TOKENS
from benchmarks.databases import NotMeasurable
from benchmarks.sums import sums
from benchmarks.timing import Sample
from benchmarks.web import ANSWER_TIMEOUT_S, HOST
from usage.metering.context import attribute
from usage.metering.local import LocalMeter
from usage.metering.transports import MeteredTransport

# Each call is two transactions and a request: a quarter of them tell as much.
FEWER = 4
CHAT = {
    "model": OPERATION.model,
    "messages": [{"role": "user", "content": "How high is Mont Blanc? " * 100}],
    "max_tokens": OPERATION.max_output_tokens,
}
SETTLED = """
SELECT (SELECT count(*) FROM authorizations WHERE state = 'settled' AND NOT overrun),
       (SELECT count(*) FROM usage_holds), count(*), sum(input_tokens + output_tokens) FROM api_usage_logs
"""
COST = "SELECT sum(cost) FROM api_usage_logs"
USED_AND_HELD = "SELECT " + ", ".join(
    f"(SELECT sum(used + previous) FROM usage_limits WHERE name = '{limit.name}'), "
    f"(SELECT sum(held) FROM usage_limits WHERE name = '{limit.name}')"
    for limit in LIMITS
)
RECORDED = "api_usage_logs, usage_event_keys, usage_summaries, usage_rollups"


def plain(stage: Stage, load: Load) -> Sample:
    """The client as it comes."""
    return stage.in_python(partial(calling, upstream=stage.upstream, accounts=0), fewer(load))


def metered(stage: Stage, load: Load) -> Sample:
    """Through the metered transport with the local meter: authorized, sent, read, settled."""
    load = fewer(load)
    client = partial(calling, upstream=stage.upstream, accounts=stage.drawn_by(load))
    sample = stage.in_python(client, load)
    tokens = load.total * (INPUT_TOKENS + OUTPUT_TOKENS)
    stage.confirm(
        "metered calls: settled, held, logged, tokens", SETTLED, expected=[load.total, 0, load.total, tokens]
    )
    (cost,) = sums(stage.server, COST)
    stage.confirm(
        "metered calls: used, held", USED_AND_HELD, expected=used_and_held(load.total, tokens, cost)
    )
    stage.confirm_no_drift("metered calls")
    stage.tidy(*LET_GO, f"TRUNCATE {RECORDED}", tables=[*LIMITED_TABLES, RECORDED])
    return sample


def fewer(load: Load) -> Load:
    return replace(load, requests=max(load.requests // FEWER, 1))


def used_and_held(calls: int, tokens: int, cost: Decimal) -> list[int | Decimal]:
    """What each limit must count after so much was recorded, and nothing is open."""
    measured: dict[str, int | Decimal] = {"calls": calls, "tokens": tokens, "cost": cost}
    used = [0 if limit.window == "concurrent" else measured[limit.measure] for limit in LIMITS]
    return [figure for each in used for figure in (each, 0)]


@contextmanager
def calling(random: Random, *, upstream: int, accounts: int) -> Iterator[Callable[[], object]]:
    """A client that asks the provider on port `upstream`, on behalf of one of `accounts` accounts at a time;
    unmetered when there are none.
    """
    url = f"http://{HOST}:{upstream}/v1/chat/completions"
    if not accounts:
        with httpx2.Client(timeout=ANSWER_TIMEOUT_S) as client:
            yield lambda: ask(client, url)
        return
    with LocalMeter() as meter:
        transport = MeteredTransport(meter, hosts={f"{HOST}:{upstream}": "openai"})
        with httpx2.Client(transport=transport, timeout=ANSWER_TIMEOUT_S) as client:
            yield lambda: ask_for(external_id(random.randrange(accounts)), client, url)
    connection.close()


def ask_for(customer: str, client: httpx2.Client, url: str) -> None:
    with attribute(customer=customer):
        ask(client, url)


def ask(client: httpx2.Client, url: str) -> None:
    """One call, its answer read; raises NotMeasurable when that is not the provider's."""
    response = client.post(url, json=CHAT)
    if response.status_code != HTTPStatus.OK:
        raise NotMeasurable(f"The call was answered {response.status_code}: {response.text}")

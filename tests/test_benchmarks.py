"""The benchmark as a program: that it measures everything and that its sums agree, never how fast it is."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from benchmarks.pages.addresses import PAGES
from benchmarks.pages.house import twins, visited
from tests.support import migrated
from usage.models import Account

TIMEOUT_S = 600
EVENTS = 3_000
SAMPLE = 1_000
REQUESTS = 8
INGEST_PROBES = {
    "P1a COPY of values, 1000",
    "P1a COPY of values, 100",
    "P1b COPY of text, 1000",
    "P1b COPY of text, 100",
    "P5 bulk_create 1000",
    "P6 naive ORM",
    "POST 1000",
    "POST 100",
    "ingest 1000",
    "POST 1000 replayed",
    "POST 1000, one account",
    "POST 1000, 4 clients",
    "POST 1000, small log",
    "POST 1000, large log",
    "POST 1000 after CHECKPOINT, small log",
    "POST 1000 after CHECKPOINT, large log",
    "POST 1000, large log, random ids",
    "POST 1000 after CHECKPOINT, large log, random ids",
}
LOADS = [
    (clients, hot) for clients in ("1 client", "4 clients", "16 clients") for hot in ("", ", one account")
]
DRAWING_ACCOUNTS = (
    "P4 pgbench UPDATE",
    "authorize in SQL",
    "the same writes alone, in SQL",
    "authorize from Python",
    "authorize over HTTP",
    "naive read-check-write",
)
AUTHORIZING = ("authorize in SQL", "the same writes", "authorize from Python", "authorize over HTTP")
SUMS_OF_AUTHORIZING = ("authorizations, holds", "held of each limit", "limits miscounted")
DOING_NOTHING = ("P2 empty DRF view", "P3 empty DRF view with token", "empty view with our key check")
CALLS = {
    f"{call}, 1 client{hot}" for call in ("metered call", "unmetered call") for hot in ("", ", one account")
}
AUTHORIZE_PROBES = (
    {f"{what}, {clients}{hot}" for what in DRAWING_ACCOUNTS for clients, hot in LOADS}
    | {f"{what}, {clients}" for what in DOING_NOTHING for clients, hot in LOADS}
    | CALLS
)
ADMIN_PAGES = (
    "admin log, the busiest account",
    "admin log, a calm account",
    "admin log, a filter that nothing passes",
)
ADMIN_PROBES = {"admin, an empty list"} | {
    f"{page}, {size} log" for page in ADMIN_PAGES for size in ("large", "small")
}
ALERTING, MOVED = 40, 3
MORE = 10 * MOVED
LOOK_AT_MOVED = "look at what moved, of all accounts"
LOOK_AT_ALL = "look at all accounts"
ALERT_PROBES = {
    LOOK_AT_MOVED: MOVED,
    "look at what moved, no other accounts": MOVED,
    "look at ten times what moved, of all accounts": MORE,
    LOOK_AT_ALL: ALERTING,
    "deliver by the log": MORE,
}
SUMS_OF_LOOKING = ("alerts, accounts, thresholds, whose", "sent, due, alerts")
# Pages are skipped where they do not exist; these do.
KNOWN_PAGES = {
    "overview",
    "overview, nothing new",
    "overview, something new",
    "usage, 30 days by provider",
    "usage, 12 months by model",
    "billing",
    "invoice",
    "plans",
    "a plan to confirm",
    "alerts",
}
PAGE_ROWS = 2_000
FACTS = {"newest": "1.1", "older": "1.1", "invoice": "B-1", "plan": "1", "version": "1"}
PAGE_NAMES = [page.name for page in PAGES if page.exists(FACTS)]
PAGE_PROBES = {
    f"{name}, {size} log" for name in ("choose an account", *PAGE_NAMES) for size in ("large", "small")
} | {f"{name}, same usage, {size} log" for name in PAGE_NAMES for size in ("large", "small")}
SUMS_OF_PAGES = (
    "rows",
    "usage_summaries",
    "usage_rollups",
    "usage_day_rollups",
    "usage_month_rollups",
    "marked",
    "read for pages",
)
PROBES = INGEST_PROBES | AUTHORIZE_PROBES | ADMIN_PROBES | set(ALERT_PROBES) | PAGE_PROBES
AT_MOST = {
    **{
        (f"authorize over HTTP, {clients}{hot}", f"P3 empty DRF view with token, {clients}", "p99"): 1.0
        for clients, hot in LOADS
    },
    **{
        (f"metered call, 1 client{hot}", f"unmetered call, 1 client{hot}", "p50"): 2.0
        for hot in ("", ", one account")
    },
    **{(f"{page}, large log", f"{page}, large log", "p99"): 300 for page in ADMIN_PAGES},
    (LOOK_AT_MOVED, "look at what moved, no other accounts", "each"): 1.2,
    **{(f"{name}, large log", f"{name}, large log", "p95"): 200 for name in PAGE_NAMES},
    **{(f"{name}, large log", f"{name}, large log", "most"): 15 for name in PAGE_NAMES},
    **{
        (f"{name}, same usage, large log", f"{name}, same usage, small log", "p95"): 1.2
        for name in PAGE_NAMES
    },
}
AT_LEAST = {
    **{
        (f"authorize in SQL, {clients}{hot}", f"P4 pgbench UPDATE, {clients}{hot}"): 0.6
        for clients, hot in LOADS
    },
    **{
        (f"authorize over HTTP, {clients}{hot}", f"P3 empty DRF view with token, {clients}"): 1.5
        for clients, hot in LOADS
    },
    **{
        (f"authorize over HTTP, {clients}{hot}", f"empty view with our key check, {clients}"): 0.5
        for clients, hot in LOADS
    },
    ("POST 1000", "P1a COPY of values, 1000"): 0.35,
    ("POST 100", "P1a COPY of values, 1000"): 0.2,
    ("ingest 1000", "P5 bulk_create 1000"): 1.5,
    ("POST 1000 replayed", "POST 1000"): 1.0,
    ("POST 1000, large log", "POST 1000, small log"): 0.8,
    ("POST 1000 after CHECKPOINT, large log", "POST 1000 after CHECKPOINT, small log"): 0.8,
    ("POST 1000", "P6 naive ORM"): 150,
}


@dataclass(frozen=True)
class Run:
    """One finished run: what it printed and what it wrote."""

    printed: str
    written: dict[str, Any]
    databases_left: list[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Run:
    """A tiny run, in a data folder and a database of its own."""
    folder = tmp_path_factory.mktemp("bench")
    database = f"bench_alwrity_{worker_id}"
    done = bench(
        *("--n", str(EVENTS), "--sample", str(SAMPLE), "--rounds", "2", "--random-ids", "--json"),
        *("--requests", str(REQUESTS), "--accounts", "20", "--log-rows", str(EVENTS)),
        *("--alerting", str(ALERTING), "--moved", str(MOVED)),
        *("--page-accounts", "1", "--page-rows", str(PAGE_ROWS), "--page-sample", "1"),
        *("--database", database, "--template", migrated.database(), "--any-server"),
        data_dir=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (folder / "bench").glob("*.json")
    return Run(done.stdout, json.loads(path.read_text(encoding="utf-8")), databases_like(database))


def bench(*arguments: str, data_dir: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def databases_like(name: str) -> list[str]:
    with psycopg.connect(settings.DATABASE_URL) as server:
        found = server.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [name])
        return [row[0] for row in found]


def test_every_sum_agrees(run: Run) -> None:
    wrong = [check for check in run.written["checks"] if check["found"] != check["expected"]]
    assert run.written["sums_agree"]
    assert wrong == []


def test_the_sums_cover_every_log_and_every_table_that_was_compared_with(run: Run) -> None:
    checked = {check["what"] for check in run.written["checks"]}
    logs = {f"{name} log" for name in ("main", "small", "large", "random")}
    parts = {"events sent", "one id a row", "keys", "usage_summaries", "usage_rollups"}
    assert checked == {f"{log}: {part}" for log in logs for part in parts} | {
        "bench_raw_log",
        "bench_plain_log",
        "P6: its summaries",
        "P6: its events",
        "P4: counted",
        "naive: holds, held",
        *(f"{what}: {sums}" for what in AUTHORIZING for sums in SUMS_OF_AUTHORIZING),
        "metered calls: settled, held, logged, tokens",
        "metered calls: used, held",
        "metered calls: limits miscounted",
        "large admin log: rows",
        "small admin log: rows",
        *(
            f"alerts: {count} moved: {sums}"
            for count in (MOVED, MORE)
            for sums in (*SUMS_OF_LOOKING, "marks left")
        ),
        *(f"alerts: {MOVED} moved, all looked at: {sums}" for sums in SUMS_OF_LOOKING),
        *(f"alerts_alone: {MOVED} moved: {sums}" for sums in (*SUMS_OF_LOOKING, "marks left")),
        f"alerts: {MORE} due: sent, waiting, alerts",
        *(f"{size} log of pages: {sums}" for size in ("large", "small") for sums in SUMS_OF_PAGES),
    }


def test_the_logs_hold_what_they_were_filled_with_and_what_the_probes_sent(run: Run) -> None:
    sent = {check["what"]: int(check["found"][0]) for check in run.written["checks"]}
    # Each round: one sample with a warm-up of as many, and one straight after a checkpoint.
    posted = 2 * (2 * SAMPLE + SAMPLE)
    assert sent["small log: events sent"] == EVENTS // 10 + posted
    assert sent["large log: events sent"] == EVENTS + posted
    assert sent["random log: events sent"] == EVENTS + posted


def test_every_probe_has_a_sample_of_every_round(run: Run) -> None:
    assert {name: len(samples) for name, samples in run.written["probes"].items()} == dict.fromkeys(PROBES, 2)
    assert all(
        sample["seconds"] > 0 and sample["count"] > 0
        for samples in run.written["probes"].values()
        for sample in samples
    )


def test_requests_are_timed_one_by_one(run: Run) -> None:
    for name in AUTHORIZE_PROBES | ADMIN_PROBES | PAGE_PROBES:
        for sample in run.written["probes"][name]:
            latency = sample["latency"]
            assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["longest"]
            assert latency["longest"] <= sample["seconds"]


def test_every_aim_is_judged_by_its_median(run: Run) -> None:
    judged = [found for found in run.written["comparisons"] if found["met"] is not None]
    at_least = [found for found in judged if found["at_least"] is not None]
    at_most = [found for found in judged if found["at_most"] is not None]
    assert {(found["probe"], found["reference"]): found["at_least"] for found in at_least} == AT_LEAST
    assert {
        (found["probe"], found["reference"], found["figure"]): found["at_most"] for found in at_most
    } == AT_MOST
    assert all(found["low"] <= found["median"] <= found["high"] for found in judged)
    assert all(found["met"] == (found["median"] >= found["at_least"]) for found in at_least)
    assert all(found["met"] == (found["median"] <= found["at_most"]) for found in at_most)


def test_what_metering_adds_to_a_call_is_told_in_milliseconds(run: Run) -> None:
    metered, plain = (
        [sample["latency"]["p50"] for sample in run.written["probes"][f"{call}, 1 client"]]
        for call in ("metered call", "unmetered call")
    )
    (found,) = [
        found
        for found in run.written["comparisons"]
        if found["probe"] == "metered call, 1 client" and found["figure"] == "p50"
    ]
    added = [1_000 * (one - other) for one, other in zip(metered, plain, strict=True)]
    assert found["relation"] == "beyond"
    assert (found["low"], found["high"]) == (pytest.approx(min(added)), pytest.approx(max(added)))


def test_the_page_of_a_log_is_told_in_milliseconds_and_against_a_small_one_and_an_empty_one(run: Run) -> None:
    page = "admin log, the busiest account, large log"
    found = {
        (found["reference"], found["relation"], found["figure"]): found
        for found in run.written["comparisons"]
        if found["probe"] == page
    }
    itself = [1_000 * sample["latency"]["p50"] for sample in run.written["probes"][page]]
    told = found[page, "itself", "p50"]
    assert (told["low"], told["high"]) == (pytest.approx(min(itself)), pytest.approx(max(itself)))
    assert {(reference, relation) for reference, relation, _ in found} == {
        (page, "itself"),
        ("admin log, the busiest account, small log", "times"),
        ("admin, an empty list", "times"),
    }


def test_every_other_account_that_moved_is_told_of_once_and_nobody_else(run: Run) -> None:
    found = {check["what"]: check["found"] for check in run.written["checks"]}
    # Of three that moved two reach 80 percent, of thirty fifteen.
    for name, told in (("3 moved", 2), ("3 moved, all looked at", 2), ("30 moved", 15)):
        counted = found[f"alerts: {name}: alerts, accounts, thresholds, whose"][:3]
        assert counted == [str(told), str(told), str(80 * told)]


def test_looking_takes_statements_for_what_is_looked_at_alone(run: Run) -> None:
    samples = run.written["probes"]
    assert {name: samples[name][0]["count"] for name in ALERT_PROBES} == ALERT_PROBES
    each = {name: samples[name][0]["statements"] / count for name, count in ALERT_PROBES.items()}
    assert each[LOOK_AT_MOVED] == each["look at what moved, no other accounts"]
    # One statement finds what moved; each is taken, read, looked at by seven, its budget and its projection
    # included, and let go; two of three are told of.
    assert samples[LOOK_AT_MOVED][0]["statements"] == 1 + MOVED * (1 + 1 + 7 + 1) + 2 * 5
    # All are read by one statement; where nothing was used, thresholds are not asked for.
    assert samples[LOOK_AT_ALL][0]["statements"] == 1 + ALERTING * 5 + MOVED + 2 * 5


def test_pages_of_the_largest_account_the_middle_one_and_as_many_others_are_opened() -> None:
    accounts = [Account(pk=n) for n in range(10)]
    opened = [accounts.index(account) for account in visited(accounts, others=3)]
    assert opened[:2] == [0, 5]
    assert len(set(opened)) == 5
    assert visited(accounts[:1], others=3) == accounts[:1]


def test_twins_made_as_many_calls_in_both_logs() -> None:
    accounts = [Account(pk=n) for n in range(1, 161)]
    # Rank n of the small log, and rank 20 n of the one twenty times as large.
    assert [account.pk for account in twins(accounts, times=20, of=1)] == [5, 6, 7, 8]
    assert [account.pk for account in twins(accounts, times=20, of=20)] == [100, 120, 140, 160]
    assert twins(accounts[:1], times=20, of=20) == accounts[:1]


def test_what_pages_show_of_the_year_is_what_the_log_holds(run: Run) -> None:
    assert set(PAGE_NAMES) >= KNOWN_PAGES
    found = {check["what"]: check["found"] for check in run.written["checks"]}
    assert found["large log of pages: rows"] == [str(PAGE_ROWS)]
    assert found["small log of pages: rows"] == [str(PAGE_ROWS // 20)]
    # It is the only account, so that it made every call.
    assert found["large log of pages: read for pages"] == found["large log of pages: usage_rollups"][:2]
    assert all(sample["count"] == 1 for name in PAGE_PROBES for sample in run.written["probes"][name])


def test_a_page_takes_as_many_statements_from_a_large_log_as_from_a_small_one(run: Run) -> None:
    most = {
        name: [sample["most_statements"] for sample in run.written["probes"][name]] for name in PAGE_PROBES
    }
    for name in PAGE_NAMES:
        assert most[f"{name}, large log"] == most[f"{name}, small log"]
        assert min(most[f"{name}, large log"]) > 0


def test_the_storage_of_a_million_events_is_told(run: Run) -> None:
    stored = run.written["bytes_per_million_events"]["large"]
    assert set(stored) == {"log", "log_indexes", "keys", "summaries", "rollups", "log_and_keys"}
    assert stored["log_and_keys"] == pytest.approx(stored["log"] + stored["log_indexes"] + stored["keys"])
    # A row of the log alone has more than a hundred bytes.
    assert stored["log"] > 100 * 1_000_000


def test_the_tables_are_printed_with_a_verdict_on_every_aim(run: Run) -> None:
    lines = [line for line in run.printed.splitlines() if "≥" in line or "≤" in line]
    assert len(lines) == len(AT_LEAST) + len(AT_MOST)
    assert all(line.rstrip().endswith((" met", "NOT met")) for line in lines)
    assert all(probe in run.printed for probe in PROBES)
    assert "MB per million events" in run.printed


def test_no_database_is_left_behind(run: Run) -> None:
    assert run.databases_left == []


def test_a_database_that_is_not_the_benchmarks_own_is_not_touched(tmp_path: Path) -> None:
    done = bench("--database", "alwrity_billing", data_dir=tmp_path)
    assert done.returncode == 1
    assert "its name must begin with bench_" in done.stdout

"""The import_usage command: what it records, says and leaves behind."""

import gzip
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.cast import an_account
from tests.support.concurrency import other_sessions
from tests.support.imports import (
    AZURE_TRACE,
    TWO_CALLS,
    a_csv,
    a_file,
    gpt_4o_price,
    import_usage,
    rejects_of,
    start_import,
)
from tests.support.ledger import assert_nothing_recorded, assert_totals_equal_the_log, log_totals
from tests.support.processes import wait_until
from usage import partitions
from usage.models import Account, APIUsageLog, EventKey

BAD = "2023-11-16 18:17:05,many,1"
TWO_CALLS_RECORDED = (2, 3000, 300, Decimal("0.0105"))
PATIENCE_S = 60

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _priced() -> None:
    gpt_4o_price()
    an_account("acme")


def test_it_records_every_row_and_says_how_it_read_them(tmp_path: Path) -> None:
    said = import_usage(a_csv(tmp_path))

    assert log_totals() == TWO_CALLS_RECORDED
    assert "ContextTokens            → input_tokens" in said
    assert "Where a row says nothing: provider openai, model gpt-4o." in said
    assert "2 recorded, 0 replayed, 0 in conflict, 0 rejected" in said
    assert "3,000 input and 300 output tokens, 0.0105 USD recorded" in said


@pytest.mark.parametrize("name", ["elsewhere.csv", "elsewhere.csv.gz"])
def test_the_same_file_under_another_name_is_all_replays(tmp_path: Path, name: str) -> None:
    import_usage(a_csv(tmp_path))
    again = a_csv(tmp_path, name=name)
    if again.suffix == ".gz":
        again.write_bytes(gzip.compress(again.read_bytes()))

    assert "0 recorded, 2 replayed, 0 in conflict, 0 rejected" in import_usage(again)
    assert log_totals() == TWO_CALLS_RECORDED


@pytest.mark.parametrize(
    "rows",
    [
        [*TWO_CALLS, "2023-11-16 18:18:00,1,1"],
        ["2023-11-16 18:18:00,1,1", *TWO_CALLS],
        [TWO_CALLS[1], "2023-11-16 18:18:00,1,1", TWO_CALLS[0]],
    ],
    ids=["appended", "put in front", "sorted otherwise"],
)
def test_a_file_that_has_grown_adds_only_what_is_new(tmp_path: Path, rows: list[str]) -> None:
    import_usage(a_csv(tmp_path))

    assert "1 recorded, 2 replayed" in import_usage(a_csv(tmp_path, rows))


def test_rows_alike_are_calls_of_their_own(tmp_path: Path) -> None:
    path = a_csv(tmp_path, [TWO_CALLS[0]] * 3)

    assert "3 recorded" in import_usage(path)
    assert "0 recorded, 3 replayed" in import_usage(path)


def test_another_source_makes_other_events_of_the_same_rows(tmp_path: Path) -> None:
    path = a_csv(tmp_path)
    import_usage(path, source="server-1")

    assert "2 recorded" in import_usage(path, source="server-2")


def test_the_same_rows_as_another_model_are_conflicts(tmp_path: Path) -> None:
    path = a_csv(tmp_path)
    import_usage(path)

    said = import_usage(path, model="gpt-4o-2024-08-06")

    assert "0 recorded, 0 replayed, 2 in conflict, 0 rejected" in said
    assert [row["outcome"] for row in rejects_of(path)] == ["conflict", "conflict"]
    assert log_totals() == TWO_CALLS_RECORDED


def test_json_lines_may_name_provider_model_and_tags_row_by_row(tmp_path: Path) -> None:
    path = a_file(
        tmp_path,
        '{"timestamp": 1700158623, "model": "gpt-4o", "usage": {"prompt_tokens": 10}, "team": "copy"}',
        '{"timestamp": 1700158624, "completion_tokens": 20, "model": "gpt-4o", "endpoint": "/v1/responses"}',
        name="calls.jsonl",
    )

    said = import_usage(path, model="")

    rows = APIUsageLog.objects.order_by("occurred_at").values_list(
        "input_tokens", "output_tokens", "team", "endpoint"
    )
    assert list(rows) == [(10, None, "copy", ""), (None, 20, "", "/v1/responses")]
    assert "completion_tokens        → output_tokens" in said


def test_columns_can_be_mapped(tmp_path: Path) -> None:
    path = a_file(tmp_path, "when,read,written", "2023-11-16,1000,100")

    import_usage(path, map=["when=time", "read=input_tokens", "written=output_tokens"])

    assert log_totals() == (1, 1000, 100, Decimal("0.0035"))


def test_bad_rows_go_to_the_rejects_file_and_stop_nothing(tmp_path: Path) -> None:
    path = a_csv(tmp_path, [TWO_CALLS[0], BAD, TWO_CALLS[1]])

    said = import_usage(path)

    assert log_totals() == TWO_CALLS_RECORDED
    assert said.endswith(f"Error: 1 not recorded: see {path}.rejects.csv.")
    (reject,) = rejects_of(path)
    assert (reject["line"], reject["outcome"], reject["field"]) == ("3", "rejected", "input_tokens")
    assert reject["row"] == '["2023-11-16 18:17:05","many","1"]'


def test_the_rejects_file_grows_and_keeps_one_header(tmp_path: Path) -> None:
    path = a_csv(tmp_path, [BAD])
    for _ in range(2):
        import_usage(path)

    assert [row["line"] for row in rejects_of(path)] == ["2", "2"]


def test_a_corrected_row_is_the_only_new_one(tmp_path: Path) -> None:
    import_usage(a_csv(tmp_path, [TWO_CALLS[0], BAD, TWO_CALLS[1]]))

    said = import_usage(a_csv(tmp_path, [TWO_CALLS[0], BAD.replace("many", "5"), TWO_CALLS[1]]))

    assert "1 recorded, 2 replayed, 0 in conflict, 0 rejected" in said


def test_rejects_that_cannot_be_written_stop_it_with_advice(tmp_path: Path) -> None:
    said = import_usage(a_csv(tmp_path, [BAD]), rejects=tmp_path / "missing" / "rejects.csv")

    assert "choose another place for rejected rows with --rejects" in said


@pytest.mark.parametrize(("bound", "stops"), [(2, True), (3, True), (4, False)])
def test_too_many_bad_rows_in_a_row_stop_it(tmp_path: Path, bound: int, stops: bool) -> None:
    path = a_csv(tmp_path, [TWO_CALLS[0], BAD, BAD, BAD, TWO_CALLS[1]])

    said = import_usage(path, max_bad_rows=bound)

    assert ("Error: Stopped: 3 bad rows in a row" in said) is stops
    assert log_totals() == TWO_CALLS_RECORDED


def test_a_dry_run_reports_the_same_and_leaves_nothing(tmp_path: Path) -> None:
    path = a_csv(tmp_path, [*TWO_CALLS, BAD])
    path.write_text(path.read_text().replace("2023-11", "2016-02"))

    said = import_usage(path, "--dry-run", "--create-account", account="globex")

    assert "2 would be recorded, 0 replayed, 0 in conflict, 1 rejected" in said
    assert "3,000 input and 300 output tokens, 0.0105 USD would be recorded" in said
    assert "line 4: input_tokens is 'many'" in said
    assert_nothing_recorded()
    assert not Account.objects.filter(external_id="globex").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["calls.csv"]
    assert partitions.ensure([datetime(2016, 2, 1, tzinfo=UTC)]) == ["api_usage_logs_2016_02"]


def test_a_missing_account_is_only_created_when_asked_for(tmp_path: Path) -> None:
    path = a_csv(tmp_path)

    assert "There is no account 'globex': check the id, or add --create-account" in import_usage(
        path, account="globex"
    )
    import_usage(path, "--create-account", account="globex")
    assert APIUsageLog.objects.filter(account__external_id="globex").count() == 2


@pytest.mark.parametrize(
    ("lines", "options", "complaint"),
    [
        (["hour,tokens"], {}, "add --map <column>=time. The file has hour, tokens."),
        (["time,tokens"], {"provider": ""}, "No column says the provider: add --provider"),
        (["time,tokens"], {"map": ["n=input_tokens"]}, "there is no column 'n'; the file has time, tokens."),
        (["time,tokens"], {"map": ["tokens=toks"]}, "no field 'toks'; the fields are id, time"),
        (["time,tokens"], {"account": "x" * 129}, "--account: Ensure this value has at most 128"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_before_anything_is_written(
    tmp_path: Path, lines: list[str], options: dict[str, object], complaint: str
) -> None:
    said = import_usage(a_file(tmp_path, *lines), "--create-account", **{"account": "globex", **options})

    assert complaint in said
    assert not Account.objects.filter(external_id="globex").exists()


def test_a_cut_off_file_counts_up_to_there_and_goes_on_when_it_is_whole(tmp_path: Path) -> None:
    calls = [f"2023-11-16 18:00:00,{number},{number * 7919 % 104_729}" for number in range(20_000)]
    whole = gzip.compress(a_csv(tmp_path, calls).read_bytes())
    path = tmp_path / "calls.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])

    assert "damaged or cut off" in import_usage(path)
    path.write_bytes(whole)
    import_usage(path)

    assert log_totals()[:2] == (20_000, sum(range(20_000)))
    assert_totals_equal_the_log()


@pytest.mark.django_db(transaction=True)
def test_killed_half_way_and_run_again_gives_the_same_totals(tmp_path: Path) -> None:
    calls = 30_000
    path = a_csv(tmp_path, [f"2023-11-16 18:00:00,{number},1" for number in range(calls)])

    others = other_sessions()
    victim = start_import(path)
    assert wait_until(EventKey.objects.exists, seconds=PATIENCE_S)
    victim.kill()
    victim.wait()
    # Its session ends a moment later, with whatever it was about to commit.
    assert wait_until(lambda: other_sessions() <= others, seconds=PATIENCE_S)
    survived = EventKey.objects.count()
    assert 0 < survived < calls
    assert_totals_equal_the_log()

    said = import_usage(path)

    assert f"{calls - survived:,} recorded, {survived:,} replayed, 0 in conflict, 0 rejected" in said
    tokens = sum(range(calls))
    assert log_totals() == (calls, tokens, calls, tokens * Decimal("0.0000025") + calls * Decimal("0.00001"))
    assert_totals_equal_the_log()


def test_the_azure_trace_costs_what_it_costs_once(tmp_path: Path) -> None:
    if not AZURE_TRACE.exists():
        pytest.skip(f"needs {AZURE_TRACE.name} in ../shared/data")
    expected = (8_819, 18_059_974, 245_896, Decimal("47.608895"))

    assert "8,819 recorded" in import_usage(AZURE_TRACE, "--create-account", account="azure")
    assert log_totals() == expected
    copy = shutil.copy(AZURE_TRACE, tmp_path / "copy.csv")
    assert "0 recorded, 8,819 replayed" in import_usage(Path(copy), account="azure")
    assert log_totals() == expected

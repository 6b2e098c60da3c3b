"""Batches of rows recorded or rehearsed, and what is added up about them."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.cast import NOW, an_account
from tests.support.imports import TWO_CALLS, a_csv, gpt_4o_price
from tests.support.ledger import assert_nothing_recorded, assert_totals_equal_the_log
from usage import importing
from usage.core.money import format_amount
from usage.import_files import opened
from usage.import_rows import Entry, RowIds, RowReader, Terms
from usage.importing import Tally
from usage.models import Account

BAD_TOKENS = "2023-11-16 18:17:05,many,1"
IN_THE_FUTURE = "2099-01-01 00:00:00,1,1"


@pytest.fixture
def acme(db: None) -> Account:
    gpt_4o_price()
    return an_account("acme")


def batch_of(path: Path, **terms: Any) -> list[Entry]:
    usual = {"subject": "acme", "provider": "openai", "model": "gpt-4o"}
    with opened(path) as file, RowIds() as ids:
        (batch,) = importing.batches(file, RowReader(Terms(**{**usual, **terms}), ids=ids))
    return batch


def outcomes(verdicts: list[importing.Verdict]) -> list[str]:
    return [verdict.outcome for verdict in verdicts]


def test_a_batch_is_recorded_around_its_bad_rows(acme: Account, tmp_path: Path) -> None:
    batch = batch_of(a_csv(tmp_path, [TWO_CALLS[0], BAD_TOKENS, IN_THE_FUTURE, TWO_CALLS[1]]))

    verdicts = importing.record(batch, account=acme, at=NOW)

    assert outcomes(verdicts) == ["recorded", "rejected", "rejected", "recorded"]
    assert [verdict.fault and verdict.fault.field for verdict in verdicts] == [
        None,
        "input_tokens",
        "time",
        None,
    ]
    assert_totals_equal_the_log()


def test_a_batch_of_bad_rows_alone_records_nothing(acme: Account, tmp_path: Path) -> None:
    verdicts = importing.record(batch_of(a_csv(tmp_path, [BAD_TOKENS])), account=acme, at=NOW)

    assert outcomes(verdicts) == ["rejected"]
    assert_nothing_recorded()


def test_a_fault_found_while_rating_names_the_field(acme: Account, tmp_path: Path) -> None:
    batch = batch_of(a_csv(tmp_path, [TWO_CALLS[0]]), model="gpt-99")

    (verdict,) = importing.record(batch, account=acme, at=NOW)

    assert verdict.fault is not None
    assert (verdict.fault.code, verdict.fault.field) == ("price_unknown", "model")


def test_a_rehearsal_answers_as_the_record_will_and_writes_nothing(acme: Account, tmp_path: Path) -> None:
    batch = batch_of(a_csv(tmp_path, [*TWO_CALLS, BAD_TOKENS, IN_THE_FUTURE]))

    rehearsed = importing.rehearse(batch, account=acme, at=NOW)

    assert_nothing_recorded()
    assert rehearsed == importing.record(batch, account=acme, at=NOW)


def test_a_rehearsal_knows_what_was_recorded_before(acme: Account, tmp_path: Path) -> None:
    first = batch_of(a_csv(tmp_path, [TWO_CALLS[0]]))
    importing.record(first, account=acme, at=NOW)
    both = batch_of(a_csv(tmp_path, TWO_CALLS))
    other_model = batch_of(a_csv(tmp_path, [TWO_CALLS[0]]), model="gpt-4o-2024-08-06")

    assert outcomes(importing.rehearse(both, account=acme, at=NOW)) == ["replayed", "recorded"]
    assert outcomes(importing.rehearse(other_model, account=acme, at=NOW)) == ["conflict"]


def test_a_rehearsal_notices_an_id_that_the_batch_holds_twice(acme: Account, tmp_path: Path) -> None:
    path = a_csv(tmp_path, ["2023-11-16,7,1", "2023-11-16,7,1", "2023-11-16,7,2"])
    batch = batch_of(path, overrides={"ContextTokens": "id"})

    rehearsed = importing.rehearse(batch, account=acme, at=NOW)

    assert outcomes(rehearsed) == ["recorded", "replayed", "conflict"]
    assert rehearsed == importing.record(batch, account=acme, at=NOW)


def test_a_rehearsal_needs_no_stored_account(acme: Account, tmp_path: Path) -> None:
    batch = batch_of(a_csv(tmp_path), subject="globex")

    verdicts = importing.rehearse(batch, account=Account(external_id="globex"), at=NOW)

    assert outcomes(verdicts) == ["recorded", "recorded"]


def test_the_tally_adds_up_what_was_recorded_and_no_replay(acme: Account, tmp_path: Path) -> None:
    batch = batch_of(a_csv(tmp_path, [*TWO_CALLS, BAD_TOKENS]))
    tally = Tally()
    for _ in range(2):
        tally.add(importing.record(batch, account=acme, at=NOW))

    assert (tally.rows, tally.recorded, tally.replayed, tally.rejected, tally.bad) == (6, 2, 2, 2, 2)
    assert (tally.input_tokens, tally.output_tokens) == (3000, 300)
    assert format_amount(tally.cost) == "0.0105"


def test_the_tally_knows_the_longest_run_of_bad_rows(acme: Account, tmp_path: Path) -> None:
    rows = [BAD_TOKENS, BAD_TOKENS, TWO_CALLS[0], BAD_TOKENS]
    tally = Tally()
    tally.add(importing.record(batch_of(a_csv(tmp_path, rows)), account=acme, at=NOW))

    assert tally.longest_bad_run == 2

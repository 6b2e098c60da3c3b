"""Rows made into events."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from usage.core.columns import FIELDS
from usage.core.errors import InvalidRequest
from usage.events import ReportedCost, Tags, Units, UsageEvent
from usage.import_files import BadRow, Row
from usage.import_rows import PATHS, Entry, Fault, RowIds, RowReader, Terms


@pytest.fixture
def ids() -> Iterator[RowIds]:
    with RowIds() as ids:
        yield ids


def a_row(**cells: str) -> Row:
    """A call at a known time of 10 input tokens unless `cells` say otherwise."""
    cells = {"time": "2023-11-16 18:17:03", "input_tokens": "10", **cells}
    return Row(2, tuple(cells), tuple(cells.values()), repr(cells).encode())


def read(row: Row | BadRow, ids: RowIds, **terms: Any) -> Entry:
    usual: dict[str, Any] = {"subject": "acme", "provider": "openai", "model": "gpt-4o"}
    return RowReader(Terms(**{**usual, **terms}), ids=ids).entry(row)


def event_of(row: Row, ids: RowIds, **terms: Any) -> UsageEvent:
    entry = read(row, ids, **terms)
    assert entry.event is not None, entry.fault
    return entry.event


def fault_of(row: Row | BadRow, ids: RowIds, **terms: Any) -> Fault:
    fault = read(row, ids, **terms).fault
    assert fault is not None
    return fault


def test_every_field_has_a_place_in_the_event() -> None:
    assert set(PATHS) == {field.name for field in FIELDS}


def test_the_terms_stand_in_where_a_row_says_nothing(ids: RowIds) -> None:
    event = event_of(a_row(model=""), ids)

    assert (event.subject, event.data.provider, event.data.request_model) == ("acme", "openai", "gpt-4o")
    assert event.time == datetime(2023, 11, 16, 18, 17, 3, tzinfo=UTC)


def test_what_a_row_says_goes_before_the_terms(ids: RowIds) -> None:
    event = event_of(a_row(provider="anthropic", model="claude"), ids)

    assert (event.data.provider, event.data.request_model) == ("anthropic", "claude")


def test_a_row_can_say_everything_about_a_call(ids: RowIds) -> None:
    row = a_row(
        cached_tokens="4",
        output_tokens="5.0",
        images="1",
        seconds="12.5",
        team="copy",
        endpoint="/v1/images",
        status_code="429",
        latency_s="0.25",
    )
    data = event_of(row, ids).data

    assert (data.input_tokens, data.cached_input_tokens, data.output_tokens) == (10, 4, 5)
    assert data.units == Units(images=1, seconds="12.5")
    assert data.tags == Tags(team="copy")
    assert (data.endpoint, data.status_code, data.response_time) == ("/v1/images", 429, 0.25)


def test_a_mapped_cost_is_the_providers_in_plain_digits(ids: RowIds) -> None:
    event = event_of(a_row(usd="1.5e-05"), ids, overrides={"usd": "cost"})

    assert event.data.cost == ReportedCost(source="provider", amount="0.000015")


def test_rows_alike_have_different_ids_and_the_same_ones_next_time(ids: RowIds) -> None:
    rows = [a_row(), a_row(team="a"), a_row(), a_row()]
    first_time = [event_of(row, ids).id for row in rows]
    with RowIds() as fresh:
        next_time = [event_of(row, fresh).id for row in rows]

    assert len(set(first_time)) == len(rows)
    assert first_time == next_time


def test_ids_do_not_depend_on_the_terms(ids: RowIds) -> None:
    with RowIds() as others:
        assert event_of(a_row(), ids).id == event_of(a_row(), others, model="gpt-4o-mini").id


def test_a_row_may_bring_its_own_id(ids: RowIds) -> None:
    event = event_of(a_row(request="r-1"), ids, overrides={"request": "id"})

    assert (event.id, event.source) == ("r-1", "import:ids")


def test_the_source_can_be_chosen(ids: RowIds) -> None:
    assert event_of(a_row(), ids).source == "import:content"
    assert event_of(a_row(), ids, source="server-7").source == "server-7"


@pytest.mark.parametrize(
    ("cells", "field", "reason"),
    [
        ({"time": ""}, "time", "The row does not say when the call was made."),
        ({"time": "noon"}, "time", "time is 'noon'; it takes ISO 8601 (UTC unless"),
        ({"input_tokens": "many"}, "input_tokens", "input_tokens is 'many'; it takes a whole number"),
        ({"input_tokens": "1.5"}, "input_tokens", "input_tokens is '1.5'; it takes a whole number"),
        ({"input_tokens": "-1"}, "input_tokens", "input_tokens is '-1'; it takes a whole number"),
        ({"input_tokens": "2000000001"}, "input_tokens", "at most 2 000 000 000"),
        ({"searches": "two"}, "searches", "searches is 'two'"),
        ({"seconds": "1.2345"}, "seconds", "a decimal number with at most three places"),
        ({"status_code": "99"}, "status_code", "an HTTP status, 100 to 599"),
        ({"response_time": "nan"}, "response_time", "response_time is 'nan'"),
        ({"team": "x" * 129}, "team", "text of at most 128 characters"),
        ({"model": "x" * 161}, "model", "at most 160 characters"),
    ],
)
def test_a_value_that_does_not_fit_is_named(
    ids: RowIds, cells: dict[str, str], field: str, reason: str
) -> None:
    fault = fault_of(a_row(**cells), ids)

    assert (fault.code, fault.field) == ("event_invalid", field)
    assert reason in fault.reason


@pytest.mark.parametrize("amount", ["-1", "NaN", "1,50"])
def test_a_cost_that_is_no_amount_is_named(ids: RowIds, amount: str) -> None:
    assert fault_of(a_row(usd=amount), ids, overrides={"usd": "cost"}).field == "cost"


def test_a_row_without_any_provider_is_refused(ids: RowIds) -> None:
    assert fault_of(a_row(), ids, provider="").reason == "The row names no provider: give --provider."


def test_a_row_in_which_two_columns_mean_the_same_is_refused(ids: RowIds) -> None:
    row = Row(2, ("Input Tokens", "input_tokens"), ("1", "2"), b"")

    assert fault_of(row, ids).code == "columns_ambiguous"


def test_a_row_that_could_not_be_read_keeps_its_reason(ids: RowIds) -> None:
    assert fault_of(BadRow(7, "The row is not UTF-8 text.", b""), ids).reason == "The row is not UTF-8 text."


def test_a_provider_nobody_meters_is_refused_at_once(ids: RowIds) -> None:
    with pytest.raises(InvalidRequest, match="--provider: 'opnai' is not one of anthropic, "):
        RowReader(Terms(subject="acme", provider="opnai"), ids=ids)


def test_a_source_longer_than_an_event_takes_is_refused_at_once(ids: RowIds) -> None:
    with pytest.raises(InvalidRequest, match="--source takes at most 128"):
        RowReader(Terms(subject="acme", source="x" * 129), ids=ids)

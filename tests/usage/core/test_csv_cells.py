"""Cells of a CSV file: exact, and never a formula."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from usage.core.csv_cells import Cell, cell

NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        ("", ""),
        ("gpt-4o", "gpt-4o"),
        (0, "0"),
        (18_059_974, "18059974"),
        (-1, "-1"),
        (Decimal("0.000000000000000001"), "0.000000000000000001"),
        (Decimal("1E+3"), "1000"),
        (Decimal("2.500"), "2.5"),
        (NOON, "2026-03-15T12:00:00Z"),
        (NOON.astimezone(timezone(timedelta(hours=2))), "2026-03-15T12:00:00Z"),
        (NOON.replace(microsecond=5), "2026-03-15T12:00:00.000005Z"),
    ],
)
def test_a_cell_says_its_value_exactly(value: Cell, said: str) -> None:
    assert cell(value) == said


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x")', "＝1", "＠x"]
)
def test_a_text_that_begins_a_formula_gets_an_apostrophe(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["a=1", " =1", "'=1", "team-1", "1-1"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert cell(text) == text

"""Heat maps by tables: which shade, and where."""

from decimal import Decimal

import pytest

from alwrity_billing.dashboard.heatmaps import GAP, ROW, heat_map, shade_of


@pytest.mark.parametrize(
    ("amount", "shade"),
    # Fifths of 10: up to 2, 4, 6, 8 and 10.
    [("0", 0), ("0.001", 1), ("2", 1), ("2.001", 2), ("5", 3), ("8", 4), ("8.001", 5), ("10", 5)],
)
def test_a_shade_is_a_fifth_of_the_highest(amount: str, shade: int) -> None:
    assert shade_of(Decimal(amount), highest=Decimal(10)) == shade


def test_cells_lie_row_by_row_and_every_sixth_column_is_named() -> None:
    amounts = [[Decimal(number) for number in range(8)], [Decimal(0)] * 8]
    names = [str(number) for number in range(8)]
    drawn = heat_map(amounts, rows=["Mon", "Tue"], columns=names, titles=[names, names])

    # 100 % / 8 columns
    assert drawn.width == Decimal("12.50")
    assert [(cell.x, cell.y) for cell in (drawn.cells[1], drawn.cells[9])] == [
        (Decimal("12.50"), 0),
        (Decimal("12.50"), ROW),
    ]
    assert drawn.cell_height == ROW - GAP
    assert [(label.text, label.x) for label in drawn.columns] == [("0", 0), ("6", Decimal("75.00"))]


def test_without_any_amount_nothing_is_shaded() -> None:
    drawn = heat_map([[Decimal(0)]], rows=["Mon"], columns=["0"], titles=[[""]])
    assert [cell.shade for cell in drawn.cells] == [0]

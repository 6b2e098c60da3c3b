from decimal import Decimal

from subscriptions.core.invoices import LineKind
from subscriptions.core.line_groups import LineGroup, grouped

Line = tuple[str, Decimal]


def parts(*lines: tuple[LineKind, str]) -> list[LineGroup[Line]]:
    return grouped([(kind.value, Decimal(cents)) for kind, cents in lines], billed=lambda line: line)


def test_lines_stand_in_their_part_with_its_sum() -> None:
    fees, usage, adjustments = parts(
        (LineKind.USAGE, "12.35"),
        (LineKind.BASE_FEE, "30"),
        (LineKind.INCLUDED, "-2"),
        (LineKind.ADJUSTMENT, "-1.50"),
    )

    assert (fees.title, fees.total) == ("Fees", Decimal(30))
    assert (usage.title, usage.total) == ("Usage", Decimal("10.35"))
    assert [kind for kind, _ in usage.lines] == ["usage", "included"]
    assert (adjustments.title, adjustments.total) == ("Adjustments", Decimal("-1.50"))


def test_a_part_without_lines_is_left_out() -> None:
    assert [part.title for part in parts((LineKind.BASE_FEE, "30"))] == ["Fees"]


def test_every_kind_has_one_part() -> None:
    for kind in LineKind:
        assert len(parts((kind, "1"))) == 1

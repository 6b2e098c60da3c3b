"""What the cells of a CSV file say: exact numbers, UTC instants, texts that no spreadsheet takes for more.

Spreadsheets run a cell that begins like a formula (owasp.org/www-community/attacks/CSV_Injection), and names
in usage come from whoever sends events. Such a text gets an apostrophe before it.
"""

from datetime import UTC, datetime
from decimal import Decimal

from usage.core.money import format_amount

# The full-width forms as well, which some spreadsheets take for the plain ones.
BEGIN_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
APOSTROPHE = "'"

Cell = str | int | Decimal | datetime | None


def cell(value: Cell) -> str:
    """`value` as a cell says it: None is empty, an instant is ISO 8601 in UTC, an amount has every digit."""
    match value:
        case None:
            return ""
        case str():
            return harmless(value)
        case Decimal():
            return format_amount(value)
        case datetime():
            return instant(value)
    return str(value)


def harmless(text: str) -> str:
    """`text`, with an apostrophe before what would begin a formula."""
    return APOSTROPHE + text if text.startswith(BEGIN_A_FORMULA) else text


def instant(at: datetime) -> str:
    """ "2026-03-15T12:00:00Z"."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"

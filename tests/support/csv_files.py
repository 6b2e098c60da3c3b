"""CSV files as programs read them."""

import csv
import tracemalloc
from collections.abc import Iterable
from decimal import Decimal
from io import StringIO


def rows_of(pieces: Iterable[bytes]) -> list[dict[str, str]]:
    """The lines of a file by the names of its first."""
    return list(csv.DictReader(StringIO(b"".join(pieces).decode(), newline="")))


def total(rows: Iterable[dict[str, str]], column: str) -> Decimal:
    return sum((Decimal(row[column]) for row in rows), Decimal(0))


def most_memory(pieces: Iterable[bytes]) -> tuple[int, int]:
    """How many bytes the file has, and how many this process needed for it at most."""
    tracemalloc.start()
    try:
        size = sum(len(piece) for piece in pieces)
        return size, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

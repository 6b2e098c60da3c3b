"""Rows of a statement through a cursor of the server's: however many there are, few of them are in memory."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection

ROWS_AT_A_TIME = 2_000


def rows_of(statement: str, parameters: dict[str, Any]) -> Iterator[Sequence[Any]]:
    """The rows of one snapshot, which is taken when the first one is asked for.

    Outside of a transaction PostgreSQL keeps them until they are taken, so that whoever takes them slowly
    keeps none open.
    """
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, parameters)
        while rows := cursor.fetchmany(ROWS_AT_A_TIME):
            yield from rows

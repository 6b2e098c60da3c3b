"""Where the simulator keeps its objects: one SQLite file, one transaction a request."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    kind TEXT GENERATED ALWAYS AS (json_extract(body, '$.object')) VIRTUAL,
    customer TEXT GENERATED ALWAYS AS (json_extract(body, '$.customer')) VIRTUAL,
    invoice TEXT GENERATED ALWAYS AS (json_extract(body, '$.invoice')) VIRTUAL,
    status TEXT GENERATED ALWAYS AS (json_extract(body, '$.status')) VIRTUAL
);
CREATE INDEX IF NOT EXISTS objects_of_a_kind ON objects (kind, seq);
CREATE INDEX IF NOT EXISTS objects_of_a_customer ON objects (customer, kind, seq);
CREATE INDEX IF NOT EXISTS objects_of_an_invoice ON objects (invoice, kind, seq);
CREATE INDEX IF NOT EXISTS objects_in_a_status ON objects (kind, status);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    asked TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    is_delivered INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS deliveries_to_make ON deliveries (is_delivered, seq);
"""
# Columns of their own, so that the usual lists need no scan.
COLUMNS = {"customer", "invoice", "status"}


class Store:
    """Objects as JSON, in the order they were made. Everything but `transaction` belongs inside one."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        # What is committed outlives the process, killed or not; only a power cut could lose the newest.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(SCHEMA)
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, one at a time."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of the transaction that is taken back alone if it fails."""
        self._connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO part")
            raise
        finally:
            self._connection.execute("RELEASE part")

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        return self._connection.execute(sql, values)

    def insert(self, body: Json) -> None:
        self.execute("INSERT INTO objects (id, body) VALUES (?, ?)", (body["id"], json.dumps(body)))

    def save(self, body: Json) -> None:
        self.execute("UPDATE objects SET body = ? WHERE id = ?", (json.dumps(body), body["id"]))

    def delete(self, object_id: str) -> None:
        self.execute("DELETE FROM objects WHERE id = ?", (object_id,))

    def find(self, object_id: str) -> Json | None:
        row = self.execute("SELECT body FROM objects WHERE id = ?", (object_id,)).fetchone()
        return _body(row) if row else None

    def sequence(self, object_id: str) -> int | None:
        row = self.execute("SELECT seq FROM objects WHERE id = ?", (object_id,)).fetchone()
        return int(row[0]) if row else None

    def select(
        self,
        kind: str,
        *,
        matching: Mapping[str, Any] | None = None,
        after: int | None = None,
        before: int | None = None,
        newest_first: bool = False,
        limit: int = -1,
    ) -> list[Json]:
        """Objects of a kind whose fields (dotted paths) have these values, between two sequence numbers."""
        clauses: list[str] = ["kind = ?"]
        values: list[Any] = [kind]
        for path, value in (matching or {}).items():
            clause, its_values = _clause(path, value)
            clauses.append(clause)
            values += its_values
        if after is not None:
            clauses.append("seq > ?")
            values.append(after)
        if before is not None:
            clauses.append("seq < ?")
            values.append(before)
        order = "DESC" if newest_first else "ASC"
        sql = f"SELECT body FROM objects WHERE {' AND '.join(clauses)} ORDER BY seq {order} LIMIT ?"  # noqa: S608
        return [_body(row) for row in self.execute(sql, (*values, limit))]


def _clause(path: str, value: Any) -> tuple[str, list[Any]]:
    """A condition of fixed words, its values apart; a list means one of these, a dict means bounds."""
    field, field_values = (path, []) if path in COLUMNS else ("json_extract(body, ?)", [f"$.{path}"])
    if isinstance(value, list):
        return f"{field} IN ({', '.join('?' * len(value))})", [*field_values, *value]
    if isinstance(value, dict):
        signs = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
        clauses = [f"{field} {signs[bound]} ?" for bound in value]
        return " AND ".join(clauses), [each for bound in value.values() for each in (*field_values, bound)]
    return f"{field} IS ?", [*field_values, value]


def _body(row: tuple[str]) -> Json:
    body: Json = json.loads(row[0])
    return body

"""Rows of a file made into usage events with lasting ids.

A row's id is made of its content and of how many rows alike stand before it in the file. So the same file
under another name, compressed, sorted, grown or with rows corrected meets its own earlier events again.
"""

import hashlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import msgspec

from usage.core.columns import IGNORED, KNOWN, Columns, understand
from usage.core.errors import InvalidRequest
from usage.core.instants import parse_instant
from usage.core.money import format_amount, parse_amount
from usage.events import UsageEvent
from usage.import_files import BadRow, ImportFile, Row
from usage.providers import PROVIDERS, find

CONTENT_SOURCE = "import:content"
OWN_IDS_SOURCE = "import:ids"
MAX_SOURCE_LENGTH = 128
DIGEST_BYTES = 16
MAX_SHAPES = 1_000

# Where each field stands in an event.
PATHS = {
    "id": ("id",),
    "time": ("time",),
    "provider": ("data", "gen_ai.provider.name"),
    "model": ("data", "gen_ai.request.model"),
    "response_model": ("data", "gen_ai.response.model"),
    "input_tokens": ("data", "gen_ai.usage.input_tokens"),
    "cached_input_tokens": ("data", "gen_ai.usage.cache_read.input_tokens"),
    "cache_write_tokens": ("data", "gen_ai.usage.cache_creation.input_tokens"),
    "output_tokens": ("data", "gen_ai.usage.output_tokens"),
    "reasoning_tokens": ("data", "gen_ai.usage.reasoning.output_tokens"),
    "requests": ("data", "units", "requests"),
    "searches": ("data", "units", "searches"),
    "images": ("data", "units", "images"),
    "pages": ("data", "units", "pages"),
    "seconds": ("data", "units", "seconds"),
    "characters": ("data", "units", "characters"),
    "cost": ("data", "cost", "amount"),
    "endpoint": ("data", "endpoint"),
    "method": ("data", "method"),
    "request_type": ("data", "request_type"),
    "status_code": ("data", "status_code"),
    "response_time": ("data", "response_time"),
    "request_size": ("data", "request_size"),
    "response_size": ("data", "response_size"),
    "retry_count": ("data", "retry_count"),
    "error_message": ("data", "error_message"),
    "end_user": ("data", "end_user"),
    "team": ("data", "tags", "team"),
    "project": ("data", "tags", "project"),
    "department": ("data", "tags", "department"),
}
# The same places as a JSON pointer spells them, and as msgspec does.
FIELD_AT = {"/" + "/".join(path): name for name, path in PATHS.items()}
FIELD_IN_WORDS = {"$." + ".".join(path): name for name, path in PATHS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a file's rows mean: whose calls they are, and what stands in where a row says nothing.

    `subject` is the account's external id. `overrides` gives columns their field, see `usage.core.columns`.
    An empty `source` is chosen by where the ids come from.
    """

    subject: str
    provider: str = ""
    model: str = ""
    source: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is not recorded: a machine code, the field (empty: the row as a whole), a sentence."""

    code: str
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A row on its way: either its event, or what is wrong with it."""

    line: int
    content: bytes
    event: UsageEvent | None
    fault: Fault | None = None


class RowIds:
    """Ids of rows by their content; a context manager.

    How often each content was seen is kept in a temporary SQLite file, which spills to disk by itself: a file
    of a hundred million rows takes no more memory than a small one.
    """

    def __init__(self) -> None:
        self._seen = sqlite3.connect("", isolation_level=None)
        self._seen.execute("PRAGMA journal_mode = OFF")
        self._seen.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, times INTEGER) WITHOUT ROWID")
        self._seen.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seen.close()

    def next_id(self, content: bytes) -> str:
        """The id of the next row with this content: "<digest>-1", then "<digest>-2", …"""
        digest = hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
        is_first = self._seen.execute("INSERT OR IGNORE INTO seen VALUES (?, 1)", (digest,)).rowcount
        return f"{digest.hex()}-{1 if is_first else self._once_more(digest)}"

    def _once_more(self, digest: bytes) -> int:
        self._seen.execute("UPDATE seen SET times = times + 1 WHERE digest = ?", (digest,))
        (times,) = self._seen.execute("SELECT times FROM seen WHERE digest = ?", (digest,)).fetchone()
        return int(times)


class Unusable(Exception):
    """This row makes no event; `fault` says why."""

    def __init__(self, code: str, field: str, reason: str) -> None:
        super().__init__(reason)
        self.fault = Fault(code, field, reason)


class RowReader:
    """Makes events of rows under `terms`; remembers how columns were understood, for people to check."""

    def __init__(self, terms: Terms, *, ids: RowIds) -> None:
        """Raises InvalidRequest for a provider that is not metered, or a source that is too long."""
        if terms.provider and find(terms.provider) is None:
            raise InvalidRequest(f"--provider: {terms.provider!r} is not one of {', '.join(PROVIDERS)}.")
        if len(terms.source) > MAX_SOURCE_LENGTH:
            raise InvalidRequest(f"--source takes at most {MAX_SOURCE_LENGTH} characters.")
        self.terms = terms
        # Column to field, in the order they were met; a column that is not read has the field IGNORED.
        self.understood: dict[str, str] = {}
        self._ids = ids
        self._shapes: dict[tuple[str, ...], Columns] = {}

    def check_columns(self, file: ImportFile) -> None:
        """Judge by the first row whether `file` can be meant.

        Raises InvalidRequest when --map names a column it does not have, two columns mean the same, none is
        the time, or nothing says the provider.
        """
        if not file.names:
            return
        listed = ", ".join(file.names)
        missing = [name for name in self.terms.overrides if name not in file.names]
        if missing and file.has_header:
            raise InvalidRequest(f"--map: there is no column {missing[0]!r}; the file has {listed}.")
        columns = self.columns_of(file.names)
        if "time" not in columns.positions:
            raise InvalidRequest(
                "No column is understood as the time of the call: add --map <column>=time. "
                f"The file has {listed}."
            )
        if "provider" not in columns.positions and not self.terms.provider:
            raise InvalidRequest("No column says the provider: add --provider, or --map <column>=provider.")

    def columns_of(self, names: tuple[str, ...]) -> Columns:
        """How rows with columns `names` are read; raises InvalidRequest when two of them mean the same."""
        columns = self._shapes.get(names)
        if columns is None:
            columns = understand(names, self.terms.overrides)
            if len(self._shapes) < MAX_SHAPES:
                self._shapes[names] = columns
                for name, at in columns.positions.items():
                    self.understood[names[at]] = name
                for column in columns.unread:
                    self.understood.setdefault(column, IGNORED)
        return columns

    def entry(self, row: Row | BadRow) -> Entry:
        """The row's event, or what is wrong with it; never raises for a row."""
        if isinstance(row, BadRow):
            return Entry(row.line, row.content, None, Fault("row_unreadable", "", row.reason))
        try:
            return Entry(row.line, row.content, self._event(row))
        except Unusable as wrong:
            return Entry(row.line, row.content, None, wrong.fault)
        except InvalidRequest as wrong:
            return Entry(row.line, row.content, None, Fault("columns_ambiguous", "", wrong.message))

    def _event(self, row: Row) -> UsageEvent:
        positions = self.columns_of(row.names).positions
        said = {name: text for name, at in positions.items() if (text := row.values[at].strip())}
        source = self.terms.source or (OWN_IDS_SOURCE if "id" in said else CONTENT_SOURCE)
        if "id" not in said:
            # Taken before anything can be wrong: every row has its number among those alike.
            said["id"] = self._ids.next_id(row.content)
        event = _nested(self._completed(said))
        event["source"] = source
        event["subject"] = self.terms.subject
        try:
            return msgspec.convert(event, UsageEvent, strict=False)
        except msgspec.ValidationError as wrong:
            raise _misfit(wrong, said) from None

    def _completed(self, said: Mapping[str, str]) -> dict[str, Any]:
        """`said` with the values parsed that an event does not parse itself, and the terms' stand-ins."""
        complete: dict[str, Any] = {"provider": self.terms.provider, "model": self.terms.model, **said}
        if not complete["provider"]:
            raise Unusable("event_invalid", "provider", "The row names no provider: give --provider.")
        if "time" not in said:
            raise Unusable("event_invalid", "time", "The row does not say when the call was made.")
        for name, parse in (("time", parse_instant), ("cost", _plain_amount)):
            if name in said:
                try:
                    complete[name] = parse(said[name])
                except ValueError:
                    raise _unfit(name, said) from None
        return complete


def _plain_amount(text: str) -> str:
    """An amount in plain digits: programs that count money in floats write 0.00001 as 1e-05."""
    return format_amount(parse_amount(text))


def _nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for name, value in fields.items():
        *groups, last = PATHS[name]
        place = event
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    if "cost" in fields:
        event["data"]["cost"]["source"] = "provider"
    return event


def _misfit(wrong: msgspec.ValidationError, said: Mapping[str, str]) -> Unusable:
    """msgspec's complaint in the words of the file."""
    sentence, _, path = str(wrong).partition(" - at `")
    name = FIELD_IN_WORDS.get(path.removesuffix("`"), "")
    return _unfit(name, said) if name in said else Unusable("event_invalid", name, f"{sentence}.")


def _unfit(name: str, said: Mapping[str, str]) -> Unusable:
    return Unusable("event_invalid", name, f"{name} is {said[name]!r}; it takes {KNOWN[name].takes}.")

"""Files of usage read row by row: CSV, JSON Lines, and both compressed with gzip.

One row is held at a time. What is wrong with one row is handed out as a BadRow in its place; what is wrong
with the file itself raises InvalidRequest.
"""

import csv
import gzip
import io
import itertools
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO

import msgspec

from usage.core.errors import InvalidRequest

Format = Literal["csv", "jsonl"]
FORMATS: dict[str, Format] = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
GZIP_SUFFIX = ".gz"
GZIP_MAGIC = b"\x1f\x8b"
DELIMITERS = ",;\t|"
MAX_LINE_LENGTH = 1_000_000
MAX_NESTING = 8

_canonical = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it starts on, its column names and their values.

    `content` is the row in a form that does not change with quoting, spacing or compression.
    """

    line: int
    names: tuple[str, ...]
    values: Sequence[str]
    content: bytes


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read, and why."""

    line: int
    reason: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ImportFile:
    """An open file; `position` counts its bytes as they are read, up to `size`.

    `names` are the columns of its first row (none when that cannot be read); `has_header` says that all rows
    have these.
    """

    names: tuple[str, ...]
    has_header: bool
    rows: Iterator[Row | BadRow]
    size: int
    position: Callable[[], int]


@contextmanager
def opened(path: Path, *, form: Format | None = None) -> Iterator[ImportFile]:
    """The rows of the file at `path`; `form` goes before what its suffixes say, gzip is told by its content.

    Raises InvalidRequest when the file cannot be opened, its form is not known, or it is empty; reading on,
    when it is damaged.
    """
    form = form or form_of(path)
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("rb"))
            size = path.stat().st_size
        except OSError as refused:
            raise InvalidRequest(f"{path} cannot be read: {refused.strerror}.") from refused
        plain = stack.enter_context(gzip.GzipFile(fileobj=raw)) if _is_gzip(raw) else raw
        # Bytes that are not UTF-8 are let through, so that they spoil their own row and no other.
        text = io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape", newline="")
        stack.callback(text.close)
        lines = _lines(text)
        names, rows = _csv(lines) if form == "csv" else _with_names(_json_lines(lines))
        yield ImportFile(names, form == "csv", rows, size, raw.tell)


def form_of(path: Path) -> Format:
    """The form that the file's suffixes tell; raises InvalidRequest when they do not."""
    suffix = (path.with_suffix("") if path.suffix.lower() == GZIP_SUFFIX else path).suffix.lower()
    if suffix not in FORMATS:
        raise InvalidRequest(f"{path.name} is neither .csv nor .jsonl by its name: say which with --format.")
    return FORMATS[suffix]


def _is_gzip(raw: BinaryIO) -> bool:
    magic = raw.read(len(GZIP_MAGIC))
    raw.seek(0)
    return magic == GZIP_MAGIC


def _lines(text: TextIO) -> Iterator[str]:
    for number in itertools.count(1):
        try:
            line = text.readline(MAX_LINE_LENGTH)
        except (OSError, EOFError, zlib.error) as damage:
            raise InvalidRequest(
                f"The file is damaged or cut off after line {number - 1} ({damage}). The rows up to there "
                "count; import the whole file to add the others."
            ) from damage
        if not line:
            return
        if len(line) == MAX_LINE_LENGTH:
            raise InvalidRequest(f"Line {number} is over {MAX_LINE_LENGTH} characters: this is no usage log.")
        yield line


def _csv(lines: Iterator[str]) -> tuple[tuple[str, ...], Iterator[Row | BadRow]]:
    first = next(lines, "")
    reader = csv.reader(
        itertools.chain([first], lines), delimiter=max(DELIMITERS, key=first.count), strict=True
    )
    header = tuple(name.strip() for name in next(reader, []))
    if not header:
        raise InvalidRequest("The file has no first line: a CSV file starts with the names of its columns.")
    try:
        "".join(header).encode()
    except UnicodeEncodeError:
        raise InvalidRequest("The first line is not UTF-8 text: save the file as UTF-8.") from None
    return header, _csv_rows(reader, header)


def _csv_rows(reader: Any, header: tuple[str, ...]) -> Iterator[Row | BadRow]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as wrong:
            swallowed = f" (lines {line} to {reader.line_num})" if reader.line_num > line else ""
            yield BadRow(line, f"The row is not CSV{swallowed}: {wrong}.", b"")
            continue
        if cells:
            yield _csv_row(cells, line=line, header=header)


def _csv_row(cells: list[str], *, line: int, header: tuple[str, ...]) -> Row | BadRow:
    try:
        content = _canonical.encode(cells)
    except UnicodeEncodeError:
        return _not_utf8(line, ",".join(cells))
    if len(cells) != len(header):
        return BadRow(line, f"The row has {len(cells)} cells, the first line has {len(header)}.", content)
    return Row(line, header, cells, content)


def _json_lines(lines: Iterator[str]) -> Iterator[Row | BadRow]:
    for number, line in enumerate(lines, start=1):
        if not line.isspace():
            yield _json_row(line, number=number)


def _with_names(rows: Iterator[Row | BadRow]) -> tuple[tuple[str, ...], Iterator[Row | BadRow]]:
    first = list(itertools.islice(rows, 1))
    names = first[0].names if first and isinstance(first[0], Row) else ()
    return names, itertools.chain(first, rows)


def _json_row(line: str, *, number: int) -> Row | BadRow:
    try:
        raw = line.strip().encode()
    except UnicodeEncodeError:
        return _not_utf8(number, line.strip())
    try:
        # Numbers keep the spelling they have in the file: money must not become a binary fraction.
        row = json.loads(raw, parse_float=str, parse_constant=str)
        content = _canonical.encode(row)
    except (ValueError, RecursionError) as wrong:
        return BadRow(number, f"The line is not JSON: {wrong}.", raw)
    if not isinstance(row, dict):
        return BadRow(number, "The line is not a JSON object.", raw)
    cells = dict(_flat(row))
    return Row(number, tuple(cells), tuple(cells.values()), content)


def _flat(members: dict[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, str]]:
    """The members of nested objects under dotted names; deeper ones than MAX_NESTING stay JSON text."""
    for name, value in members.items():
        if isinstance(value, dict) and depth < MAX_NESTING:
            yield from _flat(value, f"{prefix}{name}.", depth + 1)
        else:
            yield prefix + name, _text(value)


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _canonical.encode(value).decode()


def _not_utf8(line: int, text: str) -> BadRow:
    return BadRow(line, "The row is not UTF-8 text.", text.encode(errors="replace"))

"""Reading files row by row."""

import gzip
from pathlib import Path

import pytest

from tests.support.imports import a_file
from usage.core.errors import InvalidRequest
from usage.import_files import MAX_LINE_LENGTH, BadRow, Row, opened


def rows_of(path: Path) -> list[Row | BadRow]:
    with opened(path) as file:
        return list(file.rows)


def cells_of(path: Path) -> list[dict[str, str]]:
    rows = rows_of(path)
    return [dict(zip(row.names, row.values, strict=True)) for row in rows if isinstance(row, Row)]


def contents_of(path: Path) -> list[bytes]:
    return [row.content for row in rows_of(path)]


def reasons_of(path: Path) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in rows_of(path) if isinstance(row, BadRow)]


def test_csv_rows_have_the_columns_of_the_first_line(tmp_path: Path) -> None:
    assert cells_of(a_file(tmp_path, "a,b", "1,2", "3,4")) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_told_from_the_first_line(tmp_path: Path, delimiter: str) -> None:
    assert cells_of(a_file(tmp_path, f"a{delimiter}b", f"1{delimiter}2")) == [{"a": "1", "b": "2"}]


def test_nested_json_has_dotted_columns_and_keeps_the_spelling_of_numbers(tmp_path: Path) -> None:
    path = a_file(tmp_path, '{"usage": {"n": 5}, "cost": 0.10, "none": null, "ok": true}', name="a.jsonl")

    assert cells_of(path) == [{"usage.n": "5", "cost": "0.10", "none": "", "ok": "true"}]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_gzip_is_told_by_content_and_reads_the_same(tmp_path: Path, name: str) -> None:
    path = a_file(tmp_path, "a,b", "1,2", name=name)
    plain = contents_of(path)
    path.write_bytes(gzip.compress(path.read_bytes()))

    assert contents_of(path) == plain


def test_a_rows_content_does_not_depend_on_quotes_and_line_ends(tmp_path: Path) -> None:
    plain = a_file(tmp_path, "a,b", "1,2")
    quoted = tmp_path / "quoted.csv"
    quoted.write_bytes(b'\xef\xbb\xbf"a","b"\r\n"1","2"\r\n')

    assert contents_of(quoted) == contents_of(plain)


def test_a_json_rows_content_does_not_depend_on_spaces_and_order(tmp_path: Path) -> None:
    path = a_file(tmp_path, '{"a": 1, "b": 2}', '{"b":2,"a":1}', name="a.jsonl")

    assert len(set(contents_of(path))) == 1


def test_rows_are_counted_by_the_line_they_start_on(tmp_path: Path) -> None:
    path = a_file(tmp_path, "a,b", '"two', 'lines",2', "", "3,4")

    assert [row.line for row in rows_of(path)] == [2, 5]


def test_a_csv_row_of_another_length_is_bad_and_the_next_is_not(tmp_path: Path) -> None:
    path = a_file(tmp_path, "a,b", "1", "1,2,3", "1,2")

    assert reasons_of(path) == [
        (2, "The row has 1 cells, the first line has 2."),
        (3, "The row has 3 cells, the first line has 2."),
    ]
    assert len(cells_of(path)) == 1


def test_an_open_quote_spoils_no_more_than_one_cell_can_hold(tmp_path: Path) -> None:
    path = a_file(tmp_path, "a,b", '1,"open', *["1,2"] * 100_000)

    assert "field larger than field limit" in reasons_of(path)[0][1]
    assert len(cells_of(path)) > 50_000


def test_a_line_that_is_no_json_object_is_bad_and_the_next_is_not(tmp_path: Path) -> None:
    path = a_file(tmp_path, "{", "[1]", '{"a": 1}', name="a.jsonl")

    (broken, reason), (second, other) = reasons_of(path)
    assert (broken, second) == (1, 2)
    assert reason.startswith("The line is not JSON: ")
    assert other == "The line is not a JSON object."
    assert cells_of(path) == [{"a": "1"}]


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", b"a,b\n\xff,2\n1,2\n"), ("a.jsonl", b'{"a": "\xff"}\n{"a": "1"}\n')]
)
def test_bytes_that_are_not_utf8_spoil_their_own_row(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    assert [reason for _, reason in reasons_of(path)] == ["The row is not UTF-8 text."]
    assert len(cells_of(path)) == 1


def test_a_gzip_file_that_is_cut_off_says_so_after_its_good_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    lines = [f"{number},{number * 7919 % 104_729}" for number in range(50_000)]
    path.write_bytes(gzip.compress("\n".join(["a,b", *lines]).encode())[:-1000])

    read: list[Row | BadRow] = []
    with pytest.raises(InvalidRequest, match="damaged or cut off after line"), opened(path) as file:
        read.extend(file.rows)
    assert len(read) > 40_000


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.xlsx", b"", "neither .csv nor .jsonl by its name"),
        ("a.csv", b"", "no first line"),
        ("a.csv", b"\xffa,b\n", "first line is not UTF-8"),
        ("a.csv", b"a" * MAX_LINE_LENGTH, "Line 1 is over 1000000 characters"),
    ],
)
def test_a_file_that_cannot_be_usage_is_refused(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(InvalidRequest, match=complaint):
        rows_of(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read: No such file"):
        rows_of(tmp_path / "a.csv")


def test_a_quote_left_open_is_bad_and_names_the_lines_it_swallowed(tmp_path: Path) -> None:
    path = a_file(tmp_path, "a,b", '1,"open', "2,x", "3,y")

    assert reasons_of(path) == [(2, "The row is not CSV (lines 2 to 4): unexpected end of data.")]

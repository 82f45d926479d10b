"""CSV files as people supply them: every problem with its line, nothing that a spreadsheet would run."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.actions.csv_rows import (
    FILE_BYTES_MAX,
    ROWS_MAX,
    Columns,
    header,
    read_rows,
    repeated,
    written,
)
from aggregator.errors import Invalid

COLUMNS = Columns(required=("name", "quantity"), optional=("note",), numbers=frozenset({"quantity"}))


def test_cells_are_found_by_the_name_of_their_column() -> None:
    rows, problems = read_rows(b"quantity,name\n5, acme \n", COLUMNS)
    assert not problems
    assert [(row.line, row["name"], row["quantity"], row["note"]) for row in rows] == [(2, "acme", "5", "")]


@pytest.mark.parametrize(
    "text", ["name;quantity\nacme;5\n", "name\tquantity\nacme\t5", "\ufeffNAME,Quantity\r\nacme,5"]
)
def test_what_spreadsheets_write_is_read(text: str) -> None:
    rows, problems = read_rows(text.encode(), COLUMNS)
    assert not problems
    assert [(row["name"], row["quantity"]) for row in rows] == [("acme", "5")]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-x", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_a_formula_is_refused_with_its_line_and_column(cell: str) -> None:
    _, problems = read_rows(f'name,quantity\nok,1\n"{cell}",2\n'.encode(), COLUMNS)
    assert [(problem.line, problem.column) for problem in problems] == [(3, "name")]
    assert "formula" in problems[0].text


def test_a_number_may_be_negative() -> None:
    assert read_rows(b"name,quantity\nacme,-5\n", COLUMNS)[1] == []


def test_every_problem_is_named_with_its_line() -> None:
    _, problems = read_rows(b'name,quantity\n,1\n"two\nlines",\nacme,1,x,y\n', COLUMNS)
    assert [(problem.line, problem.column) for problem in problems] == [(2, "name"), (3, "quantity"), (5, "")]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (b"", "is empty"),
        (b"name\n", "quantity is missing"),
        (b"name,quantity,colour\n", "'colour' is no column"),
        (b"name,name,quantity\n", "named twice"),
        ("name,quantity\nMüller,1\n".encode("latin-1"), "line 2 is not UTF-8"),
        ("name,quantity\n".encode("utf-16"), "UTF-16"),
        (b"name,quantity\na\0b,1\n", "zero character"),
        (b'name,quantity\n"acme,1\n', "check the quotes"),
        (b"name,quantity\n" + b"a,1\n" * (ROWS_MAX + 1), "more than"),
        (b"x" * (FILE_BYTES_MAX + 1), "bytes"),
    ],
)
def test_what_is_no_such_file_is_refused_as_a_whole(file: bytes, text: str) -> None:
    with pytest.raises(Invalid, match=text):
        read_rows(file, COLUMNS)


def test_a_second_row_about_the_same_thing_is_a_problem() -> None:
    rows, _ = read_rows(b"name,quantity\nacme,1\nglobex,1\nacme,2\n", COLUMNS)
    assert [(problem.line, problem.text) for problem in repeated(rows, ["name"])] == [
        (4, "is the same as line 2; keep one of them")
    ]


@given(st.binary(max_size=300))
def test_no_file_is_more_than_invalid(file: bytes) -> None:
    with contextlib.suppress(Invalid):
        read_rows(b"name,quantity\n" + file, COLUMNS)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30).map(str.strip))
def test_what_is_written_is_read_again_and_begins_no_formula(name: str) -> None:
    line = written({"name": name, "quantity": "-5"}, COLUMNS)
    assert not line.lstrip('"').startswith(("=", "+", "-", "@"))
    rows, problems = read_rows((header(COLUMNS) + line).encode(), COLUMNS)
    assert [(row["name"], row["quantity"]) for row in rows] == [(name, "-5")]
    assert [problem.text for problem in problems] == ([] if name else ["is empty"])

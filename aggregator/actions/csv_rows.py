"""CSV files: read into rows with line numbers, everything wrong with their shape said at once; and written.

Knows the table's columns, not what they mean. What a spreadsheet would take for a formula is refused: such a text in a
name came from a mistake or an attack, and would run in the next spreadsheet that the name is exported to.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aggregator.errors import Invalid

# With what is around it, a file must fit into one message.
FILE_BYTES_MAX = 3 * 1024 * 1024
ROWS_MAX = 20_000
CELL_CHARACTERS_MAX = 10_000
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
# What our own exports put before such a text; it is taken off again.
ESCAPE = "'"
_DELIMITERS = (",", ";", "\t")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in a line of the file; ``column`` is empty where the whole line is meant. The header is line 1."""

    line: int
    column: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one line by column, without spaces around them; a column that the file lacks is empty."""

    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a table's file may contain. ``numbers`` may begin with a minus; everything else must not look like a formula."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    numbers: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the order in which they are written."""
        return (*self.required, *self.optional)


def read_rows(file: bytes, columns: Columns) -> tuple[list[Row], list[Problem]]:
    """The rows that can be used, and every problem. Raises ``Invalid`` when it is no such file at all."""
    text = _decoded(file)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    rows: list[Row] = []
    problems: list[Problem] = []
    try:
        names = _header(next(lines, []), columns)
        begins = lines.line_num + 1
        for cells in lines:
            line, begins = begins, lines.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if len(rows) == ROWS_MAX:
                raise Invalid("file", f"has more than {ROWS_MAX} rows; cut it into several")
            row, found = _row(line, cells, names, columns)
            rows.append(row)
            problems += found
    except csv.Error as error:
        raise Invalid("file", f"line {lines.line_num}: is not CSV ({error}); check the quotes") from None
    return rows, problems


def repeated(rows: Sequence[Row], keys: Sequence[str]) -> list[Problem]:
    """Rows that are about the same thing as one before, told by the cells of ``keys``; those without any are left out."""
    first: dict[tuple[str, ...], int] = {}
    problems = []
    for row in rows:
        key = tuple(row[name] for name in keys)
        if not any(key):
            continue
        line = first.setdefault(key, row.line)
        if line != row.line:
            problems.append(Problem(row.line, keys[0], f"is the same as line {line}; keep one of them"))
    return problems


def written(cells: Mapping[str, str], columns: Columns) -> str:
    """One line of a CSV file that ``read_rows`` reads as these cells; what begins like a formula is escaped."""
    out = io.StringIO(newline="")
    line = [
        _escaped(cells.get(name, "")) if name not in columns.numbers else cells.get(name, "")
        for name in columns.names
    ]
    csv.writer(out, lineterminator="\r\n").writerow(line)
    return out.getvalue()


def header(columns: Columns) -> str:
    """The first line of such a file."""
    return ",".join(columns.names) + "\r\n"


def _escaped(cell: str) -> str:
    return ESCAPE + cell if cell.lstrip(ESCAPE).startswith(FORMULA_SIGNS) else cell


def _decoded(file: bytes) -> str:
    if len(file) > FILE_BYTES_MAX:
        raise Invalid(
            "file", f"has {len(file)} bytes; at most {FILE_BYTES_MAX} are taken, cut it into several"
        )
    if file.startswith(_UTF16):
        raise Invalid("file", "is UTF-16; save it as CSV in UTF-8")
    try:
        text = file.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.count(b"\n", 0, error.start) + 1
        raise Invalid("file", f"line {line} is not UTF-8; save the file as CSV in UTF-8") from None
    if "\0" in text:
        raise Invalid("file", "contains a zero character; it is no CSV file")
    return text


def _delimiter(text: str) -> str:
    """That of the header: spreadsheets of half of the world write semicolons."""
    header = text.split("\n", 1)[0]
    return max(_DELIMITERS, key=header.count)


def _header(cells: Sequence[str], columns: Columns) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    if not any(names):
        raise Invalid("file", f"is empty; its first line must name the columns: {', '.join(columns.names)}")
    unknown = [name for name in names if name not in columns.names]
    if unknown:
        known = ", ".join(columns.names)
        raise Invalid("file", f"line 1: {unknown[0][:80]!r} is no column of this table; they are {known}")
    missing = [name for name in columns.required if name not in names]
    if missing:
        raise Invalid("file", f"line 1: the column {missing[0]} is missing")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Invalid("file", f"line 1: the column {twice} is named twice")
    return names


def _row(
    line: int, cells: Sequence[str], header: Sequence[str], columns: Columns
) -> tuple[Row, list[Problem]]:
    found = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
    problems = []
    if len(cells) != len(header):
        problems.append(Problem(line, "", f"has {len(cells)} cells, the header has {len(header)}"))
    for name, cell in found.items():
        if len(cell) > CELL_CHARACTERS_MAX:
            problems.append(Problem(line, name, f"has more than {CELL_CHARACTERS_MAX} characters"))
        if cell.startswith(ESCAPE) and cell.lstrip(ESCAPE).startswith(FORMULA_SIGNS):
            found[name] = cell[1:]
        elif name not in columns.numbers and cell.startswith(FORMULA_SIGNS):
            problems.append(
                Problem(
                    line, name, f"begins with {cell[0]!r}, which spreadsheets take for a formula; remove it"
                )
            )
        elif name in columns.required and not cell:
            problems.append(Problem(line, name, "is empty"))
    return Row(line, found), problems

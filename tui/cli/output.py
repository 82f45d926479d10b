"""Rows on stdout: as a table for eyes, as JSON, as JSON lines, or as CSV.

JSON carries decimals as texts, so that no program turns money into floats, times as ISO 8601 in UTC, and null for what
is not known. Whatever the form, nothing in a name can act on a terminal or a spreadsheet.
"""

import csv
import io
import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TextIO

from tui.format import NONE, clean, yes

Value = str | int | bool | Decimal | datetime | None | Mapping[str, "Value"] | Sequence["Value"]
Row = Mapping[str, Value]

FORMATS = ("table", "json", "jsonl", "csv")
# A spreadsheet takes a cell that starts with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# No cell is ever cut to fit the terminal.
_TABLE_COLUMNS = 1_000_000


def write(rows: Sequence[Row], columns: Sequence[str], form: str, file: TextIO | None = None) -> None:
    """All rows to ``file`` (stdout). A table shows ``columns`` only, the other forms every field."""
    out = sys.stdout if file is None else file
    match form:
        case "json":
            print(to_json(list(rows), indent=2), file=out)
        case "jsonl":
            for row in rows:
                print(to_json(row), file=out)
        case "csv":
            out.write(to_csv(rows, columns))
        case _:
            out.write(to_table(rows, columns))
    out.flush()


def write_object(row: Row, form: str, file: TextIO | None = None) -> None:
    """One thing with everything it holds: ``json`` for eyes, ``jsonl`` on one line."""
    print(to_json(row, indent=2 if form == "json" else None), file=file or sys.stdout, flush=True)


def write_facts(row: Row, form: str, file: TextIO | None = None) -> None:
    """One thing: a line per field for eyes, one object or one row for programs."""
    match form:
        case "json" | "jsonl":
            write_object(row, form, file)
        case "csv":
            write([row], tuple(row), form, file)
        case _:
            write(
                [{"field": name, "value": value} for name, value in row.items()],
                ("field", "value"),
                form,
                file,
            )


def to_json(value: Value, *, indent: int | None = None) -> str:
    """Exact and printable: what a terminal could take for a command is escaped."""
    text = json.dumps(_plain(value), ensure_ascii=False, indent=indent)
    return "".join(_escaped(c) if c != "\n" and unicodedata.category(c)[0] == "C" else c for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _plain(value: Value) -> object:
    match value:
        case bool() | int() | str() | None:
            return value
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Mapping():
            return {name: _plain(part) for name, part in value.items()}
        case _:
            return [_plain(part) for part in value]


def to_csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """RFC 4180 with a header line, also when there are no rows."""
    out = io.StringIO()
    names = list(rows[0]) if rows else list(columns)
    writer = csv.writer(out)
    writer.writerow(names)
    for row in rows:
        writer.writerow(_csv_cell(row[name]) for name in names)
    return out.getvalue()


def _csv_cell(value: Value) -> str:
    """Texts that a spreadsheet would calculate start with an apostrophe; figures stay figures."""
    if isinstance(value, Decimal | bool | int | datetime) or value is None:
        plain = _plain(value)
        return "" if plain is None else yes(plain) if isinstance(plain, bool) else str(plain)
    raw = value if isinstance(value, str) else to_json(value)
    shown = clean(raw, 100_000)
    # Checked before cleaning too: a tab or CR has become a harmless character by then, but its intent stays marked.
    return f"'{shown}" if raw.startswith(_FORMULA) else shown


def to_table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Columns as wide as their widest cell, figures to the right; empty for no rows."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return ""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    for name in columns:
        known = [row[name] for row in rows if row[name] is not None]
        figures = all(isinstance(value, Decimal | int) and not isinstance(value, bool) for value in known)
        table.add_column(Text(name.replace("_", " ")), justify="right" if figures else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(_table_cell(row[name])) for name in columns))
    out = io.StringIO()
    Console(file=out, width=_TABLE_COLUMNS, color_system=None, legacy_windows=False).print(table, crop=False)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _table_cell(value: Value) -> str:
    match value:
        case None | "":
            return NONE
        case bool():
            return yes(value)
        case Decimal():
            return f"{value:,f}"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")
        case str():
            return clean(value, 10_000)
        case int():
            return str(value)
        case Mapping():
            return clean(", ".join(f"{name}={_table_cell(part)}" for name, part in value.items()), 10_000)
        case _:
            return clean(", ".join(_table_cell(part) for part in value), 10_000)

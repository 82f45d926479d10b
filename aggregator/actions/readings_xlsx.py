"""A table as a spreadsheet file: texts stay texts, and numbers that a spreadsheet would round are written as texts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from io import BytesIO

import xlsxwriter

from aggregator.errors import Invalid

ROWS_MAX = 1_048_575
CELL_CHARACTERS_MAX = 32_767
# Spreadsheets count in doubles, which keep so many digits of any decimal.
DIGITS_MAX = 15


def workbook(
    columns: Sequence[str],
    rows: Iterable[Mapping[str, str | Decimal | None]],
    *,
    sheet: str,
    made_at: datetime,
) -> bytes:
    """The whole file. Raises ``Invalid`` for more rows than a sheet can have."""
    out = BytesIO()
    book = xlsxwriter.Workbook(
        out,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
        },
    )
    # The same rows are the same file.
    book.set_properties({"created": made_at.replace(tzinfo=None)})
    page = book.add_worksheet(sheet)
    for place, name in enumerate(columns):
        page.write_string(0, place, name)
    for number, row in enumerate(rows, start=1):
        if number > ROWS_MAX:
            raise Invalid(
                "format", f"a sheet has at most {ROWS_MAX} rows; ask for one client, or for format csv"
            )
        for place, name in enumerate(columns):
            value = row[name]
            if isinstance(value, Decimal) and _fits(value):
                page.write_number(number, place, float(value))
            elif value not in (None, ""):
                page.write_string(number, place, _text(value))
    page.freeze_panes(1, 0)
    book.close()
    return out.getvalue()


def _fits(value: Decimal) -> bool:
    return len(value.as_tuple().digits) <= DIGITS_MAX


def _text(value: str | Decimal | None) -> str:
    return (f"{value:f}" if isinstance(value, Decimal) else str(value))[:CELL_CHARACTERS_MAX]

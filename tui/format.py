"""How figures, times and names are written for people; the one place where hostile text is made harmless.

Names, descriptions and labels come from agents and files. Whoever shows one calls ``clean`` (plain text) or ``text``
(a cell); neither ever interprets markup or lets a control character through to the terminal.
"""

import unicodedata
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ullage.wire import to_decimal, to_time

TEXT_CHARACTERS_MAX = 200
# For "does not apply" and "not known".
NONE = "—"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_REPLACEMENT = "\ufffd"
# Zero-width marks that pile up on one cell are category M, not C.
_MARKS_MAX = 2


def clean(value: str, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """On one line, without control, format, surrogate and unassigned characters, cut with an ellipsis."""
    if len(value) > characters_max:
        value = value[: characters_max - 1] + "…"
    if value.isascii() and value.isprintable():
        return value
    kept: list[str] = []
    marks = 0
    for character in value:
        category = unicodedata.category(character)
        if category[0] == "C" or category in {"Zl", "Zp"}:
            kept.append(_REPLACEMENT)
            marks = 0
        elif category[0] == "M":
            marks += 1
            if marks <= _MARKS_MAX:
                kept.append(character)
        else:
            kept.append(character)
            marks = 0
    return "".join(kept)


def text(value: str, style: str = "") -> Text:
    """A cell of cleaned text; never markup."""
    return Text(clean(value), style=style, no_wrap=True, end="")


def fit(cell: Text, width: int, *, right: bool = False) -> Text:
    """The cell cut to ``width`` columns with an ellipsis, moved to the right edge if asked."""
    if cell.cell_len > width:
        cell = cell.copy()
        cell.truncate(max(width, 1), overflow="ellipsis")
    if right and cell.cell_len < width:
        cell = cell.copy()
        cell.pad_left(width - cell.cell_len)
    return cell


def cut(value: str, width: int) -> str:
    """Cleaned and at most ``width`` columns wide."""
    value = clean(value)
    return value if cell_len(value) <= width else set_cell_size(value, max(width - 1, 0)) + "…"


def decimal(field: str) -> Decimal | None:
    """None for an empty field; a field that is no number is the aggregator's mistake and shown as unknown."""
    try:
        return to_decimal(field)
    except ValueError:
        return None


def number(value: Decimal | int) -> str:
    """With thousands separators and no zeros behind the last digit that counts."""
    written = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,d}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def quantity(field: str, symbol: str = "", *, short: bool = False) -> str:
    """``1,234.57 GiB``: two decimals from 100 on, more below; ``short``: none from 1,000 on. A dash for an empty field."""
    value = decimal(field)
    if value is None:
        return NONE
    size = abs(value)
    places = 2 if size >= 100 else 3 if size >= 1 else 4
    if short:
        places = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 4
    smallest = Decimal(1).scaleb(-places)
    rounded = value.quantize(smallest, ROUND_HALF_UP)
    shown = number(rounded) if rounded or not value else f"< {smallest:f}"
    return f"{shown} {clean(symbol, 16)}" if symbol else shown


def money(field: str, currency: str) -> str:
    """``EUR 1,234.50`` with the decimals it came with; a dash for an empty field."""
    value = decimal(field)
    return NONE if value is None else f"{clean(currency, 3)} {value:,f}"


def percent(field: str, *, signed: bool = False) -> str:
    """``104 %``, one decimal below 10; a dash for an empty field."""
    value = decimal(field)
    if value is None:
        return NONE
    places = 1 if abs(value) < 10 and value != value.to_integral_value() else 0
    sign = "+" if signed else ""
    return f"{value:{sign},.{places}f} %"


def of_commit(field: str) -> str:
    """As :func:`percent`; what is above the commit never reads as equal to it, which is not over: ``>100 %``."""
    value = decimal(field)
    shown = percent(field)
    return f">{shown}" if value is not None and value > 100 and shown == "100 %" else shown


def moment(stamp: Timestamp | None) -> datetime | None:
    """Aware and UTC; None for an unset field."""
    return None if stamp is None or (stamp.seconds == 0 and stamp.nanos == 0) else to_time(stamp)


def ago(at: datetime | None, now: datetime) -> str:
    """``34 s ago``, ``3 h ago``, ``in 5 min``; ``never`` for None."""
    if at is None:
        return "never"
    span = now - at
    if abs(span) < timedelta(seconds=1):
        return "now"
    return f"in {duration(-span)}" if span < timedelta() else f"{duration(span)} ago"


def duration(span: timedelta) -> str:
    """The largest unit of which there is at least one, from seconds to years."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit in ((31_536_000, "y"), (86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def stamp(at: datetime | None) -> str:
    """``2026-11-21 09:05 UTC``; a dash for None."""
    return NONE if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def day(at: datetime | None, zone: str = "UTC") -> str:
    """``2026-11-21`` in that zone; a dash for None."""
    return NONE if at is None else at.astimezone(_zone(zone)).strftime("%Y-%m-%d")


def days(start: datetime | None, end: datetime | None, zone: str) -> str:
    """First and last day of a half-open span that begins and ends at midnights of the zone: ``2026-10-01 – 10-31``."""
    if start is None or end is None:
        return NONE
    first, last = day(start, zone), day(end - timedelta(microseconds=1), zone)
    return f"{first} – {last[5:] if last[:4] == first[:4] else last}"


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    """UTC for a zone that this host does not know."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return UTC


def clock(at: datetime | None) -> str:
    """``09:05:12``, UTC; a dash for None."""
    return NONE if at is None else at.astimezone(UTC).strftime("%H:%M:%S")


def plural(count: int, noun: str) -> str:
    """``1 asset``, ``2,000 assets``, ``no assets``; a noun on s, like series, stays as it is."""
    if count == 1:
        return f"1 {noun}"
    many = noun if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {many}" if count else f"no {many}"


def yes(value: bool) -> str:
    """``yes`` or ``no``."""
    return "yes" if value else "no"


def words_of_act(act: str) -> str:
    """``assign assets`` of ``Inventory/AssignAssets``; other names stay as they are."""
    name = clean(act.rpartition("/")[2], 60)
    return "".join(f" {c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name)).strip()


def month_name(month: str) -> str:
    """``Oct 2026`` of ``2026-10``; what is no month stays as it is."""
    year, _, number = clean(month, 7).partition("-")
    known = number.isdecimal() and 1 <= int(number) <= len(MONTHS)
    return f"{MONTHS[int(number) - 1]} {year}" if known else f"{year}-{number}" if number else year

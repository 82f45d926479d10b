"""What all charts share: round figures for axes, bars and columns in eighths of a cell, names of months.

Charts are text: block characters and figures that mean the same without colour, over a slow link and in a mail.
"""

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from rich.cells import cell_len
from rich.text import Text

from tui.format import MONTHS, clean

# Halves of these are as short as they are.
_ROUND = tuple(Decimal(step) for step in ("1", "1.5", "2", "3", "4", "5", "6", "8", "10"))
_LARGE = ((12, "tn"), (9, "bn"), (6, "M"), (3, "k"))
# Figures beyond are written with an exponent.
_EXPONENT_MAX = 15
_EXPONENT_MIN = -4
_DIGITS_SHOWN = 3
_RISING = " ▁▂▃▄▅▆▇█"
_GROWING = " ▏▎▍▌▋▊▉"
_EIGHTHS = 8


def round_up(value: Decimal) -> Decimal:
    """The next figure that people like to read at an axis; 1 for nothing and for less."""
    if value <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(value.adjusted())
    return next(step * power for step in _ROUND if step * power >= value)


def short(value: Decimal) -> str:
    """``12.5k``: three digits and the size, for axes; the exact figure stands elsewhere."""
    if not value:
        return "0"
    if not _EXPONENT_MIN <= value.adjusted() < _EXPONENT_MAX:
        return f"{value:.0e}"
    # 999.9 is 1,000 in three digits.
    value = value.quantize(Decimal(1).scaleb(value.adjusted() - _DIGITS_SHOWN + 1), ROUND_HALF_UP)
    size = value.adjusted()
    power, name = next(((power, name) for power, name in _LARGE if size >= power), (0, ""))
    scaled = value.scaleb(-power)
    written = f"{scaled:.{max(_DIGITS_SHOWN - 1 - scaled.adjusted(), 0)}f}"
    return f"{written.rstrip('0').rstrip('.') if '.' in written else written}{name}"


def bar(share: Decimal, cells: int) -> str:
    """To the right, in eighths of a cell; what is more than nothing is seen, what is less has none."""
    eighths = min(max(int(share * cells * _EIGHTHS), 1 if share > 0 else 0), cells * _EIGHTHS)
    full, rest = divmod(eighths, _EIGHTHS)
    return "█" * full + (_GROWING[rest] if rest else "")


def rising(height: Decimal, rows: int) -> list[str]:
    """A column of so many rows' height, from its top row to its lowest; what is more than nothing is seen."""
    eighths = max(int(height * _EIGHTHS), 1 if height > 0 else 0)
    return [_RISING[min(max(eighths - row * _EIGHTHS, 0), _EIGHTHS)] for row in reversed(range(rows))]


def hanging(depth: Decimal, rows: int) -> list[str]:
    """The same downwards from its top row, in halves of a cell: there are no finer blocks that hang."""
    halves = int((depth * 2).to_integral_value(ROUND_CEILING)) if depth >= Decimal("0.25") else 0
    cells = ["█" if halves >= 2 * row + 2 else "▀" if halves == 2 * row + 1 else " " for row in range(rows)]
    if rows and depth > 0 and not halves:
        cells[0] = "▔"
    return cells


def short_month(month: str) -> str:
    """``Nov`` of ``2026-11``; what is no month is three question marks."""
    number = clean(month, 7).partition("-")[2]
    return MONTHS[int(number) - 1] if number.isdecimal() and 1 <= int(number) <= len(MONTHS) else "???"


def following(month: str) -> str:
    """The month after; itself where it is none."""
    year, _, number = month.partition("-")
    if not (year.isdecimal() and number.isdecimal()) or len(month) > len("2026-11"):
        return month
    return f"{int(year) + 1}-01" if int(number) >= len(MONTHS) else f"{year}-{int(number) + 1:02d}"


def labelled(places: Sequence[tuple[int, str]], width: int) -> str:
    """Labels centred on their cells, as many as stand apart; the last of them is sure of its place."""
    line = [" "] * width
    free = width
    for at, label in reversed(places):
        cells = cell_len(label)
        start = min(max(at - cells // 2, 0), width - cells)
        if start < 0 or start + cells > free:
            continue
        line[start : start + cells] = label
        free = start - 1
    return "".join(line).rstrip()


def lines_of(lines: Sequence[Text]) -> Text:
    """What a widget draws."""
    return Text("\n", no_wrap=True, overflow="crop").join(lines)

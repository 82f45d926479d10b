"""What the charts draw of which figures: no pixels, so what is drawn can be read here as it is read on a terminal."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
from rich.cells import cell_len
from rich.text import Text

from tests.tui import builders
from tui.widgets.chart import draw_revenue, draw_usage
from tui.widgets.chart_scale import bar, hanging, rising, round_up, short
from tui.widgets.chart_trend import draw_trend, month_of, window
from ullage.v1 import analysis_pb2, insight_pb2, inventory_pb2, types_pb2
from ullage.wire import from_time

SIZES = [(120, 40), (78, 8), (58, 7), (36, 5), (20, 3), (8, 2), (1, 1)]


def lines(drawn: Text) -> list[str]:
    return [line.rstrip() for line in drawn.plain.splitlines()]


def month(index: int) -> str:
    """The month so many after December 2025."""
    return f"{2025 + (11 + index) // 12}-{(11 + index) % 12 + 1:02d}"


def usage(*values: str, kind: str = "level") -> inventory_pb2.SeriesUsage:
    made = inventory_pb2.SeriesUsage(unit_type="ram", symbol="GiB", kind=kind)
    for index, value in enumerate(values):
        at = builders.NOW - timedelta(days=len(values) - 1 - index)
        made.days.add(at=from_time(at), value=value)
    return made


def revenue(*amounts: str, currency: str = "EUR") -> list[insight_pb2.MonthRevenue]:
    """From December 2025 on; ``-`` for a month that is not told of."""
    return [
        insight_pb2.MonthRevenue(
            month=month(index),
            revenue=types_pb2.Money(currency=currency, amount=amount.rstrip("~")),
            provisional=amount.endswith("~"),
        )
        for index, amount in enumerate(amounts)
        if amount != "-"
    ]


def trend(*pairs: tuple[str, str], currency: str = "EUR") -> list[analysis_pb2.TrendPoint]:
    def money(amount: str) -> types_pb2.Money:
        return types_pb2.Money(currency=currency, amount=amount)

    return [
        analysis_pb2.TrendPoint(
            month=month(index), overage=money(over), buffer=money(under), cost=money("9000.00")
        )
        for index, (over, under) in enumerate(pairs)
    ]


# What several charts are made of.


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        ("0", "1"),
        ("-4", "1"),
        ("19", "20"),
        ("20", "20"),
        ("20.1", "30"),
        ("0.00031", "0.0004"),
        ("987654321", "1000000000"),
    ],
)
def test_a_scale_ends_at_a_round_figure(value: str, rounded: str) -> None:
    assert round_up(Decimal(value)) == Decimal(rounded)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("0", "0"),
        ("0.5", "0.5"),
        ("12.50", "12.5"),
        ("1500", "1.5k"),
        ("999999", "1M"),
        ("86.25", "86.3"),
        ("2000000", "2M"),
        ("1E+9", "1bn"),
        ("0.0004", "0.0004"),
        ("0.000004", "4e-6"),
        ("4E+20", "4e+20"),
        ("-2500", "-2.5k"),
    ],
)
def test_figures_of_an_axis_are_short(value: str, written: str) -> None:
    assert short(Decimal(value)) == written


def test_what_is_more_than_nothing_is_always_seen() -> None:
    tiny = Decimal("0.000001")
    assert (bar(tiny, 10), rising(tiny, 2), hanging(tiny, 2)) == ("▏", [" ", "▁"], ["▔", " "])
    assert (bar(Decimal(0), 10), rising(Decimal(0), 1), hanging(Decimal(0), 1)) == ("", [" "], [" "])
    assert (bar(Decimal(7), 3), rising(Decimal(7), 2), hanging(Decimal(7), 2)) == (
        "███",
        ["█"] * 2,
        ["█"] * 2,
    )


# Usage of the last 30 days.


def test_usage_has_a_unit_a_scale_columns_and_dates() -> None:
    drawn = draw_usage(usage("4", "8", "", "0", "2", "1", "8", "8"), width=48, height=7)
    assert lines(drawn) == [
        "ram, GiB (daily mean)                  highest 8",
        "8┤    ████                ████████",
        " │    ████                ████████",
        "4┤████████                ████████",
        " │████████ ·      ████▄▄▄▄████████",
        "0└─┴───────────────────────────┴──",
        "14 Nov                      21 Nov",
    ]


def test_amounts_of_days_stand_apart_and_a_day_without_a_reading_is_no_zero() -> None:
    drawn = draw_usage(usage("4", "", "0", "8", kind="amount"), width=52, height=5)
    assert lines(drawn) == [
        "ram, GiB a day  highest 8, · 1 day without a reading",
        "8┤            ███",
        " │███  ·      ███",
        "0└─────────────┴──",
        "            21 Nov",
    ]


def test_usage_of_thirty_days_fits_half_of_a_narrow_terminal_with_every_date() -> None:
    series = builders.usage(builders.detail(builders.asset(1, "x"))).series[0]
    drawn = lines(draw_usage(series, width=37, height=7))
    assert " ".join(drawn[-1].split()) == "24 Oct 31 Oct 7 Nov 14 Nov 21 Nov"
    assert drawn[-3].count("·") == 3
    assert len(drawn) == 7


def test_days_for_which_there_is_no_room_are_the_oldest() -> None:
    drawn = lines(draw_usage(usage(*(str(day) for day in range(1, 31))), width=13, height=6))
    assert drawn[1] == "30┤ ▁▂▃▄▄▅▆▇█"
    assert drawn[-1].endswith("21 Nov")


@pytest.mark.parametrize("values", [(), ("", "")])
def test_no_usage_is_said_in_words(values: tuple[str, ...]) -> None:
    assert draw_usage(usage(*values), width=40, height=6).plain == "No usage in the last 30 days"
    assert draw_usage(None, width=40, height=6).plain == "No usage in the last 30 days"


def test_usage_that_is_all_zero_has_an_axis_and_no_columns() -> None:
    drawn = lines(draw_usage(usage("0", "0", "0"), width=40, height=6))
    assert drawn[0].endswith("highest 0")
    assert "█" not in "".join(drawn)


# Revenue by month.


def test_revenue_has_a_line_a_month_with_its_figure_and_marks_what_is_provisional() -> None:
    assert lines(draw_revenue(revenue("50.00", "100.00", "75.00~"), width=27, height=3)) == [
        "Dec 25  ██████        50.00",
        "Jan 26  ████████████ 100.00",
        "Feb 26~ █████████     75.00",
    ]


def test_a_month_without_a_bill_is_a_dash_and_not_zero() -> None:
    drawn = lines(draw_revenue(revenue("50.00", "-", "-", "0.00", "100.00"), width=30, height=9))
    assert drawn[1:4] == [
        "Jan 26                       —",
        "Feb 26                       —",
        "Mar 26                    0.00",
    ]


def test_money_given_back_points_to_the_other_side() -> None:
    drawn = lines(draw_revenue(revenue("100.00", "-40.00"), width=30, height=2))
    assert drawn[1] == "Jan 26  ◂               -40.00"


def test_one_huge_month_leaves_the_others_a_trace() -> None:
    drawn = lines(draw_revenue(revenue("0.01", "987654321.00"), width=40, height=2))
    assert drawn[0].startswith("Dec 25  ▏")
    assert drawn[1].endswith("█ 987,654,321.00")


def test_yen_have_no_decimals() -> None:
    drawn = lines(draw_revenue(revenue("900000", "1200000", currency="JPY"), width=30, height=2))
    assert [line.split()[-1] for line in drawn] == ["900,000", "1,200,000"]


def test_with_little_room_the_newest_months_and_the_figures_stay() -> None:
    drawn = lines(draw_revenue(revenue("1.00", "2.00", "1234567.00"), width=22, height=2))
    assert drawn == ["Jan 26           2.00", "Feb 26   1,234,567.00"]


def test_no_revenue_is_said_in_words() -> None:
    assert draw_revenue([], width=30, height=5).plain == "No billing history"


# Overage and buffer of twelve months.


def test_overage_rises_and_buffer_hangs_on_one_scale() -> None:
    drawn = lines(draw_trend(trend(("100", "0"), ("0", "200"), ("50", "50")), month(1), width=60, height=6))
    assert drawn == [
        "Trend  Jan 2026  ▲ overage EUR 0  ▼ buffer EUR 200",
        "200┤",
        "   │██████          ▄▄▄▄▄▄",
        "  0┼Dec     Jan     Feb",
        "   │        ██████  ▀▀▀▀▀▀",
        "200┤        ██████",
    ]


def test_the_month_under_the_cursor_stands_out_and_its_figures_are_exact() -> None:
    points = trend(*[("1234.50", "88.25")] * 12)
    points[5].provisional = True
    drawn = draw_trend(points, month(5), width=90, height=8)
    assert (
        lines(drawn)[0] == "Trend  May 2026~  ▲ overage EUR 1,234.50  ▼ buffer EUR 88.25  cost EUR 9,000.00"
    )
    reversed_parts = [
        drawn.plain[span.start : span.end] for span in drawn.spans if "reverse" in str(span.style)
    ]
    assert reversed_parts == ["May~"]


@pytest.mark.parametrize("width", [78, 58, 40])
def test_a_trend_fits_and_never_cuts_a_figure(width: int) -> None:
    points = trend(*[("1234.50", "88.25")] * 12)
    drawn = lines(draw_trend(points, month(11), width=width, height=7))
    assert all(cell_len(line) <= width for line in drawn)
    assert "EUR 1,234.50" in drawn[0]
    assert "EUR 88.25" in drawn[0]
    assert len(drawn) == 7


def test_a_trend_without_overage_or_with_nothing_at_all_has_no_columns_there() -> None:
    under = lines(draw_trend(trend(*[("0", "40")] * 12), month(11), width=78, height=8))
    axis = next(index for index, line in enumerate(under) if "┼" in line)
    assert not any("█" in line for line in under[:axis])
    assert any("█" in line for line in under[axis:])
    nothing = lines(draw_trend(trend(*[("0", "0")] * 12), month(11), width=78, height=8))
    assert not any(mark in line for line in nothing[1:] for mark in "█▀▔▁")


def test_one_huge_month_of_a_trend_leaves_the_others_a_trace() -> None:
    points = trend(*[("1", "40000")] * 11, ("987654321", "40000"))
    drawn = lines(draw_trend(points, month(11), width=78, height=8))
    assert sum(line.count("▁▁▁▁") for line in drawn) == 11
    assert drawn[-1].count("▔▔▔▔") == 12


def test_negative_amounts_of_a_trend_are_told_and_not_drawn() -> None:
    drawn = lines(draw_trend(trend(("-5", "-4")), month(0), width=78, height=8))
    assert "EUR -5" in drawn[0]
    assert not any(mark in line for line in drawn[1:] for mark in "█▀▔▁")


def test_yen_of_a_trend_have_no_decimals() -> None:
    drawn = lines(draw_trend(trend(("5050381", "948124"), currency="JPY"), month(0), width=78, height=8))
    assert "▲ overage JPY 5,050,381  ▼ buffer JPY 948,124" in drawn[0]


def test_a_month_of_which_nothing_is_told_keeps_its_place() -> None:
    points = trend(("100", "0"), ("0", "200"), ("50", "50"))
    del points[1]
    drawn = lines(draw_trend(points, month(1), width=60, height=6))
    assert drawn[0] == "Jan 2026  — no billing readings in this month"
    assert "Dec     (Jan)   Feb" in "".join(drawn)
    assert draw_trend([], month(1), width=60, height=6).plain == "Trend  No billing readings in these months"


def test_the_twelve_months_reach_back_to_the_month_under_the_cursor() -> None:
    points = trend(*[("1", "1")] * 20)
    assert [month_of(one) for one in window(points, month(19))] == [month(index) for index in range(8, 20)]
    assert [month_of(one) for one in window(points, month(8))] == [month(index) for index in range(8, 20)]
    assert [month_of(one) for one in window(points, month(7))] == [month(index) for index in range(8)]


def test_what_is_no_month_has_its_place_too() -> None:
    points = trend(("1", "1"), ("2", "2"))
    points[0].month, points[1].month = "\x1b[2J", "9999-99"
    drawn = draw_trend(points, "9999-99", width=60, height=6)
    assert [month_of(one) for one in window(points, "9999-99")] == ["\x1b[2J", "9999-99"]
    assert lines(drawn)[3].split() == ["0┼???", "???"]
    assert "\x1b" not in drawn.plain


# All of them.

HUGE: Sequence[str] = ("0", "1", "", "12345678901234567890123.5", "-7", "0.000000001")


@pytest.mark.parametrize("width", [size[0] for size in SIZES])
@pytest.mark.parametrize("height", [size[1] for size in SIZES])
def test_no_chart_breaks_at_any_size_with_any_figures(width: int, height: int) -> None:
    for kind in ("level", "amount"):
        for values in (HUGE, HUGE[:1], HUGE[4:5], ["3"] * 31):
            drawn = lines(draw_usage(usage(*values, kind=kind), width=width, height=height))
            assert len(drawn) <= max(height, 1)
    for amounts in (HUGE[:2], HUGE[3:], ["0"] * 12, ["-1"]):
        assert lines(draw_revenue(revenue(*amounts), width=width, height=height))
        pairs = [(one, two) for one, two in zip(amounts, reversed(amounts), strict=True)]
        assert len(lines(draw_trend(trend(*pairs), month(0), width=width, height=height))) <= max(height, 1)

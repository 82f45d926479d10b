"""A projection as it is drawn and said: beside its commit, with its range, and from when on it is above."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tests.tui import builders
from tests.tui.test_charts import HUGE, SIZES, lines
from tui.widgets.chart_projection import crossing, draw_projection, verdict
from ullage.v1 import billing_pb2
from ullage.wire import from_time

BERLIN = ZoneInfo("Europe/Berlin")


def projection(
    used: str, projected: str, low: str = "", high: str = "", percent: str = ""
) -> billing_pb2.Projection:
    return billing_pb2.Projection(
        current_quantity=used,
        projected_quantity=projected,
        low_quantity=low,
        high_quantity=high,
        percent_of_commit=percent,
        symbol="GiB",
        calculated_at=from_time(builders.NOW),
        period_end=from_time(builders.MONTH_END),
    )


def draw(one: billing_pb2.Projection, commit: str | None, width: int = 60) -> list[str]:
    return lines(draw_projection(one, None if commit is None else Decimal(commit), width=width))


def test_a_projection_stands_beside_its_commit_with_its_range() -> None:
    assert draw(projection("80", "96", "90", "105", "96"), "100", width=56) == [
        "so far     █████████████████    ┃                 80 GiB",
        "projected  ████████████████████▍┃                 96 GiB",
        "80 % range                    ├┼┃┤          90 – 105 GiB",
        "           ┴───────────────┴────┃─────────┴",
        "           0             commit 100 GiB",
    ]


def test_what_is_above_the_commit_looks_different_without_colour() -> None:
    drawn = draw(projection("120", "118", percent="118"), "100")
    assert all("█┃▒" in line for line in drawn[:2])
    assert drawn[2].endswith("not known")


@pytest.mark.parametrize("commit", ["0", None])
def test_without_a_commit_there_is_no_line(commit: str | None) -> None:
    assert "┃" not in "".join(draw(projection("80", "96", "90", "105"), commit))


def test_a_projection_without_room_is_its_figures() -> None:
    assert draw(projection("80", "118", "101", "131", "118"), "100", width=30) == [
        "so far            80 GiB",
        "projected        118 GiB",
        "80 % range 101 – 131 GiB",
        "commit           100 GiB",
    ]


@pytest.mark.parametrize(
    ("one", "commit", "aggregation", "words"),
    [
        (("80", "86", "", "", "86"), "100", "sum", "on track: ends at 86 % of the commit"),
        (("80", "100", "", "", "100"), "100", "sum", "on track: ends at 100 % of the commit"),
        (
            ("80", "96", "90", "105", "96"),
            "100",
            "avg",
            "on track: ends at 96 % of the commit, but one time in ten above 105 GiB",
        ),
        (("80", "118", "", "", "118"), "100", "sum", "▲ over from about 26 Nov: ends at 118 % of the commit"),
        (
            ("80", "118", "", "", "118"),
            "100",
            "avg",
            "▲ over at the end of the period: ends at 118 % of the commit",
        ),
        (("120", "118", "", "", "118"), "100", "avg", "▲ over already: ends at 118 % of the commit"),
        (
            ("80", "118", "", "", "118"),
            None,
            "sum",
            "▲ over at the end of the period: ends at 118 % of the commit",
        ),
        (("80", "118", "", "", ""), "0", "sum", "no commit: nothing to be over"),
        (("80", "118", "", "", ""), None, "", "no commit: nothing to be over"),
        (("", "", "", "", ""), "100", "sum", "not projected yet"),
    ],
)
def test_a_projection_is_said_in_words(
    one: tuple[str, ...], commit: str | None, aggregation: str, words: str
) -> None:
    said = verdict(projection(*one), None if commit is None else Decimal(commit), aggregation, BERLIN)
    assert said.plain == words


def test_the_day_of_crossing_lies_on_the_straight_line_to_the_end() -> None:
    one = projection("80", "120")
    half = builders.NOW + (builders.MONTH_END - builders.NOW) / 2
    at = crossing(one, Decimal(100))
    assert at is not None
    assert abs((at - half).total_seconds()) < 1
    assert crossing(one, Decimal(80)) is None
    assert crossing(one, Decimal(120)) is None


@pytest.mark.parametrize("width", [size[0] for size in SIZES])
def test_a_projection_of_any_figures_fits_any_width(width: int) -> None:
    for one in HUGE:
        for commit in (None, Decimal(0), Decimal("0.001"), Decimal(10) ** 22):
            assert lines(draw_projection(projection(one, one, one, one, one), commit, width=width))

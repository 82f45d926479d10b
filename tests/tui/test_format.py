"""How figures and names are written."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from tests.tui.builders import BERLIN, HOSTILE, NOW
from tui import format as shown


@given(st.text(alphabet=st.characters(), max_size=400))
def test_nothing_a_terminal_acts_on_is_left_in_a_cleaned_text(name: str) -> None:
    cleaned = shown.clean(name)
    assert len(cleaned) <= shown.TEXT_CHARACTERS_MAX
    assert not [c for c in cleaned if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029\n"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_a_short_line_of_text(name: str) -> None:
    cell = shown.text(name)
    assert isinstance(cell, Text)
    assert not cell.spans
    assert len(cell.plain) <= shown.TEXT_CHARACTERS_MAX
    assert "\x1b" not in cell.plain
    assert "\n" not in cell.plain


def test_markup_stays_the_characters_it_is_made_of() -> None:
    assert shown.text("[/x] [red]boom[/]").plain == "[/x] [red]boom[/]"


def test_marks_that_pile_up_are_cut_to_two() -> None:
    assert shown.clean("a" + "\u0301" * 40) == "a" + "\u0301" * 2


@pytest.mark.parametrize(
    ("field", "symbol", "written"),
    [
        ("", "GiB", "—"),
        ("0", "GiB", "0 GiB"),
        ("1234.5678", "GiB", "1,234.57 GiB"),
        ("16.0000", "GiB", "16 GiB"),
        ("0.03125", "GiB", "0.0313 GiB"),
        ("0.00001", "GiB", "< 0.0001 GiB"),
        ("-12.5", "", "-12.5"),
        ("not a number", "GiB", "—"),
    ],
)
def test_a_quantity_keeps_the_digits_that_count(field: str, symbol: str, written: str) -> None:
    assert shown.quantity(field, symbol) == written


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        ("1234.50", "EUR", "EUR 1,234.50"),
        ("5", "JPY", "JPY 5"),
        ("4.938", "KWD", "KWD 4.938"),
        ("", "EUR", "—"),
    ],
)
def test_money_keeps_its_currencys_digits(amount: str, currency: str, written: str) -> None:
    assert shown.money(amount, currency) == written


@pytest.mark.parametrize(
    ("field", "written"),
    [("104.2", "104 %"), ("4.25", "4.2 %"), ("100", "100 %"), ("", "—"), ("-3.4", "-3.4 %")],
)
def test_a_percentage_has_a_decimal_only_where_it_is_small(field: str, written: str) -> None:
    assert shown.percent(field) == written


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ("100", "100 %"),
        ("99.6", "100 %"),
        ("100.08", ">100 %"),
        ("100.6", "101 %"),
        ("112", "112 %"),
        ("", "—"),
    ],
)
def test_what_is_above_a_commit_never_reads_as_equal_to_it(field: str, written: str) -> None:
    assert shown.of_commit(field) == written


@pytest.mark.parametrize(
    ("span", "written"),
    [
        (timedelta(0), "now"),
        (timedelta(seconds=34), "34 s ago"),
        (timedelta(minutes=3), "3 min ago"),
        (timedelta(hours=30), "1 d ago"),
        (timedelta(days=800), "2 y ago"),
        (timedelta(minutes=-5), "in 5 min"),
    ],
)
def test_a_time_is_told_from_now(span: timedelta, written: str) -> None:
    assert shown.ago(NOW - span, NOW) == written


def test_what_never_happened_is_never() -> None:
    assert shown.ago(None, NOW) == "never"


def test_a_period_is_written_in_the_days_of_its_client() -> None:
    start, end = datetime(2026, 10, 1, tzinfo=BERLIN), datetime(2026, 11, 1, tzinfo=BERLIN)
    assert shown.days(start.astimezone(UTC), end.astimezone(UTC), "Europe/Berlin") == "2026-10-01 – 10-31"
    assert shown.days(end, start + timedelta(days=365), "No/Such_Zone").startswith("2026-10-31 – 2027")


@pytest.mark.parametrize(
    ("count", "noun", "written"),
    [
        (0, "agent", "no agents"),
        (1, "asset", "1 asset"),
        (2000, "asset", "2,000 assets"),
        (7, "series", "7 series"),
    ],
)
def test_a_count_agrees_with_its_noun(count: int, noun: str, written: str) -> None:
    assert shown.plural(count, noun) == written

"""The one list of the program: filter, order and pages are the aggregator's, the cursor is the person's."""

import grpc
import pytest
from rich.text import Text

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.scripted import Scripted
from tui.widgets.list_table import PAGE_ROWS, ListTable
from tui.widgets.row_table import Column, RowTable, widths
from ullage.v1 import inventory_pb2


def rows(driver: Driver) -> RowTable[inventory_pb2.Asset]:
    table = driver.app.screen.query_one(ListTable)
    return table.table


async def test_a_filter_is_asked_of_the_aggregator_and_shown_until_esc(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        await driver.press("slash", *"web-", "enter")
        await driver.see("filter: web-")
        await driver.until(
            lambda: all("web-" in asset.name for asset in rows(driver).items), "only what matches"
        )
        await driver.press("escape")
        await driver.see("Assets  60")
        assert "filter:" not in driver.seen()
    assert "web-" in [request.search for request in aggregator.asked(inventory_pb2.ListAssetsRequest)]


async def test_keys_that_mean_something_elsewhere_are_letters_in_the_filter(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        await driver.press("slash", *"q1s?r")
        await driver.see("filter: q1s?r", "Nothing matches “q1s?r”", "esc clears the filter")
        assert driver.app.is_running


async def test_keys_still_work_where_nothing_matches(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("2")
        await driver.see("Clients  12")
        await driver.press("slash", *"zzz", "enter")
        await driver.see("Nothing matches")
        await driver.press("slash")
        await driver.press(*["backspace"] * 3, *"brook", "enter")
        await driver.see("Brook & Sons")
        await driver.press("enter")
        await driver.see("Clients › Brook & Sons")


async def test_s_goes_through_the_orders_and_marks_the_column(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("2")
        await driver.see("Clients  12")
        await driver.press("s", "s")
        await driver.see("Name ▲", "by name ▲")
        await driver.until(lambda: rows(driver).items[0].name == "Ahlers Logistik", "the first name")
        await driver.press("S")
        await driver.see("Name ▼")
        await driver.until(lambda: rows(driver).items[0].name == "Öresund Foto", "the last name")


@pytest.fixture
def many(aggregator: Scripted) -> Scripted:
    """Assets for three pages."""
    aggregator.script.assets = [builders.asset(n, f"asset-{n:04d}") for n in range(1, 2 * PAGE_ROWS + 51)]
    return aggregator


async def test_pages_follow_one_another_and_the_title_says_which(many: Scripted) -> None:
    async with driven(many) as driver:
        await driver.press("3")
        await driver.see("Assets  1–200 of 450")
        await driver.press("right_square_bracket")
        await driver.see("201–400 of 450", "asset-0201")
        await driver.press("right_square_bracket")
        await driver.see("401–450 of 450")
        await driver.press("right_square_bracket")
        await driver.press("left_square_bracket")
        await driver.see("201–400 of 450")


async def test_the_cursor_walks_over_the_border_of_a_page_and_back(many: Scripted) -> None:
    async with driven(many) as driver:
        await driver.press("3")
        await driver.see("1–200 of 450")
        await driver.press("G", "j")
        await driver.see("201–400 of 450")
        await driver.until(
            lambda: (one := rows(driver).current) and one.name == "asset-0201", "the next page's first"
        )
        await driver.press("k")
        await driver.see("1–200 of 450")
        await driver.until(
            lambda: (one := rows(driver).current) and one.name == "asset-0200", "the page's last"
        )


async def test_another_order_is_read_from_its_first_row_on(many: Scripted) -> None:
    async with driven(many) as driver:
        await driver.press("3")
        await driver.see("asset-0001")
        await driver.press("j", "j", "s")
        await driver.until(lambda: rows(driver).items[0].name == "asset-0001", "by the first column")
        await driver.press("S")
        await driver.see("asset-0450")
        await driver.until(
            lambda: (one := rows(driver).current) and one.name == "asset-0450", "the cursor on the first"
        )
        assert rows(driver).scroll_y == 0


async def test_rows_that_come_leave_the_cursor_on_its_row_and_the_row_on_its_line(many: Scripted) -> None:
    async with driven(many) as driver:
        await driver.press("3")
        await driver.see("1–200 of 450")
        await driver.press(*["pagedown"] * 2)
        held = rows(driver).current
        assert held is not None
        line = next(i for i, text in enumerate(driver.lines()) if held.name in text)
        many.script.assets[:0] = [builders.asset(9000 + n, f"early-{n}") for n in range(4)]
        many.tell("asset")
        await driver.see("of 454")
        await driver.pilot.pause(0.3)
        assert (now := rows(driver).current) is not None
        assert now.name == held.name
        assert next(i for i, text in enumerate(driver.lines()) if held.name in text) == line


async def test_a_row_that_goes_leaves_the_cursor_where_it_was(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("2")
        await driver.see("Clients  12")
        await driver.press("j", "j")
        del aggregator.script.clients[2]
        aggregator.tell("client")
        await driver.see("Clients  11")
        assert rows(driver).cursor_row == 2
        assert "Nordlicht" not in driver.seen()


async def test_figures_change_by_themselves(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("2")
        await driver.see("EUR 1,423.44")
        aggregator.script.clients[0].projected_cost = "9999.99"
        aggregator.tell("projection")
        await driver.see("EUR 9,999.99")


async def test_nothing_moves_while_rows_are_marked_and_what_was_missed_comes_afterwards(
    many: Scripted,
) -> None:
    async with driven(many) as driver:
        await driver.press("3")
        await driver.see("1–200 of 450")
        await driver.press("j", "space")
        await driver.see("1 marked", "▪")
        many.script.assets[:0] = [builders.asset(9000 + n, f"early-{n}") for n in range(4)]
        before = len(many.asked(inventory_pb2.ListAssetsRequest))
        many.tell("asset")
        await driver.pilot.pause(3.0)
        assert len(many.asked(inventory_pb2.ListAssetsRequest)) == before
        await driver.press("escape")
        await driver.see("1–200 of 454")


async def test_rows_are_marked_one_by_one_as_a_range_the_page_and_then_all(many: Scripted) -> None:
    async with driven(many) as driver:
        await driver.press("3")
        await driver.see("1–200 of 450")
        await driver.press("space", "j", "shift+down", "shift+down")
        await driver.see("4 marked")
        assert [asset.id for asset in rows(driver).chosen()] == [1, 3, 4, 5]
        await driver.press("asterisk")
        await driver.see("200 marked")
        await driver.press("asterisk")
        await driver.see("450 marked")
        await driver.press("right_square_bracket")
        await driver.see("201–400 of 450", "450 marked")
        await driver.press("escape")
        await driver.until(lambda: "marked" not in driver.seen(), "no mark")
        await driver.see("201–400 of 450")


async def test_marks_stay_on_pages_that_are_not_on_view(many: Scripted) -> None:
    async with driven(many) as driver:
        await driver.press("3")
        await driver.see("1–200 of 450")
        await driver.press("space", "right_square_bracket")
        await driver.see("201–400 of 450", "1 marked")
        await driver.press("space")
        await driver.see("2 marked")
        assert [asset.id for asset in rows(driver).chosen()] == [1, 201]


async def test_news_about_something_else_asks_nothing(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("4")
        await driver.see("Unbound assets")
        before = len(aggregator.asked(inventory_pb2.ListAssetsRequest))
        aggregator.tell("job", "agent")
        await driver.pilot.pause(3.0)
        assert len(aggregator.asked(inventory_pb2.ListAssetsRequest)) == before


async def test_a_burst_of_news_is_one_question(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("4")
        await driver.see("Unbound assets")
        before = len(aggregator.asked(inventory_pb2.ListAssetsRequest))
        for _ in range(200):
            aggregator.tell("asset", "bucket")
        await driver.pilot.pause(3.0)
        assert 1 <= len(aggregator.asked(inventory_pb2.ListAssetsRequest)) - before <= 2


async def test_an_error_stands_where_the_rows_would_and_r_tries_again(aggregator: Scripted) -> None:
    aggregator.script.failure = (grpc.StatusCode.INTERNAL, "error 4711")
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Error 4711", "r tries again")
        aggregator.script.failure = None
        await driver.press("r")
        await driver.see("Assets  60")


async def test_rows_stay_on_view_when_a_refresh_fails(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("2")
        await driver.see("Clients  12")
        aggregator.script.failure = (grpc.StatusCode.UNAVAILABLE, "the database is away")
        await driver.press("r")
        await driver.see("not refreshed: The database is away.", "Brook & Sons")


async def test_what_is_awaited_is_said(aggregator: Scripted) -> None:
    aggregator.script.delay_seconds = 1.0
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("… loading")
        await driver.see("Assets  60")


@pytest.mark.parametrize("available", [20, 60, 78, 120, 300])
def test_columns_fill_the_width_or_keep_their_least(available: int) -> None:
    columns = [
        Column[int]("a", lambda row, now: Text(str(row)), 6),
        Column[int]("b", lambda row, now: Text(str(row)), 10, share=2),
        Column[int]("c", lambda row, now: Text(str(row)), 10, share=1),
    ]
    given = widths(columns, available)
    assert all(width >= column.width for width, column in zip(given, columns, strict=True))
    assert sum(given) + len(given) == max(available, 29)

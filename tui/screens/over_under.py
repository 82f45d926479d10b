"""Who used more than was agreed and who less, what that is worth, how it went for a year, and which commits would fit."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from tui.cli.over_under import COLUMNS, over_under_row
from tui.cli.right_size import RIGHT_SIZE_COLUMNS, right_size_row
from tui.client import RUN_SECONDS_MAX, Page
from tui.desk import Desk
from tui.dialogs.choose import Choice, ChooseDialog
from tui.failures import CallFailed
from tui.format import clean, month_name
from tui.messages import Loaded, LoadFailed, OpenBucket, OpenClient
from tui.screens import over_under_views as views
from tui.screens.cycling import CyclingScreen
from tui.screens.listing import local_page
from tui.screens.money import MONTHS_OFFERED, MoneyScreen, month_of
from tui.screens.over_under_head import Heading, OverUnderHead
from tui.screens.over_under_lists import (
    BY_BUCKET,
    BY_CLIENT,
    BY_UNIT,
    RIGHT_SIZE,
    RightSize,
    Row,
    currency_of,
    in_order,
)
from tui.screens.what_if import open_what_if
from tui.widgets.chart_trend import MONTHS_SHOWN, TrendChart
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column, RowTable
from ullage.v1 import analysis_pb2, types_pb2

# Each bucket is priced anew.
RIGHT_SIZE_BUCKETS = 50
# Rows of the terminal below which the chart makes room for the list, and from which on it is higher.
CHART_ROWS_MIN = 18
CHART_ROWS_HIGH = 32
CHART_HEIGHT, CHART_HEIGHT_HIGH = 7, 11


class OverUnderScreen(MoneyScreen, CyclingScreen):
    """One month in four views below the trend of twelve; the month on view is the cursor of the trend."""

    NOUNS = frozenset({"reading", "bucket", "client"})
    MAIN = "over-under"
    NEWEST = "the last full month"
    NEWEST_BACK = 1
    NEEDS: ClassVar[dict[str, str]] = {"what_if": "Analysis/WhatIf"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view", "View"),
        Binding("f", "status", "Status"),
        Binding("t", "same_unit", "Unit"),
        Binding("w", "what_if", "What-if"),
    ]
    DEFAULT_CSS = """
    OverUnderScreen { #explains { height: 1; padding: 0 1; color: $foreground 70%; text-wrap: nowrap;
                                  text-overflow: ellipsis; } }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._status = ""
        self._unit = ""
        self._found: analysis_pb2.OverUnder | None = None
        self._trend: list[analysis_pb2.TrendPoint] = []

    def content(self) -> ComposeResult:
        """Views, totals, trend, the list, what its columns mean."""
        yield OverUnderHead()
        yield TrendChart()
        yield from super().content()
        yield Static(id="explains", markup=False)

    def make_lists(self) -> Sequence[ListTable[Any]]:
        """By client, by bucket, by unit type, right-size."""
        return (
            self._compared(views.CLIENTS, BY_CLIENT, lambda row: OpenClient(row.client_id, row.client_name)),
            self._compared(views.BUCKETS, BY_BUCKET, lambda row: views.OpenBucketOf(row.bucket_id)),
            self._compared(views.UNIT_TYPES, BY_UNIT, lambda row: views.UseUnit(row.unit_types)),
            self._list(
                views.RIGHT_SIZE,
                RIGHT_SIZE,
                self._fetch_right_size,
                lambda row: views.OpenBucketOf(row.bucket_id),
                lambda row: (row.bucket_id, currency_of(row)),
                Export("right-size", RIGHT_SIZE_COLUMNS, right_size_row),
                noun="buckets",
            ),
        )

    def _compared(
        self, view: int, columns: Sequence[Column[Row]], opens: Callable[[Row], Message | None]
    ) -> ListTable[Row]:
        by = views.BY[view]

        async def fetch(page: Page, search: str) -> tuple[Sequence[Row], types_pb2.PageInfo]:
            return await self._fetch(by, page, search)

        return self._list(
            view,
            columns,
            fetch,
            opens,
            lambda row: (
                row.client_id,
                row.bucket_id,
                row.unit_types,
                row.delta_units[-8:],
                currency_of(row),
            ),
            Export(f"over-under-{by}", COLUMNS[by], over_under_row),
            noun=f"{by.replace('-', ' ')}s",
        )

    def _list(
        self,
        view: int,
        columns: Sequence[Column[Any]],
        fetch: Callable[[Page, str], Awaitable[tuple[Sequence[Any], types_pb2.PageInfo]]],
        opens: Callable[[Any], Message | None],
        key: Callable[[Any], object],
        export: Export[Any],
        *,
        noun: str,
    ) -> ListTable[Any]:
        listing: Listing[Any] = Listing(
            noun=noun,
            columns=columns,
            fetch=fetch,
            key=key,
            opens=opens,
            empty=views.NOTHING,
            restricted=lambda: self._restricted(view),
            export=export,
        )
        return ListTable(listing, heading=views.TITLES[view], clock=self.desk.clock)

    def _restricted(self, view: int) -> str:
        if view == views.RIGHT_SIZE:
            many = len(self.table.table.items) >= RIGHT_SIZE_BUCKETS
            return f"{f'the {RIGHT_SIZE_BUCKETS} with most buffer, ' if many else ''}last 12 readings of each"
        found = self._found
        if found is None or found.rows_total <= len(found.rows):
            return ""
        return f"those with most overage and buffer of {found.rows_total:,}"

    # Asking.

    async def _fetch(self, by: str, page: Page, search: str) -> tuple[Sequence[Row], types_pb2.PageInfo]:
        found = await self._compare(by, self._status)
        self._empty(views.BY.index(by), views.empty_words(f"{by.replace('-', ' ')}s", status=self._status))
        return self._page(found.rows, page, search)

    async def _fetch_right_size(
        self, page: Page, search: str
    ) -> tuple[Sequence[RightSize], types_pb2.PageInfo]:
        aggregator = self.desk.aggregator
        await self._compare("client", "")
        request = analysis_pb2.ListRightSizeRequest(unit_type=self._unit, limit=RIGHT_SIZE_BUCKETS)
        reply = await aggregator.ask(aggregator.analysis.ListRightSize, request, seconds=RUN_SECONDS_MAX)
        self._empty(views.RIGHT_SIZE, views.NOTHING_TO_SIZE)
        return self._page(reply.rows, page, search)

    async def _compare(self, by: str, status: str) -> analysis_pb2.OverUnder:
        aggregator = self.desk.aggregator
        request = analysis_pb2.GetOverUnderRequest(
            by=by, month=self.month, status=status, unit_type=self._unit
        )
        found = await aggregator.ask(aggregator.analysis.GetOverUnder, request)
        self.post_message(views.Summed(found))
        return found

    def _page(self, rows: Sequence[Any], page: Page, search: str) -> tuple[Sequence[Any], types_pb2.PageInfo]:
        self.desk.seen_currencies(*(currency_of(row) for row in rows))
        ordered = in_order(rows, page, self.currency)
        texts = [
            name
            for name in ("client_name", "bucket_name", "unit_types", "unit_type")
            if rows and hasattr(rows[0], name)
        ]
        return local_page(ordered, Page(page.size, page.after), search, *texts)

    def _empty(self, view: int, words: str) -> None:
        table = list(self.query(ListTable))[view]
        table.listing = replace(table.listing, empty=words)

    def ask(self) -> None:
        """For the list on view, and for the trend."""
        for place, table in enumerate(self.query(ListTable)):
            export = table.listing.export
            if export is not None and place != views.RIGHT_SIZE:
                noun = f"over-under-{views.BY[place]}-{self.month}"
                table.listing = replace(table.listing, export=replace(export, noun=noun))
        super().ask()
        self._ask_trend()
        self._draw()

    @work(exclusive=True, group="trend")
    async def _ask_trend(self) -> None:
        aggregator = self.desk.aggregator
        months = next(
            (back for back in range(MONTHS_OFFERED) if month_of(self.desk.clock(), back) <= self.month), 0
        )
        request = analysis_pb2.GetTrendRequest(
            unit_type=self._unit, months=min(max(MONTHS_SHOWN, months + 1), MONTHS_OFFERED)
        )
        try:
            trend = await aggregator.ask(aggregator.analysis.GetTrend, request)
        except CallFailed as error:
            self.post_message(LoadFailed(error))
            return
        self.post_message(Loaded(trend))

    def on_loaded(self, message: Loaded[analysis_pb2.Trend]) -> None:
        """The trend as it is now."""
        message.stop()
        self._trend = list(message.data.points)
        self.desk.seen_currencies(*(currency_of(point) for point in self._trend))
        self._draw()

    def on_load_failed(self, message: LoadFailed) -> None:
        """A trend that was shown stays; else its place says why there is none."""
        message.stop()
        if not self._trend:
            self.query_one(TrendChart).show_notice(f"✖ {message.error}")

    @on(views.Summed)
    def _summed(self, message: views.Summed) -> None:
        message.stop()
        if message.found.month in {"", self.month}:
            self._found = message.found
            self._draw()

    # Showing.

    @property
    def currency(self) -> str:
        """That of the desk where there is money in it here, else the first there is."""
        here = [currency_of(point) for point in self._trend]
        here += [one.currency for one in self._found.overage] if self._found is not None else []
        return self.desk.currency if self.desk.currency in here else next(iter(here), self.desk.currency)

    def _draw(self) -> None:
        self.query_one(OverUnderHead).show(
            Heading(self.view, self._status, self._unit, self.month, self.currency, self._found)
        )
        if self._trend:
            points = [point for point in self._trend if currency_of(point) == self.currency]
            self.query_one(TrendChart).show_points(points, self.month)
        elif self._found is not None:
            self.query_one(TrendChart).show_points([], self.month)

    def on_mount(self) -> None:
        """What the view is for, until a column explains itself."""
        super().on_mount()
        self._explain(views.LENSES[0])

    def on_resize(self, event: events.Resize) -> None:
        """The list goes first where there are few rows."""
        chart = self.query_one(TrendChart)
        chart.display = event.size.height >= CHART_ROWS_MIN
        chart.styles.height = CHART_HEIGHT_HIGH if event.size.height >= CHART_ROWS_HIGH else CHART_HEIGHT

    def _explain(self, words: str) -> None:
        self.query_one("#explains", Static).update(Text(words, no_wrap=True, overflow="ellipsis"))

    @on(RowTable.ColumnChosen)
    def _column_chosen(self, message: RowTable.ColumnChosen) -> None:
        message.stop()
        self._explain(message.explains)

    def view_changed(self) -> None:
        """Another lens."""
        self._explain(views.LENSES[self.view])

    def month_changed(self) -> None:
        """Totals of the month before are not those of this one."""
        self._found = None
        super().month_changed()

    def currency_changed(self) -> None:
        """The trend is of another currency, and its rows come first."""
        self._draw()
        self.table.restart()

    # Filters.

    def _restart(self) -> None:
        self._found = None
        self.table.restart()
        self._ask_trend()
        self._draw()

    @work(group="status")
    async def action_status(self) -> None:
        """Only those over, under, mixed or even."""
        if self.view == views.RIGHT_SIZE:
            self.say("Right-size lists what has buffer: there is no status to choose.")
            return
        found = await self.app.push_screen_wait(
            ChooseDialog("Status in the month", views.status_choices(), at=self._status or views.ALL)
        )
        if found is not None:
            self._status = "" if found == views.ALL else found
            self._restart()

    @work(group="unit")
    async def action_same_unit(self) -> None:
        """Only the unit type of the row under the cursor; again: all of them."""
        if self._unit:
            self._unit = ""
            self._restart()
            return
        units = views.units_of(self.table.table.current)
        if not units:
            self.say("There is no row here whose unit type could be taken.")
            return
        found: str | None = units[0]
        if len(units) > 1:
            choices = [Choice(one, clean(one, 60)) for one in units]
            found = await self.app.push_screen_wait(ChooseDialog("Unit type", choices))
        if found is not None:
            self._unit = found
            self._restart()

    def action_up(self) -> None:
        """First clears the search, then the unit type, then the status."""
        if self.table.clear_filter():
            return
        if self._unit or (self._status and self.view != views.RIGHT_SIZE):
            self._unit, self._status = "", self._status if self._unit else ""
            self._restart()
        else:
            super().action_up()

    @on(TrendChart.MonthChosen)
    def _month_chosen(self, message: TrendChart.MonthChosen) -> None:
        message.stop()
        newest = month_of(self.desk.clock(), self.NEWEST_BACK)
        if message.month > newest:
            self.say(f"{month_name(newest)} is the newest that is shown here.")
        else:
            self._show_month("" if message.month == newest else message.month)

    # What rows lead to.

    @on(views.UseUnit)
    def _use_unit(self, message: views.UseUnit) -> None:
        message.stop()
        self._unit = message.unit
        tables = list(self.query(ListTable))
        for place, table in enumerate(tables):
            table.display = place == views.CLIENTS
        self.table.focus_rows()
        self.view_changed()
        self._restart()

    @on(views.OpenBucketOf)
    def _open_bucket(self, message: views.OpenBucketOf) -> None:
        message.stop()
        self._find_bucket(message.bucket_id)

    @work(exclusive=True, group="bucket")
    async def _find_bucket(self, bucket_id: int) -> None:
        try:
            bucket = await self.desk.aggregator.bucket(bucket_id)
        except CallFailed as error:
            self.say(str(error), failed=True)
            return
        self.app.post_message(OpenBucket(bucket))

    @work(group="what-if")
    async def action_what_if(self) -> None:
        """Other terms of the client or bucket under the cursor; of a candidate with its best commit."""
        if self.view == views.UNIT_TYPES:
            self.say("Terms are those of buckets: enter shows the clients of this unit type, v the buckets.")
            return
        rows = self.chosen()
        if not rows:
            return
        row = rows[0]
        name = " › ".join(filter(None, (row.client_name, row.bucket_name)))
        if row.bucket_id:
            await open_what_if(
                self, bucket_id=row.bucket_id, name=name, commit=getattr(row, "best_commit", "")
            )
        else:
            await open_what_if(self, client_id=row.client_id, name=name)

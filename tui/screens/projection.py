"""One projection: where it stands against its commit, between which figures it will end, and how right earlier ones were."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from tui.cli.projections import TRACK_COLUMNS, track_row
from tui.client import PAGE_ROWS_MAX, Page
from tui.desk import Desk
from tui.failures import CallFailed
from tui.format import NONE, ago, clean, day, decimal, moment, money, percent, plural, quantity, text
from tui.messages import Loaded, LoadFailed, OpenBucket
from tui.screens import cells
from tui.screens.listing import ListScreen, local_page
from tui.screens.what_if import open_what_if
from tui.theme import ATTENTION, BAD, FAINT, GOOD
from tui.widgets.chart_projection import ProjectionChart, verdict
from tui.widgets.facts import Facts
from tui.widgets.frame import Crumbs
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import analysis_pb2, billing_pb2, inventory_pb2, types_pb2

Projection = billing_pb2.Projection
Track = analysis_pb2.TrackPoint
# A search text of the contract has so many characters.
SEARCH_CHARACTERS_MAX = 128
# Rows of the terminal from which on there is one for the method.
METHOD_ROWS_MIN = 22
NO_RECORD = (
    "No record yet: it is kept from the first period on that was projected and has ended.\n\n"
    "Until then nothing is known of how far projections of this bucket are off"
)


@dataclass(frozen=True, slots=True)
class Found:
    """The projection as it is now (None: its period has ended), its bucket, and the zone in which its days begin."""

    projection: Projection | None
    bucket: inventory_pb2.Bucket
    zone: str


def _error(point: Track) -> Text:
    """Above 0: too much was foretold."""
    error = decimal(point.percent_error)
    return Text(
        percent(point.percent_error, signed=True), "" if error is None or abs(error) < 10 else ATTENTION
    )


def _within(point: Track) -> Text:
    return Text("yes", GOOD) if point.within_range else Text("no", BAD)


class ProjectionScreen(ListScreen):
    """Words, chart, facts, and what earlier projections became."""

    NOUNS = frozenset({"projection", "bucket", "reading"})
    MAIN = "projections"
    NEEDS: ClassVar[dict[str, str]] = {"what_if": "Analysis/WhatIf"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "bucket", "Bucket"),
        Binding("w", "what_if", "What-if"),
    ]
    DEFAULT_CSS = """
    ProjectionScreen { #verdict, #method { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
                       #method { color: $foreground 60%; margin-bottom: 1; }
                       ProjectionChart { margin-top: 1; } }
    """

    def __init__(self, desk: Desk, projection: Projection) -> None:
        super().__init__(desk)
        self._projection = projection
        self._bucket: inventory_pb2.Bucket | None = None
        self._zone = "UTC"
        self._ended = False
        self._median = ""

    def above(self) -> ComposeResult:
        """In words, as a chart, as figures."""
        yield Crumbs("Projections", self._projection.client_name, self._projection.bucket_name)
        yield Static(id="verdict", markup=False)
        yield ProjectionChart()
        yield Static(id="method", markup=False)
        yield Facts()

    def make_list(self) -> ListTable[Any]:
        """Earlier projections of the bucket, newest period first."""
        symbol = self._projection.symbol
        columns: Sequence[Column[Track]] = (
            Column(
                "Period from",
                lambda t, now: Text(day(moment(t.period_start), self._zone)),
                11,
                share=1,
                sort="period_start",
            ),
            Column("Passed", lambda t, now: Text(f"{t.share} %"), 6, right=True, sort="share"),
            Column("Projected", lambda t, now: Text(quantity(t.projected, symbol)), 13, right=True),
            Column("Became", lambda t, now: Text(quantity(t.became, symbol), "bold"), 13, right=True),
            Column("Error", lambda t, now: _error(t), 8, right=True, sort="percent_error"),
            Column("In range", lambda t, now: _within(t), 8, above=70),
        )
        listing: Listing[Track] = Listing(
            noun="earlier projections",
            columns=columns,
            fetch=self._fetch,
            key=lambda point: (point.period_start.seconds, point.share),
            opens=lambda point: None if self._bucket is None else OpenBucket(self._bucket),
            empty=NO_RECORD,
            restricted=lambda: f"median error {percent(self._median)}" if self._median else "",
            export=Export("track record", TRACK_COLUMNS, track_row),
        )
        return ListTable(listing, heading="Track record", clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Track], types_pb2.PageInfo]:
        aggregator = self.desk.aggregator
        request = analysis_pb2.GetTrackRecordRequest(bucket_id=self._projection.bucket_id)
        reply = await aggregator.ask(aggregator.analysis.GetTrackRecord, request)
        self._median = reply.median_error
        return local_page(reply.points, page, search, "projected", "became")

    def on_mount(self) -> None:
        """What the list knew is shown at once."""
        super().on_mount()
        self._show()

    def on_resize(self, event: events.Resize) -> None:
        """Where there are few rows the record needs them more than an explanation does."""
        self.query_one("#method").display = event.size.height >= METHOD_ROWS_MIN

    def ask(self) -> None:
        """For the record, and for the projection with its bucket."""
        super().ask()
        self._ask_projection()

    @work(exclusive=True, group="projection")
    async def _ask_projection(self) -> None:
        held, aggregator = self._projection, self.desk.aggregator
        try:
            found = await self._newest()
            bucket = await aggregator.bucket(held.bucket_id)
            client = await aggregator.client(held.client_id)
        except CallFailed as error:
            self.post_message(LoadFailed(error))
            return
        self.post_message(Loaded(Found(found, bucket, client.time_zone)))

    async def _newest(self) -> Projection | None:
        """There is no call for one: those of its client are looked through."""
        after = ""
        while True:
            page = Page(PAGE_ROWS_MAX, after)
            name = self._projection.bucket_name[:SEARCH_CHARACTERS_MAX]
            reply = await self.desk.aggregator.projections(
                page, client_id=self._projection.client_id, search=name
            )
            for one in reply.projections:
                if one.bucket_id == self._projection.bucket_id:
                    return one
            after = reply.page.next
            if not after:
                return None

    def on_load_failed(self, message: LoadFailed) -> None:
        """The list below says it; what was shown stays."""
        message.stop()

    def on_loaded(self, message: Loaded[Found]) -> None:
        """As they are now."""
        message.stop()
        found = message.data
        self._ended = found.projection is None
        self._projection = found.projection or self._projection
        self._bucket, self._zone = found.bucket, found.zone
        self.table.redraw()
        self._show()

    def redraw(self) -> None:
        """Ages grow."""
        super().redraw()
        self._show()

    def _show(self) -> None:
        one, bucket = self._projection, self._bucket
        commit = None if bucket is None else decimal(bucket.terms.commit)
        aggregation = "" if bucket is None else bucket.terms.aggregation
        words = verdict(one, commit, aggregation, _zone(self._zone))
        if self._ended:
            words = Text("This period has ended: Billing says what it became.", FAINT, no_wrap=True)
        # As a part of a text: its colour is the terminal's own then, where the theme is.
        self.query_one("#verdict", Static).update(Text(no_wrap=True).append_text(words))
        self.query_one(ProjectionChart).show_projection(one, commit)
        self.query_one("#method", Static).update(Text(method_words(one.method), no_wrap=True))
        self.query_one(Facts).show_facts(self._facts())

    def _facts(self) -> list[tuple[str, Text]]:
        one, bucket, now = self._projection, self._bucket, self.desk.clock()
        start, end = moment(one.period_start), moment(one.period_end)
        passed = NONE
        if start is not None and end is not None and end > start:
            share = min(max((now - start) / (end - start), 0.0), 1.0)
            passed = f"{share:.0%}".replace("%", " %")
        of = one.unit_type if bucket is None else f"{bucket.terms.aggregation} of {bucket.unit_type}"
        commit = Text("…") if bucket is None else cells.commit(bucket.terms, bucket.symbol)
        low, high = money(one.low_cost, one.currency), money(one.high_cost, "").strip()
        return [
            ("Period", Text(f"to {_last_day(end, self._zone)}, {passed} passed")),
            ("Takes", text(of)),
            ("Commit", commit),
            ("Calculated", Text(ago(moment(one.calculated_at), now))),
            ("Cost", Text(money(one.projected_cost, one.currency), "bold")),
            ("Between", Text("not known" if low == NONE else f"{low} – {high}")),
            ("Record", Text(record_words(one))),
            ("Bound", Text(NONE if bucket is None else plural(bucket.series, "series"))),
        ]

    # Keys.

    def action_bucket(self) -> None:
        """The bucket's terms and history, also while there is no record to choose from."""
        if self._bucket is None:
            self.say("The bucket is not known yet.")
        else:
            self.app.post_message(OpenBucket(self._bucket))

    @work(group="what-if")
    async def action_what_if(self) -> None:
        """Other terms of this bucket."""
        one = self._projection
        await open_what_if(self, bucket_id=one.bucket_id, name=f"{one.client_name} › {one.bucket_name}")


def method_words(method: str) -> str:
    """How it was worked out, in a sentence."""
    match method:
        case "paths":
            return "Days to come are drawn from past ones; 8 of 10 draws end in the range."
        case "run-rate":
            return "Goes on at the present rate: a range needs 14 days of history."
        case _:
            return f"Method: {clean(method, 40) or 'not said'}."


def record_words(projection: Projection) -> str:
    """How far earlier projections were off when as much of their period had passed."""
    error = percent(projection.track_record)
    return "none yet" if error == NONE else f"half were within {error}"


def _last_day(end: datetime | None, zone: str) -> str:
    return day(None if end is None else end - timedelta(microseconds=1), zone)


def _zone(name: str) -> ZoneInfo:
    """UTC for a zone that this host does not know."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return ZoneInfo("UTC")

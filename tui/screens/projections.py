"""What open periods will cost: the newest projection of every bucket, with its range and how right earlier ones were."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from tui.cli.projections import PROJECTION_COLUMNS, projection_row
from tui.client import JOB_SECONDS_MAX, Page
from tui.desk import Desk
from tui.failures import CallFailed, sentence
from tui.format import NONE, ago, day, decimal, moment, money, of_commit, percent, quantity, text
from tui.screens.listing import ListScreen
from tui.screens.what_if import open_what_if
from tui.theme import BAD, FAINT, GOOD
from tui.widgets.chart_projection import over
from tui.widgets.chart_scale import short
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from tui.widgets.run_line import RunLine, counts_words
from ullage.v1 import billing_pb2, types_pb2

Projection = billing_pb2.Projection
SO_FAR_CELLS = 6
# Worst first; without a commit last.
_OWN_ORDER = "percent_of_commit"
NOTHING = (
    "No projections: no period is open of which anything was measured.\n\n"
    "R calculates them; buckets that take something in get one with the next run"
)


@dataclass
class OpenProjection(Message):
    """Show one projection with its range and the record of earlier ones."""

    projection: Projection


@dataclass
class NewOverages(Message):
    """Buckets that will end above their commit and did not the period before."""

    buckets: frozenset[int]


def so_far(projection: Projection) -> Text:
    """Whole where there is room, else in three digits; the unit stands beside the projection."""
    used = decimal(projection.current_quantity)
    if used is None:
        return Text(NONE, FAINT)
    whole = quantity(projection.current_quantity, short=True)
    return Text(whole if len(whole) <= SO_FAR_CELLS else short(used))


def between(projection: Projection) -> Text:
    """``5.47k (5.42–6.16k) GiB``, in three digits; without a range the figure alone."""
    middle, low, high = (
        decimal(figure)
        for figure in (projection.projected_quantity, projection.low_quantity, projection.high_quantity)
    )
    if middle is None:
        return Text(NONE, FAINT)
    cell = Text(short(middle))
    if low is not None and high is not None:
        first, last = short(low), short(high)
        if first[-1] == last[-1] and last[-1].isalpha():
            # Of the same size: told once.
            first = first[:-1]
        cell.append(f" ({first}–{last})", FAINT)
    return cell.append_text(text(f" {projection.symbol}", FAINT))


def reach(projection: Projection, *, new: bool) -> Text:
    """``▲ new 112 %``: over, over for the first time, or on track; a dash without a commit."""
    share = of_commit(projection.percent_of_commit)
    if share == NONE:
        return Text(NONE, FAINT)
    if not over(projection, None):
        return Text(f"on track {share}", GOOD)
    return Text(f"▲ {'new' if new else 'over'} {share}", BAD)


def record(projection: Projection) -> Text:
    """``± 4.2 %``: the median error of earlier projections at the same share of their periods."""
    error = percent(projection.track_record)
    return Text(NONE, FAINT) if error == NONE else Text(f"± {error}")


class ProjectionsScreen(ListScreen):
    """All projections, those furthest above their commit first; a row opens its range and record."""

    NOUNS = frozenset({"projection", "bucket", "client"})
    MAIN = "projections"
    NEEDS: ClassVar[dict[str, str]] = {
        "recalculate": "Billing/RunProjection",
        "what_if": "Analysis/WhatIf",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "only_over", "Over"),
        Binding("R", "recalculate", "Recalculate"),
        Binding("w", "what_if", "What-if"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._over = False
        self._new: frozenset[int] = frozenset()

    def above(self) -> ComposeResult:
        """How the calculation stands."""
        yield RunLine(self.desk, "projection", "Projecting")

    def _columns(self) -> Sequence[Column[Projection]]:
        def status(projection: Projection, now: datetime) -> Text:
            return reach(projection, new=projection.bucket_id in self._new)

        return (
            Column("Client", lambda p, now: text(p.client_name), 8, share=2, sort="client_name"),
            Column("Bucket", lambda p, now: text(p.bucket_name), 9, share=2, sort="bucket_name"),
            Column("So far", lambda p, now: so_far(p), SO_FAR_CELLS, right=True, above=70),
            Column(
                "Projected (range)",
                lambda p, now: between(p),
                23,
                share=1,
                right=True,
                sort="projected_quantity",
            ),
            Column(
                "Cost",
                lambda p, now: Text(money(p.projected_cost, p.currency), "bold"),
                13,
                right=True,
                sort="projected_cost",
                above=70,
            ),
            Column("Of commit", status, 13, sort="percent_of_commit"),
            Column("Record", lambda p, now: record(p), 9, right=True, above=100),
            Column("Ends", lambda p, now: Text(day(moment(p.period_end)), FAINT), 10, above=130),
            Column(
                "Calculated",
                lambda p, now: Text(ago(moment(p.calculated_at), now), FAINT),
                11,
                right=True,
                above=115,
            ),
        )

    def make_list(self) -> ListTable[Any]:
        """All, or those above their commit."""
        listing: Listing[Projection] = Listing(
            noun="projections",
            columns=self._columns(),
            fetch=self._fetch,
            key=lambda projection: projection.bucket_id,
            opens=OpenProjection,
            empty=NOTHING,
            restricted=lambda: "over their commit ×" if self._over else "",
            export=Export("projections", PROJECTION_COLUMNS, projection_row),
        )
        return ListTable(listing, heading="Projections", clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Projection], types_pb2.PageInfo]:
        if not page.sort:
            page = Page(page.size, page.after, _OWN_ORDER, descending=True)
        reply = await self.desk.aggregator.projections(page, search=search, over=self._over)
        self.desk.seen_currencies(*(one.currency for one in reply.projections))
        return reply.projections, reply.page

    def ask(self) -> None:
        """For the page, and for which overages are new."""
        super().ask()
        self._ask_new()
        self.query_one(RunLine).look()

    @work(exclusive=True, group="new-overages")
    async def _ask_new(self) -> None:
        try:
            dashboard = await self.desk.aggregator.dashboard()
        except CallFailed:
            # The list below says what is wrong; which of them are new stays as it was known last.
            return
        self.post_message(NewOverages(frozenset(one.bucket_id for one in dashboard.new_overages)))

    @on(NewOverages)
    def _new_known(self, message: NewOverages) -> None:
        message.stop()
        self._new = message.buckets
        self.table.redraw()

    def redraw(self) -> None:
        """Ages grow."""
        super().redraw()
        self.query_one(RunLine).refresh()

    @on(OpenProjection)
    async def _open(self, message: OpenProjection) -> None:
        from tui.screens.projection import ProjectionScreen

        message.stop()
        await self.app.push_screen(ProjectionScreen(self.desk, message.projection))

    # Keys.

    def action_only_over(self) -> None:
        """Those projected above their commit; again: all."""
        self._over = not self._over
        self.table.restart()

    def action_up(self) -> None:
        """First clears the filter, then shows all."""
        if self._over and not self.table.clear_filter():
            self.action_only_over()
        elif not self._over:
            super().action_up()

    def action_recalculate(self) -> None:
        """All projections anew; the screen stays usable meanwhile."""
        self.query_one(RunLine).start(self._calculate)

    async def _calculate(self) -> billing_pb2.Run:
        aggregator = self.desk.aggregator
        request = billing_pb2.RunProjectionRequest()
        return await aggregator.ask(aggregator.billing.RunProjection, request, seconds=JOB_SECONDS_MAX)

    @on(RunLine.Said)
    def _said(self, message: RunLine.Said) -> None:
        message.stop()
        self.say(message.words, failed=message.failed)

    @on(RunLine.Ended)
    def _ended(self, message: RunLine.Ended) -> None:
        message.stop()
        run = message.run
        if run.state == "failed":
            self.say(f"Projecting failed: {sentence(run.error) or 'no reason given'}", failed=True)
        else:
            self.say(f"Projected: {counts_words(run.counts) or 'nothing had changed'}.")
        self.action_refetch()

    @work(group="what-if")
    async def action_what_if(self) -> None:
        """Other terms of the bucket under the cursor."""
        rows = self.chosen()
        if rows:
            one: Projection = rows[0]
            name = f"{one.client_name} › {one.bucket_name}"
            await open_what_if(self, bucket_id=one.bucket_id, name=name)

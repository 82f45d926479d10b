"""One billing reading: what its cost is made of, what is known of its slots, its segments, terms and adjustments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from tui.cli.billing import segment_row
from tui.client import PAGE_ROWS_MAX, Page
from tui.desk import Desk
from tui.dialogs.shown import TextDialog
from tui.failures import CallFailed
from tui.format import NONE, clean, days, decimal, moment, money, of_commit, plural, quantity, stamp, text
from tui.messages import Loaded, LoadFailed, OpenBucket, OpenReading
from tui.screens import billing_cells as cells
from tui.screens.billing_acts import corrected
from tui.screens.billing_lists import OpenCorrected, adjustments_listing
from tui.screens.explain import ExplainScreen, Level
from tui.screens.listing import ListScreen, local_page
from tui.screens.verification import summary, verify_reading
from tui.theme import ATTENTION, BAD, FAINT
from tui.widgets.facts import Facts
from tui.widgets.frame import Crumbs
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from tui.widgets.waterfall import Waterfall
from ullage.v1 import agreements_pb2, billing_pb2, closing_pb2, inventory_pb2, types_pb2

Reading = billing_pb2.Reading
Segment = billing_pb2.ReadingSegment
SEGMENT_COLUMNS = (
    "starts_at",
    "ends_at",
    "fraction",
    "quantity",
    "commit",
    "used",
    "buffer",
    "overage",
    "limit",
    "cost",
)


@dataclass(frozen=True, slots=True)
class Found:
    """The reading as it is now (None: it is there no more), its bucket, and what corrects or stands in its period."""

    reading: Reading | None
    bucket: inventory_pb2.Bucket
    adjustments: Sequence[closing_pb2.Adjustment]


class ShowTerms(Message):
    """Show the terms under which a segment was rated."""

    def __init__(self, segment: Segment) -> None:
        super().__init__()
        self.segment = segment


def terms_words(terms: agreements_pb2.Terms, currency: str, symbol: str) -> str:
    """What was agreed, in one line."""
    unit = clean(symbol, 16)
    parts = [f"since {clean(terms.starts_on, 10)}", clean(terms.aggregation, 12)]
    if (decimal(terms.commit) or 0) > 0:
        parts.append(f"commit {quantity(terms.commit, symbol)} at {money(terms.base_price, currency)}")
        parts.append(f"above it {money(terms.overage_price, currency)} a {unit}")
    else:
        parts.append(f"no commit, {money(terms.overage_price, currency)} a {unit}")
    return ", ".join(parts)


def terms_lines(terms: agreements_pb2.Terms, currency: str, symbol: str) -> list[str]:
    """All that was agreed, a line each."""
    unit = clean(symbol, 16)
    lines = [
        f"Since         {clean(terms.starts_on, 10)}{f', until before {clean(terms.ends_on, 10)}' if terms.ends_on else ''}",
        f"Aggregation   {clean(terms.aggregation, 20)}",
        f"Commit        {quantity(terms.commit, symbol)}",
        f"Base price    {money(terms.base_price, currency)} a {unit}, up to the commit",
        f"Overage       {money(terms.overage_price, currency)} a {unit}, above it",
    ]
    lines += [
        f"Tier          {money(tier.price, currency)} a {unit} above {quantity(tier.above, symbol)} of overage"
        for tier in terms.tiers
    ]
    if terms.package:
        lines.append(f"Packages      of {quantity(terms.package, symbol)}, whole ones")
    lines.append(f"Minimum       {money(terms.minimum, currency)}")
    lines.append(f"Maximum       {money(terms.maximum, currency)}")
    lines.append(f"Gaps          {clean(terms.gap_rule, 40) or 'as the unit type says'}")
    lines.append(f"Prorated      {'yes, by days' if terms.prorate else 'no'}")
    return lines


def _money(amount: str, style: str = "") -> Text:
    value = decimal(amount)
    return Text(NONE if value is None else f"{value:,f}", style if value else FAINT)


class ReadingScreen(ListScreen):
    """One reading; ``i`` explains it down to raw readings, ``V`` verifies a final one."""

    NOUNS = frozenset({"reading", "bucket"})
    MAIN = "billing"
    NEEDS: ClassVar[dict[str, str]] = {"explain": "Closing/Explain", "verify": "Closing/Verify"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "explain", "Explain"),
        Binding("V", "verify", "Verify"),
        Binding("v", "bucket", "Its bucket"),
    ]
    DEFAULT_CSS = """
    ReadingScreen #coverage { height: auto; padding: 0 1; margin-bottom: 1; color: $foreground 80%; }
    ReadingScreen #adjusted { height: 1fr; }
    ReadingScreen .facts { margin-bottom: 1; }
    ReadingScreen.-adjusted #coverage, ReadingScreen.-adjusted Waterfall { margin-bottom: 0; }
    """

    def __init__(self, desk: Desk, reading: Reading) -> None:
        super().__init__(desk)
        self.reading = reading
        self._zones = cells.Zones(desk.aggregator)
        self._bucket: inventory_pb2.Bucket | None = None
        self._verified: closing_pb2.Verification | None = None
        self._gone = False
        self._trouble: CallFailed | None = None
        self._adjusted: Sequence[closing_pb2.Adjustment] = ()
        self._crumbs = Crumbs("Billing")
        self._adjustments: ListTable[closing_pb2.Adjustment] = ListTable(
            adjustments_listing(self._fetch_adjustments, self._zones, restricted=lambda: ""),
            heading="Adjustments of this period, and in it",
            clock=desk.clock,
        )

    def above(self) -> ComposeResult:
        """Facts, what the cost is made of, what is known."""
        yield self._crumbs
        yield Facts()
        yield Waterfall()
        yield Static(id="coverage", markup=False)

    def content(self) -> ComposeResult:
        """Segments, and adjustments where there are any."""
        yield from super().content()
        self._adjustments.id = "adjusted"
        yield self._adjustments

    def make_list(self) -> ListTable[Any]:
        """What the period was cut into."""
        listing: Listing[Segment] = Listing(
            noun="segments",
            columns=(
                Column("Days", lambda s, now: Text(self._segment_days(s)), 13),
                Column("Share", lambda s, now: text(s.fraction), 5),
                Column(
                    "Quantity", lambda s, now: Text(quantity(s.quantity, self.reading.symbol)), 13, right=True
                ),
                Column("Commit", lambda s, now: Text(quantity(s.commit)), 9, right=True, above=100),
                Column("Used", lambda s, now: _money(s.used), 9, right=True),
                Column("Buffer", lambda s, now: _money(s.buffer), 9, right=True),
                Column("Overage", lambda s, now: _money(s.overage, BAD), 9, right=True),
                Column("Limit", lambda s, now: _money(s.limit), 9, right=True, above=100),
                Column("Cost", lambda s, now: _money(s.cost, "bold"), 10, right=True, share=1),
                Column("Coverage", lambda s, now: cells.covered(s.coverage), 8, right=True, above=100),
            ),
            fetch=self._fetch_segments,
            key=lambda segment: (segment.starts_at.seconds, segment.terms_id),
            opens=ShowTerms,
            empty="Not cut into segments: it was rated as a whole.",
            export=Export("segments", SEGMENT_COLUMNS, segment_row),
        )
        return ListTable(listing, heading="Segments", clock=self.desk.clock)

    @property
    def _segments(self) -> ListTable[Segment]:
        return next(one for one in self.query(ListTable) if one is not self._adjustments)

    def _segment_days(self, segment: Segment) -> str:
        zone = self._zones[self.reading.client_id]
        return days(moment(segment.starts_at), moment(segment.ends_at), zone)[5:]

    async def _fetch_segments(self, page: Page, search: str) -> tuple[Sequence[Segment], types_pb2.PageInfo]:
        return local_page(self.reading.segments, page, search, "fraction")

    async def _fetch_adjustments(
        self, page: Page, search: str
    ) -> tuple[Sequence[closing_pb2.Adjustment], types_pb2.PageInfo]:
        return local_page(self._adjusted, page, search, "reason")

    def on_mount(self) -> None:
        """What the list knew is shown at once."""
        super().on_mount()
        self._adjustments.display = False
        self._show()

    def ask(self) -> None:
        """For the reading as it is now, its bucket's terms, and what corrects it."""
        self._ask_reading()

    @work(exclusive=True, group="reading")
    async def _ask_reading(self) -> None:
        held, aggregator = self.reading, self.desk.aggregator
        try:
            await self._zones.learn([held.client_id])
            reply = await aggregator.readings(Page(PAGE_ROWS_MAX), bucket_id=held.bucket_id)
            bucket = await aggregator.bucket(held.bucket_id)
            adjustments: list[closing_pb2.Adjustment] = []
            if not self.desk.refusal("Closing/ListAdjustments"):
                request = closing_pb2.ListAdjustmentsRequest(
                    page=Page(PAGE_ROWS_MAX).message(), bucket_id=held.bucket_id
                )
                adjustments += (await aggregator.ask(aggregator.closing.ListAdjustments, request)).adjustments
        except CallFailed as error:
            self.post_message(LoadFailed(error))
            return
        found = next((one for one in reply.readings if one.period_start == held.period_start), None)
        start = held.period_start
        ours = [one for one in adjustments if start in (one.of_start, one.in_start)]
        self.post_message(Loaded(Found(found, bucket, ours)))

    def on_load_failed(self, message: LoadFailed) -> None:
        """What was known stays, with the reason why it is not newer."""
        message.stop()
        self._trouble = message.error
        self._show()

    def on_loaded(self, message: Loaded[Found]) -> None:
        """As it is now."""
        message.stop()
        found = message.data
        self._gone, self._trouble = found.reading is None, None
        if found.reading is not None:
            self.reading = found.reading
        self._bucket, self._adjusted = found.bucket, found.adjustments
        self._adjustments.display = bool(found.adjustments)
        # Two lists have room on 24 lines only where no line is left blank.
        self.set_class(bool(found.adjustments), "-adjusted")
        self.query_one(Facts).styles.margin = (0, 0, 0 if found.adjustments else 1, 0)
        if found.adjustments:
            self._adjustments.refetch()
        self._segments.refetch()
        self._show()

    def redraw(self) -> None:
        """Nothing here ages."""

    def _show(self) -> None:
        reading = self.reading
        is_final = reading.state == cells.FINALISED
        self._crumbs.show("Billing", reading.client_name, reading.bucket_name, self._zones.days(reading))
        self.query_one(Facts).show_facts(self._facts(is_final))
        self.query_one(Waterfall).show_reading(reading, is_final=is_final)
        said = Text(f"{cells.coverage_words(reading.coverage)}\n{self._terms_line()}")
        if self._trouble is not None:
            said = Text(f"✖ not refreshed: {clean(str(self._trouble), 300)}", BAD)
        elif self._gone:
            said = Text("! This reading is there no more: the last billing run removed it.", ATTENTION)
        self.query_one("#coverage", Static).update(said)

    def _facts(self, is_final: bool) -> list[tuple[str, Text]]:
        reading = self.reading
        cost = cells.figure(reading.cost, reading.currency, is_final=is_final)
        reach = f", {of_commit(reading.percent_of_commit)} of it" if reading.percent_of_commit else ""
        commit = (
            quantity(reading.commit, reading.symbol) if (decimal(reading.commit) or 0) > 0 else "no commit"
        )
        return [
            ("State", cells.period_state(reading.state).append("" if is_final else ", ~ provisional", FAINT)),
            (
                "Quantity",
                text(f"{quantity(reading.quantity, reading.symbol)} ({reading.aggregation})", "bold"),
            ),
            ("Commit", Text(f"{commit}{reach}")),
            ("Cost", cost),
            ("Takes", text(f"{reading.unit_type} of {reading.source_type}")),
            ("Counted", Text(f"to {stamp(moment(reading.as_of))}")),
            ("Stored by", Text(stamp(moment(reading.cutoff)))),
            ("Evidence", self._evidence_cell(is_final)),
            ("Adjusted", Text(plural(len(self._adjusted), "adjustment") if self._adjusted else "no")),
        ]

    def _terms_of(self, segment: Segment) -> agreements_pb2.Terms | None:
        known = self._bucket.all_terms if self._bucket is not None else ()
        return next((one for one in known if one.id == segment.terms_id), None)

    def _terms_line(self) -> str:
        """Under which terms it was rated; of several sets the segments say which."""
        segments = self.reading.segments
        if len({one.terms_id for one in segments}) > 1:
            return "Terms: other ones in each segment; enter on a segment shows them."
        terms = self._terms_of(segments[0]) if segments else None
        if terms is None:
            return "Terms: not known any more." if self._bucket is not None else "Terms: …"
        return f"Terms: {terms_words(terms, self.reading.currency, self.reading.symbol)}."

    def _evidence_cell(self, is_final: bool) -> Text:
        if self._verified is not None:
            return summary(self._verified)
        return Text("kept; V verifies it" if is_final else "none before it is final", FAINT)

    @on(OpenCorrected)
    def _open_corrected(self, message: OpenCorrected) -> None:
        if message.adjustment.of_start == self.reading.period_start:
            self.say("This reading is the one that it corrects.")
        else:
            self._find_corrected(message.adjustment)

    @work(exclusive=True, group="corrected")
    async def _find_corrected(self, wanted: closing_pb2.Adjustment) -> None:
        found = await corrected(self.desk, wanted)
        if isinstance(found, str):
            self.say(found, failed=True)
        else:
            self.post_message(OpenReading(found))

    @on(ShowTerms)
    def _show_terms(self, message: ShowTerms) -> None:
        terms = self._terms_of(message.segment)
        if terms is None:
            self.say("These terms are not known any more.")
            return
        lines = terms_lines(terms, self.reading.currency, self.reading.symbol)
        title = f"Terms of {self._segment_days(message.segment)}"
        _ = self.app.push_screen(TextDialog(title, lines, copies="\n".join(lines)))

    def action_explain(self) -> None:
        """Down to raw readings."""
        _ = self.app.push_screen(ExplainScreen(self.desk, Level(self.reading)))

    def action_bucket(self) -> None:
        """What was agreed, and its other readings."""
        if self._bucket is None:
            self.say("The bucket is still on its way.")
        else:
            self.post_message(OpenBucket(self._bucket))

    def action_verify(self) -> None:
        """Whether a final reading still follows from its evidence."""
        reading = self.reading
        if reading.state != cells.FINALISED:
            self.say(f"Only final readings have evidence; this one is {cells.state_word(reading.state)}.")
            return
        _ = self.app.push_screen(verify_reading(self.desk, reading, self._zones, self._remember))

    def _remember(self, found: closing_pb2.Verification) -> None:
        self._verified = found
        self._show()

"""Whether final readings still follow from their evidence: three steps each, shown as they are verified."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.message import Message
from textual.timer import Timer
from textual.widgets import DataTable, Static

from tui.cli.evidence import FAILED, OK, VERIFICATION_COLUMNS, verification_row, verifying
from tui.client import Page
from tui.desk import Desk
from tui.failures import CallFailed, sentence
from tui.format import clean, day, moment, plural, text
from tui.messages import Refreshed, ShowText
from tui.screens.billing_cells import FINALISED, Zones, period_days
from tui.screens.listing import ListScreen, local_page
from tui.theme import ATTENTION, BAD, FAINT, GOOD
from tui.widgets.frame import Crumbs
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import billing_pb2, closing_pb2, types_pb2

# What has been verified is drawn so often while it goes on.
DRAW_SECONDS = 0.5
STEPS = (
    ("hash", "the evidence is as it was saved"),
    ("rating", "rating it again gives the figures"),
    ("readings", "what is stored gives the evidence"),
)
Verification = closing_pb2.Verification


def step_cell(step: closing_pb2.Step) -> Text:
    """ok, failed or not possible, with a sign."""
    match step.state:
        case "ok":
            return Text("✔ ok", GOOD)
        case "failed":
            return Text("✖ failed", BAD)
        case "not-possible":
            return Text("– not possible", ATTENTION)
        case other:
            return Text(clean(other, 14) or "—", FAINT)


def failed(found: Verification) -> bool:
    """Whether a step went wrong; one that could not be done did not."""
    return FAILED in {found.hash.state, found.rating.state, found.readings.state}


def summary(found: Verification) -> Text:
    """All three in a few words."""
    states = {name: getattr(found, name).state for name, _ in STEPS}
    wrong = [name for name, state in states.items() if state == FAILED]
    if wrong:
        return Text(f"✖ failed: {', '.join(wrong)}", BAD)
    return Text(f"✔ verified ({list(states.values()).count(OK)} of {len(STEPS)} steps)", GOOD)


class Over(Message):
    """Everything has been verified, or it broke off."""

    def __init__(self, error: CallFailed | None = None) -> None:
        super().__init__()
        self.error = error


class VerifyScreen(ListScreen):
    """Begins at once; leaving it ends it. ``told`` hears of each reading."""

    MAIN = "billing"
    DEFAULT_CSS = """
    VerifyScreen #verify-progress { height: auto; max-height: 4; padding: 0 1; }
    VerifyScreen #verify-text { height: auto; max-height: 7; padding: 0 1; border-top: solid $border; }
    """

    def __init__(
        self,
        desk: Desk,
        request: closing_pb2.VerifyRequest,
        *,
        of: Sequence[str],
        zone: str,
        month: str = "",
        told: Callable[[Verification], None] = lambda found: None,
    ) -> None:
        super().__init__(desk)
        self._request = request
        self._of = of
        self._zone = zone
        # In which the readings are counted, to say how many there are.
        self._month = month
        self._told = told
        self._found: list[Verification] = []
        # All there are, once the aggregator has said it.
        self._total = 0
        self._over = False
        self._error: CallFailed | None = None
        self._drawing: Timer | None = None

    def above(self) -> ComposeResult:
        """How far it is."""
        yield Crumbs("Billing", *self._of, "Verify")
        yield Static(id="verify-progress", markup=False)

    def content(self) -> ComposeResult:
        """Below the list what was found of the reading under the cursor."""
        yield from super().content()
        yield Static(id="verify-text", markup=False)

    def make_list(self) -> ListTable[Any]:
        """A line a reading."""
        listing: Listing[Verification] = Listing(
            noun="final readings",
            columns=(
                Column("Bucket", lambda v, now: text(v.bucket_name), 14, share=1, sort="bucket_name"),
                Column("Period from", lambda v, now: Text(day(moment(v.period_start), self._zone)), 11),
                Column("Hash", lambda v, now: step_cell(v.hash), 14),
                Column("Rating", lambda v, now: step_cell(v.rating), 14),
                Column("Readings", lambda v, now: step_cell(v.readings), 14),
            ),
            fetch=self._fetch,
            key=lambda found: (found.bucket_id, found.period_start.seconds),
            opens=_text,
            empty="Nothing is final here, so there is no evidence to verify.",
            export=Export("verification", VERIFICATION_COLUMNS, verification_row),
        )
        return ListTable(listing, heading="Final readings", clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Verification], types_pb2.PageInfo]:
        if self._error is not None and not self._found:
            raise self._error
        return local_page(self._found, page, search, "bucket_name")

    def ask(self) -> None:
        """There is nothing to show before the first one, unless there is none."""
        if self._found or self._over:
            super().ask()

    def on_mount(self) -> None:
        """Begins."""
        super().on_mount()
        self._drawing = self.set_interval(DRAW_SECONDS, self._draw)
        self._verify()

    def action_refetch(self) -> None:
        """Once it is over: from the beginning."""
        if self._over:
            self._found, self._over, self._error = [], False, None
            self._verify()
        super().action_refetch()
        self._say_progress()

    @work(exclusive=True, group="verify")
    async def _verify(self) -> None:
        aggregator, request = self.desk.aggregator, self._request
        try:
            if not request.bucket_id:
                reply = await aggregator.readings(
                    Page(1), client_id=request.client_id, state=FINALISED, month=self._month
                )
                self._total = reply.page.total
            async for found in verifying(aggregator, request):
                self._found.append(found)
                self._told(found)
        except CallFailed as error:
            self.post_message(Over(error))
            return
        self.post_message(Over())

    @on(Over)
    def _ended(self, message: Over) -> None:
        self._over, self._error = True, message.error
        if self.query(ListTable):
            self.table.refetch()
            self._say_progress()

    def _draw(self) -> None:
        """Rows come in bursts; each is drawn once."""
        if not self.query(ListTable):
            # The screen is being left: its parts go one after another.
            return
        if len(self._found) != len(self.table.table.items):
            self.table.refetch()
        self._say_progress()

    def _say_progress(self) -> None:
        wrong = sum(failed(one) for one in self._found)
        so_far = plural(len(self._found), "final reading")
        if self._error is not None:
            line = Text(f"✖ Broke off after {so_far}: {clean(str(self._error), 200)} r begins again.", BAD)
        elif not self._over:
            of = f" of {self._total:,}" if self._total else ""
            line = Text(f"▶ verifying … {len(self._found):,}{of} done, {wrong:,} failed", ATTENTION)
        elif wrong:
            line = Text(
                f"✖ {wrong:,} of {so_far} cannot be defended. Keep the database as it is; compare with a backup and "
                "the audit log.",
                BAD,
            )
        else:
            line = Text(f"✔ {sentence(so_far)[:-1]}: no step failed.", GOOD)
        self.query_one("#verify-progress", Static).update(line)

    @on(Refreshed)
    @on(DataTable.RowHighlighted)
    def _show_text(self) -> None:
        """What each step means, and what it found here."""
        found = self.table.table.current
        panel = self.query_one("#verify-text", Static)
        panel.display = found is not None
        panel.update(Text("\n").join(_lines(found)) if found is not None else "")


def _lines(found: Verification) -> list[Text]:
    lines = []
    for name, meaning in STEPS:
        step = getattr(found, name)
        said = f": {clean(step.text, 400)}" if step.text else ""
        line = Text(f"{name} ({meaning}): ", FAINT)
        lines.append(line.append(step_cell(step).plain + said, "" if step.state == OK else "bold"))
    return lines


def _text(found: Verification) -> ShowText:
    """What was found of one reading, where it can be copied."""
    lines = [line.plain for line in _lines(found)]
    return ShowText(f"Verified: {clean(found.bucket_name, 60)}", lines, copies="\n".join(lines))


def verify_reading(
    desk: Desk,
    reading: billing_pb2.Reading,
    zones: Zones,
    told: Callable[[Verification], None] = lambda found: None,
) -> VerifyScreen:
    """Of this reading alone."""
    zone = zones[reading.client_id]
    request = closing_pb2.VerifyRequest(
        client_id=reading.client_id,
        bucket_id=reading.bucket_id,
        first_day=day(moment(reading.period_start), zone),
    )
    of = (reading.client_name, reading.bucket_name, zones.days(reading))
    return VerifyScreen(desk, request, of=of, zone=zone, told=told)


def verify_period(desk: Desk, period: closing_pb2.Period, zones: Zones) -> VerifyScreen:
    """Of all readings of a client's period."""
    request = closing_pb2.VerifyRequest(client_id=period.client_id, first_day=period.first_day)
    of = (period.client_name, period_days(period.first_day, period.last_day))
    return VerifyScreen(desk, request, of=of, zone=zones[period.client_id], month=period.last_day[:7])

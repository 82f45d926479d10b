"""What periods cost: by client with their readings below, readings of all clients, adjustments, what came too late.

Runs billing, and leads to the close checklist, to where a figure comes from, and to files for other systems.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widgets import DataTable

from tui.client import Page
from tui.desk import Desk
from tui.dialogs.choose import Choice, ChooseDialog
from tui.dialogs.form import Form
from tui.failures import CallFailed
from tui.format import clean
from tui.messages import OpenPeriod, OpenReading, Refreshed
from tui.screens import billing_lists as lists
from tui.screens.billing_acts import corrected, finalise_act, not_ended
from tui.screens.billing_cells import FINALISED
from tui.screens.billing_files import write_files
from tui.screens.billing_run import EVERYTHING, FORM, JOB, rate, run_form
from tui.screens.billing_scope import EVERY, SCOPES, VIEW_CALLS, VIEWS, AddedUp, Headline, Questions
from tui.screens.explain import ExplainScreen, Level
from tui.screens.listing import ListScreen
from tui.screens.money import MoneyScreen
from tui.screens.verification import verify_period, verify_reading
from tui.widgets.list_table import Listing, ListTable
from tui.widgets.run_line import RunLine, counts_words
from ullage.v1 import billing_pb2, closing_pb2, types_pb2

Period = closing_pb2.Period
Reading = billing_pb2.Reading

# Between the last move of the cursor and the question for the readings of what is under it.
FOLLOW_SECONDS = 0.15
NO_PERIODS = (
    "No periods end in this month.\n\n, and . go to other months; f shows those of all months that are open, ended "
    "or overdue"
)
NO_READINGS = "No readings: nothing was rated in this period yet.\n\nR runs billing"


class BillingScreen(MoneyScreen, ListScreen):
    """Periods and readings of a month; a reading opens what it was worked out from."""

    NOUNS = frozenset({"reading", "client", "job"})
    MAIN = "billing"
    NEEDS: ClassVar[dict[str, str]] = {
        "run": "Billing/RunBilling",
        "close": "Closing/GetChecklist",
        "finalise": "Closing/Finalise",
        "explain": "Closing/Explain",
        "verify": "Closing/Verify",
        "files": "Closing/ExportReadings",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("R", "run", "Run"),
        Binding("C", "close", "Close"),
        Binding("i", "explain", "Explain"),
        Binding("v", "view", "View"),
        Binding("f", "states", "State"),
        Binding("F", "finalise", "Finalise"),
        Binding("W", "files", "Write files"),
        Binding("V", "verify", "Verify"),
        Binding("t", "same_source", "Source type as here", show=False),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._view = VIEWS[0]
        self._moving: Timer | None = None
        self.questions = ask = Questions(desk.aggregator, lambda: self.month)
        self._headline = Headline()
        self.run_line = RunLine(desk, JOB, "Billing")
        self.periods: ListTable[Period] = self._list(
            "Periods", lists.periods_listing(self._periods, empty=NO_PERIODS, restricted=ask.of_state)
        )
        self.readings: ListTable[Reading] = self._list(
            "Readings",
            lists.readings_listing(ask.readings_of, ask.zones, empty=NO_READINGS, restricted=ask.of_whom),
        )
        self.all_readings: ListTable[Reading] = self._list(
            "Readings",
            lists.readings_listing(
                ask.readings, ask.zones, empty=NO_PERIODS, restricted=ask.of_source, with_client=True
            ),
        )
        self.adjustments: ListTable[lists.Adjustment] = self._list(
            "Adjustments", lists.adjustments_listing(ask.adjustments, ask.zones, restricted=ask.of_client)
        )
        self.too_late: ListTable[lists.TooLate] = self._list(
            "Too late", lists.too_late_listing(ask.too_late, restricted=ask.of_client)
        )

    def _list(self, heading: str, listing: Listing[Any]) -> ListTable[Any]:
        return ListTable(listing, heading=heading, clock=self.desk.clock)

    def content(self) -> ComposeResult:
        """A line of sums, a line about the job, then the lists of the view."""
        yield self._headline
        yield self.run_line
        yield from self._lists()

    def _lists(self) -> Sequence[ListTable[Any]]:
        return self.periods, self.readings, self.all_readings, self.adjustments, self.too_late

    def _shown(self) -> Sequence[ListTable[Any]]:
        views = ((self.periods, self.readings), (self.all_readings,), (self.adjustments,), (self.too_late,))
        return views[VIEWS.index(self._view)]

    def on_mount(self) -> None:
        """A key that may not see periods has its readings alone."""
        super().on_mount()
        self.run_line.display = not self.desk.refusal("Admin/ListJobs")
        self._show_view(self._views()[0])

    def _show_view(self, view: str) -> None:
        self._view = view
        shown = self._shown()
        for one in self._lists():
            one.display = one in shown and (one is not self.readings or self.questions.of is not None)
        shown[0].focus_rows()
        self._draw_headline()

    def _draw_headline(self) -> None:
        self._headline.show(month=self.questions.month, view=self._view, currency=self.desk.currency)

    # Asking.

    def ask(self) -> None:
        """For everything on view, and how the job is doing."""
        self.run_line.look()
        if self._view not in self._views():
            # Who we are was not known yet when this view was chosen.
            self._show_view(self._views()[0])
        for one in self._shown():
            if one is not self.readings or self.questions.of is not None:
                one.refetch()

    def redraw(self) -> None:
        """Relative times grow."""
        self.run_line.refresh()
        for one in self._shown():
            one.redraw()

    def _restart(self) -> None:
        """Other periods are wanted: from their first page."""
        self._draw_headline()
        for one in self._shown():
            if one is not self.readings:
                one.restart()

    async def _periods(self, page: Page, search: str) -> tuple[Sequence[Period], types_pb2.PageInfo]:
        found, info = await self.questions.periods(page, search)
        if not page.after:
            self._add_up(found, info, search)
        return found, info

    @work(exclusive=True, group="sums")
    async def _add_up(self, found: Sequence[Period], info: types_pb2.PageInfo, search: str) -> None:
        try:
            self.post_message(AddedUp(await self.questions.sums(found, info, search)))
        except CallFailed:
            # The list itself says what is wrong.
            return

    @on(AddedUp)
    def _added_up(self, message: AddedUp) -> None:
        self._headline.sums = message.sums
        self.desk.seen_currencies(*sorted(message.sums or ()))
        self._draw_headline()

    def month_changed(self) -> None:
        """What is shown of all months is shown of the one chosen."""
        if self.questions.scope.every_month:
            self.questions.scope = EVERY
        self._restart()

    def currency_changed(self) -> None:
        """The sum of that currency comes first."""
        self._draw_headline()

    def search_for(self, wanted: str) -> None:
        """Finds clients."""
        self._show_view(VIEWS[0])
        super().search_for(wanted)

    # The readings below follow the cursor above.

    @on(DataTable.RowHighlighted)
    def _moved(self, event: DataTable.RowHighlighted) -> None:
        if event.data_table is self.periods.table:
            if self._moving is not None:
                self._moving.stop()
            self._moving = self.set_timer(FOLLOW_SECONDS, self._follow)

    @on(Refreshed)
    def _arrived(self) -> None:
        self._follow()

    def _follow(self) -> None:
        of, before = self.periods.table.current, self.questions.of
        self.questions.of = of
        key = self.periods.listing.key
        # Without a period there is nobody whose readings could be shown.
        self.readings.display = of is not None and self._view == VIEWS[0]
        if of is not None and (before is None or key(before) != key(of)):
            self.readings.restart()

    @on(lists.ShowReadings)
    def _show_readings(self) -> None:
        self._follow()
        self.readings.focus_rows()

    @on(lists.Unknown)
    def _nothing_to_open(self, message: lists.Unknown) -> None:
        self.say(message.words)

    @on(lists.OpenCorrected)
    def _open_corrected(self, message: lists.OpenCorrected) -> None:
        self._find_corrected(message.adjustment)

    @work(exclusive=True, group="corrected")
    async def _find_corrected(self, wanted: lists.Adjustment) -> None:
        found = await corrected(self.desk, wanted)
        if isinstance(found, str):
            self.say(found, failed=True)
        else:
            self.post_message(OpenReading(found))

    # Another view.

    def action_view(self) -> None:
        """The next one that this key may see."""
        views = self._views()
        at = views.index(self._view) if self._view in views else -1
        self._show_view(views[(at + 1) % len(views)])
        self._restart()

    def _views(self) -> list[str]:
        return [view for view in VIEWS if not self.desk.refusal(VIEW_CALLS[view])] or [VIEWS[1]]

    @work(group="states")
    async def action_states(self) -> None:
        """Which periods; of adjustments and late usage, whose."""
        if self._view in VIEWS[2:]:
            await self._choose_client()
            return
        choices = [scope.choice(self.month_words) for scope in SCOPES]
        at = self.questions.scope.name or "every"
        found = await self.app.push_screen_wait(ChooseDialog("Which periods", choices, at=at))
        if found is not None:
            self.questions.scope = next(scope for scope in SCOPES if (scope.name or "every") == found)
            self._restart()

    async def _choose_client(self) -> None:
        of = self.questions.of
        why_not = "" if of else "no client is under the cursor of the list by client"
        name = clean(of.client_name, 40) if of else "one client"
        choices = [Choice("all", "of all clients", "a"), Choice("one", f"of {name} alone", "c", why_not)]
        found = await self.app.push_screen_wait(ChooseDialog("Whose", choices))
        if found is not None:
            self.questions.client = (of.client_id, of.client_name) if of and found == "one" else None
            self._restart()

    def action_same_source(self) -> None:
        """Only readings of the source type under the cursor; again: all."""
        row = self.all_readings.table.current if self._view == VIEWS[1] else None
        if self._view != VIEWS[1]:
            self.say("Source types are told apart among the readings of all clients: v goes there.")
            return
        self.questions.source = "" if self.questions.source or row is None else row.source_type
        self._restart()

    def action_filter(self) -> None:
        """Of what the aggregator searches."""
        if self._view in VIEWS[2:]:
            self.say("This list is not searched by name; f shows one client's alone.")
        else:
            super().action_filter()

    def action_up(self) -> None:
        """First clears the filter, then what restricts the view, then goes back to the first view, then leaves."""
        asked = self.questions
        late = self._view in VIEWS[2:]
        if self.table.clear_filter():
            return
        if late and asked.client:
            asked.client = None
        elif self._view == VIEWS[1] and asked.source:
            asked.source = ""
        elif not late and asked.scope is not EVERY:
            asked.scope = EVERY
        elif self._view != self._views()[0]:
            self._show_view(self._views()[0])
        else:
            super().action_up()
            return
        self._restart()

    # What is done.

    def _period(self) -> Period | None:
        """Under the cursor of the list by client; says so where there is none."""
        if self._view != VIEWS[0]:
            self.say("Periods are in the list by client: v goes there.")
            return None
        if self.periods.table.current is None:
            self.say("There is no period here.")
        return self.periods.table.current

    def _reading(self) -> Reading | None:
        """Under the cursor of the list that has the keys, if it is one of readings."""
        table = self.table
        return table.table.current if table in (self.readings, self.all_readings) else None

    def action_run(self) -> None:
        """Asks which periods, then runs in the background."""
        if self.run_line.busy:
            self.run_line.start(rate(self.desk, everything=False))
        else:
            self.fill(run_form())

    def filled(self, form: Form, values: dict[str, str]) -> None:
        """The form of a run: starts it."""
        if form.title == FORM:
            self.run_line.start(rate(self.desk, everything=values["which"] == EVERYTHING))

    @on(RunLine.Said)
    def _run_said(self, message: RunLine.Said) -> None:
        self.say(message.words, failed=message.failed)

    @on(RunLine.Ended)
    def _run_ended(self, message: RunLine.Ended) -> None:
        run = message.run
        if run.state == "failed":
            self.say(f"Billing failed: {clean(run.error, 300) or 'its log says why'}", failed=True)
        else:
            self.say(f"Billing is done: {counts_words(run.counts) or 'nothing had changed'}.")
        self.ask()

    def action_close(self) -> None:
        """What keeps the period from becoming final."""
        period = self._period()
        if period is not None:
            why_not = not_ended(period)
            if why_not:
                self.say(why_not)
            else:
                self.post_message(OpenPeriod(period))

    def action_finalise(self) -> None:
        """For good, after a dry run and the client's name."""
        period = self._period()
        if period is not None:
            why_not = not_ended(period)
            if why_not:
                self.say(why_not)
            else:
                self.perform(finalise_act(self.desk, period))

    def action_explain(self) -> None:
        """Where the figure under the cursor comes from."""
        reading = self._reading()
        if reading is None:
            self.say("A reading is explained: tab goes to the readings below, v to those of all clients.")
        else:
            _ = self.app.push_screen(ExplainScreen(self.desk, Level(reading)))

    def action_verify(self) -> None:
        """Whether what is final still follows from its evidence."""
        reading, zones = self._reading(), self.questions.zones
        period = self._period() if reading is None else None
        if FINALISED not in [one.state for one in (reading, period) if one is not None]:
            if reading is not None or period is not None:
                self.say("Only what is final has evidence; these figures are provisional.")
        elif reading is not None:
            _ = self.app.push_screen(verify_reading(self.desk, reading, zones))
        elif period is not None:
            _ = self.app.push_screen(verify_period(self.desk, period, zones))

    @work(group="files")
    async def action_files(self) -> None:
        """Readings of a period as files, one a source type; what did not work can be put right and tried again."""
        of = self.questions.of if self._view == VIEWS[0] else None
        await write_files(self, month=self.month, of=of)

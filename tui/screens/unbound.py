"""What is metered and billed to nobody: the screen on which money is found, and dealt with many at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.timer import Timer
from textual.widgets import DataTable, Static

from tui.cli.rows import UNBOUND_COLUMNS, asset_row
from tui.client import PAGE_ROWS_MAX, Page
from tui.desk import Desk
from tui.dialogs.act import Act
from tui.dialogs.choose import ChooseDialog
from tui.dialogs.form import Form
from tui.failures import CallFailed
from tui.messages import OpenAsset, Refreshed
from tui.screens.asset_acts import AssetActs
from tui.screens.triage import Asset, Suggestion, Triage
from tui.screens.triage_accept import accept, ask_suggestions
from tui.screens.triage_filter import Chips, chosen, menu, values
from tui.screens.triage_panel import TriagePanel
from tui.screens.triage_sums import leakage_words, page_words
from tui.screens.triage_table import TriageTable, columns
from tui.theme import FAINT
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import RowTable
from ullage.v1 import analysis_pb2, types_pb2

# The panel follows the cursor once it rests: a key held down draws it once.
PANEL_SECONDS = 0.05
HEADING = "Unbound assets"
EMPTY = "No unbound assets: everything that is metered is billed."


@dataclass
class Suggested(Message):
    """What is suggested for the rows of a page, or why that is not known."""

    asked: Sequence[int]
    suggestions: Sequence[Suggestion] = ()
    failure: str = ""


@dataclass
class Summed(Message):
    """What is not billed in all; None: this key may not ask, or it failed."""

    leakage: analysis_pb2.ListLeakageReply | None


class UnboundScreen(AssetActs):
    """Assets with usage that no bucket bills, what is alike together; ``a`` accepts what is suggested for a group."""

    NOUNS = frozenset({"asset", "bucket", "client"})
    MAIN = "unbound"
    NEEDS: ClassVar[dict[str, str]] = {
        "accept": "Inventory/BindAssets",
        "new_bucket": "Inventory/CreateBucket",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "accept", "Accept"),
        Binding("n", "new_bucket", "New bucket"),
        Binding("v", "fold", "Groups"),
        Binding("f", "filters", "Filters"),
        Binding("plus", "mark_alike", "Mark alike", key_display="+"),
        Binding("t", "same_source", "Source type", show=False),
        Binding("r", "arrange", "Refresh, and put in order", show=False),
    ]
    # What was done is said above the panel, which shows what is next.
    CSS = """
    UnboundScreen.-narrow ToastRack, UnboundScreen.-normal ToastRack { margin-bottom: 7; }
    """
    # The rules name classes of the screen itself.
    SCOPED_CSS = False
    DEFAULT_CSS = """
    #triage { height: 1fr; layout: vertical; }
    .-wide #triage, .-vast #triage { layout: horizontal; }
    .-wide #triage ListTable, .-vast #triage ListTable { width: 1fr; }
    #triage-sums { height: 1; padding: 0 1; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._triage = Triage()
        self._chips = Chips()
        self._leakage: analysis_pb2.ListLeakageReply | None = None
        self._following: Timer | None = None
        self._accepting: Act | None = None
        self._undoing = False
        # What was on view when something was taken back.
        self._before_undo: set[int] | None = None

    # What is shown.

    def content(self) -> ComposeResult:
        """What is lost in all, the list, and what the row under the cursor is about."""
        yield Static(Text("… adding up what is not billed", "dim"), id="triage-sums", markup=False)
        with Horizontal(id="triage"):
            yield self.make_list()
            yield TriagePanel()

    def make_list(self) -> ListTable[Any]:
        """As the aggregator counts them."""
        listing: Listing[Asset] = Listing(
            noun="unbound assets",
            columns=columns(self._triage, beside=False),
            fetch=self._fetch,
            key=lambda asset: asset.id,
            opens=self._open,
            empty=EMPTY,
            restricted=self._chips_words,
            markable=True,
            arrange=self._triage.arrange,
            export=Export("unbound", UNBOUND_COLUMNS, asset_row),
        )
        return TriageTable(listing, self._triage, heading=HEADING, clock=self.desk.clock)

    @property
    def triage_table(self) -> TriageTable:
        """The one list of this screen."""
        return self.query_one(TriageTable)

    def _chips_words(self) -> str:
        return self._chips.words()

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Asset], types_pb2.PageInfo]:
        """Where no order is asked for, what costs most comes first."""
        if not page.sort:
            page = replace(page, sort="unbound_money", descending=True)
        query = self._chips.query(search)
        if not self._chips.here:
            reply = await self.desk.aggregator.assets(page, query)
            return reply.assets, reply.page
        rows: list[Asset] = []
        after = ""
        while True:
            reply = await self.desk.aggregator.assets(replace(page, size=PAGE_ROWS_MAX, after=after), query)
            rows.extend(reply.assets)
            after = reply.page.next
            if not after:
                break
        if self._chips.suggested is not None:
            ids = [row.id for row in rows if row.id not in self._triage.answered]
            self._triage.learn(ids, await ask_suggestions(self.desk, ids))
        now = self.desk.clock()
        found = [row for row in rows if self._chips.lets_through(row, self._triage, now)]
        start = int(page.after or 0)
        end = start + page.size
        return found[start:end], types_pb2.PageInfo(
            next=str(end) if end < len(found) else "", total=len(found)
        )

    def ask(self) -> None:
        """For the page on view, and what is lost in all."""
        super().ask()
        self._ask_leakage()

    @work(exclusive=True, group="leakage")
    async def _ask_leakage(self) -> None:
        aggregator = self.desk.aggregator
        try:
            reply = await aggregator.ask(aggregator.analysis.ListLeakage, analysis_pb2.ListLeakageRequest())
        except CallFailed:
            self.post_message(Summed(None))
            return
        self.post_message(Summed(reply))

    @on(Summed)
    def _summed(self, message: Summed) -> None:
        # What was said before still stands while it cannot be asked for.
        self._leakage = message.leakage or self._leakage
        self._draw_sums()

    def _draw_sums(self) -> None:
        rows = self._rows()
        line = Text("What is not billed is not known.", FAINT)
        if self._leakage is not None:
            line = leakage_words(self._leakage)
        elif rows:
            line = page_words(rows)
        self.query_one("#triage-sums", Static).update(line)

    def _rows(self) -> Sequence[Asset]:
        """All assets of the page, also those behind the line of a group."""
        return self.triage_table.came

    @on(Refreshed)
    def _rows_shown(self) -> None:
        """Rows are there: now for what is suggested for them."""
        self.triage_table.settle()
        self._go_to_what_came_back()
        if self._leakage is None:
            self._draw_sums()
        self._follow()
        ids = [row.id for row in self._rows()]
        if ids:
            self._suggest(ids)

    @work(exclusive=True, group="suggest")
    async def _suggest(self, ids: Sequence[int]) -> None:
        try:
            found = await ask_suggestions(self.desk, ids)
        except CallFailed as error:
            self.post_message(Suggested(ids, failure=str(error)))
            return
        self.post_message(Suggested(ids, found))

    @on(Suggested)
    def _suggested(self, message: Suggested) -> None:
        triage = self._triage
        failed, triage.failure = bool(triage.failure), message.failure
        if message.failure:
            self.triage_table.regroup(answered=False)
        elif triage.learn(message.asked, message.suggestions) or failed or not triage.settled:
            self.triage_table.regroup(answered=True)
        self._follow()

    @on(DataTable.RowHighlighted)
    def _cursor_moved(self) -> None:
        if self._following is not None:
            self._following.stop()
        self._following = self.set_timer(PANEL_SECONDS, self._follow)

    def _follow(self) -> None:
        table = self.triage_table.table
        shown = table.current if table.display else None
        marked = self.chosen() if table.marked else []
        may = not self.refusal("assign")
        self.query_one(TriagePanel).show(shown, self._triage, marked, self.desk.clock(), may=may)

    def on_row_table_marked(self, event: RowTable.Marked) -> None:
        """The panel says for how many the next key is."""
        super().on_row_table_marked(event)
        self._cursor_moved()

    def _open(self, asset: Asset) -> Message | None:
        """The asset; of a line that stands for a group its assets."""
        if len(self._triage.members(asset)) > 1:
            self._show_folded(folded=False)
            return None
        return OpenAsset(asset.id, asset.name)

    # What an act is for.

    def chosen(self) -> list[Any]:
        """The marked rows, or the one under the cursor; a line that stands for a group means all of it."""
        found = [one for row in super().chosen() for one in self._triage.members(row)]
        return list({one.id: one for one in found}.values())

    @work(group="accept", exclusive=True)
    async def action_accept(self) -> None:
        """What is suggested: for the marked, else for all that are alike under the cursor."""
        rows = self.chosen()
        if rows and not self.table.table.marked:
            group = self._triage.alike(rows[0])
            rows = list(group.members) if group is not None else rows
        unknown = [row.id for row in rows if row.id not in self._triage.answered]
        if unknown:
            try:
                self._triage.learn(unknown, await ask_suggestions(self.desk, unknown))
            except CallFailed as error:
                self.say(str(error), failed=True)
                return
        act = accept(self.desk, rows, self._triage.suggestions)
        if act is not None:
            self._accepting = act
            self.perform(act)
        elif rows:
            self.say("Nothing is suggested here: o assigns, b binds, n makes a bucket, d disregards.")

    def performed(self, act: Act, reply: Any) -> None:
        """In few words: the next group is waiting. What was said of the last one makes room."""
        self.app.clear_notifications()
        if self._undoing:
            self._before_undo = {row.id for row in self._rows()}
        if act is not self._accepting:
            super().performed(act, reply)
            return
        self.table.table.clear_marks()
        self.say(
            f"{act.done(reply) if act.done is not None else ''}{' z takes it back.' if reply.audit_group else ''}"
        )
        self.action_refetch()

    async def _set_back(self, *, redo: bool) -> None:
        """What comes back is looked at next."""
        self._undoing = True
        try:
            await super()._set_back(redo=redo)
        finally:
            self._undoing = False

    def _go_to_what_came_back(self) -> None:
        before, self._before_undo = self._before_undo, None
        if before is not None:
            table = self.triage_table.table
            table.select(next((row.id for row in table.items if row.id not in before), 0))

    def action_mark_alike(self) -> None:
        """All that are alike under the cursor, or, when they are marked, not any more."""
        here = self.triage_table.table.current
        group = None if here is None else self._triage.alike(here)
        if here is None or group is None:
            self.say("There is nothing here to mark.")
            return
        rows = [here] if self._triage.folded else list(group.members)
        marked = self.table.table.marked
        self.table.table.mark(rows, on=not all(row.id in marked for row in rows))

    @work(group="form")
    async def action_new_bucket(self) -> None:
        """For what nobody bills: with the terms of the unit type's template, or of the bucket that is most like it."""
        from tui.screens.triage_bucket import prepare

        rows = self.chosen()
        if rows:
            found = await prepare(self.app, self.desk, rows, self._triage.suggestions.get(rows[0].id))
            if isinstance(found, Form):
                self.fill(found)
            elif found:
                self.say(found)

    # Which are looked at, and how.

    def action_arrange(self) -> None:
        """Asks anew, and puts the page in order again."""
        self._triage.settled = False
        self.action_refetch()

    def action_fold(self) -> None:
        """One line a group of alike; again: one an asset."""
        if self.table.table.marked:
            self.say("Rows are marked: esc unmarks them first.")
            return
        self._show_folded(folded=not self._triage.folded)

    def _show_folded(self, *, folded: bool) -> None:
        table = self.triage_table
        here = table.table.current
        group = None if here is None else self._triage.alike(here)
        self._triage.folded = folded
        table.heading = f"{HEADING} by group" if folded else HEADING
        table.regroup(answered=self._triage.settled)
        if group is not None:
            members = {one.id for one in group.members}
            table.table.select(next((row.id for row in table.table.items if row.id in members), 0))
        self._follow()

    @work(group="filters")
    async def action_filters(self) -> None:
        """A menu; what is chosen stands as chips in the title."""
        choices, at = menu(self._chips)
        kind = await self.app.push_screen_wait(ChooseDialog("Which unbound assets?", choices, at=at))
        if kind is None:
            return
        value: str | None = ""
        if kind in {"client", "source", "agent"}:
            found = values(kind, self._rows(), self._clients())
            if not found:
                self.say("There is nothing to choose from on this page.")
                return
            value = await self.app.push_screen_wait(ChooseDialog("Which one?", found))
        if value is not None:
            self._restrict(chosen(self._chips, kind, value))

    def _clients(self) -> list[tuple[int, str]]:
        found = {row.client_id: row.client_name for row in self._rows()}
        if self._leakage is not None:
            found |= {row.client_id: row.client_name for row in self._leakage.rows}
        return sorted(found.items(), key=lambda one: one[1].casefold())

    def _restrict(self, chips: Chips) -> None:
        self._chips = chips
        self.table.restart()

    def action_same_source(self) -> None:
        """Only the source type of the row under the cursor; again: all of them."""
        row = self.table.table.current
        source = "" if self._chips.source_type or row is None else row.source_type
        self._restrict(replace(self._chips, source_type=source))

    def action_up(self) -> None:
        """First unmarks, then clears the filter, then the chips, then leaves."""
        if self.table.table.clear_marks() or self.table.clear_filter():
            return
        if self._chips != Chips():
            self._restrict(Chips())
        else:
            super().action_up()

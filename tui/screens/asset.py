"""One asset: its usage of the last 30 days, what bills it, whose it was, who reports it, and what can be done with it."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import DataTable, Static

from tui.cli.output import to_table
from tui.cli.rows import SERIES_COLUMNS, series_rows
from tui.desk import Desk
from tui.dialogs.choose import Choice, ChooseDialog
from tui.dialogs.export import ExportDialog
from tui.dialogs.shown import TextDialog
from tui.failures import CallFailed
from tui.format import ago, clean, day, moment, quantity, text
from tui.messages import Loaded, LoadFailed, OpenAsset, OpenClient, Refreshed
from tui.screens import asset_decisions as decisions
from tui.screens import asset_history, asset_words
from tui.screens.asset_acts import AssetKeys
from tui.screens.asset_history import Held
from tui.screens.asset_search import asset_label
from tui.screens.asset_words import Asked
from tui.theme import ATTENTION, FAINT
from tui.widgets.chart import UsageChart
from tui.widgets.facts import Facts
from tui.widgets.frame import Crumbs
from tui.widgets.row_table import Column, RowTable
from ullage.v1 import asset_acts_pb2, inventory_pb2

Series = inventory_pb2.Series
Asset = inventory_pb2.Asset
# Lines of what wants attention, on a terminal of so many lines and on a higher one.
NOTES_LINES = 3
NOTES_LINES_HIGH = 6
HIGH_LINES = 34
# What the screen shows of usage and history: both, or one of them with all the room.
VIEWS = ("both", "usage", "history")
_OPEN, _INTO, _HERE = "open", "into", "here"


@dataclass
class NothingToOpen(Message):
    """A row of which nothing can be opened, and why."""

    words: str


def bound_to(series: Series) -> Text:
    """The bucket that bills the series now."""
    for binding in reversed(series.bindings):
        if moment(binding.to) is None:
            return text(binding.bucket_name)
    return Text("unbound", ATTENTION)


def open_series(series: Series) -> Message:
    """The client whose bucket bills the series, with the cursor on that bucket."""
    for binding in reversed(series.bindings):
        if moment(binding.to) is None:
            return OpenClient(binding.client_id, "", binding.bucket_id)
    return NothingToOpen(f"{clean(series.unit_type, 30)} is bound to no bucket now: b binds it.")


def open_held(held: Held) -> Message:
    """The client, of a binding with the cursor on its bucket."""
    return OpenClient(held.client_id, "" if held.bucket_id else held.to, held.bucket_id)


COLUMNS: Sequence[Column[Series]] = (
    Column("Unit", lambda s, now: text(s.unit_type), 9),
    Column("Latest", lambda s, now: Text(quantity(s.latest, s.symbol)), 13, right=True),
    Column("Bound to", lambda s, now: bound_to(s), 10, share=1),
    Column("Read", lambda s, now: Text(ago(moment(s.latest_at), now), FAINT), 11, above=120),
)


class AssetScreen(AssetKeys):
    """One asset. The chart follows the cursor in the list of its unit types."""

    NOUNS = frozenset({"asset", "bucket", "client"})
    MAIN = "assets"
    NEEDS: ClassVar[dict[str, str]] = {"accept": "Inventory/BindAssets"}
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (23, "-low"), (HIGH_LINES, "-high")]
    CSS = """
    AssetScreen #asset-notes { height: auto; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    AssetScreen #asset-notes.-alone { text-wrap: wrap; max-height: 3; }
    AssetScreen .facts { margin-bottom: 0; }
    AssetScreen #asset-usage { min-height: 5; }
    AssetScreen.-high #asset-usage, AssetScreen.-high #history-title { margin-top: 1; }
    AssetScreen.-high #history { height: 12; }
    AssetScreen.-view-history #history { height: 1fr; }
    AssetScreen.-view-history #asset-usage, AssetScreen.-view-usage .past { display: none; }
    AssetScreen.-tiny .past { display: none; }
    AssetScreen.-tiny.-view-history .past { display: block; }
    AssetScreen.-asking Facts, AssetScreen.-asking #asset-notes { display: none; }
    AssetScreen.-asking #asset-usage, AssetScreen.-asking .past { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "assign", "Assign"),
        Binding("b", "bind", "Bind"),
        Binding("A", "acknowledge", "Ack"),
        Binding("d", "disregard", "Disregard"),
        Binding("v", "view", "View"),
        Binding("i", "explain", "In full"),
        Binding("a", "accept", "Accept the suggestion", show=False),
        Binding("equals_sign", "same", "The same machine", key_display="=", show=False),
        Binding("e", "export", "Export its usage", show=False),
        Binding("y", "copy", "Copy rows", show=False),
        Binding("Y", "copy_ids", "Copy id", show=False),
    ]

    def __init__(self, desk: Desk, asset_id: int, name: str) -> None:
        super().__init__(desk)
        self._asset_id = asset_id
        self._asset_name = name
        self._asked: Asked | None = None
        self._view = VIEWS[0]
        self._series: RowTable[Series] = RowTable(
            COLUMNS, lambda series: series.id, clock=desk.clock, opens=open_series, table_id="series"
        )
        self._history: RowTable[Held] = RowTable(
            asset_history.COLUMNS,
            lambda held: (held.what, held.bucket_id or held.client_id, held.since),
            clock=desk.clock,
            opens=open_held,
            table_id="history",
        )

    def content(self) -> ComposeResult:
        """Facts, what wants attention, unit types beside the chart, history."""
        yield Crumbs("Assets", self._asset_name)
        yield Static("… loading", id="asset-notice", classes="notice", markup=False)
        yield Facts()
        yield Static(id="asset-notes", markup=False)
        with Horizontal(id="asset-usage"):
            yield self._series
            yield UsageChart()
        yield Static(classes="list-title past", id="history-title", markup=False)
        self._history.add_class("past")
        yield self._history

    def on_mount(self) -> None:
        """Nothing but the notice until the answer is there."""
        super().on_mount()
        self._show_parts()

    def _show_parts(self) -> None:
        self.set_class(self._asked is None, "-asking")
        self.query_one("#asset-notice").display = self._asked is None
        for view in VIEWS:
            self.set_class(view == self._view, f"-view-{view}")

    def ask(self) -> None:
        """For the asset and its usage."""
        self._ask_asset()

    @work(exclusive=True)
    async def _ask_asset(self) -> None:
        aggregator = self.desk.aggregator
        try:
            detail, usage = await asyncio.gather(
                aggregator.asset(self._asset_id), aggregator.asset_usage(self._asset_id)
            )
        except CallFailed as error:
            self.post_message(LoadFailed(error))
            return
        asked = Asked(detail, usage)
        if asset_words.wants_suggestion(detail.asset):
            if self._asked is None:
                # Working out a suggestion takes longer than all else.
                self.post_message(Loaded(replace(asked, unsaid="… looking for what is similar")))
            asked = await self._suggested(asked)
        self.post_message(Loaded(asked))

    async def _suggested(self, asked: Asked) -> Asked:
        request = asset_acts_pb2.SuggestBindingsRequest(asset_ids=[self._asset_id])
        try:
            reply = await self.desk.aggregator.ask(self.desk.aggregator.inventory.SuggestBindings, request)
        except CallFailed as error:
            return replace(asked, unsaid=f"no suggestion: {error}")
        return replace(asked, suggestion=reply.suggestions[0] if reply.suggestions else None)

    def on_load_failed(self, message: LoadFailed) -> None:
        """What was shown stays, and is said not to be new."""
        message.stop()
        if self._asked is None:
            notice = self.query_one("#asset-notice", Static)
            notice.update(Text(f"✖ {clean(str(message.error), 400)}\n\nr tries again"))
            notice.add_class("-failed")
        else:
            self.say(f"Not refreshed: {message.error}", failed=True)

    def on_loaded(self, message: Loaded[Asked]) -> None:
        """The cursor stays on its unit type."""
        message.stop()
        first, self._asked = self._asked is None, message.data
        detail = message.data.detail
        self._show_parts()
        self.query_one(Crumbs).show("Assets", detail.asset.name)
        self._draw_words()
        self._series.show_items(detail.series)
        self._draw_history()
        self._draw_chart()
        if first:
            self._series.focus()
        self.post_message(Refreshed())

    def redraw(self) -> None:
        """Ages grow."""
        if self._asked is not None:
            self._draw_words()
            self._series.redraw()

    def _draw_words(self) -> None:
        assert self._asked is not None  # noqa: S101 - called when it is there
        self.query_one(Facts).show_facts(asset_words.facts(self._asked.detail, self.desk.clock()))
        lines = asset_words.notes(self._asked)
        most = NOTES_LINES_HIGH if self.app.size.height >= HIGH_LINES else NOTES_LINES
        if len(lines) > most:
            lines = [*lines[: most - 1], Text(f"i {len(lines) - most + 1} more", FAINT)]
        notes = self.query_one("#asset-notes", Static)
        notes.update(Text("\n").join(lines))
        notes.display = bool(lines)
        # One alone has room to be read to its end.
        notes.set_class(len(lines) == 1, "-alone")

    def _draw_history(self) -> None:
        assert self._asked is not None  # noqa: S101 - called when it is there
        now, detail = self.desk.clock(), self._asked.detail
        lines = asset_history.history(detail, now)
        self._history.show_items(lines)
        title = Text("Assignments and bindings", "bold")
        begin = asset_history.beginning(detail, lines)
        if begin is None:
            title.append("  none: it belonged to nobody so far", FAINT)
        else:
            title.append(f"  timeline {day(begin)} – {day(now)}", FAINT)
        self.query_one("#history-title", Static).update(title)

    @on(DataTable.RowHighlighted, "#series")
    def _series_highlighted(self) -> None:
        self._draw_chart()

    def _draw_chart(self) -> None:
        if self._asked is None:
            return
        current = self._series.current
        wanted = current.unit_type if current is not None else ""
        usage = next((one for one in self._asked.usage.series if one.unit_type == wanted), None)
        self.query_one(UsageChart).show_usage(usage)

    @on(RowTable.Beyond)
    def _beyond(self, event: RowTable.Beyond) -> None:
        """Past the end of one list the other one begins."""
        event.stop()
        other = self._history if event.step > 0 else self._series
        if other.display and other.items:
            other.focus()

    @on(NothingToOpen)
    def _nothing_to_open(self, message: NothingToOpen) -> None:
        message.stop()
        self.say(message.words)

    # Acts.

    def chosen_assets(self) -> Sequence[Asset]:
        """This one."""
        if self._asked is None:
            self.say("The asset is not here yet.")
            return ()
        return [self._asked.detail.asset]

    def same_machine(self) -> Sequence[Asset]:
        """As the aggregator knows it."""
        return () if self._asked is None else self._asked.detail.same_machine

    def action_accept(self) -> None:
        """Binds it to what is suggested."""
        assets = self._actable()
        if not assets or self._asked is None:
            return
        if self._asked.suggestion is not None:
            self.perform(decisions.accept(self.desk, assets))
        elif asset_words.wants_suggestion(assets[0]):
            self.say("Nothing is suggested: nothing similar enough is bound. b binds it, o assigns it.")
        else:
            self.say("Nothing is suggested: all of it is bound.")

    def action_view(self) -> None:
        """Both, usage alone, history alone."""
        self._view = VIEWS[(VIEWS.index(self._view) + 1) % len(VIEWS)]
        self._show_parts()
        shown = self._history if self._view == "history" else self._series
        shown.focus()

    @work(group="text")
    async def action_explain(self) -> None:
        """Everything that has no room on the screen."""
        if self._asked is not None:
            lines = asset_words.in_full(self._asked, self.desk.clock())
            title = f"{self._asked.detail.asset.name} (asset {self._asset_id})"
            await self.app.push_screen_wait(TextDialog(title, lines, copies="\n".join(lines)))

    @work(group="merge")
    async def action_same(self) -> None:
        """What it was merged into, or else the same machine seen once more: opens it, or merges both."""
        if self._asked is None:
            return
        asset = self._asked.detail.asset
        if asset.merged_into:
            self.post_message(OpenAsset(asset.merged_into, f"asset {asset.merged_into}"))
            return
        others = {str(one.id): one for one in self.same_machine()}
        if not others:
            self.say("No other asset is the same machine, by all that agents say of it.")
            return
        title = "The same machine, seen more than once"
        chosen = await self.app.push_screen_wait(ChooseDialog(title, _ways(asset, others.values())))
        if chosen is None:
            return
        way, _, number = chosen.partition(" ")
        other = others[number]
        if way == _OPEN:
            self.post_message(OpenAsset(other.id, other.name))
        elif self._actable():
            gone, into = (asset, other) if way == _INTO else (other, asset)
            self.perform(decisions.merge(self.desk, gone, into))

    @work(group="export")
    async def action_export(self) -> None:
        """Its usage of the last 30 days, in the words of `ullage assets usage`."""
        from tui.cli.assets import USAGE_COLUMNS, usage_rows

        asked = self._asked
        if asked is None:
            return

        async def rows(told: Any) -> list[Any]:
            return usage_rows(asked.usage)

        what = f"what {clean(asked.detail.asset.name, 40)} used, a row per unit type and day (UTC)"
        dialog = ExportDialog("asset usage", USAGE_COLUMNS, rows, at=self.desk.clock(), what=what)
        if saved := await self.app.push_screen_wait(dialog):
            self.say(saved)

    def action_copy(self) -> None:
        """Its series as a table that can be pasted into a message."""
        if self._asked is not None:
            self._copy(to_table(series_rows(self._asked.detail), SERIES_COLUMNS))

    def action_copy_ids(self) -> None:
        """Its id, as commands take it."""
        self._copy(f"{self._asset_id}\n")

    def _copy(self, copied: str) -> None:
        from tui.app import UllageApp

        assert isinstance(self.app, UllageApp)  # noqa: S101 - there is one program
        self.app.copy(copied)


def _ways(asset: Asset, others: Iterable[Asset]) -> list[Choice]:
    """Opening each, and merging in either direction, where both are of one source type."""
    choices = []
    for number, other in enumerate(others, start=1):
        why_not = "" if other.source_type == asset.source_type else "of another source type"
        choices += [
            Choice(f"{_OPEN} {other.id}", f"open {asset_label(other)}", str(number) if number < 10 else ""),
            Choice(f"{_INTO} {other.id}", f"merge this one into asset {other.id}", why_not=why_not),
            Choice(f"{_HERE} {other.id}", f"merge asset {other.id} into this one", why_not=why_not),
        ]
    return choices

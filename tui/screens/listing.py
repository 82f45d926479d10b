"""A screen around one list: filter, order, pages, marks, export and copy, the same on every list."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.cli.output import to_table
from tui.client import Page
from tui.dialogs.export import ExportDialog
from tui.format import decimal, plural
from tui.screens.live import LiveScreen
from tui.widgets.list_table import ListTable
from tui.widgets.row_table import RowTable
from ullage.v1 import types_pb2

Row = TypeVar("Row")


class ListScreen(LiveScreen):
    """Made by ``make_list``; what stands above the list by ``above``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort", "Sort"),
        Binding("S", "reverse", "Reverse order", show=False),
        Binding("right_square_bracket", "turn(1)", "Next page", key_display="]", show=False),
        Binding("left_square_bracket", "turn(-1)", "Previous page", key_display="[", show=False),
        Binding("asterisk", "mark_all", "Mark the page, then all", key_display="*", show=False),
        Binding("e", "export", "Export"),
        Binding("y", "copy", "Copy rows", show=False),
        Binding("Y", "copy_ids", "Copy ids", show=False),
    ]

    @property
    def table(self) -> ListTable[Any]:
        """The list; of several the one that has the focus, else the first that is shown."""
        tables = [one for one in self.query(ListTable) if one.display]
        return next((one for one in tables if one.has_focus_within), None) or tables[0]

    def content(self) -> ComposeResult:
        """What stands above the list, the list."""
        yield from self.above()
        yield self.make_list()

    def above(self) -> ComposeResult:
        """Widgets above the list."""
        yield from ()

    def make_list(self) -> ListTable[Any]:
        """The list itself."""
        raise NotImplementedError

    def ask(self) -> None:
        """For the page on view."""
        self.table.refetch()

    def redraw(self) -> None:
        """Relative times grow."""
        self.table.redraw()

    def search_for(self, wanted: str) -> None:
        """Shows what this filter finds, as if it had been typed."""
        self.table.search = wanted
        self.table.restart()

    # What an act is for.

    def chosen(self) -> list[Any]:
        """The rows marked, or the one under the cursor; where there is none, says so."""
        rows = self.table.table.chosen()
        if not rows:
            self.say(f"There is nothing here to act on: no {self.table.listing.noun}.")
        return rows

    def frozen(self) -> bool:
        """Nothing moves under the cursor while rows are marked."""
        return bool(self.table.table.marked)

    def on_row_table_marked(self, event: RowTable.Marked) -> None:
        """News that came meanwhile are asked for when the last mark is gone."""
        event.stop()
        self.refresh_bindings()
        self.thawed()

    def performed(self, act: Any, reply: Any) -> None:
        """What was marked has been dealt with."""
        self.table.table.clear_marks()
        super().performed(act, reply)

    # Keys.

    def action_filter(self) -> None:
        """Opens the filter line."""
        self.table.open_filter()

    def action_sort(self) -> None:
        """The next order."""
        self.table.sort_next()

    def action_reverse(self) -> None:
        """The order reversed."""
        self.table.reverse()

    def action_turn(self, step: int) -> None:
        """Another page."""
        self.table.turn(step)

    def action_mark_all(self) -> None:
        """The page; again: everything that the filter finds."""
        if self.table.listing.markable:
            self.table.mark_all()
        else:
            self.say("Rows of this list are dealt with one at a time.")

    def action_up(self) -> None:
        """First unmarks, then clears the filter, then leaves."""
        if not self.table.table.clear_marks() and not self.table.clear_filter():
            super().action_up()

    @work(group="export")
    async def action_export(self) -> None:
        """Exactly what is filtered and sorted, in the headless twin's words."""
        export = self.table.listing.export
        if export is None:
            self.say("There is nothing to export here.")
            return
        marked = list(self.table.table.marked.values())

        async def rows(told: Any) -> list[Any]:
            found = marked or await self.table.everything(told)
            return [export.row(one) for one in found]

        what = (
            f"{plural(len(marked), 'marked row')}" if marked else "everything that is filtered, in this order"
        )
        saved = await self.app.push_screen_wait(
            ExportDialog(export.noun, export.columns, rows, at=self.desk.clock(), what=what)
        )
        if saved:
            self.say(saved)

    def action_copy(self) -> None:
        """The rows chosen, as a table that can be pasted into a message."""
        export = self.table.listing.export
        rows = self.chosen()
        if rows and export is not None:
            self._copy(to_table([export.row(row) for row in rows], export.columns))

    def action_copy_ids(self) -> None:
        """Their ids, one a line, as ``ullage … -`` takes them."""
        rows = self.chosen()
        if rows:
            self._copy("".join(f"{self.table.listing.key(row)}\n" for row in rows))

    def _copy(self, text: str) -> None:
        from tui.app import UllageApp

        assert isinstance(self.app, UllageApp)  # noqa: S101 - there is one program
        self.app.copy(text)


def local_page(
    rows: Iterable[Row], page: Page, search: str, *texts: str
) -> tuple[Sequence[Row], types_pb2.PageInfo]:
    """A page of a list that the aggregator gives as a whole: filtered in these fields, sorted by that of the page."""
    wanted = search.casefold()
    found = [
        row for row in rows if not wanted or any(wanted in str(getattr(row, t)).casefold() for t in texts)
    ]
    if page.sort:
        found.sort(key=lambda row: _order(getattr(row, page.sort)), reverse=page.descending)
    start = int(page.after or 0)
    end = start + page.size
    return found[start:end], types_pb2.PageInfo(next=str(end) if end < len(found) else "", total=len(found))


def _order(value: Any) -> Any:
    """How field values of messages compare; money and decimals by their amount, empty ones first."""
    if isinstance(value, types_pb2.Money):
        value = value.amount
    if isinstance(value, str):
        amount = decimal(value)
        if amount is not None:
            return (1, amount, "")
        return (2 if value else 0, Decimal(0), value.casefold())
    if hasattr(value, "seconds"):
        return (1, Decimal(value.seconds), "")
    return (1, Decimal(value), "")

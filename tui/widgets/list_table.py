"""The one list of the program: asks the aggregator page by page, filters and sorts there, and says what it shows."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer
from textual.widgets import DataTable, Input, Static

from tui.cli.output import Row as Values
from tui.client import PAGE_ROWS_MAX, Page
from tui.failures import CallFailed
from tui.format import clean
from tui.messages import LoadFailed, Refreshed, RowsLoaded
from tui.widgets.row_table import Column, RowTable
from ullage.v1 import types_pb2

Row = TypeVar("Row")

PAGE_ROWS = 200
# Between the last key of a filter and the question to the aggregator.
TYPING_SECONDS = 0.3
FILTER_CHARACTERS_MAX = 128


@dataclass(frozen=True)
class Export(Generic[Row]):
    """How the headless twin writes the rows: ``noun`` names the file, ``columns`` those of its table."""

    noun: str
    columns: tuple[str, ...]
    row: Callable[[Row], Values]


@dataclass(frozen=True)
class Listing(Generic[Row]):
    """What a list shows: the noun in the plural, its columns, and how to get, tell apart and open rows."""

    noun: str
    columns: Sequence[Column[Row]]
    fetch: Callable[[Page, str], Awaitable[tuple[Sequence[Row], types_pb2.PageInfo]]]
    key: Callable[[Row], object]
    opens: Callable[[Row], Message | None]
    # Said where there are no rows, without and with a filter.
    empty: str
    # What restricts the list besides the filter, in words: "of Brook & Sons".
    restricted: Callable[[], str] = lambda: ""
    # Whether rows can be marked, to act on many.
    markable: bool = False
    # Puts the rows of a page that has no order asked for into another one; None: as they came.
    arrange: Callable[[Sequence[Row]], Sequence[Row]] | None = None
    # How rows are exported and copied; None: they are not.
    export: Export[Row] | None = None


class ListTable(Vertical, Generic[Row]):
    """A title line, the rows, and in their place a sentence while there are none."""

    def __init__(self, listing: Listing[Row], *, heading: str, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.listing = listing
        self.search = ""
        self.heading = heading
        self._clock = clock
        self._sort = ""
        # What is awaited is another list than the one shown.
        self._fresh = False
        self._descending = False
        # Tokens of the pages up to the one shown, and up to the one asked for.
        self._tokens: tuple[str, ...] = ("",)
        self._asked: tuple[str, ...] = ("",)
        self._next = ""
        self._total = 0
        self._question = 0
        self._seen_at: datetime | None = None
        self._failure: CallFailed | None = None
        self._typing: Timer | None = None
        self._wanted: object = None
        self.table: RowTable[Row] = RowTable(
            listing.columns, listing.key, clock=clock, opens=listing.opens, markable=listing.markable
        )
        self._title = Static(classes="list-title", markup=False)
        self._said = Text()
        self._notice = Static(classes="notice", markup=False)
        self._input = Input(
            placeholder="part of a name, any case",
            classes="filter",
            max_length=FILTER_CHARACTERS_MAX,
            compact=True,
        )
        # Every blink goes over the line.
        self._input.cursor_blink = False

    def compose(self) -> ComposeResult:
        """The filter line is there only while it is used."""
        yield self._title
        yield self._input
        yield self.table
        yield self._notice

    def on_mount(self) -> None:
        """Nothing is shown before the first answer but that it is awaited."""
        self._input.display = False
        self._draw()

    # Asking.

    def refetch(self) -> None:
        """Asks for the page shown again."""
        self._question += 1
        self._ask(self._question, Page(PAGE_ROWS, self._asked[-1], self._sort, self._descending), self.search)

    def restart(self) -> None:
        """Asks for the first page, to be read from its first row on: the filter or the order is another one."""
        self._asked = ("",)
        self._fresh = True
        self.table.move_cursor(row=0)
        self.refetch()
        self._draw()

    def want(self, key: object) -> None:
        """Puts the cursor on this thing when it arrives."""
        self._wanted = key

    @work(exclusive=True)
    async def _ask(self, question: int, page: Page, search: str) -> None:
        try:
            rows, info = await self.listing.fetch(page, search)
        except CallFailed as error:
            self.post_message(LoadFailed(error, question))
            return
        self.post_message(RowsLoaded(question, rows, info.next, info.total))

    def on_rows_loaded(self, message: RowsLoaded[Row]) -> None:
        """The newest answer is shown; an empty page behind the first means that rows went away."""
        message.stop()
        if message.question != self._question:
            return
        if not message.rows and len(self._asked) > 1:
            self._asked = self._asked[:-1]
            self.refetch()
            return
        turned = len(self._asked) - len(self._tokens)
        self._tokens = self._asked
        self._next, self._total = message.next, message.total
        self._seen_at, self._failure = self._clock(), None
        self.show_rows(message.rows)
        if turned:
            self.table.move_cursor(row=0 if turned > 0 else len(message.rows) - 1)
        if self._wanted is not None:
            self.table.select(self._wanted)
            self._wanted = None
        self._draw()
        self.post_message(Refreshed())

    def show_rows(self, rows: Sequence[Row]) -> None:
        """In the order of the list, or, where none was asked for, as the screen arranges them."""
        self.table.make_room(self.size.width)
        arrange = self.listing.arrange
        fresh, self._fresh = self._fresh and self._wanted is None, False
        self.table.show_items(rows if arrange is None or self._sort else arrange(rows), fresh=fresh)

    async def everything(self, told: Callable[[int, int], None] = lambda done, total: None) -> list[Row]:
        """All rows that the filter finds, in the order shown, of all pages. ``told`` hears rows had and rows there are.

        Raises ``CallFailed``.
        """
        rows: list[Row] = []
        after = ""
        while True:
            page = Page(PAGE_ROWS_MAX, after, self._sort, self._descending)
            found, info = await self.listing.fetch(page, self.search)
            rows.extend(found)
            told(len(rows), max(info.total, len(rows)))
            after = info.next
            if not after:
                return rows

    def mark_all(self) -> None:
        """All rows of the page; when they are already, all that the filter finds."""
        if not self.listing.markable or not self.table.items:
            return
        missing = [row for row in self.table.items if self.listing.key(row) not in self.table.marked]
        several = bool(self._next) or len(self._tokens) > 1
        if missing or not several:
            self.table.mark(self.table.items)
        elif len(self.table.marked) < self._total:
            self._mark_everything()

    @work(exclusive=True, group="mark")
    async def _mark_everything(self) -> None:
        try:
            rows = await self.everything(self._say_marking)
        except CallFailed as error:
            self.notify(clean(str(error), 300), severity="error", markup=False)
            return
        self.table.mark(rows)

    def _say_marking(self, done: int, total: int) -> None:
        self._said = Text(f"marking {done:,} of {total:,} …")
        self._title.update(self._said, layout=False)

    @on(RowTable.Marked)
    def _marked(self) -> None:
        # Goes on to the screen, which asks for what it missed once the last mark is gone.
        self._draw_title()

    def on_load_failed(self, message: LoadFailed) -> None:
        """What was shown stays, marked as not refreshed."""
        message.stop()
        if message.question == self._question:
            self._failure = message.error
            self._asked = self._tokens
            self._draw()

    # Showing.

    def redraw(self) -> None:
        """Times relative to now grow older without news."""
        self.table.redraw()

    def _draw(self) -> None:
        self.table.mark_sort(self._sort, descending=self._descending)
        self._draw_title()
        notice = self._notice_text()
        had_focus = self.table.has_focus
        self.table.display = notice is None
        self._notice.display = notice is not None
        if notice is not None:
            self._notice.update(notice, layout=False)
            self._notice.set_class(self._failure is not None, "-failed")
        elif not self.table.has_focus and (
            had_focus or (self.screen.focused is None and self.screen.is_active)
        ):
            self.table.focus()

    def _draw_title(self) -> None:
        title = self._title_text()
        # It has one line whatever it says, and mostly says the same.
        if title != self._said:
            self._said = title
            self._title.update(title, layout=False)

    def _title_text(self) -> Text:
        title = Text(no_wrap=True, overflow="ellipsis")
        title.append(clean(self.heading), "bold")
        restricted = self.listing.restricted()
        if restricted:
            title.append(f"  {clean(restricted)}", "bold")
        if self._seen_at is not None:
            rows, first = len(self.table.items), PAGE_ROWS * (len(self._tokens) - 1) + 1
            several = self._next or len(self._tokens) > 1
            title.append(
                f"  {first:,}–{first + rows - 1:,} of {self._total:,}" if several else f"  {self._total:,}"
            )
        if self.table.marked:
            title.append("  ").append(f" {len(self.table.marked):,} marked ", "bold reverse")
        if self.search:
            title.append("  ").append(f" filter: {clean(self.search)} ", "bold reverse")
        if self._sort:
            label = next(c.label for c in self.listing.columns if c.sort == self._sort)
            title.append(f"  by {label.lower()} {'▼' if self._descending else '▲'}")
        if self._failure is not None and self._seen_at is not None:
            title.append(f"  not refreshed: {clean(str(self._failure))}", "italic")
        return title

    def _notice_text(self) -> str | None:
        """What stands in place of rows; None while there are some."""
        if self.table.items and self._seen_at is not None:
            return None
        if self._failure is not None:
            return f"✖ {clean(str(self._failure), 400)}\n\nr tries again"
        if self._seen_at is None:
            return None if self.table.items else "… loading"
        if self.search:
            return f"Nothing matches “{clean(self.search)}”.\n\nesc clears the filter"
        return self.listing.empty

    # The person's wishes.

    def open_filter(self) -> None:
        """Shows the filter line and takes the keys there."""
        self._input.display = True
        self._input.value = self.search
        self._input.focus()

    def clear_filter(self) -> bool:
        """True when there was one."""
        had = bool(self.search) or self._input.display
        self._close_filter()
        if self.search:
            self.search = ""
            self.restart()
        return had

    def _close_filter(self) -> None:
        if self._typing is not None:
            self._typing.stop()
        self._input.display = False
        self.focus_rows()

    def focus_rows(self) -> None:
        """Keys go to the rows, or, while there are none, to the screen."""
        if self.table.display:
            self.table.focus()
        else:
            self.screen.set_focus(None)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(TYPING_SECONDS, self._apply_filter)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._apply_filter()
        self._close_filter()

    def _apply_filter(self) -> None:
        wanted = self._input.value.strip()
        if self._input.display and wanted != self.search:
            self.search = wanted
            self.restart()

    def sort_next(self) -> None:
        """By the next column that can be sorted by; after the last in the list's own order."""
        names = ["", *self._sortable()]
        here = names.index(self._sort) if self._sort in names else 0
        self._order(names[(here + 1) % len(names)], descending=False)

    def reverse(self) -> None:
        """The other way round; a list in its own order: by its first column, downwards."""
        names = self._sortable()
        if self._sort or names:
            self._order(self._sort or names[0], descending=not self._descending)

    def _sortable(self) -> list[str]:
        return [column.sort for column in self.table.shown_columns if column.sort]

    @on(DataTable.HeaderSelected)
    def _header_clicked(self, event: DataTable.HeaderSelected) -> None:
        event.stop()
        name = self.table.shown_columns[event.column_index].sort
        if name:
            self._order(name, descending=name == self._sort and not self._descending)

    def _order(self, name: str, *, descending: bool) -> None:
        self._sort, self._descending = name, descending
        self.restart()

    @on(RowTable.Beyond)
    def _moved_beyond(self, event: RowTable.Beyond) -> None:
        event.stop()
        self.turn(event.step)

    def turn(self, step: int) -> None:
        """To the next page (1) or the one before (-1), where there is one."""
        if self._asked != self._tokens:
            return
        if step > 0 and self._next:
            self._asked = (*self._tokens, self._next)
            self.refetch()
        elif step < 0 and len(self._tokens) > 1:
            self._asked = self._tokens[:-1]
            self.refetch()

"""A table of messages: columns that fit the width, updates that leave the cursor where the person put it.

Lines are made when they come on view, each as a whole: of two hundred rows a terminal shows twenty, and cells drawn one by
one would take several times as long and as many bytes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widgets import DataTable
from textual.widgets.data_table import RowKey

from tui.format import fit

Row = TypeVar("Row")
# Before a row that is marked; others have a space there.
MARK = "▪"
# More rows than this appearing or going at once: the table is filled anew, which is quicker than moving rows.
_MOVED_ROWS_MAX = 8


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column. ``width`` in cells; with ``share`` it grows into the space that is left, by that weight.

    ``sort`` names the field for ``PageRequest.sort``, empty where the list cannot be sorted by it; ``above`` is the
    least width of the terminal at which the column is shown. ``explains`` is said of it while it has the cursor, in
    tables whose columns explain themselves.
    """

    label: str
    cell: Callable[[Row, datetime], Text]
    width: int
    share: int = 0
    right: bool = False
    sort: str = ""
    above: int = 0
    explains: str = ""


def widths(columns: Sequence[Column[Row]], available: int) -> list[int]:
    """Cells for each column so that together, with a space before each, they fill ``available``."""
    spare = available - sum(column.width + 1 for column in columns)
    shares = sum(column.share for column in columns)
    if spare <= 0 or not shares:
        return [column.width for column in columns]
    given = [column.width + spare * column.share // shares for column in columns]
    left = available - sum(width + 1 for width in given)
    last = max(index for index, column in enumerate(columns) if column.share)
    given[last] += left
    return given


class RowTable(DataTable[Text], Generic[Row]):
    """Shows messages, one a row; opening one posts what ``opens`` makes of it. Knows nothing of pages."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open", show=True),
        # Described as the arrows are, so that the help page puts them on one line.
        Binding("j", "cursor_down", "Cursor down", show=False),
        Binding("k", "cursor_up", "Cursor up", show=False),
        Binding("h", "cursor_left", "Cursor left", show=False),
        Binding("l", "cursor_right", "Cursor right", show=False),
        Binding("g", "scroll_top", "Top", show=False),
        Binding("G", "scroll_bottom", "Bottom", show=False),
        Binding("space", "mark", "Mark", show=False),
        Binding("shift+down,J", "mark_on(1)", "Mark and go on", show=False),
        Binding("shift+up,K", "mark_on(-1)", "Mark and go back", show=False),
    ]

    class Beyond(Message):
        """The person moved past the last row (``step`` 1) or the first (-1)."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    class Marked(Message):
        """Which rows are marked is another."""

        def can_replace(self, message: Message) -> bool:
            """The table itself knows which."""
            return isinstance(message, RowTable.Marked)

    class ColumnChosen(Message):
        """The person moved to another column of a table whose columns explain themselves."""

        def __init__(self, explains: str) -> None:
            super().__init__()
            self.explains = explains

    def __init__(
        self,
        columns: Sequence[Column[Row]],
        key: Callable[[Row], object],
        *,
        clock: Callable[[], datetime],
        opens: Callable[[Row], Message | None],
        table_id: str | None = None,
        markable: bool = False,
    ) -> None:
        super().__init__(id=table_id, cursor_type="row", zebra_stripes=False, cell_padding=0)
        self.markable = markable
        # By key, in the order in which they were marked; also of pages that are not on view.
        self.marked: dict[object, Row] = {}
        self._column = -1
        self._all_columns = columns
        self._key = key
        self._clock = clock
        self._opens = opens
        self._shown: list[tuple[Column[Row], int]] = []
        # Lines of rows that were on view, by their place.
        self._lines: dict[int, Text] = {}
        self._width = 0
        self._bar: tuple[Size, Size] | None = None
        self._sort: tuple[str, bool] = ("", False)
        self.items: list[Row] = []

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self.items[self.cursor_row] if 0 <= self.cursor_row < len(self.items) else None

    @property
    def shown_columns(self) -> list[Column[Row]]:
        """Those for which there is room."""
        return [column for column, _ in self._shown]

    def chosen(self) -> list[Row]:
        """What an act is for: the rows marked, or the one under the cursor, or none."""
        if self.marked:
            return list(self.marked.values())
        return [] if self.current is None else [self.current]

    def mark(self, rows: Sequence[Row], *, on: bool = True) -> None:
        """Marks rows, or unmarks them; they need not be on view."""
        for row in rows:
            if on:
                self.marked[self._key(row)] = row
            else:
                self.marked.pop(self._key(row), None)
        self._remark({self._key(row) for row in rows})

    def clear_marks(self) -> bool:
        """True when there were some."""
        had = set(self.marked)
        self.marked.clear()
        if had:
            self._remark(had)
        return bool(had)

    def _remark(self, keys: set[object]) -> None:
        for index, item in enumerate(self.items):
            if self._key(item) in keys:
                self._lines.pop(index, None)
                self.refresh_row(index)
        self.post_message(self.Marked())

    def action_mark(self) -> None:
        """The row under the cursor, or not any more; then on to the next."""
        self._toggle()
        if self.markable and self.cursor_row < len(self.items) - 1:
            super().action_cursor_down()

    def action_mark_on(self, step: int) -> None:
        """The row under the cursor and the next one in that direction, as a range grows."""
        if not self.markable or self.current is None:
            return
        self.mark([self.current])
        if step > 0:
            super().action_cursor_down()
        else:
            super().action_cursor_up()
        self.mark([self.current])

    def _toggle(self) -> None:
        if self.markable and self.current is not None:
            self.mark([self.current], on=self._key(self.current) not in self.marked)

    def mark_sort(self, name: str, *, descending: bool) -> None:
        """Which column's label carries the arrow."""
        if (name, descending) != self._sort:
            self._sort = (name, descending)
            self._refresh_header()

    def show_items(self, items: Sequence[Row], *, fresh: bool = False) -> None:
        """Replaces what is shown; the cursor stays on the same thing, and that thing on the same line.

        ``fresh``: it is another list, of which a cursor on the first row shows the first.
        """
        at = self.cursor_row
        follows = 0 <= at < len(self.items) and not (fresh and at == 0)
        held = self._key(self.items[at]) if follows else None
        before, self.items = self.items, list(items)
        for item in self.items:
            if self._key(item) in self.marked:
                # As it is now, not as it was when it was marked.
                self.marked[self._key(item)] = item
        if abs(len(before) - len(self.items)) > _MOVED_ROWS_MAX:
            self._fill()
        else:
            self._overwrite(len(before))
        moved = next(
            (i for i, item in enumerate(self.items) if self._key(item) == held), min(at, len(self.items) - 1)
        )
        if self.items and moved != at:
            top = self.scroll_y
            self.cursor_coordinate = Coordinate(moved, 0)
            self.call_after_refresh(self.scroll_to, y=top + moved - at, animate=False)

    def redraw(self) -> None:
        """The same rows at the present time: "3 min ago" grows older without news."""
        self._overwrite(len(self.items))

    def select(self, key: object) -> None:
        """Moves the cursor to a thing, if it is shown."""
        for index, item in enumerate(self.items):
            if self._key(item) == key:
                self.move_cursor(row=index)

    def make_room(self, width: int) -> None:
        """Columns for this width before the table is shown for the first time."""
        if width and not self.size.width:
            self._width = width
            self._lay_out()

    def on_resize(self, event: events.Resize) -> None:
        """Columns come and go with the width."""
        self._width = self.size.width
        self._lay_out()

    def _lay_out(self) -> None:
        available = self._width - self.scrollbar_size_vertical - 1
        columns = [column for column in self._all_columns if self.app.size.width >= column.above]
        shown = list(zip(columns, widths(columns, available), strict=True))
        if shown == self._shown:
            return
        self._shown = shown
        self._column = min(self._column, len(shown) - 1)
        top, at = self.scroll_y, self.cursor_row
        self.clear(columns=True)
        for column, width in shown:
            self.add_column(column.label, width=width + 1)
        self._fill()
        if self.items:
            self.cursor_coordinate = Coordinate(min(max(at, 0), len(self.items) - 1), 0)
            if top:
                self.call_after_refresh(self.scroll_to, y=top, animate=False)

    def _fill(self) -> None:
        self._lines.clear()
        self.clear()
        if self._shown:
            for _ in self.items:
                self.add_row()

    def _overwrite(self, rows_before: int) -> None:
        """By position, and only lines that differ: nothing flickers, nothing scrolls."""
        if not self._shown:
            return
        seen = range(int(self.scroll_y), int(self.scroll_y) + self.size.height)
        for index, before in list(self._lines.items()):
            del self._lines[index]
            if index < len(self.items) and index in seen:
                line = self._line(index)
                if index < rows_before and (line.plain != before.plain or line.spans != before.spans):
                    self.refresh_row(index)
        for index in range(rows_before, len(self.items)):
            self.add_row()
            self.refresh_row(index)
        for _ in range(rows_before - len(self.items)):
            last = self.coordinate_to_cell_key(Coordinate(self.row_count - 1, 0)).row_key
            self.remove_row(last)

    def _update_dimensions(self, new_rows: Iterable[RowKey]) -> None:
        # Rows are not measured: they are one line each, and columns as wide as they were made.
        super()._update_dimensions(())

    def _scroll_update(self, virtual_size: Size) -> None:
        # Textual paints the bar anew whenever anything on the screen is laid out.
        if (virtual_size, self.container_size) != self._bar:
            self._bar = virtual_size, self.container_size
            super()._scroll_update(virtual_size)

    # Drawing.

    def _line(self, index: int) -> Text:
        """The row at this place, whatever style it gets from cursor and mouse."""
        line = self._lines.get(index)
        if line is None:
            item, now = self.items[index], self._clock()
            mark = MARK if self._key(item) in self.marked else " "
            line = Text(no_wrap=True, end="").append(mark, "bold" if mark != " " else "")
            for place, (column, width) in enumerate(self._shown):
                if place:
                    line.append(" ")
                cell = fit(column.cell(item, now), width, right=column.right)
                line.append_text(cell).append(" " * (width - cell.cell_len))
            self._lines[index] = line
        return line

    def _heading(self, place: int) -> Text:
        column, width = self._shown[place]
        label = column.label
        if column.sort and column.sort == self._sort[0]:
            label += " ▼" if self._sort[1] else " ▲"
        cell = fit(Text(label, "reverse" if place == self._column else ""), width, right=column.right)
        return Text(" ", no_wrap=True, end="").append_text(cell).append(" " * (width - cell.cell_len))

    def _refresh_header(self) -> None:
        self.refresh(Region(0, 0, self.size.width, self.header_height))

    def render_line(self, y: int) -> Strip:
        """The header, or the row at that line of the view."""
        base, across, width = self.rich_style, int(self.scroll_x), self.size.width
        if y < self.header_height:
            style = base + self.get_component_rich_style("datatable--header")
            segments: list[Segment] = []
            for place in range(len(self._shown)):
                meta = Style.from_meta({"row": -1, "column": place})
                segments += self._segments(self._heading(place), style + meta)
            return Strip(segments).crop(across, across + width).adjust_cell_length(width, style)
        index = y - self.header_height + int(self.scroll_y)
        if index >= len(self.items) or not self._shown:
            return Strip.blank(width, base)
        style, over = base, None
        if self._show_hover_cursor and index == self.hover_row:
            style += self.get_component_rich_style("datatable--hover")
        if self.show_cursor and index == self.cursor_row:
            cursor = self.get_component_rich_style("datatable--cursor")
            style, over = style + cursor, Style.from_color(cursor.color)
        # A click means the row, wherever in it.
        style += Style.from_meta({"row": index, "column": 0})
        strip = Strip(self._segments(self._line(index), style, over))
        return strip.crop(across, across + width).adjust_cell_length(width, style).simplify()

    def _segments(self, line: Text, style: Style, over: Style | None = None) -> Iterable[Segment]:
        """``style`` below what the text itself has, ``over`` above it."""
        return Segment.apply_style(line.render(self.app.console), style, over)

    def action_cursor_down(self) -> None:
        """At the last row: ``Beyond``."""
        if self.items and self.cursor_row >= len(self.items) - 1:
            self.post_message(self.Beyond(1))
        super().action_cursor_down()

    def action_cursor_up(self) -> None:
        """At the first row: ``Beyond``."""
        if self.cursor_row <= 0:
            self.post_message(self.Beyond(-1))
        super().action_cursor_up()

    def action_cursor_right(self) -> None:
        """To the next column, where columns explain themselves."""
        if not self._choose_column(1):
            super().action_cursor_right()

    def action_cursor_left(self) -> None:
        """To the column before, where columns explain themselves."""
        if not self._choose_column(-1):
            super().action_cursor_left()

    def _choose_column(self, step: int) -> bool:
        columns = self.shown_columns
        if not any(column.explains for column in columns):
            return False
        self._column = min(max(self._column + step, 0), len(columns) - 1)
        self._refresh_header()
        self.post_message(self.ColumnChosen(columns[self._column].explains or columns[self._column].label))
        return True

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor."""
        event.stop()
        message = None if self.current is None else self._opens(self.current)
        if message is not None:
            self.post_message(message)

"""A screen with several lists in one place, one of them on view; ``v`` goes from one to the next."""

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui.screens.listing import ListScreen
from tui.widgets.list_table import ListTable


class CyclingScreen(ListScreen):
    """Made by ``make_lists``; the first is on view at the beginning. Only the list on view is asked for."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("v", "view", "View")]

    def make_lists(self) -> Sequence[ListTable[Any]]:
        """The lists, in the order in which ``v`` shows them."""
        raise NotImplementedError

    def content(self) -> ComposeResult:
        """What stands above, then the lists."""
        yield from self.above()
        for place, table in enumerate(self.make_lists()):
            table.display = place == 0
            yield table

    @property
    def view(self) -> int:
        """Which list is on view, from 0."""
        return next((place for place, one in enumerate(self.query(ListTable)) if one.display), 0)

    def next_view(self) -> int:
        """Which list ``v`` goes to."""
        return (self.view + 1) % len(self.query(ListTable))

    def action_view(self) -> None:
        """The next list; marks are of the list that they were made in and go with it."""
        tables = list(self.query(ListTable))
        shown = self.next_view()
        tables[self.view].table.clear_marks()
        self.set_focus(None)
        for place, table in enumerate(tables):
            table.display = place == shown
        self.table.focus_rows()
        self.view_changed()
        self.refresh_bindings()
        self.action_refetch()

    def view_changed(self) -> None:
        """Another list is on view."""

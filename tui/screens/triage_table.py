"""The list of unbound assets: columns by room, rows that stay where they are once somebody works, one line a group."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from tui.format import NONE, moment, percent, text
from tui.screens import cells
from tui.screens.triage import Triage, worth, worth_words
from tui.theme import ATTENTION, FAINT, GOOD
from tui.widgets.list_table import Listing, ListTable
from tui.widgets.row_table import Column, RowTable
from ullage.v1 import inventory_pb2

Asset = inventory_pb2.Asset
# From here on a day more is worth a look.
DAYS_ATTENTION = 14
# From this width on the panel stands beside the list and takes room from it,
BESIDE_CELLS = 120
# and from this one on there is room for more columns all the same.
VAST_CELLS = 150
# What matters most when it is largest.
_DESCENDING = frozenset({"unbound_money", "days_unbound"})


def days_since(since: datetime | None, now: datetime) -> int | None:
    """Whole days; None when nothing is unbound."""
    return None if since is None else max((now - since).days, 0)


def columns(triage: Triage, *, beside: bool) -> Sequence[Column[Asset]]:
    """What there is room for: ``beside`` where the panel takes a part of the width."""
    more = VAST_CELLS if beside else 100

    def sign(asset: Asset, now: datetime) -> Text:
        glyph, size = triage.sign(asset)
        if glyph == "×":
            return Text(f"{glyph}{size}".rjust(4), "bold" if size > 1 else FAINT)
        return Text(f"{glyph}{size:>3}" if size else glyph)

    def days(asset: Asset, now: datetime) -> Text:
        oldest = min(
            (at for one in triage.members(asset) if (at := moment(one.unbound_since))),
            default=None,
        )
        count = days_since(oldest, now)
        if count is None:
            return Text(NONE, FAINT)
        return Text(str(count), ATTENTION if count >= DAYS_ATTENTION else "")

    def not_billed(asset: Asset, now: datetime) -> Text:
        return Text(worth_words(worth(triage.members(asset))) or NONE)

    return (
        Column("Like", sign, 4),
        Column("Asset", lambda a, now: text(a.name), 14, share=3, sort="name"),
        Column("Suggestion", lambda a, now: suggested(triage, a), 15, share=2),
        Column("Sure", lambda a, now: sure(triage, a), 5, right=True, above=70),
        Column("Client", lambda a, now: cells.client_name(a), 12, share=1, sort="client_name", above=more),
        Column("Source", lambda a, now: text(a.source_type), 9, above=more),
        Column("Description", lambda a, now: text(a.description, FAINT), 12, share=1, above=more + 20),
        Column("Series", lambda a, now: Text(f"{a.series_unbound} of {a.series}"), 6, right=True, above=more),
        Column("Days", days, 4, right=True, sort="days_unbound"),
        Column("Not billed", not_billed, 12, right=True, sort="unbound_money"),
        Column("Last seen", cells.seen, 10, sort="last_seen", above=70),
    )


def suggested(triage: Triage, asset: Asset) -> Text:
    """Whose it probably is; ``none`` where nothing speaks clearly, and three dots before that is known."""
    suggestion = triage.suggestions.get(asset.id)
    if suggestion is not None:
        return text(suggestion.client_name)
    if asset.id in triage.answered:
        return Text("none", FAINT)
    return Text("not known" if triage.failure else "…", FAINT)


def sure(triage: Triage, asset: Asset) -> Text:
    """The per cent of the likeness that speaks for it."""
    suggestion = triage.suggestions.get(asset.id)
    if suggestion is None:
        return Text("")
    return Text(percent(str(suggestion.confidence)), GOOD if suggestion.confidence >= 85 else "")


class TriageRows(RowTable[Asset]):
    """Knows whether somebody has moved in it, and goes on to the next row when the one under the cursor goes."""

    # The keys that are pressed most stand first in the line of keys.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "screen.accept", "Accept"),
        Binding("plus", "screen.mark_alike", "Mark alike", key_display="+"),
        Binding("o", "screen.assign", "Assign"),
        Binding("b", "screen.bind", "Bind"),
        Binding("n", "screen.new_bucket", "New bucket"),
        Binding("d", "screen.disregard", "Disregard"),
        Binding("v", "screen.fold", "Groups"),
        Binding("right_curly_bracket", "next_group(1)", "Next group", key_display="}", show=False),
        Binding("left_curly_bracket", "next_group(-1)", "Group before", key_display="{", show=False),
    ]

    def __init__(self, listing: Listing[Asset], triage: Triage, *, clock: Callable[[], datetime]) -> None:
        super().__init__(listing.columns, listing.key, clock=clock, opens=listing.opens, markable=True)
        self._triage = triage
        self._beside = columns(triage, beside=True)
        self._below = listing.columns
        # Where the program itself has put the cursor, and how many rows were marked then.
        self._placed = (0, 0)

    @property
    def moved(self) -> bool:
        """Whether the person has gone somewhere since, or marked something."""
        return self._placed != (self.cursor_row, len(self.marked))

    def settle(self) -> None:
        """Where the cursor is now it was put by the program."""
        self._placed = (self.cursor_row, len(self.marked))

    def show_afresh(self, items: Sequence[Asset], *, last: bool) -> None:
        """Other rows, with the cursor on the first of them or the last."""
        self.items = list(items)
        self._fill()
        if last and self.items:
            self.move_cursor(row=len(self.items) - 1)
        self.settle()

    def show_items(self, items: Sequence[Asset], *, fresh: bool = False) -> None:
        """As in every list; where the row under the cursor has gone, on the next one that has not."""
        at, before = self.cursor_row, self.items
        shown = {asset.id for asset in items}
        onward = [*before[at:], *reversed(before[:at])] if 0 <= at < len(before) else []
        wanted = next((asset.id for asset in onward if asset.id in shown), None)
        moved = self.moved
        super().show_items(items, fresh=fresh)
        if wanted is not None and (self.current is None or self.current.id != wanted):
            self.select(wanted)
        if not moved:
            self.settle()

    def action_next_group(self, step: int) -> None:
        """To the first row of the next group, or of the one before."""
        here = self.current
        if here is None:
            return
        group, at = self._triage.alike(here), self.cursor_row
        places = range(at + 1, len(self.items)) if step > 0 else range(at - 1, -1, -1)
        found = next((at for at in places if self._triage.alike(self.items[at]) is not group), None)
        if found is None:
            self.move_cursor(row=0 if step < 0 else len(self.items) - 1)
            return
        if step < 0:
            group = self._triage.alike(self.items[found])
            while found > 0 and self._triage.alike(self.items[found - 1]) is group:
                found -= 1
        self.move_cursor(row=found)

    def _lay_out(self) -> None:
        self._all_columns = self._beside if self.app.size.width >= BESIDE_CELLS else self._below
        super()._lay_out()


class TriageTable(ListTable[Asset]):
    """Asks for what costs most first, and puts a page in order once it is known what is suggested for it."""

    def __init__(
        self, listing: Listing[Asset], triage: Triage, *, heading: str, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(listing, heading=heading, clock=clock)
        self.triage = triage
        self.rows = TriageRows(listing, triage, clock=clock)
        self.table = self.rows
        self.came: Sequence[Asset] = ()
        # The next rows are those of another page; those on view may still be put in order, as nobody works on them yet.
        self._arriving = self._opening = True
        self._arrived = False

    def restart(self) -> None:
        """From the top."""
        self._arrive()
        super().restart()

    def turn(self, step: int) -> None:
        """Another page, if there is one."""
        before = self._asked
        super().turn(step)
        if self._asked != before:
            self._arrive()

    def _arrive(self) -> None:
        self._arriving = self._opening = True
        self.triage.settled = False

    def show_rows(self, rows: Sequence[Asset]) -> None:
        """In the order asked for, else with what is alike together; moving nothing that somebody works on."""
        arriving, self._arriving = self._arriving, False
        moved = self._opening and not arriving and self.rows.moved
        if moved:
            # Somebody was quicker than the suggestions.
            self.triage.settled = True
        afresh = arriving or (self._opening and not moved)
        self._arrived = arriving
        self.came = rows
        arrange = self.listing.arrange
        shown = self.triage.lay(rows) if self._sort or arrange is None else arrange(rows)
        if afresh:
            self.rows.show_afresh(shown, last=not arriving and self.rows.cursor_row > 0)
        else:
            self.rows.show_items(shown)

    def settle(self) -> None:
        """After another page has come: where the cursor is, nobody has put it."""
        if self._arrived:
            self._arrived = False
            self.rows.settle()

    def regroup(self, *, answered: bool) -> None:
        """Shows the same rows by what is known of them now; ``answered``: from now on rows keep their places."""
        self.show_rows(self.came)
        if answered:
            self._opening, self.triage.settled = False, True
        self._draw()

    def sort_next(self) -> None:
        """As in every list, but the most money and the most days first, and by columns for which there is no room too."""
        names = ["", *(column.sort for column in self.listing.columns if column.sort)]
        here = names.index(self._sort) if self._sort in names else 0
        name = names[(here + 1) % len(names)]
        self._order(name, descending=name in _DESCENDING)

    def _notice_text(self) -> str | None:
        """Where chips hide everything it says so."""
        chips = self.listing.restricted()
        if self.table.items or self.search or self._seen_at is None or self._failure is not None or not chips:
            return super()._notice_text()
        return f"Nothing unbound is left with {chips.replace(' ×', '')}.\n\nesc shows all that is unbound"

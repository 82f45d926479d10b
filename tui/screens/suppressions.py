"""What is dropped at ingest, and how much of it: add with a dry run, end."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from tui.cli.suppressions import SUPPRESSION_COLUMNS, suppression_row
from tui.cli.values import operator_words
from tui.client import Page
from tui.desk import Desk
from tui.dialogs.act import Act
from tui.format import NONE, ago, clean, day, moment, plural, text
from tui.messages import ShowText
from tui.screens.listing import ListScreen, local_page
from tui.screens.suppress import suppression_form
from tui.theme import FAINT
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import inventory_pb2, types_pb2

Suppression = inventory_pb2.Suppression


def _hit(one: Suppression, now: datetime) -> Text:
    at = moment(one.last_hit)
    return Text(NONE, FAINT) if at is None else Text(ago(at, now))


def _assets(one: Suppression) -> Text:
    return Text(f"{one.assets:,}+" if one.more_assets else f"{one.assets:,}")


def _state(one: Suppression) -> Text:
    ended = moment(one.ended_at)
    return Text("holds") if ended is None else Text(f"ended {day(ended)}", FAINT)


COLUMNS: Sequence[Column[Suppression]] = (
    Column("Field", lambda s, now: text(s.condition.field), 9),
    Column("Type", lambda s, now: text(operator_words(s.condition.operator)), 5),
    Column("Pattern", lambda s, now: text(s.condition.pattern), 12, share=2),
    Column("Reason", lambda s, now: text(s.reason, FAINT), 10, share=2),
    Column(
        "Created", lambda s, now: Text(day(moment(s.created_at)), FAINT), 10, sort="created_at", above=100
    ),
    Column("By", lambda s, now: text(s.created_by, FAINT), 10, share=1, above=120),
    Column("Assets", lambda s, now: _assets(s), 7, right=True, sort="assets"),
    Column("Readings", lambda s, now: Text(f"{s.readings:,}"), 10, right=True, sort="readings"),
    Column("Last hit", _hit, 10, sort="last_hit", above=70),
    Column("State", lambda s, now: _state(s), 16, above=110),
)


class SuppressionsScreen(ListScreen):
    """Those that hold, or with ``v`` those that have ended too; a row opens all of it."""

    NOUNS = frozenset({"asset"})
    MAIN = "suppressions"
    NEEDS: ClassVar[dict[str, str]] = {
        "add": "Inventory/CreateSuppression",
        "end": "Inventory/EndSuppression",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "add", "New"),
        Binding("x", "end", "End"),
        Binding("v", "ended", "Ended too"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._ended = False

    def make_list(self) -> ListTable[Any]:
        """The aggregator gives them as a whole."""
        listing: Listing[Suppression] = Listing(
            noun="suppressions",
            columns=COLUMNS,
            fetch=self._fetch,
            key=lambda one: one.id,
            opens=lambda one: ShowText(f"Suppression {one.id}", told(one)),
            empty="No suppressions: everything that agents send is stored.\n\nn adds one, after a dry run",
            restricted=lambda: "with ended ones ×" if self._ended else "",
            export=Export("suppressions", SUPPRESSION_COLUMNS, suppression_row),
        )
        return ListTable(listing, heading="Suppressions", clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Suppression], types_pb2.PageInfo]:
        request = inventory_pb2.ListSuppressionsRequest(ended=self._ended)
        reply = await self.desk.aggregator.ask(self.desk.aggregator.inventory.ListSuppressions, request)
        wanted = search.casefold()
        found = [
            one
            for one in reply.suppressions
            if wanted in f"{one.condition.field} {one.condition.pattern} {one.reason}".casefold()
        ]
        return local_page(found, page, "")

    def action_ended(self) -> None:
        """Those that have ended too; again: only those that hold."""
        self._ended = not self._ended
        self.table.restart()

    def action_add(self) -> None:
        """A form, then what it would drop, then the rule."""
        self.fill(suppression_form(self.desk))

    def action_end(self) -> None:
        """Lets matching assets in again."""
        rows: list[Suppression] = self.chosen()
        if not rows:
            return
        one = rows[0]
        if moment(one.ended_at) is not None:
            self.say(f"That suppression ended on {day(moment(one.ended_at))} already.")
            return

        async def call(trial: object) -> Suppression:
            request = inventory_pb2.EndSuppressionRequest(id=one.id)
            return await self.desk.aggregator.ask(self.desk.aggregator.inventory.EndSuppression, request)

        self.perform(
            Act(
                title=f"End the suppression of {one.condition.field} {one.condition.pattern}",
                call=call,
                dry=False,
                warns=(
                    "Matching assets are let in again from their next batch on. "
                    f"The {plural(one.readings, 'reading')} that it dropped cannot be brought back."
                ),
                undoable=False,
                done=lambda reply: f"Ended: {clean(reply.condition.pattern)} is let in again.",
            )
        )

    def action_up(self) -> None:
        """First shows those alone that hold."""
        if self._ended and not self.table.clear_filter():
            self.action_ended()
        else:
            super().action_up()


def told(one: Suppression) -> list[str]:
    """All of a suppression in lines."""
    ended = moment(one.ended_at)
    dropped = plural(one.assets, "asset")
    if one.more_assets:
        dropped = f"at least {dropped}" if one.assets else "assets that were not counted"
    return [
        f"Drops assets whose {one.condition.field} {operator_words(one.condition.operator)} {one.condition.pattern}",
        f"Reason: {one.reason}",
        f"Since {day(moment(one.created_at))}, by {one.created_by or 'somebody'}",
        f"Ended {day(ended)} by {one.ended_by or 'somebody'}" if ended else "It holds.",
        f"Dropped so far: {dropped}, {plural(one.readings, 'reading')}",
    ]

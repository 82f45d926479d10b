"""Who changed what, with old and new values, and the way back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType

from tui.cli.audit import AUDIT_COLUMNS, entry_row
from tui.client import Page
from tui.desk import Desk
from tui.dialogs.choose import Choice, ChooseDialog
from tui.dialogs.fields import Field
from tui.dialogs.form import Form
from tui.format import NONE, ago, clean, moment, stamp, text, words_of_act
from tui.messages import ShowText
from tui.screens.listing import ListScreen
from tui.screens.undo import undo_act, values_of
from tui.theme import FAINT
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import audit_pb2, types_pb2

Entry = audit_pb2.AuditEntry
VALUE_CHARACTERS_MAX = 400


def _back(entry: Entry) -> Text:
    if entry.undone_by:
        return Text(f"undone by {entry.undone_by}", FAINT)
    return Text("u takes it back") if entry.reversible else Text(NONE, FAINT)


COLUMNS: Sequence[Column[Entry]] = (
    Column("When", lambda e, now: Text(ago(moment(e.at), now), FAINT), 11),
    Column("Group", lambda e, now: Text(str(e.group_id), FAINT), 7, right=True, above=70),
    Column("By", lambda e, now: text(e.actor), 10, share=1),
    Column("Act", lambda e, now: Text(words_of_act(e.act)), 16, share=1),
    Column("Action", lambda e, now: text(e.action, FAINT), 7),
    Column("Table", lambda e, now: text(e.table), 12, share=1),
    Column("Record", lambda e, now: text(e.record_id), 8, above=70),
    Column("Way back", lambda e, now: _back(e), 16, above=100),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What restricts the list; empty parts do not."""

    table: str = ""
    record_id: str = ""
    actor: str = ""
    group_id: int = 0

    def words(self) -> str:
        """As chips."""
        parts = (
            f"table: {self.table} ×" if self.table else "",
            f"record: {self.record_id} ×" if self.record_id else "",
            f"by: {self.actor} ×" if self.actor else "",
            f"group: {self.group_id} ×" if self.group_id else "",
        )
        return "  ".join(filter(None, parts))


class AuditScreen(ListScreen):
    """Newest first; a row opens what it changed; the whole act is one key away."""

    NOUNS = frozenset({"client", "asset", "bucket", "agent"})
    MAIN = "audit"
    NEEDS: ClassVar[dict[str, str]] = {"undo_group": "Admin/UndoAudit"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "undo_group", "Undo this act"),
        Binding("v", "act", "Whole act"),
        Binding("f", "restrict", "Filters"),
        Binding("slash", "filter", "Filter by key", key_display="/"),
        # The log has one order: the newest first.
        Binding("s", "sort", "Sort", show=False),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._wanted = Wanted()

    def make_list(self) -> ListTable[Any]:
        """Page by page, back to the beginning."""
        listing: Listing[Entry] = Listing(
            noun="changes",
            columns=COLUMNS,
            fetch=self._fetch,
            key=lambda one: one.id,
            opens=lambda one: ShowText(
                f"Change {one.id}, group {one.group_id}", told(one, self.desk.clock())
            ),
            empty="Nothing was changed yet.",
            restricted=self._restricted,
            export=Export("audit", AUDIT_COLUMNS, entry_row),
        )
        return ListTable(listing, heading="Audit", clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Entry], types_pb2.PageInfo]:
        request = audit_pb2.ListAuditRequest(
            page=page.message(),
            table=self._wanted.table,
            record_id=self._wanted.record_id,
            actor=search or self._wanted.actor,
            group_id=self._wanted.group_id,
        )
        reply = await self.desk.aggregator.ask(self.desk.aggregator.admin.ListAudit, request)
        return reply.entries, reply.page

    def _restricted(self) -> str:
        return self._wanted.words()

    def _show(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self.table.restart()

    def action_act(self) -> None:
        """All that the act under the cursor changed; again: everything."""
        rows: list[Entry] = [] if self._wanted.group_id else self.chosen()
        self._show(replace(self._wanted, group_id=rows[0].group_id if rows else 0))

    @work(group="restrict")
    async def action_restrict(self) -> None:
        """By what the row under the cursor says, or by what is typed."""
        rows: list[Entry] = self.table.table.items and self.chosen()
        one = rows[0] if rows else Entry()
        here = (
            Choice("table", f"changes of the table {one.table}", "t"),
            Choice("record", f"changes of {one.table} {one.record_id}", "r"),
            Choice("actor", f"what {one.actor} did", "k"),
        )
        always = (Choice("typed", "what I type …", "f"), Choice("all", "everything", "a"))
        chosen = await self.app.push_screen_wait(
            ChooseDialog("Show only", (*here, *always) if rows else always)
        )
        match chosen:
            case "table":
                self._show(Wanted(table=one.table))
            case "record":
                self._show(Wanted(table=one.table, record_id=one.record_id))
            case "actor":
                self._show(Wanted(actor=one.actor))
            case "all":
                self._show(Wanted())
            case "typed":
                self.fill(
                    Form(
                        title="Show only",
                        fields=(
                            Field("table", "Table", self._wanted.table, hint="Such as bucket_terms."),
                            Field("record_id", "Record", self._wanted.record_id, hint="With a table."),
                            Field(
                                "actor", "Key or job", self._wanted.actor, hint="A key's name, or job:NAME."
                            ),
                        ),
                        go="Show",
                    )
                )

    def filled(self, form: Form, values: dict[str, str]) -> None:
        """What was typed restricts the list."""
        self._show(Wanted(table=values["table"], record_id=values["record_id"], actor=values["actor"]))

    def action_undo_group(self) -> None:
        """Takes back the whole act that the row belongs to, after a dry run."""
        rows: list[Entry] = self.chosen()
        if not rows:
            return
        one = rows[0]
        if one.undone_by:
            self.say(
                f"That act was taken back already, by group {one.undone_by}; undo that one to have it again."
            )
        elif not one.reversible:
            self.say(
                f"What {words_of_act(one.act)} did is not taken back from here: money, keys and what is created never are."
            )
        else:
            self.perform(undo_act(self.desk, one.group_id, one.act, moment(one.at)))

    def action_up(self) -> None:
        """First clears what restricts the list."""
        if self._wanted != Wanted() and not self.table.clear_filter():
            self._show(Wanted())
        else:
            super().action_up()


def told(entry: Entry, now: datetime) -> list[str]:
    """Who, when, and each column before and after."""
    lines = [
        f"{entry.action} of {entry.table} {entry.record_id}",
        f"{words_of_act(entry.act)}, by {entry.actor}, {stamp(moment(entry.at))} ({ago(moment(entry.at), now)})",
        f"Undone by group {entry.undone_by}" if entry.undone_by else "",
        "",
    ]
    old, new = values_of(entry.old_values), values_of(entry.new_values)
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name, NONE), new.get(name, NONE)
        shown = f"{before} → {after}" if entry.action == "update" else after if name in new else before
        lines.append(f"{name}: {clean(shown, VALUE_CHARACTERS_MAX)}")
    return lines

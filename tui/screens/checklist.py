"""The close checklist of a client's ended period: what keeps it from becoming final, and what is done about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable, Static

from tui.cli.periods import ITEM_COLUMNS, item_row, item_words
from tui.client import PAGE_ROWS_MAX, Page
from tui.desk import Desk
from tui.dialogs.act import Act, Trial
from tui.dialogs.fields import Field
from tui.dialogs.form import Form
from tui.failures import CallFailed, Kind, sentence
from tui.format import ago, clean, moment, plural, stamp, text
from tui.messages import GoTo, OpenAsset, OpenBucket, Refreshed
from tui.screens import billing_cells as cells
from tui.screens.billing_acts import about, finalise_act, not_ended
from tui.screens.listing import ListScreen, local_page
from tui.theme import ATTENTION, BAD, FAINT, GOOD
from tui.widgets.facts import Facts
from tui.widgets.frame import Crumbs
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import agents_pb2, closing_pb2, types_pb2

Item = closing_pb2.CheckItem
# Pages of agents that are looked through for one.
AGENT_PAGES_MAX = 40
KINDS = {
    "grace": "waiting",
    "not-rated": "not rated",
    "terms": "no terms",
    "agent-silent": "silent agent",
    "coverage": "coverage",
    "quarantine": "quarantine",
    "not-reviewed": "not reviewed",
    "unbound": "unbound",
}
# What enter leads to, by what an item is about.
LEADS = {"agent": "the agent", "bucket": "the bucket", "asset": "the asset"}
ALL, CHOSEN = "all", "chosen"


class OpenSubject(Message):
    """Show what an item is about."""

    def __init__(self, item: Item) -> None:
        super().__init__()
        self.item = item


@dataclass
class Checked(Message):
    """The checklist arrived."""

    found: closing_pb2.Checklist


def item_state(item: Item) -> Text:
    """Open, acknowledged or settled."""
    if item.open:
        return Text(
            "✖ open" if item.can_acknowledge else "◌ waits", BAD if item.can_acknowledge else ATTENTION
        )
    return Text("✔ acknowledged" if item.acknowledged_by else "✔ settled", GOOD)


def readiness(found: closing_pb2.Checklist) -> Text:
    """Whether the period may become final, and what happens next."""
    if found.period.state == cells.FINALISED:
        return Text("✔ It is final.", GOOD)
    if found.ready:
        return Text("✔ Ready: nothing is open. The next billing run makes it final; F does so now.", GOOD)
    still = [item for item in found.items if item.open]
    by_hand = sum(item.can_acknowledge for item in still)
    if not by_hand:
        return Text("◌ Not ready: nobody has to act, what is open passes by itself.", ATTENTION)
    return Text(
        f"✖ Not ready: {plural(by_hand, 'item')} to put right, or to acknowledge with a reason (A).", BAD
    )


class ChecklistScreen(ListScreen):
    """A line an item; those that somebody may let pass can be marked and acknowledged together."""

    NOUNS = frozenset({"reading", "client", "agent", "bucket", "asset"})
    MAIN = "billing"
    NEEDS: ClassVar[dict[str, str]] = {
        "acknowledge": "Closing/AcknowledgeItems",
        "finalise": "Closing/Finalise",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "acknowledge", "Acknowledge"),
        Binding("F", "finalise", "Finalise"),
    ]
    DEFAULT_CSS = """
    ChecklistScreen #readiness { height: auto; padding: 0 1; margin-bottom: 1; text-style: bold; }
    ChecklistScreen #item { height: auto; max-height: 8; padding: 0 1; border-top: solid $border; }
    """

    def __init__(self, desk: Desk, period: closing_pb2.Period) -> None:
        super().__init__(desk)
        self.period = period
        self._found: closing_pb2.Checklist | None = None

    def above(self) -> ComposeResult:
        """The period, and whether it is ready."""
        yield Crumbs(
            "Billing",
            self.period.client_name,
            cells.period_days(self.period.first_day, self.period.last_day),
            "Close",
        )
        yield Facts()
        yield Static(Text("… checking"), id="readiness", markup=False)

    def content(self) -> ComposeResult:
        """Below the list all that is known of the item under the cursor."""
        yield from super().content()
        yield Static(id="item", markup=False)

    def make_list(self) -> ListTable[Any]:
        """The items."""
        listing: Listing[Item] = Listing(
            noun="items",
            columns=(
                Column("State", lambda i, now: item_state(i), 14, sort="open"),
                Column("What", lambda i, now: text(KINDS.get(i.kind, i.kind)), 13, sort="kind"),
                Column("In words", lambda i, now: text(sentence(i.text)), 24, share=1),
                Column(
                    "By", lambda i, now: text(i.acknowledged_by or "—"), 10, sort="acknowledged_by", above=100
                ),
                Column("Reason", lambda i, now: text(i.reason or "—"), 24, above=120),
            ),
            fetch=self._fetch,
            key=lambda item: (item.kind, item.subject),
            opens=OpenSubject,
            empty="Nothing is on the checklist: no agent silent, nothing unbound, nothing uncovered.",
            markable=True,
            export=Export("checklist", ITEM_COLUMNS, item_row),
        )
        return ListTable(listing, heading="Checklist", clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Item], types_pb2.PageInfo]:
        aggregator = self.desk.aggregator
        request = closing_pb2.GetChecklistRequest(
            client_id=self.period.client_id, first_day=self.period.first_day
        )
        try:
            found = await aggregator.ask(aggregator.closing.GetChecklist, request)
        except CallFailed as error:
            final = await self._final() if error.kind is Kind.REFUSED else None
            if final is None:
                raise
            found = closing_pb2.Checklist(period=final)
        self.post_message(Checked(found))
        return local_page(found.items, page, search, "kind", "text", "subject")

    async def _final(self) -> closing_pb2.Period | None:
        """The period, if it is final by now: then it has no checklist any more. Raises ``CallFailed``."""
        reply = await self.desk.aggregator.periods(
            Page(), client_id=self.period.client_id, month=self.period.last_day[:7]
        )
        return next(
            (
                one
                for one in reply.periods
                if one.first_day == self.period.first_day and one.state == cells.FINALISED
            ),
            None,
        )

    @on(Checked)
    def _checked(self, message: Checked) -> None:
        self._found = message.found
        if message.found.period.client_id:
            self.period = message.found.period
        self._show()

    def on_mount(self) -> None:
        """What the list of periods knew is shown at once."""
        super().on_mount()
        self._show()

    def redraw(self) -> None:
        """Relative times grow."""
        super().redraw()
        self._show()

    def _show(self) -> None:
        period, now = self.period, self.desk.clock()
        is_final = period.state == cells.FINALISED
        closes = moment(period.closes_at)
        when = f"{stamp(closes)} ({ago(closes, now)})" if closes else "when nothing is open"
        if closes and closes <= now:
            when = "at the next billing run"
        self.query_one(Facts).show_facts(
            [
                ("Client", text(period.client_name, "bold")),
                ("State", cells.period_state(period.state, overdue=period.overdue)),
                ("Period", Text(cells.period_days(period.first_day, period.last_day))),
                ("Total", cells.figure(period.total.amount, period.total.currency, is_final=is_final)),
                ("Buckets", Text(f"{period.buckets:,}")),
                ("Closes", Text("it is final" if is_final else when)),
            ]
        )
        if self._found is not None:
            self.query_one("#readiness", Static).update(Text().append_text(readiness(self._found)))

    @on(Refreshed)
    @on(DataTable.RowHighlighted)
    def _show_item(self) -> None:
        item = self.table.table.current
        panel = self.query_one("#item", Static)
        panel.display = item is not None
        if item is None:
            return
        lines = [Text(clean(sentence(item.text), 600))]
        if item.acknowledged_by:
            when = ago(moment(item.acknowledged_at), self.desk.clock())
            lines.append(
                Text(
                    f"Acknowledged by {clean(item.acknowledged_by, 60)} {when}: {clean(item.reason, 500)}",
                    GOOD,
                )
            )
        leads = LEADS.get(item.subject.partition(":")[0])
        hints = [f"enter opens {leads}"] if leads else []
        if not item.can_acknowledge:
            hints.append("it passes by itself and cannot be acknowledged")
        elif not item.open:
            hints.append("A withdraws the acknowledgement")
        else:
            hints.append("A lets it pass, with a reason")
        panel.update(Text("\n").join([*lines, Text(sentence("; ".join(hints)), FAINT)]))

    # What an item is about.

    @on(OpenSubject)
    def _open_subject(self, message: OpenSubject) -> None:
        item = message.item
        kind, _, number = item.subject.partition(":")
        if kind in LEADS and number.isdigit():
            self._find(kind, int(number))
        else:
            self.say("This item is about the period itself: there is nothing else to open.")

    @work(exclusive=True, group="subject")
    async def _find(self, kind: str, number: int) -> None:
        aggregator = self.desk.aggregator
        try:
            if kind == "bucket":
                self.post_message(OpenBucket(await aggregator.bucket(number)))
            elif kind == "asset":
                detail = await aggregator.asset(number)
                self.post_message(OpenAsset(number, detail.asset.name))
            else:
                name = await self._agent_name(number)
                self.post_message(GoTo("agents", search=name))
        except CallFailed as error:
            self.say(str(error), failed=True)

    async def _agent_name(self, number: int) -> str:
        """Empty when there is no such agent any more: then all agents are shown."""
        aggregator, after = self.desk.aggregator, ""
        for _ in range(AGENT_PAGES_MAX):
            request = agents_pb2.ListAgentsRequest(page=Page(PAGE_ROWS_MAX, after).message())
            reply = await aggregator.ask(aggregator.admin.ListAgents, request)
            found = next((one.name for one in reply.agents if one.id == number), "")
            after = reply.page.next
            if found or not after:
                return found
        return ""

    # Acts.

    def action_acknowledge(self) -> None:
        """Lets items pass, with a reason; of items that were let through already, takes that back."""
        chosen = self.chosen()
        if not chosen:
            return
        possible = [item for item in chosen if item.can_acknowledge]
        if not possible:
            self.say("This passes by itself: somebody waits, or billing runs. It cannot be acknowledged.")
        elif all(not item.open for item in possible):
            self.perform(self._withdraw(possible))
        else:
            self.fill(self._form([item for item in possible if item.open]))

    def _form(self, items: Sequence[Item]) -> Form:
        every = [
            item for item in (self._found.items if self._found else ()) if item.can_acknowledge and item.open
        ]
        fields = [
            Field(
                "reason",
                "Reason",
                hint="Kept with the period, with your key's name: why it may be billed so.",
                required=True,
            )
        ]
        if len(every) > len(items):
            shown = item_words(items[0]) if len(items) == 1 else plural(len(items), "item")
            choices = ((CHOSEN, clean(shown, 40)), (ALL, f"all {len(every)} that can be"))
            fields.append(
                Field("which", "Items", CHOSEN, "Which of them it is the reason of.", choices=choices)
            )

        def act(values: dict[str, str]) -> Act:
            wanted = every if values.get("which") == ALL else items
            return self._act(wanted, reason=values["reason"], withdraw=False)

        return Form(
            title=f"Acknowledge {plural(len(items), 'item')} of {about(self.period)}",
            fields=fields,
            act=act,
            says=" · ".join(sentence(item.text) for item in items[:3]) + (" …" if len(items) > 3 else ""),
            go="Acknowledge",
        )

    def _withdraw(self, items: Sequence[Item]) -> Act:
        return self._act(items, reason="", withdraw=True)

    def _act(self, items: Sequence[Item], *, reason: str, withdraw: bool) -> Act:
        aggregator = self.desk.aggregator
        request = closing_pb2.AcknowledgeItemsRequest(
            client_id=self.period.client_id,
            first_day=self.period.first_day,
            items=[item_words(item) for item in items],
            reason=reason,
            withdraw=withdraw,
        )

        async def call(trial: Trial) -> closing_pb2.Checklist:
            return await aggregator.ask(aggregator.closing.AcknowledgeItems, request)

        def done(reply: closing_pb2.Checklist) -> str:
            what = "Withdrawn for" if withdraw else "Acknowledged:"
            open_now = sum(item.open for item in reply.items)
            ready = "the period is ready" if reply.ready else f"{plural(open_now, 'item')} open"
            return f"{what} {plural(len(items), 'item')}; {ready}."

        return Act(
            title=f"{'Withdraw the acknowledgement of' if withdraw else 'Acknowledge'} {plural(len(items), 'item')}",
            call=call,
            dry=False,
            # The reason was just typed: that is question enough, and it can be withdrawn.
            asks=withdraw,
            warns="The period cannot become final again before these items are put right or acknowledged anew.",
            undoable=False,
            done=done,
        )

    def action_finalise(self) -> None:
        """For good, after a dry run and the client's name."""
        why_not = not_ended(self.period)
        if why_not:
            self.say(why_not)
        elif self._found is not None and not self._found.ready:
            self.say("It is not ready: the items that are open come first.")
        else:
            self.perform(finalise_act(self.desk, self.period))

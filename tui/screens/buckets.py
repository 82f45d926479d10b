"""What was agreed with clients, and how much of it is used."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType

from tui.cli.rows import BUCKET_COLUMNS, bucket_row
from tui.client import AssetQuery, Page
from tui.desk import Desk
from tui.dialogs.choose import Choice, ChooseDialog
from tui.dialogs.fields import Field
from tui.dialogs.form import Form, Values
from tui.failures import CallFailed
from tui.format import clean, decimal, text
from tui.messages import OpenBucket
from tui.screens import cells
from tui.screens.asset_search import Clients
from tui.screens.bucket_acts import BucketActs
from tui.screens.bucket_forms import source_types, unit_types
from tui.theme import BAD, FAINT
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import inventory_pb2, types_pb2

Bucket = inventory_pb2.Bucket


USED_CELLS, COMMIT_CELLS = 14, 12


def used(bucket: Bucket) -> Text:
    """Of the open period: ▲ above the commit already, ↗ with what the rest of the period will bring."""
    if bucket.status != "over":
        return cells.usage(bucket, width=USED_CELLS)
    now, agreed = decimal(bucket.current_usage), decimal(bucket.terms.commit)
    sign = "▲ " if now is not None and agreed is not None and now > agreed else "↗ "
    return Text.assemble((sign, BAD), cells.usage(bucket, width=USED_CELLS - len(sign)))


COLUMNS: Sequence[Column[Bucket]] = (
    Column("ID", lambda b, now: Text(str(b.id), FAINT), 4, right=True, sort="id", above=100),
    Column("Client", lambda b, now: text(b.client_name), 9, share=1, sort="client_name"),
    Column("Name", lambda b, now: text(b.name), 10, share=1, sort="name"),
    Column("Source", lambda b, now: text(b.source_type), 9, sort="source_type", above=70),
    Column("Unit", lambda b, now: text(b.unit_type), 9, sort="unit_type"),
    Column("Agg", lambda b, now: text(b.terms.aggregation), 5, above=100),
    Column("Usage", lambda b, now: used(b), USED_CELLS, right=True, sort="current_usage"),
    Column(
        "Commit",
        lambda b, now: cells.commit(b.terms, b.symbol, width=COMMIT_CELLS),
        COMMIT_CELLS,
        right=True,
        above=66,
    ),
    Column(
        "Projected", lambda b, now: cells.projected_cost(b), 14, sort="projected_cost", right=True, above=140
    ),
    Column("Status", lambda b, now: cells.status(b), 14, sort="percent_of_commit", above=120),
    Column("Rev", lambda b, now: cells.either(b.reviewed, bad=True), 3, above=70),
    Column("On", lambda b, now: cells.either(b.enabled), 3, above=70),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the list is restricted to besides the filter."""

    source_type: str = ""
    unit_type: str = ""
    client_id: int = 0
    client_name: str = ""
    not_reviewed: bool = False
    over: bool = False
    enabled: bool = False
    disabled: bool = False

    def words(self) -> str:
        """Every restriction as a chip."""
        chips = [
            f"client: {self.client_name} ×" if self.client_id else "",
            f"source: {self.source_type} ×" if self.source_type else "",
            f"unit: {self.unit_type} ×" if self.unit_type else "",
            "not reviewed ×" if self.not_reviewed else "",
            "over ×" if self.over else "",
            "enabled ×" if self.enabled else "",
            "disabled ×" if self.disabled else "",
        ]
        return "  ".join(chip for chip in chips if chip)


class BucketsScreen(BucketActs):
    """All buckets, or those of a kind; a row opens its terms and history."""

    NOUNS = frozenset({"bucket", "client", "reading", "projection"})
    MAIN = "buckets"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "filters", "Filters"),
        Binding("t", "same_source", "Type", show=False),
        Binding("v", "assets", "Assets", show=False),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._wanted = Wanted()
        self._clients = Clients(desk)

    def make_list(self) -> ListTable[Any]:
        """What the restrictions let through."""
        listing: Listing[Bucket] = Listing(
            noun="buckets",
            columns=COLUMNS,
            fetch=self._fetch,
            key=lambda bucket: bucket.id,
            opens=OpenBucket,
            empty="No buckets: nothing is billed yet.\n\nn makes the first one",
            restricted=self._restricted,
            markable=True,
            export=Export("buckets", BUCKET_COLUMNS, bucket_row),
        )
        return ListTable(listing, heading="Buckets", clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Bucket], types_pb2.PageInfo]:
        wanted = self._wanted
        request = inventory_pb2.ListBucketsRequest(
            page=page.message(),
            search=search,
            client_id=wanted.client_id,
            source_type=wanted.source_type,
            unit_type=wanted.unit_type,
            not_reviewed=wanted.not_reviewed,
            enabled=wanted.enabled,
            disabled=wanted.disabled,
            over=wanted.over,
        )
        reply = await self.desk.aggregator.ask(self.desk.aggregator.inventory.ListBuckets, request)
        return reply.buckets, reply.page

    # What the list is restricted to.

    def search_for(self, wanted: str) -> None:
        """Among all buckets: who jumps here did not ask for the restrictions."""
        self._restrict(Wanted())
        super().search_for(wanted)

    def _restricted(self) -> str:
        return self._wanted.words()

    def _restrict(self, wanted: Wanted) -> None:
        self._wanted = wanted
        words = "No bucket fits that." if wanted != Wanted() else "No buckets: nothing is billed yet."
        way = "esc shows all buckets" if wanted != Wanted() else "n makes the first one"
        self.table.listing = replace(self.table.listing, empty=f"{words}\n\n{way}")
        self.table.restart()

    def action_same_source(self) -> None:
        """Only the source type of the row under the cursor; again: all of them."""
        row = self.table.table.current
        source = "" if self._wanted.source_type or row is None else row.source_type
        self._restrict(replace(self._wanted, source_type=source))

    @work(exclusive=True, group="filters")
    async def action_filters(self) -> None:
        """A menu; what holds already is taken away by choosing it again."""
        held = self._wanted
        choices = [
            Choice("not_reviewed", _toggle("not reviewed", held.not_reviewed), "r"),
            Choice("over", _toggle("projected over the commit", held.over), "o"),
            Choice("enabled", _toggle("enabled", held.enabled), "e"),
            Choice("disabled", _toggle("disabled", held.disabled), "d"),
            Choice("source_type", _toggle("a source type …", bool(held.source_type)), "s"),
            Choice("unit_type", _toggle("a unit type …", bool(held.unit_type)), "u"),
            Choice("client", _toggle("a client …", bool(held.client_id)), "c"),
            Choice("all", "all buckets", "a"),
        ]
        match await self.app.push_screen_wait(ChooseDialog("Show only buckets that are", choices)):
            case None:
                return
            case "all":
                self._restrict(Wanted())
            case "enabled":
                self._restrict(replace(held, enabled=not held.enabled, disabled=False))
            case "disabled":
                self._restrict(replace(held, disabled=not held.disabled, enabled=False))
            case "not_reviewed":
                self._restrict(replace(held, not_reviewed=not held.not_reviewed))
            case "over":
                self._restrict(replace(held, over=not held.over))
            case "client":
                self._of_client(held)
            case name:
                await self._of_type(name)

    def _of_client(self, held: Wanted) -> None:
        if held.client_id:
            self._restrict(replace(held, client_id=0, client_name=""))
            return

        field = Field("client", "Client", hint="A part of the name.", search=self._clients, required=True)
        self.fill(Form("Buckets of one client", [field]))

    def filled(self, form: Form, values: Values) -> None:
        """The client was chosen."""
        number = values["client"]
        name = clean(self._clients.names[number], 40)
        self._restrict(replace(self._wanted, client_id=int(number), client_name=name))

    async def _of_type(self, name: str) -> None:
        of_source = name == "source_type"
        held = self._wanted.source_type if of_source else self._wanted.unit_type
        chosen: str | None = ""
        if not held:
            try:
                known = await (source_types(self.desk) if of_source else unit_types(self.desk))
            except CallFailed as error:
                self.say(str(error), failed=True)
                return
            title = "Source type" if of_source else "Unit type"
            if not known:
                self.say(f"There is no {title.lower()} yet.")
                return
            choices = [Choice(value, label) for value, label in known]
            chosen = await self.app.push_screen_wait(ChooseDialog(title, choices))
        if chosen is not None:
            self._restrict(
                replace(self._wanted, source_type=chosen)
                if of_source
                else replace(self._wanted, unit_type=chosen)
            )

    async def action_assets(self) -> None:
        """The assets that the bucket under the cursor takes."""
        bucket = self.one_bucket()
        if bucket is not None:
            from tui.screens.assets import AssetsScreen

            query = AssetQuery(bucket_id=bucket.id)
            name = f"{bucket.client_name}, {bucket.name}"
            await self.app.push_screen(AssetsScreen(self.desk, query, name))

    def action_up(self) -> None:
        """First unmarks, then clears the filter, then the restrictions, then leaves."""
        if self.table.table.clear_marks() or self.table.clear_filter():
            return
        if self._wanted != Wanted():
            self._restrict(Wanted())
        else:
            super().action_up()


def _toggle(words: str, on: bool) -> str:
    return f"{words}  ✔" if on else words

"""One bucket: what was agreed, how much of it is used, and what it cost in each period."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from tui.client import AssetQuery
from tui.desk import Desk
from tui.failures import CallFailed
from tui.format import ago, clean, days, decimal, moment, money, plural, text
from tui.messages import Loaded, LoadFailed
from tui.screens import cells
from tui.screens.asset_list import assets_of
from tui.screens.bucket_acts import BucketActs
from tui.screens.bucket_lists import DatedTerms, Reading, history, more_words, terms_list
from tui.screens.bucket_terms import delete_terms, plain
from tui.screens.cycling import CyclingScreen
from tui.screens.given import filters_words
from tui.widgets.facts import Facts
from tui.widgets.frame import Crumbs
from tui.widgets.list_table import ListTable
from tui.widgets.usage_bar import PeriodBars, PeriodMoney, UsageBar
from ullage.v1 import inventory_pb2

Bucket = inventory_pb2.Bucket


@dataclass(frozen=True, slots=True)
class Found:
    """The bucket as it is now, and its client for the zone in which its days begin."""

    bucket: Bucket
    client: inventory_pb2.Client


class BucketScreen(BucketActs, CyclingScreen):
    """Facts and bars above; below billing history, terms or assets, which ``v`` goes through."""

    NOUNS = frozenset({"bucket", "reading", "projection"})
    MAIN = "buckets"
    NEEDS: ClassVar[dict[str, str]] = {"delete_terms": "Inventory/DeleteTerms"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view", "View"),
        Binding("X", "delete_terms", "Delete terms", show=False),
    ]
    CSS = """
    BucketScreen {
        .facts { margin-bottom: 0; }
        #bucket-filters { height: auto; max-height: 3; padding: 0 1; }
        UsageBar { margin: 1 0 0 0; }
        PeriodBars { margin-bottom: 1; }
    }
    """

    def __init__(self, desk: Desk, bucket: Bucket) -> None:
        super().__init__(desk)
        self._bucket = bucket
        self._zone = "UTC"
        self._newest: Sequence[Reading] = ()

    def above(self) -> ComposeResult:
        """Terms in force, filters, usage, overage and buffer."""
        yield Crumbs("Buckets", self._bucket.client_name, self._bucket.name)
        yield Facts()
        yield Static(id="bucket-filters", markup=False)
        yield UsageBar()
        yield PeriodBars()

    def make_lists(self) -> Sequence[ListTable[Any]]:
        """Billing history, terms over time, and what it takes in."""
        bucket = self._bucket
        return (
            history(self.desk, bucket, lambda: self._zone, self._show_periods),
            terms_list(self.desk, bucket.id),
            assets_of(
                self.desk,
                AssetQuery(bucket_id=bucket.id),
                empty="No assets: nothing of the client matches the filters.\n\nE changes them",
            ),
        )

    def on_mount(self) -> None:
        """What the list knew is shown at once."""
        super().on_mount()
        self.query_one(PeriodBars).display = False
        self._show()

    def ask(self) -> None:
        """For the bucket and the list on view."""
        super().ask()
        self._ask_bucket()

    @work(exclusive=True, group="bucket")
    async def _ask_bucket(self) -> None:
        held, aggregator = self._bucket, self.desk.aggregator
        try:
            bucket = await aggregator.bucket(held.id)
            client = await aggregator.client(held.client_id)
        except CallFailed as error:
            self.post_message(LoadFailed(error))
            return
        self.post_message(Loaded(Found(bucket, client)))

    def on_load_failed(self, message: LoadFailed) -> None:
        """The list below says it."""
        message.stop()

    def on_loaded(self, message: Loaded[Found]) -> None:
        """As they are now."""
        message.stop()
        self._bucket = message.data.bucket
        self._zone = message.data.client.time_zone
        self.table.redraw()
        self.query_one(Crumbs).show("Buckets", self._bucket.client_name, self._bucket.name)
        self._show()
        self._show_periods(self._newest)

    # Showing.

    def _show_periods(self, readings: Sequence[Reading]) -> None:
        """The newest readings, in whatever order they came."""
        self._newest = readings
        ordered = sorted(readings, key=lambda reading: reading.period_start.seconds)
        self.query_one(PeriodBars).show_periods(
            [
                PeriodMoney(
                    days(moment(one.period_start), moment(one.period_end), self._zone),
                    decimal(one.overage) or Decimal(0),
                    decimal(one.buffer) or Decimal(0),
                )
                for one in ordered
                if one.currency == self._bucket.currency
            ],
            self._bucket.currency,
        )

    def _show(self) -> None:
        bucket, terms = self._bucket, self._bucket.terms
        states = [
            "enabled" if bucket.enabled else "disabled",
            "reviewed" if bucket.reviewed else "not reviewed",
        ]
        if bucket.ends_on:
            states.append(f"ends {clean(bucket.ends_on, 10)}")
        each = clean(bucket.symbol, 16)
        as_of = ago(moment(bucket.usage_as_of), self.desk.clock())
        self.query_one(Facts).show_facts(
            [
                ("Takes", text(f"{terms.aggregation} of {bucket.unit_type} of {bucket.source_type}")),
                ("Commit", cells.commit(terms, bucket.symbol)),
                ("Base", Text(f"{self._price(terms.base_price)} a {each}")),
                ("Overage", Text(f"{self._price(terms.overage_price)} a {each}")),
                ("State", Text(", ".join(states))),
                ("Terms", text(f"since {terms.starts_on} ({plural(len(bucket.all_terms), 'set')})")),
                ("So far", Text(f"{money(bucket.current_cost, bucket.currency)} ({as_of})")),
                ("Projected", Text(money(bucket.projected_cost, bucket.currency), "bold")),
            ]
        )
        taken = filters_words(bucket.filters) or f"every {bucket.source_type} of the client"
        line = Text.assemble(
            ("Filters    ", "dim"), clean(taken, 300), f"  ({plural(bucket.series, 'series')} bound"
        )
        line.append(f", priority {bucket.priority})")
        besides = more_words(terms)
        if besides:
            line.append("\n").append("Besides    ", "dim").append(besides)
        self.query_one("#bucket-filters", Static).update(line)
        self.query_one(UsageBar).show_bucket(bucket, cells.status(bucket))

    def _price(self, field: str) -> str:
        return f"{clean(self._bucket.currency, 3)} {plain(field) or '0'}"

    # Acts.

    def chosen_buckets(self) -> Sequence[Bucket]:
        """This one, whatever list is on view."""
        return [self._bucket]

    def client_of_new(self) -> int:
        """The same."""
        return self._bucket.client_id

    def _terms(self) -> DatedTerms | None:
        """Those under the cursor while the terms are on view."""
        current = self.table.table.current
        return current if isinstance(current, DatedTerms) else None

    def action_edit(self) -> None:
        """The terms under the cursor while they are on view, else name, filters and priority."""
        held = self._terms()
        if held is None:
            super().action_edit()
        elif held.terms.finalised:
            self.say("A finalised reading used these terms: they stay. T sets others from a later day on.")
        elif refusal := self.desk.refusal("Inventory/SetTerms"):
            self.say(refusal)
        else:
            self.open_terms(self._bucket.id, starts_on=held.starts_on)

    def action_delete_terms(self) -> None:
        """Those under the cursor, while no finalised reading used them."""
        held = self._terms()
        if held is None:
            self.say("Terms are deleted where they are listed: v shows them.")
        elif held.terms.finalised:
            self.say("A finalised reading used these terms: they stay.")
        elif len(self._bucket.all_terms) == 1:
            self.say("These are the bucket's only terms: set others first (T), or disable the bucket (x).")
        else:
            self.perform(delete_terms(self.desk, self._bucket, held.terms))

"""One bucket: what was agreed, what it takes in, and what it cost in each period."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text
from textual import work
from textual.app import ComposeResult

from tui.client import Page
from tui.desk import Desk
from tui.failures import CallFailed
from tui.format import NONE, ago, clean, days, decimal, moment, money, percent, plural, quantity, text
from tui.messages import Loaded, LoadFailed
from tui.screens import cells
from tui.screens.listing import ListScreen
from tui.theme import BAD, FAINT, GOOD
from tui.widgets.facts import Facts
from tui.widgets.frame import Crumbs
from tui.widgets.list_table import Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import billing_pb2, inventory_pb2, types_pb2

Bucket = inventory_pb2.Bucket
Reading = billing_pb2.Reading


@dataclass(frozen=True, slots=True)
class Found:
    """The bucket as it is now, and its client for the zone in which its days begin."""

    bucket: Bucket
    client: inventory_pb2.Client


def _state(reading: Reading) -> Text:
    match reading.state:
        case billing_pb2.PERIOD_STATE_OPEN:
            return Text("open")
        case billing_pb2.PERIOD_STATE_ENDED:
            return Text("ended", FAINT)
        case billing_pb2.PERIOD_STATE_FINALISED:
            return Text("final", GOOD)
        case _:
            return Text(NONE)


def _part(amount: str, style: str) -> Text:
    """Money that matters only when there is some."""
    value = decimal(amount)
    return Text(NONE if value is None else f"{value:,f}", style if value else FAINT)


class BucketScreen(ListScreen):
    """One bucket: what was agreed, what it takes in, and what it cost in each period."""

    NOUNS = frozenset({"bucket", "reading", "projection"})
    MAIN = "buckets"

    def __init__(self, desk: Desk, bucket: Bucket) -> None:
        super().__init__(desk)
        self._bucket = bucket
        self._zone = "UTC"

    def above(self) -> ComposeResult:
        """Terms and filters."""
        yield Crumbs("Buckets", self._bucket.client_name, self._bucket.name)
        yield Facts()

    def _columns(self) -> Sequence[Column[Reading]]:
        return (
            Column(
                "Period",
                lambda r, now: Text(days(moment(r.period_start), moment(r.period_end), self._zone)),
                18,
            ),
            Column("State", lambda r, now: _state(r), 6),
            Column("Usage", lambda r, now: Text(quantity(r.quantity, r.symbol)), 14, right=True),
            Column("% commit", lambda r, now: Text(percent(r.percent_of_commit)), 8, right=True, above=100),
            Column("Used", lambda r, now: _part(r.used, ""), 11, right=True, above=110),
            Column("Overage", lambda r, now: _part(r.overage, BAD), 11, right=True),
            Column("Buffer", lambda r, now: _part(r.buffer, ""), 11, right=True),
            Column("Cost", lambda r, now: Text(money(r.cost, r.currency), "bold"), 13, right=True),
        )

    def make_list(self) -> ListTable[Any]:
        """Its billing readings."""
        listing: Listing[Reading] = Listing(
            noun="billing readings",
            columns=self._columns(),
            fetch=self._fetch,
            key=lambda reading: reading.period_start.seconds,
            opens=lambda reading: None,
            empty="No billing readings yet: the next billing run makes the first one.",
        )
        return ListTable(listing, heading="Billing history", clock=self.desk.clock)

    async def _fetch(self, page: Page, search: str) -> tuple[Sequence[Reading], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.readings(page, bucket_id=self._bucket.id)
        return reply.readings, reply.page

    def on_mount(self) -> None:
        """What the list knew is shown at once."""
        super().on_mount()
        self._show()

    def ask(self) -> None:
        """For the bucket and its readings."""
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
        self._show()

    def _show(self) -> None:
        bucket = self._bucket
        terms = bucket.terms
        states = ["enabled" if bucket.enabled else "disabled"]
        if not bucket.reviewed:
            states.append("not reviewed")
        filters = [clean(cells.filter_words(one)) for one in bucket.filters]
        each = clean(bucket.symbol, 16)
        sets = len(bucket.all_terms)
        as_of = ago(moment(bucket.usage_as_of), self.desk.clock())
        self.query_one(Facts).show_facts(
            [
                ("Bucket", text(bucket.name, "bold")),
                ("Takes", text(f"{terms.aggregation} of {bucket.unit_type} of {bucket.source_type}")),
                (
                    "Filters",
                    Text(" or ".join(filters) or f"every {clean(bucket.source_type, 24)} of the client"),
                ),
                ("Bound", Text(f"{plural(bucket.series, 'series')}; {', '.join(states)}")),
                ("Terms", text(f"since {terms.starts_on}" + (f", {sets} sets in all" if sets > 1 else ""))),
                ("Commit", cells.commit(terms, bucket.symbol, short=False)),
                ("Base", Text(f"{money(terms.base_price, bucket.currency)} a {each}")),
                ("Overage", Text(f"{money(terms.overage_price, bucket.currency)} a {each}")),
                ("Usage", Text(f"{quantity(bucket.current_usage, bucket.symbol)} ({as_of})")),
                (
                    "Projected",
                    Text(
                        f"{quantity(bucket.projected_usage, bucket.symbol)}, "
                        f"{money(bucket.projected_cost, bucket.currency)}"
                    ),
                ),
                ("Status", cells.status(bucket)),
            ]
        )

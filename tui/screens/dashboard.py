"""How things stand: what there is, what is not billed, what it brings, whether the system is well."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from tui.client import AssetQuery
from tui.desk import Desk
from tui.failures import CallFailed
from tui.format import NONE, clean, duration, moment, money, month_name, of_commit, percent, plural, text
from tui.messages import GoTo, Loaded, LoadFailed, OpenClient, Refreshed
from tui.screens.live import LiveScreen
from tui.theme import ATTENTION, BAD, FAINT, GOOD, STATES
from tui.widgets.cards import Card, Cards, Digest
from tui.widgets.chart import RevenueChart
from tui.widgets.row_table import Column, RowTable
from ullage.v1 import insight_pb2

TopClient = insight_pb2.TopClient
NewOverage = insight_pb2.NewOverage
SourceRevenue = insight_pb2.SourceRevenue

# The role of a key that sees one client alone, and what it is told here.
CLIENT = "client"
OF_ONE_CLIENT = (
    "The dashboard is about all clients. A client's key sees its own: 2 Clients, 3 Assets, 5 Buckets, "
    "6 Billing, 7 Projections."
)

TOP_COLUMNS: Sequence[Column[TopClient]] = (
    Column("Client", lambda t, now: text(t.client_name), 10, share=1),
    Column("Projected", lambda t, now: Text(money(t.projected.amount, t.projected.currency)), 14, right=True),
    Column("Share", lambda t, now: Text(percent(t.share)), 6, right=True, above=70),
)
OVERAGE_COLUMNS: Sequence[Column[NewOverage]] = (
    Column("Client", lambda o, now: text(o.client_name), 10, share=1),
    Column("Bucket", lambda o, now: text(o.bucket_name), 10, share=1, above=70),
    Column("Of commit", lambda o, now: Text(of_commit(o.percent_of_commit), BAD), 9, right=True),
)


@dataclass(frozen=True, slots=True)
class Status:
    """How many clients ended the last full month like this."""

    word: str
    clients: int
    style: str


def status_rows(status: insight_pb2.ClientStatus) -> list[Status]:
    """A line for each status there is, also for those that nobody has; in the words of Over/Under."""
    return [
        *(Status(word, int(getattr(status, name)), style) for name, (word, style) in STATES.items()),
        Status(f"{NONE} no commit", status.none, FAINT),
    ]


STATUS_COLUMNS: Sequence[Column[Status]] = (
    Column("Status", lambda s, now: Text(s.word, s.style), 20, share=1),
    Column("Clients", lambda s, now: Text(f"{s.clients:,}"), 8, right=True),
)
SOURCE_COLUMNS: Sequence[Column[SourceRevenue]] = (
    Column("Source type", lambda s, now: text(s.source_type), 12, share=1),
    Column("Revenue", lambda s, now: Text(_source_money(s)), 18, right=True),
)


def _source_money(source: insight_pb2.SourceRevenue) -> str:
    return f"{'~' if source.provisional else ''}{money(source.revenue.amount, source.revenue.currency)}"


class DashboardScreen(LiveScreen):
    """Cards, revenue, top clients, new overages, health. What can be opened opens what it counts."""

    NOUNS = frozenset({"client", "asset", "bucket", "reading", "projection", "agent", "job"})
    MAIN = "dashboard"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (34, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "currency", "Currency"),
        Binding("r", "refetch", "Refresh"),
        # There is nothing above this screen.
        Binding("escape", "up", "Up", show=False),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._data: insight_pb2.Dashboard | None = None
        self._failure: CallFailed | None = None
        self._top: RowTable[TopClient] = RowTable(
            TOP_COLUMNS,
            lambda top: (top.client_id, top.projected.currency),
            clock=desk.clock,
            opens=lambda top: OpenClient(top.client_id, top.client_name),
            table_id="top",
        )
        self._overages: RowTable[NewOverage] = RowTable(
            OVERAGE_COLUMNS,
            lambda over: over.bucket_id,
            clock=desk.clock,
            opens=lambda over: OpenClient(over.client_id, over.client_name, over.bucket_id),
            table_id="overages",
        )
        self._status: RowTable[Status] = RowTable(
            STATUS_COLUMNS,
            lambda status: status.word,
            clock=desk.clock,
            opens=lambda status: GoTo("over-under"),
            table_id="status",
        )
        self._sources: RowTable[SourceRevenue] = RowTable(
            SOURCE_COLUMNS,
            lambda source: source.source_type,
            clock=desk.clock,
            opens=lambda source: GoTo("billing"),
            table_id="sources",
        )

    def content(self) -> ComposeResult:
        """Figures first."""
        with Cards():
            yield Card("Clients", card_id="clients", opens=lambda: GoTo("clients"))
            yield Card("Assets", card_id="assets", opens=lambda: GoTo("assets", AssetQuery()))
            yield Card("Buckets", card_id="buckets", opens=lambda: GoTo("buckets"))
            yield Card("Projected rev", card_id="projected", opens=lambda: GoTo("projections"))
            yield Card(
                "Unassigned", card_id="unassigned", opens=lambda: GoTo("assets", AssetQuery(unassigned=True))
            )
            yield Card("Unbound", card_id="unbound", opens=lambda: GoTo("unbound"))
            yield Card(
                "New assets", card_id="new", opens=lambda: GoTo("assets", AssetQuery(unacknowledged=True))
            )
            yield Card("MoM revenue", card_id="mom", opens=lambda: GoTo("billing"))
        with Horizontal(id="panels"):
            with Vertical(id="revenue-panel", classes="panel"):
                yield RevenueChart()
            with Vertical(id="right-panels"):
                with Vertical(id="top-panel", classes="panel"):
                    yield self._top
                    yield Static("… loading", id="top-notice", classes="panel-notice", markup=False)
                with Vertical(id="overages-panel", classes="panel"):
                    yield self._overages
                    yield Static("… loading", id="overages-notice", classes="panel-notice", markup=False)
        yield Digest(digest_id="digest", opens=lambda: GoTo("over-under"))
        with Horizontal(id="last-panels"):
            with Vertical(id="status-panel", classes="panel"):
                yield self._status
            with Vertical(id="sources-panel", classes="panel"):
                yield self._sources
                yield Static("No readings", id="sources-notice", classes="panel-notice", markup=False)
        yield Static(id="health", markup=False)

    def on_mount(self) -> None:
        """Titles; the figures follow."""
        super().on_mount()
        self.query_one("#revenue-panel").border_title = "Revenue by month"
        self.query_one("#top-panel").border_title = "Top clients, this period"
        self.query_one("#overages-panel").border_title = "New overages, this period"
        self.query_one("#status-panel").border_title = "Clients by status, last month"
        self._top.display = self._overages.display = False
        self.query_one("#clients").focus()

    def ask(self) -> None:
        """For everything at once: one call, one moment."""
        self._ask_dashboard()

    @work(exclusive=True)
    async def _ask_dashboard(self) -> None:
        try:
            dashboard = await self.desk.aggregator.dashboard()
        except CallFailed as error:
            self.post_message(LoadFailed(error))
            return
        self.post_message(Loaded(dashboard))

    def on_load_failed(self, message: LoadFailed) -> None:
        """Figures that were shown stay, as of their time."""
        message.stop()
        self._failure = message.error
        self._draw_health()
        if self._data is None:
            for name in ("top", "overages"):
                self.query_one(f"#{name}-notice", Static).update("not known yet")

    def show_link(self) -> None:
        """Without a connection nobody knows whether all is well."""
        super().show_link()
        self._draw_health()

    def on_loaded(self, message: Loaded[insight_pb2.Dashboard]) -> None:
        """Everything is drawn from the one answer; nothing, where it is the same as before."""
        message.stop()
        same = self._failure is None and message.data == self._data
        self._data, self._failure = message.data, None
        if not same:
            self._draw(message.data)
        self.post_message(Refreshed())

    def redraw(self) -> None:
        """Ages grow; they are in the lines about health alone."""
        if self._data is not None:
            self._draw_health()

    def action_currency(self) -> None:
        """Money is never added over currencies: one after the other."""
        if self._data is None:
            return
        if len(self.desk.currencies) < 2:
            self.say("All revenue is in one currency.")
            return
        self.desk.next_currency()
        self._draw(self._data)

    def _draw(self, data: insight_pb2.Dashboard) -> None:
        self.desk.seen_currencies(*_currencies(data))
        if not self.desk.currency and self.desk.currencies:
            self.desk.currency = self.desk.currencies[0]
        self._draw_counts(data)
        self._draw_money(data, several=len(self.desk.currencies) > 1)
        currency = self.desk.currency
        self._fill(
            self._top,
            "top",
            [t for t in data.top_clients if t.projected.currency == currency],
            "No projections yet",
        )
        # A client's open period may end in another month, and counts there.
        newest = max((month.month for month in data.revenue), default="")
        self.query_one("#top-panel").border_subtitle = (
            f"periods ending in {month_name(newest)}" if newest else ""
        )
        self._fill(self._overages, "overages", list(data.new_overages), "No new overages")
        self._draw_last(data)
        self._draw_health()

    def _draw_last(self, data: insight_pb2.Dashboard) -> None:
        """The last full month: as two lines where there is little room, else as two panels."""
        currency = self.desk.currency
        statuses = status_rows(data.status_last_period)
        sources = [one for one in data.revenue_by_source if one.revenue.currency == currency]
        average = next((m for m in data.average_per_client if m.currency == currency), None)
        each = "" if average is None else f"avg {money(average.amount, average.currency)}"
        self._status.show_items(statuses)
        self._fill(self._sources, "sources", sources, "No readings")
        panel = self.query_one("#sources-panel")
        panel.border_title = "Revenue by source type, last month"
        panel.border_subtitle = f"{each} a client" if each else ""
        words = "  ".join(f"{one.clients:,} {one.word}" for one in statuses if one.clients)
        first = Text("Last month  ", "bold").append(words or "no readings", "not bold")
        parts = [f"{clean(one.source_type, 20)} {_source_money(one)}" for one in sources]
        second = Text(" · ".join([each, *parts] if each else parts), "dim")
        self.query_one(Digest).show_lines(first, second)

    def _draw_health(self) -> None:
        """As the aggregator said last, or why it is not known now."""
        identity = self.desk.identity
        if self._failure is not None and identity is not None and identity.role == CLIENT:
            lines = Text(OF_ONE_CLIENT, ATTENTION)
        elif self._failure is not None:
            lines = Text(f"✖ {clean(str(self._failure), 400)}", BAD)
        elif self.desk.link.state == "lost":
            lines = Text(f"? not known: {clean(self.desk.link.reason, 400)}", ATTENTION)
        elif self._data is not None:
            lines = health_lines(self._data.health, self.desk.clock())
        else:
            lines = Text("… loading", FAINT)
        health = self.query_one("#health", Static)
        health.update(lines)
        # Two lines of figures are cut each, the sentence of an error goes on in the second.
        health.set_class(self._failure is None and self.desk.link.state != "lost", "-known")

    def _draw_counts(self, data: insight_pb2.Dashboard) -> None:
        for name in ("clients", "assets", "buckets"):
            self.query_one(f"#{name}", Card).show_figure(Text(f"{getattr(data, name):,}", "bold"))
        for name, count in (
            ("unassigned", data.unassigned),
            ("unbound", data.unbound),
            ("new", data.unacknowledged),
        ):
            self.query_one(f"#{name}", Card).show_figure(Text(f"{count:,}", ATTENTION if count else "bold"))

    def _draw_money(self, data: insight_pb2.Dashboard, *, several: bool) -> None:
        projected = next((m for m in data.projected_revenue if m.currency == self.desk.currency), None)
        self.query_one("#projected", Card).show_figure(
            Text(NONE if projected is None else money(projected.amount, projected.currency), "bold"),
            # The currency stands above the chart too; a sum that is cut looks like another sum.
            None if projected is None else Text(money(projected.amount, "").strip(), "bold"),
        )
        change = next((m for m in data.month_over_month if m.currency == self.desk.currency), None)
        figure = NONE if change is None else percent(change.percent, signed=True)
        provisional = "~" if change is not None and change.provisional and figure != NONE else ""
        self.query_one("#mom", Card).show_figure(Text(f"{provisional}{figure}", "bold"))
        panel = self.query_one("#revenue-panel")
        panel.border_title = Text(
            f"Revenue by month, {clean(self.desk.currency, 3)}" if self.desk.currency else "Revenue by month"
        )
        panel.border_subtitle = "c: next currency" if several else "~ provisional"
        self.query_one(RevenueChart).show_months(
            [m for m in data.revenue if m.revenue.currency == self.desk.currency]
        )

    def _fill(self, table: RowTable[Any], name: str, rows: Sequence[object], empty: str) -> None:
        table.show_items(rows)
        table.display = bool(rows)
        notice = self.query_one(f"#{name}-notice", Static)
        notice.display = not rows
        notice.update(empty)


def _currencies(data: insight_pb2.Dashboard) -> list[str]:
    """Those of projections first."""
    return [money.currency for money in data.projected_revenue] + [
        month.revenue.currency for month in data.revenue
    ]


def health_lines(health: insight_pb2.Health, now: datetime) -> Text:
    """First the state with what is wrong, or with the agents; then database and last runs."""
    match health.state:
        case "ok":
            first = Text("✔ healthy", GOOD)
        case "warning":
            first = Text("▲ warning", ATTENTION)
        case _:
            first = Text(f"✖ {clean(health.state or 'unknown', 20)}", BAD)
    for part in [clean(problem) for problem in health.problems] or [
        f"{plural(health.agents, 'agent')}, none silent"
    ]:
        first.append(f" · {part}", "not bold")
    runs = (
        ("reading", health.last_reading),
        ("billing", health.last_billing),
        ("projection", health.last_projection),
    )
    happened = [f"{name} {duration(now - at)}" for name, stamp in runs if (at := moment(stamp)) is not None]
    missing = [f"no {name} yet" for name, stamp in runs if moment(stamp) is None]
    parts = [
        clean(health.database.split(",")[0], 24),
        f"last {', '.join(happened)} ago" if happened else "",
        *missing,
    ]
    return Text("\n").join([first, Text(" · ".join(filter(None, parts)), FAINT)])

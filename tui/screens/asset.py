"""One asset: its usage of the last 30 days, what bills it, whose it was, who reports it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import DataTable, Static

from tui.desk import Desk
from tui.failures import CallFailed
from tui.format import NONE, ago, clean, day, moment, quantity, stamp, text
from tui.messages import Loaded, LoadFailed, OpenClient, Refreshed
from tui.screens import cells
from tui.screens.live import LiveScreen
from tui.theme import ATTENTION, FAINT
from tui.widgets.chart import UsageChart
from tui.widgets.facts import Facts
from tui.widgets.frame import Crumbs
from tui.widgets.row_table import Column, RowTable
from ullage.v1 import inventory_pb2

Series = inventory_pb2.Series


@dataclass(frozen=True, slots=True)
class Asked:
    """One asset with its usage."""

    detail: inventory_pb2.AssetDetail
    usage: inventory_pb2.AssetUsage


@dataclass(frozen=True, slots=True)
class Held:
    """A line of the history: an assignment or a binding."""

    what: str
    to: str
    client_id: int
    since: datetime | None
    until: datetime | None
    by_hand: bool


def bound_to(series: Series) -> Text:
    """The bucket that bills the series now."""
    for binding in reversed(series.bindings):
        if moment(binding.to) is None:
            return text(binding.bucket_name)
    return Text("unbound", ATTENTION)


SERIES_COLUMNS: Sequence[Column[Series]] = (
    Column("Unit", lambda s, now: text(s.unit_type), 9),
    Column("Latest", lambda s, now: Text(quantity(s.latest, s.symbol)), 13, right=True),
    Column("Bound to", lambda s, now: bound_to(s), 10, share=1),
    Column("Read", lambda s, now: Text(ago(moment(s.latest_at), now), FAINT), 11, above=120),
)

HISTORY_COLUMNS: Sequence[Column[Held]] = (
    Column("What", lambda h, now: text(h.what), 10),
    Column("To", lambda h, now: text(h.to), 16, share=1),
    Column("From", lambda h, now: Text(day(h.since) if h.since else "beginning"), 10),
    Column("Until", lambda h, now: Text(day(h.until) if h.until else "now"), 10),
    Column("By", lambda h, now: Text("hand" if h.by_hand else "rule"), 5),
)


def history(detail: inventory_pb2.AssetDetail) -> list[Held]:
    """Assignments, then bindings, newest first."""
    lines = [
        Held(
            "assigned",
            one.client_name,
            one.client_id,
            moment(getattr(one, "from")),
            moment(one.to),
            one.by_hand,
        )
        for one in reversed(detail.assignments)
    ]
    for series in detail.series:
        lines.extend(
            Held(
                f"{series.unit_type}",
                one.bucket_name,
                one.client_id,
                moment(getattr(one, "from")),
                moment(one.to),
                one.by_hand,
            )
            for one in reversed(series.bindings)
        )
    return lines


def _seen(at: datetime | None, now: datetime) -> str:
    return "never" if at is None else f"{ago(at, now)}, {stamp(at)}"


class AssetScreen(LiveScreen):
    """One asset. The chart follows the cursor in the list of its unit types."""

    NOUNS = frozenset({"asset", "bucket", "client"})
    MAIN = "assets"

    def __init__(self, desk: Desk, asset_id: int, name: str) -> None:
        super().__init__(desk)
        self._asset_id = asset_id
        self._asset_name = name
        self._asked: Asked | None = None
        self._series: RowTable[Series] = RowTable(
            SERIES_COLUMNS,
            lambda series: series.id,
            clock=desk.clock,
            opens=self._open_bucket_client,
            table_id="series",
        )
        self._history: RowTable[Held] = RowTable(
            HISTORY_COLUMNS,
            lambda held: (held.what, held.to, held.since),
            clock=desk.clock,
            opens=lambda held: OpenClient(held.client_id, held.to if held.what == "assigned" else ""),
            table_id="history",
        )

    def content(self) -> ComposeResult:
        """Facts, unit types beside the chart, history."""
        yield Crumbs("Assets", self._asset_name)
        yield Static("… loading", id="asset-notice", classes="notice", markup=False)
        yield Facts()
        with Horizontal(id="asset-usage"):
            yield self._series
            yield UsageChart()
        yield Static(Text("Assignments and bindings", "bold"), classes="list-title", id="history-title")
        yield self._history

    def on_mount(self) -> None:
        """Nothing but the notice until the answer is there."""
        super().on_mount()
        self._show_parts(False)

    def _show_parts(self, there: bool) -> None:
        self.query_one("#asset-notice").display = not there
        for part in (
            self.query_one(Facts),
            self.query_one("#asset-usage"),
            self.query_one("#history-title"),
            self._history,
        ):
            part.display = there

    def ask(self) -> None:
        """For the asset and its usage."""
        self._ask_asset()

    @work(exclusive=True)
    async def _ask_asset(self) -> None:
        try:
            detail = await self.desk.aggregator.asset(self._asset_id)
            usage = await self.desk.aggregator.asset_usage(self._asset_id)
        except CallFailed as error:
            self.post_message(LoadFailed(error))
            return
        self.post_message(Loaded(Asked(detail, usage)))

    def on_load_failed(self, message: LoadFailed) -> None:
        """What was shown stays."""
        message.stop()
        if self._asked is None:
            notice = self.query_one("#asset-notice", Static)
            notice.update(f"✖ {clean(str(message.error), 400)}\n\nr tries again")
            notice.add_class("-failed")

    def on_loaded(self, message: Loaded[Asked]) -> None:
        """The cursor stays on its unit type."""
        message.stop()
        first = self._asked is None
        self._asked = message.data
        self._show_parts(True)
        self.query_one(Facts).show_facts(self._facts(message.data.detail))
        self._series.show_items(message.data.detail.series)
        self._history.show_items(history(message.data.detail))
        self._draw_chart()
        if first:
            self._series.focus()
        self.post_message(Refreshed())

    def redraw(self) -> None:
        """Ages grow."""
        if self._asked is not None:
            self.query_one(Facts).show_facts(self._facts(self._asked.detail))
            self._series.redraw()

    @on(DataTable.RowHighlighted, "#series")
    def _series_highlighted(self) -> None:
        self._draw_chart()

    def _draw_chart(self) -> None:
        if self._asked is None:
            return
        current = self._series.current
        wanted = current.unit_type if current is not None else ""
        usage = next((one for one in self._asked.usage.series if one.unit_type == wanted), None)
        self.query_one(UsageChart).show_usage(usage)

    def _open_bucket_client(self, series: Series) -> OpenClient | None:
        """The client whose bucket bills the series, with the cursor on that bucket."""
        for binding in reversed(series.bindings):
            if moment(binding.to) is None:
                return OpenClient(binding.client_id, "", binding.bucket_id)
        return None

    def _facts(self, detail: inventory_pb2.AssetDetail) -> list[tuple[str, Text]]:
        asset = detail.asset
        now = self.desk.clock()
        states = ["enabled" if asset.enabled else "disabled", "acknowledged" if asset.acknowledged else "new"]
        if asset.disregarded:
            states.append("disregarded")
        labels = ", ".join(f"{name}={value}" for name, value in sorted(asset.labels.items()))
        return [
            ("Client", cells.client_name(asset)),
            ("Source", text(f"{asset.source_type} of {asset.scope}")),
            ("Known as", text(asset.external_id)),
            ("Address", text(asset.address or NONE)),
            ("About", text(asset.description or NONE)),
            ("Seen", Text(_seen(moment(asset.last_seen), now))),
            ("Created", Text(day(moment(asset.created_at)))),
            ("State", Text(", ".join(states))),
            ("Agents", text(", ".join(detail.agents) or NONE)),
            ("Labels", text(labels or NONE)),
        ]

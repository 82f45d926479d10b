"""What the billing screen is asked to show: month, state, source type, client; and the questions that follow from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rich.cells import cell_len
from rich.text import Text
from textual.message import Message
from textual.widgets import Static

from tui.client import PAGE_ROWS_MAX, Aggregator, Page
from tui.dialogs.choose import Choice
from tui.format import clean, decimal, money, month_name, plural
from tui.screens import billing_cells as cells
from tui.theme import FAINT
from ullage.v1 import billing_pb2, closing_pb2, types_pb2

Period = closing_pb2.Period
Reading = billing_pb2.Reading
# All of it, and what of it may still change.
Sum = tuple[Decimal, Decimal]
VIEWS = ("by client", "readings", "adjustments", "too late")
# What each view asks for: it is not offered to whom that is refused.
VIEW_CALLS = {
    "by client": "Closing/ListPeriods",
    "readings": "Billing/ListReadings",
    "adjustments": "Closing/ListAdjustments",
    "too late": "Closing/ListTooLate",
}
# Beyond so many periods they are not added up here.
ADDED_PERIODS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Scope:
    """Which periods are on view. Those that wait for time or for somebody are shown of all months."""

    name: str
    words: str
    key: str
    state: billing_pb2.PeriodState.ValueType = billing_pb2.PERIOD_STATE_UNSPECIFIED
    overdue: bool = False
    every_month: bool = False

    def choice(self, month: str) -> Choice:
        """As a line of the menu."""
        when = "of all months" if self.every_month else f"of {month}"
        return Choice(self.name or "every", f"{self.words}, {when}", self.key)


EVERY = Scope("", "every state", "m")
SCOPES = (
    EVERY,
    Scope("open", "open: not over yet", "o", cells.OPEN, every_month=True),
    Scope("ended", "ended and not final", "n", cells.ENDED, every_month=True),
    Scope("overdue", "overdue: should have been final by now", "d", cells.ENDED, True, every_month=True),
    Scope("finalised", "finalised", "f", cells.FINALISED),
)


class Questions:
    """What is to be shown, and how the aggregator is asked for it. The methods raise ``CallFailed``."""

    def __init__(self, aggregator: Aggregator, month: Callable[[], str]) -> None:
        self._aggregator = aggregator
        self._month = month
        self.zones = cells.Zones(aggregator)
        self.scope = EVERY
        self.source = ""
        # Of adjustments and what came too late: the client alone, by id and name.
        self.client: tuple[int, str] | None = None
        # The period whose readings are asked for.
        self.of: Period | None = None

    @property
    def month(self) -> str:
        """The reporting month that is asked for; empty: all."""
        return "" if self.scope.every_month else self._month()

    async def periods(self, page: Page, search: str) -> tuple[Sequence[Period], types_pb2.PageInfo]:
        """Of all clients."""
        reply = await self._aggregator.periods(
            page, state=self.scope.state, overdue=self.scope.overdue, month=self.month, search=search
        )
        return reply.periods, reply.page

    async def sums(
        self, periods: Sequence[Period], info: types_pb2.PageInfo, search: str
    ) -> dict[str, Sum] | None:
        """What all periods that are found come to, by currency; None: too many to add up. Given is their first page."""
        if info.next:
            if info.total > ADDED_PERIODS_MAX:
                return None
            periods, after = [], ""
            while True:
                more, info = await self.periods(Page(PAGE_ROWS_MAX, after), search)
                periods = [*periods, *more]
                after = info.next
                if not after:
                    break
        found: dict[str, Sum] = {}
        for one in periods:
            amount, currency = decimal(one.total.amount), one.total.currency
            if amount is not None and currency:
                every, changing = found.get(currency, (Decimal(0), Decimal(0)))
                may_change = Decimal(0) if one.state == cells.FINALISED else amount
                found[currency] = (every + amount, changing + may_change)
        return found

    async def readings_of(self, page: Page, search: str) -> tuple[Sequence[Reading], types_pb2.PageInfo]:
        """Of the period ``of`` alone: two short periods may end in one month, for which the aggregator is asked."""
        of = self.of
        if of is None:
            return [], types_pb2.PageInfo()
        await self.zones.learn([of.client_id])
        reply = await self._aggregator.readings(
            page, client_id=of.client_id, month=of.last_day[:7], search=search
        )
        others = [one for one in reply.readings if one.period_start != of.start]
        if others:
            mine = [one for one in reply.readings if one.period_start == of.start]
            total = max(reply.page.total - len(others), len(mine))
            return mine, types_pb2.PageInfo(next=reply.page.next, total=total)
        return reply.readings, reply.page

    async def readings(self, page: Page, search: str) -> tuple[Sequence[Reading], types_pb2.PageInfo]:
        """Of all clients."""
        reply = await self._aggregator.readings(
            page, state=self.scope.state, month=self.month, search=search, source_type=self.source
        )
        await self.zones.learn(reading.client_id for reading in reply.readings)
        return reply.readings, reply.page

    async def adjustments(
        self, page: Page, search: str
    ) -> tuple[Sequence[closing_pb2.Adjustment], types_pb2.PageInfo]:
        """Of one client or all; the aggregator does not search them."""
        request = closing_pb2.ListAdjustmentsRequest(page=page.message(), client_id=self._client_id)
        reply = await self._aggregator.ask(self._aggregator.closing.ListAdjustments, request)
        await self.zones.learn(one.client_id for one in reply.adjustments)
        return reply.adjustments, reply.page

    async def too_late(
        self, page: Page, search: str
    ) -> tuple[Sequence[closing_pb2.TooLate], types_pb2.PageInfo]:
        """Of one client or all; the aggregator does not search them."""
        request = closing_pb2.ListTooLateRequest(page=page.message(), client_id=self._client_id)
        reply = await self._aggregator.ask(self._aggregator.closing.ListTooLate, request)
        return reply.readings, reply.page

    @property
    def _client_id(self) -> int:
        return self.client[0] if self.client else 0

    # In words, for the titles of the lists.

    def of_state(self) -> str:
        """The state that periods are restricted to."""
        return f"{self.scope.name} ×" if self.scope.name else ""

    def of_source(self) -> str:
        """State and source type that readings are restricted to."""
        source = f"source: {self.source} ×" if self.source else ""
        return "  ".join(filter(None, (self.of_state(), source)))

    def of_whom(self) -> str:
        """Whose readings are shown."""
        of = self.of
        if of is None:
            return ""
        return f"{clean(of.client_name, 40)}, {cells.period_days(of.first_day, of.last_day)}"

    def of_client(self) -> str:
        """The client that adjustments and late usage are restricted to."""
        return f"of {clean(self.client[1], 40)} ×" if self.client else ""


@dataclass
class AddedUp(Message):
    """What the periods on view come to; None: too many to add up."""

    sums: dict[str, Sum] | None


class Headline(Static):
    """Which month, what it comes to and what of that may change, and which view this is of several."""

    DEFAULT_CSS = "Headline { height: 1; padding: 0 1; color: $primary; }"

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._month = ""
        self._view = VIEWS[0]
        self._chosen = ""
        # None: too many to add up.
        self.sums: Mapping[str, Sum] | None = {}

    def show(self, *, month: str, view: str, currency: str) -> None:
        """``month`` is empty for all months; ``currency`` comes first."""
        self._month, self._view, self._chosen = month, view, currency
        self.refresh()

    def render(self) -> Text:
        """The legend, and the views as far as there is room."""
        late = self._view in VIEWS[2:]
        line = Text(no_wrap=True, overflow="ellipsis", end="")
        line.append(month_name(self._month) if self._month and not late else "All months", "bold")
        views = " · ".join(f"[{view}]" if view == self._view else view for view in VIEWS)
        ends = (f"{cells.LEGEND}   {views}", f"{cells.LEGEND}   [{self._view}]", cells.LEGEND)
        if self._view == VIEWS[0]:
            line.append_text(self._sum_words(self.size.width - line.cell_len - len(cells.LEGEND) - 2))
        room = self.size.width - line.cell_len
        for end in ends:
            if cell_len(end) + 2 <= room:
                return line.append(" " * (room - cell_len(end))).append(end, FAINT)
        return line

    def _sum_words(self, room: int) -> Text:
        """The longest that fits: in words, or figures alone, or the chosen currency with how many others there are."""
        if self.sums is None:
            return Text("  too many periods to add up here")
        order = sorted(self.sums, key=lambda code: (code != self._chosen, code))
        if not order:
            return Text()
        in_words = Text().join(_sum_text(code, *self.sums[code], words=True) for code in order)
        if in_words.cell_len <= room:
            return in_words
        figures = Text().join(_sum_text(code, *self.sums[code], words=False) for code in order)
        if figures.cell_len <= room:
            return figures
        first = _sum_text(order[0], *self.sums[order[0]], words=False)
        return first.append(f"  c: {plural(len(order) - 1, 'other')}" if len(order) > 1 else "")


def _sum_text(currency: str, every: Decimal, changing: Decimal, *, words: bool) -> Text:
    """``EUR 12.00 (of it ~3.00 provisional)``, or ``EUR 12.00 (~3.00)``."""
    text = Text("  ").append(money(f"{every:f}", currency), "bold")
    if changing == every:
        return text.append(" (all ~ provisional)" if words else " (all ~)")
    if not changing:
        return text.append(" (final)" if words else "")
    return text.append(f" (of it ~{changing:,f} provisional)" if words else f" (~{changing:,f})")

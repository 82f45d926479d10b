"""Cells and words about periods and readings that the billing screens share.

A state is a word with a sign before it. A figure that may still change has a ``~`` before it; the legend says so.
"""

from collections.abc import Iterable
from datetime import datetime

from rich.text import Text

from tui.client import PAGE_ROWS_MAX, Aggregator, Page
from tui.format import NONE, ago, clean, days, decimal, duration, moment, money, percent, plural
from tui.theme import ATTENTION, BAD, FAINT, GOOD
from ullage.v1 import billing_pb2, closing_pb2

PROVISIONAL = "~"
LEGEND = "~ provisional"
# Clients are asked for all at once from so many unknown ones on.
_SINGLE_MAX = 3
OPEN = billing_pb2.PERIOD_STATE_OPEN
ENDED = billing_pb2.PERIOD_STATE_ENDED
FINALISED = billing_pb2.PERIOD_STATE_FINALISED


def period_state(state: billing_pb2.PeriodState.ValueType, *, overdue: bool = False) -> Text:
    """Open, ended, overdue or finalised."""
    if state == FINALISED:
        return Text("✔ finalised", GOOD)
    if state == ENDED:
        return Text("▲ overdue", BAD) if overdue else Text("◔ ended", ATTENTION)
    return Text("○ open") if state == OPEN else Text(NONE, FAINT)


def state_word(state: billing_pb2.PeriodState.ValueType) -> str:
    """The same without its sign."""
    return period_state(state).plain[2:] or "unknown"


def final(state: billing_pb2.PeriodState.ValueType) -> Text:
    """Whether the figures of a reading stay as they are."""
    return Text("✔ yes", GOOD) if state == FINALISED else Text("~ no", FAINT)


def figure(amount: str, currency: str, *, is_final: bool, style: str = "bold") -> Text:
    """``EUR 250.00``, or ``~EUR 250.00`` while it may still change."""
    shown = money(amount, currency)
    return Text(shown if is_final or shown == NONE else f"{PROVISIONAL}{shown}", style)


def period_days(first_day: str, last_day: str) -> str:
    """``2026-10-01 – 10-31`` of two days in the client's zone."""
    first, last = clean(first_day, 10), clean(last_day, 10)
    return f"{first} – {last[5:] if last[:4] == first[:4] else last}"


def checks(period: closing_pb2.Period) -> Text:
    """What the close checklist says in a word; an open period has none yet, a final one needs none."""
    if period.state != ENDED:
        return Text(NONE, FAINT)
    return Text(f"{period.open_items:,} open", ATTENTION) if period.open_items else Text("ready", GOOD)


def closes(period: closing_pb2.Period, now: datetime) -> Text:
    """When it becomes final by itself."""
    at = moment(period.closes_at)
    if period.state == FINALISED:
        return Text(ago(moment(period.finalised_at), now) if period.HasField("finalised_at") else NONE, FAINT)
    if at is None:
        return Text(NONE if period.state == OPEN else "not yet", FAINT)
    return Text("next run" if at <= now else f"in {duration(at - now)}")


def covered(coverage: billing_pb2.Coverage) -> Text:
    """In per cent; a dash where there was nothing to be measured."""
    value = decimal(coverage.percent)
    if value is None:
        return Text(NONE, FAINT)
    return Text(percent(coverage.percent), "" if value >= 95 else ATTENTION)


def coverage_words(coverage: billing_pb2.Coverage) -> str:
    """What is known of the slots, in a sentence that says what each word means."""
    slots = coverage.measured + coverage.absent + coverage.gap
    if not slots:
        return "Nothing was there to be measured: no series was bound in a slot that has ended."
    spread = f" ({coverage.spread:,} by spreading what a counter caught up)" if coverage.spread else ""
    return (
        f"Coverage {percent(coverage.percent)}: of {plural(slots, 'slot')} of series {coverage.measured:,} measured"
        f"{spread}, {coverage.absent:,} absent (gone: worth 0), {coverage.gap:,} a gap (nothing is known)."
    )


class Zones:
    """In which zone the days of a client begin: readings carry times, people think in days."""

    def __init__(self, aggregator: Aggregator) -> None:
        self._aggregator = aggregator
        self._known: dict[int, str] = {}

    def __getitem__(self, client_id: int) -> str:
        return self._known.get(client_id, "UTC")

    async def learn(self, client_ids: Iterable[int]) -> None:
        """Asks for those that are not known yet. Raises ``CallFailed``."""
        missing = {one for one in client_ids if one not in self._known}
        if len(missing) <= _SINGLE_MAX:
            for one in missing:
                self._known[one] = (await self._aggregator.client(one)).time_zone
            return
        after = ""
        while missing - self._known.keys():
            reply = await self._aggregator.clients(Page(PAGE_ROWS_MAX, after))
            self._known.update({client.id: client.time_zone for client in reply.clients})
            after = reply.page.next
            if not after:
                return

    def days(self, reading: billing_pb2.Reading) -> str:
        """First and last day of its period."""
        return days(moment(reading.period_start), moment(reading.period_end), self[reading.client_id])

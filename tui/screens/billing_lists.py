"""The lists of the billing screen: which columns they have, what they say when they are empty, how they are exported."""

from collections.abc import Awaitable, Callable, Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from rich.text import Text
from textual.message import Message

from tui.cli.billing import READING_COLUMNS, reading_row
from tui.cli.corrections import ADJUSTMENT_COLUMNS, TOO_LATE_COLUMNS, adjustment_row, too_late_row
from tui.cli.periods import PERIOD_COLUMNS, period_row
from tui.client import Page
from tui.format import NONE, day, decimal, moment, number, of_commit, quantity, stamp, text
from tui.messages import OpenAsset, OpenReading
from tui.screens import billing_cells as cells
from tui.screens.cells import fitted
from tui.theme import ATTENTION, BAD, FAINT
from tui.widgets.list_table import Export, Listing
from tui.widgets.row_table import Column
from ullage.v1 import billing_pb2, closing_pb2, types_pb2

Period = closing_pb2.Period
Reading = billing_pb2.Reading
Adjustment = closing_pb2.Adjustment
TooLate = closing_pb2.TooLate

Periods = Callable[[Page, str], Awaitable[tuple[Sequence[Period], types_pb2.PageInfo]]]
Readings = Callable[[Page, str], Awaitable[tuple[Sequence[Reading], types_pb2.PageInfo]]]
Adjustments = Callable[[Page, str], Awaitable[tuple[Sequence[Adjustment], types_pb2.PageInfo]]]
TooLates = Callable[[Page, str], Awaitable[tuple[Sequence[TooLate], types_pb2.PageInfo]]]

# Why usage is never billed, in words; the contract's words are the keys.
TOO_LATE_REASONS = {
    "look-back": "its period is long final",
    "below-floor": "raw readings are gone",
}


class ShowReadings(Message):
    """Go on to the readings of the period under the cursor."""


class OpenCorrected(Message):
    """Show the final reading that an adjustment corrects."""

    def __init__(self, adjustment: Adjustment) -> None:
        super().__init__()
        self.adjustment = adjustment


class Unknown(Message):
    """There is nothing to open; says why."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words


def _total(period: Period) -> Text:
    return cells.figure(period.total.amount, period.total.currency, is_final=period.state == cells.FINALISED)


PERIOD_COLUMNS_SHOWN: Sequence[Column[Period]] = (
    Column("Client", lambda p, now: text(p.client_name), 10, share=1, sort="client_name"),
    Column(
        "Period", lambda p, now: Text(cells.period_days(p.first_day, p.last_day)), 18, sort="period_start"
    ),
    Column("State", lambda p, now: cells.period_state(p.state, overdue=p.overdue), 11),
    Column("Buckets", lambda p, now: Text(f"{p.buckets:,}"), 7, right=True, sort="buckets", above=76),
    Column("Total", lambda p, now: _total(p), 15, right=True, sort="total"),
    Column("Checks", lambda p, now: cells.checks(p), 7, right=True, above=70),
    Column("Closes", cells.closes, 10, right=True, above=100),
    Column("Figures of", lambda p, now: Text(stamp(moment(p.cutoff))[:16], FAINT), 16, above=120),
)


def _cost(reading: Reading) -> Text:
    return cells.figure(reading.cost, reading.currency, is_final=reading.state == cells.FINALISED)


def _part(amount: str, style: str = "") -> Text:
    """Money that matters only when there is some."""
    value = decimal(amount)
    return Text(NONE if value is None else f"{value:,f}", style if value else FAINT)


def reading_columns(zones: cells.Zones, *, with_client: bool) -> Sequence[Column[Reading]]:
    """With the client where there are several."""
    first = (
        [Column[Reading]("Client", lambda r, now: text(r.client_name), 10, share=1, sort="client_name")]
        if with_client
        else []
    )
    known, wide = (100, 140) if with_client else (76, 120)
    return (
        *first,
        Column("Bucket", lambda r, now: text(r.bucket_name), 10, share=1, sort="bucket_name"),
        Column("Unit", lambda r, now: text(r.unit_type), 9, above=wide),
        Column("Period", lambda r, now: Text(zones.days(r)), 18, sort="period_start", above=70),
        Column(
            "Usage",
            lambda r, now: fitted(r.quantity, r.symbol, width=12),
            12,
            right=True,
            sort="quantity",
        ),
        Column("% commit", lambda r, now: Text(of_commit(r.percent_of_commit)), 8, right=True, above=120),
        Column("Overage", lambda r, now: _part(r.overage, BAD), 10, right=True, above=100),
        Column("Buffer", lambda r, now: _part(r.buffer), 10, right=True, above=wide),
        Column("Cost", lambda r, now: _cost(r), 14, right=True, sort="cost"),
        Column("Final", lambda r, now: cells.final(r.state), 5),
        Column("Coverage", lambda r, now: cells.covered(r.coverage), 8, right=True, above=known),
    )


def adjustment_columns(zones: cells.Zones) -> Sequence[Column[Adjustment]]:
    """Which period is corrected, and where the correction stands."""
    return (
        Column("Client", lambda a, now: text(a.client_name), 10, share=1, sort="client_name"),
        Column("Bucket", lambda a, now: text(a.bucket_name), 10, share=1, sort="bucket_name"),
        Column("Corrects", lambda a, now: Text(_begins(a.of_start, zones[a.client_id])), 10),
        Column(
            "Stands in", lambda a, now: Text(_begins(a.in_start, zones[a.client_id])), 10, sort="in_start"
        ),
        Column("Units", lambda a, now: Text(_signed(a.delta_quantity)), 11, right=True, above=70),
        Column(
            "Amount",
            lambda a, now: cells.figure(a.amount.amount, a.amount.currency, is_final=a.finalised),
            14,
            right=True,
            sort="amount",
        ),
        Column("Final", lambda a, now: Text("✔ yes" if a.finalised else "~ no"), 5),
        Column("Why", lambda a, now: text(a.reason), 20, share=2, above=120),
    )


TOO_LATE_COLUMNS_SHOWN: Sequence[Column[TooLate]] = (
    Column("Agent", lambda t, now: text(t.agent_name), 9, share=1),
    Column("Asset", lambda t, now: text(t.asset_name) if t.asset_name else Text(NONE), 9, share=1),
    Column("Unit", lambda t, now: text(t.unit_type), 8, above=100),
    Column("Steps", lambda t, now: Text(number(t.value)), 15, right=True),
    Column("Read at", lambda t, now: Text(stamp(moment(t.ticked_at))[:16]), 16, sort="ticked_at"),
    Column(
        "Stored at", lambda t, now: Text(stamp(moment(t.stored_at))[:16]), 16, sort="stored_at", above=100
    ),
    Column("Why", lambda t, now: _why(t), 24),
)


def _begins(start: Timestamp, zone: str) -> str:
    """The first day of a period."""
    return day(moment(start), zone)


def _signed(field: str) -> str:
    shown = quantity(field)
    return shown if shown.startswith(("-", NONE, "<")) or shown == "0" else f"+{shown}"


def _why(reading: TooLate) -> Text:
    """In words; a reason of a newer aggregator as it comes."""
    words = TOO_LATE_REASONS.get(reading.reason)
    return Text(words, ATTENTION) if words else text(reading.reason, ATTENTION)


def periods_listing(fetch: Periods, *, empty: str, restricted: Callable[[], str]) -> Listing[Period]:
    """Periods by client."""
    return Listing(
        noun="periods",
        columns=PERIOD_COLUMNS_SHOWN,
        fetch=fetch,
        key=lambda period: (period.client_id, period.first_day),
        opens=lambda period: ShowReadings(),
        empty=empty,
        restricted=restricted,
        export=Export("periods", PERIOD_COLUMNS, period_row),
    )


def readings_listing(
    fetch: Readings,
    zones: cells.Zones,
    *,
    empty: str,
    restricted: Callable[[], str],
    with_client: bool = False,
) -> Listing[Reading]:
    """Billing readings."""
    return Listing(
        noun="billing readings",
        columns=reading_columns(zones, with_client=with_client),
        fetch=fetch,
        key=lambda reading: (reading.bucket_id, reading.period_start.seconds),
        opens=OpenReading,
        empty=empty,
        restricted=restricted,
        export=Export("billing readings", READING_COLUMNS, reading_row),
    )


def adjustments_listing(
    fetch: Adjustments, zones: cells.Zones, *, restricted: Callable[[], str]
) -> Listing[Adjustment]:
    """What corrects final periods."""
    return Listing(
        noun="adjustments",
        columns=adjustment_columns(zones),
        fetch=fetch,
        key=lambda one: (one.id, one.bucket_id, one.of_start.seconds, one.in_start.seconds),
        opens=OpenCorrected,
        empty=(
            "No adjustments: nothing came late for a period that was final.\n\n"
            "Usage that arrives after a period was finalised does not change it. What it would have cost more or less "
            "stands as an adjustment in the client's first period that is not final."
        ),
        restricted=restricted,
        export=Export("adjustments", ADJUSTMENT_COLUMNS, adjustment_row),
    )


def too_late_listing(fetch: TooLates, *, restricted: Callable[[], str]) -> Listing[TooLate]:
    """What is never billed."""
    return Listing(
        noun="readings that came too late",
        columns=TOO_LATE_COLUMNS_SHOWN,
        fetch=fetch,
        key=lambda one: one.id,
        opens=lambda one: (
            OpenAsset(one.asset_id, one.asset_name)
            if one.asset_id
            else Unknown("Nobody knows any more whose reading that was.")
        ),
        empty=(
            "Nothing came too late: all usage was billed or adjusted.\n\n"
            "Usage of periods that are final for longer than adjustments look back, or from before the raw readings "
            "that are kept, can be billed no more. It is listed here, and never billed."
        ),
        restricted=restricted,
        export=Export("too late", TOO_LATE_COLUMNS, too_late_row),
    )

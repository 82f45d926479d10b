"""How far back raw readings are needed: for whatever is not billed for good, and for corrections of what is.

Knows no table: what the clients have is given to it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from aggregator.domain.due import LOOK_BACK_PERIODS
from aggregator.domain.period import Calendar
from aggregator.domain.slot import UNITS_PER_DAY, slot_of, slot_start

# Seven years, the leap days with them.
SLOT_DAYS = 7 * 365 + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A client, as far as it needs raw readings.

    ``first_slot`` is the first with usage bound to one of its buckets; ``last_slot`` is where its terms end, None: never.
    """

    calendar: Calendar
    finalised_slot: int
    first_slot: int | None
    last_slot: int | None


def needed_since(clients: Iterable[Open], *, now: datetime) -> datetime:
    """The oldest time of which somebody needs raw readings; ``now`` where nobody does."""
    return min((_needed_since(client, now=now) for client in clients), default=now)


def slots_since(now: datetime, *, raw_floor: datetime, needed: datetime) -> int:
    """The first slot that is kept: of seven years, and of all that can still change."""
    oldest = min(now - timedelta(days=SLOT_DAYS), raw_floor, needed)
    return slot_of(oldest) // UNITS_PER_DAY * UNITS_PER_DAY


def _needed_since(client: Open, *, now: datetime) -> datetime:
    if client.first_slot is None:
        return now
    settled = client.last_slot is not None and client.last_slot <= client.finalised_slot
    # All that was ever agreed is billed for good: what comes late stands in the period that is open now.
    at = now if settled else max(slot_start(client.finalised_slot), slot_start(client.first_slot))
    oldest_open = client.calendar.period_containing(min(at, now))
    return client.calendar.period(oldest_open.number - LOOK_BACK_PERIODS).start

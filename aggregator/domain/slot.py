"""Slot numbers: the integer clock that spans of money are kept in.

A slot number counts 5-minute units since 1970-01-01 UTC. A slot is ``(start, start + width]``: a tick exactly on a border
belongs to the slot that ends there. Spans over slots are half open, ``[from_slot, to_slot)``. The same numbers are computed
in SQL by ``slot_of`` and ``slot_start``.
"""

from datetime import UTC, datetime, timedelta

UNIT = timedelta(minutes=5)
UNITS_PER_HOUR = 12
UNITS_PER_DAY = 288
# Largest integer of the database's column: "open".
OPEN_SLOT = 2**31 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def slot_of(at: datetime) -> int:
    """The 5-minute unit that starts at or before ``at`` (an aware time)."""
    return (at - _EPOCH) // UNIT


def slot_start(slot: int) -> datetime:
    """Where the 5-minute unit starts, in UTC."""
    return _EPOCH + slot * UNIT


def first_slot(at: datetime, *, width: int) -> int:
    """The first slot of ``width`` units (12 or 1) that starts at or after ``at``.

    A period holds the slots that start in it; in zones off the whole hour its first slot starts up to 45 minutes after
    local midnight.
    """
    unit = -((_EPOCH - at) // UNIT)
    return -(-unit // width) * width

"""What slots hold, worked out the slow and obvious way: one reading after the other, in plain integers.

Deliberately shares nothing with the program. Times are microseconds since 1970, widths minutes (60 or 5), slots 5-minute
units since 1970 at the slot's start.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MINUTE_US = 60_000_000
BIGINT_MAX = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Tick:
    """One row of `tick`; `stored` is stored_at."""

    agent: int
    at: int
    since: int
    stored: int
    reported: tuple[int, ...]
    failed: tuple[int, ...] = ()
    readings: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Unit:
    """What a series counts: `amount` or level, in slots of `width` minutes."""

    amount: bool
    width: int


@dataclass
class Cell:
    """One series in one slot."""

    n: int = 0
    total: int = 0
    low: int = BIGINT_MAX
    high: int = -1
    newest: tuple[int, int] = (-1, -1)

    def add(self, at: int, value: int) -> None:
        self.n += 1
        self.total += value
        self.low = min(self.low, value)
        self.high = max(self.high, value)
        self.newest = max(self.newest, (at, value))


@dataclass
class Slot:
    """One slot of one agent."""

    cells: dict[int, Cell] = field(default_factory=dict)
    reported: set[int] = field(default_factory=set)
    stored_max: int = -1


Row = tuple[
    tuple[int, ...],
    tuple[int, ...],
    tuple[int, ...],
    tuple[int, ...],
    tuple[int, ...],
    tuple[int, ...],
    tuple[int, ...],
    int,
]
Key = tuple[int, int, int]


def slot_of_moment(at: int, *, width: int) -> int:
    """The slot (start, start + width] that holds the moment."""
    return (at - 1) // (width * MINUTE_US) * (width // 5)


def pieces(at: int, since: int, value: int, *, width: int) -> list[tuple[int, int]]:
    """An amount of (since, at] as (slot, share): whole steps by time, what is left goes to the last slot."""
    last = slot_of_moment(at, width=width)
    first = since // (width * MINUTE_US) * (width // 5)
    if first >= last:
        return [(last, value)]
    found = []
    left = value
    for slot in range(first, last, width // 5):
        start = slot * 5 * MINUTE_US
        end = start + width * MINUTE_US
        share = value * (min(end, at) - max(start, since)) // (at - since)
        found.append((slot, share))
        left -= share
    return [*found, (last, left)]


def slots_of_ticks(ticks: Iterable[Tick], units: Mapping[int, Unit]) -> dict[Key, Row]:
    """Every slot in which something happened, by (agent, width, slot), as the columns of the slot tables."""
    slots: dict[Key, Slot] = {}
    for tick in ticks:
        for width in (60, 5):
            own = slots.setdefault((tick.agent, width, slot_of_moment(tick.at, width=width)), Slot())
            own.reported |= set(tick.reported)
            own.stored_max = max(own.stored_max, tick.stored)
            for series, value in tick.readings:
                unit = units[series]
                if unit.width != width:
                    continue
                since = tick.since if unit.amount else tick.at
                for number, share in pieces(tick.at, since, value, width=width):
                    slot = slots.setdefault((tick.agent, width, number), Slot())
                    slot.stored_max = max(slot.stored_max, tick.stored)
                    slot.cells.setdefault(series, Cell()).add(tick.at, share)
    return {key: _row(slot) for key, slot in slots.items() if slot.cells or slot.reported}


def touched_slots(tick: Tick) -> set[Key]:
    """All slots that a tick may change."""
    found = set()
    for width in (60, 5):
        found |= {
            (tick.agent, width, slot) for slot, _ in pieces(tick.at, min(tick.since, tick.at), 0, width=width)
        }
    return found


def _row(slot: Slot) -> Row:
    cells = [slot.cells[series] for series in sorted(slot.cells)]
    return (
        tuple(sorted(slot.cells)),
        tuple(cell.n for cell in cells),
        tuple(min(cell.total, BIGINT_MAX) for cell in cells),
        tuple(cell.low for cell in cells),
        tuple(cell.high for cell in cells),
        tuple(cell.newest[1] for cell in cells),
        tuple(sorted(slot.reported)),
        slot.stored_max,
    )

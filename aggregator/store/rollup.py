"""Which slots are to be rolled up, and the statements that do it inside the caller's transaction.

What a slot holds is said by the SQL function ``slots_of``; this module only moves lists of slot keys between statements.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sql
from aggregator.store.database import Connection, execute, fetch_all, fetch_one

_Q = sql.queries("rollup")


@dataclass(frozen=True, slots=True)
class DueAgent:
    """An agent with touches (repeats counted) of slots that have ended."""

    agent_id: int
    touches: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Slot keys as parallel lists, none twice; ``touches`` counts the rows they were folded from."""

    agents: list[int]
    widths: list[int]
    slots: list[int]
    touches: int

    def params(self) -> dict[str, Any]:
        return {"agents": self.agents, "widths": self.widths, "slots": self.slots}


@dataclass(frozen=True, slots=True)
class Rolled:
    """What one statement saved: slots that hold something and the readings folded into them; keys of those that do not.

    ``lower_series`` and ``lower_months``: usage of which a highest or latest value may have become less.
    """

    slots: int
    readings: int
    lower_series: list[int]
    lower_months: list[date]
    empty_agents: list[int]
    empty_widths: list[int]
    empty_slots: list[int]


@dataclass(frozen=True, slots=True)
class _Contested:
    series: list[int]
    months: list[date]


@dataclass(frozen=True, slots=True)
class _Agent:
    agent_id: int


async def due_agents(conn: Connection, *, ended_by: datetime) -> list[DueAgent]:
    """Agents with touched slots that ended at or before ``ended_by``, in order of id."""
    return await fetch_all(conn, DueAgent, _Q["due_agents"], {"ended_by": ended_by})


async def lock_agents(conn: Connection, agents: Sequence[int]) -> list[int]:
    """Locks agents for this transaction; those that another roll-up holds are left out of the answer."""
    rows = await fetch_all(conn, _Agent, _Q["lock_agents"], {"agents": list(agents)})
    return [row.agent_id for row in rows]


async def take_touches(
    conn: Connection, agents: Sequence[int], *, ended_by: datetime, touches_max: int
) -> Taken:
    """Removes touches of slots that ended by then, at most ``touches_max``, and returns which slots they name.

    ``roll`` must follow as a statement of its own in the same READ COMMITTED transaction: what is committed between the
    two is seen by it, what is committed later brings its own touch.
    """
    params = {"agents": list(agents), "ended_by": ended_by, "touches_max": touches_max}
    taken = await fetch_one(conn, Taken, _Q["take"], params)
    assert taken is not None  # noqa: S101  an aggregate always has one row
    return taken


async def roll(conn: Connection, taken: Taken) -> Rolled:
    """Computes the slots from all ticks, saves or removes them, and notes which agent measured which series."""
    rolled = await fetch_one(conn, Rolled, _Q["roll"], taken.params())
    assert rolled is not None  # noqa: S101  an aggregate always has one row
    if rolled.empty_slots:
        empty = {"agents": rolled.empty_agents, "widths": rolled.empty_widths, "slots": rolled.empty_slots}
        await execute(conn, _Q["remove_hours"], empty)
        await execute(conn, _Q["remove_fives"], empty)
    await _recount(conn, taken, rolled)
    return rolled


async def mark_dirty(conn: Connection, taken: Taken) -> int:
    """Marks the days of the buckets that these slots may change; returns how many. Must come after ``roll``.

    Series that may be unbound are told what was measured of them.
    """
    # A statement of its own before looking at the bindings: what was being bound until now is seen.
    await conn.execute(_Q["share_bound"])
    await execute(conn, _Q["measure_candidates"], {"agents": taken.agents})
    return await execute(conn, _Q["mark_dirty"], taken.params())


async def _recount(conn: Connection, taken: Taken, rolled: Rolled) -> None:
    """Sets the usage right that differences of slots do not tell: several agents in one slot, or a value that fell."""
    contested = await fetch_one(conn, _Contested, _Q["contested"], taken.params())
    assert contested is not None  # noqa: S101  an aggregate always has one row
    series = [*contested.series, *rolled.lower_series]
    if series:
        months = [*contested.months, *rolled.lower_months]
        await execute(conn, _Q["recount"], {"series": series, "months": months})

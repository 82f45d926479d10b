"""Control totals by agent, as they are read and kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sql
from aggregator.domain.control import Sums, problem
from aggregator.store.database import Connection, execute, fetch_all

_Q = sql.queries("control")


@dataclass(frozen=True, slots=True)
class Checked:
    """An agent with its totals and what is wrong with them, in words; empty when they add up."""

    agent_id: int
    name: str
    total: Sums
    problem: str


@dataclass(frozen=True, slots=True)
class _Row:
    agent_id: int
    name: str
    total: list[int]
    before: list[int] | None
    batches: list[int]
    set_aside: int
    dropped: int

    def checked(self) -> Checked:
        total = Sums(*self.total)
        return Checked(
            self.agent_id,
            self.name,
            total,
            problem(
                total=total,
                since=None if self.before is None else total.less(Sums(*self.before)),
                batches=Sums(*self.batches),
                set_aside=self.set_aside,
                dropped=self.dropped,
            ),
        )


async def check(conn: Connection, *, cutoff: datetime) -> list[Checked]:
    """Every agent of which anything was applied, by all that was stored by the cutoff."""
    return [row.checked() for row in await fetch_all(conn, _Row, _Q["sums"], {"cutoff": cutoff})]


async def save(conn: Connection, found: Sequence[Checked], *, cutoff: datetime) -> None:
    """What the next check starts from, and what health tells."""
    await execute(
        conn,
        _Q["save"],
        {
            "cutoff": cutoff,
            "agents": [one.agent_id for one in found],
            "read": [one.total.read for one in found],
            "stored": [one.total.stored for one in found],
            "quarantined": [one.total.quarantined for one in found],
            "suppressed": [one.total.suppressed for one in found],
            "problems": [one.problem for one in found],
        },
    )

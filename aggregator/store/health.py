"""What the state of the whole system is judged by."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sql
from aggregator.domain.close import OVERDUE_AFTER, POLICY
from aggregator.domain.health import (
    NAMES_MAX,
    OFFSET_MS_MAX,
    SILENT_AFTER,
    TOLD_FOR,
    UNBALANCED_LOOK_BACK,
    Figures,
    Trouble,
    Troubled,
)
from aggregator.store.database import fetch_all, fetch_one
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("health")


@dataclass(frozen=True, slots=True)
class Totals:
    """Readings over everything that was ever applied, and the agents of which they do not add up."""

    read: int
    stored: int
    quarantined: int
    suppressed: int
    unbalanced_agents: int


@dataclass(frozen=True, slots=True)
class _Troubled:
    trouble: str
    agents: int
    names: list[str]


@dataclass(frozen=True, slots=True)
class _Counts:
    server_version: str
    timescaledb_version: str | None
    last_reading: datetime | None
    agents: int
    agents_silent: int
    silent_names: Sequence[str]
    quarantined: int
    unbalanced_batches: int
    periods_overdue: int
    overdue_names: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFigures:
    """Counts of what should be none, and the database's versions."""

    server_version: str
    timescaledb_version: str | None
    last_reading: datetime | None
    agents: int
    agents_silent: int
    silent_names: Sequence[str]
    quarantined: int
    unbalanced_batches: int
    periods_overdue: int
    overdue_names: Sequence[str]
    totals: Totals
    troubled: Sequence[Troubled]

    def agents_with(self, *troubles: Trouble) -> int:
        """How many agents have one of them; an agent with two counts twice."""
        return sum(one.agents for one in self.troubled if one.trouble in troubles)

    def to_judge(self) -> Figures:
        """What the judgement is made of."""
        return Figures(
            agents=self.agents,
            agents_silent=self.agents_silent,
            silent_names=self.silent_names,
            quarantined=self.quarantined,
            unbalanced_batches=self.unbalanced_batches,
            unbalanced_agents=self.totals.unbalanced_agents,
            troubled=self.troubled,
            periods_overdue=self.periods_overdue,
            overdue_names=self.overdue_names,
        )

    @property
    def database(self) -> str:
        """Product and version, in words."""
        # Debian's builds append the package: "17.5 (Debian 17.5-1)".
        server = f"PostgreSQL {self.server_version.split()[0]}"
        if self.timescaledb_version is None:
            return f"{server}, plain"
        return f"{server}, TimescaleDB {self.timescaledb_version}"


@dataclass(frozen=True, slots=True)
class Success:
    """When a job last did its work to the end."""

    job: str
    ended_at: datetime


async def figures(seen: Snapshot) -> SystemFigures:
    """The figures as they are now."""
    params = {
        "silent_before": seen.now - SILENT_AFTER,
        "unbalanced_since": seen.now - UNBALANCED_LOOK_BACK,
        "overdue_before": seen.now - POLICY.grace - OVERDUE_AFTER,
        "names": NAMES_MAX,
    }
    counts = await fetch_one(seen.conn, _Counts, _Q["figures"], params)
    totals = await fetch_one(seen.conn, Totals, _Q["totals"])
    assert counts is not None and totals is not None  # noqa: S101 PT018 - selects without from have a row
    troubled = await fetch_all(
        seen.conn,
        _Troubled,
        _Q["troubled"],
        {
            "heard_since": seen.now - SILENT_AFTER,
            "told_since": seen.now - TOLD_FOR,
            "offset_ms_max": OFFSET_MS_MAX,
            "names": NAMES_MAX,
        },
    )
    return SystemFigures(
        **asdict(counts),
        totals=totals,
        troubled=[Troubled(Trouble(one.trouble), one.agents, one.names) for one in troubled],
    )


async def succeeded(seen: Snapshot) -> dict[str, datetime]:
    """When each job that ever did its work last did."""
    return {done.job: done.ended_at for done in await fetch_all(seen.conn, Success, _Q["succeeded"])}

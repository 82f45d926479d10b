"""Measures billing: a month of hours of many buckets rated by the real job, and once more when nothing has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg

import sql
from aggregator.bench.ingest import exponent
from aggregator.bench.machine import machine, versions
from aggregator.bench.site import Site, site
from aggregator.domain.slot import UNITS_PER_HOUR, slot_of

_Q = sql.queries("bench_billing")
BUCKETS_PER_CLIENT = 100
AGENTS_PER_CLIENT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The work at 1×: so many series in so many buckets, with a slot for each of so many hours."""

    buckets: int
    series: int
    hours: int


def measure(server_dsn: str | None, size: Size, scales: Sequence[int]) -> dict[str, Any]:
    """Every scale (more buckets) on a scratch database of its own; with more than one, the exponent of time over work."""
    before = machine()
    runs = []
    facts: dict[str, str] = {}
    for scale in scales:
        with site(server_dsn) as own:
            facts = versions(own.dsn)
            runs.append({"scale": scale, **_run(own, size, scale)})
    report: dict[str, Any] = {**runs[0], "machine": before, "versions": facts}
    if len(runs) > 1:
        report |= {"runs": runs, "exponent": exponent([(run["cells"], run["seconds"]) for run in runs])}
    return report


def _run(own: Site, size: Size, scale: int) -> dict[str, Any]:
    starts_on = _last_month(datetime.now(UTC).date())
    from_slot = slot_of(datetime(starts_on.year, starts_on.month, 1, tzinfo=UTC))
    params = {
        "clients": max(1, size.buckets * scale // BUCKETS_PER_CLIENT),
        "agents": AGENTS_PER_CLIENT,
        "buckets": min(size.buckets * scale, BUCKETS_PER_CLIENT),
        "series": max(1, size.series // size.buckets),
        "starts_on": starts_on,
        "ends_on": datetime.now(UTC).date().replace(day=1),
        "from_slot": from_slot,
        "to_slot": from_slot + size.hours * UNITS_PER_HOUR,
    }
    with psycopg.connect(own.dsn, autocommit=True) as conn:
        conn.execute(_Q["clients"], params)
        conn.execute(_Q["agents"], params)
        conn.execute(_Q["buckets"], params)
        conn.execute(_Q["series"], params)
        conn.execute(_Q["slots"], params)
        conn.execute(_Q["settle"])
        row = conn.execute(_Q["cells"]).fetchone()
    cells, buckets = row or (0, 0)
    first, unchanged = own.bill(), own.bill()
    return {
        "seconds": _seconds(first),
        "unchanged_seconds": _seconds(unchanged),
        "cells": cells,
        "buckets": buckets,
        "readings": first["counts"]["readings"],
        "cells_per_second": cells / _seconds(first),
    }


def _last_month(today: date) -> date:
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def _seconds(run: dict[str, Any]) -> float:
    """From the job's start to its end, without the program's own start."""
    return (
        datetime.fromisoformat(run["ended_at"]) - datetime.fromisoformat(run["started_at"])
    ).total_seconds()

"""Measures the roll-up: touched hours of many agents folded by the real job, the first time and again."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

import sql
from aggregator.bench.ingest import INTERVAL_SECONDS, exponent
from aggregator.bench.machine import machine, versions
from aggregator.bench.site import Site, site

_Q = sql.queries("bench")
_HOUR_SECONDS = 3600
_BATCH_READINGS = 5_000
# Long enough ago that every slot has ended: what is open stays touched.
_ENDED_SECONDS = 2 * _HOUR_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The work at 1×: every agent has ``series`` with a tick a minute over ``hours``."""

    agents: int
    series: int
    hours: int


def measure(server_dsn: str | None, size: Size, scales: Sequence[int]) -> dict[str, Any]:
    """Every scale (more hours) on a scratch database of its own; with more than one, the exponent of time over work."""
    before = machine()
    runs = []
    facts: dict[str, str] = {}
    for scale in scales:
        with site(server_dsn) as own:
            facts = versions(own.dsn)
            runs.append({"scale": scale, **_run(own, size, scale)})
    report: dict[str, Any] = {**runs[0], "machine": before, "versions": facts}
    if len(runs) > 1:
        report |= {"runs": runs, "exponent": exponent([(run["readings"], run["seconds"]) for run in runs])}
    return report


def _run(own: Site, size: Size, scale: int) -> dict[str, Any]:
    own.certify(size.agents)
    duration = size.hours * scale * _HOUR_SECONDS
    # A whole hour, so that the first and the last slot are full.
    start = (int(time.time()) - _ENDED_SECONDS - duration) // _HOUR_SECONDS * _HOUR_SECONDS
    with own.serving() as serving:
        filled = own.simulate(
            serving.address,
            [
                *("--agents", str(size.agents), "--series", str(size.series), "--flat-out"),
                *("--interval", str(INTERVAL_SECONDS), "--duration", str(duration), "--start", str(start)),
                *("--batch-readings", str(_BATCH_READINGS)),
            ],
        )
    own.check(filled["oracle"])
    with psycopg.connect(own.dsn, autocommit=True) as conn:
        conn.execute(_Q["settle"])
    first = _timed(own.roll_up())
    with psycopg.connect(own.dsn, autocommit=True) as conn:
        conn.execute(_Q["touch_again"])
        conn.execute(_Q["settle"])
    again = _timed(own.roll_up())
    return {
        **first,
        "again": again,
        "agents": size.agents,
        "series_per_agent": size.series,
        "hours": size.hours * scale,
    }


def _timed(run: dict[str, Any]) -> dict[str, Any]:
    """Figures of a run of the job; its time is from its start to its end, without the program's own start."""
    seconds = (
        datetime.fromisoformat(run["ended_at"]) - datetime.fromisoformat(run["started_at"])
    ).total_seconds()
    readings, slots = run["counts"]["readings"], run["counts"]["slots"]
    return {
        "readings_per_second": readings / seconds,
        "slots_per_second": slots / seconds,
        "seconds": seconds,
        "readings": readings,
        "slots": slots,
    }

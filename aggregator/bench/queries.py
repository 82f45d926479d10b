"""Measures what people wait for: pages of lists, the dashboard, one asset, suggestions, dry runs and rebinding.

The world is written straight into a scratch database, with the triggers that keep what lists read. Times are of the
aggregator's own functions, each in a snapshot or transaction of its own as a call over the network has it, without gRPC.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import sql
from aggregator.actions.rebind import rebind
from aggregator.actions.run_job import JOBS
from aggregator.actions.suggest import suggest
from aggregator.actions.update_bucket import update_bucket
from aggregator.bench.ingest import exponent
from aggregator.bench.machine import machine, versions
from aggregator.bench.site import site
from aggregator.domain.insight import months_back
from aggregator.domain.match import Condition, Filter, Operator
from aggregator.domain.what_if import READINGS_DEFAULT
from aggregator.errors import Conflict
from aggregator.jobs import Jobs
from aggregator.rpc.insight import read_dashboard
from aggregator.store import analysis, assets, buckets, clients, insight, periods, readings
from aggregator.store.analysis import Wanted
from aggregator.store.assets import AssetFilter
from aggregator.store.buckets import BucketFilter
from aggregator.store.clients import ClientFilter
from aggregator.store.database import Database, execute, fetch_one
from aggregator.store.paging import Paging, Position
from aggregator.store.periods import PeriodFilter
from aggregator.store.readings import ProjectionFilter, ReadingFilter
from aggregator.store.repricing import right_size_buckets
from aggregator.store.snapshot import Snapshot, snapshot
from aggregator.store.unbound import price_stale

_Q = sql.queries("bench")
ROWS = 50
SERIES_PRICED = 10_000
MONTHS = 24
MONTHS_COMPARED = 12
_ASSETS_OF_A_CLIENT = 100
Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The world at 1×; every asset has five series. ``repeats``: how often each call is timed."""

    assets: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What there is in the world."""

    assets: int
    series: int
    bindings: int
    buckets: int
    clients: int
    candidates: int


@dataclass(frozen=True, slots=True)
class _Some:
    asset: int
    bucket: int
    fresh: list[int]


@dataclass(frozen=True, slots=True)
class _World:
    db: Database
    some: _Some
    now: datetime


def measure(server_dsn: str | None, size: Size, scales: Sequence[int]) -> dict[str, Any]:
    """Every scale on a scratch database of its own; with more than one, per call the exponent of time over assets."""
    before = machine()
    runs = []
    facts: dict[str, str] = {}
    for scale in scales:
        with site(server_dsn) as own:
            facts = versions(own.dsn)
            runs.append({"scale": scale, **asyncio.run(_run(own.dsn, size, scale))})
    report: dict[str, Any] = {**runs[0], "machine": before, "versions": facts}
    if len(runs) > 1:
        names = runs[0]["p95_ms"]
        report |= {
            "runs": runs,
            "exponent": {
                name: round(exponent([(run["assets"], max(run["p95_ms"][name], 0.1)) for run in runs]), 2)
                for name in names
            },
        }
    return report


def table(report: dict[str, Any]) -> str:
    """The times as lines for people."""
    runs = report.get("runs", [report])
    head = "p95 in ms".ljust(36) + "".join(f"{run['assets']:>12,}" for run in runs)
    lines = [
        name.ljust(36) + "".join(f"{run['p95_ms'][name]:>12.1f}" for run in runs) for name in report["p95_ms"]
    ]
    return "\n".join([head, *lines])


async def _run(dsn: str, size: Size, scale: int) -> dict[str, Any]:
    db = await Database.open(dsn)
    try:
        began = time.perf_counter()
        await fill(db, assets=size.assets * scale, months=MONTHS)
        async with snapshot(db) as seen:
            counts = await fetch_one(seen.conn, Counts, _Q["world_counts"])
            some = await fetch_one(seen.conn, _Some, _Q["world_any"])
            now = seen.now
        assert counts is not None and some is not None  # noqa: S101 PT018 - selects without from have a row
        filled = time.perf_counter() - began
        times: dict[str, float] = {}
        for name, call in {
            **_reads(db, some),
            **_bills(db),
            **_comparisons(db),
            **_acts(_World(db, some, now)),
        }.items():
            repeats = 1 if name == "rebind everything" else size.repeats
            times[name] = await _p95(call, repeats)
    finally:
        await db.close()
    return {**asdict(counts), "fill_seconds": round(filled, 1), "p95_ms": times}


async def fill(db: Database, *, assets: int, months: int = 1) -> None:
    """The world with so many assets in a migrated database that is empty: clients, agents, agreements, usage and figures.

    Readings are of the month that is open and of the ``months`` - 1 before, which are final.
    """
    owners = max(2, assets // _ASSETS_OF_A_CLIENT)
    params = {"assets": assets, "clients": owners, "agents": max(2, assets // 20), "buckets": owners * 20}
    async with db.transaction() as conn:
        await execute(conn, _Q["world_clients"], params)
        await execute(conn, _Q["world_agents"], params)
        await execute(conn, _Q["world_assets"], params)
        await execute(conn, _Q["world_series"], params)
        await execute(conn, _Q["world_measured"], params)
        await execute(conn, _Q["world_usage"], params)
        await execute(conn, _Q["world_buckets"], params)
        await execute(conn, _Q["world_assignments"], params)
        # So that triggers plan for what there is.
        await conn.execute(_Q["world_analyze"])
        await execute(conn, _Q["world_bindings"], params)
        await execute(conn, _Q["world_run"], params)
        await execute(conn, _Q["world_figures"], params)
        for back in range(1, months):
            await execute(conn, _Q["world_past"], {"back": back})
        await execute(conn, _Q["world_measured_candidates"], params)
        await execute(conn, _Q["world_seen"], params)
    async with db.dedicated() as conn:
        await conn.execute(_Q["world_settle"])
    priced = SERIES_PRICED
    while priced == SERIES_PRICED:
        async with snapshot(db) as seen:
            now = seen.now
        async with db.transaction() as conn:
            priced = await price_stale(conn, now=now, series_max=SERIES_PRICED)
    async with db.dedicated() as conn:
        await conn.execute(_Q["world_settle"])


def _reads(db: Database, some: _Some) -> dict[str, Call]:
    look = partial(_look, db)
    calls: dict[str, Call] = {}
    for sort in assets.SORTS:
        for descending in (False, True):
            first = Paging(sort=sort, descending=descending, size=ROWS)
            name = f"assets by {sort}" + (" backwards" if descending else "")
            calls[name] = look(lambda seen, first=first: assets.list_assets(seen, first, AssetFilter()))  # type: ignore[misc]
    middle = Paging(
        sort="name", size=ROWS, after=Position("mail-50", Decimal(0), datetime(1970, 1, 1, tzinfo=UTC), 0)
    )
    calls["assets by name, deep"] = look(lambda seen: assets.list_assets(seen, middle, AssetFilter()))
    filters = {
        "unassigned": AssetFilter(unassigned=True),
        "unbound": AssetFilter(unbound=True),
        "new": AssetFilter(unacknowledged=True),
        "disregarded": AssetFilter(disregarded=True),
        "disabled": AssetFilter(disabled=True),
        "by hand": AssetFilter(by_hand=True),
        "search": AssetFilter(search="db-17"),
        "label": AssetFilter(label="team=t7"),
        "source type": AssetFilter(source_type="vm"),
        "agent": AssetFilter(agent="hv-000001"),
        "bucket": AssetFilter(bucket_id=some.bucket),
        "client": AssetFilter(client_id=1),
    }
    plain = Paging(sort="id", size=ROWS)
    for name, wanted in filters.items():
        calls[f"assets, {name}"] = look(
            lambda seen, wanted=wanted: assets.list_assets(seen, plain, wanted)  # type: ignore[misc]
        )
    money = Paging(sort="unbound_money", descending=True, size=ROWS)
    calls["assets, unbound by money"] = look(
        lambda seen: assets.list_assets(seen, money, AssetFilter(unbound=True))
    )
    for sort in clients.SORTS:
        by = Paging(sort=sort, size=ROWS)
        calls[f"clients by {sort}"] = look(lambda seen, by=by: clients.list_clients(seen, by, ClientFilter()))  # type: ignore[misc]
    for sort in buckets.SORTS:
        by = Paging(sort=sort, size=ROWS)
        calls[f"buckets by {sort}"] = look(lambda seen, by=by: buckets.list_buckets(seen, by, BucketFilter()))  # type: ignore[misc]
    calls["buckets, over"] = look(lambda seen: buckets.list_buckets(seen, plain, BucketFilter(over=True)))
    calls["buckets, search"] = look(lambda seen: buckets.list_buckets(seen, plain, BucketFilter(search="7")))
    jobs = Jobs(db, seconds=dict.fromkeys(JOBS, 3600), clock=lambda: datetime.now(UTC))
    calls["dashboard"] = look(lambda seen: read_dashboard(seen, jobs))
    calls["dashboard, counts"] = look(assets.count_assets)
    calls["dashboard, money"] = look(lambda seen: insight.expected(seen, since=seen.now))
    calls["dashboard, new overages"] = look(insight.new_overages)
    calls["one asset"] = look(lambda seen: assets.get_asset(seen, some.asset))
    for count in (50, 200):
        calls[f"suggestions for {count}"] = look(
            lambda seen, count=count: suggest(seen.conn, some.fresh[:count])  # type: ignore[misc]
        )
    return calls


def _bills(db: Database) -> dict[str, Call]:
    look = partial(_look, db)
    month = datetime.now(UTC).date().replace(day=1)
    dear, worst, largest = (
        Paging(sort=sort, descending=True, size=ROWS) for sort in ("cost", "percent_of_commit", "total")
    )
    return {
        "readings of a month by cost": look(
            lambda seen: readings.list_readings(seen, dear, ReadingFilter(month=month))
        ),
        "readings, search": look(
            lambda seen: readings.list_readings(seen, dear, ReadingFilter(search="17/"))
        ),
        "periods of a month by total": look(
            lambda seen: periods.list_periods(seen, largest, PeriodFilter(month=month))
        ),
        "projections, over": look(
            lambda seen: readings.list_projections(seen, worst, ProjectionFilter(over=True))
        ),
    }


def _comparisons(db: Database) -> dict[str, Call]:
    """What over/under, right-size and the dashboard compare; a client's in the way its own page asks."""
    look = partial(_look, db)
    newest = datetime.now(UTC).date().replace(day=1)
    first, everything, one = months_back(newest, MONTHS_COMPARED), Wanted(), Wanted(client_id=1)
    return {
        "over/under by client": look(lambda seen: analysis.over_under_clients(seen, newest, everything)),
        "over/under by unit type": look(lambda seen: analysis.over_under_units(seen, newest, everything)),
        "over/under by bucket": look(lambda seen: analysis.over_under_buckets(seen, newest, everything)),
        "over/under by bucket, of a client": look(
            lambda seen: analysis.over_under_buckets(seen, newest, one)
        ),
        "trend of 12 months": look(lambda seen: analysis.trend(seen, first, everything)),
        "revenue of 12 months": look(lambda seen: analysis.revenue(seen, first, months_back(newest, -1))),
        "clients' status last period": look(analysis.status_last_period),
        "leakage": look(lambda seen: analysis.leakage(seen, None)),
        "right-size": look(
            lambda seen: right_size_buckets(
                seen, client_id=None, unit_type="", readings=READINGS_DEFAULT, limit=ROWS
            )
        ),
    }


def _look(db: Database, read: Callable[[Snapshot], Awaitable[object]]) -> Call:
    """The read in a snapshot of its own."""

    async def call() -> None:
        async with snapshot(db) as seen:
            await read(seen)

    return call


def _acts(world: _World) -> dict[str, Call]:
    db, some = world.db, world.some

    async def dry_run() -> None:
        condition = Condition("name", Operator.GLOB, "web-*")
        with suppress(Conflict):
            await update_bucket(db, some.bucket, filters=[Filter((condition,))], dry_run=True)

    async def one() -> None:
        async with db.transaction() as conn:
            await execute(conn, _Q["world_flag_one"], {"asset": some.asset})
        await rebind(db)

    async def everything() -> None:
        await rebind(db, everything=True)

    return {"dry run of a filter": dry_run, "rebind one asset": one, "rebind everything": everything}


async def _p95(call: Call, repeats: int) -> float:
    times = []
    # The first is not counted where there are others: it warms caches, as whoever looks at a list has looked before.
    for place in range(repeats + (repeats > 1)):
        began = time.perf_counter()
        await call()
        if place or repeats == 1:
            times.append((time.perf_counter() - began) * 1000)
    return round(sorted(times)[math.ceil(len(times) * 95 / 100) - 1], 2)

"""kill -9 of aggregators and of the database's sessions in the middle of billing runs, judged by an undisturbed run.

Two aggregators bill the same clients at the same time. Row 57 of the catalogue too: what comes late into a finalised period
is an adjustment, once, whatever is killed. ULLAGE_FAULT_SEED repeats a run's choices.
"""

import asyncio
import os
import random
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

import sql
from aggregator.actions.close_ready import bill_and_close
from aggregator.actions.roll_up import roll_up
from aggregator.domain.slot import UNITS_PER_HOUR, slot_of
from aggregator.store import runs
from aggregator.store.database import Database
from deploy import timescaledb
from tests.faults.rig import Rig, eventually, rig

SECONDS = float(os.environ.get("ULLAGE_FAULT_SECONDS", "20"))
SEED = int(os.environ.get("ULLAGE_FAULT_SEED", str(random.SystemRandom().randrange(1 << 32))))
SETTLE_SECONDS_MAX = 60.0
CLIENTS, BUCKETS, SERIES, HOURS, MONTHS = 16, 8, 2, 48, 3

JOBS = """
[jobs]
rollup_seconds = 1
billing_seconds = 1
"""
# All of a reading but when and by which run it was made.
READINGS = """
select bucket_id, period_start, period_end, quantity, commit, overage_units, currency, used, buffer, overage, limit_amount,
    cost, measured, absent, gap, spread, segments, agreed, open_items, finalised_at is not null
from billing_reading order by bucket_id, period_start
"""
ADJUSTMENTS = """
select bucket_id, period_start, in_start, delta_quantity, currency, amount from adjustment
order by bucket_id, period_start, in_start
"""
# Slots in which nothing was measured yet, of ticks that come now.
LATE = """
with late as (
    insert into tick (ticked_at, since, agent_id, stored_at, reported, failed, series, value)
    select %(at)s, %(since)s, a.agent_id, clock_timestamp(), '{5}', '{}', array_agg(a.series_id order by a.series_id),
        array_agg(7000000000 order by a.series_id)
    from series_agent a
    group by a.agent_id
    returning agent_id
)
insert into touched (agent_id, width, slot) select agent_id, 60, %(slot)s from late
"""


def months_before(day: date, number: int) -> date:
    for _ in range(number):
        day = (day.replace(day=1) - timedelta(days=1)).replace(day=1)
    return day.replace(day=1)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def build(dsn: str) -> datetime:
    """Months that ended long enough ago to be closed by themselves; the first instant of the newest of them."""
    build_of = sql.queries("bench_billing")
    ends_on = months_before(datetime.now(UTC).date(), 1)
    starts_on = months_before(ends_on, MONTHS)
    params = {
        "clients": CLIENTS,
        "agents": 2,
        "buckets": BUCKETS,
        "series": SERIES,
        "starts_on": starts_on,
        "ends_on": ends_on,
        "from_slot": slot_of(midnight(starts_on)),
        "to_slot": slot_of(midnight(ends_on)),
    }
    with psycopg.connect(dsn, autocommit=True) as conn:
        for name in ("clients", "agents", "buckets", "series"):
            conn.execute(build_of[name], params)
        for number in range(MONTHS):
            first = slot_of(midnight(months_before(ends_on, number + 1)))
            span = {"from_slot": first, "to_slot": first + HOURS * UNITS_PER_HOUR}
            conn.execute(build_of["slots"], {**params, **span})
        # The agents have not been heard of since, which is written onto the readings.
        conn.execute("update client set close_after_days = 1")
        # Bound by nobody's rule: the binding job, which is no part of this, would end that.
        conn.execute("update asset set rebind = false")
        conn.execute(build_of["settle"])
    return midnight(months_before(ends_on, 1))


def send_late(dsn: str, month: datetime) -> None:
    at = month + timedelta(days=10)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            LATE, {"at": at, "since": at - timedelta(minutes=1), "slot": slot_of(at) - UNITS_PER_HOUR}
        )


def ask(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as conn:
        return conn.execute(query.encode()).fetchall()


def number(dsn: str, query: str) -> int:
    """-1 while the database recovers."""
    try:
        return int(ask(dsn, query)[0][0])
    except psycopg.OperationalError:
        return -1


async def undisturbed(dsn: str) -> None:
    db = await Database.open(dsn, connections_max=4)
    try:
        await roll_up(db, now=datetime.now(UTC))
        async with db.transaction() as conn:
            run = await runs.start(conn, "billing")
        await bill_and_close(db, now=datetime.now(UTC), run_id=run.id)
    finally:
        await db.close()


def kill_in_runs(made: Rig, *, seconds: float) -> None:
    """Waits for a run that is under way, and kills one of those who may be at it, or a session of theirs."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        under_way = "select count(*) from run where job = 'billing' and state = 'running'"
        while number(made.dsn, under_way) < 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(made.chance.uniform(0.0, 1.0))
        if made.chance.random() < 0.3:
            made.crash_database()
            continue
        victim = made.chance.choice(made.aggregators)
        victim.kill()
        time.sleep(made.chance.uniform(0.0, 0.5))
        victim.start()


def settle(made: Rig, wanted: int, what: str) -> None:
    """From here on nothing goes wrong: so many, and a run that came to its end after that."""
    eventually(lambda: number(made.dsn, what) == wanted, what, seconds_max=SETTLE_SECONDS_MAX)
    done = "select coalesce(max(id), 0) from run where job = 'billing' and state = 'done'"
    before = number(made.dsn, "select coalesce(max(id), 0) from run")
    eventually(lambda: number(made.dsn, done) > before, "a run after that", seconds_max=SETTLE_SECONDS_MAX)


def test_whatever_is_killed_the_figures_are_those_of_an_undisturbed_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with timescaledb.running(for_tests=True) as server:
        with psycopg.connect(server, autocommit=True) as conn:
            conn.execute("create database live")
        live, other = (psycopg.conninfo.make_conninfo(server, dbname=name) for name in ("live", "other"))
        with rig(live, tmp_path, seed=SEED, agents=0, aggregators=2) as made:
            for config in tmp_path.glob("aggregator?.toml"):
                config.write_text(config.read_text() + JOBS)
            month = build(live)
            with psycopg.connect(server, autocommit=True) as conn:
                conn.execute("create database other template live")
            asyncio.run(undisturbed(other))
            closed = "select count(*) from billing_reading where finalised_at is not null"
            assert number(other, closed) == CLIENTS * BUCKETS * MONTHS
            made.start()
            kill_in_runs(made, seconds=SECONDS / 2)
            settle(made, number(other, closed), closed)
            assert ask(live, READINGS) == ask(other, READINGS)
            assert number(live, "select count(*) from evidence") == number(other, closed)

            for dsn in (live, other):
                send_late(dsn, month)
            asyncio.run(undisturbed(other))
            late = "select count(*) from adjustment"
            assert number(other, late) > 0
            kill_in_runs(made, seconds=SECONDS / 2)
            settle(made, number(other, late), late)
            assert ask(live, ADJUSTMENTS) == ask(other, ADJUSTMENTS)
            assert ask(live, READINGS) == ask(other, READINGS)
            kills = sum(one.kills for one in made.aggregators)
            with capsys.disabled():
                sys.stdout.write(
                    f"\nbilling, seed {SEED}: {kills} aggregators and {made.database_kills} sessions killed; "
                    f"{number(live, closed)} readings final, {number(live, late)} adjustments\n"
                )

"""Builds what billing reads: clients, buckets, bindings and slots, row by row in a real database.

Nothing here is computed by the program under test; `tests/billing_reference.py` works out what it must come to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from psycopg.types.json import Jsonb

from aggregator.actions.bill import bill
from aggregator.domain.slot import OPEN_SLOT, slot_of
from aggregator.store import runs
from aggregator.store.database import Connection, Database
from tests.billing_reference import rows

STORED = datetime(2020, 1, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
NOW = datetime(2026, 4, 10, 7, 20, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cell:
    """One series in one slot of one agent."""

    series: int
    n: int
    total: int
    low: int
    high: int
    last: int


def level(series: int, value: int, *, n: int = 60) -> Cell:
    """A level that did not change within the slot."""
    return Cell(series, n, n * value, value, value, value)


def amount(series: int, total: int) -> Cell:
    """An amount in one tick."""
    return Cell(series, 1, total, total, total, total)


async def start_run(db: Database) -> int:
    """The row that readings refer to."""
    async with db.transaction() as conn:
        return (await runs.start(conn, "billing")).id


async def run(db: Database, *, now: datetime = NOW, everything: bool = False) -> dict[str, int]:
    """One billing run."""
    return await bill(db, now=now, run_id=await start_run(db), everything=everything)


async def written(db: Database) -> dict[str, list[dict[str, Any]]]:
    """All that billing writes, whole rows."""
    async with db.transaction() as conn:
        return {
            "billing_reading": await rows(
                conn, "select * from billing_reading order by bucket_id, period_start"
            ),
            "dirty": await rows(conn, "select * from dirty order by bucket_id, day_slot"),
        }


async def one_level(db: Database, *, value: int = 10, hours: int = 24, **terms: Any) -> tuple[int, int, int]:
    """A client, a bucket and a series with a level in the first hours of March: ids of bucket, series and agent."""
    async with db.transaction() as conn:
        world = World(conn)
        agent, unit = await world.agent(), await world.unit_type()
        series = await world.series(await world.asset(agent), unit)
        bucket = await world.bucket(await world.client(), unit)
        await world.terms(bucket, **{"aggregation": "sum", **terms})
        await world.bind(series, bucket)
        await world.hours(agent, MARCH, [level(series, value)] * hours)
    return bucket, series, agent


class World:
    """Writes rows, each method one; ids come back."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._count = 0

    async def client(
        self,
        *,
        currency: str = "USD",
        digits: int = 2,
        zone: str = "UTC",
        unit: str = "month",
        count: int = 1,
        anchor: date = date(2026, 1, 1),
    ) -> int:
        return await self._insert(
            "insert into client (name, currency, currency_digits, time_zone, cycle_unit, cycle_count, cycle_anchor)"
            " values (%s, %s, %s, %s, %s, %s, %s) returning id",
            self._name("client"), currency, digits, zone, unit, count, anchor,
        )  # fmt: skip

    async def agent(self) -> int:
        return await self._insert(
            "insert into agent (uuid, name, site) values (%s, %s, 'site') returning id",
            uuid4(),
            self._name("agent"),
        )

    async def unit_type(
        self,
        *,
        kind: str = "level",
        value: str = "mean",
        divisor: int = 1,
        per: str = "total",
        precision: int = 4,
        minutes: int = 60,
    ) -> int:
        return await self._insert(
            "insert into unit_type (name, symbol, description, kind, divisor, per, precision, slot_minutes, level_value)"
            " values (%s, 'u', '', %s, %s, %s, %s, %s, %s) returning id",
            self._name("unit"), kind, divisor, per, precision, minutes, value,
        )  # fmt: skip

    async def asset(self, agent: int) -> int:
        name = self._name("asset")
        return await self._insert(
            "insert into asset (source_type_id, scope, external_id, name, agent_id) values (5, 'site:site', %s, %s, %s)"
            " returning id",
            name, name, agent,
        )  # fmt: skip

    async def series(self, asset: int, unit_type: int) -> int:
        return await self._insert(
            "insert into series (asset_id, unit_type_id) values (%s, %s) returning id", asset, unit_type
        )

    async def merge(self, asset: int, into: int) -> None:
        """As the act leaves it."""
        await self._conn.execute("update asset set merged_into = %s where id = %s", (into, asset))
        await self._conn.execute(
            "update series set asset_id = %s, merged_from = %s where asset_id = %s", (into, asset, asset)
        )

    async def retire(self, agent: int, at: datetime) -> None:
        await self._conn.execute(
            "update agent set state = 'retired', retired_at = %s where id = %s", (at, agent)
        )

    async def disable(self, asset: int, *, since: int, until: int = OPEN_SLOT) -> None:
        await self._conn.execute(
            "insert into asset_pause (asset_id, from_slot, to_slot, cause) values (%s, %s, %s, 'disabled')",
            (asset, since, until),
        )

    async def bucket(self, client: int, unit_type: int) -> int:
        return await self._insert(
            "insert into bucket (client_id, name, source_type_id, unit_type_id) values (%s, %s, 5, %s) returning id",
            client, self._name("bucket"), unit_type,
        )  # fmt: skip

    async def terms(
        self,
        bucket: int,
        *,
        aggregation: str = "avg",
        commit: str = "0",
        base: str = "1",
        overage: str = "2",
        starts_on: date = date(2025, 1, 1),
        ends_on: date | None = None,
        package: str | None = None,
        minimum: str | None = None,
        maximum: str | None = None,
        tiers: Sequence[tuple[str, str]] = (),
        gap_hold: int | None = 0,
        prorate: bool = False,
    ) -> int:
        """`aggregation` as people write it: p95. Gaps are worth 0 unless it is said otherwise."""
        percentile = Decimal(aggregation[1:]) if aggregation[1:2].isdigit() else None
        return await self._insert(
            "insert into bucket_terms (bucket_id, starts_on, ends_on, commit, base_price, overage_price, aggregation,"
            " percentile, package, minimum, maximum, tiers, gap_hold, prorate)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id",
            bucket, starts_on, ends_on, Decimal(commit), Decimal(base), Decimal(overage),
            "percentile" if percentile else aggregation, percentile, package, minimum, maximum,
            Jsonb([{"above": above, "price": price} for above, price in tiers]) if tiers else None, gap_hold, prorate,
        )  # fmt: skip

    async def bind(self, series: int, bucket: int, *, since: int = 0, until: int = OPEN_SLOT) -> int:
        return await self._insert(
            "insert into binding (series_id, bucket_id, from_slot, to_slot) values (%s, %s, %s, %s) returning id",
            series, bucket, since, until,
        )  # fmt: skip

    async def slot(
        self,
        agent: int,
        slot: int,
        cells: Sequence[Cell],
        *,
        minutes: int = 60,
        stored: datetime = STORED,
        reported: Sequence[int] = (5,),
    ) -> None:
        """One row of a slot table, and the agent known to have reported the series in it; (5,) is `vm`."""
        cells = sorted(cells, key=lambda cell: cell.series)
        columns = [
            [getattr(c, name) for c in cells] for name in ("series", "n", "total", "low", "high", "last")
        ]
        # Two literals, not one made up: which of the tables is all that differs.
        text = (
            "insert into slot_60 values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            if minutes == 60
            else "insert into slot_5 values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        )
        await self._conn.execute(text, (slot, agent, *columns, list(reported), stored))
        await self._conn.execute(
            "insert into series_agent as a select s, %s, %s, %s from unnest(%s::integer[]) s"
            " on conflict (series_id, agent_id) do update set"
            " from_slot = least(a.from_slot, excluded.from_slot), to_slot = greatest(a.to_slot, excluded.to_slot)",
            (agent, slot, slot + minutes // 5, columns[0]),
        )

    async def hours(self, agent: int, since: datetime, values: Sequence[Cell | None]) -> None:
        """One hour slot after the other from ``since``; None leaves one out."""
        for number, cell in enumerate(values):
            if cell is not None:
                await self.slot(agent, slot_of(since + number * timedelta(hours=1)), [cell])

    async def tick(self, agent: int, series: int, value: int, *, at: datetime, stored: datetime) -> None:
        """A level as it was read, and its slot touched."""
        await self._conn.execute(
            "insert into tick values (%s, %s, %s, %s, '{5}', '{}', %s, %s)",
            (at, at - timedelta(minutes=1), agent, stored, [series], [value]),
        )
        await self._conn.execute("insert into touched values (%s, 60, %s)", (agent, slot_of(at) // 12 * 12))

    async def dirty(self, bucket: int, at: datetime) -> None:
        await self._conn.execute(
            "insert into dirty values (%s, %s) on conflict do nothing", (bucket, slot_of(at) // 288 * 288)
        )

    def _name(self, noun: str) -> str:
        self._count += 1
        return f"{noun} {self._count}"

    async def _insert(self, text: Any, *values: object) -> int:
        row = await (await self._conn.execute(text, values)).fetchone()
        assert row is not None
        number: int = row[0]
        return number

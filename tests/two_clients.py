"""Two clients that are finalised to November, and an asset that is the first one's: what acts on assets are tried on."""

from datetime import UTC, datetime, timedelta
from typing import Any

from aggregator.domain.slot import slot_of
from tests.builders import World
from tests.rollup_world import Conn

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FINALISED = slot_of(NOVEMBER)

Span = tuple[int, int, int]


async def bindings(conn: Conn, series: int) -> list[Span]:
    """Bucket, from and to, in order of time."""
    return await spans(
        conn, "select bucket_id, from_slot, to_slot from binding where series_id = %s order by 2", series
    )


async def assignments(conn: Conn, asset: int) -> list[Span]:
    """Client, from and to, in order of time."""
    return await spans(
        conn, "select client_id, from_slot, to_slot from assignment where asset_id = %s order by 2", asset
    )


async def spans(conn: Conn, query: Any, key: int) -> list[Span]:
    found = await (await conn.execute(query, [key])).fetchall()
    await conn.commit()
    return [(int(a), int(b), int(c)) for a, b, c in found]


async def value(conn: Conn, query: Any, *params: object) -> Any:
    row = await (await conn.execute(query, params)).fetchone()
    await conn.commit()
    return row[0] if row else None


class Estate:
    """Two clients with a bucket each, and an asset that is the first one's since 2024; both are finalised to November."""

    def __init__(self, conn: Conn) -> None:
        self.conn = conn
        self.world = World(conn)
        self.acme = self.beta = self.ram = self.beta_ram = self.asset = self.series = 0

    async def build(self, *, aggregation: str = "avg") -> "Estate":
        world = self.world
        self.acme = await world.client("acme", finalised_at=NOVEMBER)
        self.beta = await world.client("beta", finalised_at=NOVEMBER)
        self.ram = await world.bucket(self.acme, name="ram", aggregation=aggregation)
        self.beta_ram = await world.bucket(self.beta, name="memory", aggregation=aggregation)
        # What is finalised was finalised after it was bound.
        await self.conn.execute("update client set finalised_slot = 0")
        self.asset = await world.asset("web-1")
        self.series = await world.series(self.asset)
        await world.assignment(self.asset, self.acme)
        await world.binding(self.series, self.ram)
        await self.conn.execute("update client set finalised_slot = %s", [FINALISED])
        await self.conn.execute("update asset set assigned_by_hand = true")
        await world.measured(self.series, NOVEMBER - 90 * DAY, NOON)
        await self.conn.commit()
        return self

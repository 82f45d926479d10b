"""Small worlds for tests on a real database: rows as the programs would have left them, made directly.

Each builder inserts one thing with sensible values for what a test does not care about, and returns its id. Times are aware;
spans are given as times and stored as slots. Nothing here decides anything: what a test is about it says itself.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from psycopg.types.json import Jsonb

from aggregator.domain.slot import OPEN_SLOT, slot_of
from tests.rows import Rows

HOUR = timedelta(hours=1)
EPOCH = bytes(16)


class World(Rows):
    """Builders by noun."""

    async def agent(self, name: str = "", *, site: str = "here", created_at: datetime | None = None) -> int:
        """An active agent."""
        return await self.insert(
            "agent",
            uuid=uuid4(),
            name=name or self.name("agent"),
            site=site,
            **_optional(created_at=created_at),
        )

    async def client(
        self,
        name: str = "",
        *,
        currency: str = "EUR",
        time_zone: str = "UTC",
        cycle_unit: str = "month",
        cycle_count: int = 1,
        cycle_anchor: date = date(2024, 1, 1),
        finalised_at: datetime | None = None,
        enabled: bool = True,
    ) -> int:
        """A client; ``finalised_at``: where its unfinalised time begins."""
        return await self.insert(
            "client",
            name=name or self.name("client"),
            currency=currency,
            currency_digits={"JPY": 0, "KWD": 3}.get(currency, 2),
            time_zone=time_zone,
            cycle_unit=cycle_unit,
            cycle_count=cycle_count,
            cycle_anchor=cycle_anchor,
            finalised_slot=slot_of(finalised_at) if finalised_at else 0,
            enabled=enabled,
            disabled_on=None if enabled else date(2020, 1, 1),
        )

    async def asset(
        self,
        name: str = "",
        *,
        agent: int | None = None,
        source_type: str = "host",
        external_id: str = "",
        description: str = "",
        address: str = "",
        labels: Mapping[str, str] | None = None,
        acknowledged_at: datetime | None = None,
        enabled: bool = True,
        disregarded_at: datetime | None = None,
    ) -> int:
        """An asset that needs no rebinding."""
        agent = agent or await self.agent()
        row = await self.one("select id, scope from source_type where name = %s", source_type)
        return await self.insert(
            "asset",
            source_type_id=row[0],
            scope=f"agent:{agent}" if row[1] == "agent" else "site:here",
            external_id=external_id or self.name("external"),
            name=name or self.name("asset"),
            description=description,
            address=address,
            labels=Jsonb(dict(labels or {})),
            agent_id=agent,
            acknowledged_at=acknowledged_at,
            enabled=enabled,
            disregarded_at=disregarded_at,
            rebind=False,
        )

    async def series(self, asset: int, unit_type: str = "ram-used") -> int:
        """One unit type of an asset."""
        unit = await self.one("select id from unit_type where name = %s", unit_type)
        return await self.insert("series", asset_id=asset, unit_type_id=unit[0])

    async def measured(
        self, series: int, since: datetime, until: datetime, *, agent: int | None = None
    ) -> None:
        """The outermost measured slots of a series, of its asset's agent unless another is named."""
        row = await self.one(
            "select a.agent_id from series s join asset a on a.id = s.asset_id where s.id = %s", series
        )
        await self.insert(
            "series_agent",
            returning="series_id",
            series_id=series,
            agent_id=agent or row[0],
            from_slot=slot_of(since),
            to_slot=slot_of(until),
        )
        # As the roll-up does after it wrote that.
        await self.conn.execute(
            "update unbound_candidate set measured = measured + int4multirange(whole_slots(%s, %s, width))"
            " where series_id = %s",
            [slot_of(since), slot_of(until), series],
        )
        await self.conn.execute(
            "update asset_seen set last_slot = greatest(last_slot, %s)"
            " where asset_id = (select asset_id from series where id = %s)",
            [slot_of(until), series],
        )

    async def assignment(
        self, asset: int, client: int, *, since: datetime | None = None, until: datetime | None = None
    ) -> int:
        """An asset of a client, by hand; without times from the beginning and open."""
        return await self.insert(
            "assignment", asset_id=asset, client_id=client, from_slot=_from(since), to_slot=_to(until)
        )

    async def bucket(
        self,
        client: int,
        *,
        name: str = "",
        source_type: str = "host",
        unit_type: str = "ram-used",
        enabled: bool = True,
        conditions: Sequence[Mapping[str, str]] | None = None,
        commit: str | None = "100",
        base: str = "1",
        overage: str = "2",
        aggregation: str = "avg",
        starts_on: date = date(2020, 1, 1),
    ) -> int:
        """A bucket with one filter, if conditions are given, and one row of terms, unless the commit is None."""
        source = await self.one("select id from source_type where name = %s", source_type)
        unit = await self.one("select id from unit_type where name = %s", unit_type)
        bucket = await self.insert(
            "bucket",
            client_id=client,
            name=name or self.name("bucket"),
            source_type_id=source[0],
            unit_type_id=unit[0],
            enabled=enabled,
        )
        if conditions is not None:
            await self.insert(
                "bucket_filter", bucket_id=bucket, conditions=Jsonb([dict(one) for one in conditions])
            )
        if commit is not None:
            await self.terms(
                bucket,
                commit=commit,
                base=base,
                overage=overage,
                aggregation=aggregation,
                starts_on=starts_on,
            )
        return bucket

    async def terms(
        self,
        bucket: int,
        *,
        starts_on: date,
        commit: str = "100",
        base: str = "1",
        overage: str = "2",
        aggregation: str = "avg",
    ) -> int:
        """Dated terms of a bucket."""
        return await self.insert(
            "bucket_terms",
            bucket_id=bucket,
            starts_on=starts_on,
            commit=Decimal(commit),
            base_price=Decimal(base),
            overage_price=Decimal(overage),
            aggregation=aggregation,
        )

    async def binding(
        self,
        series: int,
        bucket: int,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        by_hand: bool = False,
    ) -> int:
        """A series bound to a bucket; without times from the beginning and open."""
        return await self.insert(
            "binding",
            series_id=series,
            bucket_id=bucket,
            by_hand=by_hand,
            from_slot=_from(since),
            to_slot=_to(until),
        )

    async def tick(
        self,
        agent: int,
        at: datetime,
        values: Mapping[int, int],
        *,
        since: datetime | None = None,
        stored_at: datetime | None = None,
        reported: Sequence[int] = (1,),
    ) -> None:
        """Readings of an agent at one moment, by series."""
        await self.insert(
            "tick",
            returning="agent_id",
            ticked_at=at,
            since=since or at,
            agent_id=agent,
            stored_at=stored_at or at,
            reported=list(reported),
            failed=[],
            series=list(values),
            value=list(values.values()),
        )

    async def slot(
        self, agent: int, start: datetime, values: Mapping[int, tuple[int, int]], *, minutes: int = 60
    ) -> None:
        """A rolled-up slot: by series (readings, total); lows, highs and lasts are the mean."""
        means = [total // n for n, total in values.values()]
        await self.insert(
            f"slot_{minutes}",
            returning="agent_id",
            slot=slot_of(start),
            agent_id=agent,
            series=list(values),
            n=[n for n, _ in values.values()],
            total=[total for _, total in values.values()],
            low=means,
            high=means,
            last=means,
            reported=[1],
            stored_max=start + timedelta(minutes=minutes),
        )

    async def batch(
        self,
        agent: int,
        stored_at: datetime,
        *,
        read: int = 10,
        stored: int = 10,
        quarantined: int = 0,
        seq: int | None = None,
    ) -> None:
        """A batch that was applied."""
        seq = seq or next(self.numbers)
        await self.insert(
            "batch",
            returning="agent_id",
            agent_id=agent,
            epoch=EPOCH,
            seq=seq,
            through=seq,
            sha256=bytes(32),
            received_at=stored_at,
            stored_at=stored_at,
            read=read,
            stored=stored,
            quarantined=quarantined,
        )
        await self.conn.execute(
            """
            insert into cursor as c (agent_id, epoch, last_seq, moved_at, batches, read, stored, quarantined)
            values (%(agent)s, %(epoch)s, %(seq)s, %(at)s, 1, %(read)s, %(stored)s, %(quarantined)s)
            on conflict (agent_id, epoch) do update
            set last_seq = greatest(c.last_seq, excluded.last_seq), moved_at = greatest(c.moved_at, excluded.moved_at),
                batches = c.batches + 1, read = c.read + excluded.read, stored = c.stored + excluded.stored,
                quarantined = c.quarantined + excluded.quarantined
            """,
            {
                "agent": agent,
                "epoch": EPOCH,
                "seq": seq,
                "at": stored_at,
                "read": read,
                "stored": stored,
                "quarantined": quarantined,
            },
        )
        await self.conn.execute(
            """
            insert into quarantine_day as d (agent_id, day, reason, kept, counted_only)
            values (%s, %s, 'negative', %s, 0)
            on conflict (agent_id, day, reason) do update set kept = d.kept + excluded.kept
            """,
            [agent, stored_at.date(), quarantined],
        )

    async def quarantined(self, agent: int, at: datetime, *, reason: str = "negative") -> int:
        """A reading that was not taken."""
        return await self.insert(
            "quarantine",
            agent_id=agent,
            epoch=EPOCH,
            seq=1,
            source_type="host",
            external_id="x",
            unit_type="cpu",
            value=-1,
            since=at,
            ticked_at=at,
            reason=reason,
            stored_at=at,
        )


def _from(since: datetime | None) -> int:
    return slot_of(since) if since else 0


def _to(until: datetime | None) -> int:
    return slot_of(until) if until else OPEN_SLOT


def _optional(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def hour(at: datetime) -> datetime:
    """The full hour at or before ``at``."""
    return at.replace(minute=0, second=0, microsecond=0)


def month(at: datetime, *, back: int = 0) -> datetime:
    """Where the calendar month (UTC) of ``at`` starts, or one before it."""
    year, index = divmod(at.year * 12 + at.month - 1 - back, 12)
    return datetime(year, index + 1, 1, tzinfo=UTC)

"""What billing must come to, worked out slowly: plain Python over rows, fractions, one slot and one series at a time.

It shares with the program only the calendar (periods have tests of their own) and computes from nothing that billing
wrote.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from psycopg.rows import dict_row

from aggregator.domain.period import Cycle, Period
from aggregator.store.database import Connection, Database

Row = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)
SETTLED = timedelta(minutes=3)


@dataclass(frozen=True)
class Expected:
    """A reading as the table should have it."""

    period_end: datetime
    from_slot: int
    to_slot: int
    as_of_slot: int
    terms_id: int
    quantity: Decimal
    overage_units: Decimal
    used: Decimal
    buffer: Decimal
    overage: Decimal
    cost: Decimal


async def rows(conn: Connection, text: Any) -> list[Row]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(text)
        return await cursor.fetchall()


async def readings(db: Database) -> dict[tuple[int, datetime], Expected]:
    """What billing wrote, in the same form."""
    async with db.transaction() as conn:
        return {
            (row.pop("bucket_id"), row.pop("period_start")): Expected(**row)
            for row in await rows(
                conn,
                "select bucket_id, period_start, period_end, from_slot, to_slot, as_of_slot, terms_id, quantity,"
                " overage_units, used, buffer, overage, cost from billing_reading",
            )
        }


async def reading(db: Database, bucket: int, start: datetime) -> Expected:
    return (await readings(db))[bucket, start]


async def expected(conn: Connection, *, now: datetime) -> dict[tuple[int, datetime], Expected]:
    """All readings by (bucket, start of the period)."""
    world = Tables(
        buckets=await rows(conn, "select b.*, u.kind, u.divisor, u.per, u.precision, u.slot_minutes, u.level_value"
                                 " from bucket b join unit_type u on u.id = b.unit_type_id"),
        terms=await rows(conn, "select * from bucket_terms order by starts_on"),
        bindings=await rows(conn, "select b.*, s.asset_id from binding b join series s on s.id = b.series_id"),
        known=await rows(conn, "select * from series_agent"),
        slots=await rows(conn, "select slot, agent_id, series, n, total, high, last from slot_60"
                               " union all select slot, agent_id, series, n, total, high, last from slot_5"),
    )  # fmt: skip
    found: dict[tuple[int, datetime], Expected] = {}
    for client in await rows(conn, "select * from client"):
        cycle = Cycle(
            client["cycle_unit"], client["cycle_count"], client["cycle_anchor"], client["time_zone"]
        )
        period = cycle.period_containing(now)
        oldest = world.oldest(client, cycle, now=now)
        while period.end > oldest:
            for bucket in world.buckets:
                if bucket["client_id"] == client["id"]:
                    reading = world.reading(bucket, client, cycle, period, now=now)
                    if reading is not None:
                        found[bucket["id"], period.start] = reading
            period = cycle.period(period.number - 1)
    return found


@dataclass
class Tables:
    """Rows as they are, and the figures read off them."""

    buckets: list[Row]
    terms: list[Row]
    bindings: list[Row]
    known: list[Row]
    slots: list[Row]

    def __post_init__(self) -> None:
        self.cells: dict[tuple[int, int], list[Row]] = defaultdict(list)
        for row in self.slots:
            for place, series in enumerate(row["series"]):
                cell = {name: row[name][place] for name in ("n", "total", "high", "last")}
                self.cells[series, row["slot"]].append({**cell, "agent": row["agent_id"]})

    def oldest(self, client: Row, cycle: Cycle, *, now: datetime) -> datetime:
        """When the client's billing begins."""
        buckets = {b["id"] for b in self.buckets if b["client_id"] == client["id"]}
        used = [
            max(binding["from_slot"], known["from_slot"])
            for binding in self.bindings
            for known in self.known
            if binding["bucket_id"] in buckets
            and known["series_id"] == binding["series_id"]
            and max(binding["from_slot"], known["from_slot"]) < min(binding["to_slot"], known["to_slot"])
        ]
        starts = [t["starts_on"] for t in self.terms if t["bucket_id"] in buckets]
        if not used or not starts:
            return now
        first_usage: datetime = EPOCH + min(used) * FIVE_MINUTES
        return min(now, max(first_usage, cycle.first_instant(min(starts))))

    def reading(
        self, bucket: Row, client: Row, cycle: Cycle, period: Period, *, now: datetime
    ) -> Expected | None:
        """One bucket, one period; None where it has no terms."""
        width = bucket["slot_minutes"] // 5
        begun = [
            t for t in self.terms
            if t["bucket_id"] == bucket["id"] and cycle.first_instant(t["starts_on"]) < period.end
        ]  # fmt: skip
        if not begun:
            return None
        starts = max(period.start, cycle.first_instant(begun[0]["starts_on"]))
        inside = [
            slot for slot in self._between(period.start, period.end, width) if starts <= self._time(slot)
        ]
        ended = [slot for slot in inside if self._time(slot + width) <= now - SETTLED]
        quantity = self._quantity(bucket, begun[-1]["aggregation"], ended)
        return Expected(
            period_end=period.end,
            from_slot=inside[0],
            to_slot=inside[-1] + width,
            as_of_slot=inside[0] + width * len(ended),
            terms_id=begun[-1]["id"],
            quantity=quantity,
            **self._charge(begun[-1], quantity, client["currency_digits"]),
        )

    def _quantity(self, bucket: Row, aggregation: str, slots: list[int]) -> Decimal:
        bound = [b for b in self.bindings if b["bucket_id"] == bucket["id"]]
        values = []
        assets = set()
        for slot in slots:
            value = 0
            for binding in bound:
                if binding["from_slot"] <= slot < binding["to_slot"]:
                    cells = self.cells.get((binding["series_id"], slot), [])
                    value += self._value(bucket, cells)
                    assets |= {binding["asset_id"]} if cells else set()
            values.append(Fraction(value))
        if aggregation == "count":
            return Decimal(len(assets))
        if not values:
            return Decimal(0)
        if bucket["per"] == "second":
            values = [value / (bucket["slot_minutes"] * 60) for value in values]
        hours = Fraction(bucket["slot_minutes"], 60) if bucket["kind"] == "level" else 1
        steps = {
            "sum": sum(values) * hours,
            "avg": sum(values) / len(values),
            "max": max(values),
            "last": values[-1],
        }[aggregation]
        return rounded(Fraction(steps) / bucket["divisor"], bucket["precision"])

    @staticmethod
    def _value(bucket: Row, cells: list[Row]) -> int:
        if not cells:
            return 0
        if bucket["kind"] == "amount":
            return sum(int(cell["total"]) for cell in cells)
        cell = min(cells, key=lambda c: (-c["n"], c["agent"]))
        if bucket["level_value"] != "mean":
            return int(cell[bucket["level_value"]])
        return int((2 * cell["total"] + cell["n"]) // (2 * cell["n"]))

    @staticmethod
    def _charge(terms: Row, quantity: Decimal, digits: int) -> dict[str, Decimal]:
        commit, base = Fraction(terms["commit"]), Fraction(terms["base_price"])
        over = max(Fraction(0), Fraction(quantity) - commit)
        exact = {
            "used": min(Fraction(quantity), commit) * base,
            "buffer": max(Fraction(0), commit - Fraction(quantity)) * base,
            "overage": over * Fraction(terms["overage_price"]),
        }
        cost = rounded(sum(exact.values(), Fraction(0)), digits)
        parts = {name: rounded(part, digits) for name, part in exact.items()}
        largest = max(exact, key=lambda name: exact[name])
        parts[largest] += cost - sum(parts.values())
        units = max(Decimal(0), quantity - terms["commit"])
        return {**parts, "cost": cost, "overage_units": units}

    def _between(self, start: datetime, end: datetime, width: int) -> list[int]:
        """Slots of the width that start in [start, end)."""
        slot = (start - EPOCH) // FIVE_MINUTES // width * width
        found = []
        while self._time(slot) < end:
            if self._time(slot) >= start:
                found.append(slot)
            slot += width
        return found

    @staticmethod
    def _time(slot: int) -> datetime:
        return EPOCH + slot * FIVE_MINUTES


def rounded(value: Fraction, places: int) -> Decimal:
    """Half away from zero, of what is not negative."""
    return Decimal((value * 10**places * 2 + 1) // 2).scaleb(-places)

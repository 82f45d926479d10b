"""What billing must come to, worked out slowly: plain Python over rows, fractions, one slot and one series at a time.

It shares with the program only the calendar (periods have tests of their own) and computes from nothing that billing
wrote.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from psycopg.rows import dict_row

from aggregator.domain.period import Cycle, Period
from aggregator.store.database import Connection, Database
from tests.rate_reference import charged, rounded

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
    aggregation: str
    percentile: Decimal | None
    quantity: Decimal
    commit: Decimal
    overage_units: Decimal
    used: Decimal
    buffer: Decimal
    overage: Decimal
    limit_amount: Decimal
    cost: Decimal
    measured: int
    absent: int
    gap: int
    spread: int
    # (terms, first slot, beyond the last, share of the period, quantity, cost) of each part.
    segments: tuple[tuple[int, int, int, Fraction, Decimal, Decimal], ...]


async def rows(conn: Connection, text: Any) -> list[Row]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(text)
        return await cursor.fetchall()


async def readings(db: Database) -> dict[tuple[int, datetime], Expected]:
    """What billing wrote, in the same form."""
    async with db.transaction() as conn:
        return {
            (row.pop("bucket_id"), row.pop("period_start")): Expected(
                **{**row, "segments": tuple(map(segment, row["segments"]))}
            )
            for row in await rows(
                conn,
                "select bucket_id, period_start, period_end, from_slot, to_slot, as_of_slot, terms_id, aggregation,"
                " percentile, quantity, commit, overage_units, used, buffer, overage, limit_amount, cost, measured,"
                " absent, gap, spread, segments from billing_reading",
            )
        }


def segment(row: Row) -> tuple[int, int, int, Fraction, Decimal, Decimal]:
    """A part of a reading as it is kept."""
    return (
        row["terms_id"], row["from_slot"], row["to_slot"], Fraction(row["fraction"]), Decimal(row["quantity"]),
        Decimal(row["cost"]),
    )  # fmt: skip


async def reading(db: Database, bucket: int, start: datetime) -> Expected:
    return (await readings(db))[bucket, start]


async def expected(conn: Connection, *, now: datetime) -> dict[tuple[int, datetime], Expected]:
    """All readings by (bucket, start of the period)."""
    world = Tables(
        buckets=await rows(conn, "select b.*, u.kind, u.divisor, u.per, u.precision, u.slot_minutes, u.level_value,"
                                 " u.gap_hold as unit_gap_hold"
                                 " from bucket b join unit_type u on u.id = b.unit_type_id"),
        terms=await rows(conn, "select * from bucket_terms order by starts_on"),
        bindings=await rows(conn, "select * from binding"),
        series=await rows(conn, "select s.*, a.source_type_id from series s join asset a on a.id = s.asset_id"),
        known=await rows(conn, "select * from series_agent"),
        agents=await rows(conn, "select * from agent"),
        pauses=await rows(conn, "select * from asset_pause where cause = 'disabled'"),
        slots=await rows(conn, "select *, 60 as minutes from slot_60 union all select *, 5 from slot_5"),
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


MEASURED, ABSENT, GAP, NOTHING = "measured", "absent", "gap", "nothing"


@dataclass
class Tables:
    """Rows as they are, and the figures read off them."""

    buckets: list[Row]
    terms: list[Row]
    bindings: list[Row]
    series: list[Row]
    known: list[Row]
    agents: list[Row]
    pauses: list[Row]
    slots: list[Row]

    def __post_init__(self) -> None:
        self.cells: dict[tuple[int, int], list[Row]] = defaultdict(list)
        self.answers: dict[tuple[int, int, int], set[int]] = {}
        self.measured_slots: dict[int, list[int]] = defaultdict(list)
        for row in sorted(self.slots, key=lambda r: r["slot"]):
            self.answers[row["agent_id"], row["minutes"], row["slot"]] = set(row["reported"])
            for place, series in enumerate(row["series"]):
                cell = {name: row[name][place] for name in ("n", "total", "high", "last")}
                self.cells[series, row["slot"]].append({**cell, "agent": row["agent_id"]})
                self.measured_slots[series].append(row["slot"])
        self.of = {row["id"]: row for row in self.series}
        self.first = {
            number: min((k["from_slot"] for k in self.known if k["series_id"] == number), default=None)
            for number in self.of
        }
        self.retired = {row["id"]: row["retired_at"] for row in self.agents}
        self.relatives = {
            one["id"]: [
                o for o in self.series
                if o["asset_id"] == one["asset_id"] and o["unit_type_id"] == one["unit_type_id"] and o["id"] != one["id"]
            ]
            for one in self.series
        }  # fmt: skip

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
        days = [cycle.first_day(period)]
        while days[-1] < cycle.last_day(period):
            days.append(days[-1] + timedelta(days=1))
        parts: list[tuple[Row, list[date]]] = []
        before = None
        for day in days:
            terms = self._in_force(bucket, day)
            if terms is not None:
                if before is None or terms["id"] != before["id"]:
                    parts.append((terms, []))
                parts[-1][1].append(day)
            before = terms
        inside = self._between(period.start, period.end, width)
        of_day = {slot: max((d for d in days if cycle.first_instant(d) <= self._time(slot)), default=days[0])
                  for slot in inside}  # fmt: skip
        if parts and not parts[-1][0]["prorate"]:
            parts = [(parts[-1][0], [day for _, some in parts for day in some])]
            shares = [Fraction(1)]
        else:
            shares = [Fraction(len(some), len(days)) for _, some in parts]
        rated = []
        for (terms, some), share in zip(parts, shares, strict=True):
            slots = [slot for slot in inside if of_day[slot] in some]
            if slots:
                rated.append(self._segment(bucket, client, terms, share, slots, now=now))
        if not rated:
            return None
        return self._together(bucket, period, rated, now=now)

    def _in_force(self, bucket: Row, day: date) -> Row | None:
        begun = [t for t in self.terms if t["bucket_id"] == bucket["id"] and t["starts_on"] <= day]
        if not begun or (begun[-1]["ends_on"] is not None and day >= begun[-1]["ends_on"]):
            return None
        return begun[-1]

    def _segment(
        self, bucket: Row, client: Row, terms: Row, share: Fraction, slots: list[int], *, now: datetime
    ) -> Row:
        width = bucket["slot_minutes"] // 5
        ended = [slot for slot in slots if self._time(slot + width) <= now - SETTLED]
        quantity, coverage = self._quantity(bucket, terms, ended)
        money = charged(terms, quantity, share, client["currency_digits"])
        return {
            "terms": terms, "share": share, "quantity": quantity, "from_slot": slots[0], "to_slot": slots[-1] + width,
            **coverage, **money,
        }  # fmt: skip

    def _together(self, bucket: Row, period: Period, rated: list[Row], *, now: datetime) -> Expected:
        """Money adds up; quantities do under `sum`, of others it is the mean over the time."""
        width = bucket["slot_minutes"] // 5
        last = rated[-1]["terms"]
        kind = (last["aggregation"], last["percentile"])
        alike = [r for r in rated if (r["terms"]["aggregation"], r["terms"]["percentile"]) == kind]

        def units(name: str, places: int) -> Decimal:
            if len(alike) == 1:
                return Decimal(alike[0][name])
            if last["aggregation"] == "sum":
                return Decimal(sum((r[name] for r in alike), Decimal(0)))
            whole = sum(r["share"] for r in alike)
            return rounded(sum(r["share"] * Fraction(r[name]) for r in alike) / whole, places)

        added: Row = {
            name: sum((r[name] for r in rated), Decimal(0))
            for name in ("used", "buffer", "overage", "limit_amount", "cost")
        }
        added |= {name: sum(r[name] for r in rated) for name in (MEASURED, ABSENT, GAP, "spread")}
        settled = int((now - SETTLED - EPOCH) / FIVE_MINUTES) // width * width
        return Expected(
            period_end=period.end,
            from_slot=rated[0]["from_slot"],
            to_slot=rated[-1]["to_slot"],
            as_of_slot=max(rated[0]["from_slot"], min(settled, rated[-1]["to_slot"])),
            terms_id=last["id"],
            aggregation=last["aggregation"],
            percentile=last["percentile"],
            quantity=units("quantity", bucket["precision"]),
            commit=units("commit", 10),
            overage_units=units("overage_units", 10),
            segments=tuple(
                (r["terms"]["id"], r["from_slot"], r["to_slot"], r["share"], r["quantity"], r["cost"]) for r in rated
            ),
            **added,
        )  # fmt: skip

    def _quantity(self, bucket: Row, terms: Row, slots: list[int]) -> tuple[Decimal, Row]:
        bound = [b for b in self.bindings if b["bucket_id"] == bucket["id"]]
        pairs = {MEASURED: 0, ABSENT: 0, GAP: 0, "spread": 0}
        values: list[Fraction] = []
        held: list[Fraction] = []
        assets: set[int] = set()
        highest: dict[int, Fraction] = {}
        for slot in slots:
            there = [b["series_id"] for b in bound if b["from_slot"] <= slot < b["to_slot"]]
            of_asset: dict[int, Fraction] = defaultdict(Fraction)
            for series in there:
                known, value = self._known(bucket, terms, series, slot)
                asset = self.of[series]["asset_id"]
                if known in pairs:
                    pairs[known] += 1
                if self.cells.get((series, slot)):
                    assets.add(asset)
                    pairs["spread"] += bucket["kind"] == "amount" and self._caught_up(bucket, series, slot)
                of_asset[asset] += value
            values.append(sum(of_asset.values(), Fraction(0)))
            if there:
                held.append(values[-1])
            for asset, value in of_asset.items():
                highest[asset] = max(highest.get(asset, Fraction(0)), value)
        return self._aggregated(bucket, terms, values, held, assets, highest), pairs

    @staticmethod
    def _aggregated(
        bucket: Row, terms: Row, values: list[Fraction], held: list[Fraction], assets: set[int],
        highest: dict[int, Fraction],
    ) -> Decimal:  # fmt: skip
        if terms["aggregation"] == "count":
            return Decimal(len(assets))
        if not values:
            return Decimal(0)
        per = bucket["slot_minutes"] * 60 if bucket["per"] == "second" else 1
        hours = Fraction(bucket["slot_minutes"], 60) if bucket["kind"] == "level" else 1
        figures: dict[str, Callable[[], Fraction]] = {
            "sum": lambda: sum(values, Fraction(0)) * hours,
            "avg": lambda: sum(values, Fraction(0)) / len(values),
            "max": lambda: max(values),
            "min": lambda: min(held, default=Fraction(0)),
            "sum_of_max": lambda: sum(highest.values(), Fraction(0)),
            "percentile": lambda: sorted(values)[
                math.ceil(Fraction(terms["percentile"]) * len(values) / 100) - 1
            ],
            "last": lambda: values[-1],
        }
        steps = figures[terms["aggregation"]]()
        return rounded(steps / per / bucket["divisor"], bucket["precision"])

    def _known(self, bucket: Row, terms: Row, series: int, slot: int) -> tuple[str, Fraction]:
        """What is known of a bound series in a slot, and what that is worth."""
        state = self._state(bucket, series, slot)
        if state == MEASURED:
            return state, Fraction(self._value(bucket, self.cells[series, slot]))
        hold = terms["gap_hold"] if terms["gap_hold"] is not None else bucket["unit_gap_hold"]
        if state != GAP or bucket["kind"] != "level":
            return state, Fraction(0)
        width = bucket["slot_minutes"] // 5
        for back in range(1, hold + 1):
            earlier = slot - back * width
            if any(self.cells.get((o["id"], earlier + width)) for o in self.relatives[series]):
                break
            was = self._state(bucket, series, earlier)
            if was == MEASURED:
                return state, Fraction(self._value(bucket, self.cells[series, earlier]))
            if was != GAP:
                break
        return state, Fraction(0)

    def _state(self, bucket: Row, series: int, slot: int) -> str:
        if bucket["kind"] == "level" and any(
            self.cells.get((o["id"], slot))
            for o in self.relatives[series]
            if self._before(o, self.of[series])
        ):
            return NOTHING
        if self.cells.get((series, slot)):
            return MEASURED
        first = self.first[series]
        if first is None or slot < first:
            return NOTHING
        asset, source_type = self.of[series]["asset_id"], self.of[series]["source_type_id"]
        if any(p["asset_id"] == asset and p["from_slot"] <= slot < p["to_slot"] for p in self.pauses):
            return ABSENT
        earlier = self.measured_slots[series]
        place = bisect_left(earlier, slot)
        if place == 0:
            return GAP
        agent = min(self.cells[series, earlier[place - 1]], key=lambda c: (-c["n"], c["agent"]))["agent"]
        retired = self.retired[agent]
        if source_type in self.answers.get((agent, bucket["slot_minutes"], slot), ()) or (
            retired and retired <= self._time(slot)
        ):
            return ABSENT
        return GAP

    @staticmethod
    def _before(one: Row, other: Row) -> bool:
        """Which of an asset's series counts first: its own, then that of the asset merged in with the lowest id."""
        return (one["merged_from"] or 0) < (other["merged_from"] or 0)

    def _caught_up(self, bucket: Row, series: int, slot: int) -> bool:
        source_type = self.of[series]["source_type_id"]
        minutes = bucket["slot_minutes"]
        return any(
            source_type not in self.answers[cell["agent"], minutes, slot] for cell in self.cells[series, slot]
        )

    @staticmethod
    def _value(bucket: Row, cells: list[Row]) -> int:
        if bucket["kind"] == "amount":
            return sum(int(cell["total"]) for cell in cells)
        cell = min(cells, key=lambda c: (-c["n"], c["agent"]))
        if bucket["level_value"] != "mean":
            return int(cell[bucket["level_value"]])
        return int((2 * cell["total"] + cell["n"]) // (2 * cell["n"]))

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

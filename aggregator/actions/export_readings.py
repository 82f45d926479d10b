"""Writes the readings and adjustments of one period: a file for each source type, and a manifest of them last.

One consistent look at the database. Every row says whether it is provisional or final, a file's name whether all of it is.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from hashlib import sha256

from aggregator.actions.csv_rows import Columns, header, written
from aggregator.actions.readings_xlsx import workbook
from aggregator.domain.gap import percent_covered
from aggregator.domain.period import Calendar
from aggregator.domain.quantity import quantity_symbol
from aggregator.domain.terms import Aggregation, aggregation_name
from aggregator.errors import Invalid, NotFound
from aggregator.store import readings_export
from aggregator.store.calendars import calendars
from aggregator.store.readings_export import FileOf, Line
from aggregator.store.snapshot import Snapshot

FORMATS = ("csv", "xlsx")
CHUNK_BYTES = 256 * 1024
COLUMNS = Columns(
    required=(
        "kind",
        "state",
        "client",
        "client_id",
        "bucket",
        "bucket_id",
        "source_type",
        "unit_type",
        "aggregation",
        "first_day",
        "last_day",
        "period_start",
        "period_end",
        "adjusts",
        "quantity",
        "unit",
        "commit",
        "overage_units",
        "currency",
        "used",
        "buffer",
        "overage",
        "limit",
        "cost",
        "coverage",
        "cutoff",
        "finalised_at",
        "notes",
    ),
    numbers=frozenset(
        {
            "client_id",
            "bucket_id",
            "quantity",
            "commit",
            "overage_units",
            "used",
            "buffer",
            "overage",
            "limit",
            "cost",
            "coverage",
        }
    ),
)
# Raises rather than lose a digit of a total.
_EXACT = Context(prec=400, traps=[Inexact, InvalidOperation, Overflow])

Cells = Mapping[str, str | Decimal | None]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file; its name stands on the first one."""

    file_name: str
    data: bytes


@dataclass(slots=True)
class _Sums:
    """What was written of a file."""

    rows: int = 0
    of_kind: dict[str, int] = field(default_factory=lambda: {"reading": 0, "adjustment": 0})
    totals: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def add(self, line: Line) -> None:
        self.rows += 1
        self.of_kind[line.kind] += 1
        self.totals[line.currency] = _EXACT.add(self.totals[line.currency], line.cost)


async def export_readings(
    seen: Snapshot,
    *,
    client_id: int | None,
    day: date | None,
    form: str,
    source_type: str,
    month: date | None = None,
) -> AsyncIterator[Chunk]:
    """The period of each client that holds its local ``day``; None: that is open now. ``client_id`` None: all clients.

    With ``month``, the first day of a reporting month, instead all periods that count for it.

    Raises ``Invalid`` and ``NotFound`` for what is not there, before anything is written.
    """
    if form not in FORMATS:
        raise Invalid("format", f"must be {' or '.join(FORMATS)}")
    if source_type and not await readings_export.knows_source_type(seen.conn, source_type):
        raise Invalid("source_type", "there is no such source type")
    clients = await readings_export.client_ids(seen.conn, client_id)
    if client_id is not None and not clients:
        raise NotFound("client", client_id)
    known = await calendars(seen.conn, clients)
    at = [(client, one) for client in clients for one in _moments(known[client], day, month, now=seen.now)]
    label = f"{month:%Y-%m}" if month else (day or seen.now.date()).isoformat()
    entries: list[dict[str, object]] = []
    whole, final = _Sums(), True
    for file in await readings_export.files(seen.conn, at, source_type=source_type):
        state = "final" if file.final else "provisional"
        name = f"readings-{label}-{_safe(file.source_type)}-{state}.{form}"
        sums, digest, size = _Sums(), sha256(), 0
        first = name
        async for data in _file(seen, file, at, known, form=form, sums=(sums, whole)):
            digest.update(data)
            size += len(data)
            yield Chunk(first, data)
            first = ""
        final = final and file.final
        entries.append(
            {
                "name": name,
                "source_type": file.source_type,
                "state": state,
                "bytes": size,
                "sha256": digest.hexdigest(),
                **_said(sums),
            }
        )
    manifest = {
        "made_at": seen.now.isoformat(),
        "day": None if month else label,
        "month": label if month else None,
        "open_period": day is None and month is None,
        "state": "final" if final and entries else "provisional",
        "files": entries,
        **_said(whole),
    }
    yield Chunk(f"readings-{label}-manifest.json", json.dumps(manifest, indent=2).encode() + b"\n")


async def _file(
    seen: Snapshot,
    file: FileOf,
    at: Sequence[tuple[int, datetime]],
    known: Mapping[int, Calendar],
    *,
    form: str,
    sums: tuple[_Sums, ...],
) -> AsyncIterator[bytes]:
    rows: list[Cells] = []
    part = header(COLUMNS) if form == "csv" else ""
    async for line in readings_export.lines(seen.conn, at, source_type=file.source_type):
        for one in sums:
            one.add(line)
        cells = _cells(line, known[line.client_id])
        if form == "xlsx":
            rows.append(cells)
            continue
        part += written({name: _text(value) for name, value in cells.items()}, COLUMNS)
        if len(part) >= CHUNK_BYTES:
            yield part.encode()
            part = ""
    if form == "xlsx":
        state = "final" if file.final else "provisional"
        book = await asyncio.to_thread(workbook, COLUMNS.names, rows, sheet=state, made_at=seen.now)
        for start in range(0, len(book), CHUNK_BYTES):
            yield book[start : start + CHUNK_BYTES]
    elif part:
        yield part.encode()


def _cells(line: Line, calendar: Calendar) -> Cells:
    period = calendar.period_containing(line.period_start)
    coverage = None
    if line.measured is not None and line.absent is not None and line.gap is not None:
        coverage = percent_covered(measured=line.measured, absent=line.absent, gap=line.gap)
    return {
        "kind": line.kind,
        "state": "provisional" if line.finalised_at is None else "final",
        "client": line.client_name,
        "client_id": Decimal(line.client_id),
        "bucket": line.bucket_name,
        "bucket_id": Decimal(line.bucket_id),
        "source_type": line.source_type,
        "unit_type": line.unit_type,
        "aggregation": aggregation_name(line.aggregation, line.percentile),
        "first_day": calendar.first_day(period).isoformat(),
        "last_day": calendar.last_day(period).isoformat(),
        "period_start": _time(line.period_start),
        "period_end": _time(line.period_end),
        "adjusts": "" if line.of_start is None else calendar.day(line.of_start).isoformat(),
        "quantity": line.quantity,
        "unit": quantity_symbol(line.symbol, kind=line.unit_kind, aggregation=Aggregation(line.aggregation)),
        "commit": line.commit,
        "overage_units": line.overage_units,
        "currency": line.currency,
        "used": line.used,
        "buffer": line.buffer,
        "overage": line.overage,
        "limit": line.limit_amount,
        "cost": line.cost,
        "coverage": coverage,
        "cutoff": _time(line.cutoff),
        "finalised_at": "" if line.finalised_at is None else _time(line.finalised_at),
        "notes": line.notes,
    }


def _said(sums: _Sums) -> dict[str, object]:
    return {
        "rows": sums.rows,
        "readings": sums.of_kind["reading"],
        "adjustments": sums.of_kind["adjustment"],
        "totals": {currency: f"{total:f}" for currency, total in sorted(sums.totals.items())},
    }


def _moments(
    calendar: Calendar, day: date | None, month: date | None, *, now: datetime
) -> Sequence[datetime]:
    """A time in each period that is meant."""
    if month is None:
        return [now if day is None else calendar.first_instant(day)]
    since = calendar.first_instant(month)
    until = calendar.first_instant((month + timedelta(days=31)).replace(day=1))
    return [
        period.start
        for period in calendar.periods_between(since, until)
        if calendar.reporting_month(period) == month
    ]


def _safe(name: str) -> str:
    """As part of a file's name."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name)


def _text(value: str | Decimal | None) -> str:
    return "" if value is None else f"{value:f}" if isinstance(value, Decimal) else value


def _time(at: datetime) -> str:
    return at.isoformat()

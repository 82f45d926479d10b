"""What series are about worth in the time that can still be billed: loads totals and prices, and asks the domain."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sql
from aggregator.domain.estimate import Price, SeriesTotals, slots_between, window_slot, windows, worth
from aggregator.domain.quantity import Unit
from aggregator.domain.slot import slot_of, slot_start
from aggregator.store.calendars import calendars
from aggregator.store.database import Connection, fetch_all, fetch_one

_Q = sql.queries("estimate")
_NOBODY = 0


@dataclass(frozen=True, slots=True)
class SeriesEstimate:
    """What a series' usage is about worth, and whose it would be.

    ``money`` is None where no price was found; ``readings`` are the stored ones that it is made of. Without a client the
    currency is that of most clients.
    """

    series_id: int
    client_id: int | None
    currency: str | None
    money: Decimal | None
    readings: int


@dataclass(frozen=True, slots=True)
class WindowEstimate:
    """What a series' usage in one period, from and to, is about worth; None where no price was found."""

    from_slot: int
    to_slot: int
    money: Decimal | None
    readings: int


@dataclass(frozen=True, slots=True)
class PairEstimate:
    """What a series would cost in a bucket, by unfinalised period: the open one first, none where it is unknown whose."""

    currency: str | None
    windows: Sequence[WindowEstimate]


@dataclass(frozen=True, slots=True)
class _Asked:
    series_id: int
    source_type_id: int
    unit_type_id: int
    client_id: int | None
    bucket_id: int | None

    @property
    def kind(self) -> tuple[int, int, int]:
        return self.client_id or _NOBODY, self.source_type_id, self.unit_type_id


@dataclass(frozen=True, slots=True)
class _Unit:
    id: int
    kind: str
    divisor: int
    per: str
    precision: int
    slot_minutes: int

    @property
    def unit(self) -> Unit:
        return Unit(
            kind=self.kind,
            divisor=self.divisor,
            per=self.per,
            precision=self.precision,
            slot_minutes=self.slot_minutes,
        )


@dataclass(frozen=True, slots=True)
class _Currency:
    currency: str
    currency_digits: int


@dataclass(frozen=True, slots=True)
class _Finalised:
    id: int
    finalised_slot: int


@dataclass(frozen=True, slots=True)
class _Client(_Currency):
    windows: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _BucketPrice(Price):
    bucket_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _KindPrice(Price):
    client_id: int
    source_type_id: int
    unit_type_id: int


@dataclass(frozen=True, slots=True)
class _Totals:
    series_id: int
    total: Decimal
    high: int
    last: int
    readings: int

    @property
    def of_slots(self) -> SeriesTotals:
        return SeriesTotals(total=int(self.total), high=self.high, last=self.last)


async def estimate(
    conn: Connection, series_ids: Sequence[int], *, now: datetime
) -> Mapping[int, SeriesEstimate]:
    """What the usage of each series costs since its client's open period (nobody's: the calendar month) began.

    A bound series is priced by its bucket's terms, another by those of a bucket of its kind or a template. Ids that do not
    exist are left out.
    """
    params = {"series": list(series_ids), "slot": slot_of(now)}
    asked = await fetch_all(conn, _Asked, _Q["series"], params)
    worths = await _estimates(conn, asked, now=now, open_only=True)
    found = {}
    for one, worth_of in zip(asked, worths, strict=True):
        [latest] = worth_of.windows
        found[one.series_id] = SeriesEstimate(
            one.series_id, one.client_id, worth_of.currency, latest.money, latest.readings
        )
    return found


async def price_in(
    conn: Connection, pairs: Sequence[tuple[int, int]], *, now: datetime
) -> Mapping[tuple[int, int], PairEstimate]:
    """For pairs of series and bucket: what each series would cost if it were bound to that bucket, in unfinalised time."""
    params = {"series": [series for series, _ in pairs], "buckets": [bucket for _, bucket in pairs]}
    asked = await fetch_all(conn, _Asked, _Q["priced_in"], params)
    found = await _estimates(conn, asked, now=now, open_only=False)
    return {(one.series_id, one.bucket_id or 0): value for one, value in zip(asked, found, strict=True)}


async def _estimates(
    conn: Connection, asked: Sequence[_Asked], *, now: datetime, open_only: bool
) -> list[PairEstimate]:
    clients = await _clients(conn, {one.client_id for one in asked if one.client_id is not None}, now=now)
    usual = await fetch_one(conn, _Currency, _Q["usual_currency"])
    units = {row.id: row.unit for row in await fetch_all(conn, _Unit, _Q["units"])}
    month = (window_slot(now=now, finalised_slot=0, cycle=None), slot_of(now))
    of_bucket = await _bucket_prices(conn, asked, now=now)
    of_kind = await _kind_prices(
        conn, [one for one in asked if one.bucket_id not in of_bucket], clients, usual
    )
    spans: list[Sequence[tuple[int, int]]] = []
    for one in asked:
        client = clients.get(one.client_id or _NOBODY)
        spans.append([month] if client is None else client.windows[:1] if open_only else client.windows)
    totals = await _totals(conn, asked, spans, now=now)
    found = []
    for one, of_time in zip(asked, spans, strict=True):
        of = clients.get(one.client_id or _NOBODY) or usual
        price = of_bucket.get(one.bucket_id or _NOBODY) or of_kind.get(one.kind)
        unit = units[one.unit_type_id]
        parts = []
        for span in of_time:
            row = totals.get((one.series_id, span))
            money = None
            if of is not None and price is not None:
                until = now if span is of_time[0] else slot_start(span[1])
                money = worth(
                    row.of_slots if row else None,
                    price,
                    unit=unit,
                    slots=slots_between(span[0], now=until, width=unit.width),
                    currency_digits=of.currency_digits,
                )
            parts.append(WindowEstimate(*span, money, row.readings if row else 0))
        found.append(PairEstimate(of.currency if of else None, parts))
    return found


async def _clients(conn: Connection, ids: Collection[int], *, now: datetime) -> dict[int, _Client]:
    """By id, with the currency of their open period."""
    known = await calendars(conn, ids)
    found = {}
    for row in await fetch_all(conn, _Finalised, _Q["clients"], {"clients": list(ids)}):
        calendar = known[row.id]
        currency = calendar.era(now).currency
        found[row.id] = _Client(
            currency.code,
            currency.digits,
            windows(now=now, finalised_slot=row.finalised_slot, calendar=calendar),
        )
    return found


async def _bucket_prices(conn: Connection, asked: Iterable[_Asked], *, now: datetime) -> dict[int, Price]:
    buckets = list({one.bucket_id for one in asked if one.bucket_id is not None})
    rows = await fetch_all(conn, _BucketPrice, _Q["bucket_prices"], {"buckets": buckets, "now": now})
    return {row.bucket_id: row for row in rows}


async def _kind_prices(
    conn: Connection, asked: Iterable[_Asked], clients: Mapping[int, _Client], usual: _Currency | None
) -> dict[tuple[int, int, int], Price]:
    kinds = list({one.kind for one in asked})
    currencies = [clients.get(client_id) or usual for client_id, _, _ in kinds]
    params = {
        "clients": [client_id for client_id, _, _ in kinds],
        "sources": [source for _, source, _ in kinds],
        "units": [unit for _, _, unit in kinds],
        "currencies": [one.currency if one else None for one in currencies],
    }
    rows = await fetch_all(conn, _KindPrice, _Q["kind_prices"], params)
    return {(row.client_id, row.source_type_id, row.unit_type_id): row for row in rows}


async def _totals(
    conn: Connection, asked: Sequence[_Asked], spans: Sequence[Sequence[tuple[int, int]]], *, now: datetime
) -> dict[tuple[int, tuple[int, int]], _Totals]:
    """By series and window: one series may be asked for several clients."""
    found: dict[tuple[int, tuple[int, int]], _Totals] = {}
    by_window: dict[tuple[int, int], list[int]] = {}
    for one, of_time in zip(asked, spans, strict=True):
        for span in of_time:
            by_window.setdefault(span, []).append(one.series_id)
    # Clients mostly share their windows: months of the same zone.
    for span, series in by_window.items():
        distinct = list(dict.fromkeys(series))
        params = {
            "series": distinct,
            "from_slots": [span[0]] * len(distinct),
            "to_slot": span[1],
            "slot": slot_of(now),
        }
        for row in await fetch_all(conn, _Totals, _Q["totals"], params):
            found[row.series_id, span] = row
    return found

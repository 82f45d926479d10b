"""Reads usage as it is rated: slot values folded by segment, and what is known of the slots without any."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sql
from aggregator.domain.daily import DayFold
from aggregator.domain.due import Agreement
from aggregator.domain.gap import Coverage, hold_of
from aggregator.domain.quantity import Usage, rank
from aggregator.domain.terms import Aggregation, Segment
from aggregator.store.database import Connection

_Q = sql.queries("rating")

# What the statement is asked to fold of a segment.
_FOLDS = {
    Aggregation.SUM: "total",
    Aggregation.AVG: "total",
    Aggregation.MAX: "slots",
    Aggregation.MIN: "slots",
    Aggregation.PERCENTILE: "slots",
    Aggregation.SUM_OF_MAX: "maxima",
    Aggregation.LAST: "last",
    Aggregation.COUNT: "assets",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A segment of a bucket of which the slots before ``until`` are to be read.

    ``days_from``: the days from that slot's on are wanted one by one too; None: none of them.
    """

    agreement: Agreement
    segment: Segment
    until: int
    days_from: int | None = None

    @property
    def slots(self) -> int:
        """How many of them count."""
        width = self.agreement.unit.width
        return sum((end - start) // width for start, end in self.segment.spans(until=self.until))


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A segment's usage by the cutoff; ``late`` where there is more, stored after it.

    ``days`` are those that were asked for and have a value.
    """

    usage: Usage
    coverage: Coverage
    late: bool
    days: Sequence[DayFold] = ()


@dataclass(frozen=True, slots=True)
class _Span:
    place: int
    asked: Asked
    from_slot: int
    to_slot: int
    last_slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One thing to be looked up of a segment, for evidence and explanations.

    ``fold`` is what to make of its slots: 'total', 'values' (the slot values themselves), 'maxima', 'assets', or 'last' (the
    value in ``slot`` alone). ``apart``: by asset.
    """

    asked: Asked
    fold: str
    apart: bool = False
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found of ``Look`` number ``place``; ``asset_id`` is 0 for all assets, slots without a value are worth 0."""

    place: int
    asset_id: int
    folded: Folded
    held: int
    values: Mapping[int, int]


async def usage(conn: Connection, asked: Sequence[Asked], *, cutoff: datetime) -> Mapping[int, Folded]:
    """What was stored by the cutoff, by place in ``asked``; segments to which nothing is bound are left out."""
    spans = [span for place, one in enumerate(asked) for span in _spans(place, one)]
    rows = await _rows(conn, _params(spans), cutoff=cutoff) if spans else []
    return {
        place: replace(_folded(*figures), days=[DayFold(*day) for day in days])
        for place, _, *figures, _, _, _, days in rows
    }


async def look(
    conn: Connection,
    looks: Sequence[Look],
    *,
    cutoff: datetime,
    bindings: Sequence[int] | None = None,
    asset_id: int | None = None,
    raw: bool = False,
) -> list[Seen]:
    """The same rules as ``usage``, in more detail; what nothing is bound to is left out.

    ``bindings`` and ``asset_id`` narrow it to these; ``raw``: all slots are worked out from raw readings again.
    """
    spans = [span for place, one in enumerate(looks) for span in _spans(place, one.asked)]
    if not spans:
        return []
    params = _params(spans)
    params["folds"] = [looks[s.place].fold for s in spans]
    params["apart"] = [looks[s.place].apart for s in spans]
    params["last_slots"] = [s.last_slot if (slot := looks[s.place].slot) is None else slot for s in spans]
    rows = await _rows(conn, params, cutoff=cutoff, bindings=bindings, asset_id=asset_id, raw=raw)
    return [
        Seen(place, asset, _folded(*figures), held, dict(zip(slots, map(int, values), strict=True)))
        for place, asset, *figures, held, slots, values, _ in rows
    ]


async def _rows(
    conn: Connection,
    params: Mapping[str, object],
    *,
    cutoff: datetime,
    bindings: Sequence[int] | None = None,
    asset_id: int | None = None,
    raw: bool = False,
) -> list[tuple[Any, ...]]:
    narrowed = {
        "cutoff": cutoff,
        "bindings": None if bindings is None else list(bindings),
        "asset": asset_id,
        "raw": raw,
    }
    await conn.execute(_Q["memory"])
    rows = await (await conn.execute(_Q["usage"], {**params, **narrowed})).fetchall()
    await conn.execute(_Q["ordinary"])
    return rows


def _spans(place: int, asked: Asked) -> list[_Span]:
    found = asked.segment.spans(until=asked.until)
    return [_Span(place, asked, a, b, found[-1][1] - asked.agreement.unit.width) for a, b in found]


def _params(spans: Sequence[_Span]) -> dict[str, object]:
    holds = [hold_of(s.asked.segment.terms, s.asked.agreement.unit) for s in spans]
    return {
        "segments": [s.place for s in spans],
        "bucket_ids": [s.asked.agreement.bucket_id for s in spans],
        "from_slots": [s.from_slot for s in spans],
        "to_slots": [s.to_slot for s in spans],
        "holds": holds,
        "folds": [_FOLDS[s.asked.segment.terms.aggregation] for s in spans],
        "places": [_place_from_top(s.asked) for s in spans],
        "last_slots": [s.last_slot for s in spans],
        "apart": [False] * len(spans),
        "days_from": [s.asked.days_from for s in spans],
        "since": min(
            s.from_slot - h * s.asked.agreement.unit.width for s, h in zip(spans, holds, strict=True)
        ),
        "until": max(s.to_slot for s in spans),
    }


def _place_from_top(asked: Asked) -> int | None:
    """Slot values are never negative, so those that are 0 for want of a row are the last from the top."""
    percentile = asked.segment.terms.percentile
    return None if percentile is None else asked.slots - rank(percentile, asked.slots) + 1


def _folded(*figures: int) -> Folded:
    # Sums come as numeric: they may be larger than a bigint, and are whole.
    total, high, low, ranked, maxima, assets, measured, absent, gap, spread, late = figures
    return Folded(
        usage=Usage(
            total=int(total),
            high=int(high),
            low=int(low),
            last=int(total),
            ranked=int(ranked),
            maxima=int(maxima),
            assets=assets,
        ),
        coverage=Coverage(measured=measured, absent=absent, gap=gap, spread=spread),
        late=bool(late),
    )

"""Reads usage as it is rated: slot values folded by segment, and what is known of the slots without any."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sql
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
    """A segment of a bucket of which the slots before ``until`` are to be read."""

    agreement: Agreement
    segment: Segment
    until: int

    @property
    def slots(self) -> int:
        """How many of them count."""
        width = self.agreement.unit.width
        return sum((end - start) // width for start, end in self.segment.spans(until=self.until))


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A segment's usage by the cutoff; ``late`` where there is more, stored after it."""

    usage: Usage
    coverage: Coverage
    late: bool


@dataclass(frozen=True, slots=True)
class _Span:
    place: int
    asked: Asked
    from_slot: int
    to_slot: int
    last_slot: int


async def usage(conn: Connection, asked: Sequence[Asked], *, cutoff: datetime) -> Mapping[int, Folded]:
    """What was stored by the cutoff, by place in ``asked``; segments to which nothing is bound are left out."""
    spans = [
        _Span(place, one, start, end, found[-1][1] - one.agreement.unit.width)
        for place, one in enumerate(asked)
        for found in [one.segment.spans(until=one.until)]
        for start, end in found
    ]
    if not spans:
        return {}
    await conn.execute(_Q["memory"])
    rows = await (await conn.execute(_Q["usage"], {**_params(spans), "cutoff": cutoff})).fetchall()
    await conn.execute(_Q["ordinary"])
    return {place: _folded(*figures) for place, *figures in rows}


def _params(spans: Sequence[_Span]) -> dict[str, list[int] | list[str] | list[int | None] | int]:
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

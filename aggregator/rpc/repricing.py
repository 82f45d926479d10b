"""Right-size and what-if, for people: readings under other terms.

Prices are worked out in a thread of their own: readings go on being taken in meanwhile.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby

from aggregator.actions.given_change import read_change
from aggregator.domain.right_size import right_size
from aggregator.domain.what_if import (
    READINGS_DEFAULT,
    READINGS_MAX,
    READINGS_MIN,
    Change,
    RatedReading,
    costs,
)
from aggregator.errors import Invalid
from aggregator.rpc import convert_analysis
from aggregator.rpc.scope import narrowed
from aggregator.rpc.server import Context
from aggregator.store import analysis, repricing
from aggregator.store.analysis import Wanted
from aggregator.store.database import Database
from aggregator.store.repricing import SizedBucket
from aggregator.store.snapshot import Snapshot, snapshot
from ullage.v1 import analysis_pb2, analysis_pb2_grpc

LIMIT_DEFAULT = 20
LIMIT_MAX = 200
ROWS_MAX = 1_000
PRICED_MAX = 50_000


class RepricingMethods(analysis_pb2_grpc.AnalysisServicer):
    """Part of the service Analysis."""

    _db: Database

    async def ListRightSize(
        self, request: analysis_pb2.ListRightSizeRequest, context: Context
    ) -> analysis_pb2.ListRightSizeReply:
        """Only buckets with a commit, and only readings in the currency of the newest."""
        readings = request.readings or READINGS_DEFAULT
        if not READINGS_MIN <= readings <= READINGS_MAX:
            raise Invalid("readings", f"must be {READINGS_MIN} to {READINGS_MAX}")
        if request.limit > LIMIT_MAX:
            raise Invalid("limit", f"at most {LIMIT_MAX} buckets are looked at")
        wanted = Wanted(client_id=narrowed(request.client_id), unit_type=request.unit_type)
        async with snapshot(self._db) as seen:
            await analysis.check(seen, wanted)
            buckets = await repricing.right_size_buckets(
                seen,
                client_id=wanted.client_id,
                unit_type=wanted.unit_type,
                readings=readings,
                limit=request.limit or LIMIT_DEFAULT,
            )
            sized = await repricing.sized(seen, buckets)
            found = await repricing.ended_readings(seen, buckets, readings=readings)
        of_bucket = {bucket: list(of) for bucket, of in groupby(found, key=lambda one: one.bucket_id)}
        asked = [(sized[bucket], of_bucket[bucket]) for bucket in buckets if bucket in of_bucket]
        return analysis_pb2.ListRightSizeReply(rows=await asyncio.to_thread(_right_sizes, asked))

    async def WhatIf(self, request: analysis_pb2.WhatIfRequest, context: Context) -> analysis_pb2.WhatIfReply:
        """Of many readings those are listed that change most; the sums are of all."""
        change = read_change(convert_analysis.given_change(request))
        if request.readings > READINGS_MAX:
            raise Invalid("readings", f"at most {READINGS_MAX}")
        wanted = Wanted(client_id=narrowed(request.client_id), bucket_id=request.bucket_id or None)
        one_or_client = wanted.bucket_id is not None or wanted.client_id is not None
        readings = request.readings or (READINGS_DEFAULT if one_or_client else 1)
        async with snapshot(self._db) as seen:
            await analysis.check(seen, wanted)
            buckets = await repricing.billed_buckets(
                seen, bucket_id=wanted.bucket_id, client_id=wanted.client_id, limit=PRICED_MAX + 1
            )
            if len(buckets) * readings > PRICED_MAX:
                fewer = PRICED_MAX // len(buckets)
                raise Invalid(
                    "readings",
                    f"at most {PRICED_MAX} readings are priced at once; ask for {fewer} or one client",
                )
            found = await repricing.ended_readings(seen, buckets, readings=readings)
            found, left_out = await _with_quantities(seen, found, change, again=wanted.bucket_id is not None)
            after = await asyncio.to_thread(costs, found, change)
            shown = _most_changed(found, after)
            names = await repricing.names(seen, list({found[place].bucket_id for place in shown}))
        return analysis_pb2.WhatIfReply(
            rows=[
                convert_analysis.what_if_row(found[place], after[place], names[found[place].bucket_id])
                for place in shown
            ],
            before=convert_analysis.moneys(_sums(found, [one.cost for one in found])),
            after=convert_analysis.moneys(_sums(found, after)),
            notes=_notes(request, change, found, shown=len(shown), left_out=left_out),
        )


def _right_sizes(
    asked: Sequence[tuple[SizedBucket, Sequence[RatedReading]]],
) -> list[analysis_pb2.RightSize]:
    rows = []
    for bucket, found in asked:
        readings = [one for one in found if one.currency == found[-1].currency]
        if len(readings) >= READINGS_MIN:
            best = right_size(readings, commit=bucket.commit, places=bucket.precision)
            rows.append(convert_analysis.right_size(bucket, readings, best))
    return rows


async def _with_quantities(
    seen: Snapshot, found: Sequence[RatedReading], change: Change, *, again: bool
) -> tuple[list[RatedReading], int]:
    """The readings with the quantities that the change makes, and how many were left out because it takes their slots."""
    kept, left_out = [], 0
    for reading in found:
        if not _other_usage(reading, change):
            kept.append(reading)
        elif again:
            kept.append(await repricing.rated_again(seen, reading, change))
        else:
            left_out += 1
    return kept, left_out


def _other_usage(reading: RatedReading, change: Change) -> bool:
    return any(
        (change.aggregation or (part.terms.aggregation, part.terms.percentile))
        != (part.terms.aggregation, part.terms.percentile)
        or (change.gap_hold is not None and change.gap_hold != part.terms.gap_hold)
        for part in reading.segments
    )


def _most_changed(found: Sequence[RatedReading], after: Sequence[Decimal]) -> list[int]:
    """Places of those to be listed, in their order; of too many, of each currency as many, those that change most."""
    if len(found) <= ROWS_MAX:
        return list(range(len(found)))
    by_currency: defaultdict[str, list[int]] = defaultdict(list)
    for place, reading in enumerate(found):
        by_currency[reading.currency].append(place)
    share = ROWS_MAX // len(by_currency)
    return sorted(
        place
        for places in by_currency.values()
        for place in sorted(places, key=lambda p: (-abs(after[p] - found[p].cost), p))[:share]
    )


def _sums(readings: Sequence[RatedReading], amounts: Sequence[Decimal]) -> dict[str, Decimal]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for reading, amount in zip(readings, amounts, strict=True):
        sums[reading.currency] += amount
    return sums


def _notes(
    request: analysis_pb2.WhatIfRequest,
    change: Change,
    found: Sequence[RatedReading],
    *,
    shown: int,
    left_out: int,
) -> list[str]:
    notes = []
    if left_out:
        notes.append(
            f"{left_out} readings are left out: another aggregation or gap rule takes their slots; ask for one bucket"
        )
    if shown < len(found):
        notes.append(
            f"{shown} of {len(found)} readings are listed, those that change most; the sums are of all"
        )
    if request.terms.prorate:
        notes.append("prorating stays as it is agreed")
    replaced = sum(any(part.terms.tiers for part in one.segments) for one in found)
    if replaced and change.overage_price is not None:
        notes.append(f"the overage price takes the place of the tiers in {replaced} readings")
    if change.commit_percent is not None and (none := sum(one.commit == 0 for one in found)):
        notes.append(f"{none} readings have no commit, which no per cent changes")
    currencies = Counter(one.currency for one in found)
    absolute = (change.base_price, change.overage_price, change.minimum, change.maximum, change.tiers)
    if len(currencies) > 1 and any(one is not None for one in absolute):
        notes.append(f"the prices are taken in each reading's own currency: {', '.join(sorted(currencies))}")
    return notes

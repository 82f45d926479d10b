"""Which buckets there are, what they agree on, and how full they are; and the rules beside them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sql
from aggregator.domain.terms import Terms
from aggregator.store.database import fetch_all
from aggregator.store.paging import Page, Paging, contains, find, page
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("buckets")

SORTS = (
    "id",
    "name",
    "client_name",
    "source_type",
    "unit_type",
    "created_at",
    "current_usage",
    "projected_cost",
    "percent_of_commit",
)

Conditions = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketFilter:
    """What a list of buckets is restricted to; ``search`` looks at the names of bucket and client."""

    search: str = ""
    client_id: int | None = None
    source_type: str | None = None
    unit_type: str | None = None
    not_reviewed: bool = False
    enabled: bool = False
    disabled: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True)
class BucketRow:
    """A bucket; usage, cost and commit are of the open period, None before it was rated or projected."""

    id: int
    client_id: int
    client_name: str
    time_zone: str
    currency: str
    name: str
    source_type: str
    unit_type: str
    symbol: str
    kind: str
    priority: int
    reviewed: bool
    enabled: bool
    created_at: datetime
    current_usage: Decimal | None
    current_cost: Decimal | None
    current_commit: Decimal | None
    as_of_slot: int | None
    projected_quantity: Decimal | None
    projected_cost: Decimal | None
    percent_of_commit: Decimal | None
    provisioned: bool
    finalised_slot: int
    series: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsOfBucket(Terms):
    """Terms with the bucket they are of."""

    bucket_id: int


@dataclass(frozen=True, slots=True)
class FilterRow:
    """One alternative of a bucket's filters."""

    bucket_id: int
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class AssignmentRuleRow:
    """Which assets are a client's without anybody saying so for each."""

    id: int
    client_id: int
    priority: int
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class BucketDetail:
    """A bucket with its dated terms, oldest first, and its filters."""

    bucket: BucketRow
    terms: Sequence[Terms]
    filters: Sequence[Conditions]


async def list_buckets(seen: Snapshot, paging: Paging, wanted: BucketFilter) -> Page[BucketDetail]:
    """A page of buckets."""
    keys = await find(
        seen.conn,
        _Q["page"],
        paging,
        now=seen.now,
        search=contains(wanted.search),
        client_id=wanted.client_id,
        source_type=wanted.source_type,
        unit_type=wanted.unit_type,
        not_reviewed=wanted.not_reviewed,
        enabled=wanted.enabled,
        disabled=wanted.disabled,
        over=wanted.over,
    )
    ids = list(keys.ids[: paging.size])
    found = page(keys, paging, await _rows(seen, ids))
    return Page(await _details(seen, found.rows), found.total, found.next)


async def get_bucket(seen: Snapshot, bucket_id: int) -> BucketDetail | None:
    """One bucket, or None."""
    return next(iter(await _details(seen, await _rows(seen, [bucket_id]))), None)


async def assignment_rules(seen: Snapshot) -> list[AssignmentRuleRow]:
    """All assignment rules in the order in which they are tried."""
    return await fetch_all(seen.conn, AssignmentRuleRow, _Q["assignment_rules"])


async def _rows(seen: Snapshot, ids: list[int]) -> list[BucketRow]:
    return await fetch_all(seen.conn, BucketRow, _Q["rows"], {"ids": ids, "slot": seen.slot, "now": seen.now})


async def _details(seen: Snapshot, rows: Sequence[BucketRow]) -> list[BucketDetail]:
    params = {"ids": [row.id for row in rows]}
    terms: defaultdict[int, list[Terms]] = defaultdict(list)
    for agreed in await fetch_all(seen.conn, TermsOfBucket, _Q["terms"], params):
        terms[agreed.bucket_id].append(agreed)
    filters: defaultdict[int, list[Conditions]] = defaultdict(list)
    for one in await fetch_all(seen.conn, FilterRow, _Q["filters"], params):
        filters[one.bucket_id].append(one.conditions)
    return [BucketDetail(row, terms[row.id], filters[row.id]) for row in rows]

"""Buckets as they are changed: what they are called, what they take, and what they agree on from when to when."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby

from psycopg.types.json import Jsonb

import sql
from aggregator.domain.match import Filter
from aggregator.domain.terms import Terms
from aggregator.store.database import Connection, execute, fetch_all, fetch_one, fetch_value
from aggregator.store.rules import read_filters

_Q = sql.queries("agreements")


@dataclass(frozen=True, slots=True)
class HeldBucket:
    """A bucket that nobody else changes meanwhile; ``now`` is the database's time."""

    id: int
    client_id: int
    client_name: str
    client_enabled: bool
    currency_digits: int
    name: str
    source_type_id: int
    slot_minutes: int
    priority: int
    enabled: bool
    finalised_slot: int
    filters: str
    now: datetime

    def conditions(self) -> list[Filter]:
        """Its filters; those that cannot be read are left out."""
        try:
            return read_filters(self.filters)
        except (ValueError, KeyError, TypeError):
            return []


@dataclass(frozen=True, slots=True, kw_only=True)
class _TermsRow(Terms):
    bucket_id: int


@dataclass(frozen=True, slots=True)
class Rated:
    """A reading that is not finalised, by what an estimate of other terms needs."""

    bucket_id: int
    period_start: datetime
    quantity: Decimal
    cost: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Bound:
    """What is bound in time that is not finalised."""

    assets: int
    series: int


async def hold(conn: Connection, bucket_ids: Collection[int]) -> list[HeldBucket]:
    """The buckets in order of their ids, kept from other changes until the transaction ends; unknown ones are left out."""
    return await fetch_all(conn, HeldBucket, _Q["hold"], {"buckets": list(bucket_ids)})


async def is_named(conn: Connection, bucket: HeldBucket, name: str) -> bool:
    """Whether another bucket of its client has the name."""
    params = {"client_id": bucket.client_id, "bucket_id": bucket.id, "name": name}
    return bool(await fetch_value(conn, _Q["named"], params))


async def describe(conn: Connection, bucket_id: int, *, name: str, priority: int) -> None:
    """Saves what it is called and before which others it is asked."""
    await execute(conn, _Q["describe"], {"bucket_id": bucket_id, "name": name, "priority": priority})


async def replace_filters(conn: Connection, bucket_id: int, filters: Sequence[str]) -> None:
    """Other filters instead of those it has, each as the column keeps it."""
    await execute(conn, _Q["remove_filters"], {"bucket_id": bucket_id})
    await execute(conn, _Q["add_filters"], {"bucket_id": bucket_id, "filters": list(filters)})


async def terms(conn: Connection, bucket_ids: Collection[int]) -> Mapping[int, list[Terms]]:
    """All terms of each bucket that has any, oldest first."""
    rows = await fetch_all(conn, _TermsRow, _Q["terms"], {"buckets": list(bucket_ids)})
    return {key: list(of_bucket) for key, of_bucket in groupby(rows, key=lambda row: row.bucket_id)}


async def add_terms(conn: Connection, bucket_id: int, agreed: Terms) -> int:
    """The id of the new terms."""
    terms_id: int = await fetch_value(conn, _Q["add_terms"], {"bucket_id": bucket_id, **_columns(agreed)})
    return terms_id


async def replace_terms(conn: Connection, terms_id: int, agreed: Terms) -> None:
    """Other terms in the place of these; the database refuses it for finalised ones, and marks what they rated."""
    await execute(conn, _Q["replace_terms"], {"terms_id": terms_id, **_columns(agreed)})


async def remove_terms(conn: Connection, terms_id: int) -> None:
    """Takes terms away, with what was rated under them; the database refuses it for finalised ones."""
    await execute(conn, _Q["remove_terms"], {"terms_id": terms_id})


async def set_enabled(conn: Connection, bucket_ids: Collection[int], *, enabled: bool) -> None:
    """Saves the intention; the time is in the terms."""
    await execute(conn, _Q["set_enabled"], {"buckets": list(bucket_ids), "enabled": enabled})


async def set_reviewed(conn: Connection, bucket_ids: Collection[int], *, reviewed: bool) -> int:
    """How many were not so before."""
    return await execute(conn, _Q["set_reviewed"], {"buckets": list(bucket_ids), "reviewed": reviewed})


async def rated(conn: Connection, bucket_ids: Collection[int]) -> list[Rated]:
    """Readings of the buckets that are not finalised."""
    return await fetch_all(conn, Rated, _Q["rated"], {"buckets": list(bucket_ids)})


async def bound(conn: Connection, bucket_ids: Collection[int]) -> Bound:
    """How much is bound to the buckets."""
    return await fetch_one(conn, Bound, _Q["bound"], {"buckets": list(bucket_ids)}) or Bound(0, 0)


def _columns(agreed: Terms) -> dict[str, date | Decimal | str | int | bool | Jsonb | None]:
    tiers = [{"above": f"{tier.above:f}", "price": f"{tier.price:f}"} for tier in agreed.tiers]
    return {
        "starts_on": agreed.starts_on,
        "ends_on": agreed.ends_on,
        "commit": agreed.commit,
        "base_price": agreed.base_price,
        "overage_price": agreed.overage_price,
        "aggregation": agreed.aggregation.value,
        "percentile": agreed.percentile,
        "package": agreed.package,
        "minimum": agreed.minimum,
        "maximum": agreed.maximum,
        "tiers": Jsonb(tiers) if tiers else None,
        "gap_hold": agreed.gap_hold,
        "prorate": agreed.prorate,
    }

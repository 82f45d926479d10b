"""Sums over many buckets for the dashboard."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import sql
from aggregator.domain.insight import BilledCost, ExpectedCost, ends_since
from aggregator.store.database import fetch_all
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("insight")

NEW_OVERAGES_MAX = 50


@dataclass(frozen=True, slots=True)
class NewOverage:
    """A bucket that is projected above its commit and was not above it last period."""

    client_id: int
    client_name: str
    bucket_id: int
    bucket_name: str
    percent_of_commit: Decimal


async def expected(seen: Snapshot, *, since: datetime) -> list[ExpectedCost]:
    """What clients' periods with an end after ``since`` cost or are projected to."""
    return await fetch_all(seen.conn, ExpectedCost, _Q["expected"], {"now": seen.now, "since": since})


async def billed(seen: Snapshot, *, first: date) -> list[BilledCost]:
    """What the periods of the months from ``first`` on cost so far, with adjustments."""
    params = {"first": first, "since": ends_since(first)}
    return await fetch_all(seen.conn, BilledCost, _Q["revenue"], params)


async def new_overages(seen: Snapshot) -> list[NewOverage]:
    """The worst first."""
    params = {"now": seen.now, "limit": NEW_OVERAGES_MAX}
    return await fetch_all(seen.conn, NewOverage, _Q["new_overages"], params)

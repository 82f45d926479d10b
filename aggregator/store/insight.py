"""Sums over many buckets for the dashboard."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sql
from aggregator.domain.insight import BilledCost, ExpectedCost
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


async def billed(seen: Snapshot, *, since: datetime) -> list[BilledCost]:
    """What all periods with an end after ``since`` cost so far."""
    return await fetch_all(seen.conn, BilledCost, _Q["revenue"], {"since": since})


async def new_overages(seen: Snapshot) -> list[NewOverage]:
    """The worst first."""
    params = {"now": seen.now, "limit": NEW_OVERAGES_MAX}
    return await fetch_all(seen.conn, NewOverage, _Q["new_overages"], params)

"""Clients' calendars, as they are stored: the cycle of the client's own row, and those that it had before."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import sql
from aggregator.domain.period import Calendar, Currency, Cycle, Era
from aggregator.store.database import Connection, fetch_all

_Q = sql.queries("calendars")


@dataclass(frozen=True, slots=True)
class _Era:
    client_id: int
    until: date | None
    currency: str
    currency_digits: int
    time_zone: str
    cycle_unit: str
    cycle_count: int
    cycle_anchor: date


async def calendars(conn: Connection, clients: Collection[int]) -> Mapping[int, Calendar]:
    """By client; unknown ones are left out. Raises ``ValueError`` where a zone is unknown to this machine."""
    rows = await fetch_all(conn, _Era, _Q["eras"], {"clients": list(clients)})
    return {
        client_id: Calendar(tuple(map(_era, eras)))
        for client_id, eras in groupby(rows, key=lambda row: row.client_id)
    }


def _era(row: _Era) -> Era:
    return Era(
        cycle=Cycle(
            unit=row.cycle_unit,
            count=row.cycle_count,
            anchor=row.cycle_anchor,
            time_zone=row.time_zone,
        ),
        currency=Currency(row.currency, row.currency_digits),
        until=row.until,
    )

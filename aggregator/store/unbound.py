"""Keeps what the usage that is bound to nothing is about worth, for lists that show it and are ordered by it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sql
from aggregator.domain.rate import round_half_away
from aggregator.domain.slot import slot_of
from aggregator.store.database import Connection, execute, fetch_all
from aggregator.store.estimate import estimate

_Q = sql.queries("estimate")
_R = sql.queries("rollup")


@dataclass(frozen=True, slots=True)
class _Stale:
    series_id: int
    unbound: int
    measured: int


async def price_stale(conn: Connection, *, now: datetime, series_max: int) -> int:
    """Works out anew the money of at most so many series that may be unbound; returns how many there were.

    Where part of a series' usage is bound, the rest has its share of the slots.
    """
    month_slot = slot_of(now.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    # Before any row is held: who changes bindings holds sums of assets when it comes to the rows of further series.
    await conn.execute(_R["share_bound"])
    params = {"limit": series_max, "slot": slot_of(now), "month_slot": month_slot}
    stale = await fetch_all(conn, _Stale, _Q["stale"], params)
    if not stale:
        return 0
    worth = await estimate(conn, [one.series_id for one in stale], now=now)
    money = []
    for one in stale:
        whole = worth[one.series_id].money
        money.append(None if whole is None else _part(whole, of=one.unbound, in_all=one.measured))
    await execute(
        conn,
        _Q["save_money"],
        {
            "series": [one.series_id for one in stale],
            "money": money,
            "currencies": [worth[one.series_id].currency for one in stale],
        },
    )
    return len(stale)


def _part(whole: Decimal, *, of: int, in_all: int) -> Decimal:
    """To as many decimals as the whole has: those of its currency."""
    exponent = whole.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    return round_half_away(whole * of / max(1, in_all), places=places)

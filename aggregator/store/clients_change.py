"""Writes clients: what they are called, how their time is cut, and whether they are billed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sql
from aggregator.domain.client import Dated, NewClient
from aggregator.domain.period import Calendar, Era
from aggregator.store.database import Connection, execute, fetch_all, fetch_one, fetch_value

_Q = sql.queries("clients_change")


@dataclass(frozen=True, slots=True)
class HeldClient:
    """A client that nobody else changes meanwhile; ``now`` is the database's time."""

    id: int
    name: str
    contact: str
    close_after_days: int | None
    enabled: bool
    disabled_on: date | None
    finalised_slot: int
    erased: bool
    now: datetime


async def insert(conn: Connection, new: NewClient) -> int | None:
    """Its id; None when the name is taken."""
    params = {
        "name": new.name,
        "currency": new.currency,
        "currency_digits": new.currency_digits,
        "time_zone": new.cycle.time_zone,
        "cycle_unit": new.cycle.unit,
        "cycle_count": new.cycle.count,
        "cycle_anchor": new.cycle.anchor,
        "contact": new.contact,
        "close_after_days": new.close_after_days,
    }
    client_id: int | None = await fetch_value(conn, _Q["insert"], params)
    return client_id


async def hold(conn: Connection, client_id: int) -> HeldClient | None:
    """The client, kept from other changes and from billing until the transaction ends; None when there is none."""
    await conn.execute(_Q["hold_billing"], {"client_id": client_id})
    return await fetch_one(conn, HeldClient, _Q["hold"], {"client_id": client_id})


async def exists(conn: Connection, client_id: int) -> bool:
    """Whether there is a client of that id."""
    return bool(await fetch_value(conn, _Q["exists"], {"client_id": client_id}))


async def is_named(conn: Connection, name: str, *, other_than: int) -> bool:
    """Whether another client has the name."""
    return bool(await fetch_value(conn, _Q["named"], {"name": name, "client_id": other_than}))


async def describe(
    conn: Connection, client_id: int, *, name: str, contact: str, close_after_days: int | None
) -> None:
    """Saves what it is called and when its periods are closed."""
    params = {"client_id": client_id, "name": name, "contact": contact, "close_after_days": close_after_days}
    await execute(conn, _Q["describe"], params)


async def save_calendar(conn: Connection, client_id: int, calendar: Calendar) -> None:
    """Replaces the client's cycles by these."""
    *earlier, last = calendar.eras
    kept = [era.until for era in earlier]
    await execute(conn, _Q["remove_cycles"], {"client_id": client_id, "kept": kept})
    await execute(conn, _Q["add_cycles"], {"client_id": client_id, **_columns(earlier)})
    params = {
        "client_id": client_id,
        "currency": last.currency.code,
        "currency_digits": last.currency.digits,
        "time_zone": last.cycle.time_zone,
        "cycle_unit": last.cycle.unit,
        "cycle_count": last.cycle.count,
        "cycle_anchor": last.cycle.anchor,
    }
    await execute(conn, _Q["set_cycle"], params)


async def forget_figures(conn: Connection, client_id: int, *, since: datetime) -> int:
    """Removes provisional readings and projections of periods that are cut anew; how many readings there were."""
    params = {"client_id": client_id, "since": since}
    await execute(conn, _Q["forget_projections"], params)
    return await execute(conn, _Q["forget_readings"], params)


async def terms(conn: Connection, client_id: int, *, enabled_only: bool) -> list[Dated]:
    """Terms of the client's buckets, by bucket and oldest first."""
    params = {"client_id": client_id, "enabled_only": enabled_only}
    return await fetch_all(conn, Dated, _Q["terms"], params)


async def end_terms(conn: Connection, ids: Collection[int], *, ends_on: date) -> None:
    """These terms hold up to the day."""
    await execute(conn, _Q["end_terms"], {"ids": list(ids), "ends_on": ends_on})


async def reopen_terms(conn: Connection, ids: Collection[int]) -> None:
    """These terms have no end any more."""
    await execute(conn, _Q["reopen_terms"], {"ids": list(ids)})


async def repeat_terms(conn: Connection, ids: Collection[int], *, starts_on: date) -> None:
    """Copies of these terms hold from the day on."""
    await execute(conn, _Q["repeat_terms"], {"ids": list(ids), "starts_on": starts_on})


async def set_enabled(conn: Connection, client_id: int, *, disabled_on: date | None) -> None:
    """Disabled from the day on, or enabled with None."""
    params = {"client_id": client_id, "enabled": disabled_on is None, "disabled_on": disabled_on}
    await execute(conn, _Q["set_enabled"], params)


async def erase(conn: Connection, client_id: int, *, name: str) -> None:
    """Replaces name and contact for good."""
    await execute(conn, _Q["erase"], {"client_id": client_id, "name": name})


def _columns(eras: Sequence[Era]) -> dict[str, list[object]]:
    return {
        "ended_on": [era.until for era in eras],
        "currencies": [era.currency.code for era in eras],
        "digits": [era.currency.digits for era in eras],
        "time_zones": [era.cycle.time_zone for era in eras],
        "units": [era.cycle.unit for era in eras],
        "counts": [era.cycle.count for era in eras],
        "anchors": [era.cycle.anchor for era in eras],
    }

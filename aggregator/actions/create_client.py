"""Creates a client: who is billed, in which currency, by which calendar."""

from aggregator.actions import given, given_calendar
from aggregator.domain.client import CONTACT_CHARACTERS_MAX, NewClient
from aggregator.domain.period import Cycle
from aggregator.errors import Conflict
from aggregator.store import clients_change
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce


async def create_client(
    db: Database,
    *,
    name: str,
    currency: str,
    time_zone: str,
    cycle_unit: str,
    cycle_count: int,
    cycle_anchor: str,
    contact: str = "",
    close_after_days: int | None = None,
) -> int:
    """The id of the new client.

    ``cycle_anchor`` is the first day of period 0 in the client's zone, as text. ``close_after_days`` None: its periods
    wait. Raises ``Invalid`` naming the field, and ``Conflict`` when there is a client of that name.
    """
    new = new_client(
        name=name,
        currency=currency,
        time_zone=time_zone,
        cycle_unit=cycle_unit,
        cycle_count=cycle_count,
        cycle_anchor=cycle_anchor,
        contact=contact,
        close_after_days=close_after_days,
    )
    async with db.transaction() as conn:
        return await add_client(conn, new)


def new_client(
    *,
    name: str,
    currency: str,
    time_zone: str,
    cycle_unit: str,
    cycle_count: int,
    cycle_anchor: str,
    contact: str,
    close_after_days: int | None,
) -> NewClient:
    """What was given, checked. Raises ``Invalid`` naming the field."""
    money = given_calendar.currency("currency", currency)
    return NewClient(
        name=given.name("name", name),
        currency=money.code,
        currency_digits=money.digits,
        cycle=Cycle(
            time_zone=given_calendar.time_zone("time_zone", time_zone),
            unit=given_calendar.cycle_unit("cycle_unit", cycle_unit),
            count=given_calendar.cycle_count("cycle_count", cycle_count),
            anchor=given.day("cycle_anchor", cycle_anchor),
        ),
        contact=given.text("contact", contact, characters_max=CONTACT_CHARACTERS_MAX),
        close_after_days=given_calendar.close_after_days("close_after_days", close_after_days),
    )


async def add_client(conn: Connection, new: NewClient) -> int:
    """Its id. Raises ``Conflict`` when the name is taken."""
    client_id = await clients_change.insert(conn, new)
    if client_id is None:
        raise Conflict(f"there is a client {new.name} already; choose another name")
    await announce(conn, "client", clients=[client_id])
    return client_id

"""Creates a client: who is billed, in which currency, by which calendar."""

from zoneinfo import available_timezones

from babel.numbers import get_currency_precision, list_currencies

from aggregator.actions import given
from aggregator.domain.client import NewClient
from aggregator.domain.period import Cycle
from aggregator.errors import Conflict, Invalid
from aggregator.store import inventory
from aggregator.store.database import Database
from aggregator.store.news import announce

CYCLE_UNITS = ("month", "week")
CYCLE_COUNT_MAX = 60


async def create_client(
    db: Database,
    *,
    name: str,
    currency: str,
    time_zone: str,
    cycle_unit: str,
    cycle_count: int,
    cycle_anchor: str,
) -> int:
    """The id of the new client.

    ``cycle_anchor`` is the first day of period 0 in the client's zone, as text. Raises ``Invalid`` naming the field, and
    ``Conflict`` when there is a client of that name.
    """
    if currency not in list_currencies():
        raise Invalid("currency", "is no currency; use an ISO 4217 code like EUR")
    if time_zone not in available_timezones():
        raise Invalid("time_zone", "is no time zone; use a name of the IANA database like Europe/Berlin")
    if cycle_unit not in CYCLE_UNITS:
        raise Invalid("cycle_unit", f"must be one of {', '.join(CYCLE_UNITS)}")
    if not 1 <= cycle_count <= CYCLE_COUNT_MAX:
        raise Invalid("cycle_count", f"must lie between 1 and {CYCLE_COUNT_MAX}")
    new = NewClient(
        name=given.name("name", name),
        currency=currency,
        currency_digits=get_currency_precision(currency),
        cycle=Cycle(
            unit=cycle_unit,
            count=cycle_count,
            anchor=given.day("cycle_anchor", cycle_anchor),
            time_zone=time_zone,
        ),
    )
    async with db.transaction() as conn:
        client_id = await inventory.insert_client(conn, new)
        if client_id is None:
            raise Conflict(f"there is a client {new.name} already; choose another name")
        await announce(conn, "client")
    return client_id

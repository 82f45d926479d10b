"""Lists usage of finalised time that lies before the look-back, as the roll-up comes upon it."""

from dataclasses import dataclass

import sql
from aggregator.domain.close import look_back
from aggregator.store.calendars import calendars
from aggregator.store.database import Connection, execute, fetch_all
from aggregator.store.rollup import Taken

_Q = sql.queries("late")


@dataclass(frozen=True, slots=True)
class _Client:
    id: int
    finalised_slot: int


async def note_late(conn: Connection, taken: Taken) -> int:
    """How many readings of the slots are listed now; to be called before the slots are rolled up again.

    In nearly every roll-up there are none, which the oldest slot and the clients' finalised times decide.
    """
    if not taken.slots:
        return 0
    found = await fetch_all(conn, _Client, _Q["clients"], {"slot": min(taken.slots)})
    if not found:
        return 0
    known = await calendars(conn, [client.id for client in found])
    before = {
        client.id: periods[0].from_slot
        for client in found
        if (periods := look_back(known[client.id], client.finalised_slot))
        and periods[0].from_slot > min(taken.slots)
    }
    if not before:
        return 0
    return await execute(
        conn, _Q["note"], {**taken.params(), "clients": list(before), "before": list(before.values())}
    )

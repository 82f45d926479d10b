"""Reads what projections of a bucket said of periods that are over."""

import sql
from aggregator.domain.track_record import Foretold
from aggregator.errors import NotFound
from aggregator.store.database import fetch_all, fetch_value
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("track_record")

PERIODS_SHOWN = 12


async def track_record(seen: Snapshot, bucket_id: int, *, client_id: int | None) -> list[Foretold]:
    """At a quarter, half and three quarters of the last periods, the newest first.

    Raises ``NotFound`` for a bucket that is not there, or is another's than ``client_id``'s.
    """
    asked = {"bucket_id": bucket_id, "client_id": client_id}
    if await fetch_value(seen.conn, _Q["bucket"], asked) is None:
        raise NotFound("bucket", bucket_id)
    params = {"bucket_id": bucket_id, "now": seen.now, "periods": PERIODS_SHOWN}
    return await fetch_all(seen.conn, Foretold, _Q["points"], params)

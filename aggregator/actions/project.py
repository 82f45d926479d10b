"""Projects every open period from its reading, so that the screen's forecast and the bill start from the same figures."""

from datetime import datetime

from aggregator.domain.project import project as project_reading
from aggregator.store import projection
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce


async def project(db: Database, *, now: datetime, run_id: int) -> dict[str, int]:
    """Renews the projection of each bucket with a reading of its open period, a transaction per client.

    Counts ``clients`` and ``projections`` written; a bucket in whose period no slot has ended gets none.
    """
    async with db.transaction() as conn:
        clients = await projection.clients(conn)
    written = 0
    for client_id in clients:
        async with db.transaction() as conn:
            written += await _project_client(conn, client_id, now=now, run_id=run_id)
    return {"clients": len(clients), "projections": written}


async def _project_client(conn: Connection, client_id: int, *, now: datetime, run_id: int) -> int:
    found = []
    terms = await projection.terms(conn, client_id)
    for reading in await projection.open_readings(conn, client_id, now=now):
        expected = project_reading(
            reading.measured(terms),
            unit=reading.unit,
            currency_digits=reading.currency_digits,
        )
        if expected is not None:
            found.append((reading, expected))
    if not found:
        return 0
    written = await projection.save(conn, found, now=now, run_id=run_id)
    await announce(conn, "projection", clients=[client_id])
    return written

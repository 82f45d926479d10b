"""Evidence on the real database: it rates to the readings, is gathered again, and shows what was tampered with."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from aggregator.actions.evidence import gather, gather_again
from aggregator.actions.verify import Verified, verify
from aggregator.domain.evidence import canonical, rate_again, read
from aggregator.domain.slot import slot_of
from aggregator.domain.verify import Said, check_rating, differences
from aggregator.store import evidence as kept
from aggregator.store.billing import Billed
from aggregator.store.calendars import calendars
from aggregator.store.database import Connection, Database
from aggregator.store.readings import readings_of
from tests.billing_world import APRIL, MARCH, World, run
from tests.integration.test_billing import random_world

pytestmark = pytest.mark.storage
HOUR = timedelta(hours=1)


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn)
    yield database
    await database.close()


async def all_readings(conn: Connection) -> list[tuple[int, int]]:
    """Ids of clients and readings."""
    rows = await (
        await conn.execute(
            "select b.client_id, r.bucket_id << 32 | r.from_slot from billing_reading r join bucket b on b.id = r.bucket_id"
            " order by 1, 2"
        )
    ).fetchall()
    return [(int(client), int(reading)) for client, reading in rows]


@pytest.mark.parametrize("seed", range(2))
async def test_evidence_of_a_random_world_rates_to_its_readings_and_is_gathered_again(
    db: Database, seed: int
) -> None:
    await random_world(db, seed)
    await run(db)
    compared = 0
    async with db.transaction() as conn:
        for client_id, reading_id in await all_readings(conn):
            row = (await readings_of(conn, [reading_id]))[reading_id]
            period = (await calendars(conn, [client_id]))[client_id].period_containing(row.period_start)
            found = await gather(conn, Billed(client_id, 0), period, [row.bucket_id], cutoff=row.cutoff)
            evidence = found[row.bucket_id]
            assert read(canonical(evidence)) == evidence
            said = Said(**{name: getattr(row, name) for name in Said.__dataclass_fields__})
            step = check_rating(said, evidence, rate_again(evidence))
            assert step.text in (
                "the reading is not marked as final, though there is evidence of it",
                f"rating the evidence again gives {row.cost} {row.currency}, as the reading says",
            )
            again, _ = await gather_again(conn, evidence, raw=False)
            assert differences(evidence, again) == []
            compared += 1
    assert compared > 10

"""Two hosts with one identity, row 18: by boots and by generations, over heartbeats, connections and renewals."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from aggregator.actions.set_agents_state import set_agents_state
from aggregator.errors import Denied
from aggregator.ingest import clones
from aggregator.ingest.agents import Agents
from aggregator.ingest.heartbeat import Heartbeats
from aggregator.issuing import Issuer
from aggregator.store.database import Database
from tests.hosts import Host, issuer_in, token_for
from tests.ingest_batches import register_agent
from ullage.v1 import ingest_pb2


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    opened = await Database.open(dsn)
    yield opened
    await opened.close()


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return issuer_in(tmp_path)


async def age_sightings(dsn: str, seconds: int = 60) -> None:
    """What was seen is so much longer ago."""
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        await conn.execute(
            "update agent_boot set first_at = first_at - make_interval(secs => %(s)s), "
            "last_at = last_at - make_interval(secs => %(s)s)",
            {"s": seconds},
        )


async def state(dsn: str, uuid: UUID) -> tuple[str, str]:
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        found = await conn.execute("select state, state_reason from agent where uuid = %s", [uuid])
        [(now, reason)] = await found.fetchall()
    return now, reason


async def beat(db: Database, uuid: UUID, boot_id: str, *, generation: int = 0) -> bool:
    """By an aggregator of its own each time, so that the clone's heartbeat may come to any of them."""
    said = ingest_pb2.HeartbeatRequest(boot_id=boot_id, version="1")
    now_us = time.time_ns() // 1_000
    return await Heartbeats(db).take(uuid, said, received_us=now_us, generation=generation)


async def test_two_hosts_that_both_beat_are_held_with_the_second_beat_of_the_first(
    db: Database, dsn: str
) -> None:
    uuid = register_agent(dsn)
    assert await beat(db, uuid, "boot-a")
    assert await beat(db, uuid, "boot-b")
    await age_sightings(dsn)
    assert not await beat(db, uuid, "boot-a")
    assert await state(dsn, uuid) == ("held", clones.HELD)
    for boot in ("boot-a", "boot-b"):
        assert not await beat(db, uuid, boot)
    with pytest.raises(Denied, match="two hosts"):
        await Agents(db).identify(uuid)


async def test_a_host_that_reboots_again_and_again_is_one_host(db: Database, dsn: str) -> None:
    uuid = register_agent(dsn)
    for number in range(20):
        assert await beat(db, uuid, f"boot-{number}")
        assert await beat(db, uuid, f"boot-{number}")
        await age_sightings(dsn)
    assert (await state(dsn, uuid))[0] == "active"
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        [(kept,)] = await (await conn.execute("select count(*) from agent_boot")).fetchall()
    assert kept <= 17


async def test_what_the_former_boot_had_sent_may_arrive_late(db: Database, dsn: str) -> None:
    uuid = register_agent(dsn)
    for boot in ("boot-a", "boot-b", "boot-a"):
        assert await beat(db, uuid, boot)
    assert (await state(dsn, uuid))[0] == "active"


async def test_a_connection_of_the_other_host_is_refused_and_both_are_held(db: Database, dsn: str) -> None:
    uuid = register_agent(dsn)
    agents = Agents(db)
    agent = await agents.identify(uuid)
    async with agents.connected(agent, version="1", boot_id="boot-a"):
        await age_sightings(dsn)
        async with agents.connected(agent, version="1", boot_id="boot-b"):
            await age_sightings(dsn)
            with pytest.raises(Denied, match="two hosts"):
                async with agents.connected(agent, version="1", boot_id="boot-a"):
                    pass
    assert (await state(dsn, uuid))[0] == "held"


async def test_a_renewal_by_an_older_certificate_than_was_used_elsewhere_holds_both(
    db: Database, issuer: Issuer, dsn: str
) -> None:
    host = Host(boot_id="a")
    first = await host.enrol(db, issuer, await token_for(db, issuer))
    clone = Host(boot_id="b", key=host.key)
    second = await host.renew(db, issuer, first)
    assert await beat(db, first.uuid, "a", generation=second.generation)
    third = await host.renew(db, issuer, second)
    assert third.generation == 3
    with pytest.raises(Denied, match="held"):
        await clone.renew(db, issuer, first)
    assert (await state(dsn, first.uuid))[0] == "held"
    with pytest.raises(Denied, match="two hosts"):
        await host.renew(db, issuer, third)


async def test_a_token_for_the_agent_decides_which_host_it_is(db: Database, issuer: Issuer, dsn: str) -> None:
    host = Host(boot_id="a")
    first = await host.enrol(db, issuer, await token_for(db, issuer))
    await host.renew(db, issuer, first)
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        [(number,)] = await (await conn.execute("select id from agent")).fetchall()
    await set_agents_state(db, [number], state="held", reason="two hosts")
    keeps = Host(boot_id="b")
    again = await keeps.enrol(
        db, issuer, await token_for(db, issuer, agent_id=number), spool_agent=first.uuid
    )
    assert (await state(dsn, first.uuid))[0] == "active"
    assert await beat(db, first.uuid, "b", generation=again.generation)
    # The other one is shut out, and does not have the first held again.
    assert not await beat(db, first.uuid, "a", generation=first.generation)
    with pytest.raises(Denied, match="enrolled anew"):
        await Agents(db).identify(first.uuid, first.generation)
    assert (await state(dsn, first.uuid))[0] == "active"


async def test_an_agent_made_active_again_begins_without_suspicion(db: Database, dsn: str) -> None:
    uuid = register_agent(dsn)
    for boot in ("boot-a", "boot-b"):
        await beat(db, uuid, boot)
        await age_sightings(dsn)
    assert not await beat(db, uuid, "boot-a")
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        [(number,)] = await (await conn.execute("select id from agent")).fetchall()
    await set_agents_state(db, [number], state="active", reason="")
    assert await beat(db, uuid, "boot-a")
    assert (await state(dsn, uuid))[0] == "active"

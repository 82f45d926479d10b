"""Agents as people list them, tokens as people make them, and the open door beside them: over the service's own methods."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import grpc
import psycopg
import pytest

from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.rpc import knocks
from aggregator.rpc.admin import AdminService
from aggregator.rpc.enrolment import EnrolmentService
from aggregator.rpc.timetable import Timetable
from aggregator.store.database import Database
from tests.hosts import Host, issuer_in
from ullage.v1 import agents_pb2, enrolment_pb2, types_pb2

NOBODY = cast("Timetable", None)


class Refused(Exception):
    """What `abort` does to a call."""


class Stranger:
    """A caller by its address."""

    def __init__(self, peer: str) -> None:
        self._peer = peer

    def peer(self) -> str:
        return self._peer

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise Refused(code, details)


def calling(peer: str = "ipv4:192.0.2.1:50") -> Any:
    return Stranger(peer)


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    opened = await Database.open(dsn)
    yield opened
    await opened.close()


async def fill(dsn: str) -> None:
    """25 agents of two sites; every fifth is retired, the older ones have never been heard of."""
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        await conn.execute(
            "insert into agent (uuid, name, site, state, created_at)"
            " select gen_random_uuid(), 'web-' || to_char(n, 'FM00'), case when n % 2 = 0 then 'fra1' else 'ber1' end,"
            " case when n % 5 = 0 then 'retired' else 'active' end,"
            " now() - case when n <= 10 then interval '1 day' else interval '0' end"
            " from generate_series(1, 25) n"
        )


async def names(admin: AdminService, **wanted: Any) -> list[str]:
    reply = await admin.ListAgents(agents_pb2.ListAgentsRequest(**wanted), calling())
    return [agent.name for agent in reply.agents]


async def test_the_pages_of_agents_hold_each_once_in_order(db: Database, dsn: str) -> None:
    await fill(dsn)
    admin = AdminService(db, NOBODY)
    for sort in ("", "site", "state", "certificate_until", "created_at"):
        for descending in (False, True):
            seen: list[str] = []
            after = ""
            while True:
                page = types_pb2.PageRequest(size=10, after=after, sort=sort, descending=descending)
                reply = await admin.ListAgents(agents_pb2.ListAgentsRequest(page=page), calling())
                assert reply.page.total == 25
                seen += [agent.name for agent in reply.agents]
                if not (after := reply.page.next):
                    break
            assert sorted(seen) == [f"web-{number:02}" for number in range(1, 26)]
            if not sort:
                assert seen == sorted(seen, reverse=descending)


async def test_agents_are_found_by_text_state_and_silence(db: Database, dsn: str) -> None:
    await fill(dsn)
    admin = AdminService(db, NOBODY)
    assert await names(admin, search="WEB-07") == ["web-07"]
    assert len(await names(admin, search="fra1")) == 12
    assert await names(admin, search="%") == []
    assert await names(admin, state="retired") == ["web-05", "web-10", "web-15", "web-20", "web-25"]
    assert await names(admin, silent=True) == [f"web-{number:02}" for number in range(1, 11)]
    assert len(await names(admin, silent=True, state="active")) == 8
    with pytest.raises(Invalid):
        await names(admin, state="gone")
    with pytest.raises(NotFound):
        await admin.GetAgent(agents_pb2.GetAgentRequest(id=999), calling())


async def test_a_token_is_shown_once_and_its_way_is_told(db: Database, tmp_path: Path) -> None:
    issuer = issuer_in(tmp_path)
    admin, door = AdminService(db, NOBODY, issuer), EnrolmentService(db, issuer)
    made = await admin.CreateEnrolmentToken(
        agents_pb2.CreateEnrolmentTokenRequest(site="fra1", host_name="web-01"), calling()
    )
    assert made.ca_fingerprint == issuer.fingerprint()
    listed = await admin.ListEnrolmentTokens(agents_pb2.ListEnrolmentTokensRequest(), calling())
    assert made.token not in str(listed)
    assert [(token.state, token.host_name) for token in listed.tokens] == [("open", "web-01")]
    host = Host()
    given = await door.Enrol(
        enrolment_pb2.EnrolRequest(token=made.token, csr=host.csr, host_name="web-01"), calling()
    )
    listed = await admin.ListEnrolmentTokens(agents_pb2.ListEnrolmentTokensRequest(all=True), calling())
    assert [(token.state, token.used_by) for token in listed.tokens] == [("used", "web-01")]
    with pytest.raises(Conflict, match="web-01"):
        await admin.RevokeEnrolmentToken(
            agents_pb2.RevokeEnrolmentTokenRequest(id=listed.tokens[0].id), calling()
        )
    [agent] = (await admin.ListAgents(agents_pb2.ListAgentsRequest(), calling())).agents
    assert agent.uuid == given.agent_uuid
    assert agent.certificate_until == given.not_after
    found = await admin.GetAgent(agents_pb2.GetAgentRequest(id=agent.id), calling())
    assert found == agent


async def test_an_aggregator_without_an_authority_says_so(db: Database) -> None:
    with pytest.raises(Conflict, match="issues no certificates"):
        await AdminService(db, NOBODY).CreateEnrolmentToken(
            agents_pb2.CreateEnrolmentTokenRequest(site="fra1"), calling()
        )
    with pytest.raises(Conflict, match="issues no certificates"):
        await EnrolmentService(db, None).Enrol(enrolment_pb2.EnrolRequest(token="x"), calling())


async def test_who_guesses_is_made_to_wait_and_others_are_not(db: Database, tmp_path: Path) -> None:
    door = EnrolmentService(db, issuer_in(tmp_path))
    request = enrolment_pb2.BeginRecoveryRequest(agent_uuid="3d1219c7-c4c5-404a-aa1f-6d2a48adfda4")

    async def guess() -> None:
        for _ in range(int(knocks.PER_PEER_AT_ONCE) * 3):
            await door.BeginRecovery(request, calling())

    with pytest.raises(Refused, match="try again in"):
        await guess()
    await door.BeginRecovery(request, calling("ipv4:192.0.2.2:50"))


async def test_what_is_no_uuid_no_name_and_no_request_is_named(db: Database, tmp_path: Path) -> None:
    door = EnrolmentService(db, issuer_in(tmp_path))
    with pytest.raises(Invalid, match="agent_uuid"):
        await door.BeginRecovery(enrolment_pb2.BeginRecoveryRequest(agent_uuid="'; drop"), calling())
    for wrong in (
        {"token": "", "host_name": "web-01"},
        {"token": "x" * 500, "host_name": "web-01"},
        {"token": "x", "host_name": "a\x1b[2Jb"},
        {"token": "x", "host_name": ""},
        {"token": "x", "host_name": "web-01", "csr": b"0"},
        {"token": "x", "host_name": "web-01", "csr": Host().csr, "spool_agent_uuid": "no"},
    ):
        with pytest.raises(Invalid):
            await door.Enrol(enrolment_pb2.EnrolRequest(**wrong), calling())

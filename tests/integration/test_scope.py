"""Every method of the contract, by every role, and by keys of two clients: who may call it, and what a client sees.

The methods come from the descriptors. One that has no line in ``WHO`` fails here, as does one for the role `client` without
a request that asks for another client's things.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import grpc
import grpc.aio
import psycopg
import pytest
from google.protobuf.message import Message
from google.protobuf.text_format import MessageToString, Parse
from grpc_health.v1.health import aio as health_aio

from aggregator import app
from aggregator.actions.create_key import create_key
from aggregator.jobs import Jobs
from aggregator.rpc import access
from aggregator.rpc.changes import Changes
from aggregator.rpc.roles_table import render
from aggregator.store import news
from aggregator.store.database import Database
from tests.builders import World, hour
from tests.house.sources import ROOT
from tests.scope_contract import ASKED, CONTRACT, ROLES, WHO, Theirs
from ullage.v1 import (
    admin_pb2,
    insight_pb2,
    inventory_pb2,
)

DEADLINE_SECONDS = 30.0
PATIENCE_SECONDS = 1.0


@dataclass
class Site:
    """The people's listener with all its services, and what is in its database."""

    db: Database
    address: str
    keys: dict[str, str] = field(default_factory=dict)
    mine: Theirs = field(default_factory=lambda: Theirs("mine"))
    theirs: Theirs = field(default_factory=lambda: Theirs("theirs"))

    async def call(self, name: str, request: Message, key: str) -> tuple[grpc.StatusCode, str]:
        """Status, and the replies (of a stream the first) as text or what the error says."""
        _, reply, streaming = CONTRACT[name]
        metadata = (("authorization", f"Bearer {key}"),)
        way: dict[str, Any] = {
            "request_serializer": type(request).SerializeToString,
            "response_deserializer": reply.FromString,
        }
        async with grpc.aio.insecure_channel(self.address) as channel:
            try:
                if streaming:
                    stream = channel.unary_stream(f"/ullage.v1.{name}", **way)(
                        request, metadata=metadata, timeout=DEADLINE_SECONDS
                    )
                    answer = await stream.read()
                    stream.cancel()
                    if answer is grpc.aio.EOF:
                        return await stream.code(), ""
                else:
                    answer = await channel.unary_unary(f"/ullage.v1.{name}", **way)(
                        request, metadata=metadata, timeout=DEADLINE_SECONDS
                    )
            except grpc.aio.AioRpcError as error:
                return error.code(), error.details() or ""
        return grpc.StatusCode.OK, MessageToString(cast(Message, answer))


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[World]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
        await conn.execute("set timezone = 'UTC'")
        yield World(conn)


async def furnish(world: World, who: Theirs) -> None:
    """A client with an asset that is measured, bound, billed and projected."""
    now = datetime.now(UTC)
    agent = await world.agent(f"{who.word}-agent")
    who.client = await world.client(f"{who.word} ltd")
    who.bucket = await world.bucket(who.client, name=f"{who.word} bucket")
    who.asset = await world.asset(f"{who.word}-host", agent=agent, description=f"of {who.word}")
    who.series = await world.series(who.asset)
    await world.measured(who.series, now - timedelta(days=2), now)
    await world.slot(agent, hour(now) - timedelta(hours=3), {who.series: (1, 5 * 2**30)})
    await world.assignment(who.asset, who.client)
    await world.binding(who.series, who.bucket)
    run = await world.insert("run", job="billing", started_at=now, state="done")
    [terms] = await world.one("select id from bucket_terms where bucket_id = %s", who.bucket)
    since, until = now - timedelta(days=5), now + timedelta(days=5)
    await world.insert(
        "billing_reading",
        returning="bucket_id",
        bucket_id=who.bucket,
        period_start=since,
        period_end=until,
        from_slot=0,
        to_slot=9,
        terms_id=terms,
        aggregation="avg",
        quantity=1,
        commit=1,
        overage_units=0,
        currency="EUR",
        used=1,
        buffer=0,
        overage=0,
        cost=1,
        as_of_slot=5,
        cutoff=now,
        run_id=run,
    )
    await world.insert(
        "projection",
        returning="bucket_id",
        bucket_id=who.bucket,
        period_start=since,
        period_end=until,
        aggregation="avg",
        current_quantity=1,
        projected_quantity=2,
        currency="EUR",
        projected_cost=3,
        calculated_at=now,
        run_id=run,
    )


@pytest.fixture
async def site(dsn: str, world: World) -> AsyncIterator[Site]:
    db = await Database.open(dsn)
    changes = Changes(db)
    await changes.start()
    jobs = Jobs(db, seconds={"billing": 3600}, clock=lambda: datetime.now(UTC))
    parts = cast(Any, app.Parts)(
        **dict.fromkeys(app.Parts.__dataclass_fields__),
    )
    for name, part in {
        "db": db,
        "changes": changes,
        "jobs": jobs,
        "health": health_aio.HealthServicer(),
    }.items():
        object.__setattr__(parts, name, part)
    server = app._people_server(parts, reflect=False)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    made = Site(db, f"127.0.0.1:{port}")
    try:
        await fill(made, world)
        yield made
    finally:
        await changes.stop()
        await server.stop(None)
        await db.close()


async def fill(made: Site, world: World) -> None:
    """Two clients, and a key of each role."""
    for who in (made.mine, made.theirs):
        await furnish(world, who)
        who.key = (await create_key(made.db, name=who.word, role="client", client_id=who.client)).key
    for role in ("viewer", "operator", "billing", "admin"):
        made.keys[role] = (await create_key(made.db, name=role, role=role, client_id=0)).key
    made.keys["client"] = made.mine.key


def test_every_method_has_a_line_here_and_in_the_table_of_roles() -> None:
    assert set(WHO) == set(CONTRACT)
    assert {
        f"/ullage.v1.{name}": frozenset(ROLES[one] for one in who) for name, who in WHO.items()
    } == access.ROLES
    assert set(ASKED) == {name for name, who in WHO.items() if "c" in who}


def test_the_document_of_roles_is_not_stale() -> None:
    remedy = "python -m aggregator.rpc.roles_table > docs/roles.md"
    assert (ROOT / "docs/roles.md").read_text("utf-8") == render(), remedy


@pytest.mark.parametrize("role", ROLES.values())
async def test_a_role_may_call_what_is_its_and_nothing_else(site: Site, role: str) -> None:
    refused = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}
    broken = {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
    wrong = {}
    for name, (request, _, _) in CONTRACT.items():
        status, text = await site.call(name, request(), site.keys[role])
        may = role[0] in WHO[name]
        if status in broken or (status in refused) == may:
            wrong[name] = (status.name, text)
    assert wrong == {}


@pytest.mark.parametrize("role", ROLES.values())
async def test_a_key_is_told_all_that_it_may_call(site: Site, role: str) -> None:
    status, text = await site.call("Admin/WhoAmI", admin_pb2.WhoAmIRequest(), site.keys[role])
    told = Parse(text, admin_pb2.Identity())
    assert (status, told.role) == (grpc.StatusCode.OK, role)
    assert set(told.methods) == {name for name, who in WHO.items() if role[0] in who}
    assert len(told.methods) == len(set(told.methods))
    # In the order of the one table.
    in_order = [method.removeprefix("/ullage.v1.") for method in access.ROLES]
    assert list(told.methods) == [method for method in in_order if method in told.methods]


async def test_a_client_sees_its_own(site: Site) -> None:
    unseen = []
    for name in ASKED:
        request = ASKED[name](site.mine)[0]
        status, text = await site.call(name, request, site.mine.key)
        if status is not grpc.StatusCode.OK or (
            name not in ("Insight/Watch", "Inventory/ListUnitTypes", "Inventory/GetAssetUsage")
            and "mine" not in text
        ):
            unseen.append((name, text))
    assert unseen == []


async def test_a_client_sees_nothing_of_another(site: Site) -> None:
    seen = []
    for name, asks in ASKED.items():
        for request in asks(site.theirs):
            status, text = await site.call(name, request, site.mine.key)
            named = "theirs" in text or f"client_id: {site.theirs.client}\n" in text
            if status not in (grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND) or named:
                seen.append((name, MessageToString(request), status.name, text))
    assert seen == []


async def test_what_is_asked_for_by_id_is_not_found_whether_it_exists_or_not(site: Site) -> None:
    nothing = Theirs("theirs", client=9999, bucket=9999, asset=9999)
    for name in ("GetClient", "GetAsset", "GetAssetUsage", "GetBucket"):
        method = f"Inventory/{name}"
        [request], [absent] = ASKED[method](site.theirs), ASKED[method](nothing)
        status, text = await site.call(method, request, site.mine.key)
        assert (status, text.split()[:-1]) == (grpc.StatusCode.NOT_FOUND, text.split()[:-1])
        _, told = await site.call(method, absent, site.mine.key)
        assert told.split()[:-1] == text.split()[:-1]


async def test_of_an_asset_that_came_from_another_client_only_its_own_time_is_seen(
    site: Site, world: World
) -> None:
    now = hour(datetime.now(UTC))
    asset = await world.asset("moved-host")
    series = await world.series(asset)
    [agent] = await world.one("select agent_id from asset where id = %s", asset)
    moved = now - timedelta(days=3)
    await world.measured(series, now - timedelta(days=9), now)
    for days in (8, 1):
        await world.slot(agent, now - timedelta(days=days), {series: (1, days * 2**30)})
    await world.assignment(asset, site.theirs.client, until=moved)
    await world.assignment(asset, site.mine.client, since=moved)
    await world.binding(series, site.theirs.bucket, until=moved)
    await world.binding(series, site.mine.bucket, since=moved)
    for key, other, allowed in ((site.mine.key, "theirs", {"1"}), (site.theirs.key, "mine", {"8"})):
        status, text = await site.call("Inventory/GetAsset", inventory_pb2.GetAssetRequest(id=asset), key)
        if status is grpc.StatusCode.OK:
            assert other not in text
        else:
            # Whose it is not any more may be told that it is not there, but never more than that.
            assert (status, other) == (grpc.StatusCode.NOT_FOUND, "mine")
        status, text = await site.call(
            "Inventory/GetAssetUsage", inventory_pb2.GetAssetUsageRequest(id=asset), key
        )
        values = {
            line.split('"')[1].split(".")[0]
            for line in text.splitlines()
            if line.strip().startswith("value:") and '""' not in line
        }
        assert values <= allowed, "usage of time in which it was another client's"
    shown = ROLES["v"]
    _, text = await site.call("Inventory/GetAsset", inventory_pb2.GetAssetRequest(id=asset), site.keys[shown])
    assert "mine" in text
    assert "theirs" in text


async def test_a_client_is_told_of_its_own_changes_alone(site: Site) -> None:
    metadata = (("authorization", f"Bearer {site.mine.key}"),)
    async with grpc.aio.insecure_channel(site.address) as channel:
        stream = channel.unary_stream(
            "/ullage.v1.Insight/Watch",
            request_serializer=insight_pb2.WatchRequest.SerializeToString,
            response_deserializer=insight_pb2.Change.FromString,
        )(insight_pb2.WatchRequest(), metadata=metadata, timeout=DEADLINE_SECONDS)
        await stream.read()
        heard: list[str] = []

        async def listen() -> None:
            while True:
                change = await stream.read()
                assert isinstance(change, insight_pb2.Change)
                if change.noun:
                    heard.append(change.noun)

        listening = asyncio.create_task(listen())
        for _ in range(50):
            async with site.db.transaction() as conn:
                await news.announce(conn, "asset", "client", clients=[site.theirs.client])
                await news.announce(conn, "agent", "job")
                await news.announce(conn, "bucket", clients=range(site.mine.client, site.mine.client + 2_000))
            await asyncio.sleep(PATIENCE_SECONDS / 5)
            if heard:
                break
        listening.cancel()
        stream.cancel()
    assert set(heard) == {"bucket"}

"""Keys as admins make and disable them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import cast

import psycopg
import pytest

from aggregator.actions.bootstrap_key import bootstrap_key
from aggregator.actions.create_key import create_key
from aggregator.actions.set_key_enabled import set_key_enabled
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.rpc import access
from aggregator.rpc.keys import KeyMethods
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from tests.builders import World
from ullage.v1 import keys_pb2

CONTEXT = cast(Context, None)


class Methods(KeyMethods):
    def __init__(self, db: Database) -> None:
        self._db = db


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    database = await Database.open(dsn, connections_max=3)
    yield database
    await database.close()


@pytest.fixture
async def world(dsn: str) -> AsyncIterator[World]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
        yield World(conn)


def sent(key: str) -> list[tuple[str, str | bytes]]:
    return [("authorization", f"Bearer {key}")]


async def test_a_new_key_opens_and_is_listed_without_its_text(db: Database, world: World) -> None:
    client = await world.client("Acme")
    methods = Methods(db)
    made = await methods.CreateKey(
        keys_pb2.CreateKeyRequest(name=" portal ", role="client", client_id=client), CONTEXT
    )
    assert (made.api_key.name, made.api_key.client_name, made.api_key.enabled) == ("portal", "Acme", True)
    assert made.key.startswith(made.api_key.prefix)
    who = await access.KeyRing(db).caller(sent(made.key))
    assert (who.key_name, who.role, who.client_id, who.key_id) == (
        "portal",
        "client",
        client,
        made.api_key.id,
    )
    listed = await methods.ListKeys(keys_pb2.ListKeysRequest(), CONTEXT)
    assert [key.name for key in listed.keys] == ["portal"]
    assert listed.keys[0].HasField("last_used_at")
    assert made.key not in str(listed)


@pytest.mark.parametrize(
    ("name", "role", "client", "error"),
    [
        ("", "viewer", 0, "name"),
        ("a\x1b[2J", "viewer", 0, "name"),
        ("x" * 200, "viewer", 0, "name"),
        ("db:postgres", "viewer", 0, "name"),
        ("job:billing", "viewer", 0, "name"),
        ("a", "root", 0, "role"),
        ("a", "", 0, "role"),
        ("a", "client", 0, "client_id"),
        ("a", "viewer", 1, "client_id"),
        ("a", "admin", 1, "client_id"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(
    db: Database, name: str, role: str, client: int, error: str
) -> None:
    with pytest.raises(Invalid, match=f"^{error}: "):
        await create_key(db, name=name, role=role, client_id=client)


async def test_a_key_for_nobody_and_a_taken_name_are_refused(db: Database) -> None:
    with pytest.raises(NotFound, match="client 99"):
        await create_key(db, name="a", role="client", client_id=99)
    await create_key(db, name="a", role="viewer", client_id=0)
    with pytest.raises(Conflict, match="choose another name"):
        await create_key(db, name="a", role="viewer", client_id=0)


async def test_the_last_admin_key_stays_enabled(db: Database) -> None:
    first = await create_key(db, name="first", role="admin", client_id=0)
    second = await create_key(db, name="second", role="admin", client_id=0)
    viewer = await create_key(db, name="viewer", role="viewer", client_id=0)
    results = await asyncio.gather(
        set_key_enabled(db, key_id=first.id, enabled=False),
        set_key_enabled(db, key_id=second.id, enabled=False),
        return_exceptions=True,
    )
    assert [type(result) for result in results].count(Conflict) == 1
    await set_key_enabled(db, key_id=viewer.id, enabled=False)
    with pytest.raises(NotFound, match="key 99"):
        await set_key_enabled(db, key_id=99, enabled=False)


async def test_a_disabled_key_opens_nothing_until_it_is_enabled_again(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "KEY_CACHE_SECONDS", 0.0)
    made = await create_key(db, name="a", role="viewer", client_id=0)
    ring = access.KeyRing(db)
    await set_key_enabled(db, key_id=made.id, enabled=False)
    with pytest.raises(access.Unauthenticated, match="disabled"):
        await ring.caller(sent(made.key))
    await set_key_enabled(db, key_id=made.id, enabled=True)
    assert (await ring.caller(sent(made.key))).key_name == "a"


async def test_being_used_is_noted_once_a_minute_and_is_no_decision(db: Database, world: World) -> None:
    made = await create_key(db, name="a", role="viewer", client_id=0)
    [groups] = await world.one("select count(*) from audit_group")
    await access.KeyRing(db).caller(sent(made.key))
    used = await world.one("select last_used_at from api_key")
    await access.KeyRing(db).caller(sent(made.key))
    assert await world.one("select last_used_at from api_key") == used
    assert await world.one("select count(*) from audit_group") == (groups,)


async def test_a_keys_text_and_hash_are_written_down_nowhere(
    db: Database, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        texts = [await bootstrap_key(db, name="first")]
        made = await create_key(db, name="second", role="viewer", client_id=0)
        texts.append(made.key)
        with pytest.raises(Conflict) as refused:
            await create_key(db, name="second", role="viewer", client_id=0)
        with pytest.raises(access.Unauthenticated) as unknown:
            await access.KeyRing(db).caller(sent(made.key + "x"))
    asked = await world.conn.execute("select encode(sha256, 'hex') from api_key")
    texts += [row[0] for row in await asked.fetchall()]
    [audited] = await world.one("select string_agg(to_jsonb(e)::text, '') from audit_entry e")
    said = [caplog.text, audited, repr(made), str(refused.value), str(unknown.value)]
    assert [text for text in texts if any(text in one for one in said)] == []
    assert (await world.one("select act, actor from audit_group order by id limit 1"))[0] == "keys bootstrap"

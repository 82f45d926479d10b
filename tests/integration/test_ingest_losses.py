"""What is lost, contradicted or set back is a record and an alarm, never a silence and never a double."""

from datetime import UTC, datetime

import psycopg
import pytest

from aggregator.rpc.ingest import Greeting, malformed
from aggregator.store import health
from aggregator.store.snapshot import snapshot
from tests.ingest_batches import (
    CPU,
    MINUTE_US,
    NOON_US,
    RAM,
    Series,
    Spool,
    Tick,
    encoded,
    rows,
    sealed,
    stored,
    tombstone,
)
from tests.ingest_intake import Intake, agent_rows, intake, outcomes
from ullage.v1 import ingest_pb2

A, B, C = (letter * 16 for letter in (b"a", b"b", b"c"))


def minute(number: int, value: int) -> bytes:
    return encoded(Tick([(RAM, value)], at=NOON_US + number * MINUTE_US))


def follows(epoch: bytes, predecessor: bytes = b"") -> Greeting:
    return Greeting("boot", {epoch: predecessor} if predecessor else {})


async def troubles(into: Intake) -> dict[str, list[str]]:
    """What health says of agents: kind of trouble to names."""
    async with snapshot(into.db) as seen:
        found = await health.figures(seen)
    return {one.trouble.value: list(one.names) for one in found.troubled}


@pytest.mark.storage
async def test_a_tombstone_moves_the_cursor_over_what_is_lost_and_nothing_else_does(dsn: str) -> None:
    """Row 14: what a damaged segment held is one row, and the numbers behind it go on."""
    spool = Spool()
    async with intake(dsn) as into:
        await into.offer(spool.seal(minute(0, 1)))
        five = sealed(spool.epoch, 5, minute(4, 5))
        assert outcomes(await into.offer(five)) == ["GAP 2"]
        stone = sealed(spool.epoch, 2, tombstone(4))
        assert outcomes(await into.offer(stone, five)) == ["APPLIED", "APPLIED"]
        assert outcomes(await into.offer(stone, sealed(spool.epoch, 3, minute(2, 3)))) == ["DUPLICATE"] * 2
        assert await troubles(into) == {"lost": ["web1"]}
        async with snapshot(into.db) as seen:
            [agent] = await agent_rows(seen)
    assert (agent.tombstones, agent.batches, agent.readings) == (1, 5, 2)
    assert [value for *_, value in stored(dsn)] == [1, 5]
    assert rows(
        dsn, "select seq, through, read, lost_reason, lost_from, lost_detail from batch where seq = 2"
    ) == [(2, 4, 0, "damaged", datetime(2026, 3, 1, 12, tzinfo=UTC), "a segment was damaged")]
    assert rows(dsn, "select last_seq from cursor") == [(5,)]


@pytest.mark.storage
async def test_a_refused_number_is_free_for_the_tombstone_that_stands_for_it(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        assert outcomes(await into.offer(spool.seal(b"\xff\xff not a batch"))) == ["REFUSED"]
        stone = sealed(spool.epoch, 1, tombstone(1, reason="refused"))
        assert outcomes(await into.offer(stone)) == ["APPLIED"]
        assert outcomes(await into.offer(sealed(spool.epoch, 2, minute(1, 2)))) == ["APPLIED"]
    assert rows(dsn, "select lost_reason from batch order by seq") == [("refused",), (None,)]
    assert rows(dsn, "select count(*) from rejected_batch") == [(1,)]


@pytest.mark.parametrize("through", [0, 1, 2**63])
async def test_a_tombstone_that_ends_before_its_number_or_beyond_all_is_refused(
    dsn: str, through: int
) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        await into.offer(spool.seal(minute(0, 1)))
        assert outcomes(await into.offer(spool.seal(tombstone(through)))) == ["REFUSED"]
    assert rows(dsn, "select last_seq from cursor") == [(1,)]


@pytest.mark.storage
async def test_other_content_under_a_stored_number_is_kept_as_evidence_and_told(dsn: str) -> None:
    """Rows 17 and 23: a host set back to a snapshot counts on under numbers that are taken; the first content stands."""
    spool = Spool()
    async with intake(dsn) as into:
        for number in range(3):
            await into.offer(spool.seal(minute(number, number)))
        set_back = sealed(spool.epoch, 2, minute(9, 9))
        for _ in range(2):
            assert outcomes(await into.offer(set_back)) == ["CONFLICT"]
        new = sealed(B, 1, minute(9, 9))
        assert outcomes(await into.offer(new, greeting=follows(B, spool.epoch))) == ["APPLIED"]
        assert await troubles(into) == {"conflict": ["web1"]}
        async with snapshot(into.db) as seen:
            [agent] = await agent_rows(seen)
    assert agent.conflicts == 2
    assert [value for *_, value in stored(dsn)] == [0, 1, 2, 9]
    assert rows(dsn, "select seq, times, payload = %s from conflict", [set_back.payload]) == [(2, 2, True)]
    assert rows(dsn, "select began from cursor order by opened_at") == [("first",), ("next",)]


@pytest.mark.storage
async def test_an_agent_that_lost_its_spool_begins_anew_and_it_is_told(dsn: str) -> None:
    """Row 16: a spool that is gone cannot name what it followed. Its baselines are gone too, so nothing counts twice."""
    async with intake(dsn) as into:
        await into.offer(sealed(A, 1, minute(0, 1)))
        assert outcomes(await into.offer(sealed(B, 1, minute(5, 2)), greeting=follows(B))) == ["APPLIED"]
        assert await troubles(into) == {"new_spool": ["web1"]}
    assert rows(dsn, "select epoch, began from cursor order by opened_at") == [(A, "first"), (B, "unnamed")]


@pytest.mark.storage
async def test_of_two_that_follow_the_same_epoch_only_the_first_is_let_in(dsn: str) -> None:
    async with intake(dsn) as into:
        await into.offer(sealed(A, 1, minute(0, 1)))
        first, second = sealed(B, 1, minute(1, 2)), sealed(C, 1, minute(1, 3))
        assert outcomes(await into.offer(first, greeting=follows(B, A))) == ["APPLIED"]
        [held] = await into.offer(second, greeting=follows(C, A))
        assert outcomes([held]) == ["BUSY"]
        assert B.hex() in held.reason
        assert await troubles(into) == {"second_line": ["web1"]}
        # The other goes on as before, and so does this one once it names the newest.
        assert outcomes(await into.offer(sealed(B, 2, minute(2, 4)))) == ["APPLIED"]
        assert outcomes(await into.offer(second, greeting=follows(C, B))) == ["APPLIED"]
    assert [value for *_, value in stored(dsn)] == [1, 2, 3, 4]


async def test_a_database_set_back_lets_in_what_follows_an_epoch_it_forgot(dsn: str) -> None:
    async with intake(dsn) as into:
        await into.offer(sealed(A, 1, minute(0, 1)))
        assert outcomes(await into.offer(sealed(C, 1, minute(1, 2)), greeting=follows(C, B))) == ["APPLIED"]
        assert await troubles(into) == {"set_back": ["web1"]}


def test_epochs_are_named_oldest_first_and_each_follows_the_one_before() -> None:
    hello = ingest_pb2.Hello(epochs=[A, B, C], boot_id="boot", predecessor=B)
    assert Greeting.of(hello).predecessors == {B: A, C: B}
    assert Greeting.of(ingest_pb2.Hello(epochs=[B], predecessor=A)).predecessors == {B: A}
    assert Greeting.of(ingest_pb2.Hello(epochs=[A])).predecessors == {}


def test_no_agent_may_use_the_servers_own_epoch() -> None:
    assert "own" in malformed(sealed(bytes(16), 1, minute(0, 1)))


@pytest.mark.storage
async def test_what_was_learnt_of_a_database_is_forgotten_when_it_is_restored(dsn: str) -> None:
    """Row 8: after a restore an id may be another series'. Batches admitted before are admitted again."""
    spool = Spool()
    vm = Series("ram", "vm", "v1")
    async with intake(dsn) as into:
        await into.offer(spool.seal(encoded(Tick([(RAM, 1), (CPU, 2)]))))
        restore_without_series(dsn)
        other = await into.other_agent("web2")
        # Takes the ids that the first agent's series had.
        payload = encoded(Tick([(vm, 7), (Series("cpu", "vm", "v1"), 8)], reported=["vm"]))
        await into.offer(Spool().seal(payload), agent=other)
        assert outcomes(await into.offer(*spool.batches)) == ["APPLIED"]
    assert stored(dsn) == [("h1", "cpu", 2), ("h1", "ram", 1), ("v1", "cpu", 8), ("v1", "ram", 7)]


@pytest.mark.storage
async def test_an_agent_that_a_restored_database_does_not_know_keeps_its_batches(dsn: str) -> None:
    """Row 8: refused batches would be put aside for good, and this one is only too early."""
    spool = Spool()
    async with intake(dsn) as into:
        await into.offer(spool.seal(minute(0, 1)))
        with psycopg.connect(dsn) as conn:
            conn.execute(
                "truncate agent, cursor, batch, series, asset, tick, touched restart identity cascade"
            )
        answers = await into.offer(*spool.batches, sealed(B, 1, minute(1, 2)))
        assert set(outcomes(answers)) == {"BUSY"}
        assert outcomes(await into.offer(sealed(spool.epoch, 2, minute(1, 2)))) in (["BUSY"], ["GAP 1"])
    assert rows(dsn, "select count(*) from rejected_batch") == [(0,)]


def restore_without_series(dsn: str) -> None:
    """As a dump from before the first batch leaves it: tables filled anew, sequences where they were then."""
    with psycopg.connect(dsn) as conn:
        conn.execute("truncate cursor, batch, series, asset, tick, touched restart identity cascade")

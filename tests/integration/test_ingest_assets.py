"""Assets and series appear by themselves, once, under harmless names, and keep up with what their agent says."""

import pytest

from aggregator.ingest import limits
from tests.ingest_batches import (
    CPU,
    MINUTE_US,
    NOON_US,
    RAM,
    RATE,
    Series,
    Spool,
    Tick,
    encoded,
    rows,
    stored,
)
from tests.ingest_intake import Intake, intake, outcomes
from ullage.v1 import ingest_pb2

pytestmark = pytest.mark.storage

ASSET = "select name, address, labels, rebind from asset order by id"


async def send(into: Intake, spool: Spool, *series: Series, value: int = 1) -> ingest_pb2.Ack:
    at = NOON_US + len(spool.batches) * MINUTE_US
    [ack] = await into.offer(spool.seal(encoded(Tick([(one, value) for one in series], at=at))))
    return ack


def settle(dsn: str) -> None:
    """As the rebind job leaves it."""
    rows(dsn, "update asset set rebind = false returning id")


def described(name: str, **labels: str) -> Series:
    return Series("ram", name=name, address="10.0.0.1", labels=labels)


async def test_a_new_asset_is_stored_with_what_its_agent_says_and_is_to_be_bound(dsn: str) -> None:
    async with intake(dsn) as into:
        await send(into, Spool(), described("db one", role="db"))
    assert rows(dsn, ASSET) == [("db one", "10.0.0.1", {"role": "db"}, True)]
    assert rows(dsn, "select scope, external_id, acknowledged_at from asset") == [("agent:1", "h1", None)]


async def test_an_asset_ends_as_it_was_last_described_and_is_bound_anew_on_each_change(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        for name in ("a", "b", "a"):
            await send(into, spool, described(name))
            assert rows(dsn, ASSET) == [(name, "10.0.0.1", {}, True)]
            settle(dsn)
        await send(into, spool, described("a"))
        assert rows(dsn, ASSET) == [("a", "10.0.0.1", {}, False)]
        await send(into, spool, described("a", role="web"))
        assert rows(dsn, ASSET) == [("a", "10.0.0.1", {"role": "web"}, True)]


async def test_dictionaries_that_alternate_are_resolved_once_each(dsn: str) -> None:
    """An agent with more readings than fit in a batch alternates; the second round asks the database nothing."""
    spool = Spool()
    async with intake(dsn) as into:
        await send(into, spool, RAM)
        await send(into, spool, CPU)
        settle(dsn)
        # Resolving again would put these back.
        rows(dsn, "update asset set name = 'changed behind its back' returning id")
        await send(into, spool, RAM)
        await send(into, spool, CPU)
        assert rows(dsn, "select name from asset") == [("changed behind its back",)]
    assert len(stored(dsn)) == 4


async def test_a_new_series_of_a_known_asset_has_it_bound_again(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        await send(into, spool, RAM)
        settle(dsn)
        await send(into, spool, RAM, CPU)
    assert [rebind for *_, rebind in rows(dsn, ASSET)] == [True]


async def test_after_a_restart_nothing_is_created_again(dsn: str) -> None:
    spool = Spool()
    async with intake(dsn) as into:
        await send(into, spool, RAM, RATE)
        settle(dsn)
        agent = into.agent.uuid
    async with intake(dsn, agent=agent) as into:
        await send(into, spool, RAM, RATE)
    assert rows(dsn, "select count(*), bool_or(rebind) from asset") == [(2, False)]


async def test_a_machine_that_moves_within_its_site_stays_one_asset(dsn: str) -> None:
    machine = Series("ram", "vm", "6f5c")
    async with intake(dsn) as into:
        there = await into.other_agent("node2")
        elsewhere = await into.other_agent("node3", site="paris")
        await send(into, Spool(), machine)
        for agent in (there, elsewhere):
            await into.offer(Spool().seal(encoded(Tick([(machine, 1)]))), agent=agent)
    assert rows(dsn, "select scope, count(*) from asset group by scope order by scope") == [
        ("site:berlin", 1),
        ("site:paris", 1),
    ]


async def test_hostile_names_are_stored_without_their_teeth(dsn: str) -> None:
    """Row 46."""
    hostile = Series(
        "ram",
        "host",
        "'); drop table tick; --\x00",
        name="\x1b]52;c;ZXZpbA==\x07 \u202ereversed",
        address="\x9b2J",
        labels={"k\x00ey": "v\u200balue", "'; --": "[/nope]"},
    )
    async with intake(dsn) as into:
        await send(into, Spool(), hostile)
    [(external_id, name, address, labels)] = rows(dsn, "select external_id, name, address, labels from asset")
    assert str(external_id).startswith("'); drop table tick; --�~")
    assert name == "�]52;c;ZXZpbA==� �reversed"
    assert address == "�2J"
    assert labels == {"k�ey": "v�alue", "'; --": "[/nope]"}


async def test_an_asset_without_identity_is_refused(dsn: str) -> None:
    async with intake(dsn) as into:
        ack = await send(into, Spool(), Series("ram", external_id=""))
    assert outcomes([ack]) == ["REFUSED"]
    assert rows(dsn, "select count(*) from asset") == [(0,)]


async def test_an_agent_with_too_many_series_keeps_those_it_had(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 38."""
    monkeypatch.setattr(limits, "SERIES_PER_AGENT_MAX", 3)
    flood = [Series("ram", "container", f"c{n}") for n in range(5)]
    spool = Spool()
    async with intake(dsn) as into:
        await send(into, spool, RAM)
        ack = await send(into, spool, RAM, *flood)
        assert (ack.stored, ack.quarantined) == (3, 3)
        assert {r.reason for r in ack.rejected} == {"too_many_series"}
        ack = await send(into, spool, RAM, *flood)
        assert (ack.stored, ack.quarantined) == (3, 3)
    assert rows(dsn, "select count(*) from asset") == [(3,)]
    assert rows(dsn, "select distinct external_id from quarantine order by 1") == [("c2",), ("c3",), ("c4",)]


async def test_a_unit_type_created_later_is_taken_from_then_on(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.ingest.resolve.FAULTY_US_MAX", 0)
    spool, gpu = Spool(), Series("gpu")
    async with intake(dsn) as into:
        assert (await send(into, spool, gpu)).quarantined == 1
        rows(
            dsn,
            "insert into unit_type (name, symbol, description, kind, divisor, precision, slot_minutes) "
            "values ('gpu', 'GPU', 'graphics processors', 'level', 1, 0, 60) returning id",
        )
        assert (await send(into, spool, gpu)).stored == 1


async def test_what_the_agent_has_elsewhere_decides_which_slots_an_empty_tick_touches(dsn: str) -> None:
    """The interface's rate counts in 5-minute slots; that it is gone must be seen in them."""
    spool = Spool()
    async with intake(dsn) as into:
        await send(into, spool, RAM, RATE)
        rows(dsn, "delete from touched returning slot")
        await into.offer(
            spool.seal(encoded(Tick(at=NOON_US + 2 * MINUTE_US, reported=["host", "interface"])))
        )
    assert rows(dsn, "select width, slot_start(slot)::time::text from touched order by width") == [
        (5, "12:00:00"),
        (60, "12:00:00"),
    ]

"""What decides whether a batch is taken, beside the batch: suppressions, unit types, stopped agents, from when on raw
readings are kept, which database.

Loaded together, in one transaction, with the version they have. A group commit compares that version with the one it sees
and has what is outdated admitted again, so a change holds from the next commit on, on every aggregator.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import sql
from aggregator.domain.match import Condition, Facts, Operator
from aggregator.domain.suppress import Suppression, compile_suppressions
from aggregator.store.database import Database, fetch_all, fetch_one, fetch_value
from ullage.wire import to_micros

_Q = sql.queries("ingest")


@dataclass(frozen=True, slots=True)
class World:
    """What a batch was admitted under.

    ``version`` moves with every change of the rules. ``base`` changes when the database is another one, was started anew
    or restored: ids learnt before may then mean something else.
    """

    version: int
    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """The rules of one version. ``meaning`` is equal where dictionaries resolve to the same, whatever else changed."""

    world: World
    meaning: str
    # The id of the suppression that keeps an asset out, 0 for none.
    suppressed: Callable[[Facts], int]
    # Agents that may not speak, by id.
    stopped: Mapping[int, str]
    # Readings of the time before are in no slot; microseconds since 1970.
    floor_us: int


class Outdated(Exception):
    """Something was admitted under rules that do not hold any more; ``world`` is what holds."""

    def __init__(self, world: World) -> None:
        super().__init__(f"the rules have moved to version {world.version}")
        self.world = world


@dataclass(frozen=True, slots=True)
class _Rule:
    id: int
    field: str
    operator: str
    pattern: str


@dataclass(frozen=True, slots=True)
class _Unit:
    id: int
    name: str
    kind: str
    slot_minutes: int


@dataclass(frozen=True, slots=True)
class _Stopped:
    id: int
    state: str


class Rules:
    """The newest rules that this aggregator has seen."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: RuleSet | None = None
        self._loading = asyncio.Lock()

    async def current(self) -> RuleSet:
        """Raises ``Unavailable`` when nothing was loaded yet and nothing can be."""
        return self._known or await self._load(None)

    async def of(self, world: World) -> RuleSet:
        """The rules as somebody saw them since, or newer. Raises ``Unavailable``."""
        if self._known is not None and self._known.world == world:
            return self._known
        return await self._load(world)

    async def _load(self, wanted: World | None) -> RuleSet:
        async with self._loading:
            # Loaded by another while we waited.
            if self._known is not None and wanted in {None, self._known.world}:
                return self._known
            async with self._db.transaction() as conn:
                await conn.execute(_Q["one_look"])
                world = await fetch_one(conn, World, _Q["world"])
                assert world is not None  # noqa: S101 - the table has one row, always
                rules = await fetch_all(conn, _Rule, _Q["suppressions"])
                units = await fetch_all(conn, _Unit, _Q["unit_types"])
                stopped = await fetch_all(conn, _Stopped, _Q["stopped_agents"])
                floor: datetime = await fetch_value(conn, _Q["floor"])
            units.sort(key=lambda unit: unit.id)
            meaning = sha256(repr((world.base, rules, units)).encode()).hexdigest()
            self._known = RuleSet(
                world=world,
                meaning=meaning,
                suppressed=compile_suppressions(
                    [Suppression(r.id, Condition(r.field, Operator(r.operator), r.pattern)) for r in rules]
                ),
                stopped={agent.id: agent.state for agent in stopped},
                floor_us=to_micros(floor),
            )
            return self._known

"""From a dictionary to series ids: creates the assets and series that are new, in a short transaction of its own.

Also brings what is known of an asset up to what its agent says now. What the readings are worth is not its business.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from logging import getLogger

import numpy as np

import sql
from aggregator.domain.match import Facts
from aggregator.errors import Unavailable
from aggregator.ingest import limits
from aggregator.ingest.admit import Resolved
from aggregator.ingest.agents import Agent
from aggregator.ingest.decode import Refused
from aggregator.ingest.dictionary import AssetFacts, Dictionary, read_dictionary
from aggregator.ingest.dropped import Suppressed, digest_of
from aggregator.ingest.quarantine import Fault, UInt8s
from aggregator.ingest.rules import RuleSet
from aggregator.store.database import Connection, Database, execute, fetch_all, fetch_one
from aggregator.store.news import announce
from ullage.log import fields

_Q = sql.queries("ingest")
_log = getLogger(__name__)

# Resolved series kept in memory, over all agents: about 10 bytes each.
CACHED_SERIES_MAX = 5_000_000
# An agent with more readings than fit in a batch alternates between a few dictionaries.
DICTIONARIES_PER_AGENT_MAX = 8
# Connections that resolving may hold at once; the pool is everyone's.
RESOLVING_MAX = 4
# A dictionary with series that could not be resolved is looked at again: a unit type may have been created.
FAULTY_US_MAX = 60 * limits.MICROSECONDS_PER_SECOND
_DEFAULT_WIDTH_MINUTES = 60
_FOREVER_US = 2**63


@dataclass(frozen=True, slots=True)
class _SourceType:
    id: int
    name: str
    scope: str


@dataclass(frozen=True, slots=True)
class _UnitType:
    id: int
    name: str
    kind: str
    slot_minutes: int


@dataclass(frozen=True, slots=True)
class _AgentSeries:
    series: int
    widths: list[int]


@dataclass(frozen=True, slots=True)
class _FoundAsset:
    n: int
    id: int
    changed: bool


@dataclass(frozen=True, slots=True)
class _FoundSeries:
    n: int
    id: int


@dataclass(frozen=True, slots=True)
class _Known:
    """A dictionary that was resolved, until when that holds, and what it says of each asset (id → hash)."""

    resolved: Resolved
    says: dict[int, int]
    until_us: int


@dataclass(slots=True)
class _Memory:
    """What is remembered of one agent: its newest dictionaries, and what was last said of each asset."""

    dictionaries: OrderedDict[bytes, _Known] = field(default_factory=OrderedDict)
    said: dict[int, int] = field(default_factory=dict)
    current: bytes = b""

    def recall(self, digest: bytes, now_us: int) -> Resolved | None:
        """None when the database has to be asked: never seen, outdated, or it would describe an asset anew.

        An asset described as A, then B, then A again must end as A.
        """
        known = self.dictionaries.get(digest)
        if known is None or now_us >= known.until_us:
            return None
        if digest != self.current:
            if any(self.said.get(asset) != facts for asset, facts in known.says.items()):
                return None
            self.current = digest
            self.dictionaries.move_to_end(digest)
        return known.resolved

    def learn(self, digest: bytes, known: _Known) -> None:
        """The newest dictionary. Those resolved before a new width of slots came up are outdated."""
        for old in [
            d
            for d, k in self.dictionaries.items()
            if d == digest or k.resolved.widths != known.resolved.widths
        ]:
            del self.dictionaries[old]
        self.dictionaries[digest] = known
        if len(self.dictionaries) > DICTIONARIES_PER_AGENT_MAX:
            self.dictionaries.popitem(last=False)
        self.said = {asset: facts for k in self.dictionaries.values() for asset, facts in k.says.items()}
        self.current = digest

    @property
    def series(self) -> int:
        """Its size: series over all dictionaries."""
        return sum(len(known.resolved.series) for known in self.dictionaries.values())


class Resolver:
    """Resolves dictionaries, and remembers the newest of each agent."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._memory: OrderedDict[int, _Memory] = OrderedDict()
        self._held = 0
        self._meaning = ""
        self._turns = asyncio.Semaphore(RESOLVING_MAX)

    async def resolve(
        self, agent: Agent, encoded: bytes, *, rules: RuleSet, now_us: int
    ) -> Resolved | Refused:
        """The columns of an encoded Dictionary. Raises ``Unavailable`` when it has to ask the database and cannot."""
        if rules.meaning != self._meaning:
            self._forget(rules.meaning)
        digest = sha256(encoded).digest()
        memory = self._memory.get(agent.id)
        if memory is not None:
            self._memory.move_to_end(agent.id)
            recalled = memory.recall(digest, now_us)
            if recalled is not None:
                return recalled
        dictionary = read_dictionary(encoded)
        if isinstance(dictionary, Refused):
            return dictionary
        async with self._turns, self._db.transaction() as conn:
            resolved, says = await _Resolution(conn, agent, dictionary, rules).run()
        until_us = now_us + FAULTY_US_MAX if resolved.unsettled else _FOREVER_US
        if rules.meaning == self._meaning:
            self._learn(agent.id, digest, _Known(resolved, says, until_us))
        return resolved

    def _forget(self, meaning: str) -> None:
        """Other rules hold, or the database may be an older copy in which ids mean something else."""
        self._memory.clear()
        self._held = 0
        self._meaning = meaning

    def _learn(self, agent_id: int, digest: bytes, known: _Known) -> None:
        memory = self._memory.setdefault(agent_id, _Memory())
        self._held -= memory.series
        memory.learn(digest, known)
        self._held += memory.series
        self._memory.move_to_end(agent_id)
        while self._held > CACHED_SERIES_MAX and len(self._memory) > 1:
            _, dropped = self._memory.popitem(last=False)
            self._held -= dropped.series


class _Resolution:
    """The work for one dictionary, inside one transaction."""

    def __init__(self, conn: Connection, agent: Agent, dictionary: Dictionary, rules: RuleSet) -> None:
        self._conn = conn
        self._agent = agent
        self._rules = rules
        self._assets = dictionary.assets
        self._series = dictionary.series
        self._fault: UInt8s = np.zeros(len(dictionary.series), np.uint8)
        self._types: dict[str, _SourceType] = {}
        self._units: dict[str, _UnitType] = {}
        self._suppressed: Suppressed | None = None
        # By index in the dictionary.
        self._asset_ids: dict[int, int] = {}
        self._series_ids: dict[int, int] = {}

    async def run(self) -> tuple[Resolved, dict[int, int]]:
        """The columns, and a hash of what the dictionary says of each asset by id."""
        await self._load_catalogue()
        self._suppress()
        usable = [n for n in range(len(self._series)) if not self._fault[n]]
        changed = await self._find_assets(sorted({self._series[n].asset for n in usable}))
        await self._find_series(usable)
        missing = [n for n in usable if n not in self._series_ids]
        before = await fetch_one(self._conn, _AgentSeries, _Q["agent_series"], {"agent_id": self._agent.id})
        count, widths = (before.series, before.widths) if before else (0, [])
        if missing:
            await self._create(self._within_limit(missing, room=limits.SERIES_PER_AGENT_MAX - count))
        if changed:
            await self._update_assets(changed)
        if missing or changed:
            await announce(self._conn, "asset")
        says = {number: hash(self._assets[index]) for index, number in self._asset_ids.items()}
        return self._resolved(widths), says

    async def _load_catalogue(self) -> None:
        self._types = {t.name: t for t in await fetch_all(self._conn, _SourceType, _Q["source_types"])}
        self._units = {u.name: u for u in await fetch_all(self._conn, _UnitType, _Q["unit_types"])}
        for n, series in enumerate(self._series):
            if self._assets[series.asset].source_type not in self._types:
                self._fault[n] = Fault.UNKNOWN_SOURCE_TYPE
            elif series.unit_type not in self._units:
                self._fault[n] = Fault.UNKNOWN_UNIT

    def _suppress(self) -> None:
        """Each asset is held against the rules once. A suppressed one is neither looked up nor created."""
        rules: dict[int, int] = {}
        for index, asset in enumerate(self._assets):
            rule = self._rules.suppressed(
                Facts(
                    source_type=asset.source_type,
                    external_id=asset.external_id,
                    name=asset.name,
                    address=asset.address,
                    agent=self._agent.name,
                    site=self._agent.site,
                    labels=dict(asset.labels),
                )
            )
            if rule:
                rules[index] = rule
        if rules:
            digests = {index: self._digest(self._assets[index]) for index in rules}
            of_series = np.array([series.asset for series in self._series], np.int64)
            self._suppressed = Suppressed(rules, digests, of_series)
            self._fault[self._suppressed.rule > 0] = Fault.SUPPRESSED

    def _digest(self, asset: AssetFacts) -> bytes:
        known = self._types.get(asset.source_type)
        # What nobody knows is this agent's own.
        scope = self._agent.scope(known.scope if known else "agent")
        return digest_of(asset.source_type, scope, asset.external_id)

    def _within_limit(self, missing: list[int], *, room: int) -> list[int]:
        """The first of them in key order; the readings of the others are quarantined."""
        ordered = sorted(
            missing, key=lambda n: (*self._key(self._series[n].asset), self._series[n].unit_type)
        )
        kept = ordered[: max(0, room)]
        for n in ordered[len(kept) :]:
            self._fault[n] = Fault.TOO_MANY_SERIES
        if len(kept) < len(ordered):
            _log.warning(
                "agent has too many series",
                extra=fields(agent=self._agent.name, refused=len(ordered) - len(kept)),
            )
        return kept

    async def _create(self, missing: list[int]) -> None:
        new_assets = sorted({self._series[n].asset for n in missing} - self._asset_ids.keys())
        if new_assets:
            await execute(
                self._conn, _Q["create_assets"], {**self._columns(new_assets), "agent_id": self._agent.id}
            )
            await self._find_assets(new_assets)
        await execute(self._conn, _Q["create_series"], self._series_columns(missing))
        await self._find_series(missing)
        if any(n not in self._series_ids for n in missing):
            raise Unavailable("a series vanished while it was created; try again in a moment")

    async def _find_assets(self, indexes: Sequence[int]) -> list[int]:
        """Learns the ids of those that exist; the indexes of those of which something new is said."""
        found = await fetch_all(self._conn, _FoundAsset, _Q["find_assets"], self._columns(indexes))
        self._asset_ids.update({indexes[asset.n - 1]: asset.id for asset in found})
        return [indexes[asset.n - 1] for asset in found if asset.changed]

    async def _find_series(self, indexes: Iterable[int]) -> None:
        known = [n for n in indexes if self._series[n].asset in self._asset_ids]
        found = await fetch_all(self._conn, _FoundSeries, _Q["find_series"], self._series_columns(known))
        self._series_ids.update({known[series.n - 1]: series.id for series in found})

    async def _update_assets(self, changed: list[int]) -> None:
        ids = [self._asset_ids[i] for i in changed]
        await execute(self._conn, _Q["update_assets"], {"ids": ids, **self._facts(changed)})

    def _columns(self, indexes: Iterable[int]) -> dict[str, list[object]]:
        indexes = list(indexes)
        keys = [self._key(i) for i in indexes]
        return {
            "source_types": [key[0] for key in keys],
            "scopes": [key[1] for key in keys],
            "external_ids": [key[2] for key in keys],
            **self._facts(indexes),
        }

    def _facts(self, indexes: Iterable[int]) -> dict[str, list[object]]:
        assets: list[AssetFacts] = [self._assets[i] for i in indexes]
        return {
            "names": [asset.name for asset in assets],
            "addresses": [asset.address for asset in assets],
            "labels": [json.dumps(dict(asset.labels)) for asset in assets],
        }

    def _series_columns(self, indexes: Iterable[int]) -> Mapping[str, list[int]]:
        series = [self._series[n] for n in indexes]
        return {
            "asset_ids": [self._asset_ids[s.asset] for s in series],
            "unit_type_ids": [self._units[s.unit_type].id for s in series],
        }

    def _key(self, index: int) -> tuple[int, str, str]:
        asset = self._assets[index]
        source_type = self._types[asset.source_type]
        return source_type.id, self._agent.scope(source_type.scope), asset.external_id

    def _resolved(self, widths: Iterable[int]) -> Resolved:
        units = [self._units.get(series.unit_type) for series in self._series]
        minutes = [unit.slot_minutes if unit else 0 for unit in units]
        used = {m for m, fault in zip(minutes, self._fault.tolist(), strict=True) if not fault}
        return Resolved(
            series=np.array([self._series_ids.get(n, 0) for n in range(len(self._series))], np.int32),
            amount=np.array([unit is not None and unit.kind == "amount" for unit in units], np.bool_),
            minutes=np.array(minutes, np.uint8),
            fault=self._fault,
            suppressed=self._suppressed,
            widths=tuple(sorted({*widths, *used} or {_DEFAULT_WIDTH_MINUTES})),
            source_types={name: source_type.id for name, source_type in self._types.items()},
        )

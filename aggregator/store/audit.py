"""The audit log: who changed which record. Written by triggers of the database; here it is read, and groups are set back.

Decides nothing: what can be set back says ``domain/undo.py``, in which order ``actions/undo.py``.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg.errors import ExclusionViolation, ForeignKeyViolation, UniqueViolation

import sql
from aggregator.domain.undo import Kind
from aggregator.errors import Conflict
from aggregator.store.database import Connection, execute, fetch_all, fetch_one, fetch_value
from aggregator.store.paging import Page, Paging, find, page
from aggregator.store.snapshot import Snapshot

_Q = sql.queries("audit")
_B = sql.queries("binding")

SORTS = ("id",)
# Beyond it a list says this many: counting all of years would take longer than reading the page.
TOTAL_MAX = 100_000

Bound = tuple[int, int, int, int]
Turn = Literal["decided", "others", "left-alone"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A record that was changed. Values are JSON texts; ``kinds`` are those of its whole group."""

    id: int
    group_id: int
    at: datetime
    actor: str
    act: str
    action: str
    table_name: str
    record_id: str
    old_values: str | None
    new_values: str | None
    undone_by: int | None
    undoes: int | None
    kinds: Sequence[Sequence[Any]] | None


@dataclass(frozen=True, slots=True)
class Group:
    """All that one transaction changed; ``entries``: how many records."""

    id: int
    at: datetime
    actor: str
    key_id: int | None
    request_id: str
    act: str
    undoes: int | None
    undone_by: int | None
    entries: int


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; None: all."""

    table: str | None = None
    record_id: str | None = None
    actor: str | None = None
    group_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """Who changed a record last; without an actor nobody is known to have."""

    table_name: str
    record_id: str
    actor: str | None
    at: datetime | None
    group_id: int | None


@dataclass(frozen=True, slots=True)
class RuleChange:
    """An assignment rule that a group decided about; ``conditions``: JSON of all that it had or has."""

    id: int
    conditions: str
    action: str


@dataclass(frozen=True, slots=True)
class BucketChange:
    """A bucket whose filters or priority a group decided about; ``conditions`` as those of a rule."""

    id: int
    client_id: int
    source_type_id: int
    conditions: str


@dataclass(frozen=True, slots=True)
class _Id:
    id: int


@dataclass(frozen=True, slots=True)
class _Record:
    record_id: str


@dataclass(frozen=True, slots=True)
class _Kind:
    table_name: str
    action: str
    columns: Sequence[str]


async def group_of(conn: Connection) -> int:
    """The group of all that this transaction has changed so far; 0 when that was nothing audited."""
    group: int = await fetch_value(conn, _Q["group_of"])
    return group


async def entries(seen: Snapshot, paging: Paging, wanted: AuditFilter) -> Page[Entry]:
    """Records that were changed."""
    params = {
        "table": wanted.table,
        "record_id": wanted.record_id,
        "actor": wanted.actor,
        "group_id": wanted.group_id,
        "since": wanted.since,
        "until": wanted.until,
        "total_max": TOTAL_MAX,
    }
    keys = await find(seen.conn, _Q["page"], paging, **params)
    ids = list(keys.ids[: paging.size])
    return page(keys, paging, await fetch_all(seen.conn, Entry, _Q["entries"], {"ids": ids}))


async def first_entries(conn: Connection, group: int, *, limit: int) -> list[Entry]:
    """The first records of a group, without ``kinds``."""
    return await fetch_all(conn, Entry, _Q["first_entries"], {"id": group, "limit": limit})


async def group(conn: Connection, group_id: int) -> Group | None:
    """One group."""
    return await fetch_one(conn, Group, _Q["group"], {"id": group_id})


async def kinds(conn: Connection, group_id: int) -> list[Kind]:
    """What a group did, each kind once."""
    rows = await fetch_all(conn, _Kind, _Q["kinds"], {"id": group_id})
    return [Kind(row.table_name, row.action, row.columns) for row in rows]


async def hold(conn: Connection, group_id: int) -> None:
    """Keeps others from undoing the group until this transaction ends."""
    await execute(conn, _Q["hold"], {"id": group_id})


async def undoes(conn: Connection, group_id: int) -> None:
    """The group of this transaction will say that it undoes that one. Call before anything is changed."""
    await execute(conn, _Q["undoes"], {"id": group_id})


@contextmanager
def fitting() -> Iterator[None]:
    """What was there before must fit beside what is there now. Raises ``Conflict`` where it does not."""
    try:
        yield
    except (UniqueViolation, ExclusionViolation, ForeignKeyViolation) as error:
        raise Conflict(
            "what was there before does not fit any more beside what was decided since; change it by hand"
        ) from error


async def mark_undone(conn: Connection, group_id: int, *, by: int) -> None:
    """Notes which group took this one back."""
    await execute(conn, _Q["undone"], {"id": group_id, "by": by})


async def differs(conn: Connection, group_id: int) -> Changed | None:
    """A record that is not any more as the group left it."""
    return await fetch_one(conn, Changed, _Q["differs"], {"id": group_id})


async def in_the_way(conn: Connection, group_id: int) -> Changed | None:
    """A later decision by hand in time that the group's undoing would give to somebody else."""
    asked = {"id": group_id}
    table, record = "assignment", await fetch_one(conn, _Record, _Q["assignments_in_the_way"], asked)
    if record is None:
        table, record = "binding", await fetch_one(conn, _Record, _Q["bindings_in_the_way"], asked)
    if record is None:
        return None
    return await fetch_one(
        conn, Changed, _Q["last_change"], {"table": table, "record_id": record.record_id}
    ) or Changed(table, record.record_id, None, None, None)


async def concerned_assets(conn: Connection, group_id: int) -> list[int]:
    """Assets that the group itself decided about."""
    return [row.id for row in await fetch_all(conn, _Id, _Q["concerned"], {"id": group_id})]


async def concerned_rules(conn: Connection, group_id: int) -> list[RuleChange]:
    """Assignment rules that the group decided about."""
    return await fetch_all(conn, RuleChange, _Q["concerned_rules"], {"id": group_id})


async def concerned_buckets(conn: Connection, group_id: int) -> list[BucketChange]:
    """Buckets of which the group decided what they take."""
    return await fetch_all(conn, BucketChange, _Q["concerned_buckets"], {"id": group_id})


async def assets_of_rule(conn: Connection, rule_id: int) -> list[int]:
    """Assets that the rule assigned, in time that is not finalised."""
    return [row.id for row in await fetch_all(conn, _Id, _Q["assets_of_rule"], {"rule_id": rule_id})]


async def assets_of_bucket(conn: Connection, bucket_id: int) -> list[int]:
    """Assets bound to the bucket, in time that is not finalised."""
    return [row.id for row in await fetch_all(conn, _Id, _Q["assets_of_bucket"], {"bucket_id": bucket_id})]


async def set_back(conn: Connection, group_id: int, table: str, step: str) -> None:
    """One step for one table: ``delete`` what the group made, ``insert`` what it removed, ``update`` what it changed."""
    await execute(conn, _Q["set_back"], {"id": group_id, "table": table, "step": step})


async def set_back_spans(conn: Connection, group_id: int, table: str) -> None:
    """Spans of assignments or bindings that the group changed; first those that become shorter."""
    await execute(conn, _Q["set_back_shorter"], {"id": group_id, "table": table})
    await execute(conn, _Q["set_back_longer"], {"id": group_id, "table": table})


async def set_back_assets(conn: Connection, group_id: int, turn: Turn) -> None:
    """The assets of one turn: the log takes changes of what rules leave alone for decisions, and rebinding goes by it."""
    await execute(conn, _Q["set_back_assets"], {"id": group_id, "turn": turn})


async def make_room(conn: Connection, group_id: int) -> None:
    """Takes away what rules and filters did where decisions by hand are to be set back."""
    await execute(conn, _Q["clear_assignments"], {"id": group_id})
    await execute(conn, _Q["shorten_assignments"], {"id": group_id})
    await execute(conn, _Q["clear_bindings"], {"id": group_id})
    await execute(conn, _Q["shorten_bindings"], {"id": group_id})


async def end_rules(conn: Connection, rules: Collection[int]) -> None:
    """Takes back what these rules assigned in time that is not finalised."""
    await execute(conn, _Q["end_rule"], {"rules": list(rules)})
    await execute(conn, _Q["cut_rule"], {"rules": list(rules)})


async def end_suppressions(conn: Connection, group_id: int) -> None:
    """Ends suppressions that the group made."""
    await execute(conn, _Q["end_suppressions"], {"id": group_id})


async def dropped(conn: Connection, group_id: int) -> int:
    """Readings that the group's suppressions have dropped."""
    readings: int = await fetch_value(conn, _Q["dropped"], {"id": group_id})
    return readings


async def bindings_of(conn: Connection, assets: Sequence[int]) -> set[Bound]:
    """(bucket, series, from, to) of all series of these assets."""
    cursor = await conn.execute(_Q["bindings_of"], {"assets": list(assets)})
    return {(row[0], row[1], row[2], row[3]) for row in await cursor.fetchall()}


async def mark_dirty(conn: Connection, spans: Collection[Bound]) -> None:
    """Spans that came or went make their buckets' days be rated again."""
    if not spans:
        return
    await conn.execute(_B["hold_bound"])
    columns = list(zip(*sorted(spans), strict=True))
    names = ("buckets", "series", "from_slots", "to_slots")
    named = {name: list(column) for name, column in zip(names, columns, strict=True)}
    await execute(conn, _B["mark_dirty"], named)


async def hold_clients(conn: Connection, group_id: int, assets: Sequence[int]) -> set[int]:
    """Clients that these assets or what the group decided belong to; none of their time is finalised meanwhile."""
    asked = {"id": group_id, "assets": list(assets)}
    return {row.id for row in await fetch_all(conn, _Id, _Q["hold_clients"], asked)}

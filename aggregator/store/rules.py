"""Rules and filters as they are kept: read into what ``domain/bind.py`` asks, and which assets they can match.

Compiled conditions are kept by their text: that of a rule which did not change is compiled once.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import sql
from aggregator.domain.bind import Bucket, Rule, agreed
from aggregator.domain.match import (
    LABEL_PREFIX,
    Condition,
    Facts,
    Filter,
    Matcher,
    Need,
    Operator,
    PatternError,
    compile_filters,
    needs,
)
from aggregator.domain.period import Calendar
from aggregator.domain.slot import UNIT
from aggregator.store.calendars import calendars
from aggregator.store.database import Connection, fetch_all
from ullage.log import fields

_Q = sql.queries("rules")
_log = logging.getLogger(__name__)
_UNIT_MINUTES = int(UNIT.total_seconds()) // 60

FILTERS_CACHED_MAX = 8_192
BUCKETS_CACHED_MAX = 32_768


@dataclass(frozen=True, slots=True)
class Fitting:
    """Compiled filters, with what an asset needs to fit one of them."""

    fits: Matcher
    needs: Sequence[Sequence[Need]]


@dataclass(frozen=True, slots=True)
class _RuleRow:
    id: int
    client_id: int
    priority: int
    filters: str


@dataclass(frozen=True, slots=True)
class _BucketRow:
    id: int
    client_id: int
    source_type_id: int
    unit_type_id: int
    priority: int
    slot_minutes: int
    starts_on: list[date]
    ends_on: list[date | None]
    filters: str


async def load_rules(conn: Connection) -> list[Rule]:
    """All assignment rules, those of disabled clients too: what was theirs stays theirs."""
    return [_rule(row) for row in await fetch_all(conn, _RuleRow, _Q["rules"])]


async def load_buckets(
    conn: Connection, *, clients: Iterable[int], source_types: Iterable[int]
) -> list[Bucket]:
    """The clients' buckets of these source types; those without terms agree on nothing yet and are left out."""
    params = {"clients": list(clients), "source_types": list(source_types)}
    known = await calendars(conn, params["clients"])
    rows = await fetch_all(conn, _BucketRow, _Q["buckets"], params)
    return [_bucket(row, known[row.client_id]) for row in rows]


async def fitting_assets(
    conn: Connection,
    filters: Sequence[Filter],
    *,
    source_type_id: int | None = None,
    client_id: int | None = None,
    decided: bool = False,
) -> list[int]:
    """Ids of the assets that fit, in order: of the client where one is named, else all that rules may assign.

    With ``decided`` also those whose client somebody decided by hand. Disabled and disregarded ones are left out.
    Conditions that cannot be used fit nothing.
    """
    wanted = _columns(needs(filters)) | {
        "source_type_id": source_type_id,
        "decided": decided,
        "with_labels": any(
            condition.field.startswith(LABEL_PREFIX) for one in filters for condition in one.conditions
        ),
    }
    if client_id is None:
        cursor = await conn.execute(_Q["possible"], wanted)
    else:
        cursor = await conn.execute(_Q["possible_of_client"], wanted | {"client_id": client_id})
    rows = await cursor.fetchall()
    if not filters:
        return sorted({row[0] for row in rows})
    try:
        fits = compile_filters(filters)
    except PatternError:
        return []
    return sorted({row[0] for row in rows if fits(_facts(row))})


async def assets_of_buckets(conn: Connection, buckets: Iterable[int]) -> list[int]:
    """Ids of assets that are bound to one of them in time that is not finalised."""
    rows = await (await conn.execute(_Q["assets_of_buckets"], {"buckets": list(buckets)})).fetchall()
    return [row[0] for row in rows]


async def assets_of_rule(conn: Connection, rule_id: int) -> list[int]:
    """Ids of assets that the rule assigned in time that is not finalised."""
    rows = await (await conn.execute(_Q["assets_of_rule"], {"rule_id": rule_id})).fetchall()
    return [row[0] for row in rows]


def fitting(filters: str) -> Fitting:
    """Conditions as a column keeps them, several alternatives: [[{"field": …, …}, …], …]; none fits everything."""
    try:
        return _compiled(filters)
    except (PatternError, ValueError, KeyError, TypeError) as error:
        # They were checked when they were saved; should they fail now, they fit nothing, and say so.
        _log.warning("stored conditions cannot be used", extra=fields(conditions=filters, reason=str(error)))
        return Fitting(lambda facts: False, ())


def read_filters(filters: str) -> list[Filter]:
    """The same as conditions. Raises ``ValueError``, ``KeyError`` or ``TypeError`` for what cannot be read."""
    return [
        Filter(tuple(Condition(c["field"], Operator(c["operator"]), c["pattern"]) for c in conditions))
        for conditions in json.loads(filters)
    ]


@lru_cache(maxsize=FILTERS_CACHED_MAX)
def _compiled(filters: str) -> Fitting:
    read = read_filters(filters)
    return Fitting(compile_filters(read), needs(read))


@lru_cache(maxsize=FILTERS_CACHED_MAX)
def _rule(row: _RuleRow) -> Rule:
    found = fitting(row.filters)
    return Rule(id=row.id, client_id=row.client_id, priority=row.priority, fits=found.fits, needs=found.needs)


def _bucket(row: _BucketRow, calendar: Calendar) -> Bucket:
    key = row.id, row.client_id, row.source_type_id, row.unit_type_id, row.priority, row.slot_minutes
    return _bucket_of(key, calendar, tuple(zip(row.starts_on, row.ends_on, strict=True)), row.filters)


@lru_cache(maxsize=BUCKETS_CACHED_MAX)
def _bucket_of(
    key: tuple[int, int, int, int, int, int],
    calendar: Calendar,
    terms: tuple[tuple[date, date | None], ...],
    filters: str,
) -> Bucket:
    bucket_id, client_id, source_type_id, unit_type_id, priority, slot_minutes = key
    return Bucket(
        id=bucket_id,
        client_id=client_id,
        source_type_id=source_type_id,
        unit_type_id=unit_type_id,
        priority=priority,
        spans=agreed(terms, first_instant=calendar.first_instant, width=slot_minutes // _UNIT_MINUTES),
        fits=fitting(filters).fits,
    )


def _columns(alternatives: Sequence[Sequence[Need]]) -> dict[str, list[str]]:
    """Per alternative what each column must begin with, "" for anything; of labels one."""
    names = ("source_type", "external_id", "name", "address", "agent", "site", "label_key", "label")
    columns: dict[str, list[str]] = {name: [""] * len(alternatives) for name in names}
    for place, alternative in enumerate(alternatives):
        for name, text in _begins(alternative):
            columns[name][place] = text
    return columns


def _begins(alternative: Sequence[Need]) -> Iterator[tuple[str, str]]:
    for need in alternative:
        if need.field.startswith(LABEL_PREFIX):
            yield "label_key", need.field.removeprefix(LABEL_PREFIX)
            yield "label", need.text
        else:
            yield need.field, need.text


def _facts(row: tuple[int, str, str, str, str, str, str, Mapping[str, str] | None]) -> Facts:
    return Facts(
        source_type=row[1],
        external_id=row[2],
        name=row[3],
        address=row[4],
        agent=row[5],
        site=row[6],
        labels=row[7] or {},
    )

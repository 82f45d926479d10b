"""Writes clients, buckets, assignments or contracted counts as a CSV file that the import takes again.

One consistent look at the database, line by line: what is written does not have to fit into memory.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime

from aggregator.actions.csv_rows import header, written
from aggregator.actions.imports import TABLES
from aggregator.domain.filter_text import filters_text
from aggregator.domain.slot import slot_start
from aggregator.store import exchange
from aggregator.store.exchange import AssignmentLine, BucketLine, ClientLine, ContractLine
from aggregator.store.snapshot import Snapshot

CHUNK_CHARACTERS = 64 * 1024
Cells = Mapping[str, object]


async def export_table(seen: Snapshot, table: str, *, client_id: int | None) -> AsyncIterator[bytes]:
    """The file in parts. ``table`` is a key of ``imports.TABLES``; ``client_id`` None: of all clients."""
    columns = TABLES[table].columns
    part = header(columns)
    async for cells in _EXPORTS[table](seen, client_id):
        part += written({name: _text(value) for name, value in cells.items()}, columns)
        if len(part) >= CHUNK_CHARACTERS:
            yield part.encode()
            part = ""
    yield part.encode()


async def _clients(seen: Snapshot, client_id: int | None) -> AsyncIterator[Cells]:
    async for line in exchange.client_lines(seen.conn, client_id=client_id):
        yield _plain(line)


async def _buckets(seen: Snapshot, client_id: int | None) -> AsyncIterator[Cells]:
    async for line in exchange.bucket_lines(seen.conn, client_id=client_id, now=seen.now):
        gap = None if line.gap_hold is None else f"hold {line.gap_hold}" if line.gap_hold else "zero"
        percentile = f"p{line.percentile.normalize():f}" if line.percentile is not None else line.aggregation
        yield {
            **_plain(line),
            "aggregation": percentile,
            "gap_rule": gap,
            "filters": filters_text(exchange.filters_of(line)),
            "tiers": "; ".join(f"{tier['above']}: {tier['price']}" for tier in line.tiers or ()),
        }


async def _assignments(seen: Snapshot, client_id: int | None) -> AsyncIterator[Cells]:
    async for line in exchange.assignment_lines(seen.conn, client_id=client_id, slot=seen.slot):
        starts: datetime | None = slot_start(line.from_slot) if line.from_slot > 0 else None
        yield {**_plain(line), "asset_id": line.id, "from": starts}


async def _contracts(seen: Snapshot, client_id: int | None) -> AsyncIterator[Cells]:
    async for line in exchange.contract_lines(seen.conn, client_id=client_id):
        yield _plain(line)


_EXPORTS: Mapping[str, Callable[[Snapshot, int | None], AsyncIterator[Cells]]] = {
    "clients": _clients,
    "buckets": _buckets,
    "assignments": _assignments,
    "contracts": _contracts,
}


def _plain(line: ClientLine | BucketLine | AssignmentLine | ContractLine) -> dict[str, object]:
    return {name: getattr(line, name) for name in type(line).__dataclass_fields__}


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%MZ")
        case _:
            return str(value)

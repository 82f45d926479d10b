"""Files in and out, for people: clients, buckets, assignments, contracted counts; and contracts against what is metered."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta

from aggregator.actions.export_table import export_table
from aggregator.actions.import_table import PROBLEMS_SHOWN_MAX, import_table
from aggregator.domain.reconcile import reconcile
from aggregator.domain.slot import UNITS_PER_DAY
from aggregator.errors import Denied, Invalid
from aggregator.rpc import caller
from aggregator.rpc.convert_preview import to_message
from aggregator.rpc.scope import narrowed
from aggregator.rpc.server import Context
from aggregator.store import exchange
from aggregator.store.database import Database
from aggregator.store.exchange import ReconciliationRow
from aggregator.store.snapshot import snapshot
from ullage.v1 import exchange_pb2, exchange_pb2_grpc
from ullage.wire import from_decimal, from_time

TABLES: Mapping[exchange_pb2.Table.ValueType, str] = {
    exchange_pb2.TABLE_CLIENTS: "clients",
    exchange_pb2.TABLE_BUCKETS: "buckets",
    exchange_pb2.TABLE_ASSIGNMENTS: "assignments",
    exchange_pb2.TABLE_CONTRACTS: "contracts",
}
# Beyond the role that every import needs: who may do what the lines ask for.
ROLES: Mapping[str, frozenset[str]] = {
    "clients": frozenset({"operator", "billing", "admin"}),
    "buckets": frozenset({"billing", "admin"}),
    "assignments": frozenset({"operator", "admin"}),
    "contracts": frozenset({"billing", "admin"}),
}
# What was not measured for this long is not metered any more.
SEEN_WITHIN = timedelta(days=1)


class ExchangeService(exchange_pb2_grpc.ExchangeServicer):
    """The servicer; who may call which method is decided before it is called."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def Import(self, request: exchange_pb2.ImportRequest, context: Context) -> exchange_pb2.ImportReply:
        """What came of the file; with any error nothing did. Raises ``Denied`` where the role may not do what it asks."""
        table = _table(request.table)
        role = caller.current().role
        if role not in ROLES[table]:
            raise Denied(
                f"importing {table} needs the role {' or '.join(sorted(ROLES[table]))}; this key has the role {role}"
            )
        async with snapshot(self._db) as seen:
            now = seen.now
        done = await import_table(self._db, table, request.file, now=now, dry_run=request.dry_run)
        return exchange_pb2.ImportReply(
            errors=[
                exchange_pb2.ImportError(line=problem.line, column=problem.column, text=problem.text)
                for problem in done.problems[:PROBLEMS_SHOWN_MAX]
            ],
            errors_total=len(done.problems),
            created=done.created,
            changed=done.changed,
            unchanged=done.unchanged,
            preview=to_message(done.preview),
            audit_group=done.audit_group,
        )

    async def Export(
        self, request: exchange_pb2.ExportRequest, context: Context
    ) -> AsyncIterator[exchange_pb2.ExportChunk]:
        """The file in parts, as it was at one moment."""
        table = _table(request.table)
        client_id = narrowed(request.client_id)
        async with snapshot(self._db) as seen:
            async for part in export_table(seen, table, client_id=client_id):
                yield exchange_pb2.ExportChunk(data=part)

    async def ListReconciliation(
        self, request: exchange_pb2.ListReconciliationRequest, context: Context
    ) -> exchange_pb2.ListReconciliationReply:
        """Of clients with contracted counts; what is metered is as of the last slot, amounts those of this month."""
        async with snapshot(self._db) as seen:
            found = await exchange.reconciliation(
                seen.conn,
                client_id=narrowed(request.client_id),
                slot=seen.slot,
                month=seen.now.date().replace(day=1),
                seen_slot=seen.slot - SEEN_WITHIN.days * UNITS_PER_DAY,
            )
            rows = [_row(row, seen.now) for row in found]
        return exchange_pb2.ListReconciliationReply(
            rows=[row for row in rows if not request.differing or row.difference.strip("-0.")]
        )


def _table(number: exchange_pb2.Table.ValueType) -> str:
    if number not in TABLES:
        raise Invalid("table", f"must be one of {', '.join(TABLES.values())}")
    return TABLES[number]


def _row(row: ReconciliationRow, now: datetime) -> exchange_pb2.Reconciliation:
    figures = reconcile(
        row.contracted,
        steps=row.steps,
        unbound=row.unbound,
        divisor=row.divisor or 1,
        precision=row.precision or 0,
    )
    return exchange_pb2.Reconciliation(
        client_id=row.client_id,
        client_name=row.client_name,
        source_type=row.source_type,
        unit_type=row.unit_type or "",
        symbol=row.symbol or "assets",
        contracted=from_decimal(figures.contracted),
        metered=from_decimal(figures.metered),
        difference=from_decimal(figures.difference),
        unbound=from_decimal(figures.unbound),
        as_of=row.as_of.isoformat(),
        metered_at=from_time(now),
    )

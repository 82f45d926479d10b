"""The audit log, for people: who changed what, and taking it back."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.actions.undo import undo
from aggregator.domain.undo import Kind, methods, why_not
from aggregator.errors import Invalid
from aggregator.rpc import access, caller
from aggregator.rpc.pages import page_info, search_text, to_paging
from aggregator.rpc.server import Context
from aggregator.store import audit
from aggregator.store.audit import AuditFilter, Entry, Group
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import audit_pb2
from ullage.wire import from_time, to_time


class AuditMethods:
    """Part of the service Admin."""

    _db: Database

    async def ListAudit(
        self, request: audit_pb2.ListAuditRequest, context: Context
    ) -> audit_pb2.ListAuditReply:
        """The newest first."""
        paging = to_paging(request.page, audit.SORTS, descending=True)
        wanted = AuditFilter(
            table=search_text(request.table) or None,
            record_id=search_text(request.record_id) or None,
            actor=search_text(request.actor) or None,
            group_id=request.group_id or None,
            since=_time("since", request.since) if request.HasField("since") else None,
            until=_time("until", request.until) if request.HasField("until") else None,
        )
        async with snapshot(self._db) as seen:
            page = await audit.entries(seen, paging, wanted)
        return audit_pb2.ListAuditReply(
            entries=[_entry(row) for row in page.rows], page=page_info(page, paging)
        )

    async def UndoAudit(
        self, request: audit_pb2.UndoAuditRequest, context: Context
    ) -> audit_pb2.UndoAuditReply:
        """Raises ``Denied`` where the caller may not do what it would take back."""
        async with self._db.transaction() as conn:
            kinds = await audit.kinds(conn, request.group_id)
        for method in sorted(methods(kinds)):
            access.check_role(f"/ullage.v1.{method}", caller.current().role)
        undone = await undo(self._db, group_id=request.group_id, dry_run=request.dry_run)
        return audit_pb2.UndoAuditReply(
            group=None if request.dry_run else _group(undone.group),
            entries=[_entry(row) for row in undone.entries],
            notes=undone.notes,
        )


def _time(field: str, sent: Timestamp) -> datetime:
    try:
        return to_time(sent)
    except (ValueError, OverflowError) as error:
        raise Invalid(field, "is no time that there is") from error


def _entry(row: Entry) -> audit_pb2.AuditEntry:
    kinds = [Kind(table, action, columns) for table, action, columns in row.kinds or ()]
    return audit_pb2.AuditEntry(
        id=row.id,
        group_id=row.group_id,
        at=from_time(row.at),
        actor=row.actor,
        act=row.act,
        action=row.action,
        table=row.table_name,
        record_id=row.record_id,
        old_values=row.old_values or "",
        new_values=row.new_values or "",
        reversible=row.undone_by is None and not why_not(kinds),
        undone_by=row.undone_by or 0,
        undoes=row.undoes or 0,
    )


def _group(row: Group) -> audit_pb2.AuditGroup:
    return audit_pb2.AuditGroup(
        id=row.id,
        at=from_time(row.at),
        actor=row.actor,
        key_id=row.key_id or 0,
        request_id=row.request_id,
        act=row.act,
        undoes=row.undoes or 0,
        undone_by=row.undone_by or 0,
        entries_total=row.entries,
        reversible=row.undone_by is None,
    )

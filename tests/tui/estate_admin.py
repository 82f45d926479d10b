"""What the scripted aggregator knows of agents, keys, audit and quarantine."""

from tests.tui import builders
from tests.tui.scripted import Script
from ullage.v1 import admin_pb2, audit_pb2, keys_pb2, types_pb2
from ullage.wire import from_time


def furnish(script: Script) -> None:
    """Adds it to the estate."""
    script.answers["ListKeys"] = keys_pb2.ListKeysReply(
        keys=[key(1, "ops", "admin"), key(2, "wallboard", "viewer"), key(3, "brook-portal", "client", 1)]
    )
    entries = [
        entry(41, 12, "Inventory/AssignAssets", "assignment", "insert", new='{"client_id": 2}'),
        entry(
            40,
            12,
            "Inventory/AssignAssets",
            "asset",
            "update",
            old='{"rebind": false}',
            new='{"rebind": true}',
        ),
        entry(39, 11, "Inventory/SetTerms", "bucket_terms", "insert", reversible=False),
        entry(38, 10, "Inventory/AcknowledgeAssets", "asset", "update", undone_by=11),
    ]

    def listed(request: audit_pb2.ListAuditRequest) -> audit_pb2.ListAuditReply:
        found = [
            one
            for one in entries
            if request.table in {"", one.table}
            and request.actor in {"", one.actor}
            and request.group_id in {0, one.group_id}
        ]
        return audit_pb2.ListAuditReply(entries=found, page=types_pb2.PageInfo(total=len(found)))

    script.answers["ListAudit"] = listed
    script.answers["UndoAudit"] = lambda request: audit_pb2.UndoAuditReply(
        group=None if request.dry_run else audit_pb2.AuditGroup(id=99, undoes=request.group_id),
        entries=[one for one in entries if one.group_id == request.group_id],
        notes=["one asset has a newer assignment"],
    )
    script.answers["ListQuarantined"] = admin_pb2.ListQuarantinedReply()


def key(number: int, name: str, role: str, client_id: int = 0) -> keys_pb2.ApiKey:
    """Used minutes ago."""
    return keys_pb2.ApiKey(
        id=number,
        name=name,
        prefix="ullage_ab12",
        role=role,
        client_id=client_id,
        client_name="Brook & Sons" if client_id else "",
        enabled=True,
        created_at=from_time(builders.ago(days=200)),
        last_used_at=from_time(builders.ago(minutes=number)),
    )


def entry(
    number: int,
    group: int,
    act: str,
    table: str,
    action: str,
    *,
    old: str = "",
    new: str = "",
    reversible: bool = True,
    undone_by: int = 0,
) -> audit_pb2.AuditEntry:
    """Of the key that the tests use."""
    return audit_pb2.AuditEntry(
        id=number,
        group_id=group,
        at=from_time(builders.ago(minutes=50 - number)),
        actor="ops",
        action=action,
        table=table,
        record_id=str(number),
        old_values=old,
        new_values=new,
        act=act,
        reversible=reversible,
        undone_by=undone_by,
    )

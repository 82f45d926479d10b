"""Between rows and messages of what happens to readings on their way in, beside convert.py and by the same rules."""

from aggregator.ingest.release import Settled
from aggregator.rpc.convert import OPERATORS
from aggregator.store.quarantine import QuarantinedRow, QuarantineGroup
from aggregator.store.suppressions import SuppressionRow
from ullage.v1 import admin_pb2, inventory_pb2, types_pb2
from ullage.wire import from_time


def suppression(row: SuppressionRow) -> inventory_pb2.Suppression:
    """Field by field."""
    return inventory_pb2.Suppression(
        id=row.id,
        condition=types_pb2.Condition(field=row.field, operator=OPERATORS[row.operator], pattern=row.pattern),
        reason=row.reason,
        created_at=from_time(row.created_at),
        ended_at=from_time(row.ended_at),
        assets=row.assets,
        more_assets=row.more_assets,
        readings=row.readings,
        last_hit=from_time(row.last_hit_at),
        created_by=row.created_by,
        ended_by=row.ended_by,
    )


def quarantine_group(row: QuarantineGroup) -> admin_pb2.QuarantineGroup:
    """Without an example where everything was only counted."""
    return admin_pb2.QuarantineGroup(
        agent_id=row.agent_id,
        agent_name=row.agent_name,
        reason=row.reason,
        readings=row.readings,
        oldest=from_time(row.oldest),
        newest=from_time(row.newest),
        example_source_type=row.source_type or "",
        example_external_id=row.external_id or "",
        example_unit_type=row.unit_type or "",
        example_value=row.value or 0,
        example_ticked_at=from_time(row.ticked_at),
        counted_only=row.counted_only,
    )


def quarantined(row: QuarantinedRow) -> admin_pb2.Quarantined:
    """Field by field."""
    return admin_pb2.Quarantined(
        id=row.id,
        agent_id=row.agent_id,
        agent_name=row.agent_name,
        reason=row.reason,
        source_type=row.source_type,
        external_id=row.external_id,
        unit_type=row.unit_type,
        value=row.value,
        since=from_time(row.since),
        ticked_at=from_time(row.ticked_at),
        stored_at=from_time(row.stored_at),
    )


def settled(done: Settled) -> admin_pb2.SettleQuarantineReply:
    """Field by field."""
    return admin_pb2.SettleQuarantineReply(settled=done.settled, kept=done.kept)

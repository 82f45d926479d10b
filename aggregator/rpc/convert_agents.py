"""Between agents, tokens and their messages."""

from aggregator.store.agents import AgentRow
from aggregator.store.enrolment import Token
from ullage.v1 import agents_pb2
from ullage.wire import from_time


def agent(row: AgentRow) -> agents_pb2.Agent:
    """Field by field."""
    return agents_pb2.Agent(
        id=row.id,
        uuid=str(row.uuid),
        name=row.name,
        site=row.site,
        state=row.state,
        version=row.version,
        last_batch=from_time(row.last_batch),
        batches=row.batches,
        readings=row.readings,
        connected=row.connected,
        heartbeat_at=from_time(row.heartbeat_at),
        spool_bytes=row.spool_bytes,
        spool_bytes_max=row.spool_bytes_max,
        unacknowledged=row.unacknowledged,
        oldest_unacknowledged=from_time(row.oldest_at),
        spool_state=row.spool_state,
        clock_offset_ms=row.clock_offset_ms,
        failed_collectors=row.failed,
        last_error=row.last_error,
        tombstones=row.tombstones,
        conflicts=row.conflicts,
        quarantined=row.quarantined,
        certificate_until=from_time(row.certificate_until),
        state_reason=row.state_reason,
        state_since=from_time(row.state_since),
        created_at=from_time(row.created_at),
        assets=row.assets,
    )


def token(row: Token) -> agents_pb2.EnrolmentToken:
    """Field by field; the secret is known to nobody any more."""
    return agents_pb2.EnrolmentToken(
        id=row.id,
        site=row.site,
        host_name=row.host_name,
        agent_id=row.agent_id or 0,
        agent_name=row.agent_name,
        created_at=from_time(row.created_at),
        expires_at=from_time(row.expires_at),
        used_at=from_time(row.used_at),
        created_by=row.created_by,
        state=row.state,
        used_by=row.used_by,
    )

"""What a tombstone says: which numbers cannot be delivered, of what time, and why."""

from collections.abc import Callable

from agent.chain import Chain
from agent.seal import Sealed
from agent.segment import Record
from ullage.v1 import ingest_pb2


def refused(batch: Sealed, reason: str) -> ingest_pb2.Tombstone:
    """For a batch that the aggregator will never take."""
    return ingest_pb2.Tombstone(
        through=batch.seq,
        from_us=batch.content.first_us,
        to_us=batch.content.last_us,
        reason="refused",
        detail=reason,
    )


def lost(chain: Chain, seq: int, read: Callable[[int], Record | None]) -> ingest_pb2.Tombstone:
    """For the hole that begins at a number; its time is what lies between its neighbours, as far as they can be read."""
    end = chain.hole_end(seq)
    reason = "damaged"
    if seq <= chain.high:
        # It was acknowledged once: a restored database asks for more than is kept.
        end, reason = min(end, chain.high), "dropped"
    before, behind = read(seq - 1), read(end + 1)
    return ingest_pb2.Tombstone(
        through=end,
        from_us=before.content.last_us if before else 0,
        to_us=behind.content.first_us if behind else 0,
        reason=reason,
        detail="sealed again under another number" if seq in chain.resealed else "",
    )

"""A look at a spool folder that changes nothing, for people: also while an agent works in it."""

from dataclasses import dataclass

from agent import cursor, segment
from agent.amounts import Baselines
from agent.disk import Disk
from agent.recover import QUARANTINE, SEGMENT_SUFFIX, recover
from agent.shelf import REJECTED


@dataclass(frozen=True, slots=True)
class Survey:
    """``held_bytes`` and ``waiting`` are of batches that are not settled; ``notes`` say what is damaged."""

    epoch: bytes
    held_bytes: int
    waiting: int
    oldest_us: int | None
    tombstones: int
    quarantined: int
    rejected: int
    baselines: Baselines
    notes: tuple[str, ...]


def owner(disk: Disk) -> bytes | None:
    """The agent that a spool belongs to; None when there is nothing to tell by."""
    for name in disk.list():
        try:
            if name.endswith(SEGMENT_SUFFIX):
                return segment.decode_header(disk.read(name, 0, segment.HEADER_BYTES)).agent
            if name == cursor.NAME and (known := cursor.decode(disk.read(name))):
                return known.agent
        except (OSError, segment.Unreadable, segment.Newer):
            continue
    return None


def survey(disk: Disk, agent: bytes) -> Survey | None:
    """None when the folder holds no spool yet. Raises ``recover.Unusable`` and ``OSError``."""
    found = recover(disk, agent)
    if found.fresh or not found.chains:
        return None
    held = [(chain, kept) for chain in found.chains for kept in chain.segments if kept.last_seq > chain.acked]
    oldest = None
    for chain, kept in held[:1]:
        where = kept.find(max(chain.acked + 1, kept.first_seq))
        record = segment.decode_record(disk.read(kept.name, *where)) if where else None
        oldest = record.content.first_us if record else None
    return Survey(
        epoch=found.chains[-1].epoch,
        held_bytes=sum(kept.size for _, kept in held),
        waiting=sum(chain.waiting for chain in found.chains),
        oldest_us=oldest,
        tombstones=found.totals.tombstones,
        quarantined=len(disk.list(QUARANTINE)),
        rejected=len(disk.list(REJECTED)) // 2,
        baselines=found.baselines,
        notes=tuple(found.notes),
    )

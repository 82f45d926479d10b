"""What a spool folder holds, after whatever happened to it. Reads; what must be changed is returned, not done.

The end of the newest segment may be the unfinished last write: that was never sent and is cut. Anything else that is
wrong is damage: the segment goes to quarantine/, and what is good in it is delivered from there. Nothing found here stops
the agent but a folder that belongs to another one or to a newer program.
"""

import contextlib
from dataclasses import dataclass, field
from uuid import UUID

from agent import baselines, cursor, segment
from agent.amounts import Baselines
from agent.chain import Chain, Grave, Segment
from agent.cursor import Cursor, Totals
from agent.disk import Disk, is_missing
from agent.segment import Found, Header, Scan

QUARANTINE = "quarantine"
SEGMENT_SUFFIX = ".seg"
GRAVES_SUFFIX = ".tomb"


class Unusable(Exception):
    """The folder is not this agent's, or not this program's; the text says what to do."""


@dataclass(slots=True)
class Recovered:
    """``chains``: oldest first, never empty of what is held. ``tail``: the segment of the newest record.

    ``cuts``: (name, size) of files with an unfinished end, size None for one that has nothing else. ``damaged``: names to
    be moved to quarantine. ``sure``: whether the newest number given is known; else new batches need a new epoch.
    """

    chains: list[Chain] = field(default_factory=list)
    tail: Segment | None = None
    baselines: Baselines = field(default_factory=dict)
    cuts: list[tuple[str, int | None]] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    next_index: int = 1
    totals: Totals = field(default_factory=Totals)
    turn: int = 0
    has_cursor: bool = False
    sure: bool = True
    fresh: bool = True
    # What people should hear of.
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _File:
    """A segment as it was read; ``header`` is None when that is damaged, ``blank`` is a file of no bytes or zeros."""

    name: str
    index: int
    header: Header | None
    size: int
    blank: bool
    scan: Scan


def recover(disk: Disk, agent: bytes) -> Recovered:
    """Raises ``Unusable``, and ``OSError`` when not even the folder can be read."""
    notes: list[str] = []
    names = _segment_names(disk)
    known = _read_cursor(disk, agent)
    found = Recovered(fresh=not names and known is None, has_cursor=known is not None, notes=notes)
    chains: dict[bytes, Chain] = {}
    if known is not None:
        found.totals, found.turn = known.totals, known.turn
        for state in known.epochs:
            chains[state.epoch] = Chain(
                state.epoch, state.predecessor, state.acked, state.high, max(state.last_seq, state.high)
            )
    elif names:
        found.notes.append("the cursor cannot be read: it is made again from what the aggregator says")
    newest = b""
    for number, (index, name) in enumerate(names):
        # One after the other: together they may be larger than the memory.
        file = _read_segment(disk, name, index, agent, notes)
        newest = _place(found, chains, file, is_last=number == len(names) - 1) or newest
        found.next_index = index + 1
    for chain in chains.values():
        chain.rebuilt = known is None
    _read_graves(disk, found, chains, agent)
    # An epoch without a batch was never more than a plan.
    found.chains = _in_order([chain for chain in chains.values() if chain.last_seq or chain.segments])
    if newest and chains[newest] in found.chains:
        found.chains.append(found.chains.pop(found.chains.index(chains[newest])))
    if known is not None:
        _miss(found, chains, known)
    return found


def _miss(found: Recovered, chains: dict[bytes, Chain], known: Cursor) -> None:
    """Whether the newest batches that the cursor knows of are not there at all: somebody deleted their segment."""
    used = [state for state in known.epochs if state.last_seq]
    if not used or not found.sure:
        return
    newest, names = used[-1], {state.epoch for state in known.epochs}
    if any(held for epoch, chain in chains.items() if epoch not in names for held in chain.segments):
        return
    there = max((held.last_seq for held in chains[newest.epoch].segments), default=0)
    if there < newest.last_seq:
        _distrust(found, chains[newest.epoch], there)


def _segment_names(disk: Disk) -> list[tuple[int, str]]:
    """With their indexes, by which they are sorted."""
    names = []
    for folder in ("", QUARANTINE):
        for short in disk.list(folder):
            if short.endswith(SEGMENT_SUFFIX):
                with contextlib.suppress(ValueError):
                    index = int(short.removesuffix(SEGMENT_SUFFIX), 16)
                    names.append((index, f"{folder}/{short}" if folder else short))
    return sorted(names)


def _read_segment(disk: Disk, name: str, index: int, agent: bytes, notes: list[str]) -> _File:
    try:
        data = disk.read(name)
    except OSError as error:
        # A medium that cannot be read is damage like any other.
        notes.append(f"{name} cannot be read: {error.strerror}")
        data = b"?"
    blank = not any(data)
    return _File(name, index, _header(data, name, agent), len(data), blank, segment.scan(data))


def _header(data: bytes, name: str, agent: bytes) -> Header | None:
    try:
        header = segment.decode_header(data)
    except segment.Newer as error:
        raise Unusable(
            f"{name} in the spool was written by a newer version of this program: install that one again, "
            "or give this one another spool.directory"
        ) from error
    except segment.Unreadable:
        return None
    if header.agent != agent:
        raise foreign(header.agent, agent)
    return header


def foreign(owner: bytes, agent: bytes) -> Unusable:
    """The refusal to send readings of one agent under another one's name."""
    return Unusable(
        f"the spool belongs to agent {UUID(bytes=owner)}, the certificate to {UUID(bytes=agent)}: use that agent's "
        "certificate, or give this one another spool.directory (the old one's batches wait where they are)"
    )


def _read_cursor(disk: Disk, agent: bytes) -> Cursor | None:
    try:
        known = cursor.decode(disk.read(cursor.NAME))
    except OSError:
        return None
    if known is not None and known.agent != agent:
        raise foreign(known.agent, agent)
    return known


def _place(found: Recovered, chains: dict[bytes, Chain], file: _File, *, is_last: bool) -> bytes:
    """Adds what a file holds to its chain; returns that chain's epoch, or nothing when it has none."""
    scan = file.scan
    if file.blank and is_last:
        # Its creation was never finished.
        found.cuts.append((file.name, None))
        return b""
    header = file.header or _adopted(found, chains, file)
    chain = chains.setdefault(header.epoch, Chain(header.epoch, header.predecessor)) if header else None
    good_seq = scan.found[-1].record.seq if scan.found else file.header.first_seq - 1 if file.header else 0
    # What was acknowledged was whole once.
    torn = (
        is_last and scan.torn and file.header is not None and chain is not None and chain.last_seq <= good_seq
    )
    if torn and not scan.found:
        found.cuts.append((file.name, None))
        return b""
    good = file.header is not None and (scan.whole or torn)
    if good and not scan.whole:
        found.cuts.append((file.name, scan.good_bytes))
    if not good and not file.name.startswith(QUARANTINE):
        found.damaged.append(file.name)
        found.notes.append(
            f"{file.name} is damaged: it goes to quarantine, what is good in it is sent from there"
        )
    _take_baselines(found, scan)
    if is_last and not good:
        _distrust(found, chain, good_seq)
    if chain is None or header is None:
        return b""
    size = file.size if scan.whole else scan.good_bytes
    held = Segment(file.name, file.index, header.first_seq, size if good else file.size, damaged=not good)
    for at in scan.found:
        _hold(held, chain, chains, at)
    chain.segments.append(held)
    chain.last_seq = max(chain.last_seq, held.last_seq)
    if scan.found or found.tail is None:
        found.tail = held
    return header.epoch


def _distrust(found: Recovered, chain: Chain | None, good_seq: int) -> None:
    """The end of the newest segment is damaged: how far numbers and counters went is not known for sure."""
    found.sure = False
    found.notes.append("the newest batches are damaged or gone: new ones are numbered in a new epoch")
    if chain is not None and chain.acked > good_seq and found.baselines:
        found.notes.append(
            "the counters behind the last acknowledged batch are lost: what was used since then is not counted"
        )
        # Older ones would count again what the aggregator has.
        found.baselines = {}


def _adopted(found: Recovered, chains: dict[bytes, Chain], file: _File) -> Header | None:
    """What a damaged header must have said, when the numbers leave no doubt: the segment before it ends where it begins.

    One of another epoch cannot: its own number 1 would have to be in a segment between the two.
    """
    tail = found.tail
    if not file.scan.found or tail is None or tail.index != file.index - 1:
        return None
    first = file.scan.found[0].record.seq
    chain = next((c for c in chains.values() if tail in c.segments), None)
    if chain is None or first != tail.last_seq + 1 or first == 1:
        return None
    return Header(b"", chain.epoch, chain.predecessor, 0, first)


def _hold(held: Segment, chain: Chain, chains: dict[bytes, Chain], at: Found) -> None:
    record = at.record
    if record.seq <= max(held.last_seq, chain.segments[-1].last_seq if chain.segments else 0):
        return
    held.add(at)
    if record.origin is not None:
        epoch, seq = record.origin
        chains.setdefault(epoch, Chain(epoch)).resealed.add(seq)


def _take_baselines(found: Recovered, scan: Scan) -> None:
    """Of the newest record that has any."""
    for at in reversed(scan.found):
        if at.record.baselines:
            known = baselines.decode(at.record.baselines)
            if known is not None:
                found.baselines = known
                return


def _read_graves(disk: Disk, found: Recovered, chains: dict[bytes, Chain], agent: bytes) -> None:
    """A tombstone that cannot be read is made again when it is needed."""
    for name in disk.list():
        if not name.endswith(GRAVES_SUFFIX):
            continue
        try:
            data = disk.read(name)
        except OSError as error:
            if not is_missing(error):
                found.notes.append(f"{name} cannot be read: {error.strerror}")
            continue
        header = _header(data, name, agent)
        if header is None:
            found.cuts.append((name, None))
            continue
        scan = segment.scan_loose(data)
        if not scan.whole:
            found.cuts.append((name, scan.good_bytes))
        chain = chains.get(header.epoch)
        if chain is None:
            continue
        for at in scan.found:
            chain.graves[at.record.seq] = Grave(name, at.offset, at.length, at.record.last)
            chain.last_seq = max(chain.last_seq, at.record.last)


def _in_order(chains: list[Chain]) -> list[Chain]:
    """As the cursor and the segments name them, an epoch behind the one it follows."""
    ordered: list[Chain] = []
    waiting = list(chains)
    while waiting:
        names = {chain.epoch for chain in waiting}
        ready = next(
            (c for c in waiting if c.predecessor not in names or c.predecessor == c.epoch), waiting[0]
        )
        waiting.remove(ready)
        ordered.append(ready)
    return ordered

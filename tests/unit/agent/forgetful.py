"""A disk that keeps only what was synced, tears what was not, fills up and breaks when it is told to."""

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.disk import Disk

_SECTOR = 512


class PowerCut(BaseException):
    """The host is gone in the middle of an operation; ``crash`` brings the disk back."""


@dataclass(slots=True)
class Inode:
    """What the programs see, and what is on the medium."""

    data: bytearray = field(default_factory=bytearray)
    synced: bytes = b""


class ForgetfulDisk:
    """A ``Disk``. ``operations`` counts everything that changes it; ``cut_at`` is the one in which the power goes."""

    def __init__(self, *, seed: int = 0, capacity: int | None = None) -> None:
        self.capacity = capacity
        self.operations = 0
        self.cut_at: int | None = None
        # Raised by every operation that changes something, while it is set.
        self.errno: int | None = None
        self._random = random.Random(seed)
        self._names: dict[str, Inode] = {}
        self._durable: dict[str, Inode] = {}

    def crash(self) -> None:
        """The power goes and comes back: un-synced bytes and names may be there, or not, or in part."""
        names = dict(self._durable)
        for name, inode in self._names.items():
            if self._durable.get(name) is not inode and self._random.random() < 0.5:
                for old, other in list(names.items()):
                    if other is inode:
                        del names[old]
                names[name] = inode
        for name in self._durable:
            if name not in self._names and self._random.random() < 0.5:
                names.pop(name, None)
        for inode in {id(inode): inode for inode in names.values()}.values():
            inode.data = bytearray(self._torn(inode))
            inode.synced = bytes(inode.data)
        self._names, self._durable = dict(names), dict(names)
        self.cut_at = None

    def kill(self) -> None:
        """The process dies, the host does not: nothing is forgotten."""
        self.cut_at = None

    def used(self) -> int:
        """Bytes in all files."""
        return sum(len(inode.data) for inode in self._names.values())

    def spoil(self, name: str, change: Callable[[bytearray], None]) -> None:
        """Changes what is on the medium."""
        inode = self._names[name]
        change(inode.data)
        inode.synced = bytes(inode.data)

    def wipe(self) -> None:
        """Somebody deletes the folder."""
        self._names, self._durable = {}, {}

    def prepare(self) -> None:
        """There is always a folder."""

    def list(self, folder: str = "") -> list[str]:
        """Names in a folder."""
        prefix = f"{folder}/" if folder else ""
        short = [name.removeprefix(prefix) for name in self._names if name.startswith(prefix)]
        return sorted(name for name in short if "/" not in name)

    def size(self, name: str) -> int:
        """In bytes."""
        return len(self._inode(name).data)

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes:
        """A part of a file."""
        data = self._inode(name).data
        return bytes(data[offset:] if length < 0 else data[offset : offset + length])

    def create(self, name: str, data: bytes) -> None:
        """A new file."""
        cut = self._begin()
        inode = self._names[name] = Inode()
        self._write(inode, data, 0, cut=cut)

    def append(self, name: str, data: bytes) -> None:
        """At its end."""
        inode = self._inode(name)
        self._write(inode, data, len(inode.data), cut=self._begin())

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        """In place."""
        inode = self._inode(name)
        assert offset + len(data) <= len(inode.data)
        self._write(inode, data, offset, cut=self._begin())

    def truncate(self, name: str, size: int) -> None:
        """Cuts it."""
        inode = self._inode(name)
        self._end(self._begin())
        del inode.data[size:]

    def sync(self, name: str) -> None:
        """Its bytes are safe."""
        inode = self._inode(name)
        self._end(self._begin())
        inode.synced = bytes(inode.data)

    def sync_folder(self, folder: str = "") -> None:
        """Its names are safe."""
        self._end(self._begin())
        for names, other in ((self._durable, self._names), (self._names, self._durable)):
            for name in list(names):
                if name.rpartition("/")[0] == folder and name not in other and names is self._durable:
                    del names[name]
        for name, inode in self._names.items():
            if name.rpartition("/")[0] == folder:
                self._durable[name] = inode

    def rename(self, old: str, new: str) -> None:
        """Atomic."""
        inode = self._inode(old)
        self._end(self._begin())
        del self._names[old]
        self._names[new] = inode

    def unlink(self, name: str) -> None:
        """Needs no room."""
        self._inode(name)
        self._end(self._begin())
        del self._names[name]

    def _inode(self, name: str) -> Inode:
        if name not in self._names:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self._names[name]

    def _begin(self) -> bool:
        """Whether the power goes in this operation."""
        if self.errno is not None:
            raise OSError(self.errno, os.strerror(self.errno))
        self.operations += 1
        return self.operations == self.cut_at

    @staticmethod
    def _end(cut: bool) -> None:
        if cut:
            raise PowerCut

    def _write(self, inode: Inode, data: bytes, offset: int, *, cut: bool) -> None:
        if cut:
            data = data[: self._random.randint(0, len(data))]
        grown = max(offset + len(data) - len(inode.data), 0)
        room = grown if self.capacity is None else max(self.capacity - self.used(), 0)
        taken = len(data) if room >= grown else room
        inode.data[offset : offset + taken] = data[:taken]
        self._end(cut)
        if taken < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _torn(self, inode: Inode) -> bytes:
        """What the medium has of bytes that were not synced: each sector old or new, the end anywhere, or zeros."""
        old, new = inode.synced, bytes(inode.data)
        luck = self._random.random()
        if old == new or luck < 0.25:
            return old
        if luck < 0.5:
            return new
        end = self._random.randint(min(len(old), len(new)), max(len(old), len(new)))
        mixed = bytearray(end)
        for start in range(0, end, _SECTOR):
            source = new if self._random.random() < 0.5 else old
            part = source[start : min(start + _SECTOR, end)]
            if source is old and len(part) < min(_SECTOR, end - start) and self._random.random() < 0.5:
                part = part + new[start + len(part) : min(start + _SECTOR, end)]
            mixed[start : start + len(part)] = part
        return bytes(mixed)


_: Disk = ForgetfulDisk()

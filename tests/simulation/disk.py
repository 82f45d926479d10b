"""A disk that forgets: what was not synced when the power went may be there, in part, or not at all.

It is as hostile as POSIX allows: unsynced appends are cut anywhere or leave zeros, unsynced names come and go one by one. A
killed process loses nothing that it wrote.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.chance import Chance


class Dead(BaseException):
    """The process that asks was killed; no code of it may catch this."""


@dataclass(eq=False)
class _File:
    data: bytearray
    synced: bytes = b""
    # Bytes below this are no longer what was synced: overwritten in place.
    changed: list[tuple[int, bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class _Renaming:
    """A change of names that is not synced: ``old`` None for a new file, ``new`` None for one that was deleted."""

    old: str | None
    new: str | None
    file: _File


class Medium:
    """What is in the host; survives processes and, as far as it was synced, the power."""

    def __init__(self, chance: Chance, *, bytes_max: int, lies: bool = False) -> None:
        """``lies``: it says that bytes are synced which are not."""
        self.bytes_max = bytes_max
        self.lies = lies
        self.full = False
        self._chance = chance
        self.files: dict[str, _File] = {}
        self._synced: dict[str, _File] = {}
        self._renamings: list[_Renaming] = []

    def lose_power(self) -> None:
        """Leaves what a disk may hold after the power came back."""
        names = dict(self._synced)
        for renaming in self._renamings:
            if self._chance.happens(0.5):
                if renaming.old is not None:
                    names.pop(renaming.old, None)
                if renaming.new is not None:
                    names[renaming.new] = renaming.file
        for file in {id(file): file for file in names.values()}.values():
            self._forget(file)
        self.files, self._synced, self._renamings = names, dict(names), []

    def _forget(self, file: _File) -> None:
        kept = bytearray(file.synced)
        for offset, data in file.changed:
            cut = self._chance.below(len(data) + 1)
            if offset + cut <= len(kept):
                kept[offset : offset + cut] = data[:cut]
        tail = bytes(file.data[len(kept) :])
        if tail and self._chance.happens(0.7):
            cut = self._chance.below(len(tail) + 1)
            # The size may reach the medium before the bytes do.
            zeros = self._chance.below(len(tail) - cut + 1) if self._chance.happens(0.3) else 0
            kept += tail[:cut] + bytes(zeros)
        file.data, file.synced, file.changed = kept, bytes(kept), []

    def wipe(self) -> None:
        """Somebody deleted the folder, or the disk was replaced."""
        self.files, self._synced, self._renamings = {}, {}, []

    def damage(self, name: str, *, start: int, end: int) -> None:
        """Some bytes of a file, within two offsets, are not what was written."""
        file = self.files[name]
        offset = start + self._chance.below(max(end - start, 1))
        for at in range(offset, min(offset + 1 + self._chance.below(4), end)):
            file.data[at] ^= 1 + self._chance.below(255)
        file.synced = bytes(file.data)

    def name(self, old: str | None, new: str | None, file: _File) -> None:
        """A name changes, not yet for good."""
        self._renamings.append(_Renaming(old, new, file))

    def settle(self, folder: str) -> None:
        """The names of a folder are for good."""
        rest = []
        for renaming in self._renamings:
            if folder not in {_folder(name) for name in (renaming.old, renaming.new) if name is not None}:
                rest.append(renaming)
                continue
            if renaming.old is not None:
                self._synced.pop(renaming.old, None)
            if renaming.new is not None:
                self._synced[renaming.new] = renaming.file
        self._renamings = rest

    @property
    def used(self) -> int:
        """Bytes in files."""
        return sum(len(file.data) for file in self.files.values())


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


class SimulatedDisk:
    """A process's view of the medium (agent.disk.Disk). Dies with the process, at a moment that chance picks."""

    def __init__(self, medium: Medium, on_death: Callable[[], None]) -> None:
        self._medium = medium
        self._on_death = on_death
        self._changes_left: int | None = None
        self.dead = False

    def _change(self) -> None:
        if self._changes_left is not None:
            self._changes_left -= 1
            if self._changes_left < 0 and not self.dead:
                self.dead = True
                self._on_death()
        if self.dead:
            raise Dead

    def die_after(self, changes: int) -> None:
        """The process will be killed at its next change but so many."""
        self._changes_left = changes

    def _file(self, name: str) -> _File:
        if self.dead:
            raise Dead
        try:
            return self._medium.files[name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", name) from None

    def prepare(self) -> None:
        if self.dead:
            raise Dead

    def list(self, folder: str = "") -> list[str]:
        if self.dead:
            raise Dead
        return sorted(name.rpartition("/")[2] for name in self._medium.files if _folder(name) == folder)

    def size(self, name: str) -> int:
        return len(self._file(name).data)

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes:
        data = self._file(name).data
        return bytes(data[offset:] if length < 0 else data[offset : offset + length])

    def create(self, name: str, data: bytes) -> None:
        self._change()
        old = self._medium.files.get(name)
        if old is not None:
            del old.data[:]
            old.synced = b""
            self.append(name, data)
            return
        self._refuse_if_full(0)
        file = _File(bytearray())
        self._medium.files[name] = file
        self._medium.name(None, name, file)
        self.append(name, data)

    def append(self, name: str, data: bytes) -> None:
        file = self._file(name)
        try:
            self._change()
        except Dead:
            # Killed within the write: a part of it may be there.
            file.data += data[: self._medium._chance.below(len(data) + 1)]
            raise
        room = self._medium.bytes_max - self._medium.used
        if self._medium.full or len(data) > room:
            file.data += data[: self._medium._chance.below(max(min(room, len(data)), 0) + 1)]
            raise OSError(errno.ENOSPC, "No space left on device", name)
        file.data += data

    def _refuse_if_full(self, size: int) -> None:
        if self._medium.full or self._medium.used + size > self._medium.bytes_max:
            raise OSError(errno.ENOSPC, "No space left on device")

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        file = self._file(name)
        self._change()
        assert offset + len(data) <= len(file.data), "overwriting never grows a file"
        file.data[offset : offset + len(data)] = data
        file.changed.append((offset, data))

    def truncate(self, name: str, size: int) -> None:
        file = self._file(name)
        self._change()
        del file.data[size:]
        file.synced = file.synced[:size]

    def sync(self, name: str) -> None:
        file = self._file(name)
        self._change()
        if not self._medium.lies:
            file.synced, file.changed = bytes(file.data), []

    def sync_folder(self, folder: str = "") -> None:
        self._change()
        self._medium.settle(folder)

    def rename(self, old: str, new: str) -> None:
        file = self._file(old)
        self._change()
        del self._medium.files[old]
        self._medium.files[new] = file
        self._medium.name(old, new, file)

    def unlink(self, name: str) -> None:
        file = self._file(name)
        self._change()
        del self._medium.files[name]
        self._medium.name(name, None, file)

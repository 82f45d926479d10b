"""The few file operations of the spool, by name within its folder, and who may do them.

Everything that must survive goes through ``Disk``, so that a test can bring one that forgets what was not synced. Raises
``OSError`` as the system does; ``is_full`` and ``is_missing`` tell the kinds that matter.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

LOCK_NAME = "lock"
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


class Disk(Protocol):
    """Files of one folder and its folders. Nothing is durable before ``sync`` (bytes) and ``sync_folder`` (names)."""

    def prepare(self) -> None:
        """Makes the folder, and its lock, where they are missing."""

    def list(self, folder: str = "") -> list[str]:
        """Names of the files in a folder, sorted; empty when there is no such folder."""

    def size(self, name: str) -> int:
        """In bytes."""

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes:
        """A part of a file, shorter at its end; all of it from ``offset`` on by default."""

    def create(self, name: str, data: bytes) -> None:
        """A new file, or a new content of an old one; makes its folder."""

    def append(self, name: str, data: bytes) -> None:
        """To a file that exists. When it raises, a part may have been written."""

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        """Bytes that the file already has."""

    def truncate(self, name: str, size: int) -> None:
        """Cuts a file to a size."""

    def sync(self, name: str) -> None:
        """The file's bytes and its size are on the medium when this returns."""

    def sync_folder(self, folder: str = "") -> None:
        """The names of the folder's files are on the medium when this returns."""

    def rename(self, old: str, new: str) -> None:
        """Also from folder to folder; makes the folder it goes to."""

    def unlink(self, name: str) -> None:
        """A file that exists."""


class Occupied(Exception):
    """The spool folder cannot be used; the text says why and what to do. ``by_agent``: because another one runs."""

    def __init__(self, text: str, *, by_agent: bool = False) -> None:
        super().__init__(text)
        self.by_agent = by_agent


class SystemDisk:
    """A folder (0700) of this host. With the lock taken nobody else works in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock: int | None = None
        self._locking = False

    def take_lock(self) -> None:
        """Keeps a second agent out until ``release``, also when the folder is made again. Raises ``Occupied``."""
        self._locking = True
        try:
            self.prepare()
        except OSError as error:
            raise Occupied(
                f"spool.directory {self.directory} cannot be used: {error.strerror}: correct the path or its owner"
            ) from error

    def release(self) -> None:
        """Gives the lock back."""
        self._locking = False
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def prepare(self) -> None:
        """The lock of a folder that was deleted is worth nothing: it is taken again in the new one."""
        self.directory.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        if not self._locking or (self._lock is not None and os.fstat(self._lock).st_nlink):
            return
        lock = os.open(self.directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise Occupied(
                f"another agent works on spool.directory {self.directory}: stop it, or give this one a folder of its own",
                by_agent=True,
            ) from error
        except OSError:
            os.close(lock)
            raise
        if self._lock is not None:
            os.close(self._lock)
        self._lock = lock

    def list(self, folder: str = "") -> list[str]:
        """Links and folders are none of the spool's."""
        try:
            with os.scandir(self.directory / folder) as entries:
                return sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
        except FileNotFoundError:
            return []

    def size(self, name: str) -> int:
        """In bytes."""
        return (self.directory / name).stat().st_size

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes:
        """A part of a file."""
        with (self.directory / name).open("rb", buffering=0) as file:
            if length < 0:
                file.seek(offset)
                return file.read() or b""
            return os.pread(file.fileno(), length, offset)

    def create(self, name: str, data: bytes) -> None:
        """A file of ours alone."""
        path = self.directory / name
        path.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        self._write(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, data)

    def append(self, name: str, data: bytes) -> None:
        """Never makes a file: that it is gone must be noticed."""
        self._write(name, os.O_WRONLY | os.O_APPEND, data)

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        """In place: needs no room on the medium."""
        self._write(name, os.O_WRONLY, data, offset)

    def truncate(self, name: str, size: int) -> None:
        """Cuts a file."""
        os.truncate(self.directory / name, size)

    def sync(self, name: str) -> None:
        """By fdatasync, which writes the size as well."""
        self._sync(self.directory / name, os.O_RDONLY)

    def sync_folder(self, folder: str = "") -> None:
        """By fsync."""
        self._sync(self.directory / folder, os.O_RDONLY | os.O_DIRECTORY)

    def rename(self, old: str, new: str) -> None:
        """Within the file system."""
        target = self.directory / new
        target.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        (self.directory / old).rename(target)

    def unlink(self, name: str) -> None:
        """Works on a full disk."""
        (self.directory / name).unlink()

    def _write(self, name: str, flags: int, data: bytes, offset: int = 0) -> None:
        file = os.open(self.directory / name, flags | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE)
        try:
            if offset:
                os.lseek(file, offset, os.SEEK_SET)
            rest = memoryview(data)
            while rest:
                # A disk that fills up takes a part, and says why only when asked again.
                rest = rest[os.write(file, rest) :]
        finally:
            os.close(file)

    def _sync(self, path: Path, flags: int) -> None:
        file = os.open(path, flags | os.O_CLOEXEC)
        try:
            if flags & os.O_DIRECTORY:
                os.fsync(file)
            else:
                os.fdatasync(file)
        finally:
            os.close(file)


@contextlib.contextmanager
def sole_owner(directory: Path) -> Iterator[SystemDisk]:
    """The folder as a disk that nobody else works on, made (0700) if need be. Raises ``Occupied``."""
    disk = SystemDisk(directory)
    disk.take_lock()
    try:
        yield disk
    finally:
        disk.release()


def is_missing(error: OSError) -> bool:
    """Whether the file, or its folder, is not there any more."""
    return error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}


def is_full(error: OSError) -> bool:
    """Whether deleting would help."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}

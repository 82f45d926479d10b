"""Mounted file systems: their size and what is used of it.

Each file system counts once, however often it or a part of it is mounted. Only real ones count: on a device of its own,
written to. Read-only images and loop devices take no space that is not counted elsewhere; network file systems are
their server's. statvfs on a dead device blocks for ever, so it runs in a child that can be given up.

psutil lists mounts too, but neither the device's number nor which part of it is mounted.
"""

import os
import re
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.snapshot import Asset, Level, Snapshot, asset

SOURCE_TYPE = "volume"
ANSWER_SECONDS_MAX = 5.0
# Children are started together, but not hundreds at once.
CHILDREN_MAX = 16

_PROC = Path("/proc")
_BY_UUID = Path("/dev/disk/by-uuid")
_IMAGES = {"squashfs", "iso9660", "udf", "erofs", "cramfs", "romfs"}
# Blocks, free blocks, block size. `/.` makes it fail for a file that something is mounted on.
_STATVFS = ("stat", "-f", "-c", "%b %f %S", "--")
_NO_FOLDER = "Not a directory"


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo. ``root``: which part of the file system is mounted."""

    device: str
    root: str
    path: str
    filesystem: str
    source: str


class Mounts:
    """Units disk and disk-used (bytes) per file system, named by its mount point."""

    source_types = (SOURCE_TYPE,)

    def __init__(
        self,
        *,
        proc: Path = _PROC,
        command: Sequence[str] = _STATVFS,
        answer_seconds_max: float = ANSWER_SECONDS_MAX,
    ) -> None:
        self._proc = proc
        self._command = tuple(command)
        self._answer_seconds_max = answer_seconds_max
        # A child that waits for a dead device cannot even be killed: no second one is sent after it.
        self._stuck: dict[str, subprocess.Popen[str]] = {}

    def collect(self) -> Snapshot:
        """File systems that do not answer make the snapshot incomplete, so that they count as unknown, not as gone."""
        levels: list[Level] = []
        problems: list[str] = []
        mounts = chosen(
            parse((self._proc / "self" / "mountinfo").read_text("utf-8", "surrogateescape")),
            on_devices=_on_devices((self._proc / "filesystems").read_text("ascii")),
        )
        uuids = _uuids()
        for batch in (mounts[at : at + CHILDREN_MAX] for at in range(0, len(mounts), CHILDREN_MAX)):
            for mount, answer in self._ask(batch):
                if isinstance(answer, str):
                    problems.append(f"{mount.path}: {answer}")
                elif answer is not None:
                    volume = _asset(mount, uuids.get(os.path.realpath(mount.source), ""))
                    total, used = answer
                    levels += (Level(volume, "disk", total), Level(volume, "disk-used", used))
        return Snapshot(levels=tuple(levels), incomplete="; ".join(problems))

    def _ask(self, mounts: Sequence[Mount]) -> list[tuple[Mount, tuple[int, int] | str | None]]:
        """For each mount (total, used) in bytes, what is wrong, or None when it is no folder."""
        children: list[tuple[Mount, subprocess.Popen[str] | None]] = []
        for mount in mounts:
            stuck = self._stuck.get(mount.path)
            if stuck is not None and stuck.poll() is None:
                children.append((mount, None))
                continue
            if stuck is not None:
                _close(self._stuck.pop(mount.path))
            children.append((mount, self._start(mount)))
        deadline = time.monotonic() + self._answer_seconds_max
        return [
            (mount, "still does not answer" if child is None else self._answer(mount, child, deadline))
            for mount, child in children
        ]

    def _start(self, mount: Mount) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._command, f"{mount.path.rstrip('/')}/."],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
            env={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
        )

    def _answer(
        self, mount: Mount, child: subprocess.Popen[str], deadline: float
    ) -> tuple[int, int] | str | None:
        try:
            out, err = child.communicate(timeout=max(deadline - time.monotonic(), 0.001))
        except subprocess.TimeoutExpired:
            child.kill()
            self._stuck[mount.path] = child
            return f"did not answer within {self._answer_seconds_max:g} s"
        if child.returncode != 0:
            return None if _NO_FOLDER in err else err.strip() or f"exit code {child.returncode}"
        blocks, free, size = map(int, out.split())
        return blocks * size, (blocks - free) * size


def parse(mountinfo: str) -> list[Mount]:
    """Lines of /proc/self/mountinfo (proc_pid_mountinfo(5)) in the order in which they were mounted."""
    mounts = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, (filesystem, source, *_) = before.split(" "), after.split(" ")
        mounts.append(
            Mount(
                device=fields[2],
                root=_unescape(fields[3]),
                path=_unescape(fields[4]),
                filesystem=filesystem,
                source=_unescape(source),
            )
        )
    return mounts


def chosen(mounts: Iterable[Mount], *, on_devices: frozenset[str]) -> list[Mount]:
    """One mount per file system, ordered by path: of the whole rather than of a part, then the oldest.

    ``on_devices``: the types of file system that need a block device.
    """
    # What is mounted last on a path hides the others.
    visible = {mount.path: mount for mount in mounts}.values()
    by_filesystem: dict[str, Mount] = {}
    for mount in visible:
        if mount.filesystem not in on_devices or mount.filesystem in _IMAGES:
            continue
        if mount.source.startswith("/dev/loop"):
            continue
        # btrfs and ZFS have no device number of their own; subvolumes of a btrfs share its space and its source.
        key = mount.source if mount.device.startswith("0:") else mount.device
        known = by_filesystem.get(key)
        if known is None or (known.root != "/" and mount.root == "/"):
            by_filesystem[key] = mount
    return sorted(by_filesystem.values(), key=lambda mount: mount.path)


def _on_devices(filesystems: str) -> frozenset[str]:
    """Of /proc/filesystems those without `nodev`, and ZFS, which has devices all the same."""
    return frozenset(
        {line.strip() for line in filesystems.splitlines() if not line.startswith("nodev")} | {"zfs"}
    )


def _unescape(text: str) -> str:
    """Space, tab, newline and backslash are octal in mountinfo."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _uuids() -> dict[str, str]:
    """By device; empty where udev does not run."""
    try:
        return {os.path.realpath(link): link.name for link in _BY_UUID.iterdir()}
    except OSError:
        return {}


def _asset(mount: Mount, uuid: str) -> Asset:
    labels = {"device": mount.source, "filesystem": mount.filesystem, "uuid": uuid}
    return asset(SOURCE_TYPE, mount.path, labels=labels)


def _close(child: subprocess.Popen[str]) -> None:
    for stream in (child.stdout, child.stderr):
        if stream is not None:
            stream.close()

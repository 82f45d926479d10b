"""Runs one PostgreSQL server as a child that cannot outlive whoever started it, not even after kill -9.

Between the starter and the server stands a guard: this file run as a script. It waits on a pipe from the starter; when
that closes, for whatever reason, it shuts the server down. The server in turn is told by the kernel if the guard dies.
Also runs single commands (initdb) under the identity the server will have. PostgreSQL refuses to be root, so root
becomes either another user or, where the kernel lets us, the same root under another number in a user namespace,
which keeps every file readable without changing an owner or a mode.

Responsible for processes only: which server, which folder and which settings is for the caller. Standard library only.
"""

import contextlib
import ctypes
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
# PostgreSQL's own shutdown signals: SIGINT is "fast" (clean), SIGQUIT "immediate" (recovers at the next start).
FAST_SHUTDOWN_SECONDS_MAX = 30.0
IMMEDIATE_SHUTDOWN_SECONDS_MAX = 5.0
READY_SECONDS_MAX = 60.0
COMMAND_SECONDS_MAX = 120.0
LOG_LINES_SHOWN = 15


class PostmasterError(Exception):
    """The server or a command of it could not be run; the text holds the end of its output."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who a server runs as: nobody else (the default), another user, or root under another number."""

    uid: int | None = None
    gid: int | None = None
    # True: stay root for the kernel, be `uid` for PostgreSQL.
    namespaced: bool = False
    chroot: str | None = None


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to execute, where, and as whom. Paths are seen from inside the identity's chroot, `cwd` from outside."""

    argv: tuple[str, ...]
    identity: Identity
    cwd: str | None = None


def namespaces_work() -> bool:
    """Whether root may appear under another number here; containers often forbid it."""
    command = Command(
        argv=(sys.executable, "-c", ""), identity=Identity(uid=65534, gid=65534, namespaced=True)
    )
    return subprocess.run(_guard(command, "exec"), capture_output=True, check=False).returncode == 0


def run(command: Command, *, stdin: str = "") -> str:
    """Run one command to its end and return its output."""
    try:
        done = subprocess.run(
            _guard(command, "exec"),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise PostmasterError(f"{command.argv[0]} did not end within {COMMAND_SECONDS_MAX:.0f} s") from error
    if done.returncode:
        raise PostmasterError(f"{command.argv[0]} failed:\n{_tail(done.stdout + done.stderr)}")
    return done.stdout


class Postmaster:
    """A running server and its guard."""

    def __init__(
        self, command: Command, *, data: Path, log: Path, scratch: Sequence[Path] = (), detached: bool = False
    ):
        """Start the server. `scratch` folders are removed when it has ended; `detached` lets it outlive us."""
        self._data = data
        # Kept open: the guard may have removed the file by the time we want to show its end.
        self._log = log.open("a+b")
        self._process = subprocess.Popen(
            _guard(command, "detach" if detached else "guard", *map(str, scratch)),
            stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            # A Ctrl+C on the terminal is for the starter, which decides when its database goes.
            start_new_session=True,
        )

    def wait_until_ready(self, seconds_max: float = READY_SECONDS_MAX) -> None:
        """Return when the server accepts connections; raise with the end of its log if it does not."""
        deadline = time.monotonic() + seconds_max
        while time.monotonic() < deadline:
            if (ended := self._process.poll()) is not None:
                raise PostmasterError(f"PostgreSQL did not start (exit status {ended}):\n{self._log_tail()}")
            if lock_file(self._data).get("status") == "ready":
                return
            time.sleep(0.02)
        self.stop()
        raise PostmasterError(f"PostgreSQL was not ready after {seconds_max:.0f} s:\n{self._log_tail()}")

    def stop(self) -> None:
        """Shut the server down cleanly and wait for its end; harmless when it has ended already."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        else:
            self._process.terminate()
        self._process.wait(FAST_SHUTDOWN_SECONDS_MAX + 2 * IMMEDIATE_SHUTDOWN_SECONDS_MAX)
        self._log.close()

    def _log_tail(self) -> str:
        self._log.seek(0)
        return _tail(self._log.read().decode(errors="replace"))


def lock_file(data: Path) -> Mapping[str, str]:
    """What the server wrote into postmaster.pid: pid, data, started, port, sockets, address, memory, status."""
    names = ("pid", "data", "started", "port", "sockets", "address", "memory", "status")
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {name: line.strip() for name, line in zip(names, lines, strict=False)}


def processes_in(data: Path) -> list[int]:
    """The server processes that work in this data folder: a server never leaves it."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if (
                entry.name.isdigit()
                and (entry / "cwd").samefile(data)
                and (entry / "comm").read_text().startswith("postgres")
            ):
                found.append(int(entry.name))
    return found


def _guard(command: Command, mode: str, *scratch: str) -> list[str]:
    # -I -S: nothing from the environment or site-packages, so the guard starts in 20 ms and stays small.
    return [sys.executable, "-I", "-S", __file__, mode, json.dumps(asdict(command)), *scratch]


def _tail(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines()[-LOG_LINES_SHOWN:])


# From here on: inside the guard.


def _become(identity: Identity, cwd: str | None) -> None:
    """Take on the server's identity in this process; what is not permitted raises OSError."""
    if cwd is not None:
        # Before the privileges go: a folder below a closed one can be worked in, though not walked to.
        os.chdir(cwd)
    if identity.chroot is not None:
        os.chroot(identity.chroot)
        if cwd is None:
            os.chdir("/")
    if identity.uid is None or identity.gid is None:
        return
    if not identity.namespaced:
        os.setgroups([])
        os.setresgid(identity.gid, identity.gid, identity.gid)
        os.setresuid(identity.uid, identity.uid, identity.uid)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "user namespaces are not permitted here")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{identity.uid} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{identity.gid} {outer_gid} 1")


def _execute(command: Command, *, guard_pid: int | None) -> None:
    """Become the command; returns never."""
    try:
        _become(command.identity, command.cwd)
        os.umask(0o077)
        if guard_pid is not None:
            # After the change of identity, which would clear it.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
            if os.getppid() != guard_pid:
                os._exit(1)
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        os.execve(command.argv[0], list(command.argv), environment)
    except OSError as error:
        os.write(2, f"{command.argv[0]}: {error}\n".encode())
        os._exit(126)


def _watch(server: int, *, detached: bool) -> int:
    """Wait for the server's end; ask for it when the starter is gone or a signal says so. Returns its exit code."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    selector = selectors.DefaultSelector()
    selector.register(read_end, selectors.EVENT_READ)
    if not detached:
        selector.register(0, selectors.EVENT_READ)
    # What to send next, and how long it may take.
    steps = [
        (signal.SIGINT, FAST_SHUTDOWN_SECONDS_MAX),
        (signal.SIGQUIT, IMMEDIATE_SHUTDOWN_SECONDS_MAX),
        (signal.SIGKILL, None),
    ]
    timeout: float | None = None
    while True:
        ended, status = os.waitpid(server, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        ready = [key.fd for key, _ in selector.select(timeout)]
        asked = 0 in ready
        if read_end in ready:
            asked |= any(number != signal.SIGCHLD for number in os.read(read_end, 512))
        if asked and 0 in selector.get_map():
            selector.unregister(0)
        if steps and (not ready or (asked and timeout is None)):
            number, timeout = steps.pop(0)
            os.kill(server, number)


def main(mode: str, plan: str, scratch: Sequence[str]) -> int:
    """The guard: run the planned command and stay with it."""
    fields = json.loads(plan)
    command = Command(argv=tuple(fields["argv"]), identity=Identity(**fields["identity"]), cwd=fields["cwd"])
    if mode == "exec":
        _execute(command, guard_pid=None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    guard = os.getpid()
    server = os.fork()
    if server == 0:
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        _execute(command, guard_pid=guard)
    try:
        return _watch(server, detached=mode == "detach")
    finally:
        for folder in scratch:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]) & 0xFF)

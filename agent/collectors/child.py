"""Runs a program that is not ours, within bounds: time, output, and an end for all that it started.

It gets a process group and an environment of its own, no input and no shell. At the end, however it came about, the whole
group is killed, also when the agent ends meanwhile; what left its group on purpose, and what outlives an agent that was
killed, is the business of whoever runs the agent (systemd: KillMode, TasksMax).
"""

import atexit
import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

READ_BYTES = 64 * 1024
# What a killed program may take to be gone, and what it wrote last to be read.
REAP_SECONDS_MAX = 1.0
# How often it is looked at while its output stays open: one that is over may have left that to its children.
_POLL_SECONDS = 0.02
_COMPLAINT_CHARACTERS_MAX = 200
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


# None of them is reaped, so that each number still is its group's.
_running: set[subprocess.Popen[bytes]] = set()


class Failed(Exception):
    """The program did not do what it should; the text says what it did."""


@dataclass(slots=True)
class Program:
    """One program to be run again and again, one at a time. ``output_bytes_max``: of output and complaints together."""

    command: Sequence[str]
    seconds_max: float
    output_bytes_max: int
    environment: Mapping[str, str] = field(default_factory=dict)
    # One that cannot even be killed (it waits for a dead device) is not joined by a second.
    _stuck: subprocess.Popen[bytes] | None = None

    def run(self) -> bytes:
        """What it wrote to its standard output. Raises ``Failed``."""
        if self._stuck is not None:
            if self._stuck.poll() is None:
                raise Failed(f"{self.command[0]} was killed at an earlier tick and is still not gone")
            self._stuck = None
        try:
            process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**_ENVIRONMENT, **self.environment},
                cwd="/",
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise Failed(f"{self.command[0]} cannot be started: {error.strerror}") from error
        _running.add(process)
        try:
            out, complaint = self._read(process)
        finally:
            self._end(process)
        if process.returncode:
            raise Failed(f"{self.command[0]} ended with {_exit(process.returncode)}{_last_line(complaint)}")
        return out

    def _read(self, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """Until the program is over and the pipes are empty; its children may hold them open."""
        ends = time.monotonic() + self.seconds_max
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - asked for above
        chunks: dict[int, list[bytes]] = {process.stdout.fileno(): [], process.stderr.fileno(): []}
        room = self.output_bytes_max
        with selectors.DefaultSelector() as selector:
            for number in chunks:
                selector.register(number, selectors.EVENT_READ)
            while True:
                left = ends - time.monotonic()
                if left <= 0:
                    raise Failed(
                        f"{self.command[0]} did not end within {self.seconds_max:g} s and was killed"
                    )
                # Asked first: what it wrote before its end is in the pipe by now.
                over = _is_over(process)
                if selector.get_map():
                    ready = selector.select(0 if over else min(left, _POLL_SECONDS))
                else:
                    # It closed its output before its end.
                    ready = []
                    time.sleep(0 if over else min(left, _POLL_SECONDS))
                if over and not ready:
                    break
                for key, _ in ready:
                    chunk = os.read(key.fd, READ_BYTES)
                    room -= len(chunk)
                    if room < 0:
                        raise Failed(
                            f"{self.command[0]} wrote more than {self.output_bytes_max} bytes and was killed"
                        )
                    if chunk:
                        chunks[key.fd].append(chunk)
                    else:
                        selector.unregister(key.fd)
        out, complaint = (b"".join(parts) for parts in chunks.values())
        return out, complaint

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        _kill(process)
        _running.discard(process)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(REAP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._stuck = process


def _kill(process: subprocess.Popen[bytes]) -> None:
    # The group lives on while any member does, also after its leader; only a group without members is not there.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@atexit.register
def _kill_all() -> None:
    """A collector's thread does not keep the agent from ending; nor does it see the end."""
    for process in list(_running):
        _kill(process)


def _is_over(process: subprocess.Popen[bytes]) -> bool:
    """Whether it ended. It is left a zombie, so that its number still is its group's and nobody else's."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _exit(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"signal {-code}"


def _last_line(complaint: bytes) -> str:
    """What it complained about last, fit for a log line."""
    lines = complaint.decode("utf-8", "replace").strip().splitlines()
    if not lines:
        return ""
    text = "".join(character if character.isprintable() else " " for character in lines[-1])
    return f": {text[:_COMPLAINT_CHARACTERS_MAX].strip()}"

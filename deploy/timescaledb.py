"""One way to a real TimescaleDB, for the tests, the benchmarks and a developer's own server.

    python deploy/timescaledb.py prepare    make sure that a server can be had
    python deploy/timescaledb.py start      start one that stays, with its data kept between starts
    python deploy/timescaledb.py dsn        how to connect to it, e.g. psql "$(python deploy/timescaledb.py dsn)"
    python deploy/timescaledb.py stop

Where the server comes from, first that fits: the one named by ULLAGE_TEST_DSN; TimescaleDB installed for a PostgreSQL
of this machine; on Debian 13 as root its package; on another Debian or a relative as root a Debian 13 folder with that
package, made once by debootstrap in the cache outside the checkout and used by chroot. Servers listen on the loopback
address only, with a random password, and send no telemetry.
"""

import argparse
import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Run as a script only its own folder is on the path.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aggregator.postmaster import Command, Identity, Postmaster, PostmasterError, lock_file, processes_in, run

PACKAGE = "postgresql-17-timescaledb"
SUITE = "trixie"
ROLE = "ullage"
KEPT = "kept"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "max_connections": "120",
    "max_locks_per_transaction": "256",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}
# Tests want clones at once: background workers sit in databases and fsync makes each commit wait.
TEST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "timescaledb.max_background_workers": "0"}
NOT_TO_BE_HAD = f"""TimescaleDB cannot be had here: {{reason}}.
Any one of these helps:
  - Debian 13:        apt-get install {PACKAGE}
  - another Debian:   run `make test` once as root; it makes a Debian 13 folder (about a minute, 700 MB)
  - any server:       ULLAGE_TEST_DSN=postgresql://user:password@host/db, a superuser on a server with TimescaleDB
  - without it:       ULLAGE_TEST_PLAIN=1 runs the tests on the embedded plain PostgreSQL alone
"""


class Unobtainable(Exception):
    """No TimescaleDB here; the text lists what would help."""

    def __init__(self, reason: str) -> None:
        super().__init__(NOT_TO_BE_HAD.format(reason=reason))


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Where PostgreSQL's programs are, seen from inside `chroot` when there is one."""

    programs: str
    chroot: Path | None = None

    def identity(self) -> Identity:
        """PostgreSQL refuses root, so root becomes the user that the package made."""
        if os.geteuid() != 0:
            return Identity()
        if self.chroot is None:
            user = pwd.getpwnam("postgres")
            return Identity(uid=user.pw_uid, gid=user.pw_gid)
        lines = (self.chroot / "etc/passwd").read_text().splitlines()
        uid, gid = next(line.split(":")[2:4] for line in lines if line.startswith("postgres:"))
        return Identity(uid=int(uid), gid=int(gid), chroot=str(self.chroot))

    def servers(self) -> Path:
        """The folder for the servers' data: one that the server's user can reach."""
        if self.chroot is not None:
            folder = self.chroot / "srv/ullage"
        else:
            folder = Path(tempfile.gettempdir()) / f"ullage-timescaledb-{os.geteuid()}"
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise Unobtainable(f"{folder} belongs to somebody else")
        return folder

    def inside(self, path: Path) -> str:
        """A path as the server sees it."""
        return str(path if self.chroot is None else Path("/") / path.relative_to(self.chroot))


def prepare() -> Installation:
    """Find TimescaleDB, or install it where that is possible. Raises `Unobtainable`."""
    if found := _installed():
        return found
    system = _os_release()
    if "debian" not in f"{system.get('ID')} {system.get('ID_LIKE')}".split():
        raise Unobtainable("it is not installed, and this is not a Debian")
    if os.geteuid() != 0:
        raise Unobtainable("it is not installed, and only root can install it")
    if system.get("ID") == "debian" and system.get("VERSION_ID") == "13":
        _run_step(f"installing {PACKAGE}", ["apt-get", "install", "-y", "-q", PACKAGE])
        if found := _installed():
            return found
        raise Unobtainable(f"{PACKAGE} was installed but holds no timescaledb.so")
    return _debian_folder()


def _installed() -> Installation | None:
    libraries = sorted(
        Path("/usr/lib/postgresql").glob("*/lib/timescaledb.so"),
        key=lambda path: int(path.parts[4]),
        reverse=True,
    )
    return Installation(programs=str(libraries[0].parent.parent / "bin")) if libraries else None


def _os_release() -> dict[str, str]:
    with contextlib.suppress(OSError):
        lines = Path("/etc/os-release").read_text().splitlines()
        return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
    return {}


def _debian_folder() -> Installation:
    """A Debian 13 in a folder of the cache, made whole under another name and then renamed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ullage"
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / f"debian-{SUITE}"
    installation = Installation(programs="/usr/lib/postgresql/17/bin", chroot=root)
    with _locked(cache / f"{root.name}.lock"):
        if root.exists():
            return installation
        if shutil.which("debootstrap") is None:
            _run_step("installing debootstrap", ["apt-get", "install", "-y", "-q", "debootstrap"])
        for left in cache.glob(f"{root.name}.*.part"):
            shutil.rmtree(left)
        part = Path(tempfile.mkdtemp(prefix=f"{root.name}.", suffix=".part", dir=cache))
        part.chmod(0o755)
        base = ["debootstrap", "--variant=minbase", f"--include={PACKAGE}", "--foreign", SUITE, str(part)]
        _run_step("making a Debian 13 folder with TimescaleDB, once (1/2: packages)", base)
        # Before anything is configured: no service may start in there.
        policy = part / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        second = ["chroot", str(part), "/debootstrap/debootstrap", "--second-stage"]
        _run_step("making a Debian 13 folder with TimescaleDB, once (2/2: set-up)", second)
        for archive in (part / "var/cache/apt/archives").glob("*.deb"):
            archive.unlink()
        part.rename(root)
    return installation


def _run_step(what: str, command: list[str]) -> None:
    _say(what)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False
        )
    except FileNotFoundError:
        raise Unobtainable(f"{command[0]} is not there") from None
    if done.returncode:
        sys.stderr.write(done.stdout[-3000:])
        raise Unobtainable(f"`{' '.join(command[:4])} …` failed, see above")


def _say(text: str) -> None:
    sys.stderr.write(f"timescaledb: {text}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def running(*, for_tests: bool) -> Iterator[str]:
    """The DSN of a server of one's own on fresh data, both gone at the end, also after a crash or kill -9.

    For tests it forgets what was written when the machine fails; otherwise it writes like a production server.
    """
    if dsn := os.environ.get("ULLAGE_TEST_DSN"):
        yield dsn
        return
    installation = prepare()
    servers = installation.servers()
    with _locked(servers / "lock"):
        _sweep(servers)
        folder = Path(tempfile.mkdtemp(prefix="session-", dir=servers))
        mark = (folder / "lock").open("a")
        fcntl.flock(mark, fcntl.LOCK_EX)
    with mark:
        settings = {**SETTINGS, **(TEST_SETTINGS if for_tests else {})}
        try:
            _initialise(installation, folder)
            server = _start(installation, folder, settings, scratch=(folder,), detached=False)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        try:
            yield _dsn(folder)
        finally:
            server.stop()


def _sweep(servers: Path) -> None:
    """Remove the data of sessions that are no more; a guard that was itself killed could not."""
    for folder in servers.glob("session-*"):
        with contextlib.suppress(OSError), (folder / "lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not processes_in(folder / "data"):
                shutil.rmtree(folder, ignore_errors=True)


def _initialise(installation: Installation, folder: Path) -> None:
    identity = installation.identity()
    password, data = folder / "password", folder / "data"
    with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(secrets.token_urlsafe(24))
    data.mkdir(mode=0o700)
    if identity.uid is not None and identity.gid is not None:
        for path in (folder, password, data):
            os.chown(path, identity.uid, identity.gid)
    options = ("-U", ROLE, "-A", "scram-sha-256", f"--pwfile={installation.inside(password)}", "--no-sync")
    argv = (
        f"{installation.programs}/initdb",
        "-D",
        installation.inside(data),
        *options,
        "-E",
        "UTF8",
        "--locale=C",
        "--lc-ctype=C.UTF-8",
    )
    run(Command(argv=argv, identity=identity))


def _start(
    installation: Installation,
    folder: Path,
    settings: dict[str, str],
    *,
    scratch: tuple[Path, ...],
    detached: bool,
) -> Postmaster:
    if installation.chroot is not None:
        # The folder has no /dev/shm of its own.
        settings = {**settings, "dynamic_shared_memory_type": "mmap"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    data = folder / "data"
    argv = (
        f"{installation.programs}/postgres",
        "-D",
        installation.inside(data),
        "-p",
        str(_free_port()),
        *options,
    )
    command = Command(argv=argv, identity=installation.identity())
    server = Postmaster(command, data=data, log=folder / "postgresql.log", scratch=scratch, detached=detached)
    server.wait_until_ready()
    return server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _dsn(folder: Path) -> str:
    port, password = lock_file(folder / "data")["port"], (folder / "password").read_text()
    return f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/postgres"


# The commands for a server that stays.


def _kept(installation: Installation) -> tuple[Path, int | None]:
    """The kept server's folder, and its process if it runs."""
    folder = installation.servers() / KEPT
    state = lock_file(folder / "data")
    pid = int(state.get("pid", "0"))
    running_now = state.get("status") == "ready" and pid in processes_in(folder / "data")
    return folder, pid if running_now else None


def start() -> None:
    """Start the kept server, making its data folder the first time."""
    installation = prepare()
    folder, pid = _kept(installation)
    if pid is None:
        with _locked(installation.servers() / "lock"):
            if not (folder / "data/PG_VERSION").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                _initialise(installation, folder)
            _start(installation, folder, SETTINGS, scratch=(), detached=True)
    _say(f"running on port {lock_file(folder / 'data')['port']}, data in {folder}")
    _say('connect with: psql "$(python deploy/timescaledb.py dsn)"')


def stop() -> None:
    """Stop the kept server; its data stays for the next start."""
    folder, pid = _kept(prepare())
    if pid is None:
        _say("not running")
        return
    os.kill(pid, signal.SIGINT)
    while processes_in(folder / "data"):
        time.sleep(0.05)
    _say(f"stopped; the data stays in {folder}")


def status() -> None:
    """Say whether the kept server runs; exit status 3 when it does not."""
    folder, pid = _kept(prepare())
    if pid is None:
        _say("not running; start it with: python deploy/timescaledb.py start")
        sys.exit(3)
    _say(f"running on port {lock_file(folder / 'data')['port']}, process {pid}, data in {folder}")


def dsn() -> None:
    """Print how to connect to the kept server; it holds the password."""
    folder, pid = _kept(prepare())
    if pid is None:
        _say("not running; start it with: python deploy/timescaledb.py start")
        sys.exit(3)
    print(_dsn(folder))


def check() -> None:
    """Make sure that tests will have a server, so that what cannot be had is said before anything runs."""
    if os.environ.get("ULLAGE_TEST_DSN"):
        _say("using the server named by ULLAGE_TEST_DSN")
    elif os.environ.get("ULLAGE_TEST_PLAIN") == "1":
        _say("not used: ULLAGE_TEST_PLAIN=1 allows the embedded plain PostgreSQL alone")
    else:
        found = prepare()
        _say(f"using {found.chroot or ''}{found.programs}")


COMMANDS = {"prepare": check, "start": start, "stop": stop, "status": status, "dsn": dsn}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS, help="what to do")
    try:
        COMMANDS[parser.parse_args().command]()
    except (Unobtainable, PostmasterError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

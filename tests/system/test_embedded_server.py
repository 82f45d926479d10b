"""The embedded PostgreSQL with real processes: it starts anywhere, ends with its starter and keeps its data."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from aggregator import embedded
from aggregator.embedded import EmbeddedError, EmbeddedServer, running
from aggregator.postmaster import lock_file, processes_in

SECONDS_MAX = 15.0
STARTER = """
import sys, time
from pathlib import Path
from aggregator.embedded import running
with running(Path(sys.argv[1]), fsync=False) as dsn:
    print(dsn, flush=True)
    time.sleep(60)
"""


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def answer(dsn: str, statement: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "it's a folder"


@pytest.fixture
def starter(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that runs the server on `folder`."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "host=" in process.stdout.readline()
        yield process
        process.kill()


def test_data_is_there_after_a_restart(folder: Path) -> None:
    with running(folder) as dsn:
        assert answer(dsn, "show server_encoding") == "UTF8"
        assert answer(dsn, "show fsync") == "on"
        assert answer(dsn, "show listen_addresses") == ""
        with psycopg.connect(dsn) as connection:
            connection.execute("create table kept as select 7 as figure")
    assert processes_in(folder / "pgdata") == []
    with running(folder) as dsn:
        assert answer(dsn, "select figure from kept") == 7


def test_only_the_password_opens_it(folder: Path) -> None:
    with running(folder, fsync=False) as dsn, pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn, passfile="/dev/null", password="wrong")
    assert (folder / "password").stat().st_mode & 0o777 == 0o600


def test_a_second_user_shares_the_server_and_leaves_it_running(
    folder: Path, starter: subprocess.Popen[str]
) -> None:
    with running(folder) as dsn:
        assert answer(dsn, "select 1") == 1
    assert starter.poll() is None
    assert answer(dsn, "select 1") == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_with_its_starter(
    folder: Path, starter: subprocess.Popen[str], number: signal.Signals
) -> None:
    sockets = Path(lock_file(folder / "pgdata")["sockets"])
    starter.send_signal(number)
    assert eventually(lambda: not processes_in(folder / "pgdata"))
    assert eventually(lambda: not sockets.exists())
    assert "database system is shut down" in (folder / "postgresql.log").read_text()


def test_the_server_ends_when_its_guard_is_killed(folder: Path, starter: subprocess.Popen[str]) -> None:
    server = int(lock_file(folder / "pgdata")["pid"])
    guard = int(Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[1])
    sockets = Path(lock_file(folder / "pgdata")["sockets"])
    os.kill(guard, signal.SIGKILL)
    assert eventually(lambda: not processes_in(folder / "pgdata"))
    assert starter.poll() is None
    with running(folder, fsync=False) as dsn:
        assert answer(dsn, "select 1") == 1
    assert not sockets.exists()


def test_a_killed_server_is_started_again_in_spite_of_its_lock_file(
    folder: Path, starter: subprocess.Popen[str]
) -> None:
    killed = int(lock_file(folder / "pgdata")["pid"])
    os.kill(killed, signal.SIGKILL)
    # Until the kernel has taken it away, a killed server looks like a running one.
    assert eventually(lambda: killed not in processes_in(folder / "pgdata"))
    with running(folder) as dsn:
        assert answer(dsn, "select 1") == 1


def test_a_lock_file_that_names_a_stranger_is_stale(folder: Path) -> None:
    with running(folder, fsync=False):
        pass
    (folder / "pgdata/postmaster.pid").write_text(
        f"{os.getpid()}\n{folder}/pgdata\n0\n5432\n/nowhere\n\n0 0\nready\n"
    )
    with running(folder, fsync=False) as dsn:
        assert answer(dsn, "select 1") == 1


def test_two_starters_at_once_share_one_server(folder: Path) -> None:
    command = [sys.executable, "-c", STARTER.replace("time.sleep(60)", "time.sleep(2)"), str(folder)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert len({process.communicate(timeout=60)[0] for process in both}) == 1
    assert [process.returncode for process in both] == [0, 0]


def test_a_folder_of_another_version_is_refused_and_left_alone(folder: Path) -> None:
    (folder / "pgdata").mkdir(parents=True)
    (folder / "pgdata/PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 12.*Nothing was changed"):
        EmbeddedServer(folder).start()
    assert [path.name for path in (folder / "pgdata").iterdir()] == ["PG_VERSION"]


def test_missing_binaries_are_said_with_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "WHEEL", "no_such_wheel")
    with pytest.raises(EmbeddedError, match="extra `embedded`"):
        EmbeddedServer(folder).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its privileges")
class TestAsRoot:
    def test_without_user_namespaces_nobody_runs_it(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded, "namespaces_work", lambda: False)
        for _ in range(2):
            with running(folder, fsync=False) as dsn:
                assert answer(dsn, "select 1") == 1
        assert (folder / "pgdata").stat().st_uid == 65534
        assert folder.stat().st_uid == 0

    def test_binaries_out_of_reach_are_copied_once(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        copies = Path(f"/var/tmp/ullage-test-{os.getpid()}")
        real = embedded._open_to_all
        monkeypatch.setattr(embedded, "namespaces_work", lambda: False)
        monkeypatch.setattr(embedded, "REACHABLE", (copies,))
        monkeypatch.setattr(embedded, "_open_to_all", lambda place: copies in place.parents and real(place))
        try:
            with running(folder, fsync=False) as dsn:
                assert answer(dsn, "select 1") == 1
                server = lock_file(folder / "pgdata")["pid"]
                assert copies in Path(f"/proc/{server}/exe").readlink().parents
        finally:
            subprocess.run(["rm", "-rf", copies], check=True)

    def test_another_users_folder_is_served_as_that_user(self, folder: Path) -> None:
        folder.mkdir()
        os.chown(folder, 65534, 65534)
        with running(folder, fsync=False) as dsn:
            assert answer(dsn, "select 1") == 1
        assert {path.stat().st_uid for path in folder.iterdir()} == {65534}

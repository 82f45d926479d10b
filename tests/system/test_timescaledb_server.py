"""The test session's own TimescaleDB: leaves nothing behind, and says what to do where it cannot be had."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from deploy import timescaledb
from deploy.timescaledb import Unobtainable, prepare, running
from tests.servers import plain_only

SECONDS_MAX = 15.0
STARTER = """
import time
from deploy.timescaledb import running
with running(for_tests=True) as dsn:
    print(dsn, flush=True)
    time.sleep(60)
"""
owned = pytest.mark.skipif(
    plain_only() or "ULLAGE_TEST_DSN" in os.environ, reason="this session was told to start no TimescaleDB"
)


@owned
def test_a_killed_session_leaves_no_server_and_no_data() -> None:
    servers = prepare().servers()
    with subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None
        dsn = session.stdout.readline().strip()
        with psycopg.connect(dsn, autocommit=True) as connection:
            asked = connection.execute("select current_setting('data_directory')").fetchone()
            assert asked is not None
            folder = servers / Path(asked[0]).parent.name
            assert folder.exists()
        session.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + SECONDS_MAX
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)


def test_a_server_that_is_named_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ULLAGE_TEST_DSN", "postgresql://somewhere/else")
    with running(for_tests=True) as dsn:
        assert dsn == "postgresql://somewhere/else"


def test_where_it_cannot_be_had_the_ways_out_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timescaledb, "_installed", lambda: None)
    monkeypatch.setattr(timescaledb, "_os_release", lambda: {"ID": "fedora"})
    with pytest.raises(Unobtainable, match=r"(?s)not a Debian.*ULLAGE_TEST_DSN.*ULLAGE_TEST_PLAIN=1"):
        prepare()

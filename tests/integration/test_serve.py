"""The program as its operator meets it: real processes, real ports, real certificates, real refusals."""

import asyncio
import json
import shutil
import signal
import socket
import ssl
import stat
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from psycopg.conninfo import conninfo_to_dict

from aggregator.rpc.access import methods
from tests.integration.program import DEADLINE_SECONDS, READY_SECONDS_MAX, Site, serving
from tests.servers import Database
from ullage.channel import open_channel
from ullage.v1 import admin_pb2, admin_pb2_grpc, insight_pb2, insight_pb2_grpc


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority and a server's certificate, made by the program's own commands."""
    made = Site(tmp_path_factory.mktemp("certificates"))
    made.configure()
    made.must("ca", "create")
    made.must("ca", "issue", "server", "--host", "127.0.0.1", "--host", "localhost", "--out", "tls")
    return made.folder


@pytest.fixture
def site(tmp_path: Path, dsn: str, certificates: Path) -> Site:
    """Everything is made but the first key."""
    made = Site(tmp_path)
    shutil.copytree(certificates, tmp_path, dirs_exist_ok=True)
    (tmp_path / "dsn").write_text(dsn)
    (tmp_path / "dsn").chmod(0o600)
    return made


def wrong(site: Site) -> dict[str, str]:
    """What doctor objects to; that the tests' servers are quick rather than safe is no news."""
    checks = json.loads(site.run("doctor", "--format", "json").stdout)
    return {
        check["name"]: check["text"]
        for check in checks
        if not check["ok"] and check["name"] not in {"fsync", "full_page_writes"}
    }


async def health_is(channel: grpc.aio.Channel, wanted: int) -> None:
    """Returns once the service "ingest" has that state."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="ingest"), timeout=READY_SECONDS_MAX)
    async for reply in watch:
        if reply.status == wanted:
            break
    watch.cancel()


@pytest.mark.storage
async def test_it_serves_agents_and_people_and_ends_in_order(site: Site) -> None:
    site.must("keys", "bootstrap", "--name", "admin", "--out", "admin.key")
    site.must("ca", "issue", "agent", "web-01", "--site", "fra1", "--out", "web-01")
    key = (site.folder / "admin.key").read_text().strip()
    metadata = (("authorization", f"Bearer {key}"),)
    with serving(site) as (running, ready):
        async with open_channel(ready["people"], ca=site.ca) as channel:
            admin: Any = admin_pb2_grpc.AdminStub(channel)
            who = await admin.WhoAmI(admin_pb2.WhoAmIRequest(), metadata=metadata, timeout=DEADLINE_SECONDS)
            assert (who.key_name, who.role) == ("admin", "admin")
            jobs = await admin.ListJobs(
                admin_pb2.ListJobsRequest(), metadata=metadata, timeout=DEADLINE_SECONDS
            )
            assert [job.name for job in jobs.jobs] == [
                "rollup",
                "provisioning",
                "binding",
                "billing",
                "projection",
                "control-totals",
                "retention",
            ]
            run = await admin.RunJob(
                admin_pb2.RunJobRequest(name="rollup"), metadata=metadata, timeout=DEADLINE_SECONDS
            )
            assert run.state in {"done", "skipped"}
            insight: Any = insight_pb2_grpc.InsightStub(channel)
            watch = insight.Watch(insight_pb2.WatchRequest(), metadata=metadata, timeout=DEADLINE_SECONDS)
            assert (await watch.read()).noun == ""
            code = await asyncio.to_thread(running.stop)
        assert code == 0
        running.wait_for("stopped")
        assert not [line for line in running.log if line["level"] in {"error", "warning"}]


async def test_both_listeners_tell_their_health(site: Site) -> None:
    site.must("ca", "issue", "agent", "web-01", "--site", "fra1", "--out", "web-01")
    with serving(site) as (running, ready):
        for name, identity in (("people", None), ("agents", site.identity("web-01"))):
            async with open_channel(ready[name], ca=site.ca, identity=identity) as channel:
                await health_is(channel, health_pb2.HealthCheckResponse.SERVING)
        assert await asyncio.to_thread(running.stop, signal.SIGINT) == 0


@pytest.mark.slow
async def test_many_who_connect_at_once_do_not_end_it(site: Site) -> None:
    """gRPC frees settings of TLS under a handshake that still uses them when it is handed settings anew."""
    site.must("keys", "bootstrap", "--name", "first", "--out", "first.key")
    context = ssl.create_default_context(cadata=site.ca.decode())
    context.set_alpn_protocols(["h2"])
    with serving(site) as (running, ready):
        port = int(ready["people"].rpartition(":")[2])

        def connect(times: int) -> int:
            for _ in range(times):
                with (
                    socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS) as plain,
                    context.wrap_socket(plain, server_hostname="127.0.0.1"),
                ):
                    pass
            return times

        together = await asyncio.gather(*(asyncio.to_thread(connect, 300) for _ in range(6)))
        assert sum(together) == 1800
        assert running.process.poll() is None


async def test_a_database_that_goes_away_is_told_and_comes_back(site: Site, database: Database) -> None:
    site.must("keys", "bootstrap", "--name", "admin", "--out", "admin.key")
    metadata = (("authorization", f"Bearer {(site.folder / 'admin.key').read_text().strip()}"),)
    name = conninfo_to_dict(database.dsn)["dbname"]
    with serving(site) as (running, ready):
        async with (
            await psycopg.AsyncConnection.connect(database.dsn, dbname="postgres", autocommit=True) as other,
            open_channel(ready["people"], ca=site.ca) as channel,
        ):
            await health_is(channel, health_pb2.HealthCheckResponse.SERVING)
            await other.execute(f'alter database "{name}" allow_connections false')
            await other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name]
            )
            await health_is(channel, health_pb2.HealthCheckResponse.NOT_SERVING)
            admin: Any = admin_pb2_grpc.AdminStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await admin.GetHealth(
                    admin_pb2.GetHealthRequest(), metadata=metadata, timeout=READY_SECONDS_MAX
                )
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
            assert "database" in str(caught.value.details())
            await other.execute(f'alter database "{name}" allow_connections true')
            await health_is(channel, health_pb2.HealthCheckResponse.SERVING)
        assert await asyncio.to_thread(running.stop) == 0


def test_a_port_in_use_is_named_with_its_key(site: Site) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        site.configure(people=port)
        done = site.run("serve")
    assert done.returncode == 1
    assert "people.listen" in done.stderr
    assert f"127.0.0.1:{port}" in done.stderr
    assert "another program uses the port" in done.stderr


def test_a_second_aggregator_on_the_same_ports_is_refused(site: Site) -> None:
    with serving(site) as (running, ready):
        agents, people = (int(ready[name].rpartition(":")[2]) for name in ("agents", "people"))
        site.configure(agents=agents, people=people)
        done = site.run("serve")
        assert (done.returncode, "agents.listen" in done.stderr) == (1, True)
        assert not wrong(site)
        assert f"127.0.0.1:{people} is served by an aggregator" in site.run("doctor").stdout
        assert running.stop() == 0


def test_an_address_of_another_machine_is_refused(site: Site) -> None:
    site.configure()
    text = (site.folder / "aggregator.toml").read_text().replace("127.0.0.1:0", "192.0.2.1:0", 1)
    (site.folder / "aggregator.toml").write_text(text)
    done = site.run("serve")
    assert (done.returncode, "none of this machine" in done.stderr) == (1, True)


def test_every_missing_key_is_listed(site: Site) -> None:
    (site.folder / "aggregator.toml").write_text("[agents]\nlisten = 'nowhere'\n")
    done = site.run("serve")
    assert done.returncode == 2
    for key in ("database", "agents.listen", "people.listen", "tls.ca", "tls.certificate", "tls.key"):
        assert f"  {key}: " in done.stderr


def test_every_unusable_certificate_is_listed(site: Site) -> None:
    (site.folder / "tls/ca.crt").unlink()
    (site.folder / "tls/server.key").write_text("no key")
    done = site.run("serve")
    assert done.returncode == 2
    assert "tls.ca" in done.stderr
    assert "tls.key" in done.stderr


@pytest.mark.slow
def test_a_database_that_is_away_is_said_to_be(site: Site) -> None:
    (site.folder / "dsn").write_text("host=127.0.0.1 port=1 user=ullage password=hunter2 connect_timeout=1")
    for words in (["serve"], ["migrate"], ["jobs", "run", "rollup"]):
        done = site.run(*words)
        assert done.returncode == 3, done.stderr
        assert "the database does not answer" in done.stderr
        assert "hunter2" not in done.stderr


def test_a_dsn_that_is_none_is_refused_without_being_repeated(site: Site) -> None:
    (site.folder / "dsn").write_text("hunter2")
    done = site.run("serve")
    assert done.returncode == 2
    assert "database.dsn" in done.stderr
    assert "hunter2" not in done.stderr


def test_a_database_without_schema_is_refused_with_what_to_do(site: Site, empty_database: Database) -> None:
    (site.folder / "dsn").write_text(empty_database.dsn)
    done = site.run("serve")
    assert (done.returncode, "ullage-aggregator migrate" in done.stderr) == (1, True)
    assert "applied 0001_server" in site.must("migrate")
    with serving(site) as (running, _):
        assert running.stop() == 0


def test_the_first_key_goes_to_a_private_file_once(site: Site) -> None:
    done = site.run("keys", "bootstrap", "--name", "alice")
    assert (done.returncode, "--out" in done.stderr) == (2, True)
    site.must("keys", "bootstrap", "--name", "alice", "--out", "key")
    assert stat.S_IMODE((site.folder / "key").stat().st_mode) == 0o600
    again = site.run("keys", "bootstrap", "--name", "bob", "--out", "key2")
    assert (again.returncode, "alice" in again.stderr) == (1, True)
    assert not (site.folder / "key2").exists()
    over = site.run("keys", "bootstrap", "--name", "bob", "--out", "key")
    assert (over.returncode, "not overwritten" in over.stderr) == (1, True)


def test_a_second_certificate_is_for_the_same_agent(site: Site) -> None:
    first = site.must("ca", "issue", "agent", "web-01", "--site", "fra1", "--out", "a")
    second = site.must("ca", "issue", "agent", "web-01", "--site", "fra1", "--out", "b", "--days", "1")
    assert first == second
    assert first != site.must("ca", "issue", "agent", "web-02", "--site", "fra1", "--out", "c")
    moved = site.run("ca", "issue", "agent", "web-01", "--site", "fra2", "--out", "d")
    assert (moved.returncode, "fra1" in moved.stderr) == (1, True)
    taken = site.run("ca", "issue", "agent", "web-03", "--site", "fra1", "--out", "a")
    assert (taken.returncode, "not overwritten" in taken.stderr) == (1, True)
    control = site.run("ca", "issue", "agent", "web\x1b[2J", "--site", "fra1", "--out", "e")
    assert control.returncode == 2
    context = ssl.create_default_context(cafile=str(site.folder / "a/ca.crt"))
    context.load_cert_chain(site.folder / "a/agent.crt", site.folder / "a/agent.key")


def test_a_job_run_by_hand_prints_what_it_did(site: Site) -> None:
    for name in ("rollup", "provisioning", "binding", "billing", "projection"):
        run = json.loads(site.must("jobs", "run", name))
        assert (run["job"], run["state"]) == (name, "done")
    done = site.run("jobs", "run", "reboot")
    assert (done.returncode, "rollup, provisioning, binding, billing, projection" in done.stderr) == (1, True)


def test_doctor_says_what_is_wrong_and_what_to_do(site: Site) -> None:
    assert not wrong(site)
    assert {check["name"] for check in json.loads(site.run("doctor", "--format", "json").stdout)} >= {
        "configuration",
        "database",
        "schema",
        "clock",
        "fsync",
        "tls.certificate",
        "authority",
        "agents.listen",
        "people.listen",
        "open files",
    }
    (site.folder / "authority/ca.key").chmod(0o644)
    (site.folder / "tls/server.key").write_bytes((site.folder / "authority/ca.key").read_bytes())
    (site.folder / "dsn").chmod(0o644)
    found = wrong(site)
    assert set(found) == {"authority", "tls.key", "database.dsn_file"}
    assert "chmod 600" in found["authority"]
    assert site.run("doctor").returncode == 1


def test_doctor_lists_what_is_wrong_with_a_configuration(site: Site) -> None:
    (site.folder / "aggregator.toml").write_text("")
    done = site.run("doctor")
    assert (done.returncode, done.stdout.count("PROBLEM")) == (1, 6)


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(site: Site) -> None:
    path = site.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(path))
        supervisor.settimeout(READY_SECONDS_MAX)
        site.environment["NOTIFY_SOCKET"] = str(path)
        with serving(site) as (running, _):
            assert supervisor.recv(100) == b"READY=1"
            assert running.stop() == 0
            assert supervisor.recv(100) == b"STOPPING=1"


async def test_reflection_is_there_only_when_asked_for(site: Site) -> None:
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    site.must("keys", "bootstrap", "--name", "admin", "--out", "admin.key")
    metadata = (("authorization", f"Bearer {(site.folder / 'admin.key').read_text().strip()}"),)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    for asked in (False, True):
        site.environment["ULLAGE_PEOPLE_REFLECTION"] = str(asked).lower()
        with serving(site) as (running, ready):
            async with open_channel(ready["people"], ca=site.ca) as channel:
                stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
                call = stub.ServerReflectionInfo(iter([request]), metadata=metadata, timeout=DEADLINE_SECONDS)
                if asked:
                    reply = await call.read()
                    names = {service.name for service in reply.list_services_response.service}
                    assert names >= {method.split("/")[1] for method in methods()}
                else:
                    assert (await call.code()).name == "UNIMPLEMENTED"
            assert await asyncio.to_thread(running.stop) == 0


@pytest.mark.parametrize("words", [[], ["ca"], ["ca", "issue", "agent"], ["keys", "bootstrap"], ["serve"]])
def test_help_needs_no_configuration(tmp_path: Path, words: list[str]) -> None:
    done = Site(tmp_path).run(*words, "--help")
    assert done.returncode == 0
    assert "Usage: " in done.stdout

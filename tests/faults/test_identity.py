"""Who an agent is while the real programs run: rows 41 to 44 of the catalogue, with certificates that live for seconds."""

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import grpc
import psycopg

from tests.faults.rig import AGENT, COUNTER, Program, Rig, eventually, free_port
from tests.faults.test_kill_nine import assert_ledger_is_what_was_sealed, assert_usage_is_true, settled
from tests.integration.program import Site
from tests.servers import Database
from ullage.v1 import admin_pb2, admin_pb2_grpc, agents_pb2, ingest_pb2, ingest_pb2_grpc

SEED = random.SystemRandom().randrange(1 << 32)
CALL_SECONDS_MAX = 20.0
LIFETIME_SECONDS = 14


@dataclass
class Enrolled:
    """An aggregator that issues, and agents that enrolled with it."""

    made: Rig
    site: Site
    people: int
    key: str

    @property
    def aggregator(self) -> Program:
        return self.made.aggregators[0]

    @contextmanager
    def admin(self) -> Iterator[Any]:
        credentials = grpc.ssl_channel_credentials(self.site.ca)
        with grpc.secure_channel(f"127.0.0.1:{self.people}", credentials) as channel:
            yield admin_pb2_grpc.AdminStub(channel)

    @property
    def asking(self) -> dict[str, Any]:
        metadata = (("authorization", f"Bearer {self.key}"),)
        return {"metadata": metadata, "timeout": CALL_SECONDS_MAX, "wait_for_ready": True}

    def token(self) -> agents_pb2.CreateEnrolmentTokenReply:
        with self.admin() as stub:
            made: agents_pb2.CreateEnrolmentTokenReply = stub.CreateEnrolmentToken(
                agents_pb2.CreateEnrolmentTokenRequest(site="here"), **self.asking
            )
        return made

    def enrol(
        self, agent: Program, token: agents_pb2.CreateEnrolmentTokenReply, fingerprint: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "agent", "enrol", "--config", str(agent.cwd / "agent.toml")),
                *("--aggregator", f"127.0.0.1:{self.people}", "--name", agent.name),
                *("--fingerprint", fingerprint or token.ca_fingerprint),
            ],
            input=token.token + "\n",
            cwd=agent.cwd,
            env=agent.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def prepare(self, name: str) -> Program:
        """A host with its configuration and without an identity."""
        own = self.made.folder / name
        own.mkdir()
        text = AGENT.format(
            port=self.made.ports[0],
            python=sys.executable,
            program=self.made.folder / "counter.py",
            counter=own / "counter",
            name=name,
        )
        enrolment = f'[aggregator]\nenrolment = "127.0.0.1:{self.people}"\n'
        (own / "agent.toml").write_text(text.replace("[aggregator]\n", enrolment, 1))
        argv = [sys.executable, "-m", "agent", "run", "--config", str(own / "agent.toml")]
        return Program(name, argv, own, self.site.environment)

    def add(self, name: str) -> Program:
        agent = self.prepare(name)
        done = self.enrol(agent, self.token())
        assert done.returncode == 0, done.stderr
        self.made.agents.append(agent)
        return agent

    def found(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.made.dsn) as conn:
            return conn.execute(query).fetchall()


@contextmanager
def enrolled(dsn: str, folder: Path, *, agents: int = 1) -> Iterator[Enrolled]:
    made = Rig(dsn, folder, random.Random(SEED))
    site = Site(folder)
    (folder / "dsn").write_text(dsn)
    (folder / "dsn").chmod(0o600)
    (folder / "counter.py").write_text(COUNTER)
    made.ports.append(free_port())
    people = free_port()
    site.configure(agents=made.ports[0], people=people, more=f"certificate_seconds = {LIFETIME_SECONDS}\n")
    site.must("ca", "create")
    site.must("ca", "issue", "server", "--host", "127.0.0.1", "--out", "tls")
    site.must("migrate")
    site.must("keys", "bootstrap", "--name", "admin", "--out", "admin.key")
    made.aggregators.append(Program("aggregator", site.command("serve"), folder, site.environment))
    here = Enrolled(made, site, people, (folder / "admin.key").read_text().strip())
    try:
        made.aggregators[0].start()
        for number in range(agents):
            here.add(f"agent{number}").start()
        yield here
    finally:
        for program in (*made.agents, *made.aggregators):
            if program.process is not None and program.process.poll() is None:
                program.process.kill()
                program.process.wait()


def test_a_host_enrols_renews_while_it_runs_and_stops_when_it_is_revoked(
    empty_database: Database, tmp_path: Path
) -> None:
    """Rows 41 and 44: a token twice, a wrong fingerprint, renewals, an aggregator that restarts, and the end."""
    with enrolled(empty_database.dsn, tmp_path) as here:
        made, [agent] = here.made, here.made.agents
        modes = {
            name: (agent.cwd / name).stat().st_mode & 0o777 for name in ("agent.key", "agent.crt", "ca.crt")
        }
        assert modes == {"agent.key": 0o600, "agent.crt": 0o644, "ca.crt": 0o644}
        other = here.prepare("other")
        token = here.token()
        wrong = here.enrol(other, token, fingerprint="ab" * 32)
        assert wrong.returncode == 3
        assert "not of the authority with this fingerprint" in wrong.stderr
        assert here.found("select from enrolment_token where used_at is null") != []
        eventually(lambda: agent.log_has("certificate renewed") >= 2, "the agent renews twice")
        assert here.aggregator.end() == 0, here.aggregator.tail()
        here.aggregator.start()
        eventually(
            lambda: here.found("select max(generation) from agent_boot")[0][0] >= 3,
            "the newer certificate is used for the next connection",
        )
        before = len(made.ledger(agent))
        eventually(lambda: len(made.ledger(agent)) > before, "batches go on")
        number = here.found("select id from agent")[0][0]
        with here.admin() as stub:
            changed = stub.SetAgentsState(
                agents_pb2.SetAgentsStateRequest(ids=[number], state="revoked", reason="sold"), **here.asking
            )
        assert changed.changed == 1
        at_revocation = len(made.ledger(agent))
        eventually(
            lambda: here.found("select from agent_status where disconnected_at is null") == [],
            "the open connection ends",
            seconds_max=10,
        )
        assert len(made.ledger(agent)) <= at_revocation + 1
        sealed = len(made.spool(agent))
        eventually(lambda: len(made.spool(agent)) > sealed + 2, "the agent keeps its data")
        assert len(made.ledger(agent)) <= at_revocation + 1
        assert agent.log_has("revoked for good (sold)")
        check = subprocess.run(
            [*agent.argv[:3], "check", "--config", str(agent.cwd / "agent.toml")],
            cwd=agent.cwd,
            env=agent.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert check.returncode == 1
        assert "certificate: agent" in check.stdout, check.stdout + check.stderr
        assert "revoked for good (sold)" in check.stdout or "expired on" in check.stdout
        foreign = here.enrol(agent, here.token())
        assert foreign.returncode == 1
        assert "another agent works on spool.directory" in foreign.stderr
        agent.kill()
        foreign = here.enrol(agent, here.token())
        assert "the spool on this host belongs to agent" in foreign.stderr, foreign.stderr


def test_a_certificate_that_expired_in_an_outage_is_recovered_and_nothing_is_lost(
    empty_database: Database, tmp_path: Path
) -> None:
    """Row 42: the aggregator is away for longer than certificates live; one agent runs through, one is started anew."""
    with enrolled(empty_database.dsn, tmp_path, agents=2) as here:
        made, [running, restarted] = here.made, here.made.agents
        eventually(lambda: all(made.ledger(agent) for agent in made.agents), "first batches are stored")
        assert here.aggregator.end() == 0, here.aggregator.tail()
        time.sleep(LIFETIME_SECONDS + 1)
        assert restarted.end() == 0, restarted.tail()
        restarted.start()
        eventually(
            lambda: running.log_has("has expired and could not be recovered") > 0,
            "the certificate has expired",
        )
        sealed = {agent.name: len(made.spool(agent)) for agent in made.agents}
        here.aggregator.start()
        eventually(
            lambda: (
                here.found("select count(distinct agent_id) from certificate where way = 'recover'") == [(2,)]
            ),
            "both recover",
            seconds_max=120,
        )
        eventually(
            lambda: all(
                settled(made, agent) and len(made.ledger(agent)) > sealed[agent.name] for agent in made.agents
            ),
            "the spools are empty",
            seconds_max=120,
        )
        for agent in made.agents:
            assert agent.end() == 0, agent.tail()
            assert_ledger_is_what_was_sealed(made, agent)
            assert assert_usage_is_true(made, agent) > 0
        assert here.found("select from agent where state <> 'active'") == []


class Prober:
    """Makes new connections to both listeners all the time; what was refused is in ``refused``."""

    def __init__(self, here: Enrolled, agent: Program) -> None:
        self._here, self._agent = here, agent
        self._stop = Event()
        self.answered = 0
        self.refused: list[str] = []
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            for probe in (self._as_agent, self._as_person):
                try:
                    probe()
                    self.answered += 1
                except grpc.RpcError as error:
                    self.refused.append(f"{probe.__name__}: {error}")

    def _as_agent(self) -> None:
        read = {name: (self._agent.cwd / name).read_bytes() for name in ("ca.crt", "agent.crt", "agent.key")}
        credentials = grpc.ssl_channel_credentials(read["ca.crt"], read["agent.key"], read["agent.crt"])
        with grpc.secure_channel(
            f"127.0.0.1:{self._here.made.ports[0]}",
            credentials,
            options=[("grpc.use_local_subchannel_pool", 1)],
        ) as channel:
            ingest_pb2_grpc.IngestStub(channel).Heartbeat(
                ingest_pb2.HeartbeatRequest(version="probe"), timeout=CALL_SECONDS_MAX
            )

    def _as_person(self) -> None:
        with self._here.admin() as stub:
            stub.WhoAmI(
                admin_pb2.WhoAmIRequest(), metadata=self._here.asking["metadata"], timeout=CALL_SECONDS_MAX
            )


def test_no_call_is_refused_while_the_authority_is_replaced(empty_database: Database, tmp_path: Path) -> None:
    """Row 43: all three steps and the servers' new certificate, without a restart, under new connections all the time."""
    with enrolled(empty_database.dsn, tmp_path, agents=2) as here:
        made, site = here.made, here.site
        eventually(lambda: all(made.ledger(agent) for agent in made.agents), "first batches are stored")
        first = site.must("ca", "show").split("SHA-256", 1)[1].split()[0]
        with Prober(here, made.agents[0]) as prober:
            site.must("ca", "rotate")
            early = site.run("ca", "rotate")
            assert early.returncode == 1
            assert "too early" in early.stderr
            eventually(lambda: site.run("ca", "rotate").returncode == 0, "the next authority issues")
            site.must("ca", "issue", "server", "--host", "127.0.0.1", "--out", "tls-new")
            assert "tls.certificate is of the former authority" in site.must("ca", "status")
            # One after the other, as an operator does: for a moment the two do not fit together.
            shutil.copy(tmp_path / "tls-new/server.crt", tmp_path / "tls/server.crt")
            time.sleep(0.5)
            shutil.copy(tmp_path / "tls-new/server.key", tmp_path / "tls/server.key")
            eventually(lambda: site.run("ca", "rotate").returncode == 0, "the former authority goes")
            renewed = here.aggregator.log_has("TLS files read again")
            assert renewed >= 3
            for agent in made.agents:
                assert agent.end() == 0, agent.tail()
                agent.start()
            known = {agent.name: len(made.ledger(agent)) for agent in made.agents}
            eventually(
                lambda: all(len(made.ledger(agent)) > known[agent.name] + 1 for agent in made.agents),
                "agents connect anew",
            )
        assert prober.refused == []
        assert prober.answered > 50
        assert first not in site.must("ca", "show")
        assert "no rotation is under way" in site.must("ca", "status")
        for agent in made.agents:
            assert not agent.log_has("could not be renewed"), agent.tail()
            assert agent.end() == 0, agent.tail()
            assert_ledger_is_what_was_sealed(made, agent)

"""Containers as Docker's API tells them, against answers written after its reference and a socket that plays it."""

import copy
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.amounts import Answer, Baselines, measure
from agent.collectors import docker, requests
from agent.collectors.docker import Docker, Section
from agent.identity import SystemClock
from agent.snapshot import Snapshot
from tests.unit.agent.servers import unix_http

WEB = "4f2a" * 16
DB = "9bc0" * 16
# As an Engine on cgroup version 2 answers by the API's reference (1.47), shortened where nothing is read.
LISTED = [
    {
        "Id": WEB,
        "Names": ["/web"],
        "Image": "nginx:1.27",
        "ImageID": "sha256:0f3e",
        "Command": "/docker-entrypoint.sh nginx -g 'daemon off;'",
        "Created": 1732172400,
        "Ports": [{"PrivatePort": 80, "Type": "tcp"}],
        "Labels": {"maintainer": "NGINX"},
        "State": "running",
        "Status": "Up 2 hours",
    },
    {"Id": DB, "Names": ["/db"], "Image": "postgres:17", "State": "running", "Status": "Up 2 hours"},
]
INSPECTED = {
    "Id": WEB,
    "Created": "2026-11-21T06:59:59.123456789Z",
    "State": {
        "Status": "running",
        "Running": True,
        "Paused": False,
        "Pid": 4711,
        "StartedAt": "2026-11-21T07:00:00.987654321Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
    },
    "HostConfig": {"Memory": 536870912, "NanoCpus": 0, "NetworkMode": "bridge"},
}
STATS = {
    "read": "2026-11-21T09:00:00.1Z",
    "preread": "0001-01-01T00:00:00Z",
    "pids_stats": {"current": 3, "limit": 38373},
    "cpu_stats": {
        "cpu_usage": {"total_usage": 12_345_678_901, "usage_in_kernelmode": 1, "usage_in_usermode": 2},
        "system_cpu_usage": 99_000_000_000,
        "online_cpus": 2,
    },
    "memory_stats": {"usage": 7_340_032, "stats": {"inactive_file": 1_048_576}, "limit": 536_870_912},
    "networks": {
        "eth0": {"rx_bytes": 1000, "rx_packets": 9, "tx_bytes": 200, "tx_packets": 3},
        "eth1": {"rx_bytes": 5, "rx_packets": 1, "tx_bytes": 6, "tx_packets": 1},
    },
}
Say = Callable[[str], tuple[int, bytes] | None]


class Engine:
    """What it would answer; a path can be given another answer."""

    def __init__(self) -> None:
        self.listed: Any = copy.deepcopy(LISTED)
        self.inspected: Any = copy.deepcopy(INSPECTED)
        self.stats: Any = copy.deepcopy(STATS)
        self.instead: dict[str, tuple[int, bytes] | None] = {}

    def answer(self, path: str) -> tuple[int, bytes] | None:
        if path in self.instead:
            return self.instead[path]
        said = self.listed
        if path.endswith((f"/{WEB}/json", f"/{DB}/json")):
            said = self.inspected
        elif "/stats?" in path:
            said = self.stats
        return 200, json.dumps(said).encode()


def collected(engine: Engine, tmp_path: Path, *, keep_alive: bool = True) -> Snapshot:
    path = tmp_path / "docker.sock"
    with unix_http(path, engine.answer, keep_alive=keep_alive):
        return Docker(Section(socket=str(path)), seconds_max=20.0).collect()


@pytest.mark.parametrize("keep_alive", [True, False])
def test_a_running_container_is_as_the_engine_says(tmp_path: Path, keep_alive: bool) -> None:
    engine = Engine()
    engine.listed = LISTED[:1]
    snapshot = collected(engine, tmp_path, keep_alive=keep_alive)
    assert {(x.asset.external_id, x.asset.name, x.unit_type, x.value) for x in snapshot.levels} == {
        (WEB, "web", "ram-used", 7_340_032),
        (WEB, "web", "ram", 536_870_912),
    }
    started = INSPECTED["State"]["StartedAt"]  # type: ignore[index]
    assert [(c.unit_type, c.value, c.identity) for c in snapshot.counters] == [
        ("cpu", 12_345, started),
        ("net-in", 1000, f"{started}/eth0"),
        ("rate-in", 1000, f"{started}/eth0"),
        ("net-out", 200, f"{started}/eth0"),
        ("rate-out", 200, f"{started}/eth0"),
        ("net-in", 5, f"{started}/eth1"),
        ("rate-in", 5, f"{started}/eth1"),
        ("net-out", 6, f"{started}/eth1"),
        ("rate-out", 6, f"{started}/eth1"),
    ]
    assert dict(snapshot.levels[0].asset.labels) == {"image": "nginx:1.27"}


def test_statistics_are_asked_for_once_and_not_as_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with unix_http(path, Engine().answer) as asked:
        Docker(Section(socket=str(path))).collect()
    assert asked[:3] == [
        "/containers/json",
        f"/containers/{WEB}/json",
        f"/containers/{WEB}/stats?stream=false&one-shot=true",
    ]


def test_one_that_is_gone_or_stopped_meanwhile_is_left_out(tmp_path: Path) -> None:
    engine = Engine()
    engine.instead[f"/containers/{WEB}/json"] = 404, b'{"message":"No such container"}'
    assert {c.asset.name for c in collected(engine, tmp_path).counters} == {"db"}
    engine = Engine()
    engine.instead[f"/containers/{DB}/stats?stream=false&one-shot=true"] = 409, b"{}"
    assert {c.asset.name for c in collected(engine, tmp_path).counters} == {"web"}
    engine = Engine()
    engine.inspected["State"]["Running"] = False
    assert collected(engine, tmp_path) == Snapshot()


def test_one_started_again_counts_from_nothing(tmp_path: Path) -> None:
    engine = Engine()
    engine.listed = LISTED[:1]
    baselines: Baselines = {}
    amounts: list[int] = []
    for used_ns in (50_000_000_000, 3_000_000_000):
        stamp = SystemClock().stamp()
        # Clocks are read one after the other; the start must not fall between.
        time.sleep(0.01)
        engine.inspected["State"]["StartedAt"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        engine.stats["cpu_stats"]["cpu_usage"]["total_usage"] = used_ns
        measured = measure(stamp, [Answer("docker", ("container",), collected(engine, tmp_path))], baselines)
        baselines = measured.baselines
        amounts += [r.value for t in measured.ticks for r in t.readings if r.unit_type == "cpu"]
    assert amounts == [3000]


def test_without_networks_and_limits_there_are_the_other_figures(tmp_path: Path) -> None:
    engine = Engine()
    engine.stats["networks"] = None
    engine.inspected["HostConfig"]["Memory"] = 0
    snapshot = collected(engine, tmp_path)
    assert {x.unit_type for x in snapshot.levels} == {"ram-used"}
    assert {c.unit_type for c in snapshot.counters} == {"cpu"}


def test_where_docker_is_not_installed_nothing_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    collector = Docker(Section(socket=str(tmp_path / "docker.sock")))
    with caplog.at_level("INFO"):
        assert [collector.collect() for _ in range(3)] == [Snapshot()] * 3
    assert collector.source_types == ()
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_docker_that_comes_later_is_found_and_one_that_vanished_has_failed(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    collector = Docker(Section(socket=str(path)))
    assert collector.collect() == Snapshot()
    with unix_http(path, Engine().answer):
        assert collector.collect().levels
    assert collector.source_types == ("container",)
    with pytest.raises(FileNotFoundError, match="vanished"):
        collector.collect()
    assert collector.source_types == ("container",)


def test_no_containers_are_a_fact(tmp_path: Path) -> None:
    engine = Engine()
    engine.listed = []
    path = tmp_path / "docker.sock"
    with unix_http(path, engine.answer):
        collector = Docker(Section(socket=str(path)))
        assert (collector.collect(), collector.source_types) == (Snapshot(), ("container",))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{}",
        b'[{"Id": 5}]',
        b'[{"Id": "../../etc"}]',
        b'[{"Id": "4f2a"}]',
        b"[" * 10_000,
        b"\xff",
        json.dumps([{"Id": WEB, "Names": 5}]).encode(),
    ],
)
def test_an_answer_that_is_not_as_documented_is_a_failure(tmp_path: Path, said: bytes) -> None:
    engine = Engine()
    engine.instead["/containers/json"] = 200, said
    with pytest.raises(requests.Failed):
        collected(engine, tmp_path)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("cpu_stats", "cpu_usage", "total_usage"), -1),
        (("cpu_stats", "cpu_usage", "total_usage"), 1.5),
        (("cpu_stats", "cpu_usage"), {}),
        (("memory_stats", "usage"), "7"),
        (("networks", "eth0", "rx_bytes"), None),
    ],
)
def test_statistics_that_are_no_counts_are_a_failure(
    tmp_path: Path, where: tuple[str, ...], value: object
) -> None:
    engine = Engine()
    holder = engine.stats
    for key in where[:-1]:
        holder = holder[key]
    holder[where[-1]] = value
    with pytest.raises(requests.Failed, match="not as documented"):
        collected(engine, tmp_path)


@pytest.mark.parametrize(
    "started", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-11-21T07:00:00", "9" * 500]
)
def test_a_start_that_is_no_time_is_a_failure(tmp_path: Path, started: str) -> None:
    engine = Engine()
    engine.inspected["State"]["StartedAt"] = started
    with pytest.raises(requests.Failed, match="no time"):
        collected(engine, tmp_path)


def test_an_error_of_the_engine_is_a_failure_of_all(tmp_path: Path) -> None:
    engine = Engine()
    engine.instead[f"/containers/{DB}/json"] = 500, b"{}"
    with pytest.raises(requests.Failed, match="status 500"):
        collected(engine, tmp_path)


def test_an_engine_that_hangs_is_given_up(tmp_path: Path) -> None:
    engine = Engine()
    engine.instead[f"/containers/{WEB}/stats?stream=false&one-shot=true"] = None
    path = tmp_path / "docker.sock"
    with unix_http(path, engine.answer), pytest.raises(requests.Failed, match="did not answer in time"):
        Docker(Section(socket=str(path)), seconds_max=0.4).collect()


def test_more_containers_than_the_limit_are_refused_rather_than_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "CONTAINERS_MAX", 1)
    with pytest.raises(requests.Failed, match="more than 1"):
        collected(Engine(), tmp_path)

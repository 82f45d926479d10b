"""What an exporter shows becomes figures as mapped, exactly; an exporter that misbehaves fails in time."""

import socket
import threading
import time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collectors import prometheus, requests
from agent.collectors.exposition import Malformed, Sample, parse
from agent.collectors.prometheus import Mapped, Prometheus, Section, Translation
from agent.snapshot import VALUE_MAX, Snapshot
from tests.unit.agent.servers import tcp_http, unix_http, unix_talk

IN = Mapped(
    metric="net_bytes_total",
    source_type="interface",
    external_id="device",
    unit_type="net-in",
    labels={"device": "eth*"},
)
CPU = Mapped(
    metric="cpu_seconds_total", source_type="host", external_id="=box", unit_type="cpu", scale="1000"
)
MEMORY = Mapped(metric="memory_kib", source_type="host", external_id="=box", unit_type="ram", scale="1024")
TEXT = """\
# TYPE process_start_time_seconds gauge
process_start_time_seconds {start}
# TYPE net_bytes_total counter
net_bytes_total{{device="eth0",direction="in"}} 1.5e3
net_bytes_total{{device="lo",direction="in"}} 7
net_bytes_total{{direction="in"}} 7
# TYPE cpu_seconds_total counter
cpu_seconds_total{{cpu="0"}} 1.2349
cpu_seconds_total{{cpu="1"}} 0.0009
# TYPE memory_kib gauge
memory_kib{{zone="a"}} 2.5
memory_kib{{zone="b"}} 1
"""


def translated(text: str, *mapped: Mapped, is_here: bool = True) -> Snapshot:
    return Translation(mapped).snapshot(parse(text.encode()), is_here=is_here)


def section(url: str, *, unix: str = "", timeout_seconds: float = 5) -> Section:
    return Section(name="x", url=url, metrics=[MEMORY], socket=unix, timeout_seconds=timeout_seconds)


def test_only_what_is_mapped_is_taken_and_named_by_its_label() -> None:
    snapshot = translated(TEXT.format(start="1.7e9"), IN)
    (counter,) = snapshot.counters
    assert (counter.asset.key, counter.unit_type, counter.value) == (("interface", "eth0"), "net-in", 1500)
    assert (snapshot.levels, snapshot.incomplete) == ((), "")


def test_scaled_counters_are_whole_steps_and_one_object_per_series() -> None:
    snapshot = translated(TEXT.format(start="1.7e9"), CPU)
    assert sorted(c.value for c in snapshot.counters) == [0, 1234]
    assert len({c.identity for c in snapshot.counters}) == 2
    assert {c.asset.key for c in snapshot.counters} == {("host", "box")}


def test_gauges_that_fall_on_one_series_add_up() -> None:
    (level,) = translated(TEXT.format(start="1.7e9"), MEMORY).levels
    assert level.value == 2560 + 1024


def test_counters_begin_anew_with_the_exporter() -> None:
    now = time.time()
    before, after = (translated(TEXT.format(start=repr(now - age)), CPU) for age in (5.0, 1.0))
    assert {c.identity for c in before.counters}.isdisjoint(c.identity for c in after.counters)
    boottime_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    for counter in after.counters:
        assert counter.started_us is not None
        assert boottime_us - 60_000_000 < counter.started_us < boottime_us


@pytest.mark.parametrize("start", ["0", "-5", "9e12", "NaN", "1e999"])
def test_a_start_that_cannot_be_is_unknown(start: str) -> None:
    assert {c.started_us for c in translated(TEXT.format(start=start), CPU).counters} == {None}


def test_the_clock_of_another_host_says_nothing_of_this_boot() -> None:
    text = TEXT.format(start=repr(time.time() - 1))
    assert {c.started_us for c in translated(text, CPU, is_here=False).counters} == {None}


def test_without_a_start_the_identity_is_the_series_alone() -> None:
    text = "# TYPE cpu_seconds_total counter\ncpu_seconds_total 1\n"
    (counter,) = translated(text, CPU).counters
    assert counter.started_us is None
    assert counter.identity == translated(text, CPU).counters[0].identity


def test_a_metric_that_is_not_exported_any_more_is_unknown_and_not_nothing() -> None:
    assert translated("", MEMORY).incomplete == "memory_kib is not exported"


@pytest.mark.parametrize("value", ["-1", "1e17", "1e999999999", "-1e999999999"])
def test_what_is_no_amount_is_named_and_the_rest_counts(value: str) -> None:
    text = f'# TYPE memory_kib gauge\nmemory_kib{{zone="a"}} {value}\nmemory_kib{{zone="b"}} 1\n'
    snapshot = translated(text, MEMORY)
    assert snapshot.incomplete == f"memory_kib of box is not within 0 and {VALUE_MAX}"
    assert [level.value for level in snapshot.levels] == [1024]


@given(
    st.lists(st.decimals(min_value=0, max_value=10**6, places=9), min_size=2, max_size=20).map(sorted),
    st.decimals(min_value=Decimal("0.001"), max_value=1000, places=3),
)
def test_differences_of_scaled_counters_add_up_to_the_whole(values: list[Decimal], scale: Decimal) -> None:
    mapped = Mapped(metric="c", source_type="host", external_id="=b", unit_type="cpu", scale=str(scale))
    steps = [
        Translation([mapped]).snapshot([Sample("c", {}, "counter", v)], is_here=False).counters[0].value
        for v in values
    ]
    differences = [after - before for before, after in pairwise(steps)]
    assert min(differences) >= 0
    exact = (values[-1] - values[0]) * scale
    # A step at either end, however many ticks lie between.
    assert abs(sum(differences) - exact) < 1


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_no_value_is_too_much_to_be_scaled(value: Decimal) -> None:
    snapshot = Translation([MEMORY]).snapshot([Sample("memory_kib", {}, "gauge", value)], is_here=False)
    assert bool(snapshot.levels) != bool(snapshot.incomplete)


def test_an_exporter_is_scraped_over_tcp_and_over_a_socket(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(path: str) -> tuple[int, bytes]:
        asked.append(path)
        return 200, TEXT.format(start="1.7e9").encode()

    with tcp_http(answer) as url:
        over_tcp = Prometheus(section(f"{url}/metrics?collect=a")).collect()
    with unix_http(tmp_path / "s", answer):
        over_unix = Prometheus(section("http://exporter/metrics", unix=str(tmp_path / "s"))).collect()
    assert over_tcp == over_unix
    assert [level.value for level in over_tcp.levels] == [3584]
    assert asked == ["/metrics?collect=a", "/metrics"]


@pytest.mark.parametrize("status", [204, 302, 404, 500])
def test_anything_but_ok_is_a_failure(status: int) -> None:
    with (
        tcp_http(lambda _: (status, b"")) as url,
        pytest.raises(requests.Failed, match=f"status {status}"),
    ):
        Prometheus(section(url)).collect()


def test_an_answer_above_the_limit_is_refused() -> None:
    body = b"#" * (prometheus.ANSWER_BYTES_MAX + 1)
    with tcp_http(lambda _: (200, body)) as url, pytest.raises(requests.Failed, match="more than 4194304"):
        Prometheus(section(url)).collect()


def test_a_body_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n# TYPE g gauge\n")

    with unix_talk(tmp_path / "s", talk), pytest.raises(requests.Failed, match="IncompleteRead"):
        Prometheus(section("http://x/", unix=str(tmp_path / "s"))).collect()


@pytest.mark.parametrize(
    "said", [b"", b"\x00\xff\x16\x03\x01 garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000]
)
def test_what_is_not_http_is_refused(tmp_path: Path, said: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(said)

    with unix_talk(tmp_path / "s", talk), pytest.raises(requests.Failed, match="did not answer"):
        Prometheus(section("http://x/", unix=str(tmp_path / "s"))).collect()


def test_what_is_not_the_format_is_refused() -> None:
    with tcp_http(lambda _: (200, b"<html>\n")) as url, pytest.raises(Malformed, match="line 1"):
        Prometheus(section(url)).collect()


def test_an_exporter_that_hangs_is_given_up() -> None:
    with tcp_http(lambda _: None) as url, pytest.raises(requests.Failed, match="did not answer in time"):
        Prometheus(section(url, timeout_seconds=0.3)).collect()


def test_an_exporter_that_drips_is_given_up_as_well(tmp_path: Path) -> None:
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not over.wait(0.02):
            connection.sendall(b"#")

    try:
        with unix_talk(tmp_path / "s", talk), pytest.raises(requests.Failed, match="did not answer in time"):
            Prometheus(section("http://x/", unix=str(tmp_path / "s"), timeout_seconds=0.5)).collect()
    finally:
        over.set()


def test_nobody_there_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(requests.Failed, match="cannot be reached: No such file"):
        Prometheus(section("http://x/", unix=str(tmp_path / "s"))).collect()

"""Virtual machines as libvirt tells them, against a socket that plays its remote protocol."""

import socket
import struct
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collectors import libvirt_rpc
from agent.collectors.libvirt import Libvirt, Section
from agent.collectors.libvirt_rpc import Connection, Failed
from agent.snapshot import Snapshot
from tests.unit.agent.servers import unix_talk

PROGRAM, OPEN, AUTH_LIST, AUTH_POLKIT, STATS = 0x20008086, 1, 66, 70, 344
UUID = uuid.UUID("6f1c1f63-64b4-4a8f-9a0c-3f4c1a2b3c4d")
# What libvirtd 9.0.0 answered to listing authentications, to opening test:///default and to asking for its machine's state.
RECORDED = (
    "0000002420008086000000010000004200000001000000010000000000000001000000000000001c200080860000000100000001"
    "000000010000000200000000"
    "000000702000808600000001000001580000000100000003000000000000000100000004746573746695eb01f6a4830479aa97f2"
    "502e193f00000001000000020000000b73746174652e73746174650000000001000000010000000c73746174652e726561736f6e"
    "0000000100000000"
)
Value = int | float | str | bool
# As QEMU's driver answers for a machine with two interfaces and two disks, shortened where nothing is read.
RUNNING: Mapping[str, Value] = {
    "cpu.time": 90_000_000_999,
    "cpu.user": 1_000_000,
    "balloon.current": 4_194_304,
    "balloon.maximum": 8_388_608,
    "balloon.available": 4_000_000,
    "balloon.usable": 3_000_000,
    "vcpu.current": 2,
    "vcpu.maximum": 4,
    "vcpu.0.state": 1,
    "net.count": 2,
    "net.0.name": "vnet0",
    "net.0.rx.bytes": 1000,
    "net.0.tx.bytes": 2000,
    "net.1.name": "vnet1",
    "net.1.rx.bytes": 10,
    "net.1.tx.bytes": 20,
    "block.count": 2,
    "block.0.name": "vda",
    "block.0.path": "/var/lib/libvirt/images/db 1.qcow2",
    "block.0.rd.bytes": 5,
    "block.0.allocation": 3_000,
    "block.0.capacity": 10_000,
    "block.1.name": "vdb",
    "block.1.allocation": 0,
    "block.1.capacity": 500,
}
STOPPED: Mapping[str, Value] = {"vcpu.maximum": 2, "block.0.capacity": 700, "block.0.allocation": 70}


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)


def figure(name: str, value: Value) -> bytes:
    if isinstance(value, str):
        return text(name) + struct.pack(">i", 7) + text(value)
    if isinstance(value, float):
        return text(name) + struct.pack(">id", 5, value)
    if name.startswith(("cpu.", "balloon.", "net.0.rx", "net.0.tx", "block.0.a", "block.0.c")):
        return text(name) + struct.pack(">iQ", 4, value)
    return text(name) + struct.pack(">iI", 2, value)


def machine(name: str, figures: Mapping[str, Value], *, number: int = 7, identity: uuid.UUID = UUID) -> bytes:
    listed = b"".join(figure(*item) for item in figures.items())
    return text(name) + identity.bytes + struct.pack(">iI", number, len(figures)) + listed


def all_of(*machines: bytes) -> bytes:
    return struct.pack(">I", len(machines)) + b"".join(machines)


def message(body: bytes, *, procedure: int, serial: int, kind: int = 1, status: int = 0) -> bytes:
    header = struct.pack(">IIiiIi", PROGRAM, 1, procedure, kind, serial, status)
    return struct.pack(">I", 4 + len(header) + len(body)) + header + body


class Daemon:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self, stats: bytes = b"", *, authentications: tuple[int, ...] = (0,)) -> None:
        self.answers = {
            AUTH_LIST: struct.pack(f">I{len(authentications)}i", len(authentications), *authentications),
            AUTH_POLKIT: b"",
            OPEN: b"",
            STATS: stats,
        }
        self.refuses: dict[int, str] = {}
        self.noise = b""
        self.asked: list[tuple[int, bytes]] = []

    def talk(self, connection: socket.socket) -> None:
        while head := connection.recv(4, socket.MSG_WAITALL):
            (length,) = struct.unpack(">I", head)
            body = connection.recv(length - 4, socket.MSG_WAITALL)
            program, _, procedure, kind, serial, _ = struct.unpack(">IIiiIi", body[:24])
            assert (program, kind) == (PROGRAM, 0)
            self.asked.append((procedure, body[24:]))
            if procedure in self.refuses:
                error = struct.pack(">iiI", 38, 7, 1) + text(self.refuses[procedure])
                connection.sendall(message(error, procedure=procedure, serial=serial, status=1))
                continue
            reply = message(self.answers[procedure], procedure=procedure, serial=serial)
            connection.sendall(self.noise + reply)


class Box:
    """A host with libvirt's folders."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "libvirt-sock-ro"
        self.proc = folder / "proc"
        self.run = folder / "run"
        self.run.mkdir()
        self.collector = Libvirt(
            Section(sockets=[str(self.path)]), seconds_max=20.0, proc=self.proc, run=self.run
        )

    def process(self, name: str, *, pid: int, started_ticks: int) -> None:
        (self.run / f"{name}.pid").write_text(f"{pid}\n")
        (self.proc / str(pid)).mkdir(parents=True, exist_ok=True)
        fields = ["0"] * 50
        fields[19] = str(started_ticks)
        (self.proc / str(pid) / "stat").write_text(f"{pid} (qemu-system) {' '.join(fields)}\n")

    def collect(self, daemon: Daemon) -> Snapshot:
        with unix_talk(self.path, daemon.talk):
            return self.collector.collect()


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_a_running_machine_is_as_libvirt_says(box: Box) -> None:
    snapshot = box.collect(Daemon(all_of(machine("db-1", RUNNING))))
    assert {(level.unit_type, level.value) for level in snapshot.levels} == {
        ("vcpu", 2),
        ("ram", 4_194_304 * 1024),
        ("ram-used", 1_000_000 * 1024),
        ("disk", 10_500),
        ("disk-used", 3_000),
    }
    assert [(c.unit_type, c.value, c.identity, c.started_us) for c in snapshot.counters] == [
        ("cpu", 90_000, "7", None),
        ("net-in", 1000, "7/0/vnet0", None),
        ("rate-in", 1000, "7/0/vnet0", None),
        ("net-out", 2000, "7/0/vnet0", None),
        ("rate-out", 2000, "7/0/vnet0", None),
        ("net-in", 10, "7/1/vnet1", None),
        ("rate-in", 10, "7/1/vnet1", None),
        ("net-out", 20, "7/1/vnet1", None),
        ("rate-out", 20, "7/1/vnet1", None),
    ]
    assert {entry.asset.key for entries in (snapshot.levels, snapshot.counters) for entry in entries} == {
        ("vm", str(UUID))
    }
    assert (snapshot.levels[0].asset.name, snapshot.incomplete) == ("db-1", "")


def test_one_that_does_not_run_has_its_disks_alone(box: Box) -> None:
    snapshot = box.collect(Daemon(all_of(machine("off", STOPPED, number=-1))))
    assert {(level.unit_type, level.value) for level in snapshot.levels} == {("disk", 700), ("disk-used", 70)}
    assert (snapshot.counters, snapshot.incomplete) == ((), "")


def test_where_machines_stay_defined_on_hosts_they_left_only_running_ones_count(box: Box) -> None:
    box.collector = Libvirt(Section(sockets=[str(box.path)], stopped=False), proc=box.proc, run=box.run)
    daemon = Daemon(all_of(machine("off", STOPPED, number=-1), machine("on", RUNNING)))
    assert {level.asset.name for level in box.collect(daemon).levels} == {"on"}


def test_a_run_is_named_by_its_process_where_that_can_be_seen(box: Box) -> None:
    box.process("db-1", pid=4711, started_ticks=500)
    counters = box.collect(Daemon(all_of(machine("db-1", RUNNING)))).counters
    assert {c.identity.split("/0/")[0].split("/1/")[0] for c in counters} == {"7/4711/500"}
    # Ticks of 10 ms; the end of the one in which it began.
    assert {c.started_us for c in counters} == {5_010_000}


@pytest.mark.parametrize("said", ["", "abc", "-1", "../1", "4712", "9" * 400, "١"])
def test_a_process_that_cannot_be_seen_leaves_its_start_unknown(box: Box, said: str) -> None:
    (box.run / "db-1.pid").write_text(said)
    counters = box.collect(Daemon(all_of(machine("db-1", RUNNING)))).counters
    assert {c.started_us for c in counters} == {None}


def test_a_name_cannot_lead_out_of_the_folder(box: Box) -> None:
    box.process("x", pid=4711, started_ticks=500)
    (box.run.parent / "evil.pid").write_text("4711")
    counters = box.collect(Daemon(all_of(machine("../evil", RUNNING)))).counters
    assert {c.started_us for c in counters} == {None}


def test_a_running_machine_without_processor_time_is_named(box: Box) -> None:
    figures = {name: value for name, value in RUNNING.items() if not name.startswith("cpu.")}
    snapshot = box.collect(Daemon(all_of(machine("db-1", figures))))
    assert snapshot.incomplete == "libvirt knows no processor time of db-1"


def test_it_opens_the_configured_driver_read_only_and_asks_for_everything(box: Box) -> None:
    daemon = Daemon(all_of())
    assert box.collect(daemon) == Snapshot()
    assert box.collector.source_types == ("vm",)
    assert daemon.asked == [
        (AUTH_LIST, b""),
        (OPEN, struct.pack(">I", 1) + text("qemu:///system") + struct.pack(">I", 1)),
        # No machine named, which is all; state apart, every group; and no flags.
        (STATS, struct.pack(">III", 0, 2 | 4 | 8 | 16 | 32, 0)),
    ]


def test_a_real_daemons_answers_are_understood(box: Box) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(bytes.fromhex(RECORDED))
        while connection.recv(1024):
            pass

    with unix_talk(box.path, talk):
        connection = Connection(str(box.path), seconds_max=5)
        connection.open("test:///default")
        (domain,) = connection.domain_stats(1)
        connection.close()
    assert (domain.name, domain.uuid) == ("test", "6695eb01-f6a4-8304-79aa-97f2502e193f")
    assert (domain.number, domain.figures) == (1, {"state.state": 1, "state.reason": 0})


def test_polkit_is_asked_where_it_must_be_and_a_password_is_not_known(box: Box) -> None:
    daemon = Daemon(all_of(), authentications=(2,))
    box.collect(daemon)
    assert [procedure for procedure, _ in daemon.asked] == [AUTH_LIST, AUTH_POLKIT, OPEN, STATS]
    with pytest.raises(Failed, match="auth_unix_ro"):
        box.collect(Daemon(all_of(), authentications=(1,)))


def test_what_libvirt_refuses_is_told(box: Box) -> None:
    daemon = Daemon()
    daemon.refuses[OPEN] = "no connection driver\x1b[2J available"
    with pytest.raises(Failed, match=r"libvirt refused: no connection driver\?\[2J available"):
        box.collect(daemon)


def test_messages_that_are_no_reply_are_passed_over(box: Box) -> None:
    daemon = Daemon(all_of(machine("db-1", RUNNING)))
    daemon.noise = message(b"event", procedure=107, serial=0, kind=2)
    assert box.collect(daemon).levels


def test_where_libvirt_is_not_installed_nothing_is_said_and_one_that_vanished_has_failed(box: Box) -> None:
    assert (box.collector.collect(), box.collector.source_types) == (Snapshot(), ())
    box.collect(Daemon(all_of()))
    with pytest.raises(FileNotFoundError, match="vanished"):
        box.collector.collect()


def test_a_daemon_that_hangs_is_given_up(box: Box) -> None:
    with unix_talk(box.path, lambda connection: connection.recv(1 << 20) and connection.recv(1) and None):
        connection = Connection(str(box.path), seconds_max=0.3)
        with pytest.raises(Failed, match="did not answer within"):
            connection.open("qemu:///system")
        connection.close()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "hung up"),
        (b"\0\0\0\x04", "is this libvirt's socket"),
        (b"\xff\xff\xff\xff", "is this libvirt's socket"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is this libvirt's socket"),
        (message(b"", procedure=AUTH_LIST, serial=1)[:-2], "hung up"),
        (message(b"", procedure=AUTH_LIST, serial=1), "ends too early"),
        (message(b"\xff" * 4, procedure=AUTH_LIST, serial=1), "a list of 4294967295"),
        (message(b"", procedure=AUTH_LIST, serial=1, status=9), "unknown status 9"),
    ],
)
def test_what_is_not_the_protocol_is_a_failure(box: Box, said: bytes, reason: str) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(28, socket.MSG_WAITALL)
        connection.sendall(said)

    with unix_talk(box.path, talk), pytest.raises(Failed, match=reason):
        box.collector.collect()


@pytest.mark.parametrize(
    "stats",
    [
        struct.pack(">I", 1),
        all_of(machine("x", RUNNING))[:-5],
        all_of(text("x") + UUID.bytes + struct.pack(">iI", 1, 1) + text("cpu.time") + struct.pack(">i", 99)),
        all_of(machine("x", {"cpu.time": 1, "vcpu.current": "two"})),
        all_of(machine("x", {"cpu.time": 1, "vcpu.current": 2.5})),
        all_of(struct.pack(">I", 1 << 31)),
    ],
)
def test_figures_that_are_not_as_expected_are_a_failure(box: Box, stats: bytes) -> None:
    with pytest.raises(Failed):
        box.collect(Daemon(stats))


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_read_or_refused(data: bytes) -> None:
    reader = libvirt_rpc.Reader(data)
    refused = ""
    try:
        reader.list_of(lambda: libvirt_rpc._domain(reader), items_max=100)
    except Failed as error:
        refused = str(error)
    assert refused.isprintable()

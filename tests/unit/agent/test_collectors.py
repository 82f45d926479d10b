"""What the collectors make of a host: of this one, and of hosts written into files."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from agent.collectors import BY_DEFAULT, COLLECTORS, mounts
from agent.collectors.host import Host, cpu_ms
from agent.collectors.interfaces import Interfaces, chosen
from agent.collectors.mounts import Mounts
from agent.collectors.process_groups import ProcessGroups, parse
from agent.snapshot import Snapshot

# A host with a bind mount, a btrfs with two subvolumes, a snap, a loop device, a network share and an over-mounted path.
MOUNTINFO = """\
22 1 0:21 / /proc rw - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
28 27 254:0 /srv/www /var/www rw - ext4 /dev/vda rw
29 27 8:17 /etc/hosts /etc/hosts rw - xfs /dev/sdb1 rw
30 27 8:17 / /data\\040disk rw - xfs /dev/sdb1 rw
31 27 8:17 / /mnt/again rw - xfs /dev/sdb1 rw
32 27 0:40 /@home /home rw - btrfs /dev/sdc rw
33 27 0:41 /@ /pool rw - btrfs /dev/sdc rw
34 27 7:0 / /snap/core ro - squashfs /dev/loop0 ro
35 27 7:1 / /mnt/image rw - ext4 /dev/loop1 rw
36 27 0:50 / /nfs rw - nfs4 server:/export rw
37 27 8:33 / /hidden rw - ext4 /dev/sdd1 rw
38 27 8:49 / /hidden rw - ext4 /dev/sde1 rw
"""
FILESYSTEMS = "nodev\tsysfs\nnodev\tproc\nnodev\tnfs4\n\text4\n\txfs\n\tbtrfs\n\tsquashfs\n"


def values(snapshot: Snapshot) -> dict[tuple[str, str], int]:
    return {(level.asset.external_id, level.unit_type): level.value for level in snapshot.levels}


def counted(snapshot: Snapshot) -> dict[tuple[str, str, str], int]:
    return {(c.asset.external_id, c.unit_type, c.identity): c.value for c in snapshot.counters}


def test_every_collector_reads_this_host() -> None:
    for name in BY_DEFAULT:
        for collector in COLLECTORS[name].make({"python": ("python*", "pytest*")}).values():
            snapshot = collector.collect()
            assert snapshot.incomplete == ""
            assert {entry.asset.source_type for entry in snapshot.levels} <= set(collector.source_types)


def test_the_host_is_as_its_kernel_says() -> None:
    snapshot = Host().collect()
    by_unit = {level.unit_type: level.value for level in snapshot.levels}
    meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    assert by_unit["ram"] == int(meminfo["MemTotal"].split()[0]) * 1024
    assert by_unit["vcpu"] == sum(
        line.startswith("processor") for line in Path("/proc/cpuinfo").read_text().splitlines()
    )
    assert 0 < by_unit["ram-used"] < by_unit["ram"]


def test_processor_time_is_all_that_is_not_idle_and_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {
        "user": 10.25,
        "nice": 1.0,
        "system": 2.0,
        "idle": 900.0,
        "iowait": 50.0,
        "irq": 0.5,
        "softirq": 0.25,
        "steal": 0.01,
        "guest": 7.0,
        "guest_nice": 0.5,
    }
    times = SimpleNamespace(_fields=tuple(fields), **fields)
    monkeypatch.setattr(psutil, "cpu_times", lambda: times)
    assert cpu_ms() == 14_010


def test_each_file_system_counts_once_and_images_and_shares_do_not() -> None:
    found = mounts.chosen(mounts.parse(MOUNTINFO), on_devices=frozenset({"ext4", "xfs", "btrfs", "squashfs"}))
    assert [(mount.path, mount.source) for mount in found] == [
        ("/", "/dev/vda"),
        ("/data disk", "/dev/sdb1"),
        ("/hidden", "/dev/sde1"),
        ("/home", "/dev/sdc"),
    ]


def fake_proc(folder: Path, mountinfo: str) -> Path:
    (folder / "self").mkdir()
    (folder / "self" / "mountinfo").write_text(mountinfo)
    (folder / "filesystems").write_text(FILESYSTEMS)
    return folder


def mount_lines(*paths: Path | str) -> str:
    return "".join(f"{n} 1 8:{n} / {path} rw - ext4 /dev/sd{n} rw\n" for n, path in enumerate(paths, 30))


def test_sizes_are_those_of_statvfs(tmp_path: Path) -> None:
    snapshot = Mounts(proc=fake_proc(tmp_path, mount_lines("/"))).collect()
    real = os.statvfs("/")
    assert values(snapshot)["/", "disk"] == real.f_blocks * real.f_frsize
    used = (real.f_blocks - real.f_bfree) * real.f_frsize
    assert abs(values(snapshot)["/", "disk-used"] - used) < 256 * 1024 * 1024


def test_a_file_that_something_is_mounted_on_is_no_volume(tmp_path: Path) -> None:
    snapshot = Mounts(proc=fake_proc(tmp_path, mount_lines("/etc/passwd"))).collect()
    assert snapshot == Snapshot()


def test_a_mount_that_cannot_be_read_leaves_the_snapshot_incomplete_and_the_others_in(tmp_path: Path) -> None:
    snapshot = Mounts(proc=fake_proc(tmp_path, mount_lines(tmp_path / "gone", "/"))).collect()
    assert "gone" in snapshot.incomplete
    assert set(values(snapshot)) == {("/", "disk"), ("/", "disk-used")}


def test_a_dead_mount_hangs_nothing_and_is_not_asked_twice(tmp_path: Path) -> None:
    """The child stands for a statvfs that waits for a device: it writes that it was started, and sleeps."""
    script = tmp_path / "stat"
    script.write_text(
        f"#!{sys.executable}\n"
        "import sys, time\n"
        f"open({str(tmp_path / 'started')!r}, 'a').write(sys.argv[1] + '\\n')\n"
        "if 'dead' in sys.argv[1]: time.sleep(60)\n"
        "print(100, 40, 4096)\n"
    )
    script.chmod(0o755)
    proc = fake_proc(tmp_path, mount_lines("/alive", "/dead"))
    collector = Mounts(proc=proc, command=(str(script),), answer_seconds_max=1.0)
    began = time.monotonic()
    first = collector.collect()
    assert time.monotonic() - began < 30
    assert "/dead: did not answer" in first.incomplete
    assert values(first) == {("/alive", "disk"): 409_600, ("/alive", "disk-used"): 245_760}
    # As long as the child cannot be killed (here: is not reaped yet), no second one is started.
    child = collector._stuck["/dead"]
    assert child.wait(10) < 0
    collector._stuck["/dead"] = waiting = subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE, text=True)
    try:
        assert "still does not answer" in collector.collect().incomplete
    finally:
        waiting.kill()
        waiting.wait()
        for stream in (child.stdout, child.stderr, waiting.stdout):
            if stream:
                stream.close()
    started = (tmp_path / "started").read_text().splitlines()
    assert sorted(started) == ["/alive/.", "/alive/.", "/dead/."]


def interface(sysfs: Path, name: str, *, index: int, link: int | None = None, **extra: bool) -> None:
    folder = sysfs / name
    folder.mkdir(parents=True)
    (folder / "ifindex").write_text(f"{index}\n")
    (folder / "iflink").write_text(f"{index if link is None else link}\n")
    (folder / "address").write_text(f"02:00:00:00:00:{index:02x}\n")
    for marker in extra:
        (folder / marker).mkdir()


def test_on_a_machine_only_interfaces_with_a_device_are_metered(tmp_path: Path) -> None:
    interface(tmp_path, "lo", index=1)
    interface(tmp_path, "eth0", index=2, device=True, master=True)
    interface(tmp_path, "eth1", index=3, device=True)
    interface(tmp_path, "bond0", index=4, lower_eth0=True)
    interface(tmp_path, "eth1.7", index=5, link=3, lower_eth1=True)
    interface(tmp_path, "br0", index=6, lower_veth1=True)
    interface(tmp_path, "veth1", index=7, link=2, master=True)
    assert chosen([path.name for path in tmp_path.iterdir()], sysfs=tmp_path) == ["eth0", "eth1"]


def test_in_a_container_the_end_of_a_pair_is_metered(tmp_path: Path) -> None:
    interface(tmp_path, "lo", index=1)
    interface(tmp_path, "eth0", index=2, link=17)
    interface(tmp_path, "dummy0", index=3)
    interface(tmp_path, "br0", index=4, lower_veth1=True)
    interface(tmp_path, "veth1", index=5, link=2, master=True)
    assert chosen([path.name for path in tmp_path.iterdir()], sysfs=tmp_path) == ["eth0"]


def test_an_interface_gives_the_same_bytes_as_traffic_and_as_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface(tmp_path, "eth9", index=9, device=True)

    def counters(*, pernic: bool, nowrap: bool) -> dict[str, SimpleNamespace]:
        assert (pernic, nowrap) == (True, False)
        return {"eth9": SimpleNamespace(bytes_recv=100, bytes_sent=30), "lo": SimpleNamespace(bytes_recv=5)}

    monkeypatch.setattr(psutil, "net_io_counters", counters)
    snapshot = Interfaces(sysfs=tmp_path).collect()
    identity = "9/02:00:00:00:00:09"
    assert counted(snapshot) == {
        ("eth9", "net-in", identity): 100,
        ("eth9", "rate-in", identity): 100,
        ("eth9", "net-out", identity): 30,
        ("eth9", "rate-out", identity): 30,
    }


def process(
    proc: Path, pid: int, name: str, *, used: int = 0, started: int = 0, pages: int = 0, line: str = ""
) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    fields = ["S", *["0"] * 10, str(used), str(2 * used), *["0"] * 6, str(started), "0", str(pages), "0"]
    (folder / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")
    (folder / "cmdline").write_text(line.replace(" ", "\0"))


def test_processes_are_grouped_by_name_and_counted_one_by_one(tmp_path: Path) -> None:
    process(tmp_path, 10, "nginx", used=100, started=500, pages=3)
    process(tmp_path, 11, "nginx", used=7, started=600, pages=2)
    process(tmp_path, 12, "sshd", used=50, pages=9)
    (tmp_path / "meminfo").write_text("")
    snapshot = ProcessGroups({"web": ("nginx*",), "idle": ("none",)}, proc=tmp_path).collect()
    page, tick_ms = os.sysconf("SC_PAGE_SIZE"), 1000 // os.sysconf("SC_CLK_TCK")
    assert values(snapshot) == {("web", "ram-used"): 5 * page, ("idle", "ram-used"): 0}
    assert counted(snapshot) == {
        ("web", "cpu", "10/500"): 300 * tick_ms,
        ("web", "cpu", "11/600"): 21 * tick_ms,
    }
    assert [c.started_us for c in snapshot.counters if c.identity == "10/500"] == [501 * tick_ms * 1000]


def test_a_process_of_two_groups_counts_in_both(tmp_path: Path) -> None:
    process(tmp_path, 10, "nginx", used=1)
    snapshot = ProcessGroups({"web": ("nginx",), "all": ("*",)}, proc=tmp_path).collect()
    assert {asset for asset, _, _ in counted(snapshot)} == {"web", "all"}


def test_a_name_may_hold_brackets_and_spaces_and_be_longer_than_the_kernel_keeps(tmp_path: Path) -> None:
    process(tmp_path, 10, "a) S 1 (b", used=1)
    process(tmp_path, 11, "gunicorn-master", line="/usr/bin/gunicorn-master-of-all --x")
    process(tmp_path, 12, "kworker/0:1-eve", line="")
    names = {
        pid: parse((tmp_path / pid / "stat").read_bytes(), tmp_path / pid).name for pid in ("10", "11", "12")
    }
    assert names == {"10": "a) S 1 (b", "11": "gunicorn-master-of-all", "12": "kworker/0:1-eve"}


def test_the_processor_time_of_this_process_is_found() -> None:
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    found = parse(Path("/proc/self/stat").read_bytes(), Path("/proc/self"))
    assert abs(found.used / os.sysconf("SC_CLK_TCK") - time.process_time()) < 0.1
    assert found.pid == str(os.getpid())


def test_without_groups_nothing_is_read(tmp_path: Path) -> None:
    assert ProcessGroups({}, proc=tmp_path / "none").collect() == Snapshot()

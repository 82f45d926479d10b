"""Containers and services by cgroup, read from a hierarchy that is written into files."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.amounts import Answer, Baselines, Measured, Stamp, measure
from agent.collectors import cgroups
from agent.collectors.cgroups import Cgroups, Section, leads, matches, meters_docker
from agent.identity import SystemClock
from agent.snapshot import Snapshot


class Hierarchy:
    """A root of cgroup version 2 in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        (root / "cgroup.controllers").write_text("cpu memory\n")

    def make(self, path: str, *, usage_usec: int = 0, memory: int | None = 0, limit: str = "max") -> Path:
        folder = self.root / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cpu.stat").write_text(f"usage_usec {usage_usec}\nuser_usec 1\nsystem_usec 2\n")
        if memory is not None:
            (folder / "memory.current").write_text(f"{memory}\n")
            (folder / "memory.max").write_text(f"{limit}\n")
        return folder

    def remake(self, path: str, *, usage_usec: int) -> None:
        """Another one under the same path, which is kept from getting the same inode."""
        old = self.root / path
        old.rename(self.root.parent / "old")
        self.make(path, usage_usec=usage_usec)
        shutil.rmtree(self.root.parent / "old")

    def collector(
        self, *, services: tuple[str, ...] = ("/system.slice/*.service",), containers: tuple[str, ...] = ()
    ) -> Cgroups:
        return Cgroups(Section(services=list(services), containers=list(containers), root=str(self.root)))


class Host:
    """An agent with this one collector."""

    def __init__(self, collector: Cgroups) -> None:
        self.collector = collector
        self.baselines: Baselines = {}

    def tick(self, stamp: Stamp | None = None) -> dict[tuple[str, str], int]:
        measured = self.measure(stamp or SystemClock().stamp())
        self.baselines = measured.baselines
        return {(r.asset.external_id, r.unit_type): r.value for t in measured.ticks for r in t.readings}

    def measure(self, stamp: Stamp) -> Measured:
        snapshot = self.collector.collect()
        return measure(stamp, [Answer("cgroups", self.collector.source_types, snapshot)], self.baselines)


@pytest.fixture
def hierarchy(tmp_path: Path) -> Hierarchy:
    return Hierarchy(tmp_path / "cgroup")


def levels(snapshot: Snapshot) -> dict[tuple[str, str, str], int]:
    return {(x.asset.source_type, x.asset.external_id, x.unit_type): x.value for x in snapshot.levels}


def test_a_service_has_its_memory_and_its_processor_time_in_ms(hierarchy: Hierarchy) -> None:
    folder = hierarchy.make("system.slice/nginx.service", usage_usec=1_234_567, memory=4096)
    snapshot = hierarchy.collector().collect()
    assert levels(snapshot) == {("service", "/system.slice/nginx.service", "ram-used"): 4096}
    (counter,) = snapshot.counters
    assert (counter.unit_type, counter.value, counter.identity) == ("cpu", 1234, str(folder.stat().st_ino))
    assert counter.asset.name == "nginx"


def test_a_limit_is_memory_assigned_and_no_limit_is_not(hierarchy: Hierarchy) -> None:
    hierarchy.make("system.slice/a.service", memory=1, limit="1073741824")
    hierarchy.make("system.slice/b.service", memory=1)
    found = levels(hierarchy.collector().collect())
    assert {key: value for key, value in found.items() if key[2] == "ram"} == {
        ("service", "/system.slice/a.service", "ram"): 1073741824
    }


def test_without_the_memory_controller_there_is_processor_time_alone(hierarchy: Hierarchy) -> None:
    hierarchy.make("system.slice/a.service", usage_usec=5000, memory=None)
    snapshot = hierarchy.collector().collect()
    assert (snapshot.levels, [c.value for c in snapshot.counters]) == ((), [5])


def test_what_is_below_a_metered_cgroup_is_contained_in_it(hierarchy: Hierarchy) -> None:
    hierarchy.make("machine.slice/c1.scope", usage_usec=9000)
    hierarchy.make("machine.slice/c1.scope/payload/inner.scope", usage_usec=8000)
    collector = hierarchy.collector(containers=("/machine.slice/**/*.scope",))
    assert collector.chosen() == [("container", "machine.slice/c1.scope")]


def test_only_what_a_pattern_names_is_metered(hierarchy: Hierarchy) -> None:
    hierarchy.make("system.slice/nginx.service")
    hierarchy.make("system.slice/deep/nginx.service")
    hierarchy.make("user.slice/x.service")
    hierarchy.make("kubepods.slice/burst/pod1/cri-containerd-1.scope")
    collector = hierarchy.collector(containers=("/kubepods.slice/**/cri-containerd-*.scope",))
    assert collector.chosen() == [
        ("container", "kubepods.slice/burst/pod1/cri-containerd-1.scope"),
        ("service", "system.slice/nginx.service"),
    ]
    assert collector.source_types == ("container", "service")


def test_a_link_out_of_the_hierarchy_is_not_followed(hierarchy: Hierarchy, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.service").mkdir()
    (hierarchy.root / "system.slice").mkdir()
    (hierarchy.root / "system.slice" / "x.service").symlink_to(tmp_path / "elsewhere.service")
    assert hierarchy.collector().chosen() == []


def test_usage_is_the_difference_between_two_looks(hierarchy: Hierarchy) -> None:
    hierarchy.make("system.slice/a.service", usage_usec=1_000_000)
    host = Host(hierarchy.collector())
    host.tick()
    hierarchy.make("system.slice/a.service", usage_usec=1_250_000)
    assert host.tick()["/system.slice/a.service", "cpu"] == 250


def test_one_made_again_under_its_name_counts_from_nothing(hierarchy: Hierarchy) -> None:
    hierarchy.make("system.slice/a.service", usage_usec=1_000_000)
    host = Host(hierarchy.collector())
    host.tick()
    hierarchy.remake("system.slice/a.service", usage_usec=5_000_000)
    # Not 4,000: the first one's usage is not the second's.
    assert host.tick()["/system.slice/a.service", "cpu"] == 5000


def test_one_that_came_since_the_last_look_counts_wholly_and_one_that_was_found_does_not(
    hierarchy: Hierarchy,
) -> None:
    hierarchy.make("system.slice/old.service", usage_usec=60_000_000)
    host = Host(hierarchy.collector())
    host.tick()
    hierarchy.make("system.slice/new.service", usage_usec=3_000_000)
    assert {name: v for (name, unit), v in host.tick().items() if unit == "cpu"} == {
        "/system.slice/old.service": 0,
        "/system.slice/new.service": 3000,
    }


def test_one_whose_tick_was_given_up_is_still_known_to_be_new(hierarchy: Hierarchy) -> None:
    host = Host(hierarchy.collector())
    host.tick()
    hierarchy.make("system.slice/new.service", usage_usec=3_000_000)
    # Measured, but the spool was full: the older baselines stand.
    host.measure(SystemClock().stamp())
    hierarchy.make("system.slice/new.service", usage_usec=4_000_000)
    assert host.tick()["/system.slice/new.service", "cpu"] == 4000


def test_one_that_ends_while_it_is_read_is_left_out(
    hierarchy: Hierarchy, monkeypatch: pytest.MonkeyPatch
) -> None:
    hierarchy.make("system.slice/a.service")
    hierarchy.make("system.slice/b.service", usage_usec=1000)
    collector = hierarchy.collector()
    chosen = collector.chosen()
    shutil.rmtree(hierarchy.root / "system.slice/a.service")
    monkeypatch.setattr(collector, "chosen", lambda: chosen)
    assert {c.asset.name for c in collector.collect().counters} == {"b"}


def test_a_folder_that_is_no_root_of_version_2_is_named(tmp_path: Path) -> None:
    collector = Cgroups(Section(services=["/a"], root=str(tmp_path)))
    with pytest.raises(FileNotFoundError, match="no root of cgroup version 2"):
        collector.collect()


def test_too_many_are_refused_rather_than_cut(hierarchy: Hierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "CGROUPS_MAX", 2)
    for number in range(3):
        hierarchy.make(f"system.slice/{number}.service")
    with pytest.raises(ValueError, match="at most 2"):
        hierarchy.collector().collect()


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("a/*", "a/b", True),
        ("a/*", "a/b/c", False),
        ("a/**", "a", True),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/b/c", True),
        ("a/**/c", "a/b", False),
        ("*.service", "x.SERVICE", False),
    ],
)
def test_a_star_is_within_one_name_and_two_are_any_number(pattern: str, path: str, fits: bool) -> None:
    assert matches(pattern.split("/"), path.split("/")) is fits


_names = st.lists(st.sampled_from(["a", "b", "*", "**"]), min_size=1, max_size=4)


@given(_names, st.lists(st.sampled_from("ab"), min_size=2, max_size=5))
def test_whatever_fits_is_reached_by_way_of_its_folders(pattern: list[str], path: list[str]) -> None:
    if matches(pattern, path):
        assert all(leads(pattern, path[:depth]) for depth in range(1, len(path)))


@pytest.mark.parametrize(
    ("pattern", "both"),
    [
        ("/system.slice/*.scope", True),
        ("/docker/*", True),
        ("/**", True),
        ("/system.slice", True),
        ("/machine.slice/*", False),
        ("/lxc/*", False),
    ],
)
def test_patterns_that_take_in_dockers_containers_are_found(pattern: str, both: bool) -> None:
    assert meters_docker(Section(containers=[pattern])) is both

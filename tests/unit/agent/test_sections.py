"""A collector's own part of the configuration is read strictly, and all that is wrong with it is named at once."""

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collectors import COLLECTORS, cgroups, docker, libvirt, programs, prometheus
from agent.config import Config, Invalid, parse
from tests.unit.agent.test_config import GOOD

METRIC: dict[str, Any] = {
    "metric": "m_total",
    "source_type": "host",
    "external_id": "device",
    "unit_type": "net-in",
}
TABLES: dict[str, Any] = {
    "cgroups": {"services": ["/system.slice/*.service"], "containers": ["/machine.slice/*.scope"]},
    "docker": {"socket": "/run/user/1000/docker.sock"},
    "libvirt": {"uri": "qemu:///session", "sockets": ["/run/s"]},
    "exec": [{"name": "sizes", "command": ["/usr/bin/sizes", "--all"], "source_types": ["database"]}],
    "prometheus": [{"name": "node", "url": "http://127.0.0.1:9100/metrics", "metrics": [METRIC]}],
}


def parsed(**tables: object) -> Config:
    tree = copy.deepcopy(GOOD) | copy.deepcopy(tables)
    tree.setdefault("collect", {"collectors": [*tables]})
    return parse(tree, folder=Path("/f"))


def problems(**tables: object) -> list[str]:
    with pytest.raises(Invalid) as invalid:
        parsed(**tables)
    return invalid.value.problems


def changed(name: str, **keys: object) -> dict[str, Any]:
    table = copy.deepcopy(TABLES[name])
    (table[0] if isinstance(table, list) else table).update(keys)
    return {name: table}


def test_everything_that_can_be_said_is_taken() -> None:
    settings = parsed(**TABLES).settings
    assert settings["cgroups"] == cgroups.Section(**TABLES["cgroups"])
    assert settings["docker"] == docker.Section(**TABLES["docker"])
    assert settings["libvirt"] == libvirt.Section(**TABLES["libvirt"])
    assert settings["exec"] == [programs.Section(**TABLES["exec"][0])]
    (node,) = settings["prometheus"]
    assert (node.name, node.timeout_seconds) == ("node", 5)
    assert node.metrics == [prometheus.Mapped(**METRIC)]


def test_docker_and_libvirt_need_no_table() -> None:
    settings = parsed(collect={"collectors": ["docker", "libvirt"]}).settings
    assert settings["docker"].socket == "/run/docker.sock"
    assert settings["libvirt"].sockets == ["/run/libvirt/libvirt-sock-ro", "/run/libvirt/virtqemud-sock-ro"]


def test_every_program_and_every_exporter_is_asked_alone() -> None:
    tables = copy.deepcopy(TABLES)
    tables["exec"].append({**tables["exec"][0], "name": "other"})
    settings = parsed(**tables).settings
    assert [name for kind in tables for name in COLLECTORS[kind].make(settings[kind])] == [
        *("cgroups", "docker", "libvirt", "exec:sizes", "exec:other", "prometheus:node")
    ]


def test_all_problems_of_all_tables_are_named_at_once() -> None:
    found = problems(
        cgroups={"services": ["nginx"], "root": "cgroup", "rot": "/"},
        docker={"socket": 5},
        exec=[{"name": "A b", "command": [], "timeout_seconds": 60}],
        prometheus=[
            {**TABLES["prometheus"][0], "metrics": [METRIC, {**METRIC, "unit_type": "", "scael": "1"}]}
        ],
    )
    assert [problem.partition(":")[0] for problem in found] == [
        "cgroups.rot",
        "cgroups.services",
        "cgroups.root",
        "docker.socket",
        "exec[1].name",
        "exec[1].command",
        "exec[1].source_types",
        "exec[1].timeout_seconds",
        "prometheus[1].metrics[2].scael",
        "prometheus[1].metrics[2].unit_type",
    ]
    assert "did you mean root?" in found[0]
    assert "did you mean scale?" in found[8]


@pytest.mark.parametrize(
    ("tables", "text"),
    [
        ({"cgroups": {}}, "cgroups: nothing to meter: give containers or services"),
        ({"cgroups": []}, "cgroups: must be a table"),
        ({"exec": {}}, "exec: must be an array of tables: write [[exec]]"),
        ({"exec": []}, "exec: no program is configured: add [[exec]]"),
        ({"exec": [5]}, "exec[1]: must be a table"),
        ({"exec": TABLES["exec"] * 2}, "exec: two programs are named 'sizes': rename one"),
        ({"exec": TABLES["exec"] * 51}, "exec: Expected 'array' of length <= 50"),
        (changed("exec", command=["sizes"]), "exec[1].command: 'sizes' is no absolute path"),
        (changed("exec", command="/bin/sizes --all"), "no shell reads them"),
        (changed("exec", command=["/bin/x", "a\0b"]), "a NUL cannot be passed"),
        (changed("exec", environment={"A=B": "1"}), "exec[1].environment: 'A=B' is no name of a variable"),
        (changed("exec", source_types=["database", "database"]), "listed twice"),
        (changed("exec", source_types=["Data Base"]), "exec[1].source_types"),
        (changed("exec", timeout_seconds=0), "give seconds, at most 8"),
        ({"prometheus": []}, "prometheus: no exporter is configured"),
        ({"prometheus": TABLES["prometheus"] * 2}, "two exporters are named 'node'"),
        (changed("prometheus", metrics=[]), "prometheus[1].metrics: Expected 'array' of length >= 1"),
        (changed("prometheus", metrics=[METRIC] * 201), "length <= 200"),
        (changed("prometheus", metrics=[{**METRIC, "scale": "0"}]), "metrics[1].scale: '0' is no decimal"),
        (changed("prometheus", metrics=[{**METRIC, "scale": "1e3"}]), "is no decimal above 0"),
        (changed("prometheus", metrics=[{**METRIC, "scale": 1000}]), "as text"),
        (changed("prometheus", metrics=[{**METRIC, "external_id": "="}]), "metrics[1].external_id"),
        (changed("prometheus", metrics=[{**METRIC, "metric": "a b"}]), "metrics[1].metric"),
        (changed("prometheus", url="https://127.0.0.1/metrics"), "prometheus[1].url: it must be http://"),
        (changed("prometheus", url="http://me:secret@127.0.0.1/"), "prometheus[1].url"),
        (changed("prometheus", url="http:///metrics"), "prometheus[1].url"),
        (changed("prometheus", url="http://127.0.0.1:99999/"), "prometheus[1].url"),
        (changed("prometheus", url="http://127.0.0.1/a b\r\nX: y"), "prometheus[1].url"),
        (changed("prometheus", socket="s"), "prometheus[1].socket"),
        (changed("libvirt", sockets=[]), "libvirt.sockets"),
        (changed("libvirt", uri=""), "libvirt.uri"),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said_with_what_to_do(tables: dict[str, Any], text: str) -> None:
    assert any(text in problem for problem in problems(**tables))


def test_a_secret_in_an_address_is_not_repeated() -> None:
    assert "secret" not in "".join(problems(**changed("prometheus", url="http://me:secret@127.0.0.1/")))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_whose_collector_is_not_listed_would_meter_nothing_in_silence(name: str) -> None:
    (problem,) = problems(**{name: TABLES[name]}, collect={"collectors": ["host"]})
    assert problem.startswith(f"{name}: not in collect.collectors: add '{name}' there")


def test_a_wrong_list_of_collectors_is_one_problem() -> None:
    assert len(problems(**TABLES, collect={"collectors": ["dokcer"]})) == 1


def test_dockers_containers_are_not_metered_twice() -> None:
    (problem,) = problems(docker={}, cgroups={"containers": ["/system.slice/*.scope"]})
    assert problem.startswith("cgroups.containers: Docker's containers would be metered twice")
    parsed(docker={}, cgroups={"containers": ["/lxc/*"]})


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "url", "metrics", "command", "services", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(TABLES)), _values)
def test_whatever_stands_in_a_table_it_is_taken_or_refused(name: str, value: object) -> None:
    found: list[str] = []
    try:
        parsed(**{name: value})
    except Invalid as refused:
        found = refused.problems
    assert all(problem.startswith(name) for problem in found)


def test_the_documented_example_is_a_good_configuration() -> None:
    page = (Path(__file__).parents[3] / "docs" / "collectors.md").read_text("utf-8")
    blocks = [part.partition("```")[0] for part in page.split("```toml\n")[1:]]
    tree = tomllib.loads("\n".join(blocks))
    assert {*COLLECTORS} <= {*tree, "host", "mounts", "interfaces"}
    parse(copy.deepcopy(GOOD) | tree, folder=Path("/f"))

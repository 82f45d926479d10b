"""A configuration is good as a whole, or every problem is named at once with its key and what to do."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collectors import BY_DEFAULT
from agent.config import Invalid, load, parse

GOOD: dict[str, Any] = {
    "aggregator": {
        "address": "metering.example:8443",
        "ca": "ca.crt",
        "certificate": "a.crt",
        "key": "/k/a.key",
    },
    "spool": {"directory": "spool"},
}


def with_(table: str, **keys: object) -> dict[str, Any]:
    tree = copy.deepcopy(GOOD)
    tree.setdefault(table, {}).update(keys)
    return tree


def problems(tree: dict[str, Any]) -> list[str]:
    with pytest.raises(Invalid) as invalid:
        parse(tree, folder=Path("/f"))
    return invalid.value.problems


def test_paths_are_relative_to_the_file_and_the_rest_has_defaults() -> None:
    config = parse(GOOD, folder=Path("/f"))
    assert (config.files.ca, config.files.key) == (Path("/f/ca.crt"), Path("/k/a.key"))
    assert (config.interval_seconds, config.collectors) == (60, BY_DEFAULT)
    assert config.spool_bytes_max == 512 * 1024 * 1024
    assert (config.settings, config.spool_directory) == ({"process_groups": {}}, Path("/f/spool"))


def test_everything_that_can_be_said_is_taken() -> None:
    tree = with_("collect", interval_seconds=5, collectors=["host", "process_groups"])
    tree["process_groups"] = {"web": ["nginx*", "php-fpm?"]}
    config = parse(tree, folder=Path("/f"))
    assert (config.interval_seconds, config.collectors) == (5, ("host", "process_groups"))
    assert config.settings == {"process_groups": {"web": ("nginx*", "php-fpm?")}}


def test_all_problems_are_named_at_once() -> None:
    found = problems({"agregator": {}, "collect": {"interval_seconds": 0, "intervall": 1}})
    keys = [problem.partition(":")[0] for problem in found]
    assert keys == [
        "agregator",
        "aggregator.address",
        "aggregator.ca",
        "aggregator.certificate",
        "aggregator.key",
        "collect.intervall",
        "collect.interval_seconds",
        "spool.directory",
    ]


def test_a_misspelt_key_is_told_what_it_may_have_meant() -> None:
    assert "did you mean interval_seconds?" in problems(with_("collect", interval_second=5))[0]


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (with_("collect", interval_seconds=3601), "collect.interval_seconds"),
        (with_("collect", interval_seconds=True), "collect.interval_seconds"),
        (with_("collect", interval_seconds="60"), "got 'str': give whole seconds"),
        (with_("collect", collectors=[]), "list one or more of host"),
        (with_("collect", collectors=["host", "disk"]), "unknown: 'disk'"),
        (with_("collect", collectors=["host", "host"]), "listed twice"),
        (with_("aggregator", address="metering.example"), "not host:port"),
        (with_("aggregator", address=":8443"), "not host:port"),
        (with_("aggregator", address="h:0"), "not host:port"),
        (with_("aggregator", address="::1:8443"), "not host:port"),
        (with_("aggregator", address="https://h:1"), "not host:port"),
        (with_("aggregator", ca=""), "aggregator.ca"),
        (with_("process_groups", web=[]), "process_groups.web"),
        (with_("process_groups", web="nginx"), "process_groups.web"),
        (with_("process_groups", web=[""]), "process_groups.web"),
        (with_("process_groups", **{"a\nb": ["x"]}), "printable"),
        ({**GOOD, "collect": 5}, "must be a table"),
        ({**GOOD, "process_groups": []}, "must be a table"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_key_and_what_to_do(tree: dict[str, Any], text: str) -> None:
    [problem] = problems(tree)
    assert text in problem
    assert problem.count(": ") >= 2


def test_an_ipv6_address_is_given_in_brackets() -> None:
    assert parse(with_("aggregator", address="[::1]:8443"), folder=Path("/f")).address == "[::1]:8443"


def test_a_file_that_is_no_toml_is_refused_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    for content, text in ((b"[aggregator\n", "line 1"), (b"\xff", "not UTF-8")):
        path.write_bytes(content)
        with pytest.raises(Invalid, match=text):
            load(path)
    with pytest.raises(Invalid, match="cannot be read"):
        load(tmp_path / "none.toml")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    ["aggregator", "collect", "spool", "process_groups", "address", "collectors", "directory", "x"]
)


@given(st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=4), max_size=5))
def test_no_tree_makes_anything_but_problems(tree: dict[str, Any]) -> None:
    assert problems(tree)


@pytest.mark.parametrize("size", [0, -1, 4096, "512 MiB", True])
def test_a_spool_that_would_hold_nothing_is_refused_with_the_least_that_is_taken(size: object) -> None:
    [problem] = problems(with_("spool", bytes_max=size))
    assert problem.startswith("spool.bytes_max: ")
    assert "give at least 1048576 bytes" in problem
    assert parse(with_("spool", bytes_max=1 << 20), folder=Path("/f")).spool_bytes_max == 1 << 20

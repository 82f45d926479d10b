"""The lock, the generated code and the names we take are what the build says they are."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from tests.house.sources import PACKAGES, ROOT

LOCK = (ROOT / "requirements.txt").read_text("utf-8")


@pytest.mark.parametrize("name", PACKAGES)
def test_no_dependency_claims_our_name(name: str) -> None:
    assert set(packages_distributions().get(name, ["ullage"])) == {"ullage"}


def test_every_locked_package_has_hashes() -> None:
    entries = re.split(r"^(?=[a-zA-Z])", LOCK, flags=re.MULTILINE)[1:]
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert len(entries) > 50


def test_all_grpc_packages_are_of_the_version_that_made_the_code() -> None:
    versions = dict(re.findall(r"^(grpcio[a-z-]*)==(\S+)", LOCK, flags=re.MULTILINE))
    assert len(versions) == 4
    assert set(versions.values()) == {versions["grpcio-tools"]}


def test_the_generated_code_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "proto/generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_licence_of_every_locked_package_is_listed() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", LOCK, flags=re.MULTILINE))
    listed = re.findall(
        r"^\| ([a-z0-9-]+) \| .+ \| .+ \|$", (ROOT / "LICENSES.md").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(listed) == sorted({"package", *locked})

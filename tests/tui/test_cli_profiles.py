"""``ullage profiles`` and ``--profile``: which aggregators the settings file names, and how a shell completes them."""

from pathlib import Path

import pytest

from tests.tui.commands import Command
from tests.tui.scripted import Scripted

FILE = """
profile = "staging"
[profiles.staging]
address = "staging.example:8443"
[profiles.production]
address = "{address}"
ca = "{ca}"
key_file = "{key}"
production = true
read_only = true
"""


@pytest.fixture
def home(tmp_path: Path, aggregator: Scripted) -> dict[str, str]:
    """A person with two profiles, of which one leads to the scripted aggregator, and nothing in the environment."""
    settings = aggregator.environment(tmp_path)
    folder = tmp_path / "ullage"
    folder.mkdir()
    content = FILE.format(
        address=settings["ULLAGE_ADDRESS"], ca=settings["ULLAGE_CA"], key=settings["ULLAGE_KEY_FILE"]
    )
    (folder / "config.toml").write_text(content)
    return {
        "XDG_CONFIG_HOME": str(tmp_path),
        "ULLAGE_ADDRESS": "",
        "ULLAGE_CA": "",
        "ULLAGE_KEY": "",
        "ULLAGE_KEY_FILE": "",
    }


async def test_profiles_are_listed_with_production_and_default(ullage: Command, home: dict[str, str]) -> None:
    done = await ullage("profiles", "list", "--format", "json", **home)
    assert done.code == 0
    assert [(row["name"], row["production"], row["default"]) for row in done.json] == [
        ("production", True, False),
        ("staging", False, True),
    ]
    assert [row["read_only"] for row in done.json] == [True, False]


async def test_the_table_and_the_csv_tell_the_same(ullage: Command, home: dict[str, str]) -> None:
    table = (await ullage("profiles", "list", **home)).out
    rows = (await ullage("profiles", "list", "--format", "csv", **home)).csv
    for row in rows:
        line = next(line for line in table.splitlines() if line.startswith(row["name"]))
        assert row["address"] in line


async def test_a_command_asks_the_aggregator_of_the_profile(ullage: Command, home: dict[str, str]) -> None:
    assert (await ullage("--profile", "production", "check", **home)).out.startswith("ULLAGE OK")
    assert (await ullage("check", ULLAGE_PROFILE="production", **home)).out.startswith("ULLAGE OK")


async def test_an_unknown_profile_is_a_mistake_of_usage(ullage: Command, home: dict[str, str]) -> None:
    done = await ullage("--profile", "prod", "clients", "list", **home)
    assert done.code == 2
    assert "known are production, staging" in done.err


async def test_without_a_file_there_are_none(ullage: Command, tmp_path: Path) -> None:
    done = await ullage("profiles", "list", XDG_CONFIG_HOME=str(tmp_path / "empty"))
    assert (done.code, done.out, done.err) == (0, "", "No profiles.\n")


async def test_a_broken_file_is_said(ullage: Command, home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "ullage/config.toml").write_text("[profiles.x]\nadress = 'a:1'\n")
    done = await ullage("profiles", "list", **home)
    assert done.code == 2
    assert "profile 'x': there is no setting 'adress'" in done.err


async def test_a_shell_completes_names(ullage: Command, home: dict[str, str]) -> None:
    completing = {
        "_ULLAGE_COMPLETE": "bash_complete",
        "COMP_WORDS": "ullage --profile pro",
        "COMP_CWORD": "2",
    }
    done = await ullage(**home, **completing)
    assert done.out.split() == ["plain,production"]

"""Where the settings come from, and what is said when they cannot be used."""

from pathlib import Path

import pytest
import trustme

from tests.tui.scripted import KEY
from tui.profiles import FILE_BYTES_MAX
from tui.settings import Given, SettingsError, load


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> Path:
    """A folder with ``ca.crt`` and ``key``."""
    (tmp_path / "ca.crt").write_bytes(authority.cert_pem.bytes())
    (tmp_path / "key").write_text(f"{KEY}\n")
    return tmp_path


def environment(files: Path, **more: str) -> dict[str, str]:
    return {
        "HOME": str(files),
        "ULLAGE_ADDRESS": "ullage.example:8443",
        "ULLAGE_CA": str(files / "ca.crt"),
        "ULLAGE_KEY_FILE": str(files / "key"),
        **more,
    }


def configure(files: Path, content: str) -> None:
    folder = files / ".config" / "ullage"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(content)


def problems(given: Given, variables: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(given, variables)
    return caught.value.problems


def test_the_environment_is_enough(files: Path) -> None:
    settings = load(Given(), environment(files))
    assert (settings.address, settings.key) == ("ullage.example:8443", KEY)


def test_an_option_wins_over_the_environment(files: Path) -> None:
    assert load(Given(address="[::1]:9"), environment(files)).address == "[::1]:9"


def test_the_file_is_enough_and_its_paths_start_at_the_file(files: Path) -> None:
    configure(files, 'address = "a.example:1"\nca = "../../ca.crt"\nkey_file = "../../key"\n')
    settings = load(Given(), {"HOME": str(files)})
    assert (settings.address, settings.key) == ("a.example:1", KEY)


def test_a_key_in_the_environment_wins_over_a_key_file(files: Path) -> None:
    other = "ullage_another0123456789"
    assert load(Given(), environment(files, ULLAGE_KEY=other)).key == other


def test_everything_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    found = problems(Given(), {"HOME": str(tmp_path)})
    assert len(found) == 3
    assert all("missing" in problem and "ULLAGE_" in problem and "--" in problem for problem in found)


def test_everything_that_is_wrong_is_said_at_once(files: Path) -> None:
    configure(files, 'adress = "x"\nca = 7\n')
    (files / "key").write_text("hunter2")
    found = problems(Given(address="nonsense", ca=str(files / "absent")), environment(files))
    assert ["adress" in found[0], "ca must" in found[1], "HOST:PORT" in found[2], "absent" in found[3]] == [
        True
    ] * 4
    assert "does not hold an API key" in found[4]


def test_what_is_no_key_is_not_repeated(files: Path) -> None:
    (files / "key").write_text("hunter2")
    assert "hunter2" not in "".join(problems(Given(), environment(files)))


@pytest.mark.parametrize(
    "address", ["host", "host:", ":8443", "host:0", "host:65536", "http://host:8443", "a b:1"]
)
def test_an_address_that_is_none_is_refused(files: Path, address: str) -> None:
    assert "HOST:PORT" in problems(Given(address=address), environment(files))[0]


def test_a_file_that_is_no_certificate_is_refused(files: Path) -> None:
    (files / "ca.crt").write_text("garbage")
    assert "PEM" in problems(Given(), environment(files))[0]


def test_a_file_of_a_gigabyte_is_not_read(files: Path) -> None:
    with (files / "ca.crt").open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    assert "too large" in problems(Given(), environment(files))[0]


def test_a_broken_settings_file_is_one_sentence(files: Path) -> None:
    configure(files, "= nonsense")
    assert "cannot be read" in problems(Given(), environment(files))[0]


def test_the_key_is_in_no_representation(files: Path) -> None:
    assert KEY not in repr(load(Given(), environment(files)))


TWO = """
address = "top.example:1"
ca = "../../ca.crt"
key_file = "../../key"
profile = "staging"

[profiles.staging]
address = "staging.example:1"
ca = "../../ca.crt"
key_file = "../../key"

[profiles.live]
address = "live.example:1"
ca = "../../ca.crt"
key_file = "../../key"
production = true
read_only = true
slow_link = true
"""


def test_the_file_names_the_profile_that_is_meant(files: Path) -> None:
    configure(files, TWO)
    settings = load(Given(), {"HOME": str(files)})
    assert (settings.profile, settings.address) == ("staging", "staging.example:1")
    assert (settings.production, settings.read_only, settings.slow_link) == (False, False, False)


def test_a_profile_says_how_the_screens_behave(files: Path) -> None:
    configure(files, TWO)
    settings = load(Given(profile="live"), {"HOME": str(files)})
    assert (settings.profile, settings.address, settings.key) == ("live", "live.example:1", KEY)
    assert (settings.production, settings.read_only, settings.slow_link) == (True, True, True)


@pytest.mark.parametrize(
    ("given", "variable", "address"),
    [
        (None, "", "staging.example:1"),
        (None, "live", "live.example:1"),
        ("staging", "live", "staging.example:1"),
        ("", "live", "top.example:1"),
    ],
)
def test_an_option_then_the_environment_then_the_file_choose_the_profile(
    files: Path, given: str | None, variable: str, address: str
) -> None:
    configure(files, TWO)
    assert load(Given(profile=given), {"HOME": str(files), "ULLAGE_PROFILE": variable}).address == address


def test_what_is_given_wins_over_a_profile_that_stays_marked(files: Path) -> None:
    configure(files, TWO)
    other = files / "other"
    other.write_text("ullage_another0123456789")
    settings = load(Given(address="[::1]:9", key_file=str(other), profile="live"), {"HOME": str(files)})
    assert (settings.address, settings.key) == ("[::1]:9", "ullage_another0123456789")
    assert settings.production


def test_a_profile_takes_nothing_from_the_top(files: Path) -> None:
    configure(files, TWO + '\n[profiles.bare]\naddress = "bare.example:1"\n')
    found = problems(Given(profile="bare"), {"HOME": str(files)})
    assert len(found) == 2
    assert all("missing" in problem and "[profiles.bare]" in problem for problem in found)


def test_an_unknown_profile_is_refused_with_the_names_there_are(files: Path) -> None:
    configure(files, TWO)
    found = problems(Given(profile="prod"), {"HOME": str(files)})
    assert len(found) == 1
    assert "'prod'" in found[0]
    assert "live, staging" in found[0]


def test_a_profile_without_a_file_is_refused(tmp_path: Path) -> None:
    assert "it has none" in problems(Given(profile="prod"), {"HOME": str(tmp_path)})[0]


def test_where_no_profile_was_chosen_those_there_are_are_named(files: Path) -> None:
    configure(files, '[profiles.live]\naddress = "live.example:1"\n')
    assert all("--profile: known are live" in problem for problem in problems(Given(), {"HOME": str(files)}))


def test_all_that_is_wrong_in_profiles_is_said_with_profile_and_key(files: Path) -> None:
    configure(
        files,
        """
profile = 7
read_only = "yes"
[profiles]
live = "live.example:1"
[profiles.staging]
adress = "x"
ca = 7
production = 1
profile = "live"
[profiles."two words"]
address = "x:1"
""",
    )
    found = problems(Given(), environment(files))
    expected = [
        ("read_only must be true or false",),
        ("profile 'live'", "must be a table", "[profiles.live]"),
        ("profile 'staging'", "no setting 'adress'", "known are address, ca, key_file, production"),
        ("profile 'staging'", "ca must be a text"),
        ("profile 'staging'", "production must be true or false"),
        ("profile 'staging'", "no setting 'profile'"),
        ("profile 'two words'", "letters"),
        ("profile must be the name of a profile",),
    ]
    assert len(found) == len(expected)
    for problem, words in zip(found, expected, strict=True):
        assert "config.toml" in problem
        assert all(word in problem for word in words), problem


@pytest.mark.parametrize(("said", "slow"), [("1", True), ("on", True), ("0", False), ("", False)])
def test_the_environment_turns_a_switch_on_or_off(files: Path, said: str, slow: bool) -> None:
    configure(files, TWO)
    variables = {"HOME": str(files), "ULLAGE_SLOW_LINK": said, "ULLAGE_READ_ONLY": said}
    settings = load(Given(profile="live"), variables)
    assert (settings.slow_link, settings.read_only) == (slow, slow)
    assert load(Given(profile="live", slow_link=True, read_only=True), variables).read_only


def test_a_switch_that_is_neither_on_nor_off_is_refused(files: Path) -> None:
    assert "write 1 or 0" in problems(Given(), environment(files, ULLAGE_SLOW_LINK="perhaps"))[0]


def test_a_settings_file_of_a_gigabyte_is_not_read(files: Path) -> None:
    configure(files, "")
    with (files / ".config/ullage/config.toml").open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    assert "too large" in problems(Given(), environment(files))[0]

"""Where the settings come from, and what is said when they cannot be used."""

from pathlib import Path

import pytest
import trustme

from tests.tui.scripted import KEY
from tui.settings import FILE_BYTES_MAX, Given, SettingsError, load


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

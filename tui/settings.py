"""Which aggregator to ask and as whom: options, then environment, then ``~/.config/ullage/config.toml``.

The API key comes from a file or from ULLAGE_KEY, never from the command line, where every user of the host could read
it. All problems are reported at once, each with what to do.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KEY_PREFIX = "ullage_"
# Files larger than this are not what they should be.
FILE_BYTES_MAX = 256 * 1024

_OPTIONS = {"address": "--address", "ca": "--ca", "key_file": "--key-file"}
_VARIABLES = {"address": "ULLAGE_ADDRESS", "ca": "ULLAGE_CA", "key_file": "ULLAGE_KEY_FILE"}
_ADDRESS = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):(\d{1,5})$")
_KEY = re.compile(r"^ullage_[A-Za-z0-9_-]{16,200}$")


class SettingsError(Exception):
    """The settings cannot be used; ``problems`` says what to change, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything needed to dial: ``host:port``, the trusted authority (PEM), the API key."""

    address: str
    ca: bytes
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line said; None where it said nothing."""

    address: str | None = None
    ca: str | None = None
    key_file: str | None = None


def config_path(environment: Mapping[str, str]) -> Path:
    """Where the settings file is looked for; it need not exist."""
    home = environment.get("XDG_CONFIG_HOME")
    base = Path(home) if home else Path(environment.get("HOME", "~")).expanduser() / ".config"
    return base / "ullage" / "config.toml"


def load(given: Given, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in force. Raises ``SettingsError`` with every problem there is."""
    environment = os.environ if environment is None else environment
    path = config_path(environment)
    problems: list[str] = []
    filed = _read_config(path, problems)
    chosen = {
        name: getattr(given, name) or environment.get(_VARIABLES[name]) or filed.get(name)
        for name in _OPTIONS
    }
    address = _address(chosen["address"], path, problems)
    ca = _authority(chosen["ca"], path, problems)
    key = _key(given, environment, chosen["key_file"], path, problems)
    if problems:
        raise SettingsError(problems)
    return Settings(address=address, ca=ca, key=key)


def _read_config(path: Path, problems: list[str]) -> dict[str, str]:
    """The file's settings, paths made relative to the file; empty when there is no file."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path} cannot be read: {_reason(error)}")
        return {}
    settings: dict[str, str] = {}
    for name, value in content.items():
        if name not in _OPTIONS:
            problems.append(f"{path}: there is no setting {name!r}; known are {', '.join(_OPTIONS)}")
        elif not isinstance(value, str):
            problems.append(f"{path}: {name} must be a text in quotes")
        elif name == "address":
            settings[name] = value
        else:
            settings[name] = str(path.parent / Path(value).expanduser())
    return settings


def _missing(name: str, what: str, path: Path) -> str:
    return f"{what} is missing: give {_OPTIONS[name]}, set {_VARIABLES[name]}, or write {name} in {path}"


def _address(value: str | None, path: Path, problems: list[str]) -> str:
    if not value:
        problems.append(_missing("address", "the aggregator's address (HOST:PORT)", path))
        return ""
    match = _ADDRESS.match(value)
    if not match or not 0 < int(match[2]) < 65536:
        problems.append(f"the address {value!r} is not HOST:PORT, for example ullage.example:8443")
    return value


def _authority(value: str | None, path: Path, problems: list[str]) -> bytes:
    if not value:
        problems.append(_missing("ca", "the authority's certificate (ca.crt)", path))
        return b""
    content = _read_file(value, "the authority's certificate", problems)
    if content is not None and b"-----BEGIN CERTIFICATE-----" not in content:
        problems.append(
            f"{value} is not a certificate in PEM form; take ca.crt of the aggregator's authority"
        )
    return content or b""


def _key(
    given: Given, environment: Mapping[str, str], key_file: str | None, path: Path, problems: list[str]
) -> str:
    """The key itself; an option wins over the environment, in which ULLAGE_KEY wins over a file."""
    direct = environment.get("ULLAGE_KEY")
    if direct and not given.key_file:
        return _checked_key(direct, "ULLAGE_KEY", problems)
    if not key_file:
        problems.append(_missing("key_file", "the API key", path) + " (or set ULLAGE_KEY)")
        return ""
    content = _read_file(key_file, "the API key", problems)
    if content is None:
        return ""
    return _checked_key(content.decode("utf-8", "replace"), key_file, problems)


def _checked_key(text: str, source: str, problems: list[str]) -> str:
    """Never repeats the text: it may be a secret of another kind."""
    key = text.strip()
    if not _KEY.match(key):
        problems.append(
            f"{source} does not hold an API key; one starts with {KEY_PREFIX} "
            "and is shown once by `ullage-aggregator keys bootstrap`"
        )
    return key


def _read_file(value: str, what: str, problems: list[str]) -> bytes | None:
    try:
        with Path(value).expanduser().open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        problems.append(f"{what} cannot be read from {value}: {_reason(error)}")
        return None
    if len(content) > FILE_BYTES_MAX:
        problems.append(f"{value} is too large for {what}: more than {FILE_BYTES_MAX // 1024} KiB")
        return None
    return content


def _reason(error: Exception) -> str:
    """The system's words without number and path, or the parser's."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)

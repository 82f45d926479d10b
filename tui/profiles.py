"""What ``~/.config/ullage/config.toml`` says: one aggregator at the top, others as profiles with names of their own.

    profile = "production"            # which one is meant where nobody says another

    [profiles.production]
    address = "ullage.example:8443"
    ca = "production.crt"             # paths start at the file
    key_file = "production.key"
    production = true

A profile stands alone: nothing of it is taken from the top, so no key goes to an aggregator that it is not for.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

# Files larger than this are not what they should be.
FILE_BYTES_MAX = 256 * 1024

TEXTS = ("address", "ca", "key_file")
SWITCHES = ("production", "read_only", "slow_link")
_DEFAULT = "profile"
_TABLES = "profiles"
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")


@dataclass(frozen=True, slots=True)
class Profile:
    """One aggregator as the file describes it, not checked yet; None and False where it says nothing."""

    name: str = ""
    address: str | None = None
    ca: str | None = None
    key_file: str | None = None
    production: bool = False
    read_only: bool = False
    slow_link: bool = False


@dataclass(frozen=True, slots=True)
class Book:
    """The whole file: what stands at its top has no name; ``default`` is empty where none is said."""

    path: Path
    top: Profile = field(default_factory=Profile)
    named: Mapping[str, Profile] = field(default_factory=dict)
    default: str = ""

    def find(self, name: str, said: str, problems: list[str]) -> Profile | None:
        """The profile of this name, the top for an empty one; ``said`` is where the name comes from."""
        if not name:
            return self.top
        found = self.named.get(name)
        if found is None:
            problems.append(f"there is no profile {name!r} ({said}) in {self.path}; {self.known()}")
        return found

    def known(self) -> str:
        """The names there are, in words."""
        return f"known are {', '.join(sorted(self.named))}" if self.named else "it has none"


def config_path(environment: Mapping[str, str]) -> Path:
    """Where the settings file is looked for; it need not exist."""
    home = environment.get("XDG_CONFIG_HOME")
    base = Path(home) if home else Path(environment.get("HOME", "~")).expanduser() / ".config"
    return base / "ullage" / "config.toml"


def read(path: Path, problems: list[str]) -> Book:
    """The file, paths made relative to it; empty when there is none. Every problem in it is added, each a sentence."""
    content = _content(path, problems)
    tables = content.pop(_TABLES, {})
    default = content.pop(_DEFAULT, "")
    named: dict[str, Profile] = {}
    if not isinstance(tables, dict):
        problems.append(f"{path}: {_TABLES} must be tables, each begun by [{_TABLES}.NAME]")
        tables = {}
    top = _profile(content, path, f"{path}:", (*TEXTS, *SWITCHES, _DEFAULT, _TABLES), problems)
    for name, table in tables.items():
        where = f"{path}: profile {name!r}:"
        if not _NAME.match(name):
            problems.append(f"{where} a name has at most 40 letters, digits, dots, dashes and underlines")
        elif not isinstance(table, dict):
            problems.append(f"{where} must be a table, begun by [{_TABLES}.{name}]")
        else:
            found = _profile(table, path, where, (*TEXTS, *SWITCHES), problems)
            named[name] = replace(found, name=name)
    if not isinstance(default, str):
        problems.append(f"{path}: {_DEFAULT} must be the name of a profile in quotes")
        default = ""
    return Book(path, top, named, default)


def _content(path: Path, problems: list[str]) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        if len(raw) > FILE_BYTES_MAX:
            problems.append(f"{path} is too large for settings: more than {FILE_BYTES_MAX // 1024} KiB")
            return {}
        return tomllib.loads(raw.decode("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        # The system's words, without number and path.
        problems.append(f"{path} cannot be read: {error.strerror or error}")
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path} cannot be read: {error}")
    return {}


def _profile(
    table: Mapping[str, object], path: Path, where: str, known: tuple[str, ...], problems: list[str]
) -> Profile:
    texts: dict[str, str] = {}
    switches: dict[str, bool] = {}
    for name, value in table.items():
        if name in SWITCHES:
            if isinstance(value, bool):
                switches[name] = value
            else:
                problems.append(f"{where} {name} must be true or false, without quotes")
        elif name not in TEXTS:
            problems.append(f"{where} there is no setting {name!r}; known are {', '.join(known)}")
        elif not isinstance(value, str):
            problems.append(f"{where} {name} must be a text in quotes")
        else:
            texts[name] = value if name == "address" else str(path.parent / Path(value).expanduser())
    return Profile(
        address=texts.get("address"),
        ca=texts.get("ca"),
        key_file=texts.get("key_file"),
        production=switches.get("production", False),
        read_only=switches.get("read_only", False),
        slow_link=switches.get("slow_link", False),
    )

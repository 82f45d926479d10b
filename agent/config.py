"""The agent's configuration file: TOML, every key known, every problem named at once with its remedy.

Nothing is read from the files it names; that is credentials.py.
"""

import fnmatch
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from agent import sections
from agent.collectors import BY_DEFAULT, COLLECTORS, conflicts
from agent.credentials import Files
from agent.snapshot import TEXT_CHARACTERS_MAX
from agent.spool import SPOOL_BYTES_MAX

INTERVAL_SECONDS_DEFAULT = 60
INTERVAL_SECONDS_MAX = 3_600
PROCESS_GROUPS_MAX = 200
GLOBS_PER_GROUP_MAX = 50
# Less than this would be a few minutes of a large host.
SPOOL_BYTES_MIN = 1024 * 1024
_PORT_MAX = 65_535
_REQUIRED = object()


class Invalid(Exception):
    """The configuration cannot be used; one text per problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration without problems; paths are absolute. ``settings``: by collector that is listed and has any."""

    address: str
    # The listener for people, where an expired certificate is recovered; empty where that is left to people.
    enrolment: str
    files: Files
    interval_seconds: int
    collectors: tuple[str, ...]
    settings: Mapping[str, Any]
    spool_directory: Path
    spool_bytes_max: int


@dataclass(frozen=True, slots=True)
class _Key:
    """``remedy`` completes a sentence about what is wrong; ``check`` returns a further problem or nothing."""

    type: Any
    remedy: str
    default: object = _REQUIRED
    check: Callable[[Any], str] | None = None


def _address_problem(address: str) -> str:
    host, _, port = address.rpartition(":")
    good = host and port.isascii() and port.isdigit() and 0 < int(port) <= _PORT_MAX and "/" not in host
    # An IPv6 address needs brackets, or its last group would be taken for the port.
    bare = ":" in host and not (host.startswith("[") and host.endswith("]"))
    return "" if good and not bare else f"{address!r} is not host:port"


def _collectors_problem(names: list[str]) -> str:
    unknown = sorted(set(names) - set(COLLECTORS))
    if unknown:
        return f"unknown: {', '.join(map(repr, unknown))}"
    return "a collector is listed twice" if len(set(names)) != len(names) else ""


_Text = Annotated[str, msgspec.Meta(min_length=1)]
_TABLES: Mapping[str, Mapping[str, _Key]] = {
    "aggregator": {
        "address": _Key(
            _Text, 'give the aggregator\'s listener for agents as "host:port"', check=_address_problem
        ),
        "ca": _Key(_Text, "give the path of the authority's certificate (ca.crt)"),
        "certificate": _Key(_Text, "give the path of this agent's certificate"),
        "key": _Key(_Text, "give the path of this agent's private key"),
        "enrolment": _Key(
            str,
            'give the aggregator\'s listener for people as "host:port", where an expired certificate is recovered',
            default="",
            check=lambda address: _address_problem(address) if address else "",
        ),
    },
    "collect": {
        "interval_seconds": _Key(
            Annotated[int, msgspec.Meta(ge=1, le=INTERVAL_SECONDS_MAX)],
            f"give whole seconds, 1 to {INTERVAL_SECONDS_MAX}",
            default=INTERVAL_SECONDS_DEFAULT,
        ),
        "collectors": _Key(
            Annotated[list[str], msgspec.Meta(min_length=1)],
            f"list one or more of {', '.join(COLLECTORS)}",
            default=BY_DEFAULT,
            check=_collectors_problem,
        ),
    },
    "spool": {
        "directory": _Key(_Text, "give the folder that belongs to this agent alone"),
        "bytes_max": _Key(
            Annotated[int, msgspec.Meta(ge=SPOOL_BYTES_MIN)],
            f"give at least {SPOOL_BYTES_MIN} bytes (the default is {SPOOL_BYTES_MAX})",
            default=SPOOL_BYTES_MAX,
        ),
    },
}
_GROUPS = "process_groups"
_SETTINGS = {name: known.settings for name, known in COLLECTORS.items() if known.settings is not None}
_ALL_TABLES = (*_TABLES, _GROUPS, *_SETTINGS)
_GLOBS = Annotated[list[_Text], msgspec.Meta(min_length=1, max_length=GLOBS_PER_GROUP_MAX)]


def load(path: Path) -> Config:
    """Raises ``Invalid`` with everything that is wrong with the file."""
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise Invalid([f"{path} cannot be read: {error.strerror}: name the file with --config"]) from error
    except UnicodeDecodeError as error:
        raise Invalid([f"{path} is not UTF-8 text: save it as UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        raise Invalid([f"{path} is not TOML: {error}"]) from error
    return parse(tree, folder=path.resolve().parent)


def parse(tree: Mapping[str, Any], *, folder: Path) -> Config:
    """Relative paths are taken from ``folder``. Raises ``Invalid`` with all problems."""
    problems: list[str] = []
    for name in tree:
        if name not in _ALL_TABLES:
            problems.append(f"{name}: unknown table{sections.meant(name, _ALL_TABLES)}: correct or remove it")
    values = {
        (name, key): value
        for name, keys in _TABLES.items()
        for key, value in _table(name, tree.get(name, {}), keys, problems).items()
    }
    groups = _groups(tree.get(_GROUPS, {}), problems)
    settings = _settings(tree, values.get(("collect", "collectors")), problems)
    if problems:
        raise Invalid(problems)
    return Config(
        address=values["aggregator", "address"],
        enrolment=values["aggregator", "enrolment"],
        files=Files(*(folder / values["aggregator", key] for key in ("ca", "certificate", "key"))),
        interval_seconds=values["collect", "interval_seconds"],
        collectors=tuple(values["collect", "collectors"]),
        settings={**settings, _GROUPS: groups},
        spool_directory=folder / values["spool", "directory"],
        spool_bytes_max=values["spool", "bytes_max"],
    )


def _table(name: str, table: object, keys: Mapping[str, _Key], problems: list[str]) -> dict[str, Any]:
    """The values of one table's known keys; those with a problem are missing."""
    if not isinstance(table, dict):
        problems.append(f"{name}: must be a table: write [{name}] above its keys")
        return {}
    for key in table:
        if key not in keys:
            problems.append(f"{name}.{key}: unknown key{sections.meant(key, keys)}: correct or remove it")
    values: dict[str, Any] = {}
    for key, rule in keys.items():
        value = table.get(key, rule.default)
        if value is _REQUIRED:
            problems.append(f"{name}.{key}: missing: {rule.remedy}")
            continue
        problem = sections.mistake(value, rule.type) if key in table else ""
        if not problem and rule.check is not None:
            problem = rule.check(value)
        if problem:
            problems.append(f"{name}.{key}: {problem}: {rule.remedy}")
        else:
            values[key] = value
    return values


def _settings(tree: Mapping[str, Any], listed: Sequence[str] | None, problems: list[str]) -> dict[str, Any]:
    """The tables of the collectors that are listed. One without its name in the list would meter nothing in silence.

    ``listed``: None when the list itself is wrong.
    """
    settings: dict[str, Any] = {}
    for name, wanted in _SETTINGS.items():
        if name not in (tree if listed is None else listed):
            if name in tree:
                problems.append(f"{name}: not in collect.collectors: add {name!r} there, or remove the table")
            continue
        empty: object = [] if sections.is_list(wanted) else {}
        read = sections.read(name, tree.get(name, empty), wanted, problems)
        if read is not None:
            settings[name] = read
            problems += [f"{name}: {text}" for text in COLLECTORS[name].check(read)]
    problems += conflicts(settings)
    return settings


def _groups(table: object, problems: list[str]) -> dict[str, tuple[str, ...]]:
    remedy = 'write name = ["glob of a process name", …]'
    if not isinstance(table, dict):
        problems.append(f"{_GROUPS}: must be a table: {remedy} below [{_GROUPS}]")
        return {}
    if len(table) > PROCESS_GROUPS_MAX:
        problems.append(f"{_GROUPS}: {len(table)} groups: at most {PROCESS_GROUPS_MAX}")
    groups: dict[str, tuple[str, ...]] = {}
    for name, globs in table.items():
        if not name or len(name) > TEXT_CHARACTERS_MAX or not name.isprintable():
            problems.append(
                f"{_GROUPS}.{name!r}: a name has 1 to {TEXT_CHARACTERS_MAX} printable characters: shorten it"
            )
        elif problem := sections.mistake(globs, _GLOBS) or _glob_problem(globs):
            problems.append(f"{_GROUPS}.{name}: {problem}: {remedy}")
        else:
            groups[name] = tuple(globs)
    return groups


def _glob_problem(globs: list[str]) -> str:
    for glob in globs:
        try:
            re.compile(fnmatch.translate(glob))
        except re.error as error:
            return f"{glob!r} is no glob ({error})"
    return ""

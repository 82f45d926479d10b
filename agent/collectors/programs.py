"""Figures from a program of the operator's: one JSON object per line of its output.

    {"source_type": "database", "external_id": "orders", "unit_type": "disk-used", "kind": "level", "value": 52428800}

``name``, ``labels`` and, for a counter, ``reset_identity`` may be added: that changes when the counter begins anew. A line
that cannot be taken is named; the levels of the others count, and the program has failed at this tick. Every program is a
collector of its own, so that one which hangs or breaks is missed alone.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, TypeVar

import msgspec

from agent.collectors import child
from agent.snapshot import LABELS_MAX, TEXT_CHARACTERS_MAX, VALUE_MAX, Counter, Level, Snapshot, asset

PROGRAMS_MAX = 50
SECONDS_MAX = 8
SECONDS_DEFAULT = 5
OUTPUT_BYTES_MAX = 1024 * 1024
LINE_BYTES_MAX = 16 * 1024
LINES_MAX = 10_000
# So many lines are named; the rest is counted.
PROBLEMS_NAMED_MAX = 3
PROBLEM_CHARACTERS_MAX = 200
NAME_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
TYPE_PATTERN = r"^[a-z][a-z0-9-]{0,62}$"

_Short = Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_CHARACTERS_MAX)]
_Type = Annotated[str, msgspec.Meta(pattern=TYPE_PATTERN)]
_ARGUMENTS_MAX = 100
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One ``[[exec]]``: a program that ends by itself within ``timeout_seconds``."""

    name: Annotated[
        str, msgspec.Meta(pattern=NAME_PATTERN, description="give it a short name of a-z, 0-9, . _ -")
    ]
    command: Annotated[
        list[str],
        msgspec.Meta(
            min_length=1,
            max_length=_ARGUMENTS_MAX,
            description='give program and arguments as ["/usr/local/bin/…", "…"]; no shell reads them',
        ),
    ]
    source_types: Annotated[
        list[_Type],
        msgspec.Meta(min_length=1, description='list what it reports, as ["database"]'),
    ]
    timeout_seconds: Annotated[
        float, msgspec.Meta(gt=0, le=SECONDS_MAX, description=f"give seconds, at most {SECONDS_MAX}")
    ] = SECONDS_DEFAULT
    environment: Annotated[
        dict[str, str], msgspec.Meta(description='write { NAME = "value" }; it gets PATH and LC_ALL besides')
    ] = {}

    def problems(self) -> Iterator[tuple[str, str]]:
        """What its types do not say."""
        if not self.command[0].startswith("/"):
            yield "command", f"{self.command[0]!r} is no absolute path: nothing is looked up in PATH"
        if any("\0" in part for part in [*self.command, *self.environment.values()]):
            yield "command", "a NUL cannot be passed to a program: remove it"
        for name in self.environment:
            if not _ENVIRONMENT_NAME.fullmatch(name):
                yield "environment", f"{name!r} is no name of a variable: use letters, digits and _"
        if len(set(self.source_types)) != len(self.source_types):
            yield "source_types", "a source type is listed twice: remove one"


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of output. ``value`` in steps of the unit type."""

    source_type: _Short
    external_id: _Short
    unit_type: _Type
    kind: Literal["level", "counter"]
    value: Annotated[int, msgspec.Meta(ge=0, le=VALUE_MAX)]
    name: Annotated[str, msgspec.Meta(max_length=TEXT_CHARACTERS_MAX)] = ""
    labels: Annotated[dict[_Short, str], msgspec.Meta(max_length=LABELS_MAX)] = {}
    reset_identity: Annotated[str, msgspec.Meta(max_length=TEXT_CHARACTERS_MAX)] = ""


_decoder = msgspec.json.Decoder(Line)
_K = TypeVar("_K")
_V = TypeVar("_V")


class Program:
    """What one program prints."""

    def __init__(self, section: Section) -> None:
        self.source_types = tuple(section.source_types)
        self._program = child.Program(
            command=section.command,
            seconds_max=section.timeout_seconds,
            output_bytes_max=OUTPUT_BYTES_MAX,
            environment=section.environment,
        )

    def collect(self) -> Snapshot:
        """Raises ``child.Failed`` when the program does not end well."""
        return parse(self._program.run(), source_types=self.source_types)


def make(sections: Iterable[Section]) -> dict[str, "Program"]:
    """By name; a name is unique (see ``problems_of``)."""
    return {f"exec:{section.name}": Program(section) for section in sections}


def problems_of(sections: Iterable[Section]) -> Iterator[str]:
    """What is wrong with the sections together."""
    names = [section.name for section in sections]
    if not names:
        yield "no program is configured: add [[exec]] with name, command and source_types"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two programs are named {name!r}: rename one"


def parse(output: bytes, *, source_types: Iterable[str]) -> Snapshot:
    """What the good lines say; ``incomplete`` names the others by their number, which begins at 1."""
    declared = frozenset(source_types)
    levels: dict[tuple[str, str, str], Level] = {}
    counters: dict[tuple[str, str, str, str], Counter] = {}
    problems: list[str] = []
    for number, line in enumerate(output.split(b"\n"), 1):
        if not line.strip():
            continue
        if number > LINES_MAX:
            problems.append(f"line {number}: at most {LINES_MAX} lines are read")
            break
        try:
            said = _line(line, declared)
            thing = asset(said.source_type, said.external_id, name=said.name, labels=said.labels)
            series = (*thing.key, said.unit_type)
            if said.kind == "level":
                _once(levels, series, Level(thing, said.unit_type, said.value))
            else:
                counter = Counter(thing, said.unit_type, said.value, said.reset_identity)
                _once(counters, (*series, said.reset_identity), counter)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    named = problems[:PROBLEMS_NAMED_MAX]
    if len(problems) > len(named):
        named.append(f"and {len(problems) - len(named)} more lines")
    return Snapshot(tuple(levels.values()), tuple(counters.values()), incomplete="; ".join(named))


def _line(line: bytes, declared: frozenset[str]) -> Line:
    """Raises ``ValueError`` with what is wrong, in words that repeat nothing hostile."""
    if len(line) > LINE_BYTES_MAX:
        raise ValueError(f"longer than {LINE_BYTES_MAX} bytes")
    try:
        said = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        text = str(error).replace("`", "'")
        text = "".join(character if character.isprintable() else "?" for character in text)[
            :PROBLEM_CHARACTERS_MAX
        ]
        raise ValueError(
            text if isinstance(error, msgspec.ValidationError) else f"not one JSON object ({text})"
        ) from error
    if said.source_type not in declared:
        raise ValueError("its source_type is none of those that the configuration declares")
    if said.kind == "level" and said.reset_identity:
        raise ValueError("a level has no reset_identity")
    return said


def _once(known: dict[_K, _V], key: _K, value: _V) -> None:
    if key in known:
        raise ValueError("the same series was given before")
    known[key] = value

"""Loads the statements of this folder: migrations by number, queries by subject and name.

Responsible for finding and splitting the files; knows nothing of connections. A query file is a row of statements, each
introduced by a line ``-- name: some_name``; comment lines under it say what it answers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)\s*$", re.MULTILINE)
_MIGRATION = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_SERVES_FROM = re.compile(r"^-- serves_from: (\d+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Migration:
    """One forward-only schema change.

    ``number`` is also the version of the program that brought it; ``serves_from`` is the oldest program (by that number)
    which still works on the schema after it.
    """

    number: int
    name: str
    text: LiteralString
    serves_from: int
    sha256: str


@cache
def queries(subject: str) -> Mapping[str, LiteralString]:
    """All statements of ``queries/<subject>.sql`` by name. Raises ``FileNotFoundError`` for an unknown subject."""
    text = files(__name__).joinpath("queries", f"{subject}.sql").read_text("utf-8")
    parts = _NAME.split(text)
    names, bodies = parts[1::2], parts[2::2]
    if len(set(names)) != len(names):
        raise ValueError(f"queries/{subject}.sql names a statement twice")
    # The text comes from our own package, never from input: that is what LiteralString asks for.
    return MappingProxyType({n: cast(LiteralString, b.strip()) for n, b in zip(names, bodies, strict=True)})


def subjects() -> list[str]:
    """Names of all query files, for tests that look at every statement."""
    folder = files(__name__).joinpath("queries")
    return sorted(f.name.removesuffix(".sql") for f in folder.iterdir() if f.name.endswith(".sql"))


@cache
def migrations() -> tuple[Migration, ...]:
    """All schema changes in order. Raises ``ValueError`` when numbers are not 1, 2, 3, … or a header is missing."""
    found = []
    for file in files(__name__).joinpath("migrations").iterdir():
        if not file.name.endswith(".sql"):
            continue
        text = file.read_text("utf-8")
        number, serves = _MIGRATION.match(file.name), _SERVES_FROM.search(text)
        if number is None or serves is None:
            raise ValueError(
                f"migrations/{file.name} needs a name NNNN_noun.sql and a line '-- serves_from: N'"
            )
        found.append(
            Migration(
                number=int(number[1]),
                name=file.name.removesuffix(".sql"),
                text=cast(LiteralString, text),
                serves_from=int(serves[1]),
                sha256=sha256(text.encode()).hexdigest(),
            )
        )
    found.sort(key=lambda m: m.number)
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise ValueError("migrations must be numbered 1, 2, 3, … without a hole")
    return tuple(found)

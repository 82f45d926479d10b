"""Every named statement fits the schema, and what it returns fits the class it is loaded into."""

import dataclasses
import types
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import psycopg
import pytest

import sql
from tests.integration.queries import dynamic_uses, numbered, uses

# What can be prepared, and so be planned without being run. The others (create table, copy, listen, set) have no plan.
PLANNED = ("select", "with", "insert", "update", "delete", "merge")
UNPLANNED = (
    "create",
    "copy",
    "listen",
    "unlisten",
    "notify",
    "set",
    "lock",
    "truncate",
    "drop",
    "analyze",
    "checkpoint",
    "vacuum",
)

SCALARS: dict[str, type[Any]] = {
    "bool": bool,
    "int2": int,
    "int4": int,
    "int8": int,
    "float8": float,
    "numeric": Decimal,
    "text": str,
    "name": str,
    "bytea": bytes,
    "timestamptz": datetime,
    "date": date,
    "uuid": UUID,
}


def statements() -> list[tuple[str, str]]:
    return [(subject, name) for subject in sql.subjects() for name in sql.queries(subject)]


def code(text: str) -> str:
    """The statement without the comment lines above it."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()


@dataclasses.dataclass(frozen=True)
class Described:
    """The columns that a statement returns: name to type, the type with ``[]`` where it is an array."""

    columns: Mapping[str, str]


def describe(conn: psycopg.Connection, text: str) -> Described:
    """Prepares a statement (which checks it against the schema), plans it, and says what it returns."""
    prepared, parameters = numbered(code(text))
    result = conn.pgconn.prepare(b"statement", prepared.encode())
    assert result.status == psycopg.pq.ExecStatus.COMMAND_OK, result.get_error_message()
    arguments = f"({', '.join(['null'] * parameters)})" if parameters else ""
    conn.execute(f"explain execute statement{arguments}".encode())
    described = conn.pgconn.describe_prepared(b"statement")
    columns = {}
    for index in range(described.nfields):
        name, oid = described.fname(index), described.ftype(index)
        assert name is not None
        row = conn.execute("select %s::oid::regtype::text", [oid]).fetchone()
        info = conn.adapters.types.get(oid)
        assert row is not None
        columns[name.decode()] = row[0] if info is None else _type_name(info, oid)
    conn.execute("deallocate statement")
    return Described(columns)


def _type_name(info: psycopg.types.TypeInfo, oid: int) -> str:
    return f"{info.name}[]" if info.array_oid == oid else info.name


def fits(hint: Any, column: str) -> bool:
    """Whether a value of the column's type may be held by a field with this hint."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(fits(member, column) for member in get_args(hint))
    if hint is Any or column in ("json", "jsonb"):
        return True
    if column.endswith("[]"):
        origin = get_origin(hint)
        if not isinstance(origin, type) or not issubclass(list, origin):
            return False
        return fits(get_args(hint)[0], column.removesuffix("[]"))
    value = SCALARS.get(column)
    # A field may be narrower than text: an enumeration of words, made from it.
    return (
        value is not None and isinstance(hint, type) and (issubclass(hint, value) or issubclass(value, hint))
    )


@pytest.fixture
def connection(dsn: str) -> Any:
    with psycopg.connect(dsn, autocommit=True) as conn:
        yield conn


@pytest.mark.storage
def test_every_statement_fits_the_schema(connection: psycopg.Connection) -> None:
    failures, planned = [], 0
    for subject, name in statements():
        text = sql.queries(subject)[name]
        word = code(text).split(maxsplit=1)[0].lower()
        if word in UNPLANNED:
            continue
        assert word in PLANNED, f"{subject}.{name} begins with {word!r}: plan it, or say why it has no plan"
        try:
            describe(connection, text)
            planned += 1
        except (psycopg.Error, AssertionError) as error:
            failures.append(f"{subject}.{name}: {error}")
    assert failures == []
    assert planned > 50


def test_what_a_statement_returns_fits_its_class(connection: psycopg.Connection) -> None:
    misfits = []
    checked = 0
    for use in uses():
        if use.shape is None or not dataclasses.is_dataclass(use.shape):
            continue
        columns = describe(connection, sql.queries(use.subject)[use.name]).columns
        fields = {field.name: field for field in dataclasses.fields(use.shape) if field.init}
        needed = {
            name
            for name, field in fields.items()
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        }
        what = f"{use.place} loads {use.subject}.{use.name} into {use.shape.__name__}"
        if not needed <= columns.keys() <= fields.keys():
            misfits.append(f"{what}: {sorted(columns)} for {sorted(fields)}")
            continue
        hints = get_type_hints(use.shape)
        misfits += [
            f"{what}: {name} is {column}, the field {hints[name]}"
            for name, column in columns.items()
            if not fits(hints[name], column)
        ]
        checked += 1
    assert misfits == []
    assert checked > 25


def test_every_statement_is_named_literally() -> None:
    assert dynamic_uses() == []


def test_every_statement_is_used_and_every_use_exists() -> None:
    used = {(use.subject, use.name) for use in uses()}
    assert sorted(used ^ set(statements())) == []


def test_a_misfit_would_be_seen() -> None:
    assert fits(int, "int8")
    assert fits(Decimal | None, "numeric")
    assert fits(Sequence[int], "int4[]")
    assert not fits(int, "numeric")
    assert not fits(str, "timestamptz")
    assert not fits(Sequence[str], "int4[]")
    assert not fits(int, "int4[]")
    assert numbered("select %(a)s, %(b)s, %(a)s, 5 %% 2") == ("select $1, $2, $1, 5 % 2", 2)

"""Finds, in the aggregator's source, which named statement is loaded into which class.

Every place that runs a statement names it literally, ``_Q["name"]`` beside ``_Q = sql.queries("subject")``, so that
reading the source finds all of them; a place that does not is reported by `test_queries.py`.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from tests.house.sources import module_name, python_files, shown, tree

LOADERS = {"fetch_all": (1, 2), "fetch_one": (1, 2)}
# Loads page keys: the statement is its second argument, the class always the same.
KEYS_LOADER = ("find", 1, "aggregator.store.paging", "Keys")

_PARAMETER = re.compile(r"%\((\w+)\)s|%%")


@dataclass(frozen=True)
class Use:
    """A place in the source that names a statement; ``shape`` is the class its rows are loaded into, if any."""

    place: str
    subject: str
    name: str
    shape: type[Any] | None


def uses() -> list[Use]:
    """All places that name a statement."""
    return [use for path in python_files("aggregator") for use in _uses_in(path)]


def dynamic_uses() -> list[str]:
    """Places that subscript a subject's statements with something else than a literal name."""
    return [
        f"{shown(path)}:{node.lineno}"
        for path in python_files("aggregator")
        for node in ast.walk(tree(path))
        if _is_subject(node) and not isinstance(node.slice, ast.Constant)
    ]


def numbered(text: str) -> tuple[str, int]:
    """A statement as the server wants it (``$1``), and how many parameters it has."""
    names: list[str] = []

    def place(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return _PARAMETER.sub(place, text), len(names)


def _uses_in(path: Path) -> Iterator[Use]:
    module = tree(path)
    subjects = dict(_subjects(module))
    shapes = {id(query): shape for query, shape in _loaded(module, module_name(path))}
    for node in ast.walk(module):
        if _is_subject(node) and isinstance(node.slice, ast.Constant):
            yield Use(
                place=f"{shown(path)}:{node.lineno}",
                subject=subjects[ast.unparse(node.value)],
                name=str(node.slice.value),
                shape=shapes.get(id(node)),
            )


def _is_subject(node: ast.AST) -> TypeGuard[ast.Subscript]:
    """Whether this is ``_Q[…]``."""
    return isinstance(node, ast.Subscript) and ast.unparse(node.value).startswith("_Q")


def _subjects(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Names bound to ``sql.queries("…")``."""
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            call = node.value
            if ast.unparse(call.func) == "sql.queries" and isinstance(call.args[0], ast.Constant):
                yield ast.unparse(node.targets[0]), str(call.args[0].value)


def _loaded(module: ast.Module, name: str) -> Iterator[tuple[ast.expr, type[Any]]]:
    """Every statement given to a loader, with the class."""
    for node in ast.walk(module):
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        if function in LOADERS and len(node.args) > max(LOADERS[function]):
            shape, query = LOADERS[function]
            if _is_subject(node.args[query]):
                yield node.args[query], _resolve(name, ast.unparse(node.args[shape]))
        elif function == KEYS_LOADER[0] and len(node.args) > KEYS_LOADER[1]:
            yield node.args[KEYS_LOADER[1]], _resolve(KEYS_LOADER[2], KEYS_LOADER[3])


def _resolve(module: str, expression: str) -> type[Any]:
    found: Any = importlib.import_module(module)
    for part in expression.split("."):
        found = getattr(found, part)
    assert isinstance(found, type)
    return found

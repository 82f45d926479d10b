"""Files and functions stay small enough to read (docs: CONTRIBUTING.md)."""

import ast

from tests.house.sources import python_files, shown, tree

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70


def test_no_file_is_too_long() -> None:
    lines = {shown(path): len(path.read_text("utf-8").splitlines()) for path in python_files()}
    assert {name: count for name, count in lines.items() if count > FILE_LINES_MAX} == {}


def test_no_function_is_too_long() -> None:
    too_long = {
        f"{shown(path)}:{node.lineno} {node.name}": length
        for path in python_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert too_long == {}


def test_every_module_says_what_it_is_responsible_for() -> None:
    silent = [
        shown(path) for path in python_files() if path.stat().st_size and not ast.get_docstring(tree(path))
    ]
    assert silent == []

"""SQL is a language with a folder of its own: no statement is written in Python."""

import ast
import re

from tests.house.sources import python_files, shown, tree

# In lower or upper case as SQL is written, not capitalised as a sentence is.
STATEMENT = re.compile(
    r"^\s*(?:with\s+\w+\s+as\s*\(|select\s.*\bfrom\b|select\s+\w+\(|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s"
    r"|truncate\s+\w+\s*$|(?:create|alter|drop)\s+(?:table|index|database|role|function|extension)\s"
    r"|copy\s+\w+.*\b(?:from|to)\s+std|WITH\s+\w+\s+AS\s*\(|SELECT\s.*\bFROM\b|SELECT\s+\w+\(|INSERT\s+INTO\s"
    r"|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|(?:CREATE|ALTER|DROP)\s+(?:TABLE|INDEX|DATABASE|ROLE|FUNCTION)\s)",
    re.DOTALL,
)


def statements(module: ast.Module) -> list[int]:
    """Lines of the string literals that are SQL; docstrings may talk about it."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.lineno
        for node in ast.walk(module)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
        and STATEMENT.match(node.value)
    ]


def test_the_programs_hold_no_sql() -> None:
    places = python_files("agent", "aggregator", "tui", "ullage", "deploy")
    assert [f"{shown(path)}:{line}" for path in places for line in statements(tree(path))] == []


def test_a_statement_would_be_seen() -> None:
    lines = [
        "def f(t):",
        '    """select a from b"""',
        '    run("select a\\nfrom b")',
        '    run(f"delete from {t}")',
        '    say("Select a row")',
    ]
    assert statements(ast.parse("\n".join(lines))) == [3, 4]

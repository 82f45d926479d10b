"""Prints the table of roles by method as docs/roles.md shows it: python -m aggregator.rpc.roles_table > docs/roles.md"""

from aggregator.rpc.access import ENROLMENT, ROLES

COLUMNS = ("viewer", "operator", "billing", "admin", "client")
_HEAD = """# Who may call what

Made of `aggregator/rpc/access.py` by `python -m aggregator.rpc.roles_table > docs/roles.md`; a test fails when it is
stale.

A key has one role. ✓: may call it. own: sees its own client alone; whatever belongs to another client is not found, never
refused. Beyond the table: `Import` also asks for the role that what is in the file needs, and `UndoAudit` for that of the
act that is taken back.
"""
_FOOT = """
Without a key hosts may call {methods}: a one-time token or the enrolled key proves who they are.
"""


def render() -> str:
    """The whole document."""
    lines = [_HEAD, f"| method | {' | '.join(COLUMNS)} |", "|---|" + "---|" * len(COLUMNS)]
    for method, roles in sorted(ROLES.items()):
        marks = [("own" if role == "client" else "✓") if role in roles else "" for role in COLUMNS]
        lines.append(f"| {_short(method)} | {' | '.join(marks)} |")
    methods = ", ".join(f"`{_short(method)}`" for method in sorted(ENROLMENT))
    return "\n".join(lines) + "\n" + _FOOT.format(methods=methods)


def _short(method: str) -> str:
    return method.removeprefix("/ullage.v1.")


if __name__ == "__main__":
    print(render(), end="")  # noqa: T201 - it is a command

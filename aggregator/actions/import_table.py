"""Takes in a file of clients, buckets, assignments or contracted counts: all of it or, with any error, nothing.

One transaction, and in it one part a line, so that every error is found at once. The same acts do the work as for people;
a dry run does it too and takes it back. Responsible for the order of things and for errors to carry their line; what a
table's lines mean is said in imports.py.
"""

from dataclasses import dataclass, field
from datetime import datetime

from aggregator.actions.csv_rows import Problem, Row, read_rows, repeated
from aggregator.actions.imports import TABLES, Done, Importer
from aggregator.domain.preview import Preview
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import audit, exchange
from aggregator.store.database import Database
from aggregator.store.nested import Nested

PROBLEMS_SHOWN_MAX = 200


@dataclass(slots=True)
class Imported:
    """What was done, or with ``problems`` would have been. ``audit_group`` is 0 in a dry run and where nothing changed."""

    problems: list[Problem] = field(default_factory=list)
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    preview: Preview = field(default_factory=Preview)
    audit_group: int = 0

    def count(self, done: Done) -> None:
        """One more line that ended so."""
        self.created += done is Done.CREATED
        self.changed += done is Done.CHANGED
        self.unchanged += done is Done.UNCHANGED


class _TakenBack(Exception):
    """Nothing is to be kept of the transaction."""


async def import_table(db: Database, table: str, file: bytes, *, now: datetime, dry_run: bool) -> Imported:
    """What came of the file; nothing was kept of it with any problem, or in a dry run.

    ``table`` is a key of ``imports.TABLES``. Raises ``Invalid`` for what is no such file at all.
    """
    kind = TABLES[table]
    rows, problems = read_rows(file, kind.columns)
    result = Imported(problems=problems + repeated(rows, kind.keys))
    wrong = {problem.line for problem in result.problems}
    try:
        async with db.transaction() as conn:
            await exchange.hold_imports(conn)
            importer = kind(Nested(conn), now)
            usable = [row for row in rows if row.line not in wrong]
            for row in usable:
                await _take(importer, row, result)
            await _finish(importer, result)
            result.preview = importer.preview
            if result.problems or dry_run:
                raise _TakenBack
            result.audit_group = await audit.group_of(conn)
    except _TakenBack:
        result.problems.sort(key=lambda problem: problem.line)
    return result


async def _take(importer: Importer, row: Row, result: Imported) -> None:
    """One line; what is wrong with it becomes a problem, and nothing of it stays."""
    try:
        async with importer.db.transaction():
            done = await importer.take(row)
    except (Invalid, Conflict, NotFound) as error:
        result.problems.append(_problem(row.line, error))
    else:
        if done is not None:
            result.count(done)


async def _finish(importer: Importer, result: Imported) -> None:
    """What can only be done with all lines together."""
    async for line, outcome in importer.finish():
        if isinstance(outcome, Done):
            result.count(outcome)
        else:
            result.problems.append(_problem(line, outcome))


def _problem(line: int, error: Invalid | Conflict | NotFound) -> Problem:
    if isinstance(error, Invalid):
        return Problem(line, error.field, str(error).removeprefix(f"{error.field}: "))
    return Problem(line, "", str(error))

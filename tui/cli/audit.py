"""``ullage audit``: who changed what, and the way back."""

import click
from google.protobuf.timestamp_pb2 import Timestamp

from tui.cli.listing import Found, every, show
from tui.cli.options import dry_run_option, form_option, yes_option
from tui.cli.outcome import ask
from tui.cli.output import Row, to_table, write, write_object
from tui.cli.session import run, say
from tui.cli.values import Whole, parse_moment
from tui.client import Aggregator, Page
from tui.failures import sentence
from tui.format import moment, plural
from ullage.v1 import audit_pb2

AUDIT_COLUMNS = ("group_id", "at", "actor", "act", "action", "table", "record_id", "reversible", "undone_by")
ENTRY_COLUMNS = ("id", "action", "table", "record_id", "old_values", "new_values", "undone_by")
LIMIT_DEFAULT = 100
UNDO_SECONDS_MAX = 120.0


def entry_row(entry: audit_pb2.AuditEntry) -> Row:
    """One record that one transaction changed."""
    return {
        "id": entry.id,
        "group_id": entry.group_id,
        "at": moment(entry.at),
        "actor": entry.actor,
        "act": entry.act,
        "action": entry.action,
        "table": entry.table,
        "record_id": entry.record_id,
        "old_values": entry.old_values,
        "new_values": entry.new_values,
        "reversible": entry.reversible,
        "undone_by": entry.undone_by or None,
    }


@click.group()
def audit() -> None:
    """Who changed what: list, show, undo."""


@audit.command("list")
@click.option("--table", default="", metavar="NAME", help="Only of this table, e.g. assignment.")
@click.option("--record", default="", metavar="ID", help="Only of this record; with --table.")
@click.option("--by", "actor", default="", metavar="NAME", help="Only by this key, or job:NAME.")
@click.option("--since", type=parse_moment, metavar="MOMENT", help="Only from then on.")
@click.option("--until", type=parse_moment, metavar="MOMENT", help="Only before then.")
@click.option(
    "--limit",
    type=Whole(0),
    default=LIMIT_DEFAULT,
    show_default=True,
    help="Stop after so many; 0: all of them.",
)
@form_option
def list_audit(
    *,
    table: str,
    record: str,
    actor: str,
    since: Timestamp | None,
    until: Timestamp | None,
    limit: int,
    form: str,
) -> None:
    """Changes, the newest first: by whom, in which act, of which record.

    Example: ullage audit list --table bucket_terms --since 2026-11-01
    """

    async def work(aggregator: Aggregator) -> Found:
        return await _entries(
            aggregator,
            limit or None,
            table=table,
            record_id=record,
            actor=actor,
            since=since,
            until=until,
        )

    show(run(work), AUDIT_COLUMNS, form, "changes")


async def _entries(aggregator: Aggregator, limit: int | None, **filters: object) -> Found:
    def request(page: Page) -> audit_pb2.ListAuditRequest:
        return audit_pb2.ListAuditRequest(page=page.message(), **filters)  # type: ignore[arg-type]

    return await every(
        lambda page: aggregator.ask(aggregator.admin.ListAudit, request(page)),
        lambda reply: reply.entries,
        entry_row,
        limit,
    )


@audit.command("show")
@click.argument("group", type=Whole(1))
@form_option
def show_audit(group: int, form: str) -> None:
    """All that one act changed, with old and new values. GROUP is the group's id, as the list shows it.

    Example: ullage audit show 4711 --format json
    """

    async def work(aggregator: Aggregator) -> Found:
        return await _entries(aggregator, None, group_id=group)

    show(run(work), ENTRY_COLUMNS, form, f"changes in group {group}")


@audit.command("undo")
@click.argument("group", type=Whole(1))
@dry_run_option
@yes_option
@form_option
def undo_audit(group: int, dry_run: bool, yes: bool, form: str) -> None:
    """Sets back what one act changed, unless somebody changed it since or its time is finalised.

    GROUP is the group's id, as the list and every act show it. What is set back is a new group, which can be undone too.

    \b
    Examples:
      ullage audit undo 4711 --dry-run
      ullage audit undo 4711 --yes
    """

    def undo(*, dry: bool) -> audit_pb2.UndoAuditReply:
        request = audit_pb2.UndoAuditRequest(group_id=group, dry_run=dry)
        return run(
            lambda aggregator: aggregator.ask(aggregator.admin.UndoAudit, request, seconds=UNDO_SECONDS_MAX)
        )

    if not dry_run and not yes:
        # Whoever is asked sees first what it is about.
        planned = undo(dry=True)
        for line in to_table([entry_row(one) for one in planned.entries], ENTRY_COLUMNS).splitlines():
            say(line)
        for note in planned.notes:
            say(sentence(note))
        ask(f"Set back {plural(len(planned.entries), 'change')}?", yes=False)
    reply = undo(dry=dry_run)
    entries = [entry_row(one) for one in reply.entries]
    if form in {"json", "jsonl"}:
        write_object(
            {
                "dry_run": dry_run,
                "group_id": reply.group.id or None,
                "entries": entries,
                "notes": list(reply.notes),
            },
            form,
        )
    else:
        write(entries, ENTRY_COLUMNS, form)
    for note in reply.notes:
        say(sentence(note))
    changes = plural(len(entries), "change")
    if dry_run:
        say(sentence(f"{changes} would be set back. Nothing was done: this was a dry run"))
    else:
        say(sentence(f"{changes} set back, as group {reply.group.id}"))

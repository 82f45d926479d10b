"""``z`` and ``Z``: the last act of this key that can be taken back, found in the audit log."""

from datetime import datetime

from tui.client import Page
from tui.desk import Desk
from tui.dialogs.act import Act, Trial
from tui.failures import CallFailed, sentence
from tui.format import ago, clean, moment, plural, words_of_act
from ullage.v1 import audit_pb2

# Entries of one page; one act on many is one group of many entries.
PAGE_ENTRIES = 500
PAGES_MAX = 4
UNDO_SECONDS_MAX = 300.0
LINES_MAX = 100


async def find(desk: Desk, *, redo: bool) -> Act | str:
    """What taking back, or with ``redo`` doing again, would be; or why there is none, in a sentence."""
    if desk.identity is None:
        return "The aggregator has not said yet whose key this is."
    after = ""
    try:
        for _ in range(PAGES_MAX):
            request = audit_pb2.ListAuditRequest(
                page=Page(PAGE_ENTRIES, after).message(), actor=desk.identity.key_name
            )
            reply = await desk.aggregator.ask(desk.aggregator.admin.ListAudit, request)
            for entry in reply.entries:
                if entry.reversible and not entry.undone_by and bool(entry.undoes) == redo:
                    return undo_act(desk, entry.group_id, entry.act, moment(entry.at))
            after = reply.page.next
            if not after:
                break
    except CallFailed as error:
        return str(error)
    return (
        "There is nothing of this key to do again." if redo else "There is nothing of this key to take back."
    )


def undo_act(desk: Desk, group: int, act: str, at: datetime | None) -> Act:
    """Taking back one group of the audit log, with what it would set back shown first."""

    async def call(trial: Trial) -> audit_pb2.UndoAuditReply:
        request = audit_pb2.UndoAuditRequest(group_id=group, dry_run=trial.dry_run)
        return await desk.aggregator.ask(desk.aggregator.admin.UndoAudit, request, seconds=UNDO_SECONDS_MAX)

    def done(reply: audit_pb2.UndoAuditReply) -> str:
        return sentence(f"{plural(len(reply.entries), 'change')} set back, as group {reply.group.id}")

    return Act(
        title=f"Take back: {words_of_act(act)}, {ago(at, desk.clock())}",
        call=call,
        shows=_lines,
        undoable=False,
        done=done,
    )


def _lines(reply: audit_pb2.UndoAuditReply) -> list[str]:
    lines = [sentence(f"{plural(len(reply.entries), 'change')} would be set back")]
    lines += [sentence(note) for note in reply.notes]
    lines.append("")
    for entry in reply.entries[:LINES_MAX]:
        now = clean(entry.new_values or "gone", 120)
        lines.append(f"{entry.action} {clean(entry.table, 40)} {clean(entry.record_id, 40)}: {now}")
    if len(reply.entries) > LINES_MAX:
        lines.append(f"… and {len(reply.entries) - LINES_MAX:,} more.")
    return lines

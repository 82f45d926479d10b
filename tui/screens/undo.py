"""``z`` and ``Z``: the last act of this key that can be taken back, found in the audit log."""

import json
from collections.abc import Mapping
from datetime import datetime

from tui.client import Page
from tui.desk import Desk
from tui.dialogs.act import Act, Trial
from tui.failures import CallFailed, sentence
from tui.format import NONE, ago, clean, moment, plural, words_of_act
from ullage.v1 import audit_pb2

# Entries of one page; one act on many is one group of many entries.
PAGE_ENTRIES = 500
PAGES_MAX = 4
UNDO_SECONDS_MAX = 300.0
LINES_MAX = 100
VALUES_CHARACTERS_MAX = 160


async def find(desk: Desk, *, redo: bool) -> Act | str:
    """What taking back, or with ``redo`` doing again, would be; or why there is none, in a sentence."""
    if desk.identity is None:
        return "The aggregator has not said yet whose key this is."
    groups: dict[int, audit_pb2.AuditEntry] = {}
    after = ""
    try:
        for page in range(1, PAGES_MAX + 1):
            request = audit_pb2.ListAuditRequest(
                page=Page(PAGE_ENTRIES, after).message(), actor=desk.identity.key_name
            )
            reply = await desk.aggregator.ask(desk.aggregator.admin.ListAudit, request)
            for entry in reply.entries:
                groups.setdefault(entry.group_id, entry)
            after = reply.page.next
            last = not after or page == PAGES_MAX
            found = _newest(groups, redo=redo, last=last)
            if found is not None:
                first = _chain(groups, found)[-1]
                if redo:
                    return redo_act(desk, found, first.act)
                passed = _passed_over(groups, found)
                warning = "" if passed is None else _older(passed, desk.clock())
                return undo_act(desk, found.group_id, first.act, moment(found.at), warning=warning)
            if last:
                break
    except CallFailed as error:
        return str(error)
    return (
        "There is nothing of this key to do again." if redo else "There is nothing of this key to take back."
    )


def _newest(
    groups: Mapping[int, audit_pb2.AuditEntry], *, redo: bool, last: bool
) -> audit_pb2.AuditEntry | None:
    """The newest that stands and is a doing, or with ``redo`` an undoing; what was done again is a doing.

    None while that is not known: what the newest one took back may be on a page to come, unless this is the ``last``.
    """
    for entry in groups.values():
        if not entry.reversible or entry.undone_by:
            continue
        chain = _chain(groups, entry)
        if chain[-1].undoes and not last:
            return None
        if (len(chain) % 2 == 0) == redo:
            return entry
    return None


def _chain(
    groups: Mapping[int, audit_pb2.AuditEntry], entry: audit_pb2.AuditEntry
) -> list[audit_pb2.AuditEntry]:
    """The group, what it took back, what that took back, down to what was done in the first place, if that is known."""
    chain = [entry]
    while chain[-1].undoes in groups and len(chain) <= len(groups):
        chain.append(groups[chain[-1].undoes])
    return chain


def _passed_over(
    groups: Mapping[int, audit_pb2.AuditEntry], found: audit_pb2.AuditEntry
) -> audit_pb2.AuditEntry | None:
    """The newest act when it is not the one found because nothing takes it back."""
    newest = next(iter(groups.values()))
    return None if newest.reversible or newest.undone_by or newest.group_id == found.group_id else newest


def _older(passed: audit_pb2.AuditEntry, now: datetime) -> str:
    what = f"{words_of_act(passed.act)} {ago(moment(passed.at), now)}"
    return f"The last act, {what}, cannot be taken back. This is an older one."


def undo_act(desk: Desk, group: int, act: str, at: datetime | None, *, warning: str = "") -> Act:
    """Taking back one group of the audit log, with what it would set back shown first."""
    return _set_back(desk, group, f"Take back: {words_of_act(act)}, {ago(at, desk.clock())}", warning)


def redo_act(desk: Desk, undone: audit_pb2.AuditEntry, act: str) -> Act:
    """Doing again what was taken back: the undo is taken back. ``act`` is what was done in the first place."""
    at = ago(moment(undone.at), desk.clock())
    return _set_back(desk, undone.group_id, f"Do again: {words_of_act(act)}, taken back {at}")


def _set_back(desk: Desk, group: int, title: str, warning: str = "") -> Act:
    async def call(trial: Trial) -> audit_pb2.UndoAuditReply:
        request = audit_pb2.UndoAuditRequest(group_id=group, dry_run=trial.dry_run)
        return await desk.aggregator.ask(desk.aggregator.admin.UndoAudit, request, seconds=UNDO_SECONDS_MAX)

    def done(reply: audit_pb2.UndoAuditReply) -> str:
        return sentence(f"{plural(len(reply.entries), 'change')} set back, as group {reply.group.id}")

    return Act(
        title=title,
        call=call,
        shows=lambda reply: [*([f"▲ {warning}", ""] if warning else []), *_lines(reply)],
        undoable=False,
        done=done,
    )


def _lines(reply: audit_pb2.UndoAuditReply) -> list[str]:
    lines = [sentence(f"{plural(len(reply.entries), 'change')} would be set back")]
    lines += [sentence(note) for note in reply.notes]
    lines.append("")
    for entry in reply.entries[:LINES_MAX]:
        new = values_of(entry.new_values)
        now = ", ".join(f"{name} {value or NONE}" for name, value in new.items()) or "gone"
        lines.append(
            f"{entry.action} {clean(entry.table, 40)} {clean(entry.record_id, 40)}: {clean(now, VALUES_CHARACTERS_MAX)}"
        )
    if len(reply.entries) > LINES_MAX:
        lines.append(f"… and {len(reply.entries) - LINES_MAX:,} more.")
    return lines


def values_of(written: str) -> dict[str, str]:
    """Columns with their values as text, a dash for none; what is no JSON object is shown as it came."""
    if not written:
        return {}
    try:
        values = json.loads(written)
    except ValueError:
        return {"value": written}
    if not isinstance(values, dict):
        return {"value": written}
    return {str(name): _value(value) for name, value in values.items()}


def _value(value: object) -> str:
    if value is None:
        return NONE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

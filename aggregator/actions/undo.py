"""Takes back what an audit group did, where that is a decision that can be taken back, as a new audit group.

All or nothing: every record must still be as the group left it, and no time that is finalised may be touched, which the
database itself refuses. What rules and filters make of the decisions is worked out again in the same transaction, so that
money follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.actions.rebind import rebind_assets
from aggregator.domain.undo import why_not
from aggregator.errors import Conflict, NotFound
from aggregator.store import audit, binding, rules
from aggregator.store.audit import Changed, Entry, Group
from aggregator.store.database import Connection, Database, acting_also
from aggregator.store.news import announce

ENTRIES_SHOWN_MAX = 500


@dataclass(frozen=True, slots=True)
class Undone:
    """``group``: the new one. ``entries``: the first of what was set back. ``notes``: what cannot be brought back."""

    group: Group
    entries: Sequence[Entry]
    notes: Sequence[str]


async def undo(db: Database, *, group_id: int, dry_run: bool = False) -> Undone:
    """In a dry run the same is done and taken back again; the ``group`` is then one that will never be.

    Raises ``NotFound``, and ``Conflict`` when the group cannot be undone, was undone, or when somebody changed one of its
    records since: who and when.
    """
    with acting_also(act=f"undo {group_id}"):
        async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
            return await _undo(conn, group_id)


async def _undo(conn: Connection, group_id: int) -> Undone:
    changed_rules, changed_buckets = await _hold(conn, group_id)
    assets = await _assets(conn, group_id, changed_rules, changed_buckets)
    held = await binding.take_assets(conn, assets)
    if (changed := await audit.differs(conn, group_id)) is not None:
        raise Conflict(f"{_who(changed)}; undo that first, or change it by hand")
    if (changed := await audit.in_the_way(conn, group_id)) is not None:
        raise Conflict(f"{_who(changed)} in the time that this would set back; undo that first")
    await audit.undoes(conn, group_id)
    before = await audit.bindings_of(conn, held)
    concerned = await audit.hold_clients(conn, group_id, held)
    with audit.fitting():
        await _set_back(conn, group_id, changed_rules)
    await audit.mark_dirty(conn, before ^ await audit.bindings_of(conn, held))
    if held:
        await rebind_assets(conn, held)
    # Only now: rebinding leaves disabled and disregarded assets alone, and what they had must end first.
    await audit.set_back_assets(conn, group_id, "left-alone")
    new = await audit.group_of(conn)
    if not new:
        raise Conflict(f"audit group {group_id} changed nothing in the end; there is nothing to undo")
    await audit.mark_undone(conn, group_id, by=new)
    concerned |= await audit.hold_clients(conn, group_id, held)
    await announce(conn, "asset", "bucket", clients=concerned)
    made = await audit.group(conn, new)
    assert made is not None  # noqa: S101 - it is of this transaction
    return Undone(
        made,
        await audit.first_entries(conn, new, limit=ENTRIES_SHOWN_MAX),
        await _notes(conn, group_id),
    )


async def _hold(conn: Connection, group_id: int) -> tuple[list[audit.RuleChange], list[audit.BucketChange]]:
    """Rules and buckets that the group decided about, held as far as undoing needs it."""
    found = await audit.group(conn, group_id)
    if found is None:
        raise NotFound("audit group", group_id)
    changed_rules = await audit.concerned_rules(conn, group_id)
    changed_buckets = await audit.concerned_buckets(conn, group_id)
    await (binding.hold_rules if changed_rules or changed_buckets else binding.share_rules)(conn)
    await audit.hold(conn, group_id)
    found = await audit.group(conn, group_id)
    assert found is not None  # noqa: S101 - groups stay
    if found.undone_by is not None:
        raise Conflict(
            f"audit group {group_id} was undone by group {found.undone_by}; undo that one to have it again"
        )
    if reason := why_not(await audit.kinds(conn, group_id)):
        raise Conflict(f"audit group {group_id}: {reason}")
    return changed_rules, changed_buckets


async def _assets(
    conn: Connection,
    group_id: int,
    changed_rules: Sequence[audit.RuleChange],
    changed_buckets: Sequence[audit.BucketChange],
) -> list[int]:
    """All whose assignments or bindings may become others by it."""
    found = set(await audit.concerned_assets(conn, group_id))
    for rule in changed_rules:
        found |= set(await audit.assets_of_rule(conn, rule.id))
        for one in rules.read_filters(rule.conditions):
            found |= set(await rules.fitting_assets(conn, [one]))
    for bucket in changed_buckets:
        found |= set(await audit.assets_of_bucket(conn, bucket.id))
        # One by one: what cannot be used of them must not hide what the others match.
        for one in rules.read_filters(bucket.conditions):
            found |= set(
                await rules.fitting_assets(
                    conn, [one], source_type_id=bucket.source_type_id, client_id=bucket.client_id
                )
            )
    return sorted(found)


async def _set_back(conn: Connection, group_id: int, changed_rules: Sequence[audit.RuleChange]) -> None:
    """In an order in which no two spans overlap in between, and nothing refers to what is gone."""
    await audit.end_suppressions(conn, group_id)
    await audit.set_back_assets(conn, group_id, "decided")
    made_rules = [rule.id for rule in changed_rules if rule.action == "insert"]
    if made_rules:
        await audit.end_rules(conn, made_rules)
    for table in ("binding", "assignment", "asset_pause", "bucket_filter", "assignment_rule"):
        await audit.set_back(conn, group_id, table, "delete")
    for table in ("assignment_rule", "bucket_filter"):
        await audit.set_back(conn, group_id, table, "insert")
    for table in ("assignment_rule", "bucket_filter", "bucket", "suppression", "asset_pause"):
        await audit.set_back(conn, group_id, table, "update")
    await audit.make_room(conn, group_id)
    for table in ("assignment", "binding"):
        await audit.set_back_spans(conn, group_id, table)
        await audit.set_back(conn, group_id, table, "insert")
    await audit.set_back(conn, group_id, "asset_pause", "insert")
    await audit.set_back_assets(conn, group_id, "others")


async def _notes(conn: Connection, group_id: int) -> list[str]:
    gone = await audit.dropped(conn, group_id)
    if not gone:
        return []
    return [
        f"{gone} readings that the suppression dropped are gone; from the next batch on, what it says holds again"
    ]


def _who(changed: Changed) -> str:
    """In words, who changed a record and when."""
    what = f"{changed.table_name.replace('_', ' ')} {changed.record_id}"
    if changed.actor is None or changed.at is None:
        return f"{what} is not as it was left"
    return f"{what} was changed by {changed.actor} at {changed.at:%Y-%m-%d %H:%M:%S} UTC (audit group {changed.group_id})"

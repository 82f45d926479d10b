"""Creates a rule that assigns matching assets to a client; the next binding run applies it."""

from collections.abc import Sequence

from aggregator.actions import given
from aggregator.actions.create_bucket import client_to_change
from aggregator.actions.rules_changed import RuleChanged, settle_rule
from aggregator.domain.match import Condition, Filter
from aggregator.store import binding, inventory
from aggregator.store.database import Database


async def create_assignment_rule(
    db: Database,
    *,
    client_id: int,
    priority: int,
    conditions: Sequence[Condition],
    dry_run: bool = False,
    confirmed_assets: int = 0,
) -> RuleChanged:
    """The new rule (id 0 in a dry run), which sees every asset whose client nobody decided by hand, and what it moves.

    Raises ``Invalid`` naming the field, ``NotFound`` for an unknown client, ``Conflict`` when it is disabled or more has to
    be confirmed.
    """
    given.priority("priority", priority)
    checked = given.conditions("filter", conditions)
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        await binding.hold_rules(conn)
        client = await client_to_change(conn, client_id)
        rule_id = await inventory.insert_rule(
            conn, client_id=client.id, priority=priority, conditions=checked
        )
        preview = await settle_rule(
            conn,
            rule_id,
            client_id=client.id,
            takes=[[Filter(checked)]],
            confirmed_assets=None if dry_run else confirmed_assets,
        )
    return RuleChanged(0 if dry_run else rule_id, preview)

"""Changes what an assignment rule takes and before which others, or takes the rule away; the next binding run moves what
that concerns.
"""

from collections.abc import Sequence

from aggregator.actions import given
from aggregator.actions.rules_changed import RuleChanged, settle_rule
from aggregator.domain.match import Condition, Filter
from aggregator.errors import NotFound
from aggregator.store import binding, inventory, rules
from aggregator.store.database import Connection, Database
from aggregator.store.inventory import HeldRule


async def update_assignment_rule(
    db: Database,
    rule_id: int,
    *,
    priority: int,
    conditions: Sequence[Condition],
    dry_run: bool = False,
    confirmed_assets: int = 0,
) -> RuleChanged:
    """What changes hands; ``dry_run`` saves nothing.

    Raises ``Invalid`` naming the field, ``NotFound``, and ``Conflict`` when more has to be confirmed.
    """
    given.priority("priority", priority)
    checked = given.conditions("filter", conditions)
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        await binding.hold_rules(conn)
        rule = await _held(conn, rule_id)
        await inventory.update_rule(conn, rule.id, priority=priority, conditions=checked)
        preview = await settle_rule(
            conn,
            rule.id,
            client_id=rule.client_id,
            takes=[*_takes(rule), [Filter(checked)]],
            confirmed_assets=None if dry_run else confirmed_assets,
        )
    return RuleChanged(rule.id, preview)


async def delete_assignment_rule(
    db: Database, rule_id: int, *, dry_run: bool = False, confirmed_assets: int = 0
) -> RuleChanged:
    """What changes hands; finalised time that it assigned stays. Raises ``NotFound`` and ``Conflict`` as above."""
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        await binding.hold_rules(conn)
        rule = await _held(conn, rule_id)
        await inventory.delete_rule(conn, rule.id)
        preview = await settle_rule(
            conn,
            rule.id,
            client_id=rule.client_id,
            takes=_takes(rule),
            confirmed_assets=None if dry_run else confirmed_assets,
        )
    return RuleChanged(rule.id, preview)


async def _held(conn: Connection, rule_id: int) -> HeldRule:
    rule = await inventory.hold_rule(conn, rule_id)
    if rule is None:
        raise NotFound("assignment rule", rule_id)
    return rule


def _takes(rule: HeldRule) -> list[list[Filter]]:
    """What it takes so far; nothing where its conditions cannot be read."""
    try:
        return [rules.read_filters(rule.filters)]
    except (ValueError, KeyError, TypeError):
        return []

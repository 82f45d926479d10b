"""Creates a rule that assigns matching assets to a client; the next binding run applies it."""

from collections.abc import Sequence

from aggregator.actions import given
from aggregator.actions.create_bucket import client_to_change
from aggregator.domain.match import Condition
from aggregator.store import binding, inventory
from aggregator.store.database import Database
from aggregator.store.news import announce


async def create_assignment_rule(
    db: Database, *, client_id: int, priority: int, conditions: Sequence[Condition]
) -> int:
    """The id of the new rule, which sees every asset whose client nobody decided by hand.

    Raises ``Invalid`` naming the field, ``NotFound`` for an unknown client, ``Conflict`` when it is disabled.
    """
    given.priority("priority", priority)
    checked = given.conditions("filter", conditions)
    async with db.transaction() as conn:
        await binding.hold_rules(conn)
        client = await client_to_change(conn, client_id)
        rule_id = await inventory.insert_rule(
            conn, client_id=client.id, priority=priority, conditions=checked
        )
        await binding.flag_assets_of_rules(conn)
        await announce(conn, "client")
    return rule_id

"""Assigns assets to a client by hand, or to nobody; rules leave them alone from then on."""

from collections.abc import Sequence

from aggregator.actions.create_bucket import client_to_change
from aggregator.actions.rebind import rebind_assets
from aggregator.domain.bind import Asset, Plan, World, plan_by_hand
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import binding
from aggregator.store.database import Database
from aggregator.store.news import announce

# One transaction; more are asked for in several.
ASSETS_MAX = 10_000


async def assign_assets(db: Database, *, asset_ids: Sequence[int], client_id: int) -> int:
    """How many assets changed hands. All are acknowledged and bound anew, in the same transaction.

    ``client_id`` 0 ends the assignment. It acts on all time that is not finalised. Raises ``Invalid`` for too many,
    ``NotFound`` for an unknown asset or client, ``Conflict`` for a disabled one; then nothing is changed.
    """
    wanted = sorted(set(asset_ids))
    if not wanted:
        raise Invalid("asset_ids", "is empty; name at least one asset")
    if len(wanted) > ASSETS_MAX:
        raise Invalid("asset_ids", f"has {len(wanted)}; at most {ASSETS_MAX} can be assigned at once")
    async with db.transaction() as conn:
        await binding.share_rules(conn)
        client = await client_to_change(conn, client_id) if client_id else None
        held = await binding.take_assets(conn, wanted)
        if len(held) < len(wanted):
            raise NotFound("asset", min(set(wanted) - set(held)))
        if left_alone := await binding.left_alone(conn, wanted):
            raise Conflict(f"asset {left_alone[0]} is disabled or disregarded; restore it first")
        await binding.decide_by_hand(conn, wanted)

        def decide(asset: Asset, world: World) -> Plan:
            return plan_by_hand(asset, world, client_id=client.id if client else None)

        changed, _, _ = await rebind_assets(conn, wanted, also=[client.id] if client else [], decide=decide)
        await announce(conn, "asset")
    return changed

"""Says that somebody has seen assets, and what they are: nothing that money depends on."""

from collections.abc import Sequence

from aggregator.actions import given
from aggregator.actions.asset_act import Done, acting_on, done
from aggregator.store import asset_acts
from aggregator.store.database import Database
from aggregator.store.news import announce

DESCRIPTION_CHARACTERS_MAX = 500


async def acknowledge_assets(db: Database, *, asset_ids: Sequence[int], withdraw: bool = False) -> Done:
    """How many were new; with ``withdraw`` they are new again. Raises ``Invalid``, ``NotFound``, ``Conflict``."""
    async with acting_on(db, asset_ids) as (conn, held):
        changed = await asset_acts.acknowledge(conn, [asset.id for asset in held], withdraw=withdraw)
        await announce(conn, "asset", clients=await asset_acts.clients_of(conn, asset_ids))
        return await done(conn, changed=changed, preview=None, dry_run=False)


async def describe_assets(db: Database, *, asset_ids: Sequence[int], description: str) -> Done:
    """How many had another description; an empty one removes it. Raises ``Invalid``, ``NotFound``, ``Conflict``."""
    text = given.text("description", description, characters_max=DESCRIPTION_CHARACTERS_MAX)
    async with acting_on(db, asset_ids) as (conn, held):
        changed = await asset_acts.describe(conn, [asset.id for asset in held], description=text)
        await announce(conn, "asset", clients=await asset_acts.clients_of(conn, asset_ids))
        return await done(conn, changed=changed, preview=None, dry_run=False)

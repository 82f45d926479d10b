"""Dry runs: what binding plans would change, in words and estimated money, and what has to be confirmed first."""

from collections.abc import Mapping
from datetime import datetime

from aggregator.domain.bind import Plan, World
from aggregator.domain.preview import Preview, to_confirm
from aggregator.errors import Conflict
from aggregator.store.database import Connection


async def preview_plans(
    conn: Connection, plans: Mapping[int, Plan], world: World, *, now: datetime
) -> Preview:
    """What the plans (by asset) would change. Ask before they are saved."""
    changed = [plan for plan in plans.values() if plan]
    return Preview(assets=len(changed), series=sum(len(plan.bindings) for plan in changed))


def confirm(preview: Preview, *, confirmed_assets: int, total_assets: int) -> None:
    """Raises ``Conflict`` for an act on more than a tenth of all assets whose number nobody has confirmed."""
    asked = to_confirm(preview.assets, total_assets=total_assets)
    if asked and confirmed_assets != asked:
        raise Conflict(
            f"this concerns {asked} of {total_assets} assets; look at the dry run, then repeat it with "
            f"{asked} confirmed"
        )

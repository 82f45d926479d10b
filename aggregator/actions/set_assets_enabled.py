"""Takes assets out of what is counted, and back in: disabled from now on, or disregarded for all that is not finalised."""

from collections.abc import Callable, Sequence
from datetime import datetime

from aggregator.actions.asset_act import (
    Done,
    acting_on,
    carry_out,
    check_active,
    done,
    hour_slot,
    make_plans,
    shown,
)
from aggregator.domain.bind import Asset, Plan, World, plan
from aggregator.domain.decide import paused
from aggregator.errors import Conflict
from aggregator.store import asset_acts
from aggregator.store.database import Connection, Database

DISABLED = "disabled"
DISREGARDED = "disregarded"


async def set_assets_enabled(
    db: Database,
    *,
    asset_ids: Sequence[int],
    enabled: bool,
    dry_run: bool = False,
    confirmed_assets: int = 0,
    now: datetime | None = None,
) -> Done:
    """Disabling ends bindings now, those by hand too; enabling lets rules and filters open them again, from now on.

    Now is the hour that has begun (None: by the database's clock). Counted are those that were otherwise before. Raises
    ``Invalid``, ``NotFound`` and, for a disregarded asset, ``Conflict``.
    """
    async with acting_on(db, asset_ids, dry_run=dry_run) as (conn, held):
        for asset in held:
            if asset.disregarded:
                raise Conflict(f"asset {asset.id} ({asset.name}) is disregarded; restore it first")
        ids = [asset.id for asset in held if asset.enabled != enabled]
        at = now or await asset_acts.read_clock(conn)
        slot = hour_slot(at)
        if enabled:
            await asset_acts.set_enabled(conn, ids, enabled=True)
            await asset_acts.resume(conn, ids, slot=slot, cause=DISABLED)
            planned = await make_plans(conn, ids, decide=plan)
        else:
            planned = await make_plans(conn, ids, decide=_from(slot))
            await asset_acts.set_enabled(conn, ids, enabled=False)
            await asset_acts.pause(conn, ids, from_slot=slot, cause=DISABLED)
        preview = await carry_out(
            conn,
            planned,
            now=at,
            dry_run=dry_run,
            confirmed_assets=confirmed_assets,
            notes=[f"from {shown(slot)}, the hour that has begun"],
        )
        return await done(conn, changed=len(ids), preview=preview, dry_run=dry_run)


async def disregard_assets(
    db: Database,
    *,
    asset_ids: Sequence[int],
    from_now: bool = False,
    dry_run: bool = False,
    confirmed_assets: int = 0,
    now: datetime | None = None,
) -> Done:
    """Hides them and bills nothing of them from the end of finalised time on, or from now; acknowledges them.

    How many were not disregarded before. Raises ``Invalid``, ``NotFound``, and ``Conflict`` for a disabled one.
    """
    async with acting_on(db, asset_ids, dry_run=dry_run) as (conn, held):
        fresh = [asset for asset in held if not asset.disregarded]
        check_active(fresh)
        ids = [asset.id for asset in fresh]
        at = now or await asset_acts.read_clock(conn)
        # What is finalised stays anyhow.
        slot = hour_slot(at) if from_now else 0
        planned = await make_plans(conn, ids, decide=_from(slot))
        await asset_acts.disregard(conn, ids)
        await asset_acts.pause(conn, ids, from_slot=slot, cause=DISREGARDED)
        note = (
            f"from {shown(slot)}, the hour that has begun" if from_now else "from the end of finalised time"
        )
        preview = await carry_out(
            conn, planned, now=at, dry_run=dry_run, confirmed_assets=confirmed_assets, notes=[note]
        )
        return await done(conn, changed=len(ids), preview=preview, dry_run=dry_run)


async def restore_assets(
    db: Database,
    *,
    asset_ids: Sequence[int],
    dry_run: bool = False,
    confirmed_assets: int = 0,
    now: datetime | None = None,
) -> Done:
    """Rules and filters open their bindings again, for all time that is not finalised, as if never disregarded.

    How many were disregarded. Raises ``Invalid``, ``NotFound``, ``Conflict``.
    """
    async with acting_on(db, asset_ids, dry_run=dry_run) as (conn, held):
        ids = [asset.id for asset in held if asset.disregarded]
        await _forget(conn, ids)
        planned = await make_plans(conn, ids, decide=plan)
        preview = await carry_out(
            conn,
            planned,
            now=now or await asset_acts.read_clock(conn),
            dry_run=dry_run,
            confirmed_assets=confirmed_assets,
        )
        return await done(conn, changed=len(ids), preview=preview, dry_run=dry_run)


async def _forget(conn: Connection, ids: Sequence[int]) -> None:
    await asset_acts.restore(conn, ids)
    await asset_acts.resume(conn, ids, slot=0, cause=DISREGARDED)


def _from(slot: int) -> Callable[[Asset, World], Plan]:
    def decide(asset: Asset, world: World) -> Plan:
        return paused(asset, world, from_slot=slot)

    return decide

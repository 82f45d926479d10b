"""Assigns assets to a client by hand, or to nobody, from a time on; or gives them back to assignment rules."""

from collections.abc import Sequence
from datetime import datetime

from aggregator.actions.asset_act import (
    ASSETS_MAX,
    Done,
    acting_on,
    carry_out,
    check_active,
    cut_note,
    done,
    given_hour,
    make_plans,
)
from aggregator.actions.create_bucket import client_to_change
from aggregator.domain.bind import Asset, Plan, World
from aggregator.domain.decide import assigned, released
from aggregator.store import asset_acts, binding
from aggregator.store.database import Database

__all__ = ["ASSETS_MAX", "assign_assets", "release_assets"]


async def assign_assets(
    db: Database,
    *,
    asset_ids: Sequence[int],
    client_id: int,
    since: datetime | None = None,
    dry_run: bool = False,
    confirmed_assets: int = 0,
    now: datetime | None = None,
) -> Done:
    """How many assets changed hands. All are acknowledged and bound anew; rules leave them alone from then on.

    ``client_id`` 0 ends the assignment. ``since`` is cut to the hour; None: all time that is not finalised. Raises
    ``Invalid`` for too many, ``NotFound`` for an unknown asset or client, ``Conflict`` for finalised time and for a disabled
    or disregarded one; then nothing is changed.
    """
    from_slot = given_hour("from", since)
    async with acting_on(db, asset_ids, dry_run=dry_run) as (conn, held):
        client = await client_to_change(conn, client_id) if client_id else None
        check_active(held)
        ids = [asset.id for asset in held]

        def decide(asset: Asset, world: World) -> Plan:
            return assigned(asset, world, client_id=client.id if client else None, from_slot=from_slot)

        planned = await make_plans(conn, ids, decide=decide, also=[client.id] if client else [])
        await binding.decide_by_hand(conn, ids)
        notes = []
        if from_slot is not None and since is not None:
            notes = [cut_note("from", from_slot, since)]
        preview = await carry_out(
            conn,
            planned,
            now=now or await asset_acts.read_clock(conn),
            dry_run=dry_run,
            confirmed_assets=confirmed_assets,
            notes=notes,
        )
        return await done(conn, changed=planned.moved, preview=preview, dry_run=dry_run)


async def release_assets(
    db: Database,
    *,
    asset_ids: Sequence[int],
    dry_run: bool = False,
    confirmed_assets: int = 0,
    now: datetime | None = None,
) -> Done:
    """Rules decide again whose they are; how many of them had been decided by hand.

    Raises like ``assign_assets``.
    """
    async with acting_on(db, asset_ids, dry_run=dry_run) as (conn, held):
        check_active(held)
        ids = await asset_acts.assigned_by_hand(conn, [asset.id for asset in held])
        await asset_acts.give_back(conn, ids)
        planned = await make_plans(conn, ids, decide=released)
        preview = await carry_out(
            conn,
            planned,
            now=now or await asset_acts.read_clock(conn),
            dry_run=dry_run,
            confirmed_assets=confirmed_assets,
        )
        return await done(conn, changed=len(ids), preview=preview, dry_run=dry_run)

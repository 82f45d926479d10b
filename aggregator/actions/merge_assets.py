"""Makes one asset of two: a host that was set up again, a VM with a new name. The history of one follows into the other."""

from collections.abc import Sequence
from datetime import datetime

from aggregator.actions.asset_act import (
    Done,
    Planned,
    acting_on,
    carry_out,
    check_active,
    done,
    refusal,
    shown,
)
from aggregator.domain.bind import Plan
from aggregator.domain.decide import Reason, Refused
from aggregator.domain.merge import merged
from aggregator.errors import Conflict, Invalid
from aggregator.store import asset_acts, binding
from aggregator.store.asset_acts import HeldAsset, SharedSlots
from aggregator.store.database import Connection, Database

_LEVEL = "level"


async def merge_assets(
    db: Database, *, asset_id: int, into_id: int, dry_run: bool = False, now: datetime | None = None
) -> Done:
    """Merges ``asset_id`` into ``into_id``: its series keep their ids and belong to the other, for their whole history.

    Finalised readings stay. Where both measured the same unit type in one slot, amounts add and levels are those of
    ``into_id``; the preview lists such slots. Raises ``NotFound``, ``Invalid`` for one asset twice, and ``Conflict`` for
    another source type, an asset that has a part in another merge, two owners of finalised time, and series of one unit
    type that are bound by hand to different buckets.
    """
    if asset_id == into_id:
        raise Invalid("into_id", "is the same asset; name the one that stays")
    async with acting_on(db, [asset_id, into_id], dry_run=dry_run) as (conn, held):
        await _check(conn, held, asset_id=asset_id)
        loaded = {asset.id: asset for asset in await binding.load_assets(conn, [asset_id, into_id])}
        world = await binding.load_world(conn, list(loaded), assets=list(loaded.values()))
        try:
            made = merged(loaded[asset_id], loaded[into_id], world)
        except Refused as refused:
            raise await _refusal(conn, refused, into_id=into_id) from refused
        notes = [_shared(one) for one in await asset_acts.shared_slots(conn, asset_id, into_id=into_id)]
        notes += await _left(conn, gone=made.gone, into=made.into)
        notes += [
            f"nothing of the asset that goes was billed from {shown(span.from_slot)} to {shown(span.to_slot)}; filters "
            f"bind nothing of the asset that stays there either"
            for span in made.paused
        ]
        await asset_acts.merge(conn, asset_id, into_id=into_id)
        for span in made.paused:
            await asset_acts.carry_pause(
                conn, asset_id, into_id=into_id, from_slot=span.from_slot, to_slot=span.to_slot
            )
        if loaded[asset_id].by_hand:
            await binding.decide_by_hand(conn, [into_id])
        preview = await carry_out(
            conn,
            Planned({into_id: made.into, asset_id: made.gone}, world),
            now=now or await asset_acts.read_clock(conn),
            dry_run=dry_run,
            confirmed_assets=0,
            notes=notes,
        )
        return await done(conn, changed=1, preview=preview, dry_run=dry_run)


async def _check(conn: Connection, held: Sequence[HeldAsset], *, asset_id: int) -> None:
    check_active(held)
    if len({asset.source_type_id for asset in held}) > 1:
        raise Conflict("the two assets are of different source types; only assets of one can be merged")
    if parts := await asset_acts.merged_ids(conn, asset_id):
        raise Conflict(
            f"asset {parts[0]} was merged into asset {asset_id} before; merge the other one into {asset_id} instead"
        )


async def _refusal(conn: Connection, refused: Refused, *, into_id: int) -> Conflict:
    if refused.reason is Reason.OTHER_CLIENT:
        names = await asset_acts.client_names(conn, [refused.owner_id])
        return Conflict(
            f"asset {refused.asset_id} belonged to {names.get(refused.owner_id, '')} at {shown(refused.slot)} and asset "
            f"{into_id} to another client, and that time is finalised; they cannot be one asset"
        )
    return await refusal(conn, refused)


def _shared(one: SharedSlots) -> str:
    what = "the asset that stays counts" if one.kind == _LEVEL else "they add"
    return (
        f"{one.unit_type}: both measured something in {one.slots} slots between {shown(one.first_slot)} and "
        f"{shown(one.last_slot)}; there {what}"
    )


async def _left(conn: Connection, *, gone: Plan, into: Plan) -> list[str]:
    """Whose the one that goes was and the other one does not become."""
    lost = {span.owner_id for span in gone.assignment.removed}
    lost |= {held.owner_id for held, _ in gone.assignment.resized}
    lost -= {span.owner_id for span in into.assignment.added}
    lost -= {held.owner_id for held, _ in into.assignment.resized}
    names = await asset_acts.client_names(conn, lost)
    return [
        f"assignments to {name} end where {name} has nothing finalised" for name in sorted(names.values())
    ]

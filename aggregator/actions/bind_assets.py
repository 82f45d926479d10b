"""Binds assets to buckets by hand, whatever filters say, and lets filters decide again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aggregator.actions.asset_act import (
    Done,
    acting_on,
    carry_out,
    check_active,
    cut_note,
    done,
    given_hour,
    make_plans,
)
from aggregator.domain.bind import Asset, Bucket, Plan, World
from aggregator.domain.decide import ByHand, bound, unbound
from aggregator.domain.slot import slot_start
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import asset_acts, binding
from aggregator.store.asset_acts import BucketToBind
from aggregator.store.calendars import calendars
from aggregator.store.database import Connection, Database

BUCKETS_MAX = 100
# How many finalised periods backdating may reach back into.
LOOK_BACK_PERIODS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """From when to when, as somebody gave it; both are cut to the hour. ``backdate``: into finalised time too."""

    since: datetime | None = None
    until: datetime | None = None
    backdate: bool = False

    def slots(self) -> tuple[int | None, int | None]:
        """Raises ``Invalid`` for a span without time in it, and where backdating has no begin."""
        since, until = given_hour("from", self.since), given_hour("to", self.until)
        if until is not None and until <= (since or 0):
            raise Invalid("to", "must lie at least an hour after from")
        if self.backdate and since is None:
            raise Invalid("from", "is missing; say from when in finalised time it is to be bound")
        return since, until

    def notes(self) -> list[str]:
        """How they are used."""
        since, until = self.slots()
        found = []
        if since is not None and self.since is not None:
            found.append(cut_note("from", since, self.since))
        if until is not None and self.until is not None:
            found.append(cut_note("to", until, self.until))
        return found


async def bind_assets(
    db: Database,
    *,
    asset_ids: Sequence[int],
    bucket_ids: Sequence[int],
    times: Times | None = None,
    dry_run: bool = False,
    confirmed_assets: int = 0,
    now: datetime | None = None,
) -> Done:
    """How many assets were bound: each series to the bucket, of one client, that counts its unit type.

    What of them is nobody's is assigned to that client first; all are acknowledged, and rules leave them alone from then
    on. Raises ``Invalid``, ``NotFound``, and ``Conflict`` naming what is in the way.
    """
    chosen = {asset_id: tuple(sorted(set(bucket_ids))) for asset_id in asset_ids}
    return await bind_each(
        db,
        chosen=chosen,
        times=times or Times(),
        dry_run=dry_run,
        confirmed_assets=confirmed_assets,
        now=now,
    )


async def bind_each(
    db: Database,
    *,
    chosen: Mapping[int, tuple[int, ...]],
    times: Times,
    dry_run: bool = False,
    confirmed_assets: int = 0,
    now: datetime | None = None,
) -> Done:
    """The same with buckets for each asset."""
    from_slot, to_slot = times.slots()
    async with acting_on(db, list(chosen), dry_run=dry_run) as (conn, held):
        check_active(held)
        found = await _buckets(conn, {bucket for buckets in chosen.values() for bucket in buckets})
        clients = {
            asset_id: _client_of([found[b] for b in buckets], asset_id)
            for asset_id, buckets in chosen.items()
        }
        reach = await _reach_back(conn, set(clients.values()), times)
        ids = [asset.id for asset in held]

        def decide(asset: Asset, world: World) -> Plan:
            client_id = clients[asset.id]
            mine = [_as_bound(found[b], world) for b in chosen[asset.id]]
            return bound(
                asset,
                world,
                ByHand(
                    client_id=client_id,
                    buckets=mine,
                    from_slot=from_slot,
                    to_slot=to_slot,
                    backdate_to=reach.get(client_id),
                ),
            )

        planned = await make_plans(conn, ids, decide=decide, also=sorted(set(clients.values())))
        await binding.decide_by_hand(conn, ids)
        notes = times.notes()
        if times.backdate:
            await asset_acts.backdate(conn)
            notes.append("what is finalised stays; in that time it is billed by adjustments alone")
        preview = await carry_out(
            conn,
            planned,
            now=now or await asset_acts.read_clock(conn),
            dry_run=dry_run,
            confirmed_assets=confirmed_assets,
            notes=notes,
        )
        changed = sum(bool(plan) for plan in planned.plans.values())
        return await done(conn, changed=changed, preview=preview, dry_run=dry_run)


async def unbind_assets(
    db: Database,
    *,
    asset_ids: Sequence[int],
    bucket_ids: Sequence[int] = (),
    dry_run: bool = False,
    confirmed_assets: int = 0,
    now: datetime | None = None,
) -> Done:
    """Ends bindings by hand (to these buckets, or all) in unfinalised time, so that filters decide again.

    How many assets had one. Raises ``Invalid``, ``NotFound``, ``Conflict``.
    """
    async with acting_on(db, asset_ids, dry_run=dry_run) as (conn, held):
        check_active(held)
        if bucket_ids:
            await _buckets(conn, set(bucket_ids))

        def decide(asset: Asset, world: World) -> Plan:
            return unbound(asset, world, bucket_ids=frozenset(bucket_ids))

        planned = await make_plans(conn, [asset.id for asset in held], decide=decide)
        preview = await carry_out(
            conn,
            planned,
            now=now or await asset_acts.read_clock(conn),
            dry_run=dry_run,
            confirmed_assets=confirmed_assets,
        )
        changed = sum(bool(plan) for plan in planned.plans.values())
        return await done(conn, changed=changed, preview=preview, dry_run=dry_run)


async def _buckets(conn: Connection, ids: set[int]) -> dict[int, BucketToBind]:
    if not ids:
        raise Invalid("bucket_ids", "is empty; name at least one bucket")
    if len(ids) > BUCKETS_MAX:
        raise Invalid("bucket_ids", f"has {len(ids)}; at most {BUCKETS_MAX} are taken at once")
    found = {bucket.id: bucket for bucket in await asset_acts.buckets(conn, ids)}
    if unknown := ids - found.keys():
        raise NotFound("bucket", min(unknown))
    return found


def _client_of(buckets: Sequence[BucketToBind], asset_id: int) -> int:
    """The client of all of an asset's buckets."""
    if len({bucket.client_id for bucket in buckets}) > 1:
        names = sorted({bucket.client_name for bucket in buckets})
        raise Invalid("bucket_ids", f"are of {' and '.join(names)}; name buckets of one client")
    counted: dict[tuple[int, int], str] = {}
    for bucket in buckets:
        if not bucket.client_enabled:
            raise Conflict(f"the client {bucket.client_name} is disabled; enable it first")
        kind = bucket.source_type_id, bucket.unit_type_id
        if kind in counted:
            raise Invalid("bucket_ids", f"{counted[kind]} and {bucket.name} count the same; name one of them")
        counted[kind] = bucket.name
    if not buckets:
        raise Conflict(f"no bucket is named for asset {asset_id}")
    return buckets[0].client_id


def _as_bound(bucket: BucketToBind, world: World) -> Bucket:
    """With its terms' time; of what no asset here could be bound to nothing was loaded, nor of buckets without terms."""
    for known in world.buckets.get(bucket.client_id, ()):
        if known.id == bucket.id:
            return known
    return Bucket(
        id=bucket.id,
        client_id=bucket.client_id,
        source_type_id=bucket.source_type_id,
        unit_type_id=bucket.unit_type_id,
        priority=0,
        spans=(),
        fits=lambda facts: False,
    )


async def _reach_back(conn: Connection, clients: set[int], times: Times) -> Mapping[int, int]:
    """By client the slot as far back as which finalised time may be bound; none where it may not."""
    if not times.backdate:
        return {}
    found = await calendars(conn, clients)
    reach = {}
    for client_id, calendar in found.items():
        finalised = await asset_acts.finalised_slot(conn, client_id)
        period = calendar.period_containing(slot_start(finalised))
        reach[client_id] = calendar.period(period.number - LOOK_BACK_PERIODS).from_slot
    return reach

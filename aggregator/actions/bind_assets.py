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
from aggregator.actions.create_bucket import client_to_change
from aggregator.actions.suggest import suggest
from aggregator.domain.bind import Asset, Bucket, Plan, World
from aggregator.domain.decide import ByHand, bound, unbound
from aggregator.domain.slot import slot_start
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import asset_acts, binding
from aggregator.store.asset_acts import BucketToBind, HeldAsset
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
    same = tuple(sorted(set(bucket_ids)))
    if not same:
        raise Invalid("bucket_ids", "is empty; name at least one bucket")
    async with acting_on(db, asset_ids, dry_run=dry_run) as (conn, held):
        chosen = {asset.id: Chosen(buckets=same) for asset in held}
        return await _bind(conn, held, chosen, times or Times(), dry_run, confirmed_assets, now)


async def bind_as_suggested(
    db: Database,
    *,
    asset_ids: Sequence[int],
    times: Times | None = None,
    dry_run: bool = False,
    confirmed_assets: int = 0,
    now: datetime | None = None,
) -> Done:
    """The same to the client and buckets that are suggested for each; where no bucket is, filters of the client decide.

    Raises also ``Conflict`` for an asset for which nothing is suggested.
    """
    async with acting_on(db, asset_ids, dry_run=dry_run) as (conn, held):
        found = await suggest(conn, [asset.id for asset in held])
        for asset in held:
            if asset.id not in found:
                raise Conflict(
                    f"nothing is suggested for asset {asset.id} ({asset.name}); leave it out, or name buckets"
                )
        chosen = {
            key: Chosen(buckets=tuple(sorted(bucket.id for bucket in one.buckets)), client_id=one.client_id)
            for key, one in found.items()
        }
        return await _bind(conn, held, chosen, times or Times(), dry_run, confirmed_assets, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Buckets for one asset; without any the client alone."""

    buckets: tuple[int, ...]
    client_id: int = 0


async def _bind(
    conn: Connection,
    held: Sequence[HeldAsset],
    chosen: Mapping[int, Chosen],
    times: Times,
    dry_run: bool,
    confirmed_assets: int,
    now: datetime | None,
) -> Done:
    from_slot, to_slot = times.slots()
    check_active(held)
    found = await _buckets(conn, {bucket for one in chosen.values() for bucket in one.buckets})
    clients = {key: _client_of([found[b] for b in one.buckets], one.client_id) for key, one in chosen.items()}
    for client_id in sorted(set(clients.values())):
        await client_to_change(conn, client_id)
    reach = await _reach_back(conn, set(clients.values()), times)

    def decide(asset: Asset, world: World) -> Plan:
        client_id = clients[asset.id]
        decision = ByHand(
            client_id=client_id,
            buckets=[_as_bound(found[bucket], world) for bucket in chosen[asset.id].buckets],
            from_slot=from_slot,
            to_slot=to_slot,
            backdate_to=reach.get(client_id),
        )
        return bound(asset, world, decision)

    ids = [asset.id for asset in held]
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
    if len(ids) > BUCKETS_MAX:
        raise Invalid("bucket_ids", f"has {len(ids)}; at most {BUCKETS_MAX} are taken at once")
    found = {bucket.id: bucket for bucket in await asset_acts.buckets(conn, ids)}
    if unknown := ids - found.keys():
        raise NotFound("bucket", min(unknown))
    return found


def _client_of(buckets: Sequence[BucketToBind], suggested: int) -> int:
    """The client of all of an asset's buckets, or the one that is suggested without any."""
    if len({bucket.client_id for bucket in buckets}) > 1:
        names = sorted({bucket.client_name for bucket in buckets})
        raise Invalid("bucket_ids", f"are of {' and '.join(names)}; name buckets of one client")
    counted: dict[tuple[int, int], str] = {}
    for bucket in buckets:
        kind = bucket.source_type_id, bucket.unit_type_id
        if kind in counted:
            raise Invalid("bucket_ids", f"{counted[kind]} and {bucket.name} count the same; name one of them")
        counted[kind] = bucket.name
    return buckets[0].client_id if buckets else suggested


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

"""What all acts on many assets have in common: holding them, planning, the dry run, saving, telling.

One call, one transaction, one audit group: all of the assets or, when one cannot be, none. A dry run does the very same and
is rolled back.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from aggregator.actions.given import YEAR_MAX, YEAR_MIN
from aggregator.actions.preview import confirm, preview_plans
from aggregator.domain.bind import Asset, Plan, World
from aggregator.domain.decide import Reason, Refused
from aggregator.domain.preview import Preview
from aggregator.domain.slot import UNITS_PER_HOUR, slot_of, slot_start
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import asset_acts, audit, binding
from aggregator.store.asset_acts import HeldAsset
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce
from aggregator.store.preview import assets_total

# One transaction; more are asked for in several.
ASSETS_MAX = 10_000
_SLOT_MAX = slot_of(datetime(YEAR_MAX, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What an act did or, in a dry run, would do. ``audit_group`` 0: nothing audited was changed."""

    changed: int
    preview: Preview | None = None
    audit_group: int = 0


@dataclass(frozen=True, slots=True)
class Planned:
    """Plans by asset, and what they were made from."""

    plans: Mapping[int, Plan]
    world: World

    @property
    def moved(self) -> int:
        """How many change hands."""
        return sum(bool(plan.assignment) for plan in self.plans.values())

    @property
    def buckets(self) -> set[int]:
        """All buckets that get or lose time of a series."""
        return {
            span.owner_id
            for plan in self.plans.values()
            for change in plan.bindings.values()
            for span in [*change.removed, *(held for held, _ in change.resized), *change.added]
        }

    @property
    def clients(self) -> set[int]:
        """All clients that get or lose something."""
        of_assets = {
            span.owner_id
            for plan in self.plans.values()
            for span in [
                *plan.assignment.removed,
                *(held for held, _ in plan.assignment.resized),
                *plan.assignment.added,
            ]
        }
        return of_assets | {
            self.world.owners[bucket] for bucket in self.buckets if bucket in self.world.owners
        }


@asynccontextmanager
async def acting_on(
    db: Database, asset_ids: Sequence[int], *, dry_run: bool = False
) -> AsyncIterator[tuple[Connection, list[HeldAsset]]]:
    """A transaction that holds the rules and the assets, in order of their ids; each is counted once.

    Raises ``Invalid`` for none or too many, ``NotFound`` for an unknown one, ``Conflict`` for one that is merged.
    """
    wanted = sorted(set(asset_ids))
    if not wanted:
        raise Invalid("asset_ids", "is empty; name at least one asset")
    if len(wanted) > ASSETS_MAX:
        raise Invalid("asset_ids", f"has {len(wanted)}; at most {ASSETS_MAX} are taken at once")
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        await binding.share_rules(conn)
        yield conn, await hold_assets(conn, wanted)


async def hold_assets(conn: Connection, wanted: Sequence[int]) -> list[HeldAsset]:
    """Locks them. Raises ``NotFound`` for an unknown one, ``Conflict`` for one that is merged."""
    held = await asset_acts.hold(conn, wanted)
    if len(held) < len(set(wanted)):
        raise NotFound("asset", min(set(wanted) - {asset.id for asset in held}))
    for asset in held:
        if asset.merged_into is not None:
            raise Conflict(
                f"asset {asset.id} was merged into asset {asset.merged_into}; act on that one instead"
            )
    return held


def check_active(held: Sequence[HeldAsset]) -> None:
    """Raises ``Conflict`` for a disabled or disregarded asset, about which nothing else is decided."""
    for asset in held:
        if asset.disregarded:
            raise Conflict(f"asset {asset.id} ({asset.name}) is disregarded; restore it first")
        if not asset.enabled:
            raise Conflict(f"asset {asset.id} ({asset.name}) is disabled; enable it first")


async def make_plans(
    conn: Connection,
    assets: Sequence[int],
    *,
    decide: Callable[[Asset, World], Plan],
    also: Sequence[int] = (),
) -> Planned:
    """What a decision means for each of these held assets; ``also`` are clients that it may name.

    Raises ``Conflict``, naming what is in the way, where it cannot be.
    """
    loaded = await binding.load_assets(conn, assets)
    world = await binding.load_world(conn, assets, also=also, assets=loaded)
    try:
        return Planned({asset.id: decide(asset, world) for asset in loaded}, world)
    except Refused as refused:
        raise await refusal(conn, refused) from refused


async def carry_out(
    conn: Connection,
    planned: Planned,
    *,
    now: datetime,
    dry_run: bool,
    confirmed_assets: int,
    notes: Sequence[str] = (),
) -> Preview:
    """Saves the plans and says what they do. Raises ``Conflict`` for a large act that nobody has confirmed."""
    preview = await preview_plans(conn, planned.plans, planned.world, now=now)
    if not dry_run:
        total = await assets_total(conn)
        confirm(preview, confirmed_assets=confirmed_assets, total_assets=total)
    await binding.save(conn, planned.plans)
    await binding.clear_flags(conn, list(planned.plans))
    await announce(conn, "asset", "bucket", clients=planned.clients)
    return replace(preview, notes=[*notes, *preview.notes])


async def done(conn: Connection, *, changed: int, preview: Preview | None, dry_run: bool) -> Done:
    """The end of an act: what it is undone by is known now."""
    group = 0 if dry_run else await audit.group_of(conn)
    return Done(changed=changed, preview=preview, audit_group=group)


def hour_slot(at: datetime) -> int:
    """The slot at which the hour begins that holds the time: to whole hours acts are cut."""
    return slot_of(at) // UNITS_PER_HOUR * UNITS_PER_HOUR


def given_hour(field: str, at: datetime | None) -> int | None:
    """The same of a time that somebody gave. Raises ``Invalid`` for one that nobody can mean."""
    if at is None:
        return None
    slot = hour_slot(at)
    if not 0 <= slot <= _SLOT_MAX:
        raise Invalid(field, f"must lie in the years {YEAR_MIN} to {YEAR_MAX}")
    return slot


def shown(slot: int) -> str:
    """A slot's start as people read it."""
    return f"{slot_start(slot):%Y-%m-%d %H:%M} UTC"


def cut_note(word: str, slot: int, at: datetime) -> str:
    """How a time that was given is used."""
    cut = "" if slot_start(slot) == at else ", cut to the hour"
    return f"{word} {shown(slot)}{cut}"


async def refusal(conn: Connection, refused: Refused) -> Conflict:
    """In words, with what to do next."""
    of_client = refused.reason in {Reason.FINALISED, Reason.TOO_OLD, Reason.OTHER_CLIENT}
    if of_client:
        name = (await asset_acts.client_names(conn, [refused.owner_id])).get(refused.owner_id, "")
    else:
        name = next((b.name for b in await asset_acts.buckets(conn, [refused.owner_id])), "")
    asset, at = f"asset {refused.asset_id}", shown(refused.slot)
    texts = {
        Reason.FINALISED: f"{asset}: time of {name} before {at} is finalised; begin then or later",
        Reason.TOO_OLD: f"{asset}: finalised time of {name} can be reached back into as far as {at}; begin then or later",
        Reason.OTHER_CLIENT: f"{asset} belongs to {name} from {at}; move it first, or choose another time",
        Reason.BY_HAND: f"{asset} is bound by hand to the bucket {name} from {at}; unbind it first, or choose another time",
        Reason.BOUND: f"{asset} was bound to the bucket {name} from {at}, which is finalised; it cannot be billed twice",
        Reason.NO_TERMS: f"the bucket {name} has no terms from {at} on; set terms first, or choose another time",
        Reason.NO_SERIES: f"{asset} has nothing that the bucket {name} counts; choose a bucket of its source type and units",
    }
    return Conflict(texts[refused.reason])

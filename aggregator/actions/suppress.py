"""Keeps matching assets out at ingest, and lets them in again. Holds from the next batch of every aggregator on.

What is stored already of matching assets stays and is billed; their bindings end with the hour that has begun.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from aggregator.actions import given
from aggregator.actions.asset_act import hour_slot, make_plans, shown
from aggregator.actions.preview import confirm
from aggregator.domain.bind import Asset, Plan, World
from aggregator.domain.decide import paused
from aggregator.domain.match import Condition, Filter
from aggregator.domain.preview import LINES_MAX, Preview, PreviewLine, scaled, to_confirm
from aggregator.domain.slot import slot_of
from aggregator.domain.suppress import REASON_CHARACTERS_MAX, SUPPRESSIONS_MAX
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store import asset_acts, binding, rules, suppressions
from aggregator.store.database import Connection, Database
from aggregator.store.estimate import estimate
from aggregator.store.news import announce
from aggregator.store.preview import assets_total

# Planned together; all of them are one transaction.
ASSETS_PER_STEP_MAX = 5_000
# A dry run of more is worked out from so many, spread evenly.
ASSETS_LOOKED_AT_MAX = 2_000
SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Suppressed:
    """The new suppression, None in a dry run, and what would not come in any more."""

    id: int | None
    preview: Preview


async def create_suppression(
    db: Database,
    *,
    condition: Condition,
    reason: str,
    dry_run: bool = False,
    confirmed_assets: int = 0,
    now: datetime | None = None,
) -> Suppressed:
    """Keeps assets that fit the condition out, and ends the bindings of those that are known.

    The preview counts what such assets used since their clients' open periods began: as much would not come in any more.
    Raises ``Invalid`` naming the field, ``Conflict`` when the same one holds, when there are too many, or when it concerns
    more than a tenth of all assets and nobody has confirmed their number.
    """
    [checked] = given.conditions("condition", [condition])
    why = _reason(reason)
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        await binding.share_rules(conn)
        if await suppressions.hold(conn) >= SUPPRESSIONS_MAX:
            raise Conflict(
                f"{SUPPRESSIONS_MAX} suppressions hold already; end some, or write one that says what several say"
            )
        number = await suppressions.insert(conn, checked, reason=why)
        if number is None:
            raise Conflict(
                "this suppression holds already; `ullage suppressions list` shows since when and why"
            )
        at = now or await asset_acts.read_clock(conn)
        assets = await rules.fitting_assets(conn, [Filter((checked,))], decided=True)
        preview = await _preview(conn, assets, now=at)
        if dry_run:
            return Suppressed(None, preview)
        total = await assets_total(conn)
        confirm(preview, confirmed_assets=confirmed_assets, total_assets=total)
        clients = await _end_bindings(conn, assets, suppression_id=number, from_slot=hour_slot(at))
        await announce(conn, "asset", "bucket", clients=clients)
    return Suppressed(number, preview)


async def end_suppression(db: Database, suppression_id: int, *, now: datetime | None = None) -> None:
    """Ends it; one that has ended stays as it is. What it dropped is gone. Raises ``NotFound``.

    The assets whose bindings it ended are bound again from the hour that has begun, by the next binding run.
    """
    async with db.transaction() as conn:
        await binding.share_rules(conn)
        if not await suppressions.end(conn, suppression_id):
            raise NotFound("suppression", suppression_id)
        assets = await asset_acts.paused_by(conn, suppression_id)
        await asset_acts.resume(
            conn,
            assets,
            slot=hour_slot(now or await asset_acts.read_clock(conn)),
            cause=SUPPRESSED,
            suppression_id=suppression_id,
        )
        await binding.flag(conn, assets)
        await announce(conn, "asset", clients=await asset_acts.clients_of(conn, assets))


async def _end_bindings(
    conn: Connection, assets: Sequence[int], *, suppression_id: int, from_slot: int
) -> set[int]:
    """Returns the clients whose bindings ended."""

    def decide(asset: Asset, world: World) -> Plan:
        return paused(asset, world, from_slot=from_slot)

    clients: set[int] = set()
    for first in range(0, len(assets), ASSETS_PER_STEP_MAX):
        held = await asset_acts.hold(conn, assets[first : first + ASSETS_PER_STEP_MAX])
        ids = [asset.id for asset in held if asset.merged_into is None]
        planned = await make_plans(conn, ids, decide=decide)
        await binding.save(conn, planned.plans)
        await asset_acts.pause(
            conn, ids, from_slot=from_slot, cause=SUPPRESSED, suppression_id=suppression_id
        )
        clients |= planned.clients
    return clients


async def _preview(conn: Connection, assets: Sequence[int], *, now: datetime) -> Preview:
    """What these assets used in their open periods, as what would be missing."""
    looked_at = assets[:: max(1, -(-len(assets) // ASSETS_LOOKED_AT_MAX))]
    named = await suppressions.series_of(conn, looked_at, slot=slot_of(now))
    worth = await estimate(conn, [one.series_id for one in named], now=now)
    money: defaultdict[str, Decimal] = defaultdict(Decimal)
    of_asset: defaultdict[tuple[int, str], Decimal] = defaultdict(Decimal)
    names = {one.asset_id: one for one in named}
    for one in named:
        found = worth.get(one.series_id)
        # What no bucket counts is not billed either.
        if one.bound and found is not None and found.money is not None and found.currency is not None:
            money[found.currency] -= found.money
            of_asset[one.asset_id, found.currency] -= found.money
    lines = [
        PreviewLine(
            act="drop",
            asset_id=asset_id,
            asset_name=names[asset_id].asset_name,
            from_name=names[asset_id].client_name,
            currency=currency,
            money=amount,
        )
        for (asset_id, currency), amount in of_asset.items()
    ]
    priced = {asset_id for asset_id, _ in of_asset}
    lines += [
        PreviewLine(act="drop", asset_id=key, asset_name=one.asset_name, from_name=one.client_name)
        for key, one in names.items()
        if key not in priced
    ]
    lines.sort(key=lambda line: (line.money or Decimal(), line.asset_name, line.asset_id))
    preview = Preview(
        assets=len(looked_at),
        series=len(named),
        readings=sum(one.readings for one in worth.values()),
        money=dict(money),
        unpriced=sum(
            one.bound and one.series_id in worth and worth[one.series_id].money is None for one in named
        ),
        lines=lines[:LINES_MAX],
        lines_total=len(lines),
        notes=[
            f"what is stored stays and is billed; bindings end at {shown(hour_slot(now))}",
            "figures are those of the open period so far: as much would be missing from the next one",
        ],
    )
    preview = scaled(preview, of=len(assets), looked_at=len(looked_at))
    asked = to_confirm(len(assets), total_assets=await assets_total(conn))
    return replace(preview, assets=len(assets), confirm_assets=asked)


def _reason(text: str) -> str:
    cleaned = given.text("reason", text, characters_max=REASON_CHARACTERS_MAX)
    if not cleaned:
        raise Invalid("reason", "is missing; say why these assets are kept out")
    return cleaned

"""Dry runs: what binding plans would change, in words and estimated money, and what has to be confirmed first.

The plans are those that would be saved, so that no rule exists twice.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from aggregator.domain.bind import Plan, World, plan
from aggregator.domain.preview import (
    LINES_MAX,
    Moved,
    Preview,
    PreviewLine,
    act_of,
    divides,
    moved,
    scaled,
    share,
    to_confirm,
)
from aggregator.domain.slot import slot_of
from aggregator.errors import Conflict
from aggregator.store import binding
from aggregator.store import preview as names
from aggregator.store.database import Connection
from aggregator.store.estimate import SeriesEstimate, price_in

# An act on more assets than this is estimated from so many of them, spread evenly; a dry run has to be quick.
ASSETS_LOOKED_AT_MAX = 500

_Prices = Mapping[tuple[int, int], SeriesEstimate]


async def preview_assets(conn: Connection, assets: Sequence[int], *, now: datetime) -> Preview:
    """What rules and filters, as they are in this transaction, would change of these assets. Nothing is saved."""
    step = max(1, -(-len(assets) // ASSETS_LOOKED_AT_MAX))
    looked_at = sorted(assets)[::step]
    loaded = await binding.load_assets(conn, looked_at)
    world = await binding.load_world(conn, looked_at, assets=loaded)
    preview = await preview_plans(conn, {one.id: plan(one, world) for one in loaded}, world, now=now)
    preview = scaled(preview, of=len(assets), looked_at=len(looked_at))
    return replace(
        preview, confirm_assets=to_confirm(preview.assets, total_assets=await names.assets_total(conn))
    )


async def preview_plans(
    conn: Connection, plans: Mapping[int, Plan], world: World, *, now: datetime
) -> Preview:
    """What the plans (by asset) would change. Ask before they are saved; the estimate is of usage until ``now``."""
    owners = {key: found for key, one in plans.items() if (found := moved(one.assignment))}
    series = {
        key: found
        for one in plans.values()
        for key, change in one.bindings.items()
        if (found := moved(change))
    }
    concerned = set(owners) | {
        key for key, one in plans.items() if any(series_id in series for series_id in one.bindings)
    }
    pairs = sorted({(key, span[0]) for key, one in series.items() for span in (*one.lost, *one.got)})
    prices = await price_in(conn, pairs, now=now) if pairs else {}
    lines = await _assignment_lines(conn, owners)
    bound, unpriced = await _binding_lines(conn, series, world, prices, now=now)
    lines += bound
    money: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in bound:
        if line.money is not None:
            money[line.currency] += line.money
    readings: Counter[int] = Counter()
    for (series_id, _), price in prices.items():
        readings[series_id] = max(readings[series_id], price.readings)
    lines.sort(key=lambda line: (-abs(line.money or Decimal()), line.asset_name, line.unit_type))
    return Preview(
        assets=len(concerned),
        series=len(series),
        readings=readings.total(),
        money={currency: amount for currency, amount in money.items() if amount},
        unpriced=unpriced,
        lines=lines[:LINES_MAX],
        lines_total=len(lines),
        notes=await _notes(conn, series.values(), world, now=now),
        confirm_assets=to_confirm(len(concerned), total_assets=await names.assets_total(conn)),
    )


def confirm(preview: Preview, *, confirmed_assets: int, total_assets: int) -> None:
    """Raises ``Conflict`` for an act on more than a tenth of all assets whose number nobody has confirmed."""
    asked = to_confirm(preview.assets, total_assets=total_assets)
    if asked and confirmed_assets != asked:
        raise Conflict(
            f"this concerns {asked} of {total_assets} assets; look at the dry run, then repeat it with "
            f"{asked} confirmed"
        )


async def _assignment_lines(conn: Connection, owners: Mapping[int, Moved]) -> list[PreviewLine]:
    spans = [span for one in owners.values() for span in (*one.lost, *one.got)]
    clients = await names.client_names(conn, {span[0] for span in spans}) if spans else {}
    assets = await names.asset_names(conn, owners) if owners else {}
    return [
        PreviewLine(
            act=act_of(one, take="assign", give="assign", lose="unassign"),
            asset_id=key,
            asset_name=assets.get(key, ""),
            from_name=clients.get(one.lost_last or 0, ""),
            to_name=clients.get(one.got_last or 0, ""),
        )
        for key, one in owners.items()
    ]


async def _binding_lines(
    conn: Connection, series: Mapping[int, Moved], world: World, prices: _Prices, *, now: datetime
) -> tuple[list[PreviewLine], int]:
    """Lines with their money, one for each currency, and how many series have no price."""
    if not series:
        return [], 0
    bucket_ids = {span[0] for one in series.values() for span in (*one.lost, *one.got)}
    buckets = {key: one.name for key, one in (await names.buckets(conn, bucket_ids, now=now)).items()}
    known = await names.series(conn, series)
    lines, unpriced = [], 0
    for key, one in series.items():
        amounts, priced = _money(key, one, world, prices, now=now)
        unpriced += not priced
        of = known[key]
        line = PreviewLine(
            act=act_of(one, take="take", give="bind", lose="release"),
            asset_id=of.asset_id,
            asset_name=of.asset_name,
            unit_type=of.unit_type,
            from_name=buckets.get(one.lost_last or 0, ""),
            to_name=buckets.get(one.got_last or 0, ""),
        )
        lines += [replace(line, currency=currency, money=amount) for currency, amount in amounts.items()] or [
            line
        ]
    return lines, unpriced


def _money(
    series_id: int, change: Moved, world: World, prices: _Prices, *, now: datetime
) -> tuple[dict[str, Decimal], bool]:
    """By currency what is billed more, for the part of the estimated time that changes hands; whether all had a price."""
    amounts: dict[str, Decimal] = {}
    priced = True
    for spans, sign in ((change.got, 1), (change.lost, -1)):
        for span in spans:
            price = prices.get((series_id, span[0]))
            if price is None or price.money is None or price.currency is None:
                priced = False
                continue
            part = share(span, from_slot=_since(span[0], world, now=now), to_slot=slot_of(now))
            amount = (price.money * part.numerator / part.denominator).quantize(price.money)
            amounts[price.currency] = amounts.get(price.currency, Decimal()) + sign * amount
    return amounts, priced


def _since(bucket_id: int, world: World, *, now: datetime) -> int:
    """Where the time begins that estimates are about, to within what a calendar month and a period differ."""
    month = slot_of(now.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    finalised = world.finalised_of_bucket(bucket_id)
    return max(month, finalised) if finalised < slot_of(now) else month


async def _notes(conn: Connection, changes: Iterable[Moved], world: World, *, now: datetime) -> list[str]:
    """How what moves within a period is divided."""
    divided = {
        owner
        for one in changes
        if one.lost and one.got
        for owner, from_slot, _ in one.got
        if from_slot > _since(owner, world, now=now)
    }
    if not divided:
        return []
    buckets = await names.buckets(conn, divided, now=now)
    return divides(one.aggregation for one in buckets.values() if one.aggregation)

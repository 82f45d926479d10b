"""Dry runs: what binding plans would change, in words and estimated money, and what has to be confirmed first.

The plans are those that would be saved, so that no rule exists twice.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from aggregator.domain.bind import NOTHING, Plan, World, plan
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
    within_commits,
)
from aggregator.domain.slot import OPEN_SLOT
from aggregator.errors import Conflict
from aggregator.store import binding
from aggregator.store import preview as names
from aggregator.store.database import Connection
from aggregator.store.estimate import PairEstimate, price_in

# The money of an act that changes more assets than this is estimated from so many of them, spread evenly: a dry run has to
# be quick. How many it changes is never estimated, for that is what people confirm.
ASSETS_PRICED_MAX = 500
ASSETS_LOADED_AT_ONCE_MAX = 5_000

_Prices = Mapping[tuple[int, int], PairEstimate]


async def preview_assets(conn: Connection, assets: Sequence[int], *, now: datetime) -> Preview:
    """What rules and filters, as they are in this transaction, would change of these assets. Nothing is saved."""
    changed, world = await _changed(conn, sorted(assets))
    step = max(1, -(-len(changed) // ASSETS_PRICED_MAX))
    priced = dict(list(changed.items())[::step])
    preview = await preview_plans(conn, priced, world, now=now)
    if step == 1:
        return preview
    series = sum(len(one.bindings) for one in changed.values())
    return replace(
        scaled(preview, of=len(changed), looked_at=len(priced)),
        assets=len(changed),
        series=series,
        lines_total=series + sum(bool(one.assignment) for one in changed.values()),
        notes=[
            *preview.notes,
            f"Money is worked out for {len(priced)} of {len(changed)} assets and scaled up.",
        ],
        confirm_assets=to_confirm(len(changed), total_assets=await names.assets_total(conn)),
    )


async def _changed(conn: Connection, assets: Sequence[int]) -> tuple[dict[int, Plan], World]:
    """The plans of those assets that would change hands, and the finalised time of whom they name."""
    changed: dict[int, Plan] = {}
    finalised: dict[int, int] = {}
    owners: dict[int, int] = {}
    for at in range(0, len(assets), ASSETS_LOADED_AT_ONCE_MAX):
        part = assets[at : at + ASSETS_LOADED_AT_ONCE_MAX]
        loaded = await binding.load_assets(conn, part)
        world = await binding.load_world(conn, part, assets=loaded)
        changed |= {one.id: found for one in loaded if (found := _moving(plan(one, world)))}
        finalised |= world.finalised
        owners |= world.owners
    return changed, World(finalised=finalised, owners=owners)


def _moving(one: Plan) -> Plan:
    """What of the plan takes time from somebody or gives it; another rule for the same client does not."""
    return Plan(
        one.assignment if moved(one.assignment) else NOTHING,
        {key: change for key, change in one.bindings.items() if moved(change)},
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
    bound, unpriced = await _binding_lines(conn, series, prices, now=now)
    lines += bound
    money: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in bound:
        if line.money is not None:
            money[line.currency] += line.money
    readings: Counter[int] = Counter()
    for key, one in series.items():
        readings[key] = max(_readings(key, spans, prices) for spans in (one.got, one.lost))
    lines.sort(key=lambda line: (-abs(line.money or Decimal()), line.asset_name, line.unit_type))
    return Preview(
        assets=len(concerned),
        series=len(series),
        readings=readings.total(),
        money={currency: amount for currency, amount in money.items() if amount},
        unpriced=unpriced,
        lines=lines[:LINES_MAX],
        lines_total=len(lines),
        notes=await _notes(conn, series, prices, now=now),
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
    conn: Connection, series: Mapping[int, Moved], prices: _Prices, *, now: datetime
) -> tuple[list[PreviewLine], int]:
    """Lines with their money, one for each currency, and how many series have no price."""
    if not series:
        return [], 0
    bucket_ids = {span[0] for one in series.values() for span in (*one.lost, *one.got)}
    buckets = {key: one.name for key, one in (await names.buckets(conn, bucket_ids, now=now)).items()}
    known = await names.series(conn, series)
    lines, unpriced = [], 0
    for key, one in series.items():
        amounts, priced = _money(key, one, prices)
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


def _money(series_id: int, change: Moved, prices: _Prices) -> tuple[dict[str, Decimal], bool]:
    """By currency what is billed more, for the parts of unfinalised periods that change hands; whether all had a price."""
    amounts: dict[str, Decimal] = {}
    priced = True
    for spans, sign in ((change.got, 1), (change.lost, -1)):
        for span in spans:
            found = prices.get((series_id, span[0]))
            for window in found.windows if found is not None else ():
                if found is None or found.currency is None or window.money is None:
                    priced = False
                    continue
                part = share(span, from_slot=window.from_slot, to_slot=window.to_slot)
                amount = (window.money * part.numerator / part.denominator).quantize(window.money)
                amounts[found.currency] = amounts.get(found.currency, Decimal()) + sign * amount
            priced &= found is not None
    return amounts, priced


def _readings(series_id: int, spans: Iterable[tuple[int, int, int]], prices: _Prices) -> int:
    """About how many of the series' readings lie in these spans."""
    found = Fraction(0)
    for span in spans:
        price = prices.get((series_id, span[0]))
        for window in price.windows if price is not None else ():
            found += window.readings * share(span, from_slot=window.from_slot, to_slot=window.to_slot)
    return round(found)


async def _notes(
    conn: Connection, series: Mapping[int, Moved], prices: _Prices, *, now: datetime
) -> list[str]:
    """How what moves within a period is divided, and what the money leaves out."""
    divided = set()
    for key, one in series.items():
        for span in one.got if one.lost else ():
            price = prices.get((key, span[0]))
            windows = price.windows if price is not None else ()
            # The open period ends after now.
            ends = [OPEN_SLOT, *(window.to_slot for window in windows[1:])]
            if any(w.from_slot < span[1] < end for w, end in zip(windows, ends, strict=False)):
                divided.add(span[0])
    concerned = {span[0] for one in series.values() for span in (*one.lost, *one.got)}
    buckets = await names.buckets(conn, concerned, now=now) if concerned else {}
    return [
        *divides(one.aggregation for key, one in buckets.items() if key in divided and one.aggregation),
        *within_commits(one.name for one in buckets.values() if one.commit),
    ]

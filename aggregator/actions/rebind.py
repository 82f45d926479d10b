"""Works out assignments and bindings again where an asset, a rule or a bucket changed, and saves the difference.

One transaction per chunk of assets; any number of programs may do it at once.
"""

from collections.abc import Callable, Sequence

from aggregator.actions.progress import Progress, silent
from aggregator.domain.bind import Asset, Plan, World, plan
from aggregator.store import binding
from aggregator.store.database import Connection, Database
from aggregator.store.news import announce
from aggregator.store.preview import assets_total

# Large enough that what decides about them, which is read anew each time, costs less than they do.
ASSETS_PER_TRANSACTION_MAX = 5_000


async def rebind(db: Database, *, everything: bool = False, progress: Progress = silent) -> dict[str, int]:
    """Does all that is flagged; returns how many assets, and how many assignments and bindings changed.

    With ``everything`` all assets are looked at, flagged or not: it proves that nothing was missed.
    """
    counts = {"assets": 0, "assignments": 0, "bindings": 0}
    async with db.transaction() as conn:
        total = await (assets_total(conn) if everything else binding.count_flagged(conn))
    after = 0 if everything else None
    while after is not None:
        async with db.transaction() as conn:
            after, right = await _flag_wrong(conn, after=after)
        counts["assets"] += right
        await progress(counts, done=counts["assets"], total=max(total, counts["assets"]))
    while True:
        async with db.transaction() as conn:
            await binding.share_rules(conn)
            assets = await binding.take_flagged(conn, assets_max=ASSETS_PER_TRANSACTION_MAX)
            if not assets:
                return counts
            _, assignments, bindings = await rebind_assets(conn, assets)
        counts["assets"] += len(assets)
        counts["assignments"] += assignments
        counts["bindings"] += bindings
        await progress(counts, done=counts["assets"], total=max(total, counts["assets"]))


async def _flag_wrong(conn: Connection, *, after: int) -> tuple[int | None, int]:
    """Flags those of the next assets that are not what they should be; returns how far it came and how many are right.

    Locks and writes none of these, nearly all. What changes meanwhile is flagged by whoever changes it; what only looks
    wrong for that is worked out again under its lock.
    """
    await binding.share_rules(conn)
    assets = await binding.next_unflagged(conn, after=after, assets_max=ASSETS_PER_TRANSACTION_MAX)
    if not assets:
        return None, 0
    loaded = await binding.load_assets(conn, assets)
    world = await binding.load_world(conn, assets, assets=loaded)
    wrong = [asset.id for asset in loaded if plan(asset, world)]
    await binding.flag(conn, wrong)
    return assets[-1], len(assets) - len(wrong)


async def rebind_assets(
    conn: Connection,
    assets: Sequence[int],
    *,
    also: Sequence[int] = (),
    decide: Callable[[Asset, World], Plan] = plan,
) -> tuple[int, int, int]:
    """Applies rules and filters to locked assets; returns how many changed hands, then assignments and bindings changed.

    The caller holds the rules (``share_rules``) and the assets. ``decide`` may put a decision by hand before the rules;
    ``also`` are clients that it may name.
    """
    loaded = await binding.load_assets(conn, assets)
    world = await binding.load_world(conn, assets, also=also, assets=loaded)
    plans = {asset.id: decide(asset, world) for asset in loaded}
    assignments, bindings = await binding.save(conn, plans)
    await binding.clear_flags(conn, assets)
    if assignments or bindings:
        await announce(conn, "asset", "bucket")
    return sum(bool(made.assignment) for made in plans.values()), assignments, bindings

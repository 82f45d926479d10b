"""What every change of buckets does at its end: it says what changes hands, asks whether that is meant, and flags it.

The binding run does the rest. Responsible for which assets a change can concern: those that fit before or after it, and
those that are bound.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aggregator.actions.preview import confirm, preview_assets
from aggregator.domain.match import Filter
from aggregator.domain.preview import Preview
from aggregator.errors import Invalid, NotFound
from aggregator.store import agreements, binding, rules
from aggregator.store import preview as names
from aggregator.store.agreements import HeldBucket
from aggregator.store.database import Connection
from aggregator.store.news import announce

# One transaction; more are asked for in several.
BUCKETS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Changed:
    """The bucket (0 where a dry run made none) and what came of the change, or would come."""

    bucket_id: int
    preview: Preview


async def held_bucket(conn: Connection, bucket_id: int) -> HeldBucket:
    """The bucket, kept from other changes. Raises ``NotFound``."""
    return (await held_buckets(conn, [bucket_id]))[0]


async def held_buckets(conn: Connection, ids: Sequence[int]) -> list[HeldBucket]:
    """The same of several. Raises ``NotFound`` for the first that does not exist, ``Invalid`` for none or too many."""
    wanted = set(ids)
    if not wanted:
        raise Invalid("ids", "is empty; name at least one bucket")
    if len(wanted) > BUCKETS_MAX:
        raise Invalid("ids", f"has {len(wanted)}; at most {BUCKETS_MAX} can be changed at once")
    held = await agreements.hold(conn, wanted)
    if missing := wanted - {bucket.id for bucket in held}:
        raise NotFound("bucket", min(missing))
    return held


async def settle(
    conn: Connection,
    buckets: Sequence[HeldBucket],
    *,
    takes: Sequence[Sequence[Filter]],
    confirmed_assets: int | None,
) -> Preview:
    """What changes hands by what was changed in this transaction, whose assets are flagged for the binding run.

    ``takes``: of each bucket what it takes, before and after. With ``confirmed_assets`` None it is a dry run, which asks
    for nothing and flags nothing.
    """
    concerned: set[int] = set(await rules.assets_of_buckets(conn, [bucket.id for bucket in buckets]))
    for bucket in buckets:
        for filters in takes:
            concerned.update(
                await rules.fitting_assets(
                    conn, filters, client_id=bucket.client_id, source_type_id=bucket.source_type_id
                )
            )
    preview = await preview_assets(conn, sorted(concerned), now=await names.now(conn))
    if confirmed_assets is None:
        return preview
    confirm(preview, confirmed_assets=confirmed_assets, total_assets=await names.assets_total(conn))
    await flag(conn, buckets, concerned)
    return preview


async def flag(conn: Connection, buckets: Sequence[HeldBucket], assets: Collection[int]) -> None:
    """Has the assets worked out again, and tells that the buckets changed."""
    await binding.flag(conn, assets)
    await announce(conn, "bucket", clients={bucket.client_id for bucket in buckets})

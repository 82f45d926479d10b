"""Changes what a bucket is called, what it takes and before which others; the next binding run moves what that concerns."""

from collections.abc import Sequence

from aggregator.actions import given
from aggregator.actions.buckets_changed import flag, held_bucket, settle
from aggregator.domain.match import Filter
from aggregator.domain.preview import Preview
from aggregator.errors import Conflict
from aggregator.store import agreements, binding, inventory
from aggregator.store.database import Database


async def update_bucket(
    db: Database,
    bucket_id: int,
    *,
    name: str | None = None,
    priority: int | None = None,
    filters: Sequence[Filter] | None = None,
    dry_run: bool = False,
    confirmed_assets: int = 0,
) -> Preview:
    """What changes hands. None leaves a field as it is; ``dry_run`` saves nothing.

    Raises ``Invalid`` naming the field, ``NotFound``, and ``Conflict`` for a name that is taken or when more has to be
    confirmed.
    """
    cleaned = None if name is None else given.name("name", name)
    checked = None if filters is None else given.filters("filters", filters)
    if priority is not None:
        given.priority("priority", priority)
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        await binding.hold_rules(conn)
        bucket = await held_bucket(conn, bucket_id)
        if cleaned is not None and await agreements.is_named(conn, bucket, cleaned):
            raise Conflict(f"{bucket.client_name} has a bucket {cleaned} already; choose another name")
        await agreements.describe(
            conn,
            bucket.id,
            name=bucket.name if cleaned is None else cleaned,
            priority=bucket.priority if priority is None else priority,
        )
        before = bucket.conditions()
        if checked is not None and list(checked) != before:
            stored = [inventory.stored(one.conditions) for one in checked]
            await agreements.replace_filters(conn, bucket.id, stored)
        elif priority in (None, bucket.priority):
            # Another name moves nothing.
            await flag(conn, [bucket], [])
            return Preview()
        takes = [before] if checked is None else [before, checked]
        return await settle(
            conn, [bucket], takes=takes, confirmed_assets=None if dry_run else confirmed_assets
        )

"""Adds dated terms to a bucket, or puts others in the place of those that start on the same day; and takes terms away."""

from aggregator.actions import given
from aggregator.actions.buckets_changed import held_bucket
from aggregator.actions.given_terms import GivenTerms, read_terms
from aggregator.actions.terms_changed import settle_terms
from aggregator.domain.preview import Preview
from aggregator.errors import Conflict, NotFound
from aggregator.store import agreements, binding
from aggregator.store.database import Database

TERMS_MAX = 500


async def set_terms(db: Database, bucket_id: int, terms: GivenTerms, *, dry_run: bool = False) -> Preview:
    """What the terms change in time that is not finalised; ``dry_run`` saves nothing.

    Raises ``Invalid`` naming the field, ``NotFound``, and ``Conflict`` for terms in finalised time and for those by which
    a disabled bucket would go on.
    """
    wanted = read_terms("terms", terms)
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        await binding.hold_rules(conn)
        bucket = await held_bucket(conn, bucket_id)
        before = await agreements.terms(conn, [bucket.id])
        own = before.get(bucket.id, ())
        same_day = next((one for one in own if one.starts_on == wanted.starts_on), None)
        if same_day is not None:
            await agreements.replace_terms(conn, same_day.id, wanted)
        elif len(own) >= TERMS_MAX:
            raise Conflict(
                f"the bucket has {len(own)} dated terms, which is as many as it can have; delete some first"
            )
        else:
            await agreements.add_terms(conn, bucket.id, wanted)
        return await settle_terms(conn, [bucket], before=before)


async def delete_terms(db: Database, bucket_id: int, *, starts_on: str, dry_run: bool = False) -> Preview:
    """What it changes that the terms which start on the day are gone; those before them hold on.

    Raises ``Invalid`` for what is no day, ``NotFound``, and ``Conflict`` for terms that are finalised or the only ones.
    """
    day = given.day("starts_on", starts_on)
    async with db.transaction() as conn, conn.transaction(force_rollback=dry_run):
        await binding.hold_rules(conn)
        bucket = await held_bucket(conn, bucket_id)
        before = await agreements.terms(conn, [bucket.id])
        own = before.get(bucket.id, ())
        found = next((one for one in own if one.starts_on == day), None)
        if found is None:
            raise NotFound("terms of this bucket that start on", day)
        if len(own) == 1:
            raise Conflict("these are the bucket's only terms; set others first, or disable the bucket")
        await agreements.remove_terms(conn, found.id)
        return await settle_terms(conn, [bucket], before=before)

"""What people do with buckets: make and change them, agree on terms, end them and let them go on."""

from collections.abc import Iterable

from aggregator.actions.create_bucket import create_bucket
from aggregator.actions.given_terms import GivenTerms
from aggregator.actions.set_buckets_enabled import BucketsActed, review_buckets, set_buckets_enabled
from aggregator.actions.set_terms import delete_terms, set_terms
from aggregator.actions.update_bucket import update_bucket
from aggregator.domain.match import Filter
from aggregator.domain.preview import Preview
from aggregator.errors import NotFound
from aggregator.rpc import convert, convert_buckets
from aggregator.rpc.convert_preview import to_message
from aggregator.rpc.server import Context
from aggregator.store import buckets
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import agreements_pb2, asset_acts_pb2, inventory_pb2, types_pb2


class BucketActs:
    """Part of the service Inventory."""

    _db: Database

    async def CreateBucket(
        self, request: inventory_pb2.CreateBucketRequest, context: Context
    ) -> inventory_pb2.CreateBucketReply:
        """The bucket as it is from now on; the next binding run fills it."""
        made = await create_bucket(
            self._db,
            client_id=request.client_id,
            name=request.name,
            source_type=request.source_type,
            unit_type=request.unit_type,
            priority=request.priority,
            filters=_filters(request.filters),
            terms=_terms(request.terms),
            dry_run=request.dry_run,
            confirmed_assets=request.confirmed_assets,
        )
        return inventory_pb2.CreateBucketReply(
            bucket=await self._shown(made.bucket_id) if made.bucket_id else None,
            preview=to_message(made.preview),
        )

    async def UpdateBucket(
        self, request: agreements_pb2.UpdateBucketRequest, context: Context
    ) -> inventory_pb2.UpdateBucketReply:
        """Name, filters and priority; what is absent stays as it is."""
        preview = await update_bucket(
            self._db,
            request.id,
            name=request.name if request.HasField("name") else None,
            priority=request.priority if request.HasField("priority") else None,
            filters=_filters(request.filters) if request.set_filters else None,
            dry_run=request.dry_run,
            confirmed_assets=request.confirmed_assets,
        )
        return await self._updated(request.id, preview)

    async def SetTerms(
        self, request: agreements_pb2.SetTermsRequest, context: Context
    ) -> inventory_pb2.UpdateBucketReply:
        """Adds dated terms, or replaces those of the same day."""
        preview = await set_terms(self._db, request.bucket_id, _terms(request.terms), dry_run=request.dry_run)
        return await self._updated(request.bucket_id, preview)

    async def DeleteTerms(
        self, request: agreements_pb2.DeleteTermsRequest, context: Context
    ) -> inventory_pb2.UpdateBucketReply:
        """Takes away the terms of a day."""
        preview = await delete_terms(
            self._db, request.bucket_id, starts_on=request.starts_on, dry_run=request.dry_run
        )
        return await self._updated(request.bucket_id, preview)

    async def SetBucketsEnabled(
        self, request: agreements_pb2.SetBucketsEnabledRequest, context: Context
    ) -> asset_acts_pb2.ActReply:
        """All of them or none, from a local midnight on."""
        done = await set_buckets_enabled(
            self._db, request.ids, enabled=request.enabled, on=request.on, dry_run=request.dry_run
        )
        return _acted(done)

    async def ReviewBuckets(
        self, request: agreements_pb2.ReviewBucketsRequest, context: Context
    ) -> asset_acts_pb2.ActReply:
        """Somebody has looked at them; or somebody has to."""
        return _acted(await review_buckets(self._db, request.ids, reviewed=request.reviewed))

    async def _updated(self, bucket_id: int, preview: Preview) -> inventory_pb2.UpdateBucketReply:
        return inventory_pb2.UpdateBucketReply(
            bucket=await self._shown(bucket_id), preview=to_message(preview)
        )

    async def _shown(self, bucket_id: int) -> inventory_pb2.Bucket:
        async with snapshot(self._db) as seen:
            detail = await buckets.get_bucket(seen, bucket_id)
        if detail is None:
            raise NotFound("bucket", bucket_id)
        return convert_buckets.bucket(detail, seen.now)


def _filters(messages: Iterable[types_pb2.Filter]) -> list[Filter]:
    return [convert.to_filter(f"filters[{place}]", one) for place, one in enumerate(messages, start=1)]


def _terms(message: agreements_pb2.Terms) -> GivenTerms:
    return GivenTerms(
        starts_on=message.starts_on,
        ends_on=message.ends_on,
        commit=message.commit,
        base_price=message.base_price,
        overage_price=message.overage_price,
        aggregation=message.aggregation,
        package=message.package,
        minimum=message.minimum,
        maximum=message.maximum,
        tiers=[(tier.above, tier.price) for tier in message.tiers],
        gap_rule=message.gap_rule,
        prorate=message.prorate,
    )


def _acted(done: BucketsActed) -> asset_acts_pb2.ActReply:
    return asset_acts_pb2.ActReply(
        changed=done.changed, preview=to_message(done.preview), audit_group=done.audit_group
    )

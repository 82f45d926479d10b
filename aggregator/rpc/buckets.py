"""Buckets and their terms, for people."""

from aggregator.actions.create_bucket import create_bucket
from aggregator.errors import NotFound
from aggregator.rpc import convert
from aggregator.rpc.pages import page_info, search_text, to_paging
from aggregator.rpc.server import Context
from aggregator.store import buckets
from aggregator.store.buckets import BucketFilter
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import inventory_pb2


class BucketMethods:
    """Part of the service Inventory."""

    _db: Database

    async def ListBuckets(
        self, request: inventory_pb2.ListBucketsRequest, context: Context
    ) -> inventory_pb2.ListBucketsReply:
        """A page of buckets."""
        paging = to_paging(request.page, buckets.SORTS)
        wanted = BucketFilter(
            search=search_text(request.search),
            client_id=request.client_id or None,
            source_type=search_text(request.source_type) or None,
            unit_type=search_text(request.unit_type) or None,
        )
        async with snapshot(self._db) as seen:
            page = await buckets.list_buckets(seen, paging, wanted)
        return inventory_pb2.ListBucketsReply(
            buckets=[convert.bucket(detail, seen.now) for detail in page.rows], page=page_info(page, paging)
        )

    async def CreateBucket(
        self, request: inventory_pb2.CreateBucketRequest, context: Context
    ) -> inventory_pb2.CreateBucketReply:
        """The bucket as it is from now on; the next binding run fills it."""
        terms = request.terms
        bucket_id = await create_bucket(
            self._db,
            client_id=request.client_id,
            name=request.name,
            source_type=request.source_type,
            unit_type=request.unit_type,
            priority=request.priority,
            filters=[
                convert.to_filter(f"filters[{place}]", one)
                for place, one in enumerate(request.filters, start=1)
            ],
            starts_on=terms.starts_on,
            commit=terms.commit,
            base_price=terms.base_price,
            overage_price=terms.overage_price,
            aggregation=terms.aggregation,
        )
        async with snapshot(self._db) as seen:
            detail = await buckets.get_bucket(seen, bucket_id)
        if detail is None:
            raise NotFound("bucket", bucket_id)
        return inventory_pb2.CreateBucketReply(bucket=convert.bucket(detail, seen.now))

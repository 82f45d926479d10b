"""Buckets and their terms, for people."""

from aggregator.errors import NotFound
from aggregator.rpc import convert_buckets
from aggregator.rpc.pages import page_info, search_text, to_paging
from aggregator.rpc.scope import client_of_caller, narrowed
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
            client_id=narrowed(request.client_id),
            source_type=search_text(request.source_type) or None,
            unit_type=search_text(request.unit_type) or None,
            not_reviewed=request.not_reviewed,
            enabled=request.enabled,
            disabled=request.disabled,
            over=request.over,
        )
        async with snapshot(self._db) as seen:
            page = await buckets.list_buckets(seen, paging, wanted)
        return inventory_pb2.ListBucketsReply(
            buckets=[convert_buckets.bucket(detail, seen.now) for detail in page.rows],
            page=page_info(page, paging),
        )

    async def GetBucket(
        self, request: inventory_pb2.GetBucketRequest, context: Context
    ) -> inventory_pb2.Bucket:
        """Raises ``NotFound``, also for another client's than the caller's own."""
        async with snapshot(self._db) as seen:
            detail = await buckets.get_bucket(seen, request.id)
        if detail is None or client_of_caller() not in (None, detail.bucket.client_id):
            raise NotFound("bucket", request.id)
        return convert_buckets.bucket(detail, seen.now)

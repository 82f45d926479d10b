"""Suggestions of whose assets are, for people."""

from aggregator.actions.suggest import suggest
from aggregator.errors import Invalid
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from aggregator.store.snapshot import snapshot
from ullage.v1 import asset_acts_pb2

SUGGESTED_ASSETS_MAX = 500


class SuggestionMethods:
    """Part of the service Inventory."""

    _db: Database

    async def SuggestBindings(
        self, request: asset_acts_pb2.SuggestBindingsRequest, context: Context
    ) -> asset_acts_pb2.SuggestBindingsReply:
        """For those of the assets for which something speaks clearly, in the order in which they were asked for."""
        if len(request.asset_ids) > SUGGESTED_ASSETS_MAX:
            raise Invalid(
                "asset_ids", f"at most {SUGGESTED_ASSETS_MAX} at once; ask for the rest in another call"
            )
        async with snapshot(self._db) as seen:
            found = await suggest(seen.conn, request.asset_ids)
        return asset_acts_pb2.SuggestBindingsReply(
            suggestions=[
                asset_acts_pb2.Suggestion(
                    asset_id=one.asset_id,
                    client_id=one.client_id,
                    client_name=one.client_name,
                    buckets=[
                        asset_acts_pb2.SuggestedBucket(
                            bucket_id=bucket.id, bucket_name=bucket.name, unit_type=bucket.unit_type
                        )
                        for bucket in one.buckets
                    ],
                    reason=one.reason,
                    confidence=one.confidence,
                    group=one.group,
                    like_asset_ids=one.like_asset_ids,
                )
                for asset_id in dict.fromkeys(request.asset_ids)
                if (one := found.get(asset_id)) is not None
            ]
        )

"""Suggests, for assets, the client and buckets that the most similar bound assets have. Changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aggregator.domain.suggest import buckets_like, likeness, pattern_of, reason
from aggregator.store import suggest as stored
from aggregator.store.database import Connection
from aggregator.store.suggest import BucketName


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Whose an asset probably is and where it belongs. No buckets: assigning is all that is suggested.

    ``group`` is shared by assets with the same suggestion and the same pattern of name.
    """

    asset_id: int
    client_id: int
    client_name: str
    buckets: Sequence[BucketName]
    reason: str
    confidence: int
    group: str
    like_asset_ids: Sequence[int]


async def suggest(conn: Connection, asset_ids: Sequence[int]) -> Mapping[int, Suggestion]:
    """By asset; left out are those for which nothing speaks clearly, and those that need nothing.

    Never against what is decided: of an asset that has a client only buckets of that client.
    """
    asked = await stored.subjects(conn, list(dict.fromkeys(asset_ids)))
    needing = [one for one in asked if one.client_id is None or one.unit_types]
    traits = {trait for one in needing for trait in one.traits}
    neighbours = await stored.neighbours(conn, traits)
    found = [(one, like) for one in needing if (like := likeness(one, neighbours)) is not None]
    bound = await stored.bound(conn, {asset for _, like in found for asset in like.like})
    chosen = [(one, like, buckets_like(one, like, bound)) for one, like in found]
    clients = await stored.client_names(conn, {like.client_id for _, like, _ in chosen})
    buckets = await stored.bucket_names(conn, {bucket for _, _, own in chosen for bucket in own.values()})
    names = await stored.asset_names(conn, {asset for _, like, _ in chosen for asset in like.like[:2]})
    return {
        one.id: Suggestion(
            asset_id=one.id,
            client_id=like.client_id,
            client_name=clients[like.client_id],
            buckets=[buckets[bucket] for bucket in own.values()],
            reason=reason(
                like, names=[names[asset] for asset in like.like[:2]], client_name=clients[like.client_id]
            ),
            confidence=like.confidence,
            group="/".join([str(like.client_id), pattern_of(one), ",".join(map(str, own.values()))]),
            like_asset_ids=like.like,
        )
        for one, like, own in chosen
        if own or one.client_id is None
    }

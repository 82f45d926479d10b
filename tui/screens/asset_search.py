"""What fields of forms about assets look for at the aggregator: clients, buckets, assets, agents."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tui.client import AssetQuery, Page
from tui.desk import Desk
from tui.dialogs.fields import HITS_SHOWN, Found
from tui.format import clean
from ullage.v1 import agents_pb2, inventory_pb2

Asset = inventory_pb2.Asset
# What is typed, and chosen, for an asset that shall be nobody's.
NOBODY = "nobody"
NO_CLIENT = "0"


class Clients:
    """Finds clients by a part of a name; remembers how those that it found are called, for sentences."""

    def __init__(self, desk: Desk, *, nobody: bool = False) -> None:
        self._desk = desk
        self.nobody = nobody
        self.names: dict[str, str] = {}

    async def __call__(self, wanted: str) -> Sequence[Found]:
        """Of those that fit, the first by name; with ``nobody`` that too, where it fits."""
        page = Page(HITS_SHOWN, sort="name")
        reply = await self._desk.aggregator.clients(page, search=wanted)
        hits = [(str(one.id), one.name) for one in reply.clients]
        if self.nobody and NOBODY.startswith(wanted.casefold()):
            # Behind the clients: what is taken unseen is never the end of an assignment.
            hits = [*hits[: HITS_SHOWN - 1], (NO_CLIENT, f"{NOBODY}: ends the assignment")]
        self.names |= dict(hits)
        return hits


class Buckets:
    """Finds enabled buckets that could count these assets, those of the assets' own client first."""

    def __init__(self, desk: Desk, assets: Sequence[Asset]) -> None:
        self._desk = desk
        self._client = _same(asset.client_id for asset in assets) or 0
        self._source = _same(asset.source_type for asset in assets) or ""
        self.names: dict[str, str] = {}

    async def __call__(self, wanted: str) -> Sequence[Found]:
        """By a part of the bucket's or the client's name."""
        found = await self._ask(wanted, self._client)
        if self._client and len(found) < HITS_SHOWN:
            known = {one.id for one in found}
            found += [one for one in await self._ask(wanted, 0) if one.id not in known]
        hits = [(str(one.id), _bucket_label(one)) for one in found[:HITS_SHOWN]]
        self.names |= {str(one.id): f"{one.client_name}/{one.name}" for one in found}
        return hits

    async def _ask(self, wanted: str, client_id: int) -> list[inventory_pb2.Bucket]:
        request = inventory_pb2.ListBucketsRequest(
            page=Page(HITS_SHOWN).message(),
            search=wanted,
            client_id=client_id,
            source_type=self._source,
            enabled=True,
        )
        reply = await self._desk.aggregator.ask(self._desk.aggregator.inventory.ListBuckets, request)
        return list(reply.buckets)


class Assets:
    """Finds assets that one could be merged with: of its source type, not itself."""

    def __init__(self, desk: Desk, of: Asset) -> None:
        self._desk = desk
        self._of = of
        self.names: dict[str, str] = {}

    async def __call__(self, wanted: str) -> Sequence[Found]:
        """By a part of name, external id or description."""
        query = AssetQuery(search=wanted, source_type=self._of.source_type)
        reply = await self._desk.aggregator.assets(Page(HITS_SHOWN + 1), query)
        found = [one for one in reply.assets if one.id != self._of.id][:HITS_SHOWN]
        self.names |= {str(one.id): one.name for one in found}
        return [(str(one.id), asset_label(one)) for one in found]


class Agents:
    """Finds agents by a part of a name; their names are the values."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, wanted: str) -> Sequence[Found]:
        """Of those that fit the first by name."""
        page = Page(HITS_SHOWN, sort="name")
        request = agents_pb2.ListAgentsRequest(page=page.message(), search=wanted)
        reply = await self._desk.aggregator.ask(self._desk.aggregator.admin.ListAgents, request)
        return [(one.name, f"{one.name}, site {one.site}") for one in reply.agents]


class Texts:
    """Finds among texts that are known here already, and takes what was typed as it is."""

    def __init__(self, known: Callable[[], Iterable[str]]) -> None:
        self._known = known

    async def __call__(self, wanted: str) -> Sequence[Found]:
        """Those that contain it, then what was typed."""
        found = [one for one in dict.fromkeys(self._known()) if one and wanted.casefold() in one.casefold()]
        if wanted and wanted not in found:
            found = [*found[: HITS_SHOWN - 1], wanted]
        return [(one, one) for one in found]


def asset_label(asset: Asset) -> str:
    """What tells an asset from others of its name."""
    return f"{clean(asset.name, 40)}  {asset.source_type} {asset.id}, {clean(asset.client_name or 'unassigned', 24)}"


def _bucket_label(bucket: inventory_pb2.Bucket) -> str:
    return f"{clean(bucket.client_name, 28)}/{clean(bucket.name, 28)}  {clean(bucket.unit_type, 16)}"


def _same(values: Iterable[object]) -> Any:
    """The value that all of them are; None where they differ."""
    found = set(values)
    return found.pop() if len(found) == 1 else None

"""Which part of which list is wanted, as the contract says it."""

from dataclasses import dataclass

from ullage.v1 import inventory_pb2, types_pb2

PAGE_ROWS_MAX = 500


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: ``after`` is the token of the page before, ``sort`` a field of the row."""

    size: int = 100
    after: str = ""
    sort: str = ""
    descending: bool = False

    def message(self) -> types_pb2.PageRequest:
        """As the contract says it."""
        return types_pb2.PageRequest(
            size=min(self.size, PAGE_ROWS_MAX), after=self.after, sort=self.sort, descending=self.descending
        )


@dataclass(frozen=True, slots=True)
class AssetQuery:
    """Which assets; the parts restrict the list together. ``label`` is KEY or KEY=VALUE."""

    search: str = ""
    client_id: int = 0
    source_type: str = ""
    unassigned: bool = False
    unbound: bool = False
    unacknowledged: bool = False
    disregarded: bool = False
    disabled: bool = False
    by_hand: bool = False
    agent: str = ""
    label: str = ""
    bucket_id: int = 0

    def message(self, page: Page) -> inventory_pb2.ListAssetsRequest:
        """As the contract says it."""
        return inventory_pb2.ListAssetsRequest(
            page=page.message(),
            search=self.search,
            client_id=self.client_id,
            source_type=self.source_type,
            unassigned=self.unassigned,
            unbound=self.unbound,
            unacknowledged=self.unacknowledged,
            disregarded=self.disregarded,
            disabled=self.disabled,
            by_hand=self.by_hand,
            agent=self.agent,
            label=self.label,
            bucket_id=self.bucket_id,
        )

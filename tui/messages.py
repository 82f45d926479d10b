"""What workers and widgets tell the screens, and screens the program. Handlers own every change of a widget.

Those that carry the present state replace older ones that still wait: only the newest is worth drawing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from textual.message import Message

from tui.client import AssetQuery
from tui.failures import CallFailed
from ullage.v1 import billing_pb2, closing_pb2, inventory_pb2

Data = TypeVar("Data")
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Link:
    """The connection as the person should know it: connecting, live or lost."""

    state: str
    since: datetime
    # Counts from 1 while lost.
    attempt: int = 0
    reason: str = ""


@dataclass
class LinkChanged(Message):
    """The watch stream opened or broke."""

    link: Link

    def can_replace(self, message: Message) -> bool:
        """Only the present state counts."""
        return isinstance(message, LinkChanged)


@dataclass
class News(Message):
    """Something changed; the program keeps which nouns."""

    def can_replace(self, message: Message) -> bool:
        """The nouns are added up elsewhere."""
        return isinstance(message, News)


@dataclass
class RowsLoaded(Message, Generic[Row]):
    """A page of a list arrived. ``question`` numbers what was asked: an older answer is not shown."""

    question: int
    rows: Sequence[Row]
    next: str
    total: int


@dataclass
class Loaded(Message, Generic[Data]):
    """What a screen shows arrived."""

    data: Data
    question: int = 0

    def can_replace(self, message: Message) -> bool:
        """A newer answer makes an older one pointless."""
        return isinstance(message, Loaded)


@dataclass
class LoadFailed(Message):
    """It did not arrive."""

    error: CallFailed
    question: int = 0


@dataclass
class Refreshed(Message):
    """A screen shows figures as of now."""

    def can_replace(self, message: Message) -> bool:
        """The newer one says it all."""
        return isinstance(message, Refreshed)


@dataclass
class GoTo(Message):
    """Show a main screen: of a list what ``search`` finds, of the list of assets those of ``assets``."""

    screen: str
    assets: AssetQuery | None = None
    search: str = ""


@dataclass
class OpenClient(Message):
    """Show a client's buckets, with the cursor on one of them if given."""

    client_id: int
    name: str
    bucket_id: int = 0


@dataclass
class OpenAsset(Message):
    """Show an asset."""

    asset_id: int
    name: str


@dataclass
class OpenBucket(Message):
    """Show a bucket's terms and billing history."""

    bucket: inventory_pb2.Bucket


@dataclass
class OpenAssets(Message):
    """Show the assets of one client."""

    client_id: int
    client_name: str
    query: AssetQuery = field(default_factory=AssetQuery)


@dataclass
class ShowText(Message):
    """Show lines over the screen; ``copies`` is what y copies, empty: nothing."""

    title: str
    lines: Sequence[str]
    copies: str = ""


@dataclass
class OpenReading(Message):
    """Show what a billing reading was worked out from."""

    reading: billing_pb2.Reading


@dataclass
class OpenPeriod(Message):
    """Show the close checklist of a client's period."""

    period: closing_pb2.Period

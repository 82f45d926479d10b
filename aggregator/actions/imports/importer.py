"""What an import of one table is: its columns, what a line asks for, and what is left for the end."""

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from enum import Enum, auto
from typing import ClassVar

from aggregator.actions.csv_rows import Columns, Row
from aggregator.domain.preview import Preview
from aggregator.errors import Conflict, Invalid, NotFound
from aggregator.store.database import Database

Wrong = Invalid | Conflict | NotFound


class Done(Enum):
    """How a line ended."""

    CREATED = auto()
    CHANGED = auto()
    UNCHANGED = auto()


class Importer:
    """Takes the lines of one file. ``keys`` are the columns that tell what a line is about: no two lines may share them."""

    columns: ClassVar[Columns]
    keys: ClassVar[tuple[str, ...]]

    def __init__(self, db: Database, now: datetime) -> None:
        self.db = db
        self.now = now
        self.preview = Preview()

    def note(self, preview: Preview) -> None:
        """Adds what an act says of assets and money to what the whole file does."""
        money = defaultdict(Decimal, self.preview.money)
        for currency, amount in preview.money.items():
            money[currency] += amount
        self.preview = Preview(
            assets=self.preview.assets + preview.assets,
            series=self.preview.series + preview.series,
            readings=self.preview.readings + preview.readings,
            unpriced=self.preview.unpriced + preview.unpriced,
            money=dict(money),
        )

    async def take(self, row: Row) -> Done | None:
        """Does what the line asks for, None where that is left for ``finish``; raises what is wrong with it."""
        raise NotImplementedError

    async def finish(self) -> AsyncIterator[tuple[int, Done | Wrong]]:
        """Does what takes all lines together; how each of those lines ended."""
        ended: list[tuple[int, Done | Wrong]] = []
        for one in ended:
            yield one

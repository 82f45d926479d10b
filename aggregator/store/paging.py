"""Pages of a list by key: where a page begins, and where the next one does.

Every list's page statement orders by the same four keys (text, number, time, id), of which those that its sort does not use
are constant; the id makes the order total. So a page is found by its keys, and rows that come or go while somebody pages
move nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, LiteralString, Protocol, TypeVar

from aggregator.store.database import Connection, fetch_one

ROWS_MAX = 500
ROWS_DEFAULT = 100


@dataclass(frozen=True, slots=True)
class Position:
    """The keys of a page's last row."""

    text: str
    number: Decimal
    time: datetime
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Which page. ``sort`` is one of the list's own names, ``after`` None for the first page."""

    sort: str
    descending: bool = False
    size: int = ROWS_DEFAULT
    after: Position | None = None

    def params(self) -> dict[str, Any]:
        """What a page statement is given; one row more than asked for tells whether there is a next page."""
        after = self.after
        return {
            "sort": self.sort,
            "descending": self.descending,
            "limit": self.size + 1,
            "after_text": after and after.text,
            "after_number": after and after.number,
            "after_time": after and after.time,
            "after_id": after and after.id,
        }


@dataclass(frozen=True, slots=True)
class Keys:
    """What a page statement finds: how many rows match in all, and the keys of the page as columns."""

    total: int
    ids: Sequence[int]
    texts: Sequence[str]
    numbers: Sequence[Decimal]
    times: Sequence[datetime]

    def next(self, size: int) -> Position | None:
        """Where the page after this one begins; None when this is the last."""
        if len(self.ids) <= size:
            return None
        last = size - 1
        return Position(self.texts[last], self.numbers[last], self.times[last], self.ids[last])


class _HasId(Protocol):
    @property
    def id(self) -> int: ...


Row_co = TypeVar("Row_co", covariant=True)
RowWithId = TypeVar("RowWithId", bound=_HasId)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row_co]):
    """The rows of a page in order, where the next one begins, and how many rows match in all."""

    rows: Sequence[Row_co]
    total: int
    next: Position | None


async def find(conn: Connection, query: LiteralString, paging: Paging, **params: Any) -> Keys:
    """Runs a page statement with the list's own parameters beside those of the page."""
    keys = await fetch_one(conn, Keys, query, {**paging.params(), **params})
    assert keys is not None  # noqa: S101 - it counts, so it has a row
    return keys


def page(keys: Keys, paging: Paging, rows: Iterable[RowWithId]) -> Page[RowWithId]:
    """The rows that belong to the keys, in the order of the keys."""
    by_id = {row.id: row for row in rows}
    return Page([by_id[i] for i in keys.ids[: paging.size]], keys.total, keys.next(paging.size))


def contains(text: str) -> str | None:
    """A LIKE pattern for what has ``text`` in it, whatever its characters mean to LIKE; None for an empty text."""
    if not text:
        return None
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"

"""Lists as commands show them: page after page, with a word about what is not shown."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

from tui.cli.output import Row, write
from tui.cli.session import say
from tui.client import PAGE_ROWS_MAX, Page
from ullage.v1 import types_pb2


class Paged(Protocol):
    """The reply of a list that comes in pages."""

    @property
    def page(self) -> types_pb2.PageInfo:
        """How to go on, and how many rows there are."""
        ...


Reply = TypeVar("Reply", bound=Paged)
Message = TypeVar("Message")
# The rows found, and how many there are in all.
Found = tuple[list[Row], int]


async def pages(
    fetch: Callable[[Page], Awaitable[Reply]],
    content: Callable[[Reply], Iterable[Message]],
    *,
    limit: int | None = None,
    sort: str = "",
    descending: bool = False,
) -> tuple[list[Message], int]:
    """All messages of a list, page after page, or the first ``limit``; and how many there are in all."""
    found: list[Message] = []
    after = ""
    while True:
        missing = PAGE_ROWS_MAX if limit is None else limit - len(found)
        page = Page(size=min(missing, PAGE_ROWS_MAX), after=after, sort=sort, descending=descending)
        reply = await fetch(page)
        found.extend(content(reply))
        after = reply.page.next
        if not after or (limit is not None and len(found) >= limit):
            return found[:limit], max(reply.page.total, len(found))


async def every(
    fetch: Callable[[Page], Awaitable[Reply]],
    content: Callable[[Reply], Iterable[Message]],
    convert: Callable[[Message], Row],
    limit: int | None,
    *,
    sort: str = "",
    descending: bool = False,
) -> Found:
    """The same as rows."""
    found, total = await pages(fetch, content, limit=limit, sort=sort, descending=descending)
    return [convert(message) for message in found], total


def whole(found: list[Row], limit: int | None) -> Found:
    """Of a list that arrived in one reply."""
    return found[:limit], len(found)


def show(found: Found, columns: tuple[str, ...], form: str, noun: str) -> None:
    """Rows to stdout; on stderr, in words, that there are none or more."""
    listed, total = found
    write(listed, columns, form)
    if not listed:
        say(f"No {noun}.")
    elif len(listed) < total:
        say(f"{len(listed):,} of {total:,} {noun}; a larger --limit, or none, shows more.")

"""Which things a command acts upon: ids from arguments, ids from stdin, or everything that filters find.

What filters find is listed and asked about before anything happens, unless ``--yes`` or ``--dry-run`` is given.
"""

import functools
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

import click

from tui.cli.listing import pages
from tui.cli.names import bucket_id, client_id
from tui.cli.options import client_option, search_option, source_option
from tui.cli.outcome import ask
from tui.cli.output import to_table
from tui.cli.rows import asset_row
from tui.cli.session import run, say
from tui.client import Aggregator, AssetQuery
from tui.format import plural
from ullage.v1 import inventory_pb2

IDS_MAX = 100_000
SHOWN_MAX = 20
ID_MAX = 2**63 - 1
_SHOWN_COLUMNS = ("id", "client", "name", "source_type", "last_seen")
STDIN = "-"


@dataclass(frozen=True, slots=True)
class AssetFilters:
    """Filters as they were written: clients and buckets by id or name."""

    search: str
    client: str
    source: str
    bucket: str
    agent: str
    label: str
    unbound: bool
    unassigned: bool
    unacknowledged: bool
    disregarded: bool
    disabled: bool
    by_hand: bool

    def given(self) -> bool:
        """Whether there is any."""
        return any(getattr(self, field.name) for field in fields(self))

    async def query(self, aggregator: Aggregator) -> AssetQuery:
        """The same with ids."""
        return AssetQuery(
            search=self.search,
            client_id=await client_id(aggregator, self.client),
            source_type=self.source,
            bucket_id=await bucket_id(aggregator, self.bucket),
            agent=self.agent,
            label=self.label,
            unbound=self.unbound,
            unassigned=self.unassigned,
            unacknowledged=self.unacknowledged,
            disregarded=self.disregarded,
            disabled=self.disabled,
            by_hand=self.by_hand,
        )

    async def find(self, aggregator: Aggregator) -> list[inventory_pb2.Asset]:
        """All assets for which every filter holds."""
        query = await self.query(aggregator)
        found, _ = await pages(lambda page: aggregator.assets(page, query), lambda reply: reply.assets)
        return found


_FILTER_OPTIONS = (
    click.option("--unbound", is_flag=True, help="Only with usage that no bucket bills."),
    click.option("--unassigned", is_flag=True, help="Only without a client."),
    click.option("--new", "unacknowledged", is_flag=True, help="Only those that nobody has acknowledged."),
    click.option("--disregarded", is_flag=True, help="Only disregarded ones, which are in no other list."),
    click.option("--disabled", is_flag=True, help="Only disabled ones."),
    click.option("--by-hand", is_flag=True, help="Only those whose client somebody decided."),
    client_option,
    click.option(
        "--bucket", default="", metavar="BUCKET", help="Only bound to this bucket: id or CLIENT/NAME."
    ),
    click.option("--agent", default="", metavar="NAME", help="Only reported first by this agent."),
    click.option("--label", default="", metavar="KEY[=VALUE]", help="Only with this label."),
    source_option,
    search_option,
)


def asset_filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the filters of ``assets list``; the command takes them as ``filters: AssetFilters``."""

    @functools.wraps(command)
    def filtered(**given: Any) -> Any:
        taken = {field.name: given.pop(field.name) for field in fields(AssetFilters)}
        return command(filters=AssetFilters(**taken), **given)

    for option in reversed(_FILTER_OPTIONS):
        filtered = option(filtered)
    return filtered


def read_ids(written: Iterable[str]) -> list[int]:
    """Ids in their order, each once; ``-`` stands for those on stdin, one a line."""
    ids: dict[int, None] = {}
    for word in written:
        if word == STDIN:
            for number, line in enumerate(sys.stdin, start=1):
                text = line.partition("#")[0].strip()
                if text:
                    ids[_id(text, f"stdin, line {number}: ")] = None
                if len(ids) > IDS_MAX:
                    raise click.UsageError(f"More than {IDS_MAX:,} ids at once: divide them.")
        else:
            ids[_id(word, "")] = None
    return list(ids)


def _id(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= ID_MAX):
        raise click.UsageError(f"{where}{text[:80]!r} is not an id: ids are numbers, as the list shows them.")
    return int(text)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The assets to act upon, before they are looked up."""

    written: tuple[str, ...]
    filters: AssetFilters
    yes: bool

    def ids(self, act: str, *, dry_run: bool = False) -> list[int]:
        """Their ids. Of what filters found it shows the beginning and asks whether to ``act`` on it."""
        if bool(self.written) == self.filters.given():
            raise click.UsageError(
                "Say which assets: ids, - for ids on stdin, or filters such as --search and --unassigned, "
                "but not both."
            )
        if self.written:
            return read_ids(self.written)
        found = run(self.filters.find)
        if found and not dry_run:
            show_found(found)
            ask(f"{act} {plural(len(found), 'asset')}?", yes=self.yes)
        if not found:
            say("No assets match: nothing to do.")
        return [asset.id for asset in found]


def show_found(found: list[inventory_pb2.Asset]) -> None:
    """The beginning of a list as words on stderr."""
    for line in to_table([asset_row(one) for one in found[:SHOWN_MAX]], _SHOWN_COLUMNS).splitlines():
        say(line)
    if len(found) > SHOWN_MAX:
        say(f"… and {len(found) - SHOWN_MAX:,} more.")


def asset_choice(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ids, filters and ``--yes``; the command takes them as ``chosen: Chosen``."""

    @functools.wraps(command)
    def choosing(*, ids: tuple[str, ...], filters: AssetFilters, yes: bool, **given: Any) -> Any:
        return command(chosen=Chosen(ids, filters, yes), **given)

    chosen = asset_filters(choosing)
    chosen = click.option("--yes", is_flag=True, help="Do not ask before acting on what filters find.")(
        chosen
    )
    return click.argument("ids", metavar="[ID]...", nargs=-1)(chosen)

"""``ullage <noun> list`` and ``show``: the screens' lists without a screen, with the same words and filters."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

import click

from tui.cli import rows
from tui.cli.output import FORMATS, Row, write, write_object
from tui.cli.session import client_id, run, say
from tui.client import PAGE_ROWS_MAX, Aggregator, AssetQuery, Page
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

form_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How rows are written to stdout. JSON and CSV carry every field.",
)
limit_option = click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="Stop after so many rows and say how many there are. Without it: all of them.",
)
_search = click.option(
    "--search", default="", metavar="TEXT", help="Only where TEXT is part of a name, any case."
)
_client = click.option(
    "--client", "client", default="", metavar="CLIENT", help="Only of this client: id or name."
)
_source = click.option("--source", default="", metavar="TYPE", help="Only of this source type, e.g. vm.")


async def every(
    fetch: Callable[[Page], Awaitable[Reply]],
    content: Callable[[Reply], Iterable[Message]],
    convert: Callable[[Message], Row],
    limit: int | None,
) -> Found:
    """All rows of a list, page after page, or the first ``limit``; and how many there are in all."""
    found: list[Row] = []
    after = ""
    while True:
        missing = PAGE_ROWS_MAX if limit is None else limit - len(found)
        reply = await fetch(Page(size=min(missing, PAGE_ROWS_MAX), after=after))
        found.extend(convert(message) for message in content(reply))
        after = reply.page.next
        if not after or (limit is not None and len(found) >= limit):
            return found[:limit], max(reply.page.total, len(found))


def show(found: Found, columns: tuple[str, ...], form: str, noun: str) -> None:
    """Rows to stdout; on stderr, in words, that there are none or more."""
    listed, total = found
    write(listed, columns, form)
    if not listed:
        say(f"No {noun}.")
    elif len(listed) < total:
        say(f"{len(listed):,} of {total:,} {noun}; a larger --limit, or none, shows more.")


@click.group()
def clients() -> None:
    """Customers: list, create."""


@clients.command("list")
@_search
@limit_option
@form_option
def list_clients(search: str, limit: int | None, form: str) -> None:
    """All clients, with the projected cost of their open period."""

    async def work(aggregator: Aggregator) -> Found:
        return await every(
            lambda page: aggregator.clients(page, search=search),
            lambda reply: reply.clients,
            rows.client_row,
            limit,
        )

    show(run(work), rows.CLIENT_COLUMNS, form, "clients")


@click.group()
def assets() -> None:
    """Hosts, VMs, volumes, …: list, show, assign."""


@assets.command("list")
@click.option("--unbound", is_flag=True, help="Only with usage that no bucket bills.")
@click.option("--unassigned", is_flag=True, help="Only without a client.")
@click.option("--new", "unacknowledged", is_flag=True, help="Only those that nobody has acknowledged.")
@_client
@_source
@_search
@limit_option
@form_option
def list_assets(
    *,
    unbound: bool,
    unassigned: bool,
    unacknowledged: bool,
    client: str,
    source: str,
    search: str,
    limit: int | None,
    form: str,
) -> None:
    """All assets, or those for which every option given holds."""

    async def work(aggregator: Aggregator) -> Found:
        query = AssetQuery(
            search=search,
            client_id=await client_id(aggregator, client),
            source_type=source,
            unassigned=unassigned,
            unbound=unbound,
            unacknowledged=unacknowledged,
        )
        return await every(
            lambda page: aggregator.assets(page, query), lambda reply: reply.assets, rows.asset_row, limit
        )

    show(run(work), rows.ASSET_COLUMNS, form, "assets")


@assets.command("show")
@click.argument("asset_id", metavar="ID", type=click.IntRange(min=1))
@form_option
def show_asset(asset_id: int, form: str) -> None:
    """One asset: its series, what bills them, whose it was, who reported it.

    json and jsonl give one object with everything; csv gives one row per series.
    """
    detail = run(lambda aggregator: aggregator.asset(asset_id))
    if form in {"json", "jsonl"}:
        write_object(rows.asset_detail_row(detail), form)
        return
    if form == "table":
        facts: list[Row] = [
            {"field": name, "value": value} for name, value in rows.asset_row(detail.asset).items()
        ]
        facts.append({"field": "agents", "value": list(detail.agents)})
        write(facts, ("field", "value"), form)
        click.echo()
    write(rows.series_rows(detail), rows.SERIES_COLUMNS, form)


@click.group()
def buckets() -> None:
    """Agreements on what is billed: list, create."""


@buckets.command("list")
@_client
@_source
@click.option("--unit", default="", metavar="TYPE", help="Only of this unit type, e.g. ram.")
@_search
@limit_option
@form_option
def list_buckets(*, client: str, source: str, unit: str, search: str, limit: int | None, form: str) -> None:
    """All buckets with terms, usage and projection of the open period."""

    async def work(aggregator: Aggregator) -> Found:
        of = await client_id(aggregator, client)
        return await every(
            lambda page: aggregator.buckets(
                page, search=search, client_id=of, source_type=source, unit_type=unit
            ),
            lambda reply: reply.buckets,
            rows.bucket_row,
            limit,
        )

    show(run(work), rows.BUCKET_COLUMNS, form, "buckets")


@click.group()
def billing() -> None:
    """What periods cost: list readings, run billing."""


@billing.command("list")
@_client
@click.option("--bucket", default=None, metavar="ID", type=click.IntRange(min=1), help="Only of this bucket.")
@limit_option
@form_option
def list_readings(client: str, bucket: int | None, limit: int | None, form: str) -> None:
    """Billing readings of all periods, provisional until their period is finalised."""

    async def work(aggregator: Aggregator) -> Found:
        of = await client_id(aggregator, client)
        return await every(
            lambda page: aggregator.readings(page, client_id=of, bucket_id=bucket or 0),
            lambda reply: reply.readings,
            rows.reading_row,
            limit,
        )

    show(run(work), rows.READING_COLUMNS, form, "billing readings")


@click.group()
def projections() -> None:
    """What open periods will cost: list."""


@projections.command("list")
@_client
@limit_option
@form_option
def list_projections(client: str, limit: int | None, form: str) -> None:
    """The newest projection of every bucket's open period."""

    async def work(aggregator: Aggregator) -> Found:
        of = await client_id(aggregator, client)
        return await every(
            lambda page: aggregator.projections(page, client_id=of),
            lambda reply: reply.projections,
            rows.projection_row,
            limit,
        )

    show(run(work), rows.PROJECTION_COLUMNS, form, "projections")


def whole(found: list[Row], limit: int | None) -> Found:
    """Of a list that arrived in one reply."""
    return found[:limit], len(found)


@click.group("unit-types")
def unit_types() -> None:
    """What quantities count: list."""


@unit_types.command("list")
@limit_option
@form_option
def list_unit_types(limit: int | None, form: str) -> None:
    """All unit types."""
    reply = run(lambda aggregator: aggregator.unit_types())
    found = whole([rows.unit_type_row(one) for one in reply.unit_types], limit)
    show(found, rows.UNIT_TYPE_COLUMNS, form, "unit types")


@click.group("assignment-rules")
def assignment_rules() -> None:
    """Who gets which assets: list, create."""


@assignment_rules.command("list")
@limit_option
@form_option
def list_assignment_rules(limit: int | None, form: str) -> None:
    """All rules, the one that wins first."""
    reply = run(lambda aggregator: aggregator.assignment_rules())
    show(
        whole([rows.rule_row(one) for one in reply.rules], limit), rows.RULE_COLUMNS, form, "assignment rules"
    )


@click.group()
def jobs() -> None:
    """The timetable: list, run one now."""


@jobs.command("list")
@limit_option
@form_option
def list_jobs(limit: int | None, form: str) -> None:
    """All jobs with next and last run."""
    reply = run(lambda aggregator: aggregator.jobs())
    show(whole([rows.job_row(one) for one in reply.jobs], limit), rows.JOB_COLUMNS, form, "jobs")


@click.command("dashboard")
@form_option
def dashboard(form: str) -> None:
    """The dashboard's figures, one row each."""
    found = rows.figure_rows(run(lambda aggregator: aggregator.dashboard()))
    show((found, len(found)), rows.FIGURE_COLUMNS, form, "figures")

"""``ullage buckets``: agreements on what is billed."""

from typing import Any

import click

from tui.cli import rows
from tui.cli.listing import Found, every, show
from tui.cli.names import bucket_id, bucket_ids, client_id
from tui.cli.options import (
    client_option,
    confirm_option,
    descending_option,
    dry_run_option,
    form_option,
    limit_option,
    search_option,
    sort_option,
    source_option,
    unit_option,
)
from tui.cli.outcome import acted, consequences, write_preview
from tui.cli.output import write, write_facts
from tui.cli.session import run
from tui.cli.terms import read_terms, terms_options, terms_rows
from tui.cli.values import FILTER_HELP, Whole, parse_day, parse_filter
from tui.client import Aggregator, Page
from ullage.v1 import agreements_pb2, asset_acts_pb2, inventory_pb2, types_pb2

# A bucket's preview looks at everything that its filters match.
ACT_SECONDS_MAX = 120.0
_filters = click.option(
    "--filter",
    "filters",
    type=parse_filter,
    metavar="FILTER",
    multiple=True,
    help=FILTER_HELP + " Given twice: alternatives. None: every asset of that type.",
)
_on = click.option(
    "--on",
    type=parse_day,
    metavar="YYYY-MM-DD",
    help="The local midnight from which it holds. Without it: the next one.",
)


@click.group()
def buckets() -> None:
    """Agreements on what is billed: list, show, create, edit, terms, review, enable, disable, import, export.

    BUCKET is an id or CLIENT/NAME, for example "acme/web memory".
    """


@buckets.command("list")
@client_option
@source_option
@unit_option
@click.option("--not-reviewed", is_flag=True, help="Only those that nobody has looked at.")
@click.option("--enabled", is_flag=True, help="Only enabled ones.")
@click.option("--disabled", is_flag=True, help="Only disabled ones.")
@click.option("--over", is_flag=True, help="Only those whose projection is above the commit.")
@search_option
@sort_option
@descending_option
@limit_option
@form_option
def list_buckets(
    *,
    client: str,
    source: str,
    unit: str,
    not_reviewed: bool,
    enabled: bool,
    disabled: bool,
    over: bool,
    search: str,
    sort: str,
    descending: bool,
    limit: int | None,
    form: str,
) -> None:
    """All buckets with terms, usage and projection of the open period.

    Example: ullage buckets list --client acme --over
    """

    async def work(aggregator: Aggregator) -> Found:
        of = await client_id(aggregator, client)

        def request(page: Page) -> inventory_pb2.ListBucketsRequest:
            return inventory_pb2.ListBucketsRequest(
                page=page.message(),
                search=search,
                client_id=of,
                source_type=source,
                unit_type=unit,
                not_reviewed=not_reviewed,
                enabled=enabled,
                disabled=disabled,
                over=over,
            )

        return await every(
            lambda page: aggregator.ask(aggregator.inventory.ListBuckets, request(page)),
            lambda reply: reply.buckets,
            rows.bucket_row,
            limit,
            sort=sort,
            descending=descending,
        )

    show(run(work), rows.BUCKET_COLUMNS, form, "buckets")


@buckets.command("show")
@click.argument("bucket")
@form_option
def show_bucket(bucket: str, form: str) -> None:
    """One bucket: figures of its open period, filters, and all its terms. BUCKET is an id or CLIENT/NAME.

    Example: ullage buckets show "acme/web memory"
    """

    async def work(aggregator: Aggregator) -> inventory_pb2.Bucket:
        return await aggregator.bucket(await bucket_id(aggregator, bucket))

    found = run(work)
    row = rows.bucket_row(found)
    if form != "table":
        write_facts(row, form)
        return
    write_facts({name: value for name, value in row.items() if name != "all_terms"}, form)
    click.echo()
    write(*terms_rows(found.all_terms), form)


@buckets.command("create")
@click.argument("name")
@click.option("--client", required=True, metavar="CLIENT", help="Whose bucket: id or name.")
@click.option("--source", required=True, metavar="TYPE", help="Source type, e.g. vm.")
@click.option(
    "--unit", required=True, metavar="TYPE", help="Unit type, e.g. ram; see `ullage unit-types list`."
)
@terms_options(required=True)
@click.option(
    "--priority",
    type=Whole(bits=32),
    default=0,
    show_default=True,
    help="The higher wins where two buckets match.",
)
@_filters
@dry_run_option
@confirm_option
@form_option
def create_bucket(
    *,
    name: str,
    client: str,
    source: str,
    unit: str,
    priority: int,
    filters: tuple[types_pb2.Filter, ...],
    dry_run: bool,
    confirmed: int,
    form: str,
    **terms: Any,
) -> None:
    """Creates the bucket NAME, which takes what its filters match.

    Example: ullage buckets create "web memory" --client 3 --source vm --unit ram --aggregation avg
    --commit 64 --base 2.50 --overage 4 --starts-on 2026-01-01 --filter "name glob web-*" --dry-run
    """

    async def work(aggregator: Aggregator) -> inventory_pb2.CreateBucketReply:
        request = inventory_pb2.CreateBucketRequest(
            client_id=await client_id(aggregator, client),
            name=name,
            source_type=source,
            unit_type=unit,
            priority=priority,
            filters=filters,
            terms=read_terms(agreements_pb2.Terms(), terms),
            dry_run=dry_run,
            confirmed_assets=confirmed,
        )
        return await aggregator.ask(aggregator.inventory.CreateBucket, request, seconds=ACT_SECONDS_MAX)

    updated(run(work), form, dry_run=dry_run)


def updated(
    reply: inventory_pb2.CreateBucketReply | inventory_pb2.UpdateBucketReply, form: str, *, dry_run: bool
) -> None:
    """What became of a bucket, or would."""
    if dry_run:
        write_preview(reply.preview, form)
        return
    write([rows.bucket_row(reply.bucket)], rows.BUCKET_COLUMNS, form)
    consequences(reply.preview)


@buckets.command("edit")
@click.argument("bucket")
@click.option("--name", metavar="TEXT", help="Its new name.")
@click.option("--priority", type=Whole(bits=32), help="The higher wins where two buckets match.")
@_filters
@click.option("--no-filter", is_flag=True, help="Remove all filters: every asset of the client of its type.")
@dry_run_option
@confirm_option
@form_option
def edit_bucket(
    *,
    bucket: str,
    name: str | None,
    priority: int | None,
    filters: tuple[types_pb2.Filter, ...],
    no_filter: bool,
    dry_run: bool,
    confirmed: int,
    form: str,
) -> None:
    """Changes name, priority or filters and leaves the rest; --filter replaces all filters. Prices: `terms set`.

    Example: ullage buckets edit acme/web --filter "name glob web-*" --filter "label:role equals web" --dry-run
    """
    if filters and no_filter:
        raise click.UsageError("Say either --filter or --no-filter.")
    if name is None and priority is None and not filters and not no_filter:
        raise click.UsageError("Say what to change: --name, --priority, --filter or --no-filter.")

    async def work(aggregator: Aggregator) -> inventory_pb2.UpdateBucketReply:
        request = agreements_pb2.UpdateBucketRequest(
            id=await bucket_id(aggregator, bucket),
            name=name,
            priority=priority,
            filters=filters,
            set_filters=bool(filters) or no_filter,
            dry_run=dry_run,
            confirmed_assets=confirmed,
        )
        return await aggregator.ask(aggregator.inventory.UpdateBucket, request, seconds=ACT_SECONDS_MAX)

    updated(run(work), form, dry_run=dry_run)


@buckets.command("review")
@click.argument("named", metavar="BUCKET...", nargs=-1, required=True)
@click.option("--withdraw", is_flag=True, help="Say that they have to be looked at again.")
@form_option
def review_buckets(named: tuple[str, ...], withdraw: bool, form: str) -> None:
    """Says that somebody has looked at these buckets, for example after provisioning made them.

    Example: ullage buckets review "acme/vm memory" 17
    """

    async def work(aggregator: Aggregator) -> asset_acts_pb2.ActReply:
        request = agreements_pb2.ReviewBucketsRequest(
            ids=await bucket_ids(aggregator, named), reviewed=not withdraw
        )
        return await aggregator.ask(aggregator.inventory.ReviewBuckets, request)

    acted(run(work), len(named), "bucket", form, dry_run=False)


def _set_enabled(named: tuple[str, ...], *, enabled: bool, on: str | None, dry_run: bool, form: str) -> None:
    async def work(aggregator: Aggregator) -> asset_acts_pb2.ActReply:
        request = agreements_pb2.SetBucketsEnabledRequest(
            ids=await bucket_ids(aggregator, named), enabled=enabled, on=on or "", dry_run=dry_run
        )
        return await aggregator.ask(aggregator.inventory.SetBucketsEnabled, request, seconds=ACT_SECONDS_MAX)

    acted(run(work), len(named), "bucket", form, dry_run=dry_run)


@buckets.command("enable")
@click.argument("named", metavar="BUCKET...", nargs=-1, required=True)
@_on
@dry_run_option
@form_option
def enable_buckets(named: tuple[str, ...], on: str | None, dry_run: bool, form: str) -> None:
    """Gives buckets their last terms again from a local midnight on.

    Example: ullage buckets enable "acme/web memory" --on 2026-12-01
    """
    _set_enabled(named, enabled=True, on=on, dry_run=dry_run, form=form)


@buckets.command("disable")
@click.argument("named", metavar="BUCKET...", nargs=-1, required=True)
@_on
@dry_run_option
@form_option
def disable_buckets(named: tuple[str, ...], on: str | None, dry_run: bool, form: str) -> None:
    """Ends the terms of buckets at a local midnight; what was used before stays billed.

    Example: ullage buckets disable "acme/web memory" --on 2026-12-01 --dry-run
    """
    _set_enabled(named, enabled=False, on=on, dry_run=dry_run, form=form)

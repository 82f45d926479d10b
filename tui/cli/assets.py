"""``ullage assets list``, ``show`` and ``usage``: what there is, whose it is, and what it used."""

import click

from tui.cli import rows
from tui.cli.listing import Found, every, show
from tui.cli.options import descending_option, form_option, limit_option, sort_option
from tui.cli.output import Row, write, write_facts, write_object
from tui.cli.selection import AssetFilters, asset_filters
from tui.cli.session import run, say
from tui.cli.values import Whole
from tui.client import Aggregator
from tui.format import decimal, moment, stamp
from ullage.v1 import inventory_pb2

USAGE_COLUMNS = ("unit_type", "day", "value", "symbol")


@click.group()
def assets() -> None:
    """Hosts, VMs, volumes, …: list, show, usage, and what is decided about them.

    Whoever decides names assets by ids, by - for ids on stdin, or by the filters of `list`.
    """


@assets.command("list")
@asset_filters
@sort_option
@descending_option
@limit_option
@form_option
def list_assets(*, filters: AssetFilters, sort: str, descending: bool, limit: int | None, form: str) -> None:
    """All assets, or those for which every option given holds.

    Example: ullage assets list --unbound --sort unbound_money --descending
    """

    async def work(aggregator: Aggregator) -> Found:
        query = await filters.query(aggregator)
        return await every(
            lambda page: aggregator.assets(page, query),
            lambda reply: reply.assets,
            rows.asset_row,
            limit,
            sort=sort,
            descending=descending,
        )

    columns = rows.UNBOUND_COLUMNS if filters.unbound else rows.ASSET_COLUMNS
    show(run(work), columns, form, "assets")


@assets.command("show")
@click.argument("asset_id", metavar="ID", type=Whole(1))
@form_option
def show_asset(asset_id: int, form: str) -> None:
    """One asset: its series, what bills them, whose it was, who reported it.

    json and jsonl give one object with everything; csv gives one row per series.

    Example: ullage assets show 17
    """
    detail = run(lambda aggregator: aggregator.asset(asset_id))
    if form in {"json", "jsonl"}:
        write_object(rows.asset_detail_row(detail), form)
        return
    if form == "table":
        write_facts({**rows.asset_row(detail.asset), "agents": list(detail.agents)}, form)
        click.echo()
    write(rows.series_rows(detail), rows.SERIES_COLUMNS, form)


@assets.command("usage")
@click.argument("asset_id", metavar="ID", type=Whole(1))
@click.option("--days", type=click.IntRange(1, 31), default=30, show_default=True, help="Days back from now.")
@form_option
def show_usage(asset_id: int, days: int, form: str) -> None:
    """What an asset used, a row per unit type and day (UTC): the mean of a level, the sum of an amount.

    Example: ullage assets usage 17 --days 7 --format csv
    """
    usage = run(lambda aggregator: aggregator.asset_usage(asset_id, days=days))
    found = usage_rows(usage)
    show((found, len(found)), USAGE_COLUMNS, form, "usage")
    if found:
        say(f"As of {stamp(moment(usage.as_of))}.")


def usage_rows(usage: inventory_pb2.AssetUsage) -> list[Row]:
    """A row per unit type and day; a day without a reading has no value."""
    found: list[Row] = []
    for series in usage.series:
        for point in series.days:
            at = moment(point.at)
            found.append(
                {
                    "unit_type": series.unit_type,
                    "kind": series.kind,
                    "day": at.strftime("%Y-%m-%d") if at else None,
                    "value": decimal(point.value),
                    "symbol": series.symbol,
                }
            )
    return found

"""``ullage buckets terms``: what a bucket agrees on from which day on."""

from typing import Any

import click

from tui.cli.buckets import ACT_SECONDS_MAX, buckets, updated
from tui.cli.listing import show
from tui.cli.names import bucket_id
from tui.cli.options import dry_run_option, form_option
from tui.cli.session import EXIT_FAILED, Failure, run
from tui.cli.terms import read_terms, terms_options, terms_rows
from tui.cli.values import parse_day
from tui.client import Aggregator
from ullage.v1 import agreements_pb2, inventory_pb2


@buckets.group("terms")
def terms() -> None:
    """Dated terms of a bucket: list, set, delete."""


@terms.command("list")
@click.argument("bucket")
@form_option
def list_terms(bucket: str, form: str) -> None:
    """All terms of a bucket, oldest first. BUCKET is an id or CLIENT/NAME.

    Example: ullage buckets terms list "acme/web memory"
    """

    async def work(aggregator: Aggregator) -> inventory_pb2.Bucket:
        return await aggregator.bucket(await bucket_id(aggregator, bucket))

    found, columns = terms_rows(run(work).all_terms)
    show((found, len(found)), columns, form, "terms")


@terms.command("set")
@click.argument("bucket")
@terms_options(required=False)
@dry_run_option
@form_option
def set_terms(*, bucket: str, dry_run: bool, form: str, **given: Any) -> None:
    """Adds terms from a day on, or replaces those that start on it. BUCKET is an id or CLIENT/NAME.

    What is not given stays as in the terms that held before.

    Example: ullage buckets terms set "acme/web memory" --starts-on 2027-01-01 --commit 80 --dry-run
    """

    async def work(aggregator: Aggregator) -> inventory_pb2.UpdateBucketReply:
        number = await bucket_id(aggregator, bucket)
        found = await aggregator.bucket(number)
        before = [one for one in found.all_terms if one.starts_on <= given["starts_on"]]
        held = (before or [agreements_pb2.Terms()])[-1]
        missing = [
            f"--{option}"
            for option, field in (("base", "base_price"), ("overage", "overage_price"), ("aggregation",) * 2)
            if given[option] is None and not getattr(held, field)
        ]
        if missing:
            raise Failure(
                f"No terms hold before {given['starts_on']}, so give {', '.join(missing)}.", EXIT_FAILED
            )
        request = agreements_pb2.SetTermsRequest(
            bucket_id=number, terms=read_terms(held, given), dry_run=dry_run
        )
        return await aggregator.ask(aggregator.inventory.SetTerms, request, seconds=ACT_SECONDS_MAX)

    updated(run(work), form, dry_run=dry_run)


@terms.command("delete")
@click.argument("bucket")
@click.option(
    "--starts-on", type=parse_day, metavar="YYYY-MM-DD", required=True, help="The terms that start then."
)
@dry_run_option
@form_option
def delete_terms(bucket: str, starts_on: str, dry_run: bool, form: str) -> None:
    """Removes terms that no finalised reading used; those before them hold on. BUCKET is an id or CLIENT/NAME.

    Example: ullage buckets terms delete "acme/web memory" --starts-on 2027-01-01 --dry-run
    """

    async def work(aggregator: Aggregator) -> inventory_pb2.UpdateBucketReply:
        request = agreements_pb2.DeleteTermsRequest(
            bucket_id=await bucket_id(aggregator, bucket), starts_on=starts_on, dry_run=dry_run
        )
        return await aggregator.ask(aggregator.inventory.DeleteTerms, request, seconds=ACT_SECONDS_MAX)

    updated(run(work), form, dry_run=dry_run)

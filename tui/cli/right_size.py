"""``ullage right-size`` and ``what-if``: what other terms would have cost, by readings there are."""

from collections.abc import Callable
from typing import Any

import click

from tui.cli.listing import show, whole
from tui.cli.names import bucket_id, client_id
from tui.cli.options import client_option, form_option, unit_option
from tui.cli.output import Row, Value, write, write_object
from tui.cli.session import run, say
from tui.cli.terms import fill_terms
from tui.cli.values import parse_amount, parse_percent, parse_tier
from tui.client import RUN_SECONDS_MAX, Aggregator
from tui.failures import sentence
from tui.format import decimal, moment, money
from ullage.v1 import agreements_pb2, analysis_pb2
from ullage.wire import from_decimal

RIGHT_SIZE_COLUMNS = (
    "client",
    "bucket_id",
    "bucket",
    "commit",
    "best_commit",
    "symbol",
    "cost",
    "best_cost",
    "difference",
    "currency",
    "buffer",
    "percent_unused",
    "readings",
)
WHAT_IF_COLUMNS = (
    "client",
    "bucket_id",
    "bucket",
    "period_start",
    "quantity",
    "before",
    "after",
    "difference",
    "currency",
)
_TERMS = ("commit", "base", "overage", "package", "minimum", "maximum", "tiers")
_PERCENTS = ("commit_percent", "base_percent", "overage_percent")

# The aggregator's own bounds: each bucket is priced anew.
BUCKETS_DEFAULT = 20
BUCKETS_MAX = 200


def right_size_row(row: analysis_pb2.RightSize) -> Row:
    """The commit that would have cost least; ``difference`` is what the client saves, below zero."""
    return {
        "client_id": row.client_id,
        "client": row.client_name,
        "bucket_id": row.bucket_id,
        "bucket": row.bucket_name,
        "unit_type": row.unit_type,
        "commit": decimal(row.commit),
        "best_commit": decimal(row.best_commit),
        "symbol": row.symbol,
        "cost": decimal(row.cost.amount),
        "best_cost": decimal(row.best_cost.amount),
        "difference": decimal(row.difference.amount),
        "currency": row.cost.currency,
        "buffer_units": decimal(row.buffer_units),
        "buffer": decimal(row.buffer.amount),
        "percent_unused": decimal(row.percent_unused),
        "readings": row.readings,
    }


@click.group("right-size")
def right_size() -> None:
    """Commits that fit the usage: list."""


@right_size.command("list")
@client_option
@unit_option
@click.option(
    "--readings",
    type=click.IntRange(3, 36),
    default=12,
    show_default=True,
    help="How many of the last readings of each bucket are looked at.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, BUCKETS_MAX),
    default=BUCKETS_DEFAULT,
    show_default=True,
    help="So many buckets.",
)
@form_option
def list_right_size(client: str, unit: str, readings: int, limit: int, form: str) -> None:
    """For each bucket the commit that would have cost the client least over its last readings; most buffer first.

    The difference is what the client would save and you give up. Buckets without a commit or with fewer than three
    readings are left out.

    Example: ullage right-size list --client acme --readings 6
    """

    async def work(aggregator: Aggregator) -> analysis_pb2.ListRightSizeReply:
        request = analysis_pb2.ListRightSizeRequest(
            client_id=await client_id(aggregator, client), unit_type=unit, readings=readings, limit=limit
        )
        return await aggregator.ask(aggregator.analysis.ListRightSize, request, seconds=RUN_SECONDS_MAX)

    found = [right_size_row(row) for row in run(work).rows]
    show(whole(found, None), RIGHT_SIZE_COLUMNS, form, "buckets with a commit and three readings")
    if len(found) == limit:
        say(f"These are the {limit:,} with most buffer; a larger --limit, --client or --unit shows others.")


def what_if_row(row: analysis_pb2.WhatIfRow) -> Row:
    """What a reading cost, and would have."""
    before, after = decimal(row.before.amount), decimal(row.after.amount)
    return {
        "client": row.client_name,
        "bucket_id": row.bucket_id,
        "bucket": row.bucket_name,
        "period_start": moment(row.period_start),
        "quantity": decimal(row.quantity),
        "before": before,
        "after": after,
        "difference": None if before is None or after is None else after - before,
        "currency": row.before.currency or row.after.currency,
    }


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _amount(option: str, words: str) -> Decorator:
    return click.option(option, type=parse_amount, metavar="AMOUNT", help=words)


def _percent(option: str, words: str) -> Decorator:
    return click.option(option, type=parse_percent, metavar="PERCENT", help=words)


@click.command("what-if")
@click.option("--bucket", default="", metavar="BUCKET", help="This bucket: id or CLIENT/NAME.")
@click.option("--client", default="", metavar="CLIENT", help="All buckets of this client: id or name.")
@click.option("--all", "everything", is_flag=True, help="All buckets of all clients.")
@_amount("--commit", "Another commit.")
@_amount("--base", "Another price of a unit up to the commit.")
@_amount("--overage", "Another price of a unit above it.")
@_amount("--package", "Overage in whole packages of so many.")
@_amount("--minimum", "Money a period at least.")
@_amount("--maximum", "Money a period at most.")
@click.option(
    "--tier",
    "tiers",
    type=parse_tier,
    multiple=True,
    metavar="ABOVE:PRICE",
    help="Overage price by tiers, e.g. --tier 0:4 --tier 100:3.",
)
@_percent("--commit-percent", "Instead of --commit: by so many per cent more, or with a minus less.")
@_percent("--base-percent", "Instead of --base: by so many per cent more or less.")
@_percent("--overage-percent", "Instead of --overage: by so many per cent more or less.")
@click.option(
    "--readings",
    type=click.IntRange(1, 36),
    default=None,
    help="How many of the last readings of each bucket; without it 12, and with --all 1.",
)
@form_option
def what_if(
    *, bucket: str, client: str, everything: bool, readings: int | None, form: str, **given: Any
) -> None:
    """What the last readings would have cost under other terms. Nothing is changed.

    \b
    Examples:
    ullage what-if --bucket "acme/web memory" --commit 80
    ullage what-if --client acme --base-percent -5 --overage-percent 10
    ullage what-if --all --commit-percent -10 --format json
    """
    if sum((bool(bucket), bool(client), everything)) != 1:
        raise click.UsageError("Say for which buckets: one of --bucket, --client, --all.")
    check_change(given)
    terms = agreements_pb2.Terms()
    fill_terms(terms, given)
    percents = {name: from_decimal(given[name]) for name in _PERCENTS if given[name] is not None}

    async def work(aggregator: Aggregator) -> analysis_pb2.WhatIfReply:
        request = analysis_pb2.WhatIfRequest(
            bucket_id=await bucket_id(aggregator, bucket),
            client_id=await client_id(aggregator, client),
            terms=terms,
            readings=readings or 0,
            **percents,
        )
        return await aggregator.ask(aggregator.analysis.WhatIf, request, seconds=RUN_SECONDS_MAX)

    report(run(work), form)


def check_change(given: dict[str, Any]) -> None:
    """Something must change, and not the same thing twice."""
    if not any(given[name] is not None and given[name] != () for name in (*_TERMS, *_PERCENTS)):
        raise click.UsageError("Say what would be different, such as --commit 80 or --commit-percent -10.")
    for name in ("commit", "base", "overage"):
        if given[name] is not None and given[f"{name}_percent"] is not None:
            raise click.UsageError(f"Give --{name} or --{name}-percent, not both.")


def report(reply: analysis_pb2.WhatIfReply, form: str) -> None:
    """Rows, and sums of each currency; in JSON one object."""
    rows = [what_if_row(row) for row in reply.rows]
    before = {one.currency: decimal(one.amount) for one in reply.before}
    after = {one.currency: decimal(one.amount) for one in reply.after}
    if form in {"json", "jsonl"}:
        listed: list[Value] = list(rows)
        write_object({"before": before, "after": after, "notes": list(reply.notes), "rows": listed}, form)
    else:
        write(rows, WHAT_IF_COLUMNS, form)
    if not rows:
        say("No readings to compare with.")
    for currency, old in before.items():
        new = after.get(currency)
        if old is not None and new is not None:
            more = "more" if new >= old else "less"
            say(
                f"{money(str(old), currency)} before, {money(str(new), currency)} after: "
                f"{money(str(abs(new - old)), currency)} {more}."
            )
    for note in reply.notes:
        say(sentence(note))

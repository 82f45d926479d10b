"""The commands that change something. What was made is written like a list of one row, so scripts can go on with it."""

import re
import shlex
from datetime import date
from decimal import Decimal

import click

from tui.cli import rows
from tui.cli.lists import (
    assets,
    assignment_rules,
    billing,
    buckets,
    clients,
    form_option,
    jobs,
)
from tui.cli.output import write
from tui.cli.session import EXIT_FAILED, Failure, client_id, run, say
from tui.client import Aggregator
from ullage.v1 import agreements_pb2, billing_pb2, inventory_pb2, types_pb2
from ullage.wire import from_decimal, to_decimal

OPERATORS = {
    "equals": types_pb2.OPERATOR_EQUALS,
    "glob": types_pb2.OPERATOR_GLOB,
    "regex": types_pb2.OPERATOR_REGEX,
    "cidr": types_pb2.OPERATOR_CIDR,
}
_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_FILTER_HELP = (
    "FIELD OPERATOR PATTERN, several joined by 'and', for example \"name glob web-* and label:env equals prod\". "
    "Fields: source_type, external_id, name, address, agent, site, label:KEY. "
    "Operators: equals, glob, regex, cidr."
)


def parse_filter(written: str) -> types_pb2.Filter:
    """``name glob web-* and address cidr 10.0.0.0/8``: every condition must hold. Words with spaces are quoted."""
    try:
        words = shlex.split(written)
    except ValueError as error:
        raise click.BadParameter(f"{error}: {written}") from None
    conditions: list[types_pb2.Condition] = []
    for start in range(0, len(words), 4):
        group = words[start : start + 4]
        if len(group) < 3 or (len(group) == 4 and (group[3] != "and" or start + 4 == len(words))):
            raise click.BadParameter(f"{written!r} is not FIELD OPERATOR PATTERN [and …]")
        operator = OPERATORS.get(group[1])
        if operator is None:
            raise click.BadParameter(f"{group[1]!r} is not one of {', '.join(OPERATORS)}")
        conditions.append(types_pb2.Condition(field=group[0], operator=operator, pattern=group[2]))
    if not conditions:
        raise click.BadParameter("a filter needs at least one condition")
    return types_pb2.Filter(conditions=conditions)


def parse_amount(written: str) -> Decimal:
    """A decimal that is not negative, in plain notation."""
    try:
        amount = to_decimal(written)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if amount is None or amount < 0:
        raise click.BadParameter(f"{written!r} is not a number of 0 or more")
    return amount


def parse_day(written: str) -> str:
    """A day of the calendar, ``YYYY-MM-DD``, as it was written."""
    try:
        if not _DAY.match(written):
            raise ValueError
        date.fromisoformat(written)
    except ValueError:
        raise click.BadParameter(f"{written!r} is not a day like 2026-01-31") from None
    return written


@clients.command("create")
@click.argument("name")
@click.option("--currency", required=True, metavar="CODE", help="ISO 4217, e.g. EUR. All prices are in it.")
@click.option(
    "--time-zone", default="UTC", show_default=True, metavar="ZONE", help="IANA name: where its days begin."
)
@click.option(
    "--cycle",
    type=click.Choice(["month", "week"]),
    default="month",
    show_default=True,
    help="Unit of its periods.",
)
@click.option("--count", type=click.IntRange(1, 60), default=1, show_default=True, help="Units in a period.")
@click.option(
    "--anchor",
    type=parse_day,
    metavar="YYYY-MM-DD",
    required=True,
    help="First day of its first period, e.g. 2026-01-01.",
)
@form_option
def create_client(
    *, name: str, currency: str, time_zone: str, cycle: str, count: int, anchor: str, form: str
) -> None:
    """Creates the client NAME.

    Example: ullage clients create "Brook & Sons" --currency EUR --time-zone Europe/Berlin --anchor 2026-01-01
    """
    request = inventory_pb2.CreateClientRequest(
        name=name,
        currency=currency.upper(),
        time_zone=time_zone,
        cycle_unit=cycle,
        cycle_count=count,
        cycle_anchor=anchor,
    )
    created = run(lambda aggregator: aggregator.create_client(request))
    write([rows.client_row(created)], rows.CLIENT_COLUMNS, form)


@buckets.command("create")
@click.argument("name")
@click.option("--client", required=True, metavar="CLIENT", help="Whose bucket: id or name.")
@click.option("--source", required=True, metavar="TYPE", help="Source type, e.g. vm.")
@click.option(
    "--unit", required=True, metavar="TYPE", help="Unit type, e.g. ram; see `ullage unit-types list`."
)
@click.option(
    "--starts-on",
    type=parse_day,
    metavar="YYYY-MM-DD",
    required=True,
    help="First day of the terms, in the client's zone.",
)
@click.option(
    "--commit",
    type=parse_amount,
    metavar="AMOUNT",
    default="0",
    show_default=True,
    help="Quantity contracted for a period; 0: none.",
)
@click.option(
    "--base", type=parse_amount, metavar="AMOUNT", required=True, help="Price of a unit up to the commit."
)
@click.option(
    "--overage", type=parse_amount, metavar="AMOUNT", required=True, help="Price of a unit above it."
)
@click.option(
    "--aggregation",
    type=click.Choice(["sum", "avg", "max", "last", "count"]),
    required=True,
    help="How a period's slots become one quantity.",
)
@click.option(
    "--priority", type=int, default=0, show_default=True, help="The higher wins where two buckets match."
)
@click.option(
    "--filter",
    "filters",
    type=parse_filter,
    metavar="FILTER",
    multiple=True,
    help=_FILTER_HELP + " Given twice: alternatives. None: every asset of that type.",
)
@form_option
def create_bucket(
    *,
    name: str,
    client: str,
    source: str,
    unit: str,
    starts_on: str,
    commit: Decimal,
    base: Decimal,
    overage: Decimal,
    aggregation: str,
    priority: int,
    filters: tuple[types_pb2.Filter, ...],
    form: str,
) -> None:
    """Creates the bucket NAME: from the next binding run on it takes what its filters match.

    Example: ullage buckets create "web memory" --client 3 --source vm --unit ram --aggregation avg
    --commit 64 --base 2.50 --overage 4 --starts-on 2026-01-01 --filter "name glob web-*"
    """
    terms = agreements_pb2.Terms(
        starts_on=starts_on,
        commit=from_decimal(commit),
        base_price=from_decimal(base),
        overage_price=from_decimal(overage),
        aggregation=aggregation,
    )

    async def work(aggregator: Aggregator) -> inventory_pb2.Bucket:
        request = inventory_pb2.CreateBucketRequest(
            client_id=await client_id(aggregator, client),
            name=name,
            source_type=source,
            unit_type=unit,
            priority=priority,
            filters=filters,
            terms=terms,
        )
        return await aggregator.create_bucket(request)

    write([rows.bucket_row(run(work))], rows.BUCKET_COLUMNS, form)


@assignment_rules.command("create")
@click.option("--client", required=True, metavar="CLIENT", help="Who gets the assets: id or name.")
@click.option(
    "--priority", type=int, default=0, show_default=True, help="The higher wins, then the older rule."
)
@click.option("--filter", "filtered", type=parse_filter, metavar="FILTER", required=True, help=_FILTER_HELP)
@form_option
def create_assignment_rule(*, client: str, priority: int, filtered: types_pb2.Filter, form: str) -> None:
    """Creates a rule: assets that match and are not assigned by hand go to the client.

    Example: ullage assignment-rules create --client "Brook & Sons" --filter "name glob brook-*"
    """

    async def work(aggregator: Aggregator) -> inventory_pb2.AssignmentRule:
        of = await client_id(aggregator, client)
        request = inventory_pb2.CreateAssignmentRuleRequest(client_id=of, priority=priority, filter=filtered)
        return await aggregator.create_assignment_rule(request)

    write([rows.rule_row(run(work))], rows.RULE_COLUMNS, form)


@assets.command("assign")
@click.argument("asset_ids", metavar="ID...", type=click.IntRange(min=1), nargs=-1, required=True)
@click.option("--client", metavar="CLIENT", help="Who gets them: id or name.")
@click.option("--end", is_flag=True, help="End the assignment: they are metered on, unassigned.")
def assign_assets(asset_ids: tuple[int, ...], client: str | None, end: bool) -> None:
    """Assigns assets to a client by hand, or ends their assignment.

    Example: ullage assets assign 17 18 --client "Brook & Sons"
    """
    if bool(client) == end:
        raise click.UsageError("Say either --client CLIENT or --end.")

    async def work(aggregator: Aggregator) -> int:
        of = await client_id(aggregator, client or "")
        return await aggregator.assign_assets(asset_ids, client_id=of)

    changed = run(work)
    say(f"{changed} of {len(asset_ids)} assets changed.")


def _ran(result: billing_pb2.Run, form: str) -> None:
    """The run as a row; exit code 1 when it failed."""
    write([rows.run_row(result)], ("id", "job", "state", "started_at", "ended_at", "counts"), form)
    if result.state == "skipped":
        say("Skipped: another run of this job was under way.")
    elif result.state == "failed":
        raise Failure(f"The run {result.id} failed. The aggregator's log says why.", EXIT_FAILED)


@billing.command("run")
@click.option(
    "--all", "everything", is_flag=True, help="Rate every period again, also where nothing changed."
)
@form_option
def run_billing(everything: bool, form: str) -> None:
    """Rates the periods in which something changed, and waits for it. Safe to repeat."""
    _ran(run(lambda aggregator: aggregator.run_billing(everything=everything)), form)


@jobs.command("run")
@click.argument("name")
@form_option
def run_job(name: str, form: str) -> None:
    """Runs the job NAME now (rollup, binding, billing or projection) and waits for it."""
    _ran(run(lambda aggregator: aggregator.run_job(name)), form)

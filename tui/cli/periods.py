"""``ullage billing status|close|acknowledge|finalise``: how a client's period becomes final."""

import click

from tui.cli.billing import STATES, billing, month_option, state_option, state_words
from tui.cli.listing import Found, every, pages, show
from tui.cli.names import client_id
from tui.cli.options import (
    client_option,
    descending_option,
    form_option,
    limit_option,
    search_option,
    sort_option,
    yes_option,
)
from tui.cli.output import Row, Value, write, write_facts, write_object
from tui.cli.question import answer
from tui.cli.session import EXIT_FAILED, EXIT_USAGE, Failure, has_terminal, run, say
from tui.cli.values import parse_day
from tui.client import RUN_SECONDS_MAX, Aggregator
from tui.failures import CallFailed, Kind, sentence
from tui.format import clean, decimal, moment, money, plural, stamp
from ullage.v1 import billing_pb2, closing_pb2

PERIOD_COLUMNS = (
    "client",
    "first_day",
    "last_day",
    "state",
    "buckets",
    "total",
    "currency",
    "open_items",
    "closes_at",
    "overdue",
)
ITEM_COLUMNS = ("item", "state", "text", "acknowledged_by", "reason")

day_option = click.option(
    "--day",
    type=parse_day,
    metavar="YYYY-MM-DD",
    help="A day of the period. Without it: the oldest period that has ended and is not finalised.",
)


def period_row(period: closing_pb2.Period) -> Row:
    """A client's period; ``open_items`` is null while it is open."""
    is_open = period.state == billing_pb2.PERIOD_STATE_OPEN
    return {
        "client_id": period.client_id,
        "client": period.client_name,
        "start": moment(period.start),
        "end": moment(period.end),
        "first_day": period.first_day,
        "last_day": period.last_day,
        "state": state_words(period.state),
        "buckets": period.buckets,
        "total": decimal(period.total.amount),
        "currency": period.total.currency or None,
        "open_items": None if is_open else period.open_items,
        "closes_at": moment(period.closes_at),
        "overdue": period.overdue,
        "finalised_at": moment(period.finalised_at),
        "cutoff": moment(period.cutoff),
    }


def item_row(item: closing_pb2.CheckItem) -> Row:
    """What keeps a period from being finalised; ``item`` is how ``--item`` takes it."""
    return {
        "item": item_words(item),
        "kind": item.kind,
        "subject": item.subject,
        "state": "open" if item.open else "acknowledged" if item.acknowledged_by else "settled",
        "text": item.text,
        "can_acknowledge": item.can_acknowledge,
        "acknowledged_by": item.acknowledged_by or None,
        "acknowledged_at": moment(item.acknowledged_at),
        "reason": item.reason or None,
    }


def item_words(item: closing_pb2.CheckItem) -> str:
    """As ``--item`` takes it: ``agent-silent agent:12``."""
    return f"{item.kind} {item.subject}".strip()


async def first_day_of(aggregator: Aggregator, client: int, day: str | None) -> str:
    """The first day of the client's period that holds ``day``; empty for None."""
    if day is None:
        return ""
    found: list[closing_pb2.Period]
    found, _ = await pages(
        lambda page: aggregator.periods(page, client_id=client), lambda reply: reply.periods
    )
    for period in found:
        if period.first_day <= day <= period.last_day:
            return period.first_day
    raise CallFailed(
        Kind.REFUSED,
        f"No period of that client holds {day}; `ullage billing status --client {client}` shows what there is.",
    )


async def named_client(aggregator: Aggregator, named: str) -> int:
    """The id of a client that must be named."""
    found = await client_id(aggregator, named)
    if not found:
        raise CallFailed(Kind.REFUSED, "Name the client, by id or name.")
    return found


@billing.command("status")
@client_option
@state_option
@click.option("--overdue", is_flag=True, help="Only those that should have been finalised by now.")
@month_option
@search_option
@sort_option
@descending_option
@limit_option
@form_option
def status(
    *,
    client: str,
    state: str | None,
    overdue: bool,
    month: str | None,
    search: str,
    sort: str,
    descending: bool,
    limit: int | None,
    form: str,
) -> None:
    """Periods by client, newest first: state, total, what is open before they can be finalised, and when they close.

    \b
    Examples:
    ullage billing status --state ended
    ullage billing status --overdue
    ullage billing status --month 2026-10 --sort total --descending
    """

    async def work(aggregator: Aggregator) -> Found:
        of = await client_id(aggregator, client)
        wanted = STATES[state] if state else billing_pb2.PERIOD_STATE_UNSPECIFIED
        return await every(
            lambda page: aggregator.periods(
                page, client_id=of, state=wanted, overdue=overdue, month=month or "", search=search
            ),
            lambda reply: reply.periods,
            period_row,
            limit,
            sort=sort,
            descending=descending,
        )

    show(run(work), PERIOD_COLUMNS, form, "periods")


@billing.command("close")
@click.argument("client")
@day_option
@form_option
def close(client: str, day: str | None, form: str) -> None:
    """The close checklist of a client's ended period: what keeps it from being finalised. CLIENT is an id or a name.

    Changes nothing. The last words say what to do next.

    \b
    Examples:
    ullage billing close acme
    ullage billing close acme --day 2026-10-31 --format json
    """

    async def work(aggregator: Aggregator) -> closing_pb2.Checklist:
        of = await named_client(aggregator, client)
        request = closing_pb2.GetChecklistRequest(
            client_id=of, first_day=await first_day_of(aggregator, of, day)
        )
        return await aggregator.ask(aggregator.closing.GetChecklist, request)

    show_checklist(run(work), form)


def show_checklist(found: closing_pb2.Checklist, form: str) -> None:
    """Items as rows, in JSON below their period; the way on in words."""
    items = [item_row(item) for item in found.items]
    if form in {"json", "jsonl"}:
        listed: list[Value] = list(items)
        write_object({"period": period_row(found.period), "ready": found.ready, "items": listed}, form)
    else:
        write(items, ITEM_COLUMNS, form)
    for line in next_words(found):
        say(line)


def next_words(found: closing_pb2.Checklist) -> list[str]:
    """How the period stands, and what to do next."""
    period, still = found.period, [item for item in found.items if item.open]
    about = f"{clean(period.client_name)}, {period.first_day} to {period.last_day}"
    of = f"{period.client_id} --day {period.first_day}"
    if period.state == billing_pb2.PERIOD_STATE_FINALISED:
        return [f"{about}: finalised, {money(period.total.amount, period.total.currency)}."]
    if found.ready:
        return [
            f"{about}: nothing is open, {money(period.total.amount, period.total.currency)}.",
            f"Billing finalises it at its next run; to do it now: ullage billing finalise {of}",
        ]
    said = [f"{about}: {plural(len(still), 'item')} open."]
    if any(item.can_acknowledge for item in still):
        said.append(
            "What cannot be put right is acknowledged, each with its reason: "
            f'ullage billing acknowledge {of} --item "…" --reason "…"'
        )
    closes = moment(period.closes_at)
    if closes is not None:
        said.append(f"As things are it is finalised by itself after {stamp(closes)}.")
    return said


@billing.command("acknowledge")
@click.argument("client")
@day_option
@click.option(
    "--item",
    "items",
    multiple=True,
    metavar="ITEM",
    help='As `billing close` shows it, such as "agent-silent agent:12"; may be repeated.',
)
@click.option("--all", "everything", is_flag=True, help="All items that can be acknowledged.")
@click.option("--reason", default="", metavar="TEXT", help="Why it may be billed so; kept with the period.")
@click.option("--withdraw", is_flag=True, help="Take acknowledgements back.")
@form_option
def acknowledge(
    client: str,
    day: str | None,
    items: tuple[str, ...],
    everything: bool,
    reason: str,
    withdraw: bool,
    form: str,
) -> None:
    """Says that a period may be finalised although an item of its checklist is open. CLIENT is an id or a name.

    \b
    Examples:
    ullage billing acknowledge acme --item "agent-silent agent:12" --reason "host was sold"
    ullage billing acknowledge acme --day 2026-10-31 --item "coverage bucket:7" --withdraw
    """
    if bool(items) == everything:
        raise click.UsageError("Name items with --item, or take --all, but not both.")
    if not withdraw and not reason.strip():
        raise click.UsageError("Say why with --reason: it is kept with the period.")

    async def work(aggregator: Aggregator) -> closing_pb2.Checklist:
        of = await named_client(aggregator, client)
        request = closing_pb2.AcknowledgeItemsRequest(
            client_id=of,
            first_day=await first_day_of(aggregator, of, day),
            items=items,
            reason=reason,
            withdraw=withdraw,
        )
        return await aggregator.ask(aggregator.closing.AcknowledgeItems, request)

    show_checklist(run(work), form)


@billing.command("finalise")
@click.argument("client")
@day_option
@click.option("--dry-run", is_flag=True, help="Say what would be final, and do nothing.")
@yes_option
@form_option
def finalise(client: str, day: str | None, dry_run: bool, yes: bool, form: str) -> None:
    """Makes a client's period final, for good: later usage becomes adjustments. CLIENT is an id or a name.

    Refused while items of `ullage billing close` are open. On a terminal it asks for the client's name.

    \b
    Examples:
    ullage billing finalise acme --dry-run
    ullage billing finalise acme --day 2026-10-31 --yes
    """

    async def work(aggregator: Aggregator, *, first_day: str = "", dry: bool) -> closing_pb2.FinaliseReply:
        of = await named_client(aggregator, client)
        request = closing_pb2.FinaliseRequest(
            client_id=of,
            first_day=first_day or await first_day_of(aggregator, of, day),
            dry_run=dry,
        )
        return await aggregator.ask(aggregator.closing.Finalise, request, seconds=RUN_SECONDS_MAX)

    if not (dry_run or yes or has_terminal()):
        raise Failure(
            "A finalised period is never changed again. There is no terminal to ask on: "
            "repeat with --yes to do it, or with --dry-run to see what it would do.",
            EXIT_USAGE,
        )
    if dry_run or not yes:
        plan = run(lambda aggregator: work(aggregator, dry=True))
        if dry_run:
            write_facts({"dry_run": True, **finalised_row(plan)}, form)
            say("Nothing was done: this was a dry run.")
            return
        confirm(plan)
        # What was asked about, and not whatever is the oldest by now.
        first_day = plan.period.first_day
    else:
        first_day = ""
    done = run(lambda aggregator: work(aggregator, first_day=first_day, dry=False))
    write_facts(finalised_row(done), form)
    say(
        sentence(
            f"{done.period.first_day} to {done.period.last_day} of {clean(done.period.client_name)} is final"
        )
    )


def finalised_row(reply: closing_pb2.FinaliseReply) -> Row:
    """What became final, or would."""
    return {
        "client_id": reply.period.client_id,
        "client": reply.period.client_name,
        "first_day": reply.period.first_day,
        "last_day": reply.period.last_day,
        "readings": reply.readings,
        "adjustments": reply.adjustments,
        "total": decimal(reply.total.amount),
        "currency": reply.total.currency,
        "cutoff": moment(reply.period.cutoff),
    }


def confirm(plan: closing_pb2.FinaliseReply) -> None:
    """Goes on only when the client's name is typed."""
    period = plan.period
    say(
        f"{period.client_name}, {period.first_day} to {period.last_day}: {plural(plan.readings, 'reading')} and "
        f"{plural(plan.adjustments, 'adjustment')}, {money(plan.total.amount, plan.total.currency)}."
    )
    say("A finalised period is never changed again.")
    typed = answer("Type the client's name to finalise it: ")
    if typed.strip() not in {period.client_name.strip(), clean(period.client_name).strip()}:
        raise Failure("That is not the client's name: nothing was done.", EXIT_FAILED)

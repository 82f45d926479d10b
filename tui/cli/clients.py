"""``ullage clients``: customers, from their first day to the day they are forgotten."""

from typing import Any

import click

from tui.cli import rows
from tui.cli.listing import Found, every, show
from tui.cli.names import client_id
from tui.cli.options import (
    descending_option,
    dry_run_option,
    form_option,
    limit_option,
    search_option,
    sort_option,
    yes_option,
)
from tui.cli.outcome import ask, consequences, write_preview
from tui.cli.output import write, write_facts
from tui.cli.session import run, say
from tui.cli.values import Whole, parse_day
from tui.client import Aggregator, Page
from ullage.v1 import client_acts_pb2, inventory_pb2

CYCLE_UNITS = ("month", "week")


@click.group()
def clients() -> None:
    """Customers: list, show, create, edit, enable, disable, erase, import, export, contracts, reconcile."""


@clients.command("list")
@search_option
@click.option("--enabled", is_flag=True, help="Only enabled ones.")
@click.option("--disabled", is_flag=True, help="Only disabled ones.")
@sort_option
@descending_option
@limit_option
@form_option
def list_clients(
    *, search: str, enabled: bool, disabled: bool, sort: str, descending: bool, limit: int | None, form: str
) -> None:
    """All clients, with the projected cost of their open period.

    Example: ullage clients list --search brook
    """

    async def work(aggregator: Aggregator) -> Found:
        def request(page: Page) -> inventory_pb2.ListClientsRequest:
            return inventory_pb2.ListClientsRequest(
                page=page.message(), search=search, enabled=enabled, disabled=disabled
            )

        return await every(
            lambda page: aggregator.ask(aggregator.inventory.ListClients, request(page)),
            lambda reply: reply.clients,
            rows.client_row,
            limit,
            sort=sort,
            descending=descending,
        )

    show(run(work), rows.CLIENT_COLUMNS, form, "clients")


@clients.command("show")
@click.argument("client")
@form_option
def show_client(client: str, form: str) -> None:
    """One client with everything agreed with it: CLIENT is its id or name.

    Example: ullage clients show "Brook & Sons"
    """

    async def work(aggregator: Aggregator) -> inventory_pb2.Client:
        return await aggregator.client(await client_id(aggregator, client))

    write_facts(rows.client_row(run(work)), form)


@clients.command("create")
@click.argument("name")
@click.option("--currency", required=True, metavar="CODE", help="ISO 4217, e.g. EUR. All prices are in it.")
@click.option(
    "--time-zone", default="UTC", show_default=True, metavar="ZONE", help="IANA name: where its days begin."
)
@click.option(
    "--cycle",
    type=click.Choice(CYCLE_UNITS),
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
@click.option(
    "--close-after",
    type=Whole(0, bits=32),
    metavar="DAYS",
    help="Finalise so many days after a period's end whatever is open. Without it: wait.",
)
@click.option("--contact", default="", metavar="TEXT", help="Whom to ask.")
@form_option
def create_client(
    *,
    name: str,
    currency: str,
    time_zone: str,
    cycle: str,
    count: int,
    anchor: str,
    close_after: int | None,
    contact: str,
    form: str,
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
        contact=contact,
        close_after_days=close_after,
    )
    created = run(lambda aggregator: aggregator.ask(aggregator.inventory.CreateClient, request))
    write([rows.client_row(created)], rows.CLIENT_COLUMNS, form)


@clients.command("edit")
@click.argument("client")
@click.option("--name", metavar="TEXT", help="Its new name.")
@click.option("--contact", metavar="TEXT", help="Whom to ask.")
@click.option(
    "--close-after",
    type=Whole(0, bits=32),
    metavar="DAYS",
    help="Finalise so many days after a period's end whatever is open.",
)
@click.option("--wait", is_flag=True, help="Never finalise while something is open.")
@click.option("--currency", metavar="CODE", help="ISO 4217. Starts with a period, as do zone and cycle.")
@click.option("--time-zone", metavar="ZONE", help="IANA name.")
@click.option("--cycle", type=click.Choice(CYCLE_UNITS), help="Unit of its periods.")
@click.option("--count", type=click.IntRange(1, 60), help="Units in a period.")
@click.option(
    "--cycle-from",
    type=parse_day,
    metavar="YYYY-MM-DD",
    help="The end of a period, from which currency, zone and cycle hold. Without it: the end of the open one.",
)
@dry_run_option
@form_option
def edit_client(
    *, client: str, wait: bool, cycle_from: str | None, dry_run: bool, form: str, **given: Any
) -> None:
    """Changes what is given and leaves the rest. CLIENT is its id or name.

    Example: ullage clients edit acme --cycle week --count 2 --cycle-from 2026-12-01 --dry-run
    """
    names = {"close_after": "close_after_days", "cycle": "cycle_unit", "count": "cycle_count"}
    changes = {names.get(name, name): value for name, value in given.items() if value is not None}
    if wait and "close_after_days" in changes:
        raise click.UsageError("Say either --close-after DAYS or --wait.")
    if not changes and not wait:
        raise click.UsageError("Say what to change, for example --name or --contact.")
    if "currency" in changes:
        changes["currency"] = changes["currency"].upper()

    async def work(aggregator: Aggregator) -> inventory_pb2.UpdateClientReply:
        request = client_acts_pb2.UpdateClientRequest(
            id=await client_id(aggregator, client),
            wait=wait,
            cycle_from=cycle_from or "",
            dry_run=dry_run,
            **changes,
        )
        return await aggregator.ask(aggregator.inventory.UpdateClient, request)

    _updated(run(work), form, dry_run=dry_run)


def _updated(reply: inventory_pb2.UpdateClientReply, form: str, *, dry_run: bool) -> None:
    """What became of a client, or would."""
    if dry_run:
        write_preview(reply.preview, form, more={"client": rows.client_row(reply.client)})
        return
    write([rows.client_row(reply.client)], rows.CLIENT_COLUMNS, form)
    consequences(reply.preview)


def _set_enabled(client: str, *, enabled: bool, on: str | None, dry_run: bool, form: str) -> None:
    async def work(aggregator: Aggregator) -> inventory_pb2.UpdateClientReply:
        request = client_acts_pb2.SetClientEnabledRequest(
            id=await client_id(aggregator, client), enabled=enabled, on=on or "", dry_run=dry_run
        )
        return await aggregator.ask(aggregator.inventory.SetClientEnabled, request)

    _updated(run(work), form, dry_run=dry_run)


_on = click.option(
    "--on",
    type=parse_day,
    metavar="YYYY-MM-DD",
    help="The local midnight from which it holds. Without it: the next one.",
)


@clients.command("enable")
@click.argument("client")
@_on
@dry_run_option
@form_option
def enable_client(client: str, on: str | None, dry_run: bool, form: str) -> None:
    """Lets its buckets hold again from a local midnight on. CLIENT is its id or name.

    Example: ullage clients enable acme --on 2026-12-01
    """
    _set_enabled(client, enabled=True, on=on, dry_run=dry_run, form=form)


@clients.command("disable")
@click.argument("client")
@_on
@dry_run_option
@form_option
def disable_client(client: str, on: str | None, dry_run: bool, form: str) -> None:
    """Ends all its buckets at a local midnight; what was used before stays billed. CLIENT is its id or name.

    Example: ullage clients disable acme --on 2026-12-01 --dry-run
    """
    _set_enabled(client, enabled=False, on=on, dry_run=dry_run, form=form)


@clients.command("erase")
@click.argument("client_number", metavar="ID", type=Whole(1))
@click.option("--name", required=True, metavar="NAME", help="Its name, as a check that this one is meant.")
@yes_option
@form_option
def erase_client(client_number: int, name: str, yes: bool, form: str) -> None:
    """Replaces its name and contact for good. Its figures stay. This cannot be undone.

    Example: ullage clients erase 12 --name "Quill Press"
    """
    ask(f"Erase the name and contact of client {client_number}, {name}, for good?", yes=yes)
    request = client_acts_pb2.EraseClientRequest(id=client_number, name=name)
    erased = run(lambda aggregator: aggregator.ask(aggregator.inventory.EraseClient, request))
    write([rows.client_row(erased)], rows.CLIENT_COLUMNS, form)
    say("Erased. Its figures stay under the new name.")

"""``ullage quarantine``: readings that were not taken, and what becomes of them."""

import click

from tui.cli.listing import Found, every, show, whole
from tui.cli.names import agent_id
from tui.cli.options import form_option, limit_option, yes_option
from tui.cli.outcome import ask
from tui.cli.output import Row
from tui.cli.selection import read_ids
from tui.cli.session import run, say
from tui.client import RUN_SECONDS_MAX, Aggregator, Page
from tui.format import moment
from ullage.v1 import admin_pb2

QUARANTINE_COLUMNS = (
    "agent_id",
    "agent",
    "reason",
    "readings",
    "oldest",
    "newest",
    "example",
    "counted_only",
)
READING_COLUMNS = (
    "id",
    "agent",
    "reason",
    "source_type",
    "external_id",
    "unit_type",
    "value",
    "since",
    "ticked_at",
)


def quarantine_row(group: admin_pb2.QuarantineGroup) -> Row:
    """Readings of one agent and reason, and one of them in words."""
    example = (
        f"{group.example_source_type} {group.example_external_id} {group.example_unit_type} = {group.example_value}"
        if group.readings
        else ""
    )
    return {
        "agent_id": group.agent_id,
        "agent": group.agent_name,
        "reason": group.reason,
        "readings": group.readings,
        "oldest": moment(group.oldest),
        "newest": moment(group.newest),
        "example": example,
        "example_at": moment(group.example_ticked_at),
        "counted_only": group.counted_only,
    }


def quarantined_row(reading: admin_pb2.Quarantined) -> Row:
    """A single reading that was not taken."""
    return {
        "id": reading.id,
        "agent_id": reading.agent_id,
        "agent": reading.agent_name,
        "reason": reading.reason,
        "source_type": reading.source_type,
        "external_id": reading.external_id,
        "unit_type": reading.unit_type,
        "value": reading.value,
        "since": moment(reading.since),
        "ticked_at": moment(reading.ticked_at),
        "stored_at": moment(reading.stored_at),
    }


@click.group()
def quarantine() -> None:
    """Readings that were not taken: list, show, release, discard."""


@quarantine.command("list")
@limit_option
@form_option
def list_quarantine(limit: int | None, form: str) -> None:
    """What waits for a decision, by agent and reason, each with an example.

    Example: ullage quarantine list
    """
    request = admin_pb2.ListQuarantineRequest()
    reply = run(lambda aggregator: aggregator.ask(aggregator.admin.ListQuarantine, request))
    found = [quarantine_row(one) for one in reply.groups]
    show(whole(found, limit), QUARANTINE_COLUMNS, form, "groups of quarantined readings")


_ids = click.argument("ids", metavar="[ID]...", nargs=-1)
_agent = click.option(
    "--agent", default="", metavar="AGENT", help="All of this agent, id or name, and --reason."
)
_reason = click.option(
    "--reason", default="", metavar="REASON", help="As the list shows it, e.g. unknown_unit."
)


@quarantine.command("show")
@click.option("--agent", default="", metavar="AGENT", help="Only of this agent: id or name.")
@click.option("--reason", default="", metavar="REASON", help="Only for this reason, as the list shows it.")
@limit_option
@form_option
def show_quarantine(agent: str, reason: str, limit: int | None, form: str) -> None:
    """Single readings that wait for a decision, with the ids to release or discard them by.

    Example: ullage quarantine show --agent hv-03 --reason unknown_unit --limit 20
    """

    async def work(aggregator: Aggregator) -> Found:
        of = await agent_id(aggregator, agent)

        def request(page: Page) -> admin_pb2.ListQuarantinedRequest:
            return admin_pb2.ListQuarantinedRequest(page=page.message(), agent_id=of, reason=reason)

        return await every(
            lambda page: aggregator.ask(aggregator.admin.ListQuarantined, request(page)),
            lambda reply: reply.readings,
            quarantined_row,
            limit,
        )

    show(run(work), READING_COLUMNS, form, "quarantined readings")


@quarantine.command("release")
@_ids
@_agent
@_reason
def release_quarantine(ids: tuple[str, ...], agent: str, reason: str) -> None:
    """Takes readings in after all: by their ids, or all of an agent and reason. What is still wrong stays.

    Example: ullage quarantine release --agent hv-03 --reason unknown_unit
    """
    numbers = _numbers(ids, agent, reason)

    async def work(aggregator: Aggregator) -> admin_pb2.SettleQuarantineReply:
        request = await _request(aggregator, numbers, agent, reason)
        return await aggregator.ask(aggregator.admin.ReleaseQuarantine, request, seconds=RUN_SECONDS_MAX)

    done = run(work)
    say(f"{done.settled} readings released, {done.kept} still not acceptable and kept.")


@quarantine.command("discard")
@_ids
@_agent
@_reason
@yes_option
def discard_quarantine(ids: tuple[str, ...], agent: str, reason: str, yes: bool) -> None:
    """Decides that readings never count. They stay on record.

    Example: ullage quarantine discard 812 813
    """
    numbers = _numbers(ids, agent, reason)
    ask("Discard them for good?", yes=yes)

    async def work(aggregator: Aggregator) -> admin_pb2.SettleQuarantineReply:
        request = await _request(aggregator, numbers, agent, reason)
        return await aggregator.ask(aggregator.admin.DiscardQuarantine, request, seconds=RUN_SECONDS_MAX)

    say(f"{run(work).settled} readings discarded.")


def _numbers(ids: tuple[str, ...], agent: str, reason: str) -> list[int]:
    if bool(ids) == bool(agent and reason) or (ids and (agent or reason)):
        raise click.UsageError("Name either ids or both --agent and --reason.")
    return read_ids(ids)


async def _request(
    aggregator: Aggregator, numbers: list[int], agent: str, reason: str
) -> admin_pb2.SettleQuarantineRequest:
    return admin_pb2.SettleQuarantineRequest(
        ids=numbers, agent_id=await agent_id(aggregator, agent), reason=reason
    )

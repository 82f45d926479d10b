"""What happens to readings on their way in: ``ullage agents``, ``suppressions`` and ``quarantine``."""

import click

from tui.cli.acts import OPERATORS
from tui.cli.lists import form_option, limit_option, show, whole
from tui.cli.output import Row, write
from tui.cli.rows import operator_words
from tui.cli.session import run, say
from tui.format import moment
from ullage.v1 import admin_pb2, agents_pb2, inventory_pb2, types_pb2

AGENT_COLUMNS = (
    "id",
    "name",
    "site",
    "state",
    "connected",
    "last_batch",
    "heartbeat_at",
    "spool",
    "unacknowledged",
    "clock_offset_ms",
    "failed_collectors",
    "last_error",
    "tombstones",
    "conflicts",
    "quarantined",
    "version",
)
SUPPRESSION_COLUMNS = (
    "id",
    "field",
    "type",
    "pattern",
    "reason",
    "created_at",
    "ended_at",
    "assets",
    "readings",
    "last_hit",
)
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
# As people know them from other programs.
_TYPES = {**OPERATORS, "exact": types_pb2.OPERATOR_EQUALS}


def agent_row(agent: agents_pb2.Agent) -> Row:
    """An agent with its last heartbeat; what only a heartbeat tells is null before the first."""
    heard = agent.HasField("heartbeat_at")
    return {
        "id": agent.id,
        "uuid": agent.uuid,
        "name": agent.name,
        "site": agent.site,
        "state": agent.state,
        "connected": agent.connected,
        "last_batch": moment(agent.last_batch),
        "batches": agent.batches,
        "readings": agent.readings,
        "heartbeat_at": moment(agent.heartbeat_at),
        "spool": agent.spool_state or None,
        "spool_bytes": agent.spool_bytes if heard else None,
        "spool_bytes_max": agent.spool_bytes_max if heard else None,
        "unacknowledged": agent.unacknowledged if heard else None,
        "oldest_unacknowledged": moment(agent.oldest_unacknowledged),
        "clock_offset_ms": agent.clock_offset_ms if heard else None,
        "failed_collectors": list(agent.failed_collectors),
        "last_error": agent.last_error,
        "tombstones": agent.tombstones,
        "conflicts": agent.conflicts,
        "quarantined": agent.quarantined,
        "version": agent.version,
    }


def suppression_row(suppression: inventory_pb2.Suppression) -> Row:
    """A suppression with what it dropped."""
    condition = suppression.condition
    return {
        "id": suppression.id,
        "field": condition.field,
        "type": operator_words(condition.operator),
        "pattern": condition.pattern,
        "reason": suppression.reason,
        "created_at": moment(suppression.created_at),
        "ended_at": moment(suppression.ended_at),
        "assets": suppression.assets,
        "readings": suppression.readings,
        "last_hit": moment(suppression.last_hit),
    }


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


@click.group()
def agents() -> None:
    """Our programs on metered hosts: list."""


@agents.command("list")
@limit_option
@form_option
def list_agents(limit: int | None, form: str) -> None:
    """All agents: when they were last heard of, what waits in their spools, their clocks, what went wrong."""
    reply = run(lambda aggregator: aggregator.agents())
    show(whole([agent_row(one) for one in reply.agents], limit), AGENT_COLUMNS, form, "agents")


@click.group()
def suppressions() -> None:
    """Rules that keep assets out at ingest: list, add, end."""


@suppressions.command("list")
@click.option("--ended", is_flag=True, help="Those that have ended too.")
@limit_option
@form_option
def list_suppressions(ended: bool, limit: int | None, form: str) -> None:
    """All suppressions that hold, and how much each has dropped."""
    reply = run(lambda aggregator: aggregator.suppressions(ended=ended))
    found = [suppression_row(one) for one in reply.suppressions]
    show(whole(found, limit), SUPPRESSION_COLUMNS, form, "suppressions")


@suppressions.command("add")
@click.argument("field")
@click.argument("kind", metavar="TYPE", type=click.Choice(sorted(_TYPES)))
@click.argument("pattern")
@click.option("--reason", required=True, metavar="TEXT", help="Why; whoever finds it later wants to know.")
@form_option
def add_suppression(field: str, kind: str, pattern: str, reason: str, form: str) -> None:
    """Drops matching assets at ingest from their next batch on. What is stored already stays.

    FIELD: source_type, external_id, name, address, agent, site or label:KEY. TYPE: exact, glob, regex or cidr.

    Example: ullage suppressions add name glob "tmp-*" --reason "build machines, nobody pays for them"
    """
    condition = types_pb2.Condition(field=field, operator=_TYPES[kind], pattern=pattern)
    made = run(lambda aggregator: aggregator.create_suppression(condition, reason=reason))
    write([suppression_row(made)], SUPPRESSION_COLUMNS, form)


@suppressions.command("end")
@click.argument("suppression_id", metavar="ID", type=click.IntRange(min=1))
@form_option
def end_suppression(suppression_id: int, form: str) -> None:
    """Lets matching assets in again from their next batch on. What was dropped is gone."""
    ended = run(lambda aggregator: aggregator.end_suppression(suppression_id))
    write([suppression_row(ended)], SUPPRESSION_COLUMNS, form)
    say(f"{ended.readings} readings of its time were dropped and cannot be brought back.")


@click.group()
def quarantine() -> None:
    """Readings that were not taken: list, release, discard."""


@quarantine.command("list")
@limit_option
@form_option
def list_quarantine(limit: int | None, form: str) -> None:
    """What waits for a decision, by agent and reason, each with an example."""
    reply = run(lambda aggregator: aggregator.quarantine())
    found = [quarantine_row(one) for one in reply.groups]
    show(whole(found, limit), QUARANTINE_COLUMNS, form, "groups of quarantined readings")


_ids = click.argument("ids", metavar="[ID]...", type=click.IntRange(min=1), nargs=-1)
_agent = click.option(
    "--agent", "agent_id", type=click.IntRange(min=1), metavar="ID", help="All of this agent and --reason."
)
_reason = click.option(
    "--reason", default="", metavar="REASON", help="As the list shows it, e.g. unknown_unit."
)


@quarantine.command("release")
@_ids
@_agent
@_reason
def release_quarantine(ids: tuple[int, ...], agent_id: int | None, reason: str) -> None:
    """Takes readings in after all: by their ids, or all of an agent and reason. What is still wrong stays.

    Example: ullage quarantine release --agent 3 --reason unknown_unit
    """
    request = _request(ids, agent_id, reason)
    done = run(lambda aggregator: aggregator.release_quarantine(request))
    say(f"{done.settled} readings released, {done.kept} still not acceptable and kept.")


@quarantine.command("discard")
@_ids
@_agent
@_reason
@click.option("--yes", is_flag=True, help="Do not ask.")
def discard_quarantine(ids: tuple[int, ...], agent_id: int | None, reason: str, yes: bool) -> None:
    """Decides that readings never count. They stay on record."""
    request = _request(ids, agent_id, reason)
    if not yes:
        click.confirm("Discard them for good?", abort=True, err=True)
    done = run(lambda aggregator: aggregator.discard_quarantine(request))
    say(f"{done.settled} readings discarded.")


def _request(ids: tuple[int, ...], agent_id: int | None, reason: str) -> admin_pb2.SettleQuarantineRequest:
    if bool(ids) == bool(agent_id and reason) or (ids and (agent_id or reason)):
        raise click.UsageError("Name either ids or both --agent and --reason.")
    return admin_pb2.SettleQuarantineRequest(ids=ids, agent_id=agent_id or 0, reason=reason)

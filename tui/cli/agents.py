"""``ullage agents``: our programs on metered hosts, and how they are let in and out."""

from pathlib import Path

import click

from tui.cli.listing import Found, every, show, whole
from tui.cli.names import agent_id
from tui.cli.options import (
    descending_option,
    form_option,
    limit_option,
    search_option,
    sort_option,
    yes_option,
)
from tui.cli.outcome import ask
from tui.cli.output import Row, to_json, write, write_facts
from tui.cli.secret import out_option, safe
from tui.cli.session import run, say
from tui.cli.values import Whole
from tui.client import Aggregator, Page
from tui.format import moment, plural, stamp
from ullage.v1 import agents_pb2

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
TOKEN_COLUMNS = ("id", "site", "host", "agent", "state", "created_by", "created_at", "expires_at", "used_by")
STATES = ("active", "held", "retired", "revoked")


def agent_row(agent: agents_pb2.Agent) -> Row:
    """An agent with its last heartbeat; what only a heartbeat tells is null before the first."""
    heard = agent.HasField("heartbeat_at")
    return {
        "id": agent.id,
        "uuid": agent.uuid,
        "name": agent.name,
        "site": agent.site,
        "state": agent.state,
        "state_reason": agent.state_reason or None,
        "state_since": moment(agent.state_since),
        "connected": agent.connected,
        "last_batch": moment(agent.last_batch),
        "batches": agent.batches,
        "readings": agent.readings,
        "assets": agent.assets,
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
        "certificate_until": moment(agent.certificate_until),
        "version": agent.version,
        "created_at": moment(agent.created_at),
    }


def token_row(token: agents_pb2.EnrolmentToken) -> Row:
    """An enrolment token without its secret."""
    return {
        "id": token.id,
        "site": token.site,
        "host": token.host_name or None,
        "agent_id": token.agent_id or None,
        "agent": token.agent_name or None,
        "state": token.state,
        "created_by": token.created_by,
        "created_at": moment(token.created_at),
        "expires_at": moment(token.expires_at),
        "used_at": moment(token.used_at),
        "used_by": token.used_by or None,
    }


@click.group()
def agents() -> None:
    """Our programs on metered hosts: list, show, token, retire, hold, activate, revoke.

    AGENT is an id or a name.
    """


@agents.command("list")
@search_option
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@click.option("--silent", is_flag=True, help="Only those not heard of for ten minutes.")
@sort_option
@descending_option
@limit_option
@form_option
def list_agents(
    *,
    search: str,
    state: str | None,
    silent: bool,
    sort: str,
    descending: bool,
    limit: int | None,
    form: str,
) -> None:
    """All agents: when they were last heard of, what waits in their spools, their clocks, what went wrong.

    Example: ullage agents list --silent
    """

    async def work(aggregator: Aggregator) -> Found:
        def request(page: Page) -> agents_pb2.ListAgentsRequest:
            return agents_pb2.ListAgentsRequest(
                page=page.message(), search=search, state=state or "", silent=silent
            )

        return await every(
            lambda page: aggregator.ask(aggregator.admin.ListAgents, request(page)),
            lambda reply: reply.agents,
            agent_row,
            limit,
            sort=sort,
            descending=descending,
        )

    show(run(work), AGENT_COLUMNS, form, "agents")


@agents.command("show")
@click.argument("agent")
@form_option
def show_agent(agent: str, form: str) -> None:
    """One agent with everything that is known of it. AGENT is an id or a name.

    Example: ullage agents show hv-03
    """

    async def work(aggregator: Aggregator) -> agents_pb2.Agent:
        request = agents_pb2.GetAgentRequest(id=await agent_id(aggregator, agent))
        return await aggregator.ask(aggregator.admin.GetAgent, request)

    write_facts(agent_row(run(work)), form)


@agents.group("token")
def token() -> None:
    """Enrolment tokens, by which one host each can join: create, list, revoke."""


@token.command("create")
@click.option(
    "--site", default="", metavar="SITE", help="The new agent's site: within it names of VMs are unique."
)
@click.option("--host", default="", metavar="NAME", help="Only this host may use it. Without it: any.")
@click.option(
    "--for",
    "agent",
    default="",
    metavar="AGENT",
    help="For an agent that exists, id or name: a new image, a lost key.",
)
@click.option(
    "--minutes", type=click.IntRange(1, 1440), default=60, show_default=True, help="How long it can be used."
)
@out_option
@form_option
def create_token(*, site: str, host: str, agent: str, minutes: int, out: Path | None, form: str) -> None:
    """Makes a token by which one host can enrol. It is shown once: on stdout alone, or in --out FILE.

    \b
    Examples:
      ullage agents token create --site fra1 --host hv-07 --out hv-07.token
      ullage agents token create --for hv-03          for its new image; it keeps its assets
    """
    if bool(site) == bool(agent):
        raise click.UsageError(
            "Say either --site SITE, for a new agent, or --for AGENT, for one that exists."
        )

    address = "HOST:PORT"

    async def work(aggregator: Aggregator) -> agents_pb2.CreateEnrolmentTokenReply:
        nonlocal address
        address = aggregator.address
        request = agents_pb2.CreateEnrolmentTokenRequest(
            site=site, host_name=host, agent_id=await agent_id(aggregator, agent), seconds=minutes * 60
        )
        return await aggregator.ask(aggregator.admin.CreateEnrolmentToken, request)

    with safe(out) as put:
        reply = run(work)
        row = {**token_row(reply.enrolment_token), "ca_fingerprint": reply.ca_fingerprint}
        if out is not None or form in {"table", "csv"}:
            put(reply.token)
        else:
            click.echo(to_json({**row, "token": reply.token}, indent=2 if form == "json" else None))
    if out is not None:
        write([row], TOKEN_COLUMNS, form)
        say(f"The token is in {out}, which only you can read.")
    say(
        f"For one host, until {stamp(moment(reply.enrolment_token.expires_at))}. There, with it in token.txt:"
    )
    say(
        f"  ullage-agent enrol --config /etc/ullage/agent.toml --aggregator {address} --agent-listener HOST:PORT "
        f"--fingerprint {reply.ca_fingerprint} --token-file token.txt"
    )


@token.command("list")
@click.option("--all", "everything", is_flag=True, help="Those used, expired and revoked too.")
@limit_option
@form_option
def list_tokens(everything: bool, limit: int | None, form: str) -> None:
    """Tokens that can still be used.

    Example: ullage agents token list --all
    """
    request = agents_pb2.ListEnrolmentTokensRequest(all=everything)
    reply = run(lambda aggregator: aggregator.ask(aggregator.admin.ListEnrolmentTokens, request))
    show(whole([token_row(one) for one in reply.tokens], limit), TOKEN_COLUMNS, form, "enrolment tokens")


@token.command("revoke")
@click.argument("token_id", metavar="ID", type=Whole(1))
@form_option
def revoke_token(token_id: int, form: str) -> None:
    """Makes a token useless.

    Example: ullage agents token revoke 5
    """
    request = agents_pb2.RevokeEnrolmentTokenRequest(id=token_id)
    revoked = run(lambda aggregator: aggregator.ask(aggregator.admin.RevokeEnrolmentToken, request))
    write([token_row(revoked)], TOKEN_COLUMNS, form)


_named = click.argument("named", metavar="AGENT...", nargs=-1, required=True)
_reason = click.option(
    "--reason", default="", metavar="TEXT", help="Why; whoever finds it later wants to know."
)


def _set_state(named: tuple[str, ...], state: str, reason: str) -> None:
    async def work(aggregator: Aggregator) -> agents_pb2.SetAgentsStateReply:
        ids = [await agent_id(aggregator, one) for one in named]
        request = agents_pb2.SetAgentsStateRequest(ids=ids, state=state, reason=reason)
        return await aggregator.ask(aggregator.admin.SetAgentsState, request)

    say(f"{run(work).changed} of {plural(len(named), 'agent')} changed to {state}.")


@agents.command("retire")
@_named
@_reason
def retire_agents(named: tuple[str, ...], reason: str) -> None:
    """Says that hosts are gone: from now on their silence is absence, worth 0, and no gap.

    Example: ullage agents retire hv-03 --reason "scrapped"
    """
    _set_state(named, "retired", reason)


@agents.command("hold")
@_named
@_reason
def hold_agents(named: tuple[str, ...], reason: str) -> None:
    """Takes nothing from agents for now; they keep it in their spools.

    Example: ullage agents hold hv-03 --reason "two hosts seem to share its identity"
    """
    _set_state(named, "held", reason)


@agents.command("activate")
@_named
@_reason
def activate_agents(named: tuple[str, ...], reason: str) -> None:
    """Lets agents in again that were held or retired.

    Example: ullage agents activate hv-03
    """
    _set_state(named, "active", reason)


@agents.command("revoke")
@_named
@_reason
@yes_option
def revoke_agents(named: tuple[str, ...], reason: str, yes: bool) -> None:
    """Refuses the certificates of agents for good, as after a theft. They can only enrol anew.

    Example: ullage agents revoke hv-03 --reason "stolen"
    """
    ask(f"Revoke {', '.join(named)} for good?", yes=yes)
    _set_state(named, "revoked", reason)

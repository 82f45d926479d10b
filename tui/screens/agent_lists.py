"""The four lists of the screen of agents: agents, jobs, quarantine, enrolment tokens."""

from collections.abc import Sequence
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from rich.text import Text

from tui.cli.progress import progress_words
from tui.format import NONE, ago, clean, duration, moment, stamp, text
from tui.theme import ATTENTION, BAD, FAINT, GOOD
from tui.widgets.row_table import Column
from tui.widgets.run_line import counts_words
from ullage.v1 import admin_pb2, agents_pb2

Agent = agents_pb2.Agent
Job = admin_pb2.Job
Group = admin_pb2.QuarantineGroup
Token = agents_pb2.EnrolmentToken

# As health counts them: newest batch and heartbeat older than this.
SILENT_SECONDS = 600
CLOCK_MS_MAX = 2000
CERTIFICATE_DAYS = 14
MIB = 1 << 20


def agent_state(agent: Agent, now: datetime) -> Text:
    """A word and a sign: connected, silent, or what somebody decided."""
    match agent.state:
        case "active":
            heard = [at for at in (moment(agent.last_batch), moment(agent.heartbeat_at)) if at is not None]
            if not heard:
                return Text("◌ never heard", ATTENTION)
            if (now - max(heard)).total_seconds() > SILENT_SECONDS:
                return Text("✖ silent", BAD)
            return Text("● connected", GOOD) if agent.connected else Text("○ active")
        case "held":
            return Text("‖ held", ATTENTION)
        case _:
            return Text(clean(agent.state, 12), FAINT)


def lag(agent: Agent, now: datetime) -> Text:
    """How old the oldest batch is that we have not acknowledged; a dash: none waits."""
    oldest = moment(agent.oldest_unacknowledged)
    if oldest is None or not agent.unacknowledged:
        return Text(NONE, FAINT)
    span = now - oldest
    return Text(duration(span), ATTENTION if span.total_seconds() > SILENT_SECONDS else "")


def spool(agent: Agent) -> Text:
    """How full it is, and the state when it is not well."""
    if moment(agent.heartbeat_at) is None:
        return Text(NONE, FAINT)
    used = f"{100 * agent.spool_bytes // max(agent.spool_bytes_max, 1)} %"
    if agent.spool_state in {"", "ok"}:
        return Text(used)
    return Text(f"▲ {clean(agent.spool_state, 8)} {used}", BAD if agent.spool_state == "full" else ATTENTION)


def offset(agent: Agent) -> Text:
    """The agent's clock against ours."""
    if moment(agent.heartbeat_at) is None:
        return Text(NONE, FAINT)
    off = abs(agent.clock_offset_ms) > CLOCK_MS_MAX
    return Text(f"{'▲ ' if off else ''}{agent.clock_offset_ms:+,} ms", ATTENTION if off else "")


def certificate(agent: Agent, now: datetime) -> Text:
    """How long it is still good."""
    until = moment(agent.certificate_until)
    if until is None:
        return Text(NONE, FAINT)
    if until <= now:
        return Text("✖ expired", BAD)
    soon = (until - now).days < CERTIFICATE_DAYS
    return Text(f"{'▲ ' if soon else ''}{duration(until - now)}", ATTENTION if soon else "")


AGENT_COLUMNS: Sequence[Column[Agent]] = (
    Column("Name", lambda a, now: text(a.name), 12, share=2, sort="name"),
    Column("Site", lambda a, now: text(a.site, FAINT), 6, share=1, above=100),
    Column("State", agent_state, 13, sort="state"),
    Column("Last batch", lambda a, now: Text(ago(moment(a.last_batch), now)), 10, sort="last_batch"),
    Column("Lag", lag, 7, right=True),
    Column("Spool", lambda a, now: spool(a), 12, right=True),
    Column("Clock", lambda a, now: offset(a), 11, right=True, above=76),
    Column("Certificate", certificate, 11, right=True, above=100),
    Column("Assets", lambda a, now: Text(f"{a.assets:,}"), 7, right=True, above=110),
    Column("Quarantined", lambda a, now: Text(f"{a.quarantined:,}"), 11, right=True, above=130),
    Column("Version", lambda a, now: text(a.version, FAINT), 8, above=90),
)


def job_state(job: Job, now: datetime) -> Text:
    """What the last run did; of one that runs, how far it is."""
    run = job.last_run
    if run.state == "running":
        return Text(f"▶ {clean(progress_words(run), 120)}", ATTENTION)
    if not run.state:
        return Text("never ran", FAINT)
    counts = counts_words(run.counts)
    if run.state == "failed":
        return Text(f"✖ failed: {clean(run.error, 120)}", BAD)
    took = ""
    started, ended = moment(run.started_at), moment(run.ended_at)
    if started is not None and ended is not None:
        took = f" in {duration(ended - started)}"
    return Text(f"✔ {clean(run.state, 12)}{took}{f': {counts}' if counts else ''}")


JOB_COLUMNS: Sequence[Column[Job]] = (
    Column("Job", lambda j, now: text(j.name), 14, sort="name"),
    Column("When", lambda j, now: text(j.schedule, FAINT), 16, above=100),
    Column("Next", lambda j, now: Text(_next(j, now)), 10),
    Column("Last", lambda j, now: Text(ago(moment(j.last_run.started_at), now)), 10),
    Column("What it did", job_state, 24, share=1),
)


def _next(job: Job, now: datetime) -> str:
    at = moment(job.next_run)
    return NONE if at is None else ago(at, now)


GROUP_COLUMNS: Sequence[Column[Group]] = (
    Column("Agent", lambda g, now: text(g.agent_name), 12, share=1, sort="agent_name"),
    Column("Reason", lambda g, now: text(g.reason), 14, share=1, sort="reason"),
    Column("Readings", lambda g, now: Text(f"{g.readings:,}"), 9, right=True, sort="readings"),
    Column("Counted", lambda g, now: Text(f"{g.counted_only:,}", FAINT), 8, right=True, above=110),
    Column("Oldest", lambda g, now: Text(ago(moment(g.oldest), now)), 10, above=90),
    Column("Newest", lambda g, now: Text(ago(moment(g.newest), now)), 10),
    Column("For example", lambda g, now: text(_example(g), FAINT), 18, share=2),
)


def _example(group: Group) -> str:
    if not group.readings:
        return "only counted"
    return (
        f"{group.example_source_type} {group.example_external_id} "
        f"{group.example_unit_type} = {group.example_value:,}"
    )


def token_state(token: Token, now: datetime) -> Text:
    """An open one with the time that is left."""
    until = moment(token.expires_at)
    if token.state == "open" and until is not None:
        return Text(f"open, {duration(until - now)} left", GOOD)
    return Text(clean(token.state, 12), FAINT)


TOKEN_COLUMNS: Sequence[Column[Token]] = (
    Column("ID", lambda t, now: Text(str(t.id), FAINT), 5, right=True),
    Column("Site", lambda t, now: text(t.site), 8, share=1),
    Column("For", lambda t, now: text(t.agent_name or t.host_name or "any host"), 14, share=1),
    Column("State", token_state, 18),
    Column("By", lambda t, now: text(t.created_by, FAINT), 10, share=1),
    Column("Created", lambda t, now: Text(ago(moment(t.created_at), now)), 10),
    Column("Used by", lambda t, now: text(t.used_by or NONE), 12, above=90),
)


def agent_told(agent: Agent, now: datetime) -> list[str]:
    """All that is known of an agent, in lines."""
    return [
        f"{agent.name}, site {agent.site or NONE}, id {agent.id}, {agent.uuid}",
        f"State: {agent_state(agent, now).plain}"
        + (f" since {ago(moment(agent.state_since), now)}" if moment(agent.state_since) else "")
        + (f": {agent.state_reason}" if agent.state_reason else ""),
        f"Version {agent.version or NONE}; certificate good for {certificate(agent, now).plain}",
        "",
        f"Last batch {ago(moment(agent.last_batch), now)}, last heartbeat {ago(moment(agent.heartbeat_at), now)}",
        f"{agent.batches:,} batches, {agent.readings:,} readings, {agent.assets:,} assets",
        f"Spool {spool(agent).plain} of {agent.spool_bytes_max / MIB:,.0f} MiB",
        f"{agent.unacknowledged:,} batches not acknowledged, lag {lag(agent, now).plain}",
        f"Clock {offset(agent).plain} against ours",
        f"Failed collectors: {', '.join(agent.failed_collectors) or 'none'}",
        f"Last error: {agent.last_error or 'none'}",
        "",
        (
            f"Lost batches (tombstones) {agent.tombstones:,}; batches in conflict {agent.conflicts:,}; "
            f"readings in quarantine {agent.quarantined:,}"
        ),
    ]


def _stamped(at: Timestamp) -> str:
    return stamp(moment(at))


def quarantined_told(readings: Sequence[admin_pb2.Quarantined], total: int) -> list[str]:
    """Single readings of a group, as many as were asked for."""
    lines = [
        f"{one.id}: {one.source_type} {one.external_id} {one.unit_type} = {one.value:,}, "
        f"ticked {_stamped(one.ticked_at)}, stored {_stamped(one.stored_at)}"
        for one in readings
    ]
    if total > len(readings):
        lines.append(f"… and {total - len(readings):,} more: ullage quarantine show lists them.")
    return lines or ["None is left."]

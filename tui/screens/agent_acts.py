"""What is decided about agents, tokens, quarantine and jobs: the forms and acts of the screen of agents."""

from collections.abc import Awaitable, Callable, Sequence

from tui.client import RUN_SECONDS_MAX, Page
from tui.desk import Desk
from tui.dialogs.act import Act, Trial
from tui.dialogs.fields import Field, Found
from tui.dialogs.form import Form, FormError, Values
from tui.failures import sentence
from tui.format import clean, plural
from ullage.v1 import admin_pb2, agents_pb2, billing_pb2

MINUTES_MAX = 1440
# What each state means for money, said before it is set.
STATE_WORDS = {
    "retired": "The hosts are gone: from now on their silence is absence, worth 0, and no gap.",
    "held": "Nothing is taken from them for now; they keep it in their spools and send it when they are active again.",
    "active": "They are let in again, and send what they kept.",
    "revoked": "Their certificates are refused for good, as after a theft. They can only enrol anew.",
}
_VERBS = {"retired": "Retire", "held": "Hold", "active": "Activate", "revoked": "Revoke"}


def state_form(desk: Desk, agents: Sequence[agents_pb2.Agent], state: str) -> Form:
    """Asks why; what is final wants its word."""
    who = agents[0].name if len(agents) == 1 else plural(len(agents), "agent")

    def act(values: Values) -> Act:
        async def call(trial: Trial) -> agents_pb2.SetAgentsStateReply:
            request = agents_pb2.SetAgentsStateRequest(
                ids=[one.id for one in agents], state=state, reason=values["reason"]
            )
            return await desk.aggregator.ask(desk.aggregator.admin.SetAgentsState, request)

        return Act(
            title=f"{_VERBS[state]} {who}",
            call=call,
            dry=False,
            warns=STATE_WORDS[state],
            word="revoke" if state == "revoked" else "",
            undoable=False,
            done=lambda reply: f"{reply.changed:,} of {plural(len(agents), 'agent')} now {state}.",
        )

    return Form(
        title=f"{_VERBS[state]} {clean(who)}",
        says=STATE_WORDS[state],
        fields=(Field("reason", "Reason", hint="Whoever finds it later wants to know why."),),
        act=act,
    )


def token_form(desk: Desk) -> Form:
    """For a new agent of a site, or for one that exists: a new image, a lost key."""

    async def agents(wanted: str) -> Sequence[Found]:
        request = agents_pb2.ListAgentsRequest(page=Page(size=5).message(), search=wanted)
        reply = await desk.aggregator.ask(desk.aggregator.admin.ListAgents, request)
        return [(str(one.id), f"{one.name} ({one.site})") for one in reply.agents]

    def act(values: Values) -> Act:
        if bool(values["site"]) == bool(values["agent_id"]):
            raise FormError("site", "Either a site, for a new agent, or an agent that exists.")
        minutes = values["seconds"]
        if not (minutes.isdecimal() and 0 < int(minutes) <= MINUTES_MAX):
            raise FormError("seconds", f"Minutes from 1 to {MINUTES_MAX}.")

        async def call(trial: Trial) -> agents_pb2.CreateEnrolmentTokenReply:
            request = agents_pb2.CreateEnrolmentTokenRequest(
                site=values["site"],
                host_name=values["host_name"],
                agent_id=int(values["agent_id"] or 0),
                seconds=int(minutes) * 60,
            )
            return await desk.aggregator.ask(desk.aggregator.admin.CreateEnrolmentToken, request)

        return Act(
            title="New enrolment token",
            call=call,
            dry=False,
            asks=False,
            undoable=False,
            done=lambda reply: "The token is made; it is shown this once.",
        )

    return Form(
        title="Let a host in",
        says="One host can enrol with the token. It is shown once, afterwards.",
        fields=(
            Field("site", "Site", hint="Of a new agent: within it names of VMs are unique."),
            Field("host_name", "Host", hint="Only this host may use it; empty: any."),
            Field("agent_id", "Or for agent", search=agents, hint="It keeps its id and its assets."),
            Field("seconds", "Minutes", "60", required=True, hint="How long it can be used."),
        ),
        act=act,
        go="Make it",
    )


def token_told(desk: Desk, reply: agents_pb2.CreateEnrolmentTokenReply) -> list[str]:
    """The token, and the command that uses it."""
    return [
        "Shown this once. On the host, with it in token.txt:",
        "",
        (
            f"ullage-agent enrol --config /etc/ullage/agent.toml --aggregator {desk.aggregator.address} "
            f"--agent-listener HOST:PORT --fingerprint {reply.ca_fingerprint} --token-file token.txt"
        ),
        "",
        reply.token,
    ]


def revoke_token(desk: Desk, token: agents_pb2.EnrolmentToken) -> Act:
    """Makes an open token useless."""

    async def call(trial: Trial) -> agents_pb2.EnrolmentToken:
        request = agents_pb2.RevokeEnrolmentTokenRequest(id=token.id)
        return await desk.aggregator.ask(desk.aggregator.admin.RevokeEnrolmentToken, request)

    return Act(
        title=f"Revoke token {token.id}",
        call=call,
        dry=False,
        warns="Nobody can enrol with it any more.",
        undoable=False,
        done=lambda reply: f"Token {reply.id} is {clean(reply.state)}.",
    )


def settle(desk: Desk, groups: Sequence[admin_pb2.QuarantineGroup], *, release: bool) -> Act:
    """Takes quarantined readings in after all, or decides that they never count."""
    total = sum(one.readings for one in groups)
    what = plural(total, "quarantined reading")

    async def call(trial: Trial) -> admin_pb2.SettleQuarantineReply:
        whole = admin_pb2.SettleQuarantineReply()
        admin = desk.aggregator.admin
        for one in groups:
            request = admin_pb2.SettleQuarantineRequest(agent_id=one.agent_id, reason=one.reason)
            method = admin.ReleaseQuarantine if release else admin.DiscardQuarantine
            reply = await desk.aggregator.ask(method, request, seconds=RUN_SECONDS_MAX)
            whole.settled += reply.settled
            whole.kept += reply.kept
        return whole

    def done(reply: admin_pb2.SettleQuarantineReply) -> str:
        kept = f" {plural(reply.kept, 'reading')} cannot be taken and stay." if reply.kept else ""
        word = "taken in" if release else "discarded"
        return sentence(f"{plural(reply.settled, 'reading')} {word}") + kept

    return Act(
        title=f"{'Take in' if release else 'Discard'} {what}",
        call=call,
        dry=False,
        warns=(
            "They are stored as if they had come now; those that still may not be taken stay."
            if release
            else "They never count: usage is dropped for good."
        ),
        word="" if release else "discard",
        undoable=False,
        done=done,
    )


def run_job(job: admin_pb2.Job, start: Callable[[str], object]) -> Act:
    """Starts it; the list says how far it is."""

    async def call(trial: Trial) -> billing_pb2.Run:
        start(job.name)
        return billing_pb2.Run(job=job.name, state="running")

    def done(run: billing_pb2.Run) -> str:
        return f"{clean(run.job)} runs; this list says how far it is."

    called: Callable[[Trial], Awaitable[billing_pb2.Run]] = call
    return Act(
        title=f"Run {job.name} now",
        call=called,
        dry=False,
        warns=sentence(f"{job.description}. It runs by itself {job.schedule}; running it now is safe"),
        undoable=False,
        done=done,
    )

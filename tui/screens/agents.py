"""How the system itself is doing: agents, jobs, quarantine, tokens, and whether the totals add up."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from tui.cli.agents import AGENT_COLUMNS as AGENT_FIELDS
from tui.cli.agents import TOKEN_COLUMNS as TOKEN_FIELDS
from tui.cli.agents import agent_row, token_row
from tui.cli.jobs import JOB_COLUMNS as JOB_FIELDS
from tui.cli.jobs import job_row
from tui.cli.quarantine import QUARANTINE_COLUMNS, quarantine_row
from tui.client import JOB_SECONDS_MAX, Page
from tui.desk import Desk
from tui.dialogs.choose import Choice, ChooseDialog
from tui.dialogs.shown import TextDialog
from tui.failures import CallFailed, sentence
from tui.format import clean, plural
from tui.messages import Loaded, ShowText
from tui.screens import agent_acts
from tui.screens.agent_lists import (
    AGENT_COLUMNS,
    GROUP_COLUMNS,
    JOB_COLUMNS,
    TOKEN_COLUMNS,
    agent_told,
    quarantined_told,
)
from tui.screens.cycling import CyclingScreen
from tui.screens.dashboard import health_lines
from tui.screens.listing import local_page
from tui.theme import BAD, FAINT
from tui.widgets.list_table import Export, Listing, ListTable
from ullage.v1 import admin_pb2, agents_pb2, insight_pb2, types_pb2

AGENTS, JOBS, QUARANTINE, TOKENS = range(4)
TITLES = ("Agents", "Jobs", "Quarantine", "Enrolment tokens")
# What a key is for, and the lists in which it has something to act on.
ONLY_IN = {
    "change_state": ("Retiring and holding", (AGENTS,)),
    "revoke": ("Revoking", (AGENTS, TOKENS)),
    "run_now": ("Running", (JOBS,)),
    "release": ("Taking in", (QUARANTINE,)),
    "discard": ("Discarding", (QUARANTINE,)),
}
POLL_SECONDS = 1.0
SINGLE_MAX = 100


class AgentsScreen(CyclingScreen):
    """Health above one of four lists."""

    NOUNS = frozenset({"agent", "job", "reading"})
    MAIN = "agents"
    NEEDS: ClassVar[dict[str, str]] = {
        "enrol": "Admin/CreateEnrolmentToken",
        "change_state": "Admin/SetAgentsState",
        "revoke": "Admin/SetAgentsState",
        "run_now": "Admin/RunJob",
        "release": "Admin/ReleaseQuarantine",
        "discard": "Admin/DiscardQuarantine",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        # First in the line of keys: what the others act on is on four lists.
        Binding("v", "view", "View"),
        Binding("n", "enrol", "Enrol"),
        Binding("x", "change_state", "Retire/hold"),
        Binding("R", "run_now", "Run job"),
        Binding("a", "release", "Take in"),
        Binding("d", "discard", "Discard"),
        Binding("X", "revoke", "Revoke"),
        Binding("i", "health", "Health in full"),
    ]
    DEFAULT_CSS = """
    AgentsScreen #system { height: 3; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._before: insight_pb2.Health | None = None
        self._health: insight_pb2.Health | None = None
        self._started_jobs: set[str] = set()

    def above(self) -> ComposeResult:
        """Three lines of health."""
        yield Static("… loading", id="system", markup=False)

    def make_lists(self) -> Sequence[ListTable[Any]]:
        """In the order of ``TITLES``."""
        return [
            ListTable(listing, heading=title, clock=self.desk.clock)
            for listing, title in zip(self._listings(), TITLES, strict=True)
        ]

    def _listings(self) -> Sequence[Listing[Any]]:
        now = self.desk.clock
        return (
            Listing(
                noun="agents",
                columns=AGENT_COLUMNS,
                fetch=self._agents,
                key=lambda agent: agent.id,
                opens=lambda agent: ShowText(f"Agent {agent.name}", agent_told(agent, now())),
                empty="No agents.\n\nn makes a token by which one host can enrol",
                restricted=self._other_views,
                markable=True,
                export=Export("agents", AGENT_FIELDS, agent_row),
            ),
            Listing(
                noun="jobs",
                columns=JOB_COLUMNS,
                fetch=self._jobs,
                key=lambda job: job.name,
                opens=lambda job: ShowText(
                    f"Job {job.name}", [job.description, *(f"{n}: {v}" for n, v in job_row(job).items())]
                ),
                empty="No jobs.",
                restricted=self._other_views,
                export=Export("jobs", JOB_FIELDS, job_row),
            ),
            Listing(
                noun="quarantined readings",
                columns=GROUP_COLUMNS,
                fetch=self._groups,
                key=lambda group: (group.agent_id, group.reason),
                opens=self._open_group,
                empty="Nothing in quarantine: every reading was stored or suppressed by a rule.",
                restricted=self._other_views,
                markable=True,
                export=Export("quarantine", QUARANTINE_COLUMNS, quarantine_row),
            ),
            Listing(
                noun="enrolment tokens",
                columns=TOKEN_COLUMNS,
                fetch=self._tokens,
                key=lambda token: token.id,
                opens=lambda token: None,
                empty="No enrolment tokens.\n\nn makes one",
                restricted=self._other_views,
                export=Export("tokens", TOKEN_FIELDS, token_row),
            ),
        )

    def _other_views(self) -> str:
        return f"v: {TITLES[self.next_view()].lower()}"

    def next_view(self) -> int:
        """Tokens only for who may list them."""
        view = super().next_view()
        hidden = view == TOKENS and self.desk.refusal("Admin/ListEnrolmentTokens")
        return AGENTS if hidden else view

    # What is shown.

    async def _agents(self, page: Page, search: str) -> tuple[Sequence[Any], types_pb2.PageInfo]:
        request = agents_pb2.ListAgentsRequest(page=page.message(), search=search)
        reply = await self.desk.aggregator.ask(self.desk.aggregator.admin.ListAgents, request)
        return reply.agents, reply.page

    async def _jobs(self, page: Page, search: str) -> tuple[Sequence[Any], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.ask(
            self.desk.aggregator.admin.ListJobs, admin_pb2.ListJobsRequest()
        )
        return local_page(reply.jobs, page, search, "name", "description")

    async def _groups(self, page: Page, search: str) -> tuple[Sequence[Any], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.ask(
            self.desk.aggregator.admin.ListQuarantine, admin_pb2.ListQuarantineRequest()
        )
        return local_page(reply.groups, page, search, "agent_name", "reason")

    async def _tokens(self, page: Page, search: str) -> tuple[Sequence[Any], types_pb2.PageInfo]:
        reply = await self.desk.aggregator.ask(
            self.desk.aggregator.admin.ListEnrolmentTokens, agents_pb2.ListEnrolmentTokensRequest(all=True)
        )
        return local_page(reply.tokens, page, search, "site", "host_name", "agent_name", "created_by")

    def ask(self) -> None:
        """For the list on view, and for health."""
        super().ask()
        self._ask_health()

    @work(exclusive=True, group="health")
    async def _ask_health(self) -> None:
        try:
            health = await self.desk.aggregator.health()
        except CallFailed as error:
            self.query_one("#system", Static).update(Text(f"✖ {clean(str(error), 300)}", BAD))
            return
        self.post_message(Loaded(health))

    def on_loaded(self, message: Loaded[insight_pb2.Health]) -> None:
        """State, last runs, and the totals."""
        message.stop()
        self._before, self._health = self._health, message.data
        self._draw_health()

    def redraw(self) -> None:
        """Ages grow."""
        super().redraw()
        self._draw_health()

    def _draw_health(self) -> None:
        if self._health is not None:
            lines = health_lines(self._health, self.desk.clock())
            self.query_one("#system", Static).update(Text("\n").join([lines, self._totals(self._health)]))

    def _totals(self, health: insight_pb2.Health) -> Text:
        """Read = stored + quarantined + suppressed, over everything that was ever applied."""
        wrong = health.unbalanced_agents or health.unbalanced_batches
        line = Text("✖ totals do not add up: " if wrong else "✔ totals add up: ", BAD if wrong else FAINT)
        line.append(
            f"{health.read:,} read = {health.stored:,} stored + {health.ever_quarantined:,} quarantined "
            f"+ {health.suppressed:,} suppressed"
        )
        if self._before is not None and health.read > self._before.read:
            line.append(f" (+{health.read - self._before.read:,} since the last look)")
        return line

    # What is done.

    def refusal(self, action: str) -> str:
        """Keys are offered where there is something to act on."""
        what, views = ONLY_IN.get(action, ("", ()))
        if views and self.view not in views:
            return f"{what} is for the list of {TITLES[views[0]].lower()}; v goes there."
        return super().refusal(action)

    def action_health(self) -> None:
        """All that is wrong, a line each, with the last runs and the totals."""
        health = self._health
        if health is not None:
            state = f"State: {health.state or 'unknown'}, {plural(health.agents, 'agent')}"
            runs = health_lines(health, self.desk.clock()).plain.rpartition("\n")[2]
            told = [state, runs, self._totals(health).plain, "", *health.problems]
            self.post_message(ShowText("Health", told))

    def _open_group(self, group: admin_pb2.QuarantineGroup) -> None:
        self._show_group(group)

    @work(exclusive=True, group="group")
    async def _show_group(self, group: admin_pb2.QuarantineGroup) -> None:
        request = admin_pb2.ListQuarantinedRequest(
            page=Page(SINGLE_MAX).message(), agent_id=group.agent_id, reason=group.reason
        )
        try:
            reply = await self.desk.aggregator.ask(self.desk.aggregator.admin.ListQuarantined, request)
        except CallFailed as error:
            self.say(str(error), failed=True)
            return
        told = quarantined_told(reply.readings, reply.page.total)
        self.post_message(ShowText(f"{group.agent_name}: {group.reason}", told))

    def action_enrol(self) -> None:
        """A token for one host, shown once."""
        self.fill(agent_acts.token_form(self.desk))

    def performed(self, act: Any, reply: Any) -> None:
        """A new token is shown: now or never."""
        super().performed(act, reply)
        if isinstance(reply, agents_pb2.CreateEnrolmentTokenReply):
            told = agent_acts.token_told(self.desk, reply)
            _ = self.app.push_screen(TextDialog("Enrolment token", told, copies=reply.token))

    @work(group="state")
    async def action_change_state(self) -> None:
        """Retire, hold or activate the agents chosen."""
        agents: list[agents_pb2.Agent] = self.chosen()
        if not agents:
            return
        state = await self.app.push_screen_wait(
            ChooseDialog(
                f"{clean(agents[0].name, 40)}" if len(agents) == 1 else plural(len(agents), "agent"),
                (
                    Choice("retired", "retire: the host is gone, silence is absence", "r"),
                    Choice("held", "hold: take nothing from it for now", "h"),
                    Choice("active", "activate: let it in again", "a"),
                ),
            )
        )
        if state:
            self.fill(agent_acts.state_form(self.desk, agents, state))

    def action_revoke(self) -> None:
        """An agent's certificate, or an open token, for good."""
        if self.view == TOKENS:
            tokens: list[agents_pb2.EnrolmentToken] = self.chosen()
            if tokens and tokens[0].state != "open":
                self.say(f"That token is {clean(tokens[0].state)} already.")
            elif tokens:
                self.perform(agent_acts.revoke_token(self.desk, tokens[0]))
        else:
            agents: list[agents_pb2.Agent] = self.chosen()
            if agents:
                self.fill(agent_acts.state_form(self.desk, agents, "revoked"))

    def action_release(self) -> None:
        """Takes quarantined readings in after all."""
        groups: list[admin_pb2.QuarantineGroup] = self.chosen()
        if groups:
            self.perform(agent_acts.settle(self.desk, groups, release=True))

    def action_discard(self) -> None:
        """Decides that quarantined readings never count."""
        groups: list[admin_pb2.QuarantineGroup] = self.chosen()
        if groups:
            self.perform(agent_acts.settle(self.desk, groups, release=False))

    def action_run_now(self) -> None:
        """The job under the cursor."""
        jobs: list[admin_pb2.Job] = self.chosen()
        if jobs and jobs[0].name in self._started_jobs:
            self.say(f"{clean(jobs[0].name)} runs already.")
        elif jobs:
            self.perform(agent_acts.run_job(jobs[0], self._run_job))

    @work(group="runs")
    async def _run_job(self, name: str) -> None:
        """Waits for the run and has the list say meanwhile how far it is; it goes on without us."""
        self._started_jobs.add(name)
        request = admin_pb2.RunJobRequest(name=name)
        call = self.desk.aggregator.ask(self.desk.aggregator.admin.RunJob, request, seconds=JOB_SECONDS_MAX)
        running = asyncio.ensure_future(call)
        try:
            while not (await asyncio.wait({running}, timeout=POLL_SECONDS))[0]:
                if self.view == JOBS and self.is_current:
                    self.table.refetch()
            run = await running
            self.say(
                sentence(f"{clean(name)}: {run.state}. {clean(run.error, 300)}"), failed=run.state == "failed"
            )
        except CallFailed as error:
            self.say(f"{error} If it had begun it goes on.", failed=True)
        finally:
            running.cancel()
            self._started_jobs.discard(name)
        self.action_refetch()

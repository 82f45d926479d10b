"""The line that says how the calculation of projections is doing: its last run, or how far the present one is.

A run belongs to the aggregator: leaving the screen or the program leaves it going.
"""

import asyncio

from rich.text import Text
from textual import work
from textual.message import Message
from textual.widgets import Static

from tui.cli.progress import POLL_SECONDS, RUNNING, progress_words
from tui.client import JOB_SECONDS_MAX
from tui.desk import Desk
from tui.failures import CallFailed, Kind, sentence
from tui.format import ago, clean, moment
from tui.theme import ATTENTION, BAD, FAINT
from ullage.v1 import admin_pb2, billing_pb2

JOB = "projection"
WORDS_CHARACTERS_MAX = 300


class ProjectionRunLine(Static):
    """One line, always there. Posts ``Ended`` when a run that this person started, or waited for, is over."""

    DEFAULT_CSS = """
    ProjectionRunLine { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    class Ended(Message):
        """The run is over, in a sentence."""

        def __init__(self, words: str, *, failed: bool) -> None:
            super().__init__()
            self.words = words
            self.failed = failed

    def __init__(self, desk: Desk) -> None:
        super().__init__(markup=False)
        self._desk = desk
        self._run: billing_pb2.Run | None = None
        self._trouble = ""
        # A run is under way that this line follows.
        self.busy = False

    def render(self) -> Text:
        """How far it is, or when it was."""
        run = self._run
        if self._trouble:
            return Text(f"✖ {clean(self._trouble, WORDS_CHARACTERS_MAX)}", BAD, no_wrap=True)
        if run is not None and run.state == RUNNING:
            return Text(f"▶ {clean(progress_words(run), WORDS_CHARACTERS_MAX)}", ATTENTION, no_wrap=True)
        if self.busy:
            return Text(f"▶ {JOB}: starting …", ATTENTION, no_wrap=True)
        if run is None or not run.job:
            return Text("When projections were calculated last is not known here.", FAINT, no_wrap=True)
        words, failed = ended_words(run)
        when = ago(moment(run.ended_at), self._desk.clock())
        return Text(f"{'✖' if failed else '✔'} {words}", BAD if failed else "", no_wrap=True).append(
            f" {when}", FAINT
        )

    def look(self) -> None:
        """How things stand; a run that is under way is followed."""
        if not self.busy:
            self._look()

    @work(exclusive=True, group="run-look")
    async def _look(self) -> None:
        run = await self._last()
        if run is None or self.busy or (self._run is not None and run.id < self._run.id):
            return
        self._show(run)
        if run.state == RUNNING:
            self._follow()

    async def _last(self) -> billing_pb2.Run | None:
        """The job's newest run; None when nobody says."""
        try:
            reply = await self._desk.aggregator.ask(
                self._desk.aggregator.admin.ListJobs, admin_pb2.ListJobsRequest()
            )
        except CallFailed:
            return None
        return next((one.last_run for one in reply.jobs if one.name == JOB), None)

    def start(self) -> None:
        """A run; where one is under way already, the line follows that one."""
        if self.busy:
            self.post_message(self.Ended("Projections are being calculated already.", failed=False))
        else:
            self._start()

    @work(exclusive=True, group="run")
    async def _start(self) -> None:
        self.busy, self._run, self._trouble = True, None, ""
        self.refresh()
        try:
            run = await self._calculate()
            if run.state == "skipped":
                # Another run was under way: what it finds is as good.
                run = await self._until_ended() or run
        except CallFailed as error:
            away = " If the run had begun it goes on." if error.kind is Kind.AWAY else ""
            self._fail(f"{error}{away}")
            return
        finally:
            self.busy = False
        self._end(run)

    async def _calculate(self) -> billing_pb2.Run:
        """The call answers when the run has ended; until then the timetable says how far it is."""
        aggregator = self._desk.aggregator
        request = billing_pb2.RunProjectionRequest()
        running = asyncio.ensure_future(
            aggregator.ask(aggregator.billing.RunProjection, request, seconds=JOB_SECONDS_MAX)
        )
        try:
            while not (await asyncio.wait({running}, timeout=POLL_SECONDS))[0]:
                now = await self._last()
                if now is not None and now.state == RUNNING:
                    self._show(now)
            return await running
        finally:
            running.cancel()

    @work(exclusive=True, group="run")
    async def _follow(self) -> None:
        self.busy = True
        try:
            run = await self._until_ended()
        finally:
            self.busy = False
        if run is not None:
            self._end(run)

    async def _until_ended(self) -> billing_pb2.Run | None:
        run = await self._last()
        while run is not None and run.state == RUNNING:
            self._show(run)
            await asyncio.sleep(POLL_SECONDS)
            run = await self._last()
        return run

    def _show(self, run: billing_pb2.Run) -> None:
        if run != self._run or self._trouble:
            self._run, self._trouble = run, ""
            self.refresh()

    def _fail(self, words: str) -> None:
        self._trouble = words
        self.refresh()
        self.post_message(self.Ended(words, failed=True))

    def _end(self, run: billing_pb2.Run) -> None:
        self._run = run
        self.refresh()
        words, failed = ended_words(run)
        self.post_message(self.Ended(f"{words}.", failed=failed))


def ended_words(run: billing_pb2.Run) -> tuple[str, bool]:
    """``Calculated: 30 projections``, or why not; and whether it failed."""
    if run.state == "failed":
        return f"The calculation failed: {clean(sentence(run.error or 'no reason given'), 200)}", True
    counts = ", ".join(
        f"{count:,} {clean(name, 40).replace('_', ' ')}" for name, count in sorted(run.counts.items())
    )
    return f"Calculated{f': {counts}' if counts else ''}", False

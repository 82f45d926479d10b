"""The line that says how a job is doing: its last run, or how far the present one is. Starts and follows runs.

A run belongs to the aggregator: leaving the screen or the program leaves it going.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from rich.text import Text
from textual import work
from textual.message import Message
from textual.widgets import Static

from tui.cli.progress import POLL_SECONDS, RUNNING, progress_words
from tui.desk import Desk
from tui.failures import CallFailed, Kind, sentence
from tui.format import ago, clean, clock, cut, moment
from tui.theme import ATTENTION, BAD, FAINT, GOOD
from ullage.v1 import admin_pb2, billing_pb2, closing_pb2

BAR_CELLS = 10


def counts_words(counts: Mapping[str, int]) -> str:
    """``3 pairs, 1 reading``."""
    told = [(count, clean(name, 40).replace("_", " ")) for name, count in sorted(counts.items()) if count]
    return ", ".join(f"{count:,} {name.removesuffix('s') if count == 1 else name}" for count, name in told)


class RunLine(Static):
    """One line, always there. Posts ``Ended`` when a run that it followed is over."""

    DEFAULT_CSS = """
    RunLine { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    class Ended(Message):
        """The run is over: done, or failed for a reason."""

        def __init__(self, run: billing_pb2.Run) -> None:
            super().__init__()
            self.run = run

    class Said(Message):
        """Something that the person should know now."""

        def __init__(self, words: str, *, failed: bool = False) -> None:
            super().__init__()
            self.words = words
            self.failed = failed

    def __init__(self, desk: Desk, job: str, title: str) -> None:
        """``job`` as the timetable calls it; ``title`` as a sentence about it begins."""
        super().__init__(markup=False)
        self._desk = desk
        self._job = job
        self._title = title
        self._run: billing_pb2.Run | None = None
        self._trouble = ""
        # Of this person, on this screen; else the timetable's or somebody else's.
        self._mine = False
        self.busy = False

    # What is shown.

    def render(self) -> Text:
        """One line. A style of a whole text Textual takes for a colour of the web, of a part of it for the terminal's."""
        return Text(no_wrap=True).append_text(self._line())

    def _line(self) -> Text:
        """How far it is, what it did, or why it failed."""
        run, now = self._run, self._desk.clock()
        if self._trouble:
            return Text(f"✖ {clean(self._trouble, 300)}", BAD, no_wrap=True)
        if self.busy and (run is None or run.state != RUNNING):
            return Text(f"▶ {self._job}: starting …", ATTENTION, no_wrap=True)
        if self._desk.refusal("Admin/ListJobs"):
            return Text("")
        if run is None or not run.job:
            return Text(f"{self._title} has not run yet; R runs it.", FAINT, no_wrap=True)
        if run.state == RUNNING:
            whose = "" if self._mine else " (started elsewhere)"
            return Text(
                f"▶ {self._bar(run)}{clean(progress_words(run), 160)}{whose}", ATTENTION, no_wrap=True
            )
        words, style = {
            "done": (f"✔ {self._title} is done", GOOD),
            "failed": (f"✖ {self._title} failed", BAD),
        }.get(run.state, (f"{self._title}: {clean(run.state, 20)}", ""))
        line = Text(words, style, no_wrap=True)
        ended = moment(run.ended_at)
        line.append(f", {ago(ended, now)} at {clock(ended)} UTC", FAINT)
        if run.error:
            line.append(f": {cut(sentence(run.error), 400)}", BAD)
        elif run.counts:
            line.append(f": {counts_words(run.counts)}")
        return line

    def _bar(self, run: billing_pb2.Run) -> str:
        if not run.total or self.size.width < 70:
            return ""
        full = min(BAR_CELLS * run.done // run.total, BAR_CELLS)
        return f"{'█' * full}{'░' * (BAR_CELLS - full)} "

    def _show(self, run: billing_pb2.Run) -> None:
        before, self._run, self._trouble = self._run, run, ""
        if before != run:
            self.refresh()

    def _fail(self, error: CallFailed) -> None:
        self._trouble = str(error)
        if error.kind is Kind.AWAY:
            self._trouble += " A run that had begun goes on."
        self.refresh()

    # What is asked.

    def look(self) -> None:
        """How things stand; a run that is under way is followed."""
        if not self.busy and not self._desk.refusal("Admin/ListJobs"):
            self._look()

    @work(exclusive=True, group="run-look")
    async def _look(self) -> None:
        run = await self._last()
        if run is None or self.busy:
            return
        self._show(run)
        if run.state == RUNNING:
            self._mine = False
            self._follow(run.id)

    async def _last(self) -> billing_pb2.Run | None:
        """The job's newest run; None when nobody says."""
        try:
            reply = await self._desk.aggregator.ask(
                self._desk.aggregator.admin.ListJobs, admin_pb2.ListJobsRequest()
            )
        except CallFailed:
            return None
        return next((one.last_run for one in reply.jobs if one.name == self._job), None)

    def start(self, call: Callable[[], Awaitable[billing_pb2.Run]]) -> None:
        """A run, by the call that answers when it has ended; where one is under way already, that one is followed."""
        if self.busy:
            self.post_message(self.Said(f"{self._title} is running already: the line at the top follows it."))
        else:
            self._start(call)

    @work(exclusive=True, group="run")
    async def _start(self, call: Callable[[], Awaitable[billing_pb2.Run]]) -> None:
        self.busy, self._trouble = True, ""
        self.refresh()
        try:
            there = await self._last()
            if there is not None and there.state == RUNNING:
                self._mine = False
                self.post_message(self.Said(f"{self._title} is running already: this follows that run."))
                self._finish(await self._until_ended(there))
                return
            self._mine = True
            run = await self._call(call)
            if run.state == "skipped":
                self._mine = False
                self.post_message(self.Said("Another run was under way: this follows that one."))
                there = await self._last()
                run = run if there is None else await self._until_ended(there)
            self._finish(run)
        except CallFailed as error:
            self._fail(error)
            self.post_message(self.Said(str(error), failed=True))
        finally:
            self.busy = False

    async def _call(self, call: Callable[[], Awaitable[billing_pb2.Run]]) -> billing_pb2.Run:
        """Until the call answers the timetable says how far the run is."""
        running = asyncio.ensure_future(call())
        try:
            while not (await asyncio.wait({running}, timeout=POLL_SECONDS))[0]:
                now = await self._last()
                if now is not None and now.state == RUNNING:
                    self._show(now)
            return await running
        finally:
            running.cancel()

    @work(exclusive=True, group="run")
    async def _follow(self, run_id: int) -> None:
        self.busy = True
        try:
            self._finish(await self._until_ended(billing_pb2.Run(id=run_id, job=self._job, state=RUNNING)))
        except CallFailed as error:
            self._fail(error)
        finally:
            self.busy = False

    async def _until_ended(self, run: billing_pb2.Run) -> billing_pb2.Run:
        aggregator = self._desk.aggregator
        while run.state == RUNNING:
            run = await aggregator.ask(aggregator.closing.GetRun, closing_pb2.GetRunRequest(id=run.id))
            self._show(run)
            if run.state == RUNNING:
                await asyncio.sleep(POLL_SECONDS)
        return run

    def _finish(self, run: billing_pb2.Run) -> None:
        self.busy = False
        self._show(run)
        self.post_message(self.Ended(run))

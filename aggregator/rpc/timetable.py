"""What the services ask of the timetable: app.py gives them the scheduler, which they do not know."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from aggregator.store.runs import RunRecord


class ScheduledJob(Protocol):
    """A line of the timetable; ``description`` completes "this job …", ``schedule`` is in words."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def schedule(self) -> str: ...
    @property
    def interval(self) -> timedelta: ...
    @property
    def next_run(self) -> datetime | None: ...


class Timetable(Protocol):
    """Which jobs there are, and a way to run one now."""

    def timetable(self) -> Sequence[ScheduledJob]:
        """Every job of this aggregator."""
        ...

    async def run(self, name: str, *, everything: bool = False) -> RunRecord:
        """Runs the job and returns what it did; a failure of the job is a value."""
        ...

"""The judgement of the system's state, and the words it comes in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.domain.health import Figures, JobHistory, Judgement, duration, judge

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
WELL = Figures(agents=3, agents_silent=0, silent_names=[], quarantined=0, unbalanced_batches=0)
MINUTE = timedelta(minutes=1)


def job(
    *,
    done: timedelta | None = MINUTE,
    state: str | None = "done",
    started: timedelta | None = MINUTE,
    error: str = "",
) -> JobHistory:
    return JobHistory(
        name="billing",
        interval=timedelta(hours=1),
        done_at=None if done is None else NOW - done,
        state=state,
        started_at=None if started is None else NOW - started,
        error=error,
    )


def told(figures: Figures = WELL, *jobs: JobHistory) -> Judgement:
    return judge(figures, jobs, now=NOW)


def test_a_system_without_problems_is_ok() -> None:
    assert told(WELL, job()) == Judgement("ok", [])


def test_an_unbalanced_batch_is_critical_and_comes_first() -> None:
    figures = Figures(agents=3, agents_silent=2, silent_names=["a", "b"], quarantined=1, unbalanced_batches=1)
    found = told(figures, job(state="failed", error="no more disk"))
    assert found.state == "critical"
    assert [problem.split(" ", 2)[1] for problem in found.problems] == ["batch", "last", "of", "reading"]


def test_a_failed_run_is_a_warning_with_its_reason() -> None:
    found = told(WELL, job(state="failed", error="the zone Europe/Nowhere is unknown"))
    assert found == Judgement(
        "warning", ["the last run of billing failed: the zone Europe/Nowhere is unknown"]
    )


@pytest.mark.parametrize(
    ("history", "late"),
    [
        (job(done=timedelta(hours=3)), False),
        (job(done=timedelta(hours=3, seconds=1)), True),
        (job(done=None, state=None, started=None), True),
        (job(done=None, state="running"), False),
        (job(done=timedelta(hours=9), state="running", started=timedelta(hours=3)), False),
        (job(done=timedelta(hours=9), state="running", started=timedelta(hours=4)), True),
        (job(done=timedelta(hours=4), state="skipped"), True),
    ],
)
def test_a_job_is_late_after_three_of_its_intervals(history: JobHistory, late: bool) -> None:
    assert (told(WELL, history).state == "warning") is late


def test_silent_agents_are_named_up_to_three() -> None:
    figures = Figures(
        agents=1200, agents_silent=5, silent_names=["a", "b", "c"], quarantined=0, unbalanced_batches=0
    )
    [problem] = told(figures).problems
    assert problem.startswith("5 of 1,200 agents silent for more than 10 min (a, b, c and 2 more): run")


def test_quarantined_readings_are_a_warning() -> None:
    figures = Figures(agents=1, agents_silent=0, silent_names=[], quarantined=1, unbalanced_batches=0)
    found = told(figures)
    assert found.state == "warning"
    assert found.problems[0].startswith("1 reading in quarantine")


def test_durations_are_told_in_the_largest_unit_that_fits_twice() -> None:
    spans = [timedelta(seconds=90), timedelta(minutes=2), timedelta(minutes=119), timedelta(hours=47)]
    assert [duration(span) for span in spans] == ["90 s", "2 min", "119 min", "47 h"]
    assert duration(timedelta(days=-1)) == "0 s"


def test_periods_that_ended_long_ago_and_are_not_final_are_a_warning() -> None:
    judged = judge(replace(WELL, periods_overdue=2, overdue_names=["acme"]), [], now=NOW)
    assert judged.state == "warning"
    assert judged.problems == [
        "2 periods ended more than three days ago and not final, of acme: `ullage billing status` says what is open"
    ]

"""``ullage jobs``: the timetable, and running a job now."""

import click

from tui.cli.listing import show, whole
from tui.cli.options import form_option, limit_option
from tui.cli.output import Row, write
from tui.cli.progress import RUNNING, followed, progress_words
from tui.cli.session import EXIT_FAILED, Failure, run, say
from tui.client import JOB_SECONDS_MAX, Aggregator
from tui.failures import sentence
from tui.format import moment
from ullage.v1 import admin_pb2, billing_pb2

JOB_COLUMNS = ("name", "description", "schedule", "next_run", "last_started", "last_state", "last_counts")
RUN_COLUMNS = ("id", "job", "state", "started_at", "ended_at", "counts")


def run_row(run: billing_pb2.Run) -> Row:
    """What a run did, or has done so far; ``seconds_left`` is null where nobody can say."""
    return {
        "id": run.id,
        "job": run.job,
        "state": run.state,
        "started_at": moment(run.started_at),
        "ended_at": moment(run.ended_at),
        "counts": dict(sorted(run.counts.items())),
        "done": run.done,
        "total": run.total or None,
        "seconds_left": run.seconds_left if run.HasField("seconds_left") else None,
        "error": run.error or None,
    }


def job_row(job: admin_pb2.Job) -> Row:
    """A job of the timetable with its last run."""
    last = run_row(job.last_run)
    return {
        "name": job.name,
        "description": job.description,
        "schedule": job.schedule,
        "next_run": moment(job.next_run),
        "last_started": last["started_at"],
        "last_ended": last["ended_at"],
        "last_state": job.last_run.state or None,
        "last_counts": last["counts"],
        "last_done": last["done"],
        "last_total": last["total"],
        "seconds_left": last["seconds_left"],
        "last_error": last["error"],
    }


@click.group()
def jobs() -> None:
    """The timetable: list, run one now."""


@jobs.command("list")
@limit_option
@form_option
def list_jobs(limit: int | None, form: str) -> None:
    """All jobs with next and last run; of one that runs now, how far it is and how long it may take.

    Example: ullage jobs list
    """
    request = admin_pb2.ListJobsRequest()
    reply = run(lambda aggregator: aggregator.ask(aggregator.admin.ListJobs, request))
    show(whole([job_row(one) for one in reply.jobs], limit), JOB_COLUMNS, form, "jobs")
    for one in reply.jobs:
        if one.last_run.state == RUNNING:
            say(f"Runs now: {progress_words(one.last_run)}.")


@jobs.command("run")
@click.argument("name")
@form_option
def run_job(name: str, form: str) -> None:
    """Runs the job NAME now and says how far it is until it ends. Safe to repeat.

    Ctrl+C ends this command, not the run.

    Example: ullage jobs run binding
    """
    request = admin_pb2.RunJobRequest(name=name)

    async def work(aggregator: Aggregator) -> billing_pb2.Run:
        call = aggregator.ask(aggregator.admin.RunJob, request, seconds=JOB_SECONDS_MAX)
        return await followed(aggregator, name, call)

    ran(run(work), form)


def ran(result: billing_pb2.Run, form: str) -> None:
    """The run as a row; exit code 1 when it failed."""
    write([run_row(result)], RUN_COLUMNS, form)
    if result.state == "skipped":
        say("Skipped: another run of this job was under way.")
    elif result.state == "failed":
        why = sentence(result.error) or "The aggregator's log says why."
        raise Failure(f"The run {result.id} failed. {why}", EXIT_FAILED)

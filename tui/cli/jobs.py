"""``ullage jobs``: the timetable, and running a job now."""

import click

from tui.cli.listing import show, whole
from tui.cli.options import form_option, limit_option
from tui.cli.output import Row, write
from tui.cli.session import EXIT_FAILED, Failure, run, say
from tui.client import RUN_SECONDS_MAX
from tui.format import moment
from ullage.v1 import admin_pb2, billing_pb2

JOB_COLUMNS = ("name", "description", "schedule", "next_run", "last_started", "last_state", "last_counts")
RUN_COLUMNS = ("id", "job", "state", "started_at", "ended_at", "counts")


def run_row(run: billing_pb2.Run) -> Row:
    """What a run did."""
    return {
        "id": run.id,
        "job": run.job,
        "state": run.state,
        "started_at": moment(run.started_at),
        "ended_at": moment(run.ended_at),
        "counts": dict(sorted(run.counts.items())),
    }


def job_row(job: admin_pb2.Job) -> Row:
    """A job of the timetable with its last run."""
    return {
        "name": job.name,
        "description": job.description,
        "schedule": job.schedule,
        "next_run": moment(job.next_run),
        "last_started": moment(job.last_run.started_at),
        "last_ended": moment(job.last_run.ended_at),
        "last_state": job.last_run.state or None,
        "last_counts": dict(sorted(job.last_run.counts.items())),
    }


@click.group()
def jobs() -> None:
    """The timetable: list, run one now."""


@jobs.command("list")
@limit_option
@form_option
def list_jobs(limit: int | None, form: str) -> None:
    """All jobs with next and last run.

    Example: ullage jobs list
    """
    request = admin_pb2.ListJobsRequest()
    reply = run(lambda aggregator: aggregator.ask(aggregator.admin.ListJobs, request))
    show(whole([job_row(one) for one in reply.jobs], limit), JOB_COLUMNS, form, "jobs")


@jobs.command("run")
@click.argument("name")
@form_option
def run_job(name: str, form: str) -> None:
    """Runs the job NAME now and waits for it. Safe to repeat.

    Example: ullage jobs run binding
    """
    request = admin_pb2.RunJobRequest(name=name)
    ran(
        run(lambda aggregator: aggregator.ask(aggregator.admin.RunJob, request, seconds=RUN_SECONDS_MAX)),
        form,
    )


def ran(result: billing_pb2.Run, form: str) -> None:
    """The run as a row; exit code 1 when it failed."""
    write([run_row(result)], RUN_COLUMNS, form)
    if result.state == "skipped":
        say("Skipped: another run of this job was under way.")
    elif result.state == "failed":
        raise Failure(f"The run {result.id} failed. The aggregator's log says why.", EXIT_FAILED)

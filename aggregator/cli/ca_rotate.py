"""`ca rotate` and `ca status`: replacing the authority step by step, each only when nobody is cut off by it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from aggregator import authority, rotation
from aggregator.cli.opened import authority_directory, configuration, database_address, opened_database
from aggregator.config import Config
from aggregator.errors import Conflict
from aggregator.rotation import Step

NAMES_MAX = 5
_NEXT = {
    Step.NONE: "make the next authority, which everybody trusts first",
    Step.TOLD: "let the next authority issue",
    Step.ISSUING: "let the former authority go",
}
_SERVER = (
    "tls.certificate is of the former authority: issue it anew (`ullage-aggregator ca issue server`) and put it in place on "
    "every aggregator"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """``due``: before when the next step would be too early; ``obstacles``: who would be cut off by it."""

    step: Step
    due: datetime | None
    obstacles: Sequence[str]


@click.command()
@click.option(
    "--anyway", is_flag=True, help="Take the step although it is early, or somebody is cut off by it."
)
@click.pass_context
def rotate(context: click.Context, anyway: bool) -> None:
    """Take the next of three steps that replace the authority; nothing has to be stopped.

    First the next authority is made, and everybody learns to trust it; a certificate's life later it issues; after another
    one the former goes. `ca status` says when the next step may be taken, and who would be cut off by it.
    """
    config = configuration(context)
    directory = authority_directory(config)
    now = datetime.now(UTC)
    standing = _standing(config, directory)
    problems = list(standing.obstacles)
    if standing.due is not None and now < standing.due:
        problems.insert(0, f"too early: not before {standing.due:%Y-%m-%d %H:%M:%S} UTC")
    if problems and not anyway:
        raise Conflict("; ".join(problems) + "; --anyway takes the step nevertheless")
    before = rotation.trusted(directory)
    match standing.step:
        case Step.NONE:
            made = rotation.announce_next(directory, now=now)
            click.echo(f"next authority {authority.fingerprint(made)}")
            text = "it is trusted from now on, and agents learn of it when they renew"
        case Step.TOLD:
            rotation.issue_by_next(directory, now=now)
            click.echo("the next authority issues now")
            text = "issue the servers' certificates anew: `ullage-aggregator ca issue server`"
        case Step.ISSUING:
            rotation.drop_former(directory)
            click.echo("the former authority is gone")
            text = "the rotation is complete"
    click.echo(text, err=True)
    if rotation.renew_bundle(config.tls.ca, before=before, directory=directory):
        click.echo(f"{config.tls.ca} is up to date; a serving aggregator takes it by itself", err=True)
    click.echo(
        "for people and for other aggregators: `ullage-aggregator ca show --bundle` is their new ca.crt",
        err=True,
    )


@click.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Say where the replacement of the authority stands, and what stands in the way of its next step."""
    config = configuration(context)
    standing = _standing(config, authority_directory(config))
    words = {
        Step.NONE: "no rotation is under way",
        Step.TOLD: "the next authority is trusted and does not issue yet",
        Step.ISSUING: "the next authority issues, the former one is still trusted",
    }
    click.echo(words[standing.step])
    click.echo(f"next step: {_NEXT[standing.step]} (`ullage-aggregator ca rotate`)")
    if standing.due is not None:
        click.echo(f"not before: {standing.due:%Y-%m-%d %H:%M:%S} UTC")
    for obstacle in standing.obstacles:
        click.echo(f"in the way: {obstacle}")


def _standing(config: Config, directory: Path) -> Standing:
    found = rotation.rotation(directory)
    if found.since is None or config.authority is None:
        return Standing(found.step, None, [])
    due = found.since + timedelta(seconds=config.authority.certificate_seconds)
    with database_address(config) as dsn:
        obstacles = asyncio.run(_obstacles(dsn, config, directory, found.step, found.since))
    return Standing(found.step, due, obstacles)


async def _obstacles(dsn: str, config: Config, directory: Path, step: Step, since: datetime) -> list[str]:
    from aggregator.store import enrolment

    async with opened_database(dsn) as db, db.transaction() as conn:
        if step is Step.TOLD:
            names = await enrolment.not_told(conn, since)
            return [f"do not know the next authority yet: {_some(names)}"] if names else []
        former = authority.load_certificate(directory / rotation.OLD_CERTIFICATE)
        names = await enrolment.still_of(conn, rotation.plain_fingerprint(former))
    obstacles = [f"have a certificate of the former authority: {_some(names)}"] if names else []
    if authority.issued_by(authority.load_certificate(config.tls.certificate), former):
        obstacles.append(_SERVER)
    return obstacles


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMES_MAX
    return ", ".join(names[:NAMES_MAX]) + (f" and {more} more" if more > 0 else "")

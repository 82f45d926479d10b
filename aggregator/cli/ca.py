"""`ca …`: the local authority, and certificates for servers and agents."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aggregator import authority, rotation
from aggregator.cli.ca_rotate import rotate, status
from aggregator.cli.opened import authority_directory, configuration, database_address, opened_database
from aggregator.issuing import Issuer

if TYPE_CHECKING:
    from aggregator.actions.certify import Certified


@click.group()
def ca() -> None:
    """The local certificate authority.

    Agents and people trust one authority: its certificate (ca.crt) goes to every host, its key (ca.key) stays in the
    folder that [authority] directory names. Keep a copy of the key in a safe place.
    """


@ca.command("create")
@click.pass_context
def create(context: click.Context) -> None:
    """Make the authority: a key and a certificate for ten years.

    \b
    Example:
      ullage-aggregator --config aggregator.toml ca create
    """
    directory = authority_directory(configuration(context))
    made = authority.create_authority(directory, now=datetime.now(UTC))
    click.echo(f"authority {authority.fingerprint(made.certificate)}")
    click.echo(f"made in {directory}; ca.crt is for everyone, ca.key for nobody else", err=True)


@ca.command("show")
@click.option("--bundle", is_flag=True, help="Print all authorities to trust as PEM, for a ca.crt.")
@click.pass_context
def show(context: click.Context, bundle: bool) -> None:
    """Print the SHA-256 fingerprint and validity of every authority that is to be trusted.

    There is one, but during a rotation two. Compare the fingerprint before you trust a ca.crt that came over an unsafe way.
    """
    directory = authority_directory(configuration(context))
    authorities = rotation.trusted(directory)
    if bundle:
        click.echo(rotation.bundle(authorities).decode("ascii"), nl=False)
        return
    step = rotation.rotation(directory).step
    for certificate, does in zip(authorities, _does(step), strict=False):
        click.echo(f"authority    {does}")
        click.echo(f"SHA-256      {authority.fingerprint(certificate)}")
        click.echo(f"valid from   {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
        click.echo(f"valid until  {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    click.echo(f"folder       {directory}")


def _does(step: rotation.Step) -> tuple[str, str]:
    second = "issued until the rotation, still trusted" if step is rotation.Step.ISSUING else "will issue"
    return "issues", second


@ca.group("issue")
def issue() -> None:
    """Issue certificates, each with a key of its own; nothing is overwritten."""


@issue.command("server")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    required=True,
    help="DNS name or IP address under which the aggregator is reached; may be given several times.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for server.crt, server.key and ca.crt.",
)
@click.pass_context
def issue_server(context: click.Context, hosts: tuple[str, ...], out: Path) -> None:
    """Issue the aggregator's own certificate, for one year.

    \b
    Example:
      ullage-aggregator --config aggregator.toml ca issue server --host ullage.example.net --host 192.0.2.7 --out tls
    """
    now = datetime.now(UTC)
    directory = authority_directory(configuration(context))
    own = authority.load_authority(directory)
    issued = authority.issue_server(own, hosts, now=now)
    trusted = rotation.bundle(rotation.trusted(directory))
    files = {"server.crt": issued.certificate, "server.key": issued.key, "ca.crt": trusted}
    authority.write_new(out, files)
    click.echo(f"server.crt, server.key and ca.crt are in {out}", err=True)


@issue.command("agent")
@click.argument("name")
@click.option("--site", required=True, help="The site the agent belongs to, such as a data centre.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for agent.crt, agent.key and ca.crt.",
)
@click.option(
    "--days",
    type=click.IntRange(1, authority.AGENT_DAYS_MAX),
    default=authority.AGENT_DAYS,
    show_default=True,
    help="How long the certificate is valid.",
)
@click.pass_context
def issue_agent(context: click.Context, name: str, site: str, out: Path, days: int) -> None:
    """Register the agent NAME and issue its certificate.

    A second certificate for the same NAME is for the same agent: its assets and history go on.

    \b
    Example:
      ullage-aggregator --config aggregator.toml ca issue agent web-01 --site fra1 --out web-01
    """
    config = configuration(context)
    directory = authority_directory(config)
    authority.load_authority(directory)
    names = ("agent.crt", "agent.key", "ca.crt")
    authority.refuse_existing(out, names)
    issuer = Issuer(directory, config.tls.certificate, timedelta(days=days))
    with database_address(config) as dsn:
        certified, key = asyncio.run(_issue_by_hand(dsn, issuer, name=name, site=site))
    files = dict(zip(names, (certified.certificate, key, certified.authorities), strict=True))
    authority.write_new(out, files)
    click.echo(str(certified.uuid))
    click.echo(f"agent.crt, agent.key and ca.crt are in {out}", err=True)


async def _issue_by_hand(dsn: str, issuer: Issuer, *, name: str, site: str) -> "tuple[Certified, bytes]":
    from aggregator.actions.issue_by_hand import issue_by_hand

    async with opened_database(dsn) as db:
        return await issue_by_hand(db, issuer, name=name, site=site)


ca.add_command(rotate)
ca.add_command(status)

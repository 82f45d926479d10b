"""The command group and the commands that are about the program as a whole."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from aggregator.cli.bench import bench
from aggregator.cli.ca import ca
from aggregator.cli.keys import keys
from aggregator.cli.opened import configuration, database_address, opened_database

CONFIG_DEFAULT = "/etc/ullage/aggregator.toml"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    type=click.Path(),
    default=CONFIG_DEFAULT,
    show_default=True,
    envvar="ULLAGE_CONFIG",
    help="The configuration file (TOML); ULLAGE_<SECTION>_<KEY> in the environment takes precedence.",
)
@click.option("--debug", is_flag=True, help="Log everything, also what went wrong behind an error message.")
@click.version_option(package_name="ullage", prog_name="ullage-aggregator")
def program(config: str, debug: bool) -> None:
    """Takes in what agents meter, and turns it into figures that can be billed.

    \b
    A first start:
      ullage-aggregator --config aggregator.toml migrate
      ullage-aggregator --config aggregator.toml ca create
      ullage-aggregator --config aggregator.toml ca issue server --host localhost --out tls
      ullage-aggregator --config aggregator.toml keys bootstrap --name admin --out admin.key
      ullage-aggregator --config aggregator.toml serve

    \b
    A configuration:
      [database]
      embedded_directory = "data"      # or dsn_file = "dsn", or dsn = "postgresql://…"
      [agents]
      listen = "0.0.0.0:7443"
      [people]
      listen = "0.0.0.0:7444"
      [tls]
      ca = "tls/ca.crt"
      certificate = "tls/server.crt"
      key = "tls/server.key"
      [authority]
      directory = "authority"

    \b
    Exit codes: 0 done, 1 refused or failed, 2 usage or configuration, 3 database not reachable.
    """


@program.command()
@click.pass_context
def serve(context: click.Context) -> None:
    """Serve agents and people until SIGTERM or Ctrl+C.

    Logs one JSON object a line on stderr; the event "ready" names the addresses that are listened on.
    """
    from aggregator.app import serve as serve_app

    config = configuration(context, serving=True)
    with database_address(config) as dsn:
        asyncio.run(serve_app(config, dsn))


@program.command()
@click.pass_context
def migrate(context: click.Context) -> None:
    """Bring the database to this program's schema. Back up first; there is no way back.

    Safe to run again: a schema that is current is left alone.
    """
    from aggregator.store.migrate import migrate as migrate_database

    config = configuration(context)
    with database_address(config) as dsn:
        names = asyncio.run(migrate_database(dsn))
    for name in names:
        click.echo(f"applied {name}")
    click.echo("the schema is current", err=True)


@program.group()
def jobs() -> None:
    """What the aggregator does by itself."""


@jobs.command("run")
@click.argument("name")
@click.option("--all", "everything", is_flag=True, help="Billing: rate also what has not changed.")
@click.pass_context
def jobs_run(context: click.Context, name: str, everything: bool) -> None:
    """Run the job NAME now (rollup, binding, billing or projection) and print what it did as JSON.

    Safe beside a serving aggregator: where that one is running the job, this run is "skipped".

    \b
    Example:
      ullage-aggregator --config aggregator.toml jobs run billing
    """
    config = configuration(context)
    with database_address(config) as dsn:
        run = asyncio.run(_run_job(dsn, name, everything=everything))
    click.echo(json.dumps(run))
    if run["state"] == "failed":
        context.exit(1)


async def _run_job(dsn: str, name: str, *, everything: bool) -> dict[str, Any]:
    from aggregator.actions.run_job import run_job

    async with opened_database(dsn) as db:
        run = await run_job(db, name, now=datetime.now(UTC), everything=everything)
    return {
        "id": run.id,
        "job": run.job,
        "state": run.state,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "counts": dict(run.counts),
        "error": run.error,
    }


@program.command()
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def doctor(context: click.Context, shape: str) -> None:
    """Look at everything that serving needs, and say what to do about what is wrong.

    The output holds no secrets and may be shown to others. Exit code 1 when something is wrong.
    """
    from aggregator.doctor import Check, examine

    checks: Sequence[Check] = examine(lambda: configuration(context))
    if shape == "json":
        click.echo(json.dumps([check.as_dict() for check in checks], indent=2))
    else:
        for check in checks:
            click.echo(f"{'ok     ' if check.ok else 'PROBLEM'}  {check.name:<22} {check.text}")
            if check.remedy:
                click.echo(f"{'':33}→ {check.remedy}")
    if not all(check.ok for check in checks):
        context.exit(1)


program.add_command(bench)
program.add_command(ca)
program.add_command(keys)

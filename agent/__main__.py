"""The command line of the agent: enrol, run, collect, check. Errors are sentences on stderr and a code, never a traceback.

Exit codes: 0 ok, 1 refused or failed, 2 usage or configuration, 3 aggregator not reachable, 130 interrupted.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from agent.config import Config
    from agent.credentials import Credentials

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_EXAMPLE = """\b
The configuration is TOML; paths are relative to the file:
\b
    [aggregator]
    address = "metering.example:8443"
    ca = "ca.crt"                   # of the aggregator's authority
    certificate = "agent.crt"       # ullage-agent enrol writes these, and this file if it is missing
    key = "agent.key"
    enrolment = "metering.example:7444"  # where an expired certificate is recovered
\b
    [collect]
    interval_seconds = 60           # 1 to 3600
    collectors = ["host", "mounts", "interfaces", "process_groups"]
\b
    [process_groups]                # cpu and memory of processes by name
    web = ["nginx*", "php-fpm*"]    # docs/collectors.md: cgroups, docker, libvirt, exec, prometheus
\b
    [spool]
    directory = "spool"             # belongs to this agent alone
    bytes_max = 536870912           # waiting batches; beyond 80 % it ticks every ten minutes
"""

_config_option = click.option(
    "--config",
    "config_file",
    required=True,
    envvar="ULLAGE_AGENT_CONFIG",
    type=click.Path(path_type=Path),
    help="The configuration file. Also ULLAGE_AGENT_CONFIG.",
)


@click.group(
    epilog=_EXAMPLE, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="ullage", prog_name="ullage-agent")
def main() -> None:
    """Meters this host and sends what it measured to an Ullage aggregator.

    Start with `collect --once` to see what would be sent, and `check` to see whether it would arrive.
    """


@main.command()
@_config_option
@click.option(
    "--aggregator",
    required=True,
    metavar="HOST:PORT",
    help="The aggregator's listener for people, where hosts enrol.",
)
@click.option(
    "--agent-listener",
    metavar="HOST:PORT",
    help="Its listener for agents; needed unless the configuration has it.",
)
@click.option(
    "--fingerprint", required=True, help="SHA-256 of its authority's certificate; the token came with it."
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="A file with the token, - for stdin. Without it: ULLAGE_ENROL_TOKEN, else stdin.",
)
@click.option("--name", help="What the agent is called; the host's name unless given.")
def enrol(
    config_file: Path,
    aggregator: str,
    agent_listener: str | None,
    fingerprint: str,
    token_file: Path | None,
    name: str | None,
) -> None:
    """Make this host an agent: a key that stays here, a certificate from the aggregator, and the configuration.

    Can be repeated with the same token when the answer was lost. Needs the program openssl.

    \b
    Example (the token in token.txt, mode 0600):
      ullage-agent enrol --config /etc/ullage/agent.toml --aggregator metering.example:7444 \\
        --agent-listener metering.example:7443 --fingerprint AB:CD:… --token-file token.txt
    """
    from agent import enrol as enrolling

    wanted = enrolling.Wanted(
        config_file=config_file,
        aggregator=aggregator,
        agent_listener=agent_listener or "",
        fingerprint=fingerprint,
        name=name or "",
    )
    try:
        click.echo(enrolling.enrol(wanted, enrolling.read_token(token_file)))
    except enrolling.NotEnrolled as error:
        _fail(str(error), error.code)


@main.command()
@_config_option
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def run(config_file: Path, log_level: str) -> None:
    """Meter this host until told to stop.

    Logs one JSON object per event to stderr. SIGTERM or Ctrl+C: one last tick, at most 10 seconds to deliver, exit 0
    (what was not delivered waits in the spool); a second one ends at once.
    """
    from agent import app
    from agent.disk import Occupied, sole_owner
    from agent.recover import Unusable
    from ullage import log

    config = _load_config(config_file)
    known = _load_credentials(config, recoverable=bool(config.enrolment))
    log.configure(log_level)
    for warning in known.warnings:
        click.echo(f"warning: {warning}", err=True)
    try:
        with sole_owner(config.spool_directory) as disk:
            sys.exit(asyncio.run(app.run(config, known, disk)))
    except (Occupied, Unusable) as error:
        _fail(str(error), EXIT_FAILED)


@main.command()
@_config_option
@click.option(
    "--once", is_flag=True, help="One collection only. Without it: one per interval, until interrupted."
)
def collect(config_file: Path, once: bool) -> None:
    """Print as JSON what would be sent; send nothing.

    One object per tick. Amounts are differences: to what the spool's last batch was counted from, or, where there is
    none, to a reading of a second before. `counters` shows the values from which the next tick would count.
    """
    from agent import show

    config = _load_config(config_file)
    _interruptible(lambda: show.collect(config, once=once))


@main.command()
@_config_option
def check(config_file: Path) -> None:
    """Say whether this agent would work: configuration, certificate, clock, spool, collectors, connection.

    Exit code 0 when it would, 1 when something is wrong here, 3 when the aggregator cannot be reached.
    """
    from agent import show

    config = _load_config(config_file)
    _interruptible(lambda: sys.exit(show.check(config)))


@main.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def simulate(words: tuple[str, ...]) -> None:
    """Play many agents with made-up readings, to size an aggregator or to try its faults."""
    # What it imports is none of a metering agent's memory.
    from agent.simulate import command

    command.main(list(words), prog_name="ullage-agent simulate")


def _load_config(path: Path) -> "Config":
    from agent.config import Invalid, load

    try:
        return load(path)
    except Invalid as error:
        _fail("\n".join(error.problems), EXIT_USAGE)


def _load_credentials(config: "Config", *, recoverable: bool) -> "Credentials":
    from datetime import UTC, datetime

    from agent.credentials import Refused, load

    try:
        return load(config.files, now=datetime.now(UTC), recoverable=recoverable)
    except Refused as error:
        _fail("\n".join(error.problems), EXIT_FAILED)


def _interruptible(action: Callable[[], None]) -> None:
    try:
        action()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _fail(text: str, code: int) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()

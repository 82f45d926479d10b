"""``ullage``: on a terminal the screens, with a subcommand their headless twin.

Nothing here imports Textual before the screens are really wanted, so commands start quickly.
"""

import asyncio
import gc
import os
import sys
from collections.abc import MutableMapping

import click

from tui.cli.check import examine
from tui.cli.profiles import complete_profile
from tui.cli.session import EXIT_INTERRUPTED, EXIT_USAGE, Failure, has_terminal, say
from tui.ends import ending
from tui.settings import Given, SettingsError, load
from tui.terminal import (
    can_draw,
    charset_remedy,
    escape_what_cannot_be_written,
    prepare,
    speaks_unicode,
)

_EPILOG = """\b
Settings, the first that is given counts:
  --address HOST:PORT   ULLAGE_ADDRESS    address  in ~/.config/ullage/config.toml
  --ca FILE             ULLAGE_CA         ca
  --key-file FILE       ULLAGE_KEY_FILE   key_file   (or the key itself in ULLAGE_KEY)
  --profile NAME        ULLAGE_PROFILE    profile    (names a table [profiles.NAME] of that file)
  --read-only           ULLAGE_READ_ONLY  read_only
  --slow-link           ULLAGE_SLOW_LINK  slow_link

\b
Examples:
  ullage                                        open the screens
  ullage check                                  one line for monitoring
  ullage assets list --unbound                  what is metered and not billed
  ullage assets accept --dry-run                who would get it, by what similar assets have
  ullage assets assign --search web- --unassigned --to acme --dry-run
  ullage audit undo 4711                        take an act back
  ullage billing list --client acme --format csv > acme.csv
  ullage billing close acme                     what keeps a period from being final
  ullage billing explain "acme/web memory"      where a figure comes from
  ullage assets list --format jsonl | jq -r .name

Data goes to stdout, words to stderr. Exit codes: 0 ok, 1 refused or failed, 2 usage or configuration,
3 aggregator not reachable, 130 interrupted; `ullage check` has those of Nagios.
"""


class _Nouns(click.Group):
    """Its commands are imported when one is asked for: the screens need none, and start sooner."""

    @property
    def commands(self) -> MutableMapping[str, click.Command]:
        """All of them by name."""
        if not self._nouns:
            from tui.cli.tree import COMMANDS

            self._nouns.update({command.name: command for command in COMMANDS if command.name})
        return self._nouns

    @commands.setter
    def commands(self, given: MutableMapping[str, click.Command]) -> None:
        self._nouns = given


@click.group(
    cls=_Nouns, invoke_without_command=True, epilog=_EPILOG, context_settings={"max_content_width": 110}
)
@click.option("--address", metavar="HOST:PORT", help="The aggregator's listener for people.")
@click.option("--ca", metavar="FILE", help="Certificate of the authority to trust (ca.crt).")
@click.option("--key-file", metavar="FILE", help="File with your API key. The key itself is never an option.")
@click.option(
    "--profile",
    metavar="NAME",
    shell_complete=complete_profile,
    help="The aggregator of this name in the file below.",
)
@click.option("--read-only", is_flag=True, help="The screens offer no acts, whatever your key may do.")
@click.option(
    "--slow-link", is_flag=True, help="Few bytes: the terminal's own colours, no mouse, ten frames a second."
)
@click.option("--no-mouse", is_flag=True, help="The terminal keeps the mouse, to select text with.")
@click.version_option(package_name="ullage", prog_name="ullage")
@click.pass_context
def cli(
    context: click.Context,
    *,
    address: str | None,
    ca: str | None,
    key_file: str | None,
    profile: str | None,
    read_only: bool,
    slow_link: bool,
    no_mouse: bool,
) -> None:
    """Usage metering and billing: what is used, by whom, under which agreement, and what it costs.

    Without a subcommand, on a terminal: the screens. Press ? there for the keys.
    """
    given = Given(
        address=address,
        ca=ca,
        key_file=key_file,
        profile=profile,
        read_only=read_only,
        slow_link=slow_link,
    )
    context.obj = given
    if context.invoked_subcommand is None:
        sys.exit(_open_screens(given, mouse=not no_mouse))


def _open_screens(given: Given, *, mouse: bool) -> int:
    """Runs the terminal program; without a terminal the one line of ``check``."""
    try:
        settings = load(given)
    except SettingsError as error:
        raise Failure(str(error), EXIT_USAGE) from None
    # Textual reads stdin and draws on stderr, and does so even where there is no terminal.
    if not has_terminal() or not can_draw(os.environ):
        _, line = examine()
        click.echo(line)
        say("There is no terminal here for the screens; `ullage --help` lists what works without one.")
        return EXIT_USAGE
    if not speaks_unicode(sys.stderr):
        raise Failure(charset_remedy(sys.stderr), EXIT_USAGE)
    prepare(os.environ, slow_link=settings.slow_link)
    from tui.app import UllageApp
    from tui.client import Aggregator
    from tui.drivers import OwnDriver, SlowDriver

    async def shown() -> int:
        # An aggregator that is still listened to would hold up the end: gRPC waits for calls at exit.
        async with Aggregator(settings) as aggregator:
            app = UllageApp(aggregator, settings=settings)
            app.driver_class = SlowDriver if settings.slow_link else OwnDriver
            app.bind("ctrl+z", "suspend_process", description="Suspend", show=False)
            with ending(lambda code: app.exit(return_code=code)):
                await app.run_async(mouse=mouse and not settings.slow_link)
        return app.return_code or 0

    code = asyncio.run(shown())
    # As in `cli/session.py`: what holds on to calls is let go of now.
    gc.collect()
    return code


def main() -> None:
    """The console script."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Runs these arguments, or those of the process, and returns the exit code."""
    escape_what_cannot_be_written()
    try:
        code = cli.main(arguments, prog_name="ullage", standalone_mode=False)
    except Failure as failure:
        for line in str(failure).splitlines():
            say(f"ullage: {line}")
        return failure.code
    except click.Abort:
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # The reader has seen enough; nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()

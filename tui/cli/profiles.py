"""``ullage profiles``: which aggregators the settings file names. Asks none of them."""

import click
from click.shell_completion import CompletionItem

from tui.cli.listing import show, whole
from tui.cli.options import form_option, limit_option
from tui.cli.output import Row
from tui.cli.session import EXIT_USAGE, Failure
from tui.profiles import Profile
from tui.settings import SettingsError, listed

PROFILE_COLUMNS = ("name", "address", "production", "read_only", "slow_link", "default")


def profile_row(profile: Profile, default: str) -> Row:
    """One aggregator of the file; ``name`` is null for what stands at its top."""
    return {
        "name": profile.name or None,
        "address": profile.address,
        "production": profile.production,
        "read_only": profile.read_only,
        "slow_link": profile.slow_link,
        "default": profile.name == default,
        "ca": profile.ca,
        "key_file": profile.key_file,
    }


def complete_profile(
    _context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """For the shell: names that begin so, with what they stand for; none of a file that cannot be used."""
    try:
        found, _ = listed()
    except SettingsError:
        return []
    return [
        CompletionItem(profile.name, help=profile.address)
        for profile in found
        if profile.name and profile.name.startswith(begun)
    ]


@click.group()
def profiles() -> None:
    """The aggregators that ~/.config/ullage/config.toml names: list."""


@profiles.command("list")
@limit_option
@form_option
def list_profiles(limit: int | None, form: str) -> None:
    """All profiles, which of them are marked as production, and which one is meant without --profile.

    Each is a table [profiles.NAME] with address, ca and key_file, and if wanted production, read_only and slow_link.
    What stands at the top of the file is the profile without a name. No aggregator is asked.

    \b
    Examples:
      ullage profiles list
      ullage --profile production assets list --unbound
    """
    try:
        found, default = listed()
    except SettingsError as error:
        raise Failure(str(error), EXIT_USAGE) from None
    rows = [profile_row(profile, default) for profile in found]
    show(whole(rows, limit), PROFILE_COLUMNS, form, "profiles")

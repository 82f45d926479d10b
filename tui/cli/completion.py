"""``ullage completion``: the script by which a shell completes nouns, verbs and options."""

import click
from click.shell_completion import get_completion_class

from tui.cli.session import EXIT_FAILED, Failure

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Prints what SHELL needs to complete nouns, verbs and options.

    \b
    Examples:
      ullage completion bash > ~/.local/share/bash-completion/completions/ullage
      ullage completion zsh > ~/.zfunc/_ullage
      ullage completion fish > ~/.config/fish/completions/ullage.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise Failure(f"There is no completion for {shell}.", EXIT_FAILED)
    click.echo(kind(context.find_root().command, {}, "ullage", "_ULLAGE_COMPLETE").source())

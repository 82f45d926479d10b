"""Writes docs/commands.md from the commands themselves: ``python -m deploy.commands > docs/commands.md``."""

import sys
from collections.abc import Iterator

import click

from tui.__main__ import cli

_HEAD = """# Commands

Every screen has a headless twin: `ullage NOUN VERB`. This page is made from the commands' own help
(`python -m deploy.commands`); `ullage NOUN VERB --help` says more about each option.

- Data goes to stdout, words to stderr. `--format table|json|jsonl|csv`: JSON and CSV carry every field; decimals are
  texts in JSON, times UTC. What a spreadsheet would calculate starts with an apostrophe in CSV.
- `--dry-run` says what an act would do, in assets and money, and does nothing. What concerns more than a tenth of all
  assets must be repeated with `--confirm N`. Every act on many is one transaction; its last word is how to take it
  back.
- A client is named by id or name, a bucket by id or `CLIENT/NAME`, an agent by id or name. Assets are named by ids,
  by `-` for ids on stdin, one a line, or by the filters of `assets list`; what filters find is shown and asked about,
  unless `--yes` is given.
- Exit codes: 0 ok, 1 refused or failed, 2 usage or configuration, 3 aggregator not reachable, 130 interrupted.
  `ullage check` has those of Nagios.
- Secrets are never options: a key comes from a file or from `ULLAGE_KEY`, a new one goes to stdout alone or into
  `--out FILE`.
"""


def verbs(group: click.Group, way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands that do something, in the order of the help, with the words that lead to them."""
    for name in group.list_commands(click.Context(group)):
        command = group.commands[name]
        if isinstance(command, click.Group):
            yield from verbs(command, (*way, name))
        else:
            yield (*way, name), command


def examples(command: click.Command) -> list[str]:
    """The command lines that its help shows."""
    text = (command.help or "").replace("\b", "")
    _, marker, rest = text.partition("Examples:\n")
    if marker:
        return [line.strip() for line in rest.splitlines() if line.strip()]
    _, marker, rest = text.partition("Example: ")
    return [" ".join(rest.split())] if marker else []


def purpose(command: click.Command) -> str:
    """What it does: its help up to the example."""
    text = (command.help or "").replace("\b", "")
    for marker in ("Examples:\n", "Example: "):
        text = text.partition(marker)[0]
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n") if part.strip())


def page() -> str:
    """The whole document."""
    lines = [_HEAD]
    noun = ""
    for way, command in verbs(cli):
        if way[0] != noun:
            noun = way[0]
            top = cli.commands[noun]
            lines.append(f"## {noun}\n")
            if isinstance(top, click.Group):
                lines.append(f"{purpose(top)}\n")
        arguments = " ".join(
            parameter.make_metavar(click.Context(command))
            for parameter in command.params
            if isinstance(parameter, click.Argument)
        )
        lines.append(f"### ullage {' '.join((*way, arguments)).strip()}\n")
        lines.append(f"{purpose(command)}\n")
        shown = examples(command)
        if shown:
            lines.append("```sh\n" + "\n".join(shown) + "\n```\n")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(page())

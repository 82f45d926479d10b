"""docs/commands.md, docs/keys.md and the help of every command: complete, with examples that can be typed as they stand."""

import re
import shlex

import click
import pytest

from deploy import keys
from deploy.commands import examples, page, purpose, verbs
from tests.house.sources import ROOT
from tui.__main__ import cli

COMMANDS = dict(verbs(cli))
# The headless twin's nouns.
NOUNS = {
    *("clients", "assets", "buckets", "unit-types", "suppressions", "quarantine", "keys", "audit", "agents"),
    *("jobs", "check", "billing", "projections", "over-under", "right-size", "what-if", "revenue", "leakage"),
}


def test_the_document_is_what_the_commands_say() -> None:
    assert (ROOT / "docs/commands.md").read_text("utf-8") == page(), (
        "python -m deploy.commands > docs/commands.md"
    )


def test_the_page_of_keys_is_what_the_screens_say() -> None:
    assert (ROOT / "docs/keys.md").read_text("utf-8") == keys.page(), "python -m deploy.keys > docs/keys.md"


def test_every_noun_is_there() -> None:
    assert set(cli.commands) >= NOUNS


@pytest.mark.parametrize("way", COMMANDS, ids=" ".join)
def test_a_command_says_what_it_does_and_shows_how(way: tuple[str, ...]) -> None:
    command = COMMANDS[way]
    assert purpose(command)
    shown = [line for line in examples(command) if line.startswith("ullage ") or "| ullage " in line]
    assert shown or way == ("check",)
    for line in shown:
        for part in line.split(" | "):
            words = shlex.split(re.sub(r"\s{2,}\S.*$|\s>\s.*$", "", part))
            if words[0] == "ullage" and tuple(words[1 : len(way) + 1]) == way:
                # Reads the line as the program would, and does nothing.
                command.make_context(way[-1], words[len(way) + 1 :], parent=click.Context(cli))


@pytest.mark.parametrize("way", COMMANDS, ids=" ".join)
def test_every_option_says_what_it_is_for(way: tuple[str, ...]) -> None:
    silent = [
        option.name
        for option in COMMANDS[way].params
        if isinstance(option, click.Option) and not (option.help or "").strip()
    ]
    assert silent == []

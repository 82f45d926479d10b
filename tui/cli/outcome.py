"""What an act would do, did, or refused: previews as people and programs read them.

A dry run's preview is data and goes to stdout. After an act the data is what changed; its consequences are words on stderr.
"""

from typing import Protocol

import click

from tui import preview as preview_words
from tui.cli.output import Row, Value, to_table, write, write_object
from tui.cli.question import agree
from tui.cli.session import EXIT_USAGE, Failure, has_terminal, say
from tui.format import clean, decimal, plural
from ullage.v1 import types_pb2

LINE_COLUMNS = ("act", "asset_id", "asset", "unit_type", "from", "to", "money", "currency")


class Acted(Protocol):
    """A reply that says how much changed."""

    @property
    def changed(self) -> int:
        """Records."""
        ...

    @property
    def preview(self) -> types_pb2.Preview:
        """What it does, or would do, to money."""
        ...


def line_row(line: types_pb2.PreviewLine) -> Row:
    """What happens to one asset."""
    return {
        "act": line.act,
        "asset_id": line.asset_id or None,
        "asset": line.asset_name,
        "unit_type": line.unit_type,
        "from": getattr(line, "from"),
        "to": line.to,
        "money": decimal(line.money.amount),
        "currency": line.money.currency,
    }


def preview_row(preview: types_pb2.Preview) -> dict[str, Value]:
    """All of a preview."""
    return {
        "assets": preview.assets,
        "series": preview.series,
        "readings": preview.readings,
        "money": {money.currency: decimal(money.amount) for money in preview.money},
        "unpriced": preview.unpriced,
        "notes": list(preview.notes),
        "confirm_assets": preview.confirm_assets or None,
        "lines_total": preview.lines_total,
        "lines": [line_row(line) for line in preview.lines],
    }


def write_preview(preview: types_pb2.Preview, form: str, *, more: Row | None = None) -> None:
    """A dry run's answer on stdout; ``more`` are fields of the act's own, in JSON."""
    match form:
        case "json" | "jsonl":
            write_object({"dry_run": True, **(more or {}), **preview_row(preview)}, form)
        case "csv":
            write([line_row(line) for line in preview.lines], LINE_COLUMNS, form)
        case _:
            for words in preview_words.totals(preview):
                click.echo(clean(words, 1000))
            if preview.lines:
                click.echo()
                click.echo(to_table([line_row(line) for line in preview.lines], LINE_COLUMNS), nl=False)
    if preview.lines_total > len(preview.lines):
        say(f"{len(preview.lines):,} of {preview.lines_total:,} lines are shown.")
    if preview.confirm_assets:
        say(
            f"This concerns {preview.confirm_assets:,} assets, more than a tenth of all: "
            f"to do it, repeat with --confirm {preview.confirm_assets} instead of --dry-run."
        )
    else:
        say("Nothing was done: this was a dry run.")


def acted(reply: Acted, asked: int, noun: str, form: str, *, dry_run: bool, reversible: bool = True) -> None:
    """The answer to an act on many; ``reversible``: acts of its kind on assets can be taken back."""
    if dry_run:
        write_preview(reply.preview, form, more={"would_change": reply.changed})
        return
    group = int(getattr(reply, "audit_group", 0))
    row: Row = {"changed": reply.changed, "audit_group": group or None}
    if form in {"json", "jsonl"}:
        write_object({**row, **preview_row(reply.preview)}, form)
    elif form == "csv":
        write([row], ("changed", "audit_group"), form)
    say(f"{reply.changed:,} of {plural(asked, noun)} changed.")
    consequences(reply.preview)
    if group:
        # What agreements say is money and never undone; the audit still tells what it was.
        way = f"To take it back: ullage audit undo {group}" if noun == "asset" and reversible else ""
        say(way or f"What it was before: ullage audit show {group}")


def consequences(preview: types_pb2.Preview) -> None:
    """What an act that was done means for money, in words; nothing where it means nothing."""
    for words in preview_words.consequences(preview):
        say(words)


def ask(question: str, *, yes: bool) -> None:
    """Goes on with ``yes`` or when the person says so; without a terminal nobody can."""
    if yes:
        return
    if not has_terminal():
        raise Failure(f"{question} There is no terminal to ask on: repeat with --yes to do it.", EXIT_USAGE)
    agree(question)

"""Clients, buckets, assignments and contracted counts as CSV files, in and out; contracts against what is metered."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import click

from tui.cli.assets import assets
from tui.cli.buckets import buckets
from tui.cli.clients import clients
from tui.cli.listing import show, whole
from tui.cli.names import client_id
from tui.cli.options import client_option, dry_run_option, form_option, limit_option
from tui.cli.outcome import consequences, preview_row
from tui.cli.output import Row, write, write_object
from tui.cli.session import EXIT_FAILED, EXIT_USAGE, Failure, run, say
from tui.client import RUN_SECONDS_MAX, Aggregator
from tui.format import clean, decimal, moment, plural
from tui.preview import totals
from ullage.v1 import exchange_pb2

FILE_BYTES_MAX = 4 * 1024 * 1024
ERROR_COLUMNS = ("line", "column", "text")
RECONCILIATION_COLUMNS = (
    "client",
    "source_type",
    "unit_type",
    "contracted",
    "metered",
    "difference",
    "unbound",
    "symbol",
    "as_of",
)
STDIN = "-"


def _read(path: str) -> bytes:
    """The whole file; what is too large is refused before it is sent."""
    try:
        if path == STDIN:
            content = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            with Path(path).open("rb") as file:
                content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.", EXIT_USAGE) from None
    if len(content) > FILE_BYTES_MAX:
        raise Failure(
            f"{path} is larger than {FILE_BYTES_MAX // 1024 // 1024} MiB: divide it into several files.",
            EXIT_USAGE,
        )
    return content


def _import(table: exchange_pb2.Table.ValueType, path: str, *, dry_run: bool, form: str) -> None:
    request = exchange_pb2.ImportRequest(table=table, file=_read(path), dry_run=dry_run)
    reply = run(
        lambda aggregator: aggregator.ask(aggregator.exchange.Import, request, seconds=RUN_SECONDS_MAX)
    )
    _report(reply, path, dry_run=dry_run, form=form)
    if reply.errors:
        raise Failure(
            f"{plural(reply.errors_total or len(reply.errors), 'error')} in {path}: nothing was imported. "
            "Correct them and repeat.",
            EXIT_FAILED,
        )
    counts = f"{reply.created:,} created, {reply.changed:,} changed, {reply.unchanged:,} as they were."
    if dry_run:
        say(f"Would be: {counts} Nothing was done: this was a dry run.")
        return
    say(counts)
    consequences(reply.preview)
    if reply.audit_group:
        say(f"What it was before: ullage audit show {reply.audit_group}")


def _report(reply: exchange_pb2.ImportReply, path: str, *, dry_run: bool, form: str) -> None:
    """Errors as compilers write them, FILE:LINE, for eyes; everything as data for programs."""
    errors: list[Row] = [
        {"line": error.line, "column": error.column, "text": error.text} for error in reply.errors
    ]
    if form in {"json", "jsonl"}:
        row: Row = {
            "dry_run": dry_run,
            "created": reply.created,
            "changed": reply.changed,
            "unchanged": reply.unchanged,
            "errors": errors,
            "errors_total": reply.errors_total,
            "audit_group": reply.audit_group or None,
            "preview": preview_row(reply.preview) if reply.HasField("preview") else None,
        }
        write_object(row, form)
        return
    if form == "csv" and errors:
        write(errors, ERROR_COLUMNS, form)
    for error in reply.errors:
        column = f"{error.column}: " if error.column else ""
        say(f"{path}:{error.line}: {column}{error.text}")
    if dry_run and not errors and reply.HasField("preview"):
        for sentence in totals(reply.preview):
            click.echo(clean(sentence, 1000))


def _export(table: exchange_pb2.Table.ValueType, client: str, out: Path | None) -> None:
    async def chunks(aggregator: Aggregator) -> AsyncIterator[bytes]:
        request = exchange_pb2.ExportRequest(table=table, client_id=await client_id(aggregator, client))
        async for chunk in aggregator.stream(aggregator.exchange.Export, request):
            yield chunk.data

    async def to_stdout(aggregator: Aggregator) -> None:
        async for chunk in chunks(aggregator):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()

    if out is None:
        run(to_stdout)
        return
    # A file that is there is replaced only by a whole one.
    part = out.with_name(f"{out.name}.part")

    async def to_file(aggregator: Aggregator) -> None:
        with part.open("wb") as file:
            async for chunk in chunks(aggregator):
                file.write(chunk)

    try:
        run(to_file)
        part.replace(out)
    except OSError as error:
        raise Failure(f"{out} cannot be written: {error.strerror}.", EXIT_FAILED) from None
    finally:
        part.unlink(missing_ok=True)
    say(f"Written to {out}.")


def _add(group: click.Group, table: exchange_pb2.Table.ValueType, noun: str, example: str) -> None:
    """``import`` and ``export`` of a table below the noun it belongs to."""

    @group.command("import", help=_import_help(noun, f"ullage {example} import {noun}.csv --dry-run"))
    @click.argument("file")
    @dry_run_option
    @form_option
    def import_file(file: str, dry_run: bool, form: str) -> None:
        _import(table, file, dry_run=dry_run, form=form)

    @group.command(
        "export",
        help=f"Writes {noun} as CSV, in the form that import takes.\n\nExample: ullage {example} export > {noun}.csv",
    )
    @client_option
    @click.option(
        "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Instead of stdout."
    )
    def export_file(client: str, out: Path | None) -> None:
        _export(table, client, out)


def _import_help(noun: str, example: str) -> str:
    return (
        f"Reads {noun} from a CSV file in UTF-8, - for stdin: all of it, or with any error nothing.\n\n"
        f"Errors are said with the line they are in. The form is what export writes.\n\nExample: {example}"
    )


@assets.group("assignments")
def assignments() -> None:
    """Which asset is whose, as a file: import, export."""


@clients.group("contracts")
def contracts() -> None:
    """What contracts count, as a file: import, export. `ullage clients reconcile` compares it with what is metered."""


_add(clients, exchange_pb2.TABLE_CLIENTS, "clients", "clients")
_add(buckets, exchange_pb2.TABLE_BUCKETS, "buckets", "buckets")
_add(assignments, exchange_pb2.TABLE_ASSIGNMENTS, "assignments", "assets assignments")
_add(contracts, exchange_pb2.TABLE_CONTRACTS, "contracts", "clients contracts")


def reconciliation_row(row: exchange_pb2.Reconciliation) -> Row:
    """What a contract counts and what is metered; ``metered`` is null when nothing is."""
    return {
        "client_id": row.client_id,
        "client": row.client_name,
        "source_type": row.source_type,
        "unit_type": row.unit_type,
        "contracted": decimal(row.contracted),
        "metered": decimal(row.metered),
        "difference": decimal(row.difference),
        "unbound": decimal(row.unbound),
        "symbol": row.symbol,
        "as_of": row.as_of or None,
        "metered_at": moment(row.metered_at),
    }


@clients.command("reconcile")
@client_option
@click.option("--differing", is_flag=True, help="Only where contract and meter differ.")
@limit_option
@form_option
def reconcile(client: str, differing: bool, limit: int | None, form: str) -> None:
    """What contracts count against what is metered, by client, source type and unit type.

    Unbound is the part of what is metered that no bucket bills.

    Example: ullage clients reconcile --client acme --differing
    """

    async def work(aggregator: Aggregator) -> exchange_pb2.ListReconciliationReply:
        request = exchange_pb2.ListReconciliationRequest(
            client_id=await client_id(aggregator, client), differing=differing
        )
        return await aggregator.ask(aggregator.exchange.ListReconciliation, request)

    found = [reconciliation_row(one) for one in run(work).rows]
    noun = "differences" if differing else "contracted or metered counts"
    show(whole(found, limit), RECONCILIATION_COLUMNS, form, noun)

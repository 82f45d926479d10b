"""``ullage billing verify|explain``: whether finalised figures follow from their evidence, and where a figure comes from."""

from collections.abc import AsyncIterator, Iterator

import click
from google.protobuf.timestamp_pb2 import Timestamp

from tui.cli.billing import billing, reading_row
from tui.cli.listing import pages, show, whole
from tui.cli.names import bucket_id, client_id
from tui.cli.options import client_option, form_option, limit_option
from tui.cli.output import Row, Value, to_table, write, write_object
from tui.cli.periods import first_day_of
from tui.cli.progress import Teller
from tui.cli.session import EXIT_FAILED, WORDS_CHARACTERS_MAX, Failure, run, say
from tui.cli.values import parse_day, parse_moment
from tui.client import JOB_SECONDS_MAX, Aggregator
from tui.failures import sentence
from tui.format import clean, decimal, moment, plural, stamp
from ullage.v1 import closing_pb2

VERIFICATION_COLUMNS = ("bucket_id", "bucket", "period_start", "hash", "rating", "readings", "text")
ASSET_COLUMNS = ("asset_id", "asset", "quantity", "share", "currency", "measured", "absent", "gap")
SLOT_COLUMNS = ("start", "value", "state", "spread", "decides")
RAW_COLUMNS = ("since", "ticked_at", "stored_at", "agent", "value", "unit_type")
OK, FAILED = "ok", "failed"


def verification_row(found: closing_pb2.Verification) -> Row:
    """Of each step ok, failed or not-possible, and what was found; ``text`` is that of steps that are not ok."""
    steps = {"hash": found.hash, "rating": found.rating, "readings": found.readings}
    said = [f"{name}: {step.text}" for name, step in steps.items() if step.text and step.state != OK]
    return {
        "bucket_id": found.bucket_id,
        "bucket": found.bucket_name,
        "period_start": moment(found.period_start),
        **{name: step.state for name, step in steps.items()},
        "text": "; ".join(said) or None,
        **{f"{name}_text": step.text or None for name, step in steps.items()},
    }


@billing.command("verify")
@client_option
@click.option("--bucket", default="", metavar="BUCKET", help="Only of this bucket: id or CLIENT/NAME.")
@click.option(
    "--day",
    type=parse_day,
    metavar="YYYY-MM-DD",
    help="Only the period that holds this day; needs --client or --bucket.",
)
@limit_option
@form_option
def verify(client: str, bucket: str, day: str | None, limit: int | None, form: str) -> None:
    """Whether finalised readings still follow from their evidence, in three steps.

    hash: the evidence is as it was saved; rating: rating it again gives the figures; readings: what is stored gives the
    evidence, possible while raw readings are kept. Exit code 1 when a step failed.

    \b
    Examples:
    ullage billing verify
    ullage billing verify --client acme --day 2026-10-31 --format json
    """
    if day and not (client or bucket):
        raise click.UsageError("A day needs --client or --bucket: periods differ by client.")

    async def work(aggregator: Aggregator) -> list[closing_pb2.Verification]:
        of, only = await client_id(aggregator, client), await bucket_id(aggregator, bucket)
        if only and not of:
            of = (await aggregator.bucket(only)).client_id
        first_day = await first_day_of(aggregator, of, day)
        found: list[closing_pb2.Verification] = []
        teller = Teller(patient=True)
        try:
            for one in [of] if of else await every_client(aggregator):
                request = closing_pb2.VerifyRequest(client_id=one, bucket_id=only, first_day=first_day)
                async for verified in verifying(aggregator, request):
                    found.append(verified)
                    teller.tell(f"{len(found):,} verified")
        finally:
            teller.end()
        return found

    found = run(work)
    show(
        whole([verification_row(one) for one in found], limit),
        VERIFICATION_COLUMNS,
        form,
        "finalised readings",
    )
    wrong = sum(FAILED in {one.hash.state, one.rating.state, one.readings.state} for one in found)
    if wrong:
        raise Failure(
            f"{wrong:,} of {plural(len(found), 'finalised reading')} cannot be defended: a step failed. "
            "Keep the database as it is, and compare with a backup and the audit log.",
            EXIT_FAILED,
        )
    if found:
        say(f"{sentence(plural(len(found), 'finalised reading'))[:-1]}: no step failed.")


def verifying(
    aggregator: Aggregator, request: closing_pb2.VerifyRequest
) -> AsyncIterator[closing_pb2.Verification]:
    """One after another; over years and many buckets it takes as long as a run."""
    return aggregator.stream(aggregator.closing.Verify, request, seconds=JOB_SECONDS_MAX)


async def every_client(aggregator: Aggregator) -> list[int]:
    """The ids of all clients."""
    found, _ = await pages(aggregator.clients, lambda reply: reply.clients)
    return [client.id for client in found]


def asset_share_row(asset: closing_pb2.ExplainedAsset) -> Row:
    """An asset's own quantity and its share of the cost; slots measured, absent and unknown."""
    return {
        "asset_id": asset.asset_id,
        "asset": asset.name,
        "quantity": decimal(asset.quantity),
        "share": decimal(asset.share.amount),
        "currency": asset.share.currency,
        "measured": asset.measured,
        "absent": asset.absent,
        "gap": asset.gap,
    }


def slot_row(slot: closing_pb2.ExplainedSlot) -> Row:
    """A slot's value in steps of the unit type."""
    return {
        "start": moment(slot.start),
        "value": decimal(slot.value),
        "state": slot.state,
        "spread": slot.spread,
        "decides": slot.decides,
    }


def raw_row(raw: closing_pb2.RawReading) -> Row:
    """A reading as its agent sent it."""
    return {
        "since": moment(raw.since),
        "ticked_at": moment(raw.ticked_at),
        "stored_at": moment(raw.stored_at),
        "agent": raw.agent,
        "value": raw.value,
        "unit_type": raw.unit_type,
    }


def explanation_row(found: closing_pb2.Explanation) -> Row:
    """All of it."""
    assets: list[Value] = [asset_share_row(asset) for asset in found.assets]
    slots: list[Value] = [slot_row(slot) for slot in found.slots]
    raw: list[Value] = [raw_row(one) for one in found.raw]
    return {
        "reading": reading_row(found.reading),
        "from_evidence": found.from_evidence,
        "steps": list(found.steps),
        "notes": list(found.notes),
        "assets": assets,
        "slots": slots,
        "raw": raw,
    }


@billing.command("explain")
@click.argument("bucket")
@click.option(
    "--day", type=parse_day, metavar="YYYY-MM-DD", help="A day of the period; without it, the newest one."
)
@click.option("--asset", type=click.IntRange(min=1), metavar="ID", help="The slots of this asset.")
@click.option(
    "--slot",
    type=parse_moment,
    metavar="TIME",
    help="The raw readings of the slot that starts then, e.g. 2026-10-31T14:00Z; needs --asset.",
)
@form_option
def explain(bucket: str, day: str | None, asset: int | None, slot: Timestamp | None, form: str) -> None:
    """Where a figure comes from: the arithmetic in sentences, then assets, slots, raw readings.

    BUCKET is an id or CLIENT/NAME.
    Finalised figures are explained from their evidence. Slots and raw readings are values in steps of the unit type.

    \b
    Examples:
    ullage billing explain "acme/web memory" --day 2026-10-31
    ullage billing explain 7 --day 2026-10-31 --asset 99
    ullage billing explain 7 --day 2026-10-31 --asset 99 --slot 2026-10-30T14:00Z --format json
    """
    if slot is not None and asset is None:
        raise click.UsageError("A slot is one of an asset's: give --asset too.")

    async def work(aggregator: Aggregator) -> closing_pb2.Explanation:
        number = await bucket_id(aggregator, bucket)
        of = (await aggregator.bucket(number)).client_id if day else 0
        request = closing_pb2.ExplainRequest(
            bucket_id=number,
            first_day=await first_day_of(aggregator, of, day),
            asset_id=asset or 0,
            slot=slot,
        )
        return await aggregator.ask(aggregator.closing.Explain, request)

    found = run(work)
    match form:
        case "json" | "jsonl":
            write_object(explanation_row(found), form)
        case "csv":
            rows, columns = deepest(found)
            write(rows, columns, form)
        case _:
            for line in explanation_lines(found, bucket, asset):
                click.echo(line)


def deepest(found: closing_pb2.Explanation) -> tuple[list[Row], tuple[str, ...]]:
    """The rows of the level that was asked for."""
    if found.raw:
        return [raw_row(one) for one in found.raw], RAW_COLUMNS
    if found.slots:
        return [slot_row(one) for one in found.slots], SLOT_COLUMNS
    return [asset_share_row(one) for one in found.assets], ASSET_COLUMNS


def explanation_lines(found: closing_pb2.Explanation, bucket: str, asset: int | None) -> Iterator[str]:
    """For eyes: heading, sentences, then the rows of each level, and how to go deeper."""
    of = found.reading
    basis = "from its evidence" if found.from_evidence else "worked out now, not final"
    yield clean(
        f"{of.client_name}, {of.bucket_name}: {of.cost} {of.currency} for "
        f"{stamp(moment(of.period_start))} to {stamp(moment(of.period_end))}, {basis}",
        WORDS_CHARACTERS_MAX,
    )
    for number, step in enumerate(found.steps, start=1):
        yield f"  {number}. {clean(step, WORDS_CHARACTERS_MAX)}"
    for title, rows, columns in (
        ("Assets", [asset_share_row(one) for one in found.assets], ASSET_COLUMNS),
        ("Slots", [slot_row(one) for one in found.slots], SLOT_COLUMNS),
        ("Raw readings", [raw_row(one) for one in found.raw], RAW_COLUMNS),
    ):
        if rows:
            yield ""
            yield f"  {title}"
            for line in to_table(rows, columns).splitlines():
                yield f"    {line}"
    if found.notes:
        yield ""
    for note in found.notes:
        yield f"  {clean(sentence(note), WORDS_CHARACTERS_MAX)}"
    deeper = _deeper(found, asset)
    if deeper:
        say(deeper)


def _deeper(found: closing_pb2.Explanation, asset: int | None) -> str:
    """What to type to see the next level."""
    if found.assets and asset is None:
        return "The slots of an asset: the same with --asset ID."
    if found.slots and not found.raw:
        return "The raw readings of a slot: the same with --slot TIME, as the slot starts."
    return ""

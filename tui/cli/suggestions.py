"""``ullage assets suggest`` and ``accept``: what the most similar bound assets say about those that nobody bills."""

from collections import Counter
from dataclasses import dataclass, replace

import click

from tui.cli.assets import assets
from tui.cli.listing import show
from tui.cli.options import confirm_option, dry_run_option, form_option, limit_option
from tui.cli.outcome import acted, ask, write_preview
from tui.cli.output import Row, to_table
from tui.cli.selection import AssetFilters, Chosen, asset_choice, asset_filters, read_ids
from tui.cli.session import run, say
from tui.client import Aggregator
from tui.format import plural
from tui.preview import totals
from ullage.v1 import asset_acts_pb2

Suggestion = asset_acts_pb2.Suggestion
SUGGEST_IDS_MAX = 500
ACT_SECONDS_MAX = 120.0
SUGGESTION_COLUMNS = ("asset_id", "asset", "client", "buckets", "confidence", "reason")
_SUMMARY_COLUMNS = ("client", "buckets", "assets")


@dataclass(frozen=True, slots=True)
class Suggested:
    """Suggestions, and the names of their assets as far as they are known."""

    suggestions: list[Suggestion]
    names: dict[int, str]
    asked: int


def suggestion_row(suggestion: Suggestion, names: dict[int, str]) -> Row:
    """What is suggested for one asset, and why."""
    return {
        "asset_id": suggestion.asset_id,
        "asset": names.get(suggestion.asset_id),
        "client_id": suggestion.client_id,
        "client": suggestion.client_name,
        "buckets": [bucket.bucket_name for bucket in suggestion.buckets],
        "bucket_ids": [bucket.bucket_id for bucket in suggestion.buckets],
        "confidence": suggestion.confidence,
        "reason": suggestion.reason,
        "group": suggestion.group,
        "like_asset_ids": list(suggestion.like_asset_ids),
    }


async def _suggest(aggregator: Aggregator, ids: list[int], names: dict[int, str]) -> Suggested:
    found: list[Suggestion] = []
    for start in range(0, len(ids), SUGGEST_IDS_MAX):
        request = asset_acts_pb2.SuggestBindingsRequest(asset_ids=ids[start : start + SUGGEST_IDS_MAX])
        reply = await aggregator.ask(aggregator.inventory.SuggestBindings, request, seconds=ACT_SECONDS_MAX)
        found.extend(reply.suggestions)
    return Suggested(found, names, len(ids))


def _look_up(written: tuple[str, ...], filters: AssetFilters) -> Suggested:
    """For these ids, or for what the filters find; without either for everything unbound."""
    if written and filters.given():
        raise click.UsageError("Say which assets by ids or by filters, not by both.")
    ids = read_ids(written)

    async def work(aggregator: Aggregator) -> Suggested:
        if written:
            return await _suggest(aggregator, ids, {})
        wanted = filters if filters.given() else replace(filters, unbound=True)
        found = await wanted.find(aggregator)
        return await _suggest(aggregator, [one.id for one in found], {one.id: one.name for one in found})

    return run(work)


@assets.command("suggest")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@asset_filters
@limit_option
@form_option
def suggest(*, ids: tuple[str, ...], filters: AssetFilters, limit: int | None, form: str) -> None:
    """For each asset the client and buckets that the most similar bound assets have, with the reason.

    Without ids and filters: for everything unbound.

    \b
    Examples:
      ullage assets suggest
      ullage assets suggest --unassigned --search web- --format json
    """
    found = _look_up(ids, filters)
    rows = [suggestion_row(one, found.names) for one in found.suggestions]
    show((rows[:limit], len(rows)), SUGGESTION_COLUMNS, form, "suggestions")
    missing = found.asked - len(rows)
    if missing:
        say(f"For {plural(missing, 'asset')} nothing similar enough is bound.")


def summary(suggestions: list[Suggestion]) -> list[Row]:
    """How many assets would go to which client and buckets, most first."""
    counted = Counter(
        (one.client_name, tuple(bucket.bucket_name for bucket in one.buckets)) for one in suggestions
    )
    return [
        {"client": client, "buckets": list(buckets) or ["as its filters say"], "assets": count}
        for (client, buckets), count in counted.most_common()
    ]


@assets.command("accept")
@asset_choice
@click.option(
    "--confidence",
    type=click.IntRange(0, 100),
    default=0,
    metavar="PERCENT",
    help="Only suggestions of at least so much.",
)
@click.option("--group", default="", metavar="GROUP", help="Only suggestions of this group.")
@dry_run_option
@confirm_option
@form_option
def accept(*, chosen: Chosen, confidence: int, group: str, dry_run: bool, confirmed: int, form: str) -> None:
    """Does what is suggested for many assets, in one call: shows it by client and bucket, says what it means, asks.

    Without ids and filters: for everything unbound.

    Example: ullage assets accept --unbound --search web- --confidence 80 --dry-run
    """
    found = _look_up(chosen.written, chosen.filters)
    wanted = [one for one in found.suggestions if one.confidence >= confidence and group in {"", one.group}]
    if not wanted:
        say("There is no such suggestion: nothing to do.")
        return
    for line in to_table(summary(wanted), _SUMMARY_COLUMNS).splitlines():
        say(line)
    ids = [one.asset_id for one in wanted]

    def bind(*, dry: bool) -> asset_acts_pb2.ActReply:
        request = asset_acts_pb2.BindAssetsRequest(
            asset_ids=ids, suggested=True, dry_run=dry, confirmed_assets=confirmed
        )
        return run(
            lambda aggregator: aggregator.ask(
                aggregator.inventory.BindAssets, request, seconds=ACT_SECONDS_MAX
            )
        )

    if dry_run:
        write_preview(bind(dry=True).preview, form)
        return
    if not chosen.yes:
        for sentence in totals(bind(dry=True).preview):
            say(sentence)
        ask(f"Bind {plural(len(ids), 'asset')} so?", yes=False)
    acted(bind(dry=False), len(ids), "asset", form, dry_run=False)

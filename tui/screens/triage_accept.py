"""Doing what is suggested: for a group of alike, or each marked asset its own, in one call and one audit group.

Where no bucket is suggested the same call assigns the asset to the client, whose filters then decide.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from tui.desk import Desk
from tui.dialogs.act import Act, Trial, preview_lines
from tui.format import clean, decimal, plural
from tui.screens.triage import Asset, Suggestion
from tui.screens.triage_panel import bucket_words
from ullage.v1 import asset_acts_pb2

SUGGEST_IDS_MAX = 500
ACT_SECONDS_MAX = 120.0
# A summary longer than this hides the figures below it.
SUMMARY_LINES_MAX = 8


async def ask_suggestions(desk: Desk, ids: Sequence[int]) -> list[Suggestion]:
    """What is suggested for these, a few hundred a call. Raises ``CallFailed``."""
    found: list[Suggestion] = []
    for start in range(0, len(ids), SUGGEST_IDS_MAX):
        request = asset_acts_pb2.SuggestBindingsRequest(asset_ids=ids[start : start + SUGGEST_IDS_MAX])
        reply = await desk.aggregator.ask(
            desk.aggregator.inventory.SuggestBindings, request, seconds=ACT_SECONDS_MAX
        )
        found.extend(reply.suggestions)
    return found


def accept(desk: Desk, rows: Sequence[Asset], suggestions: Mapping[int, Suggestion]) -> Act | None:
    """For those of the rows for which something is suggested; None: for none of them."""
    wanted = [one for one in rows if one.id in suggestions]
    if not wanted:
        return None
    summary = summary_lines([suggestions[one.id] for one in wanted])
    ids = [one.id for one in wanted]

    async def call(trial: Trial) -> asset_acts_pb2.ActReply:
        request = asset_acts_pb2.BindAssetsRequest(
            asset_ids=ids, suggested=True, dry_run=trial.dry_run, confirmed_assets=trial.confirmed
        )
        return await desk.aggregator.ask(
            desk.aggregator.inventory.BindAssets, request, seconds=ACT_SECONDS_MAX
        )

    def done(reply: asset_acts_pb2.ActReply) -> str:
        whose = {suggestions[one].client_name for one in ids}
        to = clean(whose.pop(), 40) if len(whose) == 1 else f"{len(whose)} clients"
        amounts = [(one.currency, decimal(one.amount)) for one in reply.preview.money]
        more = [
            f"{clean(currency, 3)} {abs(amount):,f} {'more' if amount > 0 else 'less'}"
            for currency, amount in amounts
            if amount
        ]
        billed = f", {', '.join(more)}" if more else ""
        return f"{reply.changed:,} accepted: {to}{billed}."

    return Act(
        title=_title(len(wanted), len(rows) - len(wanted)),
        call=call,
        done=done,
        shows=lambda reply: [*summary, "", *preview_lines(reply)],
    )


def _title(count: int, left_out: int) -> str:
    without = f"; {left_out:,} without suggestion left out" if left_out else ""
    return f"Accept for {plural(count, 'asset')} what is suggested{without}"


def summary_lines(suggestions: Sequence[Suggestion]) -> list[str]:
    """How many go to which client and buckets, most first."""
    counted = Counter((clean(one.client_name, 40), bucket_words(one)) for one in suggestions)
    lines = [f"{count:>4,} → {client} › {buckets}" for (client, buckets), count in counted.most_common()]
    if len(lines) > SUMMARY_LINES_MAX:
        rest = len(lines) - SUMMARY_LINES_MAX + 1
        lines = [*lines[: SUMMARY_LINES_MAX - 1], f"     … and to {rest:,} others"]
    return lines

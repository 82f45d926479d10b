"""What there is to say about one asset: its facts, what wants attention, and all of it in full."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from tui.format import NONE, ago, clean, day, moment, plural, stamp, text
from tui.screens import cells
from tui.screens.asset_search import asset_label
from tui.theme import ATTENTION, FAINT
from ullage.v1 import asset_acts_pb2, inventory_pb2

Detail = inventory_pb2.AssetDetail
Suggestion = asset_acts_pb2.Suggestion
TEXT_CHARACTERS_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One asset with its usage, and, where it is billed to nobody, what is suggested.

    ``suggestion`` is None where nothing similar enough is bound; ``unsaid`` says why the aggregator was not asked or could
    not say.
    """

    detail: Detail
    usage: inventory_pb2.AssetUsage
    suggestion: Suggestion | None = None
    unsaid: str = ""


def in_use(asset: inventory_pb2.Asset) -> bool:
    """Whether something can be decided about it: neither merged nor disregarded nor disabled."""
    return asset.enabled and not asset.disregarded and not asset.merged_into


def wants_suggestion(asset: inventory_pb2.Asset) -> bool:
    """Whether it is in use, and something of it nobody's."""
    return in_use(asset) and (asset.series_unbound > 0 or not asset.client_id)


def facts(detail: Detail, now: datetime) -> list[tuple[str, Text]]:
    """What fits beside each other; ``in_full`` has what does not."""
    asset = detail.asset
    labels = ", ".join(f"{name}={value}" for name, value in sorted(asset.labels.items()))
    client = cells.client_name(asset)
    if asset.assigned_by_hand:
        client.append(", by hand", FAINT)
    return [
        ("Client", client),
        ("Source", text(f"{asset.source_type} of {asset.scope}")),
        ("Known as", text(asset.external_id)),
        ("Address", text(asset.address or NONE)),
        ("About", text(asset.description or NONE)),
        ("Seen", Text(_seen(moment(asset.last_seen), now))),
        ("Created", Text(f"{day(moment(asset.created_at))} as asset {asset.id}")),
        ("State", _state(asset)),
        ("Agents", text(", ".join(detail.agents) or NONE)),
        ("Labels", text(labels or NONE)),
    ]


def _seen(at: datetime | None, now: datetime) -> str:
    """How long ago, and when exactly; the year only where it is another one."""
    if at is None:
        return "never"
    year = "" if at.year == now.year else f"{at.year}-"
    return f"{ago(at, now)}, {year}{at:%m-%d %H:%M}Z"


def _state(asset: inventory_pb2.Asset) -> Text:
    if asset.merged_into:
        return Text(f"merged into asset {asset.merged_into}", ATTENTION)
    state = Text("enabled" if asset.enabled else "disabled", "" if asset.enabled else ATTENTION)
    state.append(", ").append(
        "acknowledged" if asset.acknowledged else "new", "" if asset.acknowledged else ATTENTION
    )
    if asset.disregarded:
        state.append(", ").append("disregarded", ATTENTION)
    return state


def notes(asked: Asked) -> list[Text]:
    """What wants attention, a line each, beginning with the key that does something about it."""
    detail, asset = asked.detail, asked.detail.asset
    lines = []
    if asset.merged_into:
        lines.append(
            _note("=", "merged", f"its history is that of asset {asset.merged_into} now, which = opens")
        )
    elif asset.disregarded:
        lines.append(_note("d", "disregarded", "not billed and in no other list; d restores it"))
    elif not asset.enabled:
        lines.append(_note("x", "disabled", "nothing binds it; x enables it"))
    if wants_suggestion(asset):
        lines.append(_suggested(asked))
    if detail.same_machine:
        others = ", ".join(asset_label(one) for one in detail.same_machine)
        lines.append(_note("=", "same machine", others))
    if detail.overlaps:
        more = f" and {len(detail.overlaps) - 1} more" if len(detail.overlaps) > 1 else ""
        lines.append(_note("i", "read twice", f"{overlap_words(detail.overlaps[0])}{more}"))
    if detail.merged_ids:
        lines.append(_note("i", "merged", f"it has the history of {_ids(detail.merged_ids)} too"))
    return lines


def _note(key: str, what: str, words: str) -> Text:
    return Text.assemble((f"{key} ", "bold"), (what, ATTENTION), f": {clean(words, 400)}")


def _suggested(asked: Asked) -> Text:
    if asked.suggestion is not None:
        return _note("a", "suggested", suggestion_words(asked.suggestion))
    what = "unbound" if asked.detail.asset.client_id else "unassigned"
    return _note("b", what, asked.unsaid or "nothing similar enough is bound, so nothing is suggested")


def suggestion_words(suggestion: Suggestion) -> str:
    """``Brook & Sons, vm ram, vm vcpu (87 %): like web-01 and 14 others``."""
    buckets = ", ".join(bucket.bucket_name for bucket in suggestion.buckets) or "as its filters say"
    return f"{suggestion.client_name}, {buckets} ({suggestion.confidence} %): {suggestion.reason}"


def overlap_words(overlap: inventory_pb2.Overlap) -> str:
    """``ram by hv-01 and hv-02, 2026-11-17 – 2026-11-19``."""
    since, until = moment(getattr(overlap, "from")), moment(overlap.to)
    span = f"{day(since)} – {day(until) if until else 'now'}"
    return f"{overlap.unit_type} by {overlap.agent} and {overlap.other_agent}, {span}"


def _ids(ids: Sequence[int]) -> str:
    return f"{'asset' if len(ids) == 1 else 'assets'} {', '.join(map(str, ids))}"


def in_full(asked: Asked, now: datetime) -> list[str]:
    """All of it, a line each; a heading stands before each part that has something."""
    detail, asset = asked.detail, asked.detail.asset
    lines = [
        f"{label:<10} {value.plain}"
        for label, value in facts(detail, now)
        if label not in {"Agents", "Labels"}
    ]
    lines[4] = f"{'About':<10} {clean(asset.description, TEXT_CHARACTERS_MAX) or NONE}"
    lines[5] = f"{'Seen':<10} {stamp(moment(asset.last_seen))}"
    parts = {
        f"Agents that reported it ({len(detail.agents)})": list(detail.agents),
        f"Labels ({len(asset.labels)})": [f"{name}={value}" for name, value in sorted(asset.labels.items())],
        "The same machine by its SMBIOS UUID": [asset_label(one) for one in detail.same_machine],
        "Read by two agents at once: amounts were added, of levels the agent with more readings counted": [
            overlap_words(one) for one in detail.overlaps
        ],
        "Assets that were merged into it": [str(number) for number in detail.merged_ids],
        "Suggested": [] if asked.suggestion is None else _suggestion_lines(asked.suggestion),
    }
    for heading, found in parts.items():
        if found:
            lines += ["", heading, *(f"  {clean(one, TEXT_CHARACTERS_MAX)}" for one in found)]
    return lines


def _suggestion_lines(suggestion: Suggestion) -> list[str]:
    buckets = [f"{bucket.unit_type}: {bucket.bucket_name}" for bucket in suggestion.buckets]
    return [
        f"client {suggestion.client_name}, {suggestion.confidence} % sure",
        *(buckets or ["no bucket by hand: the client's filters bind it"]),
        suggestion.reason,
        f"looked at {plural(len(suggestion.like_asset_ids), 'asset')}: {', '.join(map(str, suggestion.like_asset_ids))}",
    ]

"""Beside or below the list: what is suggested for the row under the cursor, why, and what the next key would do."""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.format import NONE, ago, clean, cut, moment, plural, text
from tui.screens import cells
from tui.screens.triage import Alike, Asset, Suggestion, Triage, confidence_words, worth_words
from tui.theme import ATTENTION, FAINT

NAME_CELLS_MAX = 50
REASON_CHARACTERS_MAX = 400
# Below the list the panel is no higher than this,
BELOW_LINES_MAX = 8
# and its two lines of reason lose so many cells at most to words that go on to the next line, and to the edges.
WRAP_CELLS = 16
_ELSE = "o assign  b bind  n new bucket  d disregard  ! suppress"


def bucket_words(suggestion: Suggestion) -> str:
    """``web memory, web cpu``; without buckets what then decides."""
    return ", ".join(clean(one.bucket_name, 40) for one in suggestion.buckets) or "as its filters say"


def heading(triage: Triage, asset: Asset) -> Text:
    """Client and buckets with how sure that is, or that there is nothing to suggest."""
    suggestion = triage.suggestions.get(asset.id)
    if suggestion is not None:
        line = Text("→ ")
        line.append(clean(suggestion.client_name, 60), "bold")
        line.append(f" › {bucket_words(suggestion)}")
        return line
    if asset.id not in triage.answered and triage.failure:
        return Text(f"✖ {clean(triage.failure, REASON_CHARACTERS_MAX)}", ATTENTION)
    if asset.id not in triage.answered:
        return Text("… looking for what it is like", FAINT)
    return Text("No suggestion: nothing that is bound is similar enough.")


def reason(triage: Triage, asset: Asset) -> Text:
    """Why, in words, with the per cent; without a suggestion what is known of the asset."""
    suggestion = triage.suggestions.get(asset.id)
    if suggestion is None:
        group = triage.alike(asset)
        money = worth_words(group.money) if group is not None else ""
        lost = f", {money} not billed this period" if money else ""
        about = f", {clean(asset.description, 60)}" if asset.description else ""
        return Text(f"{about_words(asset)}{lost}{about}", FAINT)
    sure = f"{suggestion.confidence} %, {confidence_words(suggestion.confidence)}: "
    # The client stands in the line above.
    why = suggestion.reason.replace(f" of {suggestion.client_name}:", ":", 1)
    return Text(sure + clean(why, REASON_CHARACTERS_MAX))


def about_words(asset: Asset) -> str:
    """``unassigned vm of hv-03, 2 of 3 series unbound``."""
    whose = clean(asset.client_name, 40) if asset.client_id else "unassigned"
    reported = f" of {clean(asset.agent, 40)}" if asset.agent else ""
    series = f"{asset.series_unbound} of {asset.series} series unbound"
    return f"{whose}: {clean(asset.source_type, 30)}{reported}, {series}"


def what_next(group: Alike | None, marked: Sequence[Asset], triage: Triage, now: datetime) -> Text:
    """What the next key would do, and for how much money."""
    line = Text()
    if marked:
        able = sum(one.id in triage.suggestions for one in marked)
        if not able:
            return line.append(_ELSE).append(f"  for the {len(marked):,} marked", FAINT)
        line.append(f"a accepts for {able:,} of {len(marked):,} marked", "bold")
        return line.append(f"   {_ELSE}", FAINT)
    if group is None:
        return line
    if group.suggestion is not None:
        these = f"these {group.size:,}" if group.size > 1 else "it"
        line.append(f"a accepts for {these}", "bold")
    elif group.size > 1:
        which = f"  for these {group.size:,}" if triage.folded else f"  + marks the {group.size:,} alike"
        return line.append(_ELSE).append(which, FAINT)
    else:
        return line.append(_ELSE)
    money = worth_words(group.money)
    line.append(f" · {money} not billed this period" if money else " · no price known")
    if group.since is not None:
        line.append(f" · {plural(max((now - group.since).days, 0), 'day')}")
    return line


def what_is_lost(group: Alike | None, now: datetime) -> Text:
    """For who may only look: for how many, how much and since when."""
    if group is None:
        return Text("")
    money = worth_words(group.money)
    line = Text(f"{plural(group.size, 'asset')} alike · ")
    line.append(f"{money} not billed this period" if money else "no price known")
    if group.since is not None:
        line.append(f" · {plural(max((now - group.since).days, 0), 'day')}")
    return line


def facts(asset: Asset, now: datetime) -> Text:
    """What there is room for where the panel stands beside the list."""
    found = (
        ("Asset", text(asset.name)),
        ("Client", cells.client_name(asset)),
        ("Source", text(f"{asset.source_type} of {asset.scope}")),
        ("Known as", text(asset.external_id)),
        ("Agent", text(asset.agent or NONE)),
        ("Address", text(asset.address or NONE)),
        ("About", text(asset.description or NONE)),
        ("Labels", text(", ".join(f"{k}={v}" for k, v in sorted(asset.labels.items())) or NONE)),
        ("Series", Text(f"{asset.series_unbound} of {asset.series} unbound")),
        ("Last seen", Text(ago(moment(asset.last_seen), now))),
    )
    lines = [Text.assemble((f"{label:<10}", "dim"), value) for label, value in found]
    return Text("\n").join(lines)


class TriagePanel(Vertical):
    """A line is written again only when it says something else: moving among alike rows costs next to nothing."""

    # The rules name classes of the screen.
    SCOPED_CSS = False
    DEFAULT_CSS = """
    TriagePanel { height: 5; padding: 0 1; border-top: solid $border; border-title-color: $primary; }
    TriagePanel .triage-words { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    TriagePanel .-two { height: 2; text-wrap: wrap; }
    TriagePanel #triage-facts { display: none; }
    .-wide TriagePanel, .-vast TriagePanel { height: 1fr; border-top: none; border-left: solid $border; }
    .-wide TriagePanel { width: 40; }
    .-vast TriagePanel { width: 46; }
    .-wide TriagePanel .triage-words, .-vast TriagePanel .triage-words {
        height: auto; margin-bottom: 1; text-wrap: wrap;
    }
    .-wide TriagePanel #triage-facts, .-vast TriagePanel #triage-facts { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._drawn: dict[str, Text] = {}

    def compose(self) -> ComposeResult:
        """What, why, what now; beside the list also what it is."""
        yield Static(id="triage-head", classes="triage-words", markup=False)
        yield Static(id="triage-reason", classes="triage-words -two", markup=False)
        yield Static(id="triage-next", classes="triage-words", markup=False)
        yield Static(id="triage-facts", markup=False)

    def on_mount(self) -> None:
        """Nothing to say before there are rows."""
        self.display = False

    def show(
        self, asset: Asset | None, triage: Triage, marked: Sequence[Asset], now: datetime, *, may: bool = True
    ) -> None:
        """Follows the cursor; with None there is nothing left to decide. ``may``: whether this key may act on it."""
        self.display = asset is not None
        if asset is None:
            return
        title = cut(asset.name, NAME_CELLS_MAX)
        if self.border_title != title:
            self.border_title = Text(title)
        self._say("head", heading(triage, asset))
        why = reason(triage, asset)
        if self.size.height < BELOW_LINES_MAX:
            # Two lines, of which the first may end before its edge.
            why.truncate(max(2 * self.size.width - WRAP_CELLS, 1), overflow="ellipsis")
        self._say("reason", why)
        group = triage.alike(asset)
        self._say("next", what_next(group, marked, triage, now) if may else what_is_lost(group, now))
        self._say("facts", facts(asset, now))

    def _say(self, part: str, words: Text) -> None:
        if self._drawn.get(part) != words:
            self._drawn[part] = words
            self.query_one(f"#triage-{part}", Static).update(words)

"""Which of the unbound assets are looked at: chips, and the menu that sets them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tui.client import AssetQuery
from tui.dialogs.choose import Choice
from tui.format import clean, moment
from tui.screens.triage import Asset, Triage
from tui.screens.triage_table import days_since

AGES_DAYS = (7, 30, 90)
# In the menu: nobody's. No client has it as a name.
UNASSIGNED = "unassigned"


@dataclass(frozen=True, slots=True)
class Chips:
    """All of them hold together. ``suggested`` None: whether or not; days 0: of any age."""

    client: tuple[int, str] = (0, "")
    unassigned: bool = False
    source_type: str = ""
    agent: str = ""
    suggested: bool | None = None
    older_than_days: int = 0

    def query(self, search: str) -> AssetQuery:
        """The part that the aggregator filters by."""
        return AssetQuery(
            search=search,
            unbound=True,
            client_id=self.client[0],
            unassigned=self.unassigned,
            source_type=self.source_type,
            agent=self.agent,
        )

    @property
    def here(self) -> bool:
        """Whether a part is decided here, over all rows: the aggregator has no filter for it."""
        return self.suggested is not None or bool(self.older_than_days)

    def lets_through(self, asset: Asset, triage: Triage, now: datetime) -> bool:
        """The part that is decided here."""
        if self.suggested is not None and (asset.id in triage.suggestions) != self.suggested:
            return False
        days = days_since(moment(asset.unbound_since), now) or 0
        return not self.older_than_days or days > self.older_than_days

    def words(self) -> str:
        """``source: vm ×  older than 30 d ×``."""
        chips = [
            f"client: {clean(self.client[1], 30)}" if self.client[0] else "",
            UNASSIGNED if self.unassigned else "",
            f"source: {clean(self.source_type, 30)}" if self.source_type else "",
            f"agent: {clean(self.agent, 30)}" if self.agent else "",
            "" if self.suggested is None else "with a suggestion" if self.suggested else "without suggestion",
            f"older than {self.older_than_days} d" if self.older_than_days else "",
        ]
        return "  ".join(f"{chip} ×" for chip in chips if chip)


def menu(chips: Chips) -> tuple[list[Choice], str]:
    """The kinds of filter, and on which the cursor stands."""
    choices = [
        Choice("all", "All that is unbound", "x"),
        Choice("with", "With a suggestion", "s"),
        Choice("without", "Without a suggestion", "w"),
        Choice("client", "Of one client …", "c"),
        Choice("source", "Of one source type …", "t"),
        Choice("agent", "Of one agent …", "g"),
        *(Choice(f"older {days}", f"Unbound for more than {days} days", str(days)[0]) for days in AGES_DAYS),
    ]
    at = "with" if chips.suggested else "without" if chips.suggested is False else "all"
    return choices, at


def values(kind: str, rows: Iterable[Asset], clients: Iterable[tuple[int, str]]) -> Sequence[Choice]:
    """What there is to choose from: clients with something unbound, source types and agents of the rows on view."""
    match kind:
        case "client":
            named = [Choice(f"{number} {name}", name) for number, name in dict.fromkeys(clients) if number]
            return [Choice(f"0 {UNASSIGNED}", "Nobody's: unassigned", "u"), *named]
        case "source":
            return [Choice(one, one) for one in sorted({row.source_type for row in rows})]
        case _:
            return [Choice(one, one) for one in sorted({row.agent for row in rows if row.agent})]


def chosen(chips: Chips, kind: str, value: str = "") -> Chips:
    """The chips after a choice in the menu; ``value`` is that of the second menu, where there is one."""
    match kind:
        case "with" | "without":
            return replace(chips, suggested=kind == "with")
        case "client":
            number, _, name = value.partition(" ")
            if number == "0":
                return replace(chips, client=(0, ""), unassigned=True)
            return replace(chips, client=(int(number), name), unassigned=False)
        case "source":
            return replace(chips, source_type=value)
        case "agent":
            return replace(chips, agent=value)
        case "all":
            return Chips()
        case _:
            return replace(chips, older_than_days=int(kind.partition(" ")[2]))

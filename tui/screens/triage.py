"""Which unbound assets of a page are alike, in which order they are dealt with, and the signs that join them.

Knows no widgets and asks nobody. Once somebody has begun to work, what is shown keeps its place: only what is new is put
in, beside what it is like.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tui.format import clean, decimal, moment
from ullage.v1 import asset_acts_pb2, inventory_pb2

Asset = inventory_pb2.Asset
Suggestion = asset_acts_pb2.Suggestion

# From so many per cent on a suggestion is called so.
_CONFIDENCE_WORDS = ((95, "almost certain"), (85, "likely"), (0, "perhaps"))
# Names are alike when they differ in numbers alone, or in a part that looks made up by a machine.
_MADE_UP = re.compile(r"\b(?=[a-z]*[0-9])[0-9a-f]{6,}\b|[0-9][0-9a-z]*")


def confidence_words(percent: int) -> str:
    """``almost certain`` of 97."""
    return next(words for least, words in _CONFIDENCE_WORDS if percent >= least)


def pattern_of(name: str) -> str:
    """``build-#`` of ``build-7f3a9c`` and of ``build-12``: what alike names share."""
    return _MADE_UP.sub("#", name.casefold())


@dataclass(frozen=True, slots=True)
class Alike:
    """Assets of a page for which the same can be decided at once. ``suggestion`` is that of the first; None: none."""

    members: tuple[Asset, ...]
    suggestion: Suggestion | None
    # Not billed this period, by currency.
    money: Mapping[str, Decimal]
    # Since when the first of them is unbound; None: not known.
    since: datetime | None
    # The first sort key of the order in which groups are dealt with.
    rank: tuple[bool, Decimal, int, str]

    @property
    def size(self) -> int:
        """How many."""
        return len(self.members)


def worth(assets: Iterable[Asset]) -> dict[str, Decimal]:
    """What is not billed for them, by currency: money is never added over currencies."""
    found: dict[str, Decimal] = {}
    for asset in assets:
        amount = decimal(asset.unbound_money.amount)
        if amount is not None:
            currency = asset.unbound_money.currency
            found[currency] = found.get(currency, Decimal(0)) + amount
    return found


def worth_words(money: Mapping[str, Decimal]) -> str:
    """``EUR 1,234.50 + USD 12.00``; empty for none."""
    return " + ".join(f"{clean(currency, 3)} {amount:,f}" for currency, amount in sorted(money.items()))


class Triage:
    """A page of unbound assets with what is known of it."""

    def __init__(self) -> None:
        self.suggestions: dict[int, Suggestion] = {}
        # Assets for which the aggregator has been asked; those without a suggestion too.
        self.answered: set[int] = set()
        # Why it is not known what is suggested; empty: it is, or is being asked for.
        self.failure = ""
        # One line a group.
        self.folded = False
        # Whether what is shown keeps its place.
        self.settled = False
        self.groups: list[Alike] = []
        # Of the page as it was put in order; what has gone keeps its place, for it may come back.
        self._places: list[int] = []
        self._group: dict[int, Alike] = {}
        self._signs: dict[int, tuple[str, int]] = {}

    def learn(self, asked: Iterable[int], suggestions: Iterable[Suggestion]) -> bool:
        """Takes what was answered for these; False when that is what was known already."""
        ids = set(asked)
        found = {one.asset_id: one for one in suggestions}
        same = ids <= self.answered and all(self.suggestions.get(one) == found.get(one) for one in ids)
        self.answered |= ids
        for one in ids:
            self.suggestions.pop(one, None)
        self.suggestions.update(found)
        return not same

    def alike(self, asset: Asset) -> Alike | None:
        """The group that an asset on view belongs to."""
        return self._group.get(asset.id)

    def sign(self, asset: Asset) -> tuple[str, int]:
        """The glyph before a row, and in the first row of several alike how many there are."""
        return self._signs.get(asset.id, ("", 0))

    def members(self, asset: Asset) -> list[Asset]:
        """What a row stands for: of a folded page the whole group."""
        group = self._group.get(asset.id)
        return list(group.members) if group is not None and self.folded else [asset]

    def arrange(self, rows: Sequence[Asset]) -> list[Asset]:
        """In the order in which they are dealt with; before anything is known of them as they came."""
        keys = {asset.id: self._key(asset) for asset in rows}
        groups = self._grouped(rows, keys)
        if self.settled:
            ordered = self._kept(rows, keys, groups)
        elif all(asset.id in self.answered for asset in rows):
            ordered = sorted(rows, key=lambda asset: (*groups[keys[asset.id]].rank, *_by_name(asset)))
        else:
            ordered = list(rows)
        return self._lay(ordered, keys, groups)

    def lay(self, rows: Sequence[Asset]) -> list[Asset]:
        """In the order that somebody asked for; what is alike is joined where it happens to meet."""
        keys = {asset.id: self._key(asset) for asset in rows}
        return self._lay(rows, keys, self._grouped(rows, keys))

    def _key(self, asset: Asset) -> str:
        suggestion = self.suggestions.get(asset.id)
        if suggestion is not None:
            return f"+{suggestion.group}"
        if asset.id not in self.answered:
            return f"?{asset.id}"
        return f"-{asset.source_type}/{asset.client_id}/{pattern_of(asset.name)}"

    def _grouped(self, rows: Sequence[Asset], keys: Mapping[int, str]) -> dict[str, Alike]:
        members: defaultdict[str, list[Asset]] = defaultdict(list)
        for asset in rows:
            members[keys[asset.id]].append(asset)
        groups: dict[str, Alike] = {}
        for key, found in members.items():
            money = worth(found)
            suggestion = self.suggestions.get(found[0].id)
            # Amounts of two currencies are compared here, never added: it only says what to look at first.
            most = max(money.values(), default=Decimal(-1))
            rank = (suggestion is None, -most, -len(found), key)
            since = min((at for asset in found if (at := moment(asset.unbound_since))), default=None)
            groups[key] = Alike(tuple(found), suggestion, money, since, rank)
        return groups

    def _kept(
        self, rows: Sequence[Asset], keys: Mapping[int, str], groups: Mapping[str, Alike]
    ) -> list[Asset]:
        known = {asset: place for place, asset in enumerate(self._places)}
        last: dict[str, int] = {}
        for asset in rows:
            key = keys[asset.id]
            last[key] = max(last.get(key, -1), known.get(asset.id, -1))

        def place(asset: Asset) -> tuple[int, bool, tuple[object, ...]]:
            key = keys[asset.id]
            if asset.id in known:
                return known[asset.id], False, ()
            behind = last[key] if last[key] >= 0 else len(known)
            return behind, True, (*groups[key].rank, *_by_name(asset))

        return sorted(rows, key=place)

    def _lay(
        self, ordered: Sequence[Asset], keys: Mapping[int, str], groups: Mapping[str, Alike]
    ) -> list[Asset]:
        self._places = self._with_places([asset.id for asset in ordered])
        self._group = {asset.id: groups[keys[asset.id]] for asset in ordered}
        self.groups = [groups[key] for key in dict.fromkeys(keys[asset.id] for asset in ordered)]
        if self.folded:
            first = {keys[asset.id]: asset for asset in reversed(ordered)}
            self._signs = {asset.id: ("×", groups[key].size) for key, asset in first.items()}
            return [asset for asset in ordered if asset.id in self._signs]
        self._signs = _signs([(asset.id, keys[asset.id]) for asset in ordered], groups)
        return list(ordered)

    def _with_places(self, ordered: list[int]) -> list[int]:
        """These in their order; while nothing moves, what has gone still before what it stood before."""
        if not self.settled:
            return ordered
        here = set(ordered)
        gone: defaultdict[int, list[int]] = defaultdict(list)
        waiting: list[int] = []
        for asset in self._places:
            if asset in here:
                gone[asset], waiting = waiting, []
            else:
                waiting.append(asset)
        return [*(one for asset in ordered for one in (*gone[asset], asset)), *waiting]


def _by_name(asset: Asset) -> tuple[str, int]:
    """``web-2`` before ``web-10``."""
    return re.sub(r"\d+", lambda found: found[0].zfill(12), asset.name.casefold()), asset.id


def _signs(rows: Sequence[tuple[int, str]], groups: Mapping[str, Alike]) -> dict[int, tuple[str, int]]:
    """Rows that stand together are joined; the first one says how many are alike."""
    signs: dict[int, tuple[str, int]] = {}
    for place, (asset, key) in enumerate(rows):
        above = place > 0 and rows[place - 1][1] == key
        below = place + 1 < len(rows) and rows[place + 1][1] == key
        size = groups[key].size
        if above:
            signs[asset] = ("│" if below else "└", 0)
        elif below:
            signs[asset] = ("┌", size)
        elif size > 1:
            # Its like stands elsewhere, because nothing may move any more.
            signs[asset] = ("╶", size)
    return signs

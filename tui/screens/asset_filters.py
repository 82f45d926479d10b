"""What restricts a list of assets besides its filter line: one chip each in the title, all of them behind one key."""

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Any

from tui.client import AssetQuery
from tui.desk import Desk
from tui.dialogs.choose import Choice
from tui.dialogs.fields import Field
from tui.dialogs.form import Form
from tui.format import clean, cut
from tui.screens.asset_search import Agents, Buckets, Clients, Texts

CLEAR = "clear"
DISREGARDED = "disregarded"
CHIP_CELLS_MAX = 30
# Parts of the query by the letter that turns them on and off, with the chip's word and what it means.
_FLAGS = {
    "unassigned": ("u", "unassigned", "no client"),
    "unbound": ("b", "unbound", "usage that no bucket bills"),
    "unacknowledged": ("n", "new", "nobody has acknowledged them"),
    "disabled": ("x", "disabled", ""),
    "by_hand": ("h", "by hand", "somebody decided client or bucket"),
}
# The same of those that have a value, with what belongs into it.
_VALUES = {
    "client_id": ("c", "client", "Part of a name."),
    "bucket_id": ("B", "bucket", "Part of a name, of bucket or client."),
    "source_type": ("t", "source", "Such as vm, host or volume."),
    "agent": ("a", "agent", "Part of the name of the agent that reported it first."),
    "label": ("l", "label", "KEY or KEY=VALUE"),
}


class Restrictions:
    """The query of a list, and in which order its parts came, so that the newest goes first.

    ``base`` is never taken away: the client of a list of one client's assets.
    """

    def __init__(self, base: AssetQuery) -> None:
        self.base = base
        self.query = base
        self._order: list[str] = []
        # What ids in the query are called.
        self._names: dict[tuple[str, Any], str] = {}

    def restrict(self, query: AssetQuery) -> None:
        """Replaces all of them."""
        self.query = query
        self._order = [field.name for field in fields(query)]

    def set(self, part: str, value: Any, name: str = "") -> None:
        """One part, the newest; a value that restricts nothing takes it away."""
        self.query = replace(self.query, **{part: value})
        self._order = [*(one for one in self._order if one != part), part]
        if name:
            self._names[part, value] = name

    def toggle(self, part: str, value: Any = True) -> None:
        """Takes it away where it is there."""
        self.set(part, getattr(self.base, part) if self.given(part) else value)

    def given(self, part: str) -> bool:
        """Whether it restricts the list beyond its base."""
        return bool(getattr(self.query, part) != getattr(self.base, part))

    def clear(self) -> bool:
        """All of them; True when there were some."""
        had, self.query = self.query != self.base, self.base
        return had

    def drop_newest(self) -> bool:
        """The one that came last; True when there was one."""
        for part in reversed(self._order):
            if self.given(part):
                self.toggle(part)
                return True
        return False

    def chips(self) -> str:
        """Every restriction in the order in which they came, with the sign that says it goes away."""
        known = [part for part in (*_FLAGS, *_VALUES) if self.given(part)]
        known.sort(key=lambda part: self._order.index(part) if part in self._order else -1)
        return "  ".join(f"{self._words(part)} ×" for part in known)

    def _words(self, part: str) -> str:
        if part in _FLAGS:
            return _FLAGS[part][1]
        value = getattr(self.query, part)
        return f"{_VALUES[part][1]}: {cut(self._names.get((part, value), str(value)), CHIP_CELLS_MAX)}"

    def choices(self) -> list[Choice]:
        """The menu: what is on is ticked, choosing it turns it off."""
        found = [
            Choice(part, f"{self._tick(part)} {word}{f': {means}' if means else ''}", key)
            for part, (key, word, means) in _FLAGS.items()
        ]
        found += [
            Choice(part, f"{self._tick(part)} {self._words(part) if self.given(part) else f'{word} …'}", key)
            for part, (key, word, _) in _VALUES.items()
            if not getattr(self.base, part)
        ]
        nothing = "" if self.query != self.base else "there is none"
        return [
            *found,
            Choice(DISREGARDED, "  disregarded: on a screen of their own", "d"),
            Choice(CLEAR, "  clear all", "0", why_not=nothing),
        ]

    def _tick(self, part: str) -> str:
        return "✓" if self.given(part) else " "


def needs_value(part: str) -> bool:
    """Whether a part of the menu asks for something."""
    return part in _VALUES


class ValueForm:
    """Asks for the value of one restriction; ``form`` is shown, ``taken`` reads what was filled in."""

    def __init__(self, desk: Desk, part: str, *, sources: Callable[[], Iterable[str]]) -> None:
        _, word, hint = _VALUES[part]
        self.part = part
        self._search: Clients | Buckets | Agents | Texts | None = None
        match part:
            case "client_id":
                self._search = Clients(desk)
            case "bucket_id":
                self._search = Buckets(desk, ())
            case "agent":
                self._search = Agents(desk)
            case "source_type":
                self._search = Texts(sources)
        field = Field(part, word.capitalize(), hint=hint, search=self._search, required=True)
        self.form = Form(f"Only assets of this {word}", (field,), go="Show")

    def taken(self, values: dict[str, str]) -> tuple[Any, str]:
        """The value as the query takes it, and what it is called."""
        value = values[self.part]
        if isinstance(self._search, Clients | Buckets):
            return int(value), clean(self._search.names.get(value, value))
        return value, value

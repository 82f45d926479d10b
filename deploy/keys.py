"""Writes docs/keys.md from the screens' own bindings: ``python -m deploy.keys > docs/keys.md``."""

import sys
from collections.abc import Iterable
from importlib import import_module

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import format_key

from tui.app import UllageApp
from tui.catalogue import PLACES
from tui.screens.asset import AssetScreen
from tui.screens.bucket import BucketScreen
from tui.screens.checklist import ChecklistScreen
from tui.screens.client import ClientScreen
from tui.screens.explain import ExplainScreen
from tui.screens.listing import ListScreen
from tui.screens.live import LiveScreen
from tui.screens.money import MoneyScreen
from tui.screens.reading import ReadingScreen
from tui.widgets.row_table import RowTable

_HEAD = """# Keys

One key means one thing on all screens. This page is made from the screens' own bindings (`python -m deploy.keys`);
`?` shows those of the screen on view.

- `:` or `ctrl+p` jumps: to a screen by its name (`:audit`), to a screen filtered (`:asset web-`), or to a client, an
  asset or a bucket by a part of its name (`:client brook`).
- Acts are for the rows that are marked, else for the row under the cursor. What costs money first says what it would
  do; `y` does it, `enter` and `esc` do not. What cannot be taken back wants a word typed.
- A key that your role may not use, or that does not apply now, says why.
"""
# What a screen opens, below it.
_DETAILS: dict[str, tuple[tuple[str, type[LiveScreen]], ...]] = {
    "clients": (("One client", ClientScreen),),
    "assets": (("One asset", AssetScreen),),
    "buckets": (("One bucket", BucketScreen),),
    "billing": (
        ("One reading", ReadingScreen),
        ("The close checklist", ChecklistScreen),
        ("Where a figure comes from", ExplainScreen),
    ),
}
_EVERYWHERE: tuple[type[DOMNode], ...] = (UllageApp, LiveScreen)


def own(node: type[DOMNode]) -> list[Binding]:
    """The bindings that a class itself adds, one for each key."""
    return list(Binding.make_bindings(vars(node).get("BINDINGS", [])))


def bindings(screen: type[DOMNode]) -> list[Binding]:
    """Those of a screen and its bases that are not everywhere, the screen's own first."""
    shared = {*_EVERYWHERE, ListScreen, MoneyScreen, RowTable}
    found: dict[str, Binding] = {}
    for base in screen.__mro__:
        if base not in shared and base.__module__.startswith("tui."):
            for binding in own(base):
                found.setdefault(binding.key, binding)
    return list(found.values())


def table(found: Iterable[Binding]) -> list[str]:
    """A line a description, with all its keys."""
    keys: dict[str, list[str]] = {}
    for binding in found:
        if binding.description and not binding.system:
            shown = binding.key_display or format_key(binding.key)
            keys.setdefault(binding.description, []).append(f"`{shown}`")
    lines = ["", "| key | does |", "|---|---|"]
    return lines + [f"| {' '.join(dict.fromkeys(shown))} | {what} |" for what, shown in keys.items()]


def page() -> str:
    """The whole document."""
    lines = [_HEAD, "## Everywhere", *table([b for base in _EVERYWHERE for b in own(base)])]
    lines += ["", "## On every list", *table([*own(RowTable), *own(ListScreen)])]
    lines += ["", "## On every screen about money", *table(own(MoneyScreen))]
    for place in PLACES:
        module, _, name = place.made_by.partition(":")
        screen: type[DOMNode] = getattr(import_module(f"tui.screens.{module}"), name)
        lines += ["", f"## {place.title}", *table(bindings(screen))]
        for title, detail in _DETAILS.get(place.name, ()):
            lines += ["", f"### {title}", *table(bindings(detail))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())

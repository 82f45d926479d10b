"""``?``: the keys that work here, read from the bindings themselves, so that the page cannot be wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from rich.console import Group as RenderableGroup
from rich.console import RenderableType
from rich.table import Column, Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingsMap, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from tui.catalogue import WITH_DIGIT
from tui.dialogs.modal import Dialog
from tui.screens.listing import ListScreen
from tui.screens.live import LiveScreen
from tui.theme import FAINT
from tui.widgets.row_table import RowTable

KEY_CELLS = 12
HERE, LISTS, EVERYWHERE = "On this screen", "In lists", "Everywhere"
_OF_LISTS = frozenset({ListScreen, RowTable})
_DIGITS = frozenset(place.digit for place in WITH_DIGIT)


@dataclass
class Keys:
    """The keys of one description, and why this key of the aggregator may not do it; empty: it may."""

    keys: list[str]
    refused: str = ""


@dataclass
class Group:
    """Keys that belong together, by what they do."""

    title: str
    lines: dict[str, Keys] = field(default_factory=dict)

    def add(self, key: str, description: str, refused: str) -> None:
        """Keys that do the same share a line."""
        line = self.lines.setdefault(description, Keys([], refused))
        if key not in line.keys:
            line.keys.append(key)


def groups(screen: Screen[object]) -> list[Group]:
    """What works on this screen with the focus where it is: its own keys first, then those of lists, then of all screens."""
    found = {title: Group(title) for title in (HERE, LISTS, EVERYWHERE)}
    taken: set[str] = set()
    for node in (screen.focused or screen).ancestors_with_self:
        for key, binding in sorted(_bindings(node), key=lambda bound: not bound[1].show):
            if key in taken or binding.system or not binding.description:
                continue
            group = found[_group(node, key)]
            if key in _DIGITS and node is screen.app:
                group.add("1–9", "The main screens", "")
            else:
                group.add(screen.app.get_key_display(binding), binding.description, _refused(screen, binding))
        # What a node binds hides what those above it do with the same key.
        taken |= {key for key, _ in _bindings(node)}
    return [group for group in found.values() if group.lines]


def _bindings(node: DOMNode) -> Iterator[tuple[str, Binding]]:
    for key, bindings in node._bindings.key_to_bindings.items():
        for binding in bindings:
            yield key, binding


def _group(node: DOMNode, key: str) -> str:
    """By the class that binds the key."""
    base = next(
        base
        for base in (*type(node).__mro__, type(node))
        if base is object or key in BindingsMap(vars(base).get("BINDINGS", ())).key_to_bindings
    )
    if base is LiveScreen or not isinstance(node, Widget):
        return EVERYWHERE
    if base in _OF_LISTS or base.__module__.startswith("textual."):
        return EVERYWHERE if isinstance(node, Screen) and base is not ListScreen else LISTS
    return HERE


def _refused(screen: Screen[object], binding: Binding) -> str:
    action = binding.action.removeprefix("screen.").partition("(")[0]
    return screen.refusal(action) if isinstance(screen, LiveScreen) else ""


def page(group: Group) -> Table:
    """Its title, a line for each description, and below them why some may not be used."""
    table = Table.grid(Column(width=KEY_CELLS), Column(ratio=1), padding=(0, 1), expand=True)
    for description, line in group.lines.items():
        style = FAINT if line.refused else ""
        said = f"✖ {description}" if line.refused else description
        table.add_row(Text(" ".join(line.keys), style or "bold"), Text(said, style))
    return table


def reasons(group: Group) -> Text:
    """Why some of its keys may not be used."""
    found = dict.fromkeys(line.refused for line in group.lines.values() if line.refused)
    return Text("\n").join([Text(f"✖ {reason}", FAINT) for reason in found] + [Text("")])


class HelpScreen(Dialog[None]):
    """Keys and what they do; any of esc, ? and q closes it."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-normal")]
    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen > VerticalScroll {
        width: 78; max-width: 100%; height: auto; max-height: 100%;
        border: round $primary; padding: 0 1; background: $panel;
    }
    HelpScreen Horizontal { height: auto; }
    HelpScreen Static { width: 1fr; height: auto; }
    HelpScreen.-narrow Horizontal { layout: vertical; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "Close", key_display="esc"),
        Binding("j,down", "scroll(1)", "Down", show=False),
        Binding("k,up", "scroll(-1)", "Up", show=False),
        Binding("space", "scroll(16)", "Page down", show=False),
        Binding("g", "scroll(-1000)", "Top", show=False),
        Binding("G", "scroll(1000)", "Bottom", show=False),
    ]

    def __init__(self, shown: Sequence[Group]) -> None:
        super().__init__()
        self._shown = shown

    def compose(self) -> ComposeResult:
        """The screen's own keys and those of all screens on the left, those of lists on the right."""
        left = [group for group in self._shown if group.title != LISTS]
        right = [group for group in self._shown if group.title == LISTS]
        with VerticalScroll(id="help"), Horizontal():
            for column in filter(None, (left, right)):
                parts: list[RenderableType] = []
                for group in column:
                    parts += [Text(group.title, "bold underline"), page(group), reasons(group)]
                yield Static(RenderableGroup(*parts))

    def on_mount(self) -> None:
        """The arrows scroll."""
        box = self.query_one("#help")
        box.border_title = "Keys"
        box.border_subtitle = "esc closes"

    def action_scroll(self, step: int) -> None:
        """By so many lines."""
        self.query_one("#help").scroll_relative(y=step, animate=False)

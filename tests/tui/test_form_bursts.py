"""Over a slow link keys arrive many at once: each belongs to the field that it was typed for."""

import asyncio
from typing import ClassVar

import pytest
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Button, Input

from tests.tui.driving import driven
from tests.tui.scripted import Scripted
from tui.dialogs.act import Act, ActDialog, Trial
from tui.dialogs.fields import Field, PickField
from tui.dialogs.form import Filled, Form, FormDialog
from tui.in_order import InOrder
from tui.screens.help import HelpScreen

FIELDS = (
    Field("name", "Name"),
    Field("kind", "Kind", "a", choices=(("a", "one"), ("b", "other"))),
    Field("base", "Base price"),
    Field("overage", "Overage price"),
)


class Program(InOrder[None]):
    """A form and what it ended with."""

    filled: Filled | None = None

    def compose(self) -> ComposeResult:
        yield from ()

    def on_mount(self) -> None:
        _ = self.push_screen(FormDialog(Form("Form", FIELDS)), self.ended)

    def ended(self, filled: Filled | None) -> None:
        self.filled = filled


CHARACTERS = {
    "enter": "\r",
    "tab": "\t",
    "backspace": "\x7f",
    "ctrl+u": "\x15",
    "ctrl+s": "\x13",
    "left": None,
}


def key(name: str) -> events.Key:
    return events.Key(name, CHARACTERS.get(name, name))


async def filled_by(*typed: events.Event) -> dict[str, str]:
    """The form's values once all of this has come in one packet."""
    app = Program()
    async with app.run_test() as pilot:
        await pilot.pause()
        for event in typed:
            app.post_message(event)
        for _ in range(100):
            await pilot.pause(0.02)
            if app.filled is not None:
                break
    assert app.filled is not None
    return dict(app.filled.values)


@pytest.mark.parametrize(
    "keys",
    [
        ("w", "enter", "o", "enter", "6", "0", "enter", "8", "0", "enter"),
        ("w", "tab", "o", "tab", "6", "0", "tab", "8", "0", "ctrl+s"),
        # A wrong digit is taken back, a line begun anew, a digit put in before another.
        (
            "x",
            "backspace",
            "w",
            "enter",
            "o",
            "enter",
            "7",
            "backspace",
            "6",
            "0",
            "enter",
            "8",
            "0",
            "enter",
        ),
        ("w", "enter", "o", "enter", "9", "9", "ctrl+u", "6", "0", "enter", "0", "left", "8", "ctrl+s"),
    ],
)
async def test_a_burst_of_keys_fills_in_each_field_and_goes_on(keys: tuple[str, ...]) -> None:
    assert await filled_by(*map(key, keys)) == {"name": "w", "kind": "b", "base": "60", "overage": "80"}


async def test_pasted_text_keeps_its_place_among_the_keys() -> None:
    values = await filled_by(key("x"), key("ctrl+u"), events.Paste("pasted"), key("backspace"), key("ctrl+s"))
    assert values["name"] == "paste"


class Busy(Widget, can_focus=True):
    """Not done with a key before it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = asyncio.Event()

    async def on_key(self, event: events.Key) -> None:
        event.stop()
        await self.let_go.wait()


class Held(InOrder[None]):
    """Its key ``x`` works whatever has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("x", "note", priority=True)]

    def __init__(self) -> None:
        super().__init__()
        self.noted = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield Busy()

    def action_note(self) -> None:
        self.noted.set()


async def test_a_part_that_is_not_done_with_a_key_does_not_hold_up_the_next() -> None:
    app = Held()
    async with app.run_test() as pilot:
        await pilot.pause()
        app.post_message(key("w"))
        app.post_message(key("x"))
        try:
            await asyncio.wait_for(app.noted.wait(), timeout=10)
        finally:
            app.query_one(Busy).let_go.set()


async def test_enter_on_a_button_presses_it() -> None:
    app = Program()
    async with app.run_test() as pilot:
        await pilot.pause()
        app.screen.query_one("#cancel", Button).focus()
        await pilot.press("enter")
        await pilot.pause()
        assert not isinstance(app.screen, FormDialog)
    assert app.filled is None


async def test_enter_in_the_last_field_goes_on_with_what_was_typed() -> None:
    app = Program()
    async with app.run_test() as pilot:
        await pilot.pause()
        list(app.screen.query(Input))[-1].focus()
        await pilot.press("9", "enter")
        await pilot.pause()
    assert app.filled is not None
    assert app.filled.values["overage"] == "9"


async def test_a_field_whose_form_goes_part_after_part_is_left_in_peace(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        await driver.press("o")
        await driver.see("Assign")
        field = driver.app.screen.query_one(PickField)
        await field.query(".field-hits").remove()
        field.on_descendant_blur()
        await driver.press("escape")
        await driver.see("Assets  60")


async def test_a_dialog_ends_once(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        await driver.press("question_mark")
        await driver.see("On this screen")
        shown = driver.app.screen
        assert isinstance(shown, HelpScreen)
        _ = shown.dismiss()
        _ = shown.dismiss()
        await driver.see("Assets  60")
        assert len(driver.app.screen_stack) == 1
        await driver.press("e")
        await driver.see("Export assets")
        _ = shown.dismiss()
        await driver.press("escape")
        await driver.see("Assets  60")


async def test_keys_for_dialogs_come_and_gone_lead_where_they_say(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        for name in ("question_mark", "escape", "e", "escape", "2"):
            driver.app.post_message(events.Key(name, None))
        await driver.see("Clients  12")


async def test_what_is_typed_before_the_question_is_on_view_confirms_nothing(aggregator: Scripted) -> None:
    done: list[Trial] = []

    async def call(trial: Trial) -> str:
        done.append(trial)
        return "it"

    act = Act(title="Revoke it", call=call, dry=False, warns="It cannot be used any more.")
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        _ = driver.app.push_screen(ActDialog(act))
        driver.app.post_message(events.Key("y", "y"))
        await driver.see("It cannot be used any more.", "Do it  y")
        await driver.pilot.pause(0.1)
        assert done == []
        await driver.press("y")
        await driver.see("Assets  60")
    assert done == [Trial()]

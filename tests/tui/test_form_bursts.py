"""Over a slow link keys arrive many at once: each belongs to the field that it was typed for."""

import pytest
from textual import events
from textual.app import ComposeResult
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


async def filled_by(*keys: str) -> dict[str, str]:
    """The form's values once these keys have come in one packet."""
    app = Program()
    async with app.run_test() as pilot:
        await pilot.pause()
        for key in keys:
            app.post_message(events.Key(key, CHARACTERS.get(key, key)))
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
    assert await filled_by(*keys) == {"name": "w", "kind": "b", "base": "60", "overage": "80"}


async def test_pasted_text_keeps_its_place_among_the_keys() -> None:
    app = Program()
    async with app.run_test() as pilot:
        await pilot.pause()
        for event in (
            events.Key("x", "x"),
            events.Key("ctrl+u", "\x15"),
            events.Paste("pasted"),
            events.Key("backspace", "\x7f"),
            events.Key("ctrl+s", "\x13"),
        ):
            app.post_message(event)
        for _ in range(100):
            await pilot.pause(0.02)
            if app.filled is not None:
                break
    assert app.filled is not None
    assert app.filled.values["name"] == "paste"


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


async def test_a_widget_that_is_gone_holds_no_key_up(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        for key in ("question_mark", "escape", "e", "escape", "2"):
            driver.app.post_message(events.Key(key, None))
        await driver.see("Clients  ")


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

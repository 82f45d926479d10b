"""Over a slow link keys arrive many at once: each belongs to the field that it was typed for."""

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.widgets import Button, Input

from tests.tui.driving import driven
from tests.tui.scripted import Scripted
from tui.dialogs.fields import Field, PickField
from tui.dialogs.form import Filled, Form, FormDialog

FIELDS = (
    Field("name", "Name"),
    Field("kind", "Kind", "a", choices=(("a", "one"), ("b", "other"))),
    Field("base", "Base price"),
    Field("overage", "Overage price"),
)


class Program(App[None]):
    """A form and what it ended with."""

    filled: Filled | None = None

    def compose(self) -> ComposeResult:
        yield from ()

    def on_mount(self) -> None:
        _ = self.push_screen(FormDialog(Form("Form", FIELDS)), self.ended)

    def ended(self, filled: Filled | None) -> None:
        self.filled = filled


@pytest.mark.parametrize("keys", [("w", "enter", "o", "enter", "6", "0", "enter", "8", "0", "enter")])
async def test_a_burst_of_keys_fills_in_each_field_and_goes_on(keys: tuple[str, ...]) -> None:
    app = Program()
    async with app.run_test() as pilot:
        await pilot.pause()
        for key in keys:
            app.post_message(events.Key(key, "\r" if key == "enter" else key))
        for _ in range(100):
            await pilot.pause(0.02)
            if app.filled is not None:
                break
    assert app.filled is not None
    assert app.filled.values == {"name": "w", "kind": "b", "base": "60", "overage": "80"}


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

"""Filling in forms as a person does: to a field, its text replaced, on with enter."""

from tests.tui.driving import Driver
from tui.dialogs.fields import FieldInput
from tui.dialogs.form import FormDialog


def field(driver: Driver, name: str) -> FieldInput:
    """The field of that name of the form or screen on view."""
    return next(one for one in driver.app.screen.query(FieldInput) if one.field.name == name)


async def form_open(driver: Driver) -> None:
    """Waits for a form."""
    await driver.until(lambda: isinstance(driver.app.screen, FormDialog), "a form")


async def fill(driver: Driver, **values: str) -> None:
    """Types each value in place of what stands in the field; a dot of the name is written as two underscores."""
    for given, value in values.items():
        name = given.replace("__", ".")
        field(driver, name).take_focus()
        await driver.press("end", "ctrl+u", *value)


async def pick(driver: Driver, name: str, part: str, label: str) -> None:
    """Types a part of what is looked for, waits for the hit and takes it."""
    field(driver, name).take_focus()
    await driver.press("end", "ctrl+u", *part)
    await driver.see(f"▸ {label}")
    await driver.press("enter")
    await driver.until(lambda: field(driver, name).value, f"a value of {name}")

"""What is on its way to a screen when the person leaves it must not end the program."""

import asyncio

import pytest
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from tests.tui.driving import driven
from tests.tui.scripted import Scripted
from tui.dialogs.act import Act, ActDialog, Trial


class Left(Screen[None]):
    """The last that it is told finds none of its parts on view."""

    def __init__(self) -> None:
        super().__init__()
        self.told = False

    def compose(self) -> ComposeResult:
        yield Static("as it was")

    def on_screen_suspend(self) -> None:
        self.told = True
        self.draw()

    def draw(self) -> None:
        next(part for part in self.query(Static) if part.display).update("late")


class LeftAtWork(Left):
    """It draws in a worker."""

    def on_screen_suspend(self) -> None:
        self.told = True
        _ = self.run_worker(self.work())

    async def work(self) -> None:
        self.draw()


class Faulty(Left):
    """It fails while it is on view."""

    def on_screen_resume(self) -> None:
        raise ArithmeticError


@pytest.mark.parametrize("made", [Left, LeftAtWork])
async def test_what_comes_too_late_is_let_go(aggregator: Scripted, made: type[Left]) -> None:
    async with driven(aggregator) as driver:
        screen = made()
        await driver.app.push_screen(screen)
        await driver.app.pop_screen()
        assert screen.told
        await driver.press("3")
        await driver.see("Assets  60")


async def test_what_a_screen_on_view_fails_at_ends_the_program(aggregator: Scripted) -> None:
    async def shown() -> None:
        async with driven(aggregator) as driver:
            await driver.app.push_screen(Faulty())
            await driver.press("3")
            await driver.see("Assets  60")

    with pytest.raises(ArithmeticError):
        await shown()


async def test_a_dialog_that_is_done_while_another_is_above_it_ends_when_that_does(
    aggregator: Scripted,
) -> None:
    reply: asyncio.Future[str] = asyncio.Future()

    async def call(trial: Trial) -> str:
        return await reply

    ended: list[str | None] = []
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        await driver.app.push_screen(ActDialog(Act("Slow", call, dry=False, asks=False)), ended.append)
        await driver.see("Slow", "working")
        await driver.app.action_help()
        await driver.see("esc closes")
        reply.set_result("done")
        await driver.pilot.pause(0.1)
        assert not ended
        await driver.press("escape")
        await driver.until(lambda: ended == ["done"], "the end of the dialog")
        assert "working" not in driver.seen()
        await driver.press("escape")
        await driver.see("Revenue by month")


async def test_a_key_that_comes_before_a_dialog_has_its_parts_or_when_it_has_ended_does_nothing(
    aggregator: Scripted,
) -> None:
    async def call(trial: Trial) -> None:
        pass

    async with driven(aggregator) as driver:
        dialog = ActDialog(Act("Quick", call, dry=False))
        shown = driver.app.push_screen(dialog)
        assert not await driver.app.run_action("scroll(1)", dialog)
        await shown
        await driver.see("Quick")
        assert await driver.app.run_action("scroll(1)", dialog)
        await dialog.dismiss(None)
        assert not await driver.app.run_action("scroll(1)", dialog)
        await driver.press("3")
        await driver.see("Assets  60")

"""An aggregator that goes away never ends the program, and what it said stays, marked with its time."""

import asyncio

from tests.tui.driving import driven
from tests.tui.scripted import KEY, Scripted
from tui.app import UllageApp
from tui.client import Aggregator
from tui.settings import Settings


async def test_a_lost_connection_is_said_and_comes_back_by_itself(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("2")
        await driver.see("Clients  12", "● live")
        await aggregator.stop()
        await driver.see(
            "✖ connection lost", "reconnecting (attempt 2)", "as of 09:05:12 UTC", "Brook & Sons"
        )
        aggregator.script.clients[0].name = "Brook & Kin"
        await aggregator.start()
        await driver.see("● live", "Brook & Kin")


async def test_health_is_not_called_good_while_nobody_knows(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.see("✔ healthy")
        await aggregator.stop()
        await driver.see("not known: Nothing listens")
        assert "healthy" not in driver.seen()
        await aggregator.start()
        await driver.see("✔ healthy")


async def test_a_program_started_before_its_aggregator_waits_for_it(aggregator: Scripted) -> None:
    await aggregator.stop()
    async with driven(aggregator) as driver:
        await driver.see("Nothing listens", "reconnecting")
        await driver.press("3")
        await driver.see("Nothing listens at", "r tries again")
        await aggregator.start()
        await driver.see("Assets  60", "● live")


async def test_a_refused_key_is_said_on_the_screen(aggregator: Scripted) -> None:
    settings = aggregator.settings
    wrong = Settings(address=settings.address, ca=settings.ca, key=KEY + "x")
    async with Aggregator(wrong) as seen:
        app = UllageApp(seen)
        async with app.run_test(size=(80, 24)) as pilot:
            for _ in range(100):
                if "key was refused" in app.export_screenshot().replace("&#160;", " "):
                    break
                await pilot.pause(0.05)
            else:
                raise AssertionError("the refusal was never shown")


async def test_an_asset_that_is_gone_is_said(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        aggregator.script.assets.pop(0)
        await driver.press("enter")
        await driver.see("There is no asset 1.", "r tries again")
        await driver.press("escape")
        await driver.see("Assets  59")


async def test_the_connection_may_change_while_the_program_ends(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.see("● live")
        ending = asyncio.create_task(driver.app._shutdown())
        while not ending.done():
            # Screens lose one part after another meanwhile; news of the connection come whenever they come.
            await asyncio.sleep(0)
            driver.app._show_link()

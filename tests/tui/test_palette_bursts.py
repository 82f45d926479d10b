"""The palette when keys come faster than hits: typed ahead, over a slow link, or pasted by a person who knows the way."""

import pytest
from textual import events

from tests.tui.driving import Driver, driven
from tests.tui.scripted import Scripted
from tui.palette import JumpPalette


def burst(driver: Driver, words: str) -> None:
    """All at once, as they come out of one packet; nothing is seen through in between."""
    for character in words:
        name = {":": "colon", " ": "space", "\r": "enter", "-": "minus"}.get(character, character)
        driver.app.post_message(events.Key(name, character))


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (":audit\r", "Audit  4"),
        (":disregarded\r", "No disregarded assets"),
        (":asset web-\r", "filter: web-"),
    ],
)
async def test_words_and_enter_in_one_burst_lead_where_they_say(
    aggregator: Scripted, words: str, seen: str
) -> None:
    aggregator.script.role = "viewer"
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity, "who we are")
        await driver.press("3")
        await driver.see("Assets  60")
        burst(driver, words)
        await driver.see(seen)


async def test_enter_twice_chooses_once_and_opens_what_is_there(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        burst(driver, ":audit\r:dashboard\r\r")
        await driver.see("Revenue by month")
        palette = JumpPalette()
        await driver.app.push_screen(palette)
        _ = palette.dismiss()
        _ = palette.dismiss()
        await driver.see("Revenue by month")


async def test_enter_before_the_hits_does_not_take_what_was_on_view(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        await driver.press("colon")
        await driver.see("Dashboard", "how things stand")
        burst(driver, "zzzz\r")
        await driver.see("No matches found")
        assert isinstance(driver.app.screen, JumpPalette)
        await driver.press("escape")
        await driver.see("Assets  60")


@pytest.mark.parametrize("words", ["unit-types", "unit types", "over-under"])
async def test_screens_are_found_by_their_names_in_commands_too(aggregator: Scripted, words: str) -> None:
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity, "who we are")
        await driver.press("colon")
        await driver.see("Dashboard", "how things stand")
        burst(driver, words)
        palette = driver.app.screen
        assert isinstance(palette, JumpPalette)
        await driver.until(lambda: palette._complete_for == palette._shown_for == words, "the hits")
        await driver.press("enter")
        await driver.until(lambda: driver.app.current_mode == words.replace(" ", "-"), "the screen")

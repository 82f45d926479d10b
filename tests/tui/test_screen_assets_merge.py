"""Merging assets from their list: which one stays, the word that must be typed, and what cannot be merged."""

import pytest

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.filling import form_open
from tests.tui.scripted import Scripted
from ullage.v1 import asset_acts_pb2, types_pb2

MERGE = asset_acts_pb2.MergeAssetsRequest


@pytest.fixture
def assets(aggregator: Scripted) -> Scripted:
    """Four VMs, two of them Brook's."""
    brook = {"client_id": 1, "client_name": "Brook & Sons"}
    aggregator.script.assets = [
        builders.asset(1, "web-01", **brook),
        builders.asset(2, "web-02", **brook),
        builders.asset(3, "db-01"),
        builders.asset(4, "db-02"),
    ]
    aggregator.script.answers["MergeAssets"] = asset_acts_pb2.ActReply(
        changed=1, preview=types_pb2.Preview(assets=2, series=6, readings=4100), audit_group=77
    )
    return aggregator


async def listed(driver: Driver) -> None:
    await driver.press("3")
    await driver.see("web-01", "db-02")


async def test_of_two_marked_one_stays_and_a_word_must_be_typed(assets: Scripted) -> None:
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("space", "space", "m")
        await driver.see("Which one stays?", "web-01  vm 1, Brook & Sons")
        await driver.press("2")
        await driver.see("Merge web-01 (asset 1) into web-02 (asset 2)", "both ids are kept", "Type merge")
        await driver.press(*"marge", "enter")
        await driver.see("That is not it.")
        assert [one.dry_run for one in assets.asked(MERGE)] == [True]
        await driver.press(*["backspace"] * 5, *"merge", "enter")
        await driver.see("Merged into web-02 (asset 2): 1 of 1 asset changed.")
        assert "z takes it back" not in driver.seen()
    asked = assets.asked(MERGE)
    assert [(one.asset_id, one.into_id, one.dry_run) for one in asked] == [(1, 2, True), (1, 2, False)]


async def test_one_asset_is_merged_into_another_of_its_source_type_that_is_looked_for(
    assets: Scripted,
) -> None:
    assets.script.assets[2].source_type = "host"
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("m")
        await form_open(driver)
        await driver.see("▸ web-02  vm 2, Brook & Sons", "  db-02  vm 4")
        assert "db-01  host" not in driver.seen().split("Makes one asset of two")[1].split("What stays")[0]
        await driver.press(*"web-02")
        await driver.until(lambda: "  db-02  vm 4" not in driver.seen(), "only what was typed")
        await driver.press("enter")
        await driver.see("Merge web-01 (asset 1) into web-02 (asset 2)")
        await driver.press("escape")
    assert [(one.asset_id, one.into_id, one.dry_run) for one in assets.asked(MERGE)] == [(1, 2, True)]


async def test_what_cannot_be_merged_says_why(assets: Scripted) -> None:
    assets.script.assets[1].source_type = "host"
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("space", "space", "m")
        await driver.see("web-01 is a vm, web-02 a host")
        await driver.press("space", "m")
        await driver.see("one at a time; 3 are marked.")
    assert not assets.asked(MERGE)

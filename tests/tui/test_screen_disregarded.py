"""What is left out of billing: shown alone, brought back after a dry run."""

from pathlib import Path

import grpc
import pytest

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.scripted import Scripted
from tui.messages import GoTo
from ullage.v1 import asset_acts_pb2, inventory_pb2, types_pb2

RESTORE = asset_acts_pb2.RestoreAssetsRequest


@pytest.fixture
def left_out(aggregator: Scripted) -> Scripted:
    """Two of three assets are disregarded."""
    aggregator.script.assets = [
        builders.asset(1, "web-01"),
        builders.asset(2, "tmp-01", disregarded=True, client_id=1, client_name="Brook & Sons"),
        builders.asset(3, "tmp-02", disregarded=True),
    ]
    aggregator.script.answers["RestoreAssets"] = lambda request: asset_acts_pb2.ActReply(
        changed=len(request.asset_ids),
        preview=types_pb2.Preview(
            assets=2, series=6, readings=900, money=[types_pb2.Money(currency="EUR", amount="31.00")]
        ),
        audit_group=0 if request.dry_run else 81,
    )
    return aggregator


async def shown(driver: Driver, *texts: str) -> None:
    await driver.until(lambda: driver.app.desk.who, "the connection")
    driver.app.post_message(GoTo("disregarded"))
    await driver.see(*texts)


async def test_only_what_is_disregarded_is_shown_with_client_and_last_seen(left_out: Scripted) -> None:
    async with driven(left_out) as driver:
        await shown(driver, "Disregarded  2", "tmp-01", "Brook & Sons", "tmp-02", "unassigned", "5 min ago")
        assert "web-01" not in driver.seen()
        assert "d Restore" in driver.lines()[-1]
        assert "Assign" not in driver.lines()[-1]


async def test_marked_ones_are_restored_in_one_call_after_a_dry_run(left_out: Scripted) -> None:
    async with driven(left_out) as driver:
        await shown(driver, "Disregarded  2")
        await driver.press("asterisk", "d")
        await driver.see("Restore 2 assets", "About EUR 31.00 more would be billed")
        await driver.press("enter")
        await driver.until(lambda: "About EUR" not in driver.seen(), "the end of the dialog")
        assert [one.dry_run for one in left_out.asked(RESTORE)] == [True]
        await driver.press("d")
        await driver.see("About EUR 31.00 more")
        await driver.press("y")
        await driver.see("Restored: 2 of 2 assets changed.")
    assert [(list(one.asset_ids), one.dry_run) for one in left_out.asked(RESTORE)] == [
        ([2, 3], True),
        ([2, 3], True),
        ([2, 3], False),
    ]


async def test_other_acts_say_that_it_must_be_restored_first(left_out: Scripted) -> None:
    async with driven(left_out) as driver:
        await shown(driver, "Disregarded  2")
        for key in ("o", "b", "B", "x", "m", "M", "L"):
            await driver.press(key)
            await driver.see("tmp-01 (asset 2) is disregarded; d restores it first.")
            driver.app.clear_notifications()
            await driver.until(lambda: "restores it first" not in driver.seen(), "no words")
    assert not left_out.asked(inventory_pb2.AssignAssetsRequest)


async def test_a_row_opens_the_asset_which_says_how_it_comes_back(left_out: Scripted) -> None:
    async with driven(left_out) as driver:
        await shown(driver, "Disregarded  2")
        await driver.press("enter")
        await driver.see("Assets › tmp-01", "d disregarded: not billed and in no other list; d restores it")
        await driver.press("d")
        await driver.see("Restore tmp-01", "About EUR 31.00 more")
        await driver.press("escape", "escape")
        await driver.see("Disregarded  2")


async def test_an_empty_list_says_what_that_means(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await shown(driver, "No disregarded assets: everything that is metered counts.")
        await driver.press("d")
        await driver.see("There is nothing here to act on: no disregarded assets.")


async def test_an_error_stands_where_the_rows_would(left_out: Scripted) -> None:
    async with driven(left_out) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        left_out.script.failure = (grpc.StatusCode.INTERNAL, "error 4711")
        driver.app.post_message(GoTo("disregarded"))
        await driver.see("Error 4711", "r tries again")


async def test_without_the_right_to_restore_the_key_says_so(left_out: Scripted) -> None:
    left_out.script.methods = ("Inventory/ListAssets", "Inventory/DisregardAssets")
    async with driven(left_out) as driver:
        await shown(driver, "Disregarded  2")
        await driver.press("d")
        await driver.see("The key ops has the role viewer, which may not do that.")
    assert not left_out.asked(RESTORE)


async def test_the_list_is_exported(left_out: Scripted, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    async with driven(left_out) as driver:
        await shown(driver, "Disregarded  2")
        await driver.press("e")
        await driver.see("Export disregarded assets")
        await driver.press("home", "ctrl+k", *str(path), "enter")
        await driver.see("2 rows")
    assert [line.count('"disregarded":true') for line in path.read_text().replace(" ", "").splitlines()] == [
        1,
        1,
    ]


@pytest.mark.parametrize("size", [(60, 20), (40, 10), (120, 40)])
async def test_it_draws_at_every_size(left_out: Scripted, size: tuple[int, int]) -> None:
    async with driven(left_out, size=size) as driver:
        await shown(driver, "tmp-01", "tmp-02")

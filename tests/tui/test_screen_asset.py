"""One asset: what it says, what it suggests, the same machine seen twice, its past, and the acts on it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.filling import form_open, pick
from tests.tui.scripted import Script, Scripted
from tui.messages import OpenAsset
from tui.screens.asset_history import BAR_CELLS, history
from tui.screens.asset_words import Asked, in_full
from ullage.v1 import asset_acts_pb2, inventory_pb2, types_pb2
from ullage.wire import from_time

BIND = asset_acts_pb2.BindAssetsRequest
MERGE = asset_acts_pb2.MergeAssetsRequest
SUGGESTION = asset_acts_pb2.Suggestion(
    asset_id=1,
    client_id=1,
    client_name="Brook & Sons",
    buckets=[asset_acts_pb2.SuggestedBucket(bucket_id=5, bucket_name="vm memory", unit_type="ram")],
    reason="like web-02 and 14 others",
    confidence=87,
    like_asset_ids=[2, 3],
)


def between(start: float, end: float) -> dict[str, Any]:
    """From so many days ago to so many days ago."""
    return {"from": from_time(builders.ago(days=start)), "to": from_time(builders.ago(days=end))}


@pytest.fixture
def detail() -> inventory_pb2.AssetDetail:
    """A VM of Brook's, by hand, with one series bound of three, that was Nordlicht's before."""
    one = builders.asset(
        1,
        "web-01",
        client_id=1,
        client_name="Brook & Sons",
        assigned_by_hand=True,
        series_unbound=2,
        labels={"env": "prod", "team": "shop"},
    )
    made = builders.detail(one, builders.bucket(5, "vm memory", builders.client(1, "Brook & Sons")))
    made.assignments.insert(
        0, inventory_pb2.Assignment(client_id=3, client_name="Nordlicht", by_hand=True, **between(180, 90))
    )
    return made


@pytest.fixture
async def web(
    script: Script, authority: trustme.CA, detail: inventory_pb2.AssetDetail
) -> AsyncIterator[Scripted]:
    """An aggregator that knows the asset in this detail; change ``detail`` before or after."""
    script.assets = [
        detail.asset,
        builders.asset(2, "web-02"),
        builders.asset(9, "hv-09", source_type="host"),
    ]
    script.answers["SuggestBindings"] = asset_acts_pb2.SuggestBindingsReply(suggestions=[SUGGESTION])
    for name in ("BindAssets", "MergeAssets", "DescribeAssets", "DisregardAssets"):
        script.answers[name] = asset_acts_pb2.ActReply(
            changed=1, preview=types_pb2.Preview(assets=1, series=2, readings=800), audit_group=5
        )
    scripted = Scripted(script, authority)
    plain = scripted.GetAsset

    async def get_asset(request: inventory_pb2.GetAssetRequest, context: Any) -> inventory_pb2.AssetDetail:
        found = await plain(request, context)
        return detail if request.id == detail.asset.id else found

    scripted.GetAsset = get_asset  # type: ignore[method-assign]
    await scripted.start()
    yield scripted
    await scripted.stop()


async def opened(driver: Driver, *texts: str) -> None:
    await driver.until(lambda: driver.app.desk.who, "the connection")
    driver.app.post_message(OpenAsset(1, "web-01"))
    await driver.see("Assets › web-01", *texts)


async def test_facts_usage_and_past_stand_on_one_screen(web: Scripted) -> None:
    async with driven(web) as driver:
        await opened(driver, "Brook & Sons, by hand", "vm of site:fra1", "4c4c4544-0042-0001", "as asset 1")
        await driver.see("env=prod, team=shop", "enabled, acknowledged", "5 min ago, 11-21 09:00Z", "hv-03")
        await driver.see("ram, GiB (daily mean)", "16 GiB", "unbound", "timeline 2026-05-05 – 2026-11-21")
        lines = driver.lines()
        nordlicht = next(line for line in lines if "Nordlicht" in line)
        assert "hand" in nordlicht
        assert "2026-05-25 2026-08-23" in nordlicht
        await driver.press("j", "j")
        await driver.see("net-out, GiB a day")


async def test_it_opens_at_every_size_and_each_part_is_reached(web: Scripted) -> None:
    for size in ((60, 20), (120, 40), (40, 10)):
        async with driven(web, size=size) as driver:
            await opened(driver)
            await driver.press("v", "v")
            await driver.until(
                lambda: not driver.app.screen.query_one("#asset-usage").display, "history alone"
            )
            await driver.press("v")
            await driver.until(lambda: driver.app.screen.query_one("#asset-usage").display, "usage again")


async def test_views_give_all_the_room_to_usage_or_to_the_past(web: Scripted) -> None:
    async with driven(web) as driver:
        await opened(driver, "Assignments and bindings", "daily mean")
        await driver.press("v")
        await driver.until(lambda: "Assignments and bindings" not in driver.seen(), "usage alone")
        await driver.press("v")
        await driver.see("Assignments and bindings", "Nordlicht")
        assert "daily mean" not in driver.seen()
        await driver.press("v")
        await driver.see("Assignments and bindings", "daily mean")


async def test_the_cursor_goes_on_from_the_unit_types_into_the_past_and_back(web: Scripted) -> None:
    async with driven(web) as driver:
        await opened(driver, "daily mean")
        await driver.press("j", "j", "j")
        assert driver.app.focused is not None
        assert driver.app.focused.id == "history"
        await driver.press("k")
        assert driver.app.focused.id == "series"


async def test_a_bound_unit_type_opens_its_client_and_an_unbound_one_says_so(web: Scripted) -> None:
    async with driven(web) as driver:
        await opened(driver, "daily mean")
        await driver.press("j", "enter")
        await driver.see("vcpu is bound to no bucket now: b binds it.")
        await driver.press("k", "enter")
        await driver.see("Clients › Brook & Sons")


async def test_a_suggestion_is_shown_with_its_reason_and_accepted_after_a_dry_run(web: Scripted) -> None:
    async with driven(web, size=(120, 40)) as driver:
        await opened(
            driver, "a suggested: Brook & Sons, vm memory (87 %): like web-02 and 14 others", "unbound"
        )
        await driver.press("a")
        await driver.see("Accept the suggestion for web-01", "1 asset, 2 series, 800 readings")
        await driver.press("enter")
        assert [one.dry_run for one in web.asked(BIND)] == [True]
        await driver.press("a")
        await driver.see("800 readings")
        await driver.press("y")
        await driver.see("Suggestion accepted: 1 of 1 asset changed. z takes it back.")
    assert [(list(one.asset_ids), one.suggested, one.dry_run) for one in web.asked(BIND)] == [
        ([1], True, True),
        ([1], True, True),
        ([1], True, False),
    ]


async def test_nothing_suggested_says_what_to_do(web: Scripted) -> None:
    web.script.answers["SuggestBindings"] = asset_acts_pb2.SuggestBindingsReply()
    async with driven(web) as driver:
        await opened(driver, "b unbound: nothing similar enough is bound")
        await driver.press("a")
        await driver.see("Nothing is suggested: nothing similar enough is bound.")
    assert not web.asked(BIND)


async def test_what_is_bound_asks_for_no_suggestion(web: Scripted, detail: inventory_pb2.AssetDetail) -> None:
    detail.asset.series_unbound = 0
    async with driven(web) as driver:
        await opened(driver, "daily mean")
        await driver.press("a")
        await driver.see("Nothing is suggested: all of it is bound.")
    assert not web.asked(asset_acts_pb2.SuggestBindingsRequest)


async def test_the_same_machine_seen_twice_is_said_and_opened(
    web: Scripted, detail: inventory_pb2.AssetDetail
) -> None:
    detail.same_machine.append(web.script.assets[2])
    detail.overlaps.add(unit_type="ram", agent="hv-01", other_agent="hv-02", **between(4, 2))
    async with driven(web) as driver:
        await opened(
            driver,
            "= same machine: hv-09  host 9, unassigned",
            "i read twice: ram by hv-01 and hv-02, 2026-11-17",
        )
        await driver.press("equals_sign")
        await driver.see("open hv-09  host 9", "merge asset 9 into this one  (of another source type)")
        await driver.press("j", "enter")
        await driver.see("of another source type")
        await driver.press("1")
        await driver.see("Assets › hv-09")


@pytest.mark.parametrize(("steps", "gone", "stays"), [(1, 1, 2), (2, 2, 1)])
async def test_two_that_are_one_are_merged_in_either_direction(
    web: Scripted, detail: inventory_pb2.AssetDetail, steps: int, gone: int, stays: int
) -> None:
    detail.same_machine.append(web.script.assets[1])
    async with driven(web) as driver:
        await opened(driver, "same machine: web-02")
        await driver.press("equals_sign")
        await driver.see("open web-02")
        await driver.press(*["j"] * steps, "enter")
        await driver.see(f"(asset {gone}) into web-0{stays} (asset {stays})", "Type merge")
        await driver.press(*"merge", "enter")
        await driver.see(f"Merged into web-0{stays}")
    assert [(one.asset_id, one.into_id, one.dry_run) for one in web.asked(MERGE)] == [
        (gone, stays, True),
        (gone, stays, False),
    ]


async def test_merging_begins_with_the_one_that_is_the_same_machine(
    web: Scripted, detail: inventory_pb2.AssetDetail
) -> None:
    detail.same_machine.append(web.script.assets[1])
    async with driven(web) as driver:
        await opened(driver, "same machine: web-02")
        await driver.press("m")
        await form_open(driver)
        await driver.see("web-02  vm 2, unassigned")
        await driver.press("enter")
        await driver.see("Merge web-01 (asset 1) into web-02 (asset 2)")


async def test_no_second_sight_of_the_machine_is_said(web: Scripted) -> None:
    async with driven(web) as driver:
        await opened(driver, "daily mean")
        await driver.press("equals_sign")
        await driver.see("No other asset is the same machine")


async def test_a_merged_asset_leads_to_the_one_that_has_its_history(
    web: Scripted, detail: inventory_pb2.AssetDetail
) -> None:
    detail.asset.merged_into = 2
    async with driven(web) as driver:
        await opened(driver, "merged into asset 2", "= merged: its history is that of asset 2")
        await driver.press("o")
        await driver.see("web-01 (asset 1) was merged into asset 2; act on that one")
        await driver.press("equals_sign")
        await driver.see("Assets › web-02")
    assert not web.asked(asset_acts_pb2.SuggestBindingsRequest)[1:]


async def test_everything_is_there_in_full_and_can_be_copied(
    web: Scripted, detail: inventory_pb2.AssetDetail
) -> None:
    detail.merged_ids.extend([212, 214])
    async with driven(web, size=(120, 50)) as driver:
        await opened(driver, "it has the history of assets 212, 214 too", "suggested: Brook")
        await driver.press("i")
        await driver.see(
            "web-01 (asset 1)",
            "Agents that reported it (1)",
            "team=shop",
            "ram: vm memory",
            "212",
            "y copies",
        )


def test_the_full_text_has_what_the_screen_has_no_room_for(detail: inventory_pb2.AssetDetail) -> None:
    detail.same_machine.append(builders.asset(9, "hv-09", source_type="host"))
    detail.overlaps.add(unit_type="ram", agent="hv-01", other_agent="hv-02", **between(4, 2))
    detail.asset.description = "old rack, " * 60
    lines = in_full(Asked(detail, inventory_pb2.AssetUsage(), SUGGESTION), builders.NOW)
    text = "\n".join(lines)
    assert f"About      {'old rack, ' * 60}" in text
    for part in (
        "  hv-09  host 9, unassigned",
        "  ram by hv-01 and hv-02, 2026-11-17 – 2026-11-19",
        "  like web-02 and 14 others",
    ):
        assert part in lines


def test_bars_of_the_past_share_one_scale_and_none_is_empty(detail: inventory_pb2.AssetDetail) -> None:
    detail.series[1].bindings.add(bucket_id=6, bucket_name="short", client_id=1, **between(10.1, 10.0))
    lines = {line.to: line for line in history(detail, builders.NOW)}
    assert [len(line.bar) for line in lines.values()] == [BAR_CELLS] * 4
    assert lines["Nordlicht"].bar == "·━━━━━━━········"
    assert lines["Brook & Sons"].bar == "········━━━━━━━━"
    assert lines["short"].bar.count("━") == 1
    assert history(inventory_pb2.AssetDetail(asset=detail.asset), builders.NOW) == []


async def test_acts_of_the_list_work_on_the_one_asset(web: Scripted) -> None:
    async with driven(web) as driver:
        await opened(driver, "daily mean")
        await driver.press("D")
        await form_open(driver)
        await driver.press(*"rack 4", "enter")
        await driver.see("Described: 1 of 1 asset changed.")
        await driver.press("o")
        await form_open(driver)
        await pick(driver, "client_id", "kest", "Kestrel Health")
        await driver.press("enter")
        await driver.see("Assign web-01 to Kestrel Health")
        await driver.press("y")
        await driver.see("Assigned to Kestrel Health: 1 of 1 asset changed.")
        asked = len(web.asked(inventory_pb2.GetAssetRequest))
        web.tell("asset")
        await driver.until(lambda: len(web.asked(inventory_pb2.GetAssetRequest)) > asked, "another question")
    [described] = web.asked(asset_acts_pb2.DescribeAssetsRequest)
    assert (list(described.asset_ids), described.description) == ([1], "rack 4")
    assert [one.dry_run for one in web.asked(inventory_pb2.AssignAssetsRequest)] == [True, False]


async def test_its_usage_is_exported_in_the_words_of_the_command(web: Scripted, tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    async with driven(web) as driver:
        await opened(driver, "daily mean")
        await driver.press("e")
        await driver.see("Export asset usage", "what web-01 used")
        await driver.press("home", "ctrl+k", *str(path), "enter")
        await driver.see("90 rows")
    lines = path.read_text().splitlines()
    assert lines[0] == "unit_type,kind,day,value,symbol"
    assert lines[1] == "ram,level,2026-10-23,8,GiB"
    assert len(lines) == 91


async def test_an_asset_that_is_not_there_is_said_and_what_was_shown_stays_when_it_cannot_be_refreshed(
    web: Scripted,
) -> None:
    async with driven(web) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        driver.app.post_message(OpenAsset(404, "gone"))
        await driver.see("✖ There is no asset 404.", "r tries again")
        await driver.press("o")
        await driver.see("The asset is not here yet.")
        await driver.press("escape")
        await opened(driver, "daily mean")
        web.script.failure = (grpc.StatusCode.UNAVAILABLE, "the database is away")
        await driver.press("r")
        await driver.see("Not refreshed: The database is away.", "daily mean")


async def test_without_the_right_to_bind_accepting_says_so(web: Scripted) -> None:
    web.script.methods = ("Inventory/GetAsset", "Inventory/SuggestBindings")
    async with driven(web) as driver:
        await opened(driver, "suggested")
        await driver.press("a")
        await driver.see("has the role viewer, which may not do that.")
    assert not web.asked(BIND)


async def test_hostile_words_of_agents_are_harmless_in_notes_and_text(
    web: Scripted, detail: inventory_pb2.AssetDetail
) -> None:
    detail.same_machine.append(builders.asset(3, builders.HOSTILE[4]))
    detail.overlaps.add(unit_type=builders.HOSTILE[0], agent=builders.HOSTILE[2], other_agent="\u202ex")
    async with driven(web) as driver:
        await opened(driver, "[/x] [red]boom[/]")
        await driver.press("i")
        await driver.see("y copies")
        assert "\x1b" not in driver.seen()
        assert "\u202e" not in driver.seen()

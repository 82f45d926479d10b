"""The list of assets: every act as it reaches the aggregator, on one, on many, and where it does not apply."""

from typing import Any

import grpc
import pytest

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.filling import fill, form_open, pick
from tests.tui.scripted import Scripted
from tui.widgets.list_table import ListTable
from ullage.v1 import asset_acts_pb2, inventory_pb2, types_pb2

PREVIEW = types_pb2.Preview(
    assets=2,
    series=6,
    readings=4100,
    money=[types_pb2.Money(currency="EUR", amount="-12.50")],
    lines=[
        types_pb2.PreviewLine(act="bind", asset_id=1, asset_name="web-01", unit_type="ram", to="vm memory")
    ],
    lines_total=1,
    notes=["max: each client pays what it had"],
)
ACTS = (
    "AcknowledgeAssets",
    "DescribeAssets",
    "SetAssetsEnabled",
    "DisregardAssets",
    "BindAssets",
    "UnbindAssets",
    "ReleaseAssets",
)


@pytest.fixture
def assets(aggregator: Scripted) -> Scripted:
    """Four VMs, of which two are Brook's and one is new; every act changes all that it is for."""
    script = aggregator.script
    brook = {"client_id": 1, "client_name": "Brook & Sons"}
    script.assets = [
        builders.asset(1, "web-01", **brook),
        builders.asset(2, "web-02", **brook, acknowledged=False),
        builders.asset(3, "db-01", description="old rack"),
        builders.asset(4, "db-02", enabled=False),
    ]
    for name in ACTS:
        script.answers[name] = _did
    script.preview = PREVIEW
    return aggregator


def _did(request: Any) -> asset_acts_pb2.ActReply:
    count = len(request.asset_ids)
    if getattr(request, "dry_run", False):
        return asset_acts_pb2.ActReply(changed=count, preview=PREVIEW)
    return asset_acts_pb2.ActReply(changed=count, audit_group=77)


async def listed(driver: Driver) -> None:
    await driver.press("3")
    await driver.see("web-01", "db-02")


def ways(aggregator: Scripted, name: str) -> list[bool]:
    """Whether each request of a kind was a dry run."""
    kind = getattr(asset_acts_pb2, f"{name}Request", None) or getattr(inventory_pb2, f"{name}Request")
    return [request.dry_run for request in aggregator.asked(kind)]


@pytest.mark.parametrize(
    ("key", "name", "title", "said"),
    [
        ("B", "UnbindAssets", "End the bindings by hand of web-01", "Bindings by hand ended"),
        ("L", "ReleaseAssets", "Give web-01 back to assignment rules", "Given back to assignment rules"),
        ("x", "SetAssetsEnabled", "Disable web-01", "Disabled"),
    ],
)
async def test_an_act_is_done_after_its_dry_run_or_not_at_all(
    assets: Scripted, key: str, name: str, title: str, said: str
) -> None:
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press(key)
        await driver.see(
            title, "2 assets, 6 series, 4,100 readings", "About EUR 12.50 less", "bind web-01 ram"
        )
        await driver.press("enter")
        await driver.until(lambda: title not in driver.seen(), "the end of the dialog")
        assert ways(assets, name) == [True]
        await driver.press(key)
        await driver.see("About EUR 12.50 less")
        await driver.press("y")
        await driver.see(f"{said}: 1 of 1 asset changed. z takes it")
    assert ways(assets, name) == [True, True, False]
    last = assets.requests[-2] if not hasattr(assets.requests[-1], "asset_ids") else assets.requests[-1]
    assert list(last.asset_ids) == [1]


async def test_disabled_ones_are_enabled_by_the_same_key(assets: Scripted) -> None:
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("G", "x")
        await driver.see("Enable db-02", "About EUR")
        await driver.press("y")
        await driver.see("Enabled: 1 of 1 asset changed.")
    asked = assets.asked(asset_acts_pb2.SetAssetsEnabledRequest)
    assert [(one.enabled, list(one.asset_ids)) for one in asked] == [(True, [4]), (True, [4])]


async def test_assets_are_assigned_to_a_client_that_is_looked_for(assets: Scripted) -> None:
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("space", "space", "o")
        await form_open(driver)
        await driver.see("Assign 2 assets", "Ahlers Logistik")
        await pick(driver, "client_id", "kest", "Kestrel Health")
        await driver.press("enter")
        await driver.see("Assign 2 assets to Kestrel Health", "About EUR 12.50 less", "Max: each client pays")
        asked = assets.asked(inventory_pb2.AssignAssetsRequest)
        assert [(list(one.asset_ids), one.client_id, one.dry_run) for one in asked] == [([1, 2], 6, True)]
        assert not asked[0].HasField("from")
        await driver.press("y")
        await driver.see("Assigned to Kestrel Health: 2 of 2 assets changed.")
        await driver.until(lambda: not driver.app.screen.query_one(ListTable).table.marked, "no marks")
        await driver.see("Kestrel Health")
    asked = assets.asked(inventory_pb2.AssignAssetsRequest)
    assert [(one.client_id, one.dry_run) for one in asked] == [(6, True), (6, False)]


async def test_an_assignment_can_begin_at_a_moment_and_a_wrong_one_is_said_beside_its_field(
    assets: Scripted,
) -> None:
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("o")
        await form_open(driver)
        await pick(driver, "client_id", "kest", "Kestrel Health")
        await driver.press(*"yesterday", "enter")
        await driver.see("✖ 'yesterday' is not a moment like 2026-01-31T14:00Z")
        assert not assets.asked(inventory_pb2.AssignAssetsRequest)
        await fill(driver, **{"from": "2026-11-15T00:00+01:00"})
        await driver.press("enter")
        await driver.see("Assign web-01 to Kestrel Health")
        await driver.press("y")
        await driver.see("Assigned to Kestrel Health")
    [_, real] = assets.asked(inventory_pb2.AssignAssetsRequest)
    assert getattr(real, "from").ToJsonString() == "2026-11-14T23:00:00Z"


async def test_assigning_to_the_client_that_has_it_already_keeps_rules_away(assets: Scripted) -> None:
    async def assigned(
        request: inventory_pb2.AssignAssetsRequest, context: Any
    ) -> inventory_pb2.AssignAssetsReply:
        await assets.enter(request, context)
        return inventory_pb2.AssignAssetsReply(changed=0, audit_group=0 if request.dry_run else 77)

    await assets.stop()
    assets.AssignAssets = assigned  # type: ignore[method-assign]
    await assets.start()
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("o")
        await form_open(driver)
        await pick(driver, "client_id", "brook", "Brook & Sons")
        await driver.press("enter")
        await driver.see("They are Brook & Sons's already; rules leave them alone from then on.")
        await driver.press("y")
        await driver.see("Decided by hand: web-01 of Brook & Sons. z takes it back.")
    assert [one.dry_run for one in assets.asked(inventory_pb2.AssignAssetsRequest)] == [True, False]


async def test_nobody_ends_an_assignment(assets: Scripted) -> None:
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("o")
        await form_open(driver)
        await pick(driver, "client_id", "nobody", "nobody: ends the assignment")
        await driver.press("enter")
        await driver.see("End the assignment of web-01")
        await driver.press("y")
        await driver.see("Assignment ended: 1 of 1 asset changed.")
    assert [one.client_id for one in assets.asked(inventory_pb2.AssignAssetsRequest)] == [0, 0]


async def test_assets_are_moved_from_this_hour_on_unless_another_is_given(assets: Scripted) -> None:
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("M")
        await form_open(driver)
        await driver.see("Move web-01", "Usage before that moment stays", "2026-11-21T09:00Z")
        await pick(driver, "client_id", "quill", "Quill Press")
        await driver.press("enter")
        await driver.see("Move web-01 to Quill Press")
        await driver.press("y")
        await driver.see("Moved to Quill Press: 1 of 1 asset changed.")
    asked = assets.asked(inventory_pb2.AssignAssetsRequest)
    assert [getattr(one, "from").ToJsonString() for one in asked] == ["2026-11-21T09:00:00Z"] * 2
    assert [one.dry_run for one in asked] == [True, False]


async def test_assets_are_bound_to_buckets_those_of_their_client_are_found_first(assets: Scripted) -> None:
    clients = assets.script.clients
    assets.script.buckets = [
        builders.bucket(1, "vm memory", clients[4]),
        builders.bucket(2, "vm memory", clients[0]),
        builders.bucket(3, "vm cores", clients[0], unit_type="vcpu"),
    ]
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("b")
        await form_open(driver)
        await driver.see("▸ Brook & Sons/vm memory  ram", "  Zum Anker GmbH/vm memory  ram")
        await pick(driver, "bucket_ids", "memory", "Brook & Sons/vm memory")
        await pick(driver, "second", "cores", "Brook & Sons/vm cores")
        await fill(driver, **{"from": "2026-11-01", "to": "2026-12-01"})
        await driver.press("enter", "right", "enter")
        await driver.see("Bind web-01 to Brook & Sons/vm memory, Brook & Sons/vm")
        await driver.press("y")
        await driver.see("Bound to Brook & Sons/vm memory, Brook & Sons/vm cores")
    asked = assets.asked(asset_acts_pb2.BindAssetsRequest)
    assert [one.dry_run for one in asked] == [True, False]
    assert list(asked[1].bucket_ids) == [2, 3]
    assert asked[1].backdate
    assert getattr(asked[1], "from").ToJsonString() == "2026-11-01T00:00:00Z"
    assert asked[1].to.ToJsonString() == "2026-12-01T00:00:00Z"
    assert {one.source_type for one in assets.asked(inventory_pb2.ListBucketsRequest)[-4:]} == {"vm"}


async def test_acknowledging_asks_nothing_and_makes_new_again_what_is_acknowledged(assets: Scripted) -> None:
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("space", "space", "A")
        await driver.see("Acknowledged: 2 of 2 assets changed. z takes it back.")
        assets.script.assets[1].acknowledged = True
        await driver.press("r")
        await driver.until(lambda: "new" not in driver.seen(), "nothing new")
        await driver.press("A")
        await driver.see("New again: 1 of 1 asset changed.")
    asked = assets.asked(asset_acts_pb2.AcknowledgeAssetsRequest)
    assert [(list(one.asset_ids), one.withdraw) for one in asked] == [([1, 2], False), ([3], True)]


async def test_assets_are_described_and_different_texts_are_not_taken_for_one(assets: Scripted) -> None:
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("j", "space", "D")
        await form_open(driver)
        await driver.press("escape", "space", "D")
        await driver.see("Describe 2 assets", "They have different ones; this replaces all.")
        await driver.press(*"until March", "enter")
        await driver.see("Described: 2 of 2 assets changed.")
    [asked] = assets.asked(asset_acts_pb2.DescribeAssetsRequest)
    assert (list(asked.asset_ids), asked.description) == ([2, 3], "until March")


@pytest.mark.parametrize(("keys", "from_now"), [((), False), (("space",), True)])
async def test_assets_are_disregarded_from_the_end_of_finalised_time_or_from_now(
    assets: Scripted, keys: tuple[str, ...], from_now: bool
) -> None:
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("d")
        await form_open(driver)
        await driver.see("not billed and not shown", "‹ the end of finalised time ›")
        await driver.press(*keys, "enter")
        await driver.see("Disregard web-01", "About EUR 12.50 less")
        await driver.press("y")
        await driver.see("Disregarded: 1 of 1 asset changed. z takes it back.")
    asked = assets.asked(asset_acts_pb2.DisregardAssetsRequest)
    assert [(one.dry_run, one.from_now) for one in asked] == [(True, from_now), (False, from_now)]


async def test_suppressing_begins_with_the_pattern_that_the_marked_names_have_in_common(
    assets: Scripted,
) -> None:
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("space", "space", "exclamation_mark")
        await form_open(driver)
        await driver.see("New suppression", "‹ name ›", "‹ glob ›", "web-*")
        await fill(driver, reason="nobody pays for them")
        await driver.press("enter")
        await driver.see(
            "Suppress name glob web-*", "2 assets, 6 series, 4,100 readings", "About EUR 12.50 less"
        )
        await driver.press("enter")
        await driver.see("Nothing was done.")
        await driver.press("ctrl+s")
        await driver.see("About EUR 12.50 less")
        await driver.press("y")
        await driver.see("Suppressed: web-*", "d disregards what is stored")
    asked = assets.asked(inventory_pb2.CreateSuppressionRequest)
    assert [one.dry_run for one in asked] == [True, True, False]
    assert (asked[2].condition.pattern, asked[2].reason) == ("web-*", "nobody pays for them")


async def test_ten_thousand_marked_assets_are_one_call_and_more_are_refused_before_it(
    assets: Scripted,
) -> None:
    assets.script.assets = [builders.asset(n, f"vm-{n:05d}") for n in range(1, 10_001)]
    async with driven(assets) as driver:
        await driver.press("3")
        await driver.see("of 10,000")
        await driver.press("asterisk", "asterisk")
        await driver.see("10,000 marked")
        await driver.press("A")
        await driver.see("10,000 of 10,000 assets changed")
        [asked] = assets.asked(asset_acts_pb2.AcknowledgeAssetsRequest)
        assert len(asked.asset_ids) == 10_000
        assets.script.assets.append(builders.asset(10_001, "vm-10001"))
        await driver.press("r")
        await driver.see("of 10,001")
        await driver.press("asterisk", "asterisk")
        await driver.see("10,001 marked")
        await driver.press("x")
        await driver.see("At most 10,000 assets at once; 10,001 are marked.")
    assert not assets.asked(asset_acts_pb2.SetAssetsEnabledRequest)


async def test_an_act_on_more_than_a_tenth_wants_the_number_typed(assets: Scripted) -> None:
    preview = types_pb2.Preview(assets=2, series=6, confirm_assets=2)
    assets.script.answers["UnbindAssets"] = lambda request: asset_acts_pb2.ActReply(
        changed=2, preview=preview if request.dry_run else None
    )
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("space", "space", "B")
        await driver.see("more than a tenth of all", "Type 2 and press enter")
        await driver.press("2", "enter")
        await driver.see("Bindings by hand ended: 2 of 2 assets changed.")
    assert [one.confirmed_assets for one in assets.asked(asset_acts_pb2.UnbindAssetsRequest)] == [0, 2]


async def test_what_is_disabled_says_so_instead_of_asking_the_aggregator(assets: Scripted) -> None:
    async with driven(assets) as driver:
        await listed(driver)
        await driver.press("G", "o")
        await driver.see("db-02 (asset 4) is disabled; x enables it first.")


async def test_a_refusal_of_the_aggregator_stands_in_the_dialog(assets: Scripted) -> None:
    async with driven(assets) as driver:
        await listed(driver)
        assets.script.failure = (
            grpc.StatusCode.FAILED_PRECONDITION,
            "asset 1 is bound by hand to the bucket x",
        )
        await driver.press("B")
        await driver.see("✖ Asset 1 is bound by hand to the bucket x.", "Close")
        await driver.press("y", "enter")
        await driver.until(lambda: "Close" not in driver.seen(), "the end of the dialog")
    assert ways(assets, "UnbindAssets") == [True]


async def test_a_key_without_the_right_is_not_offered_and_says_why(assets: Scripted) -> None:
    assets.script.methods = ("Inventory/ListAssets", "Inventory/AcknowledgeAssets", "Insight/GetDashboard")
    async with driven(assets) as driver:
        await driver.until(lambda: driver.app.desk.identity, "who it is")
        await listed(driver)
        await driver.see("A Ack")
        assert "o Assign" not in driver.lines()[-1]
        for key in ("o", "b", "B", "d", "D", "x", "m", "M", "L", "exclamation_mark"):
            await driver.press(key)
            await driver.see("has the role viewer, which may not do that.")
    assert not assets.asked(inventory_pb2.AssignAssetsRequest)
    assert not assets.asked(asset_acts_pb2.UnbindAssetsRequest)


async def test_on_an_empty_list_an_act_says_that_there_is_nothing(assets: Scripted) -> None:
    assets.script.assets = []
    async with driven(assets) as driver:
        await driver.press("3")
        await driver.see("No assets here.", "appears with its first batch")
        for key in ("o", "A", "d", "m"):
            await driver.press(key)
            await driver.see("There is nothing here to act on: no assets.")

"""What restricts the list of assets: each part of the query is a chip, asked of the aggregator, and goes away again."""

from pathlib import Path

import pytest

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.filling import form_open
from tests.tui.scripted import Scripted
from tui.client import AssetQuery
from tui.messages import GoTo, OpenAssets
from tui.screens.asset_filters import Restrictions
from ullage.v1 import agents_pb2, inventory_pb2


def last_asked(aggregator: Scripted) -> inventory_pb2.ListAssetsRequest:
    return aggregator.asked(inventory_pb2.ListAssetsRequest)[-1]


async def listed(driver: Driver) -> None:
    await driver.press("3")
    await driver.see("Assets  60")


@pytest.mark.parametrize(
    ("key", "part", "chip"),
    [
        ("u", "unassigned", "unassigned ×"),
        ("b", "unbound", "unbound ×"),
        ("n", "unacknowledged", "new ×"),
        ("x", "disabled", "disabled ×"),
        ("h", "by_hand", "by hand ×"),
    ],
)
async def test_a_letter_of_the_menu_restricts_the_list_and_again_does_not(
    aggregator: Scripted, key: str, part: str, chip: str
) -> None:
    async with driven(aggregator) as driver:
        await listed(driver)
        await driver.press("f")
        await driver.see("Only assets that are …")
        await driver.press(key)
        await driver.see(f"Assets  {chip}")
        await driver.until(lambda: getattr(last_asked(aggregator), part), "the question")
        await driver.press("f")
        await driver.see("✓")
        await driver.press(key)
        await driver.see("Assets  60")
    assert not getattr(last_asked(aggregator), part)


@pytest.mark.parametrize(
    ("key", "typed", "hit", "chip", "part", "value"),
    [
        ("c", "brook", "▸ Brook & Sons", "client: Brook & Sons ×", "client_id", 1),
        ("B", "vm", "▸ ", "bucket: ", "bucket_id", None),
        ("t", "int", "▸ interface", "source: interface ×", "source_type", "interface"),
        ("t", "lxc", "▸ lxc", "source: lxc ×", "source_type", "lxc"),
        ("a", "hv", "▸ hv-03, site fra1", "agent: hv-03 ×", "agent", "hv-03"),
        ("l", "env=prod", "KEY or KEY=VALUE", "label: env=prod ×", "label", "env=prod"),
    ],
)
async def test_a_value_is_looked_for_and_becomes_a_chip(
    aggregator: Scripted, key: str, typed: str, hit: str, chip: str, part: str, value: object
) -> None:
    aggregator.script.answers["ListAgents"] = agents_pb2.ListAgentsReply(agents=[builders.agent(3, "hv-03")])
    async with driven(aggregator) as driver:
        await listed(driver)
        await driver.press("f", key)
        await form_open(driver)
        await driver.press(*typed)
        await driver.see(hit)
        await driver.pilot.pause(0.4)
        await driver.press("enter")
        await driver.see(f"Assets  {chip}")
        await driver.until(lambda: getattr(last_asked(aggregator), part), "the question")
        assert value in {None, getattr(last_asked(aggregator), part)}
        await driver.press("escape")
        await driver.see("Assets  60")


async def test_esc_takes_the_newest_chip_first_and_the_menu_can_take_all(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await listed(driver)
        await driver.press("t", "f", "u")
        await driver.see("unassigned ×")
        await driver.press("f", "n")
        await driver.see("source: vm ×  unassigned ×  new ×")
        await driver.press("escape")
        await driver.see("source: vm ×  unassigned ×")
        await driver.until(lambda: "new ×" not in driver.seen(), "the newest gone")
        await driver.press("f", "0")
        await driver.see("Assets  60")
        await driver.press("f", "0")
        await driver.see("there is none")
        await driver.press("escape", "escape")
        await driver.see("Top clients")


async def test_marks_and_the_filter_go_before_the_chips(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await listed(driver)
        await driver.press("f", "u")
        await driver.see("unassigned ×")
        await driver.press("slash", *"web", "enter")
        await driver.see("unassigned ×", "filter: web")
        await driver.press("space")
        await driver.see("1 marked")
        await driver.press("escape")
        await driver.until(lambda: "1 marked" not in driver.seen(), "no mark")
        await driver.see("filter: web")
        await driver.press("escape")
        await driver.until(lambda: "filter: web" not in driver.seen(), "no filter")
        await driver.see("unassigned ×")


async def test_the_menu_leads_to_what_is_disregarded(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await listed(driver)
        await driver.press("f", "d")
        await driver.see("No disregarded assets")


async def test_others_can_restrict_the_list_and_a_clients_own_list_keeps_its_client(
    aggregator: Scripted,
) -> None:
    async with driven(aggregator) as driver:
        await listed(driver)
        driver.app.post_message(GoTo("assets", assets=AssetQuery(agent="hv-03", label="env")))
        await driver.see("agent: hv-03 ×  label: env ×")
        driver.app.post_message(OpenAssets(1, "Brook & Sons"))
        await driver.see("Brook & Sons › Assets")
        await driver.press("f", "u")
        await driver.see("unassigned ×")
        assert last_asked(aggregator).client_id == 1
        await driver.press("f")
        await driver.see("source …")
        assert "client …" not in driver.seen()
        await driver.press("escape", "escape")
        await driver.until(lambda: "unassigned ×" not in driver.seen(), "no chip")
        await driver.press("escape")
        await driver.see("agent: hv-03 ×  label: env ×")


def test_an_id_without_a_name_is_a_chip_all_the_same() -> None:
    made = Restrictions(AssetQuery())
    made.restrict(AssetQuery(client_id=7, unassigned=True))
    assert made.chips() == "client: 7 ×  unassigned ×"
    assert made.drop_newest()
    assert made.query == AssetQuery(client_id=7)
    assert made.drop_newest()
    assert not made.drop_newest()


async def test_hostile_names_of_clients_are_harmless_in_menu_chip_and_form(aggregator: Scripted) -> None:
    hostile = "\x1b]0;x\x07[red]evil[/]"
    aggregator.script.clients[0].name = hostile
    async with driven(aggregator) as driver:
        await listed(driver)
        await driver.press("f", "c")
        await form_open(driver)
        await driver.press(*"evil")
        await driver.see("▸ \ufffd]0;x\ufffd[red]evil[/]")
        await driver.press("enter")
        await driver.see("client: \ufffd]0;x\ufffd[red]evil[/] ×")
        await driver.press("f")
        await driver.see("✓ client: \ufffd]0;x")


async def test_what_is_filtered_is_exported_in_the_words_of_the_command(
    aggregator: Scripted, tmp_path: Path
) -> None:
    path = tmp_path / "assets.csv"
    async with driven(aggregator) as driver:
        await listed(driver)
        await driver.press("f", "u")
        await driver.see("unassigned ×")
        await driver.press("e")
        await driver.see("Export assets")
        await driver.press("home", "ctrl+k", *str(path), "enter")
        await driver.see("7 rows")
    lines = path.read_text().splitlines()
    assert lines[0].startswith("id,client_id,client,name,description,source_type")
    assert len(lines) == 8
    assert all(line.partition(",")[2].startswith(",,") for line in lines[1:])


async def test_orders_go_through_the_columns_that_the_aggregator_can_sort_by(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await listed(driver)
        for column in ("id", "client", "name", "created", "last seen"):
            await driver.press("s")
            await driver.see(f"by {column} ▲")
    sorts = {one.page.sort for one in aggregator.asked(inventory_pb2.ListAssetsRequest)}
    assert sorts == {"", "id", "client_name", "name", "created_at", "last_seen"}

"""What each screen shows of what the aggregator says, and where its rows lead."""

import pytest

from tests.tui import builders
from tests.tui.answers import Refused
from tests.tui.driving import driven
from tests.tui.scripted import Scripted
from ullage.v1 import insight_pb2, inventory_pb2, types_pb2
from ullage.wire import from_time


async def test_the_dashboard_shows_every_figure(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.see("412", "EUR 48,210.75", "~+4.2 %", "Brook & Sons", "12,044.10", "112 %", "47,410.00")
        await driver.see(
            "✔ healthy · 12 agents, none silent", "TimescaleDB 2.19.3", "billing 12 min", "● live"
        )


@pytest.mark.parametrize(
    ("card", "title"),
    [
        ("clients", "Clients  12"),
        ("assets", "Assets  60"),
        ("buckets", "Buckets  30"),
        ("unassigned", "Assets  unassigned ×"),
        ("unbound", "Unbound assets"),
        ("new", "Assets  new ×"),
        ("projected", "Projections"),
        ("mom", "Billing"),
    ],
)
async def test_a_card_opens_what_it_counts(aggregator: Scripted, card: str, title: str) -> None:
    async with driven(aggregator) as driver:
        await driver.see("412")
        driver.app.screen.query_one(f"#{card}").focus()
        await driver.press("enter")
        await driver.see(title)


async def test_arrows_lead_from_card_to_card_and_on_to_the_tables(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.see("412")
        for key, card in (
            ("right", "assets"),
            ("l", "buckets"),
            ("down", "new"),
            ("h", "unbound"),
            ("k", "assets"),
        ):
            await driver.press(key)
            assert driver.app.focused is not None
            assert driver.app.focused.id == card
        await driver.press("down", "down")
        assert driver.app.focused is not None
        assert driver.app.focused.id == "top"


async def test_a_top_client_opens_its_buckets(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.see("12,044.10")
        driver.app.screen.query_one("#top").focus()
        await driver.press("enter")
        await driver.see("Clients › Brook & Sons", "days of Europe")


async def test_a_new_overage_opens_the_client_at_that_bucket(aggregator: Scripted) -> None:
    of = next(bucket for bucket in aggregator.script.buckets if bucket.client_id == 2)
    aggregator.script.dashboard.new_overages[0].bucket_id = of.id
    async with driven(aggregator) as driver:
        await driver.see("112 %")
        driver.app.screen.query_one("#overages").focus()
        await driver.press("enter")
        await driver.see("Ahlers Logistik", "Current usage")
        await driver.press("enter")
        await driver.see(f"Buckets › Ahlers Logistik › {of.name}")


async def test_a_new_overage_is_never_told_as_being_on_its_commit(aggregator: Scripted) -> None:
    aggregator.script.dashboard.new_overages[0].percent_of_commit = "100.08"
    async with driven(aggregator) as driver:
        await driver.see(">100 %")


async def test_money_of_two_currencies_is_shown_one_after_the_other(aggregator: Scripted) -> None:
    aggregator.script.dashboard.projected_revenue.append(types_pb2.Money(currency="JPY", amount="900000"))
    async with driven(aggregator) as driver:
        await driver.see("EUR 48,210.75")
        await driver.press("c")
        await driver.see("JPY 900,000", "Revenue by month, JPY")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_last_month_is_told_by_status_and_source(
    aggregator: Scripted, size: tuple[int, int]
) -> None:
    async with driven(aggregator, size=size) as driver:
        await driver.see("avg EUR 3,816.67", "~EUR 24,004.10", "volume")
        await driver.see(
            "4 ▲ over  3 ▼ under  2 ◆ mixed" if size[0] == 80 else "◆ mixed", "periods ending in"
        )
        driver.app.screen.query_one("#digest" if size[0] == 80 else "#status").focus()
        await driver.press("enter")
        await driver.until(lambda: driver.app.current_mode == "over-under", "the screen of overs and unders")


async def test_a_sum_for_which_there_is_no_room_goes_without_its_currency_and_is_not_cut(
    aggregator: Scripted,
) -> None:
    async with driven(aggregator, size=(60, 20)) as driver:
        await driver.see("█48,210.75", "Revenue by month, EUR")


async def test_a_clients_key_is_told_where_its_own_figures_are(aggregator: Scripted) -> None:
    def refused(request: insight_pb2.GetDashboardRequest) -> insight_pb2.Dashboard:
        raise Refused("GetDashboard needs the role viewer")

    aggregator.script.role = "client"
    aggregator.script.answers["GetDashboard"] = refused
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity, "who we are")
        await driver.press("1")
        await driver.see("A client's key sees its own: 2 Clients", "not known yet")


async def test_what_is_wrong_stands_in_the_health_line(aggregator: Scripted) -> None:
    health = builders.health(state="critical", problems=["hv-03 is silent", "3 readings in quarantine"])
    aggregator.script.dashboard.health.CopyFrom(health)
    async with driven(aggregator) as driver:
        await driver.see("✖ critical · hv-03 is silent · 3 readings in quarantine")


async def test_an_empty_system_says_so_everywhere(aggregator: Scripted) -> None:
    script = aggregator.script
    script.clients, script.assets, script.buckets, script.readings = [], [], [], []
    script.dashboard = builders.dashboard(
        revenue=[], top_clients=[], new_overages=[], projected_revenue=[], month_over_month=[]
    )
    async with driven(aggregator) as driver:
        await driver.see("No billing history", "No projections yet", "No new overages")
        for key, sentence in (
            ("2", "No clients yet"),
            ("3", "No assets here"),
            ("4", "No unbound assets: everything that is metered is billed."),
            ("5", "No buckets: nothing is billed yet."),
        ):
            await driver.press(key)
            await driver.see(sentence)


async def test_clients_are_listed_and_a_row_opens_the_buckets(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("2")
        await driver.see("Clients  12", "Fabrique Müller", "Papierhaus Voss")
        await driver.press("j", "enter")
        await driver.see(
            "Clients › Ahlers Logistik", "1 month, from 2025-01-01", "2026-11-01 – 11-30", "on track"
        )


async def test_a_client_without_buckets_says_what_that_means(aggregator: Scripted) -> None:
    aggregator.script.buckets = []
    async with driven(aggregator) as driver:
        await driver.press("2")
        await driver.see("Brook & Sons")
        await driver.press("enter")
        await driver.see("No buckets: nothing of this client is billed.")


async def test_a_clients_assets_are_one_key_away(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("2")
        await driver.see("Brook & Sons")
        await driver.press("enter")
        await driver.see("Current usage")
        await driver.press("v")
        await driver.see("Assets  ", "Unbound", "Last seen")
    asked = aggregator.asked(inventory_pb2.ListAssetsRequest)
    assert asked[-1].client_id == 1


async def test_a_bucket_opens_with_terms_filters_and_history(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("5")
        await driver.see("Buckets  30")
        await driver.press("enter")
        await driver.see(
            "name glob web-*", "EUR 2.5 a", "EUR 4 a", "2026-10-01 – 10-31", "ended", "EUR 250.00"
        )


async def test_buckets_of_one_source_type_are_a_key_and_a_chip(aggregator: Scripted) -> None:
    source = aggregator.script.buckets[0].source_type
    of_it = sum(bucket.source_type == source for bucket in aggregator.script.buckets)
    async with driven(aggregator) as driver:
        await driver.press("5")
        await driver.see("Buckets  30")
        await driver.press("t")
        await driver.see(f"Buckets  source: {source} ×  {of_it}")
        await driver.press("escape")
        await driver.see("Buckets  30")


async def test_an_asset_opens_with_chart_series_and_history(aggregator: Scripted) -> None:
    held = aggregator.script.assets[0]
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        await driver.press("enter")
        await driver.see(
            f"Assets › {held.name}", "ram, GiB (daily mean)", "16 GiB", "24 Oct", "hv-03", "env="
        )
        await driver.see("Assignments and bindings", "assigned", held.client_name, "2026-08-23")
        await driver.press("j", "j")
        await driver.see("net-out, GiB a day")


async def test_unbound_assets_say_how_long_they_are_unbound(aggregator: Scripted) -> None:
    aggregator.script.assets = [
        builders.asset(7, "lost-01", series_unbound=2, unbound_since=from_time(builders.ago(days=21)))
    ]
    async with driven(aggregator) as driver:
        await driver.press("4")
        await driver.see("Unbound assets  1", "lost-01", "unassigned", "2 of 3", "21")
        await driver.press("enter")
        await driver.see("Assets › lost-01", "unbound")


async def test_restrictions_of_assets_are_chips_that_esc_takes_away(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        await driver.press("f", "u")
        await driver.see("unassigned ×")
        await driver.press("f", "n")
        await driver.see("unassigned ×  new ×")
        await driver.press("escape")
        await driver.see("Assets  unassigned ×  7")
        await driver.press("escape")
        await driver.see("Assets  60")
        await driver.press("escape")
        await driver.see("Top clients")


@pytest.mark.parametrize("size", [(60, 20), (40, 10), (20, 5), (160, 50)])
async def test_every_screen_draws_at_every_size(aggregator: Scripted, size: tuple[int, int]) -> None:
    async with driven(aggregator, size=size) as driver:
        await driver.until(lambda: driver.app.desk.link.state == "live", "the connection")
        for keys in (("1",), ("2", "enter"), ("3", "enter"), ("4",), ("5", "enter")):
            await driver.press(*keys)
            await driver.pilot.pause(0.3)
            assert driver.lines()
            await driver.press("escape")


async def test_the_help_lists_the_keys_of_the_screen_and_closes(aggregator: Scripted) -> None:
    async with driven(aggregator, size=(80, 90)) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        await driver.press("question_mark")
        await driver.see("Keys", "Type of this one", "Filter", "Quit", "↓ j", "The main screens", "Refresh")
        headings = [
            next(at for at, line in enumerate(driver.lines()) if title in line)
            for title in ("On this screen", "In lists", "Everywhere")
        ]
        assert headings[0] == headings[1] < headings[2]
        await driver.press("escape")
        await driver.until(lambda: "The main screens" not in driver.seen(), "the end of the help")


async def test_the_help_names_what_the_key_may_not_do_and_why(aggregator: Scripted) -> None:
    aggregator.script.role, aggregator.script.methods = "reader", ("Inventory/ListAssets",)
    async with driven(aggregator, size=(80, 90)) as driver:
        await driver.press("3")
        await driver.see("Assets  60", "reader")
        await driver.press("question_mark")
        await driver.see("✖ Assign", "has the role reader", "which may not do that")
        assert "✖ Filters" not in driver.seen()


async def test_the_help_scrolls_in_a_small_window(aggregator: Scripted) -> None:
    async with driven(aggregator, size=(60, 20)) as driver:
        await driver.press("3")
        await driver.see("Assets  60")
        await driver.press("question_mark")
        await driver.see("On this screen")
        await driver.press("G")
        await driver.see("Copy ids")
        assert "On this screen" not in driver.seen()


async def test_the_palette_finds_screens_and_what_the_aggregator_knows(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.see("412")
        await driver.press("colon")
        await driver.press(*"client nord")
        await driver.see("Nordlicht Energie  client 3")
        await driver.press("enter")
        await driver.see("Clients › Nordlicht Energie")
        await driver.press("ctrl+p")
        await driver.press(*"unbo")
        await driver.see("key 4")
        await driver.press("enter")
        await driver.see("Unbound assets")


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_the_program_ends_by(key: str, aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.see("412")
        await driver.press(key)
        await driver.until(lambda: not driver.app.is_running, "the end")
        assert driver.app.return_code == 0

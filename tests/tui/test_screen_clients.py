"""The list of clients: what it is restricted to, and what is done with a client from there."""

from pathlib import Path

import grpc
import pytest

from tests.tui.driving import Driver, driven
from tests.tui.filling import field, fill, form_open
from tests.tui.scripted import Scripted
from ullage.v1 import analysis_pb2, client_acts_pb2, inventory_pb2, types_pb2

Update = client_acts_pb2.UpdateClientRequest
Enable = client_acts_pb2.SetClientEnabledRequest


async def on_clients(driver: Driver) -> None:
    await driver.until(lambda: driver.app.desk.identity is not None, "who we are")
    await driver.press("2")
    await driver.see("Clients  12")


async def test_only_enabled_or_disabled_ones_are_asked_for_and_esc_shows_all(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("f", "d")
        await driver.see("Clients  disabled ×")
        asked = aggregator.asked(inventory_pb2.ListClientsRequest)[-1]
        assert asked.disabled
        assert not asked.enabled
        await driver.press("f", "e")
        await driver.see("Clients  enabled ×")
        assert aggregator.asked(inventory_pb2.ListClientsRequest)[-1].enabled
        await driver.press("escape")
        await driver.until(lambda: "×" not in driver.seen(), "all of them")


async def test_a_wide_terminal_shows_the_period(aggregator: Scripted) -> None:
    async with driven(aggregator, size=(120, 40)) as driver:
        await on_clients(driver)
        await driver.see("Period", "2026-11-01 – 11-30", "Created")


async def test_a_new_client_has_the_currency_zone_and_cycle_of_the_last_one(aggregator: Scripted) -> None:
    aggregator.script.clients[-1].currency = "CHF"
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("n")
        await form_open(driver)
        assert field(driver, "currency").value == "CHF"
        assert field(driver, "time_zone").value == "Europe/Berlin"
        await fill(driver, name="Mosel Wein", currency="eur", close_after_days="10", contact="Frau Lehr")
        await driver.press("ctrl+s")
        await driver.see("Make the client Mosel Wein", "Periods of 1 month from 2026-11-01", "never deleted")
        assert not aggregator.asked(inventory_pb2.CreateClientRequest)
        await driver.press("y")
        await driver.see("Mosel Wein is client 13")
    [made] = aggregator.asked(inventory_pb2.CreateClientRequest)
    assert made == inventory_pb2.CreateClientRequest(
        name="Mosel Wein",
        currency="EUR",
        time_zone="Europe/Berlin",
        cycle_unit="month",
        cycle_count=1,
        cycle_anchor="2026-11-01",
        close_after_days=10,
        contact="Frau Lehr",
    )


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("name", "", "Name is missing."),
        ("currency", "euro", "A currency has three letters"),
        ("cycle_count", "61", "Give a whole number from 1 to 60."),
        ("cycle_anchor", "soon", "'soon' is not a day like 2026-01-31"),
        ("close_after_days", "-1", "Give a whole number from 0"),
    ],
)
async def test_what_cannot_be_meant_is_said_beside_the_field(
    aggregator: Scripted, name: str, value: str, says: str
) -> None:
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("n")
        await form_open(driver)
        await fill(driver, **{"name": "Mosel Wein", name: value})
        await driver.press("ctrl+s")
        await driver.see(f"✖ {says}")
        assert field(driver, name).has_focus_within
    assert not aggregator.asked(inventory_pb2.CreateClientRequest)


async def test_what_the_aggregator_refuses_is_shown_at_its_field_and_nothing_is_lost(
    aggregator: Scripted,
) -> None:
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("n")
        await form_open(driver)
        await fill(driver, name="Mosel Wein", time_zone="Europe/Trier")
        await driver.press("ctrl+s")
        await driver.see("Make the client")
        aggregator.script.failure = (
            grpc.StatusCode.INVALID_ARGUMENT,
            "time_zone: is no time zone; use a name of the IANA database",
        )
        await driver.press("y")
        await driver.see("✖ Time zone: is no time zone")
        assert field(driver, "time_zone").has_focus_within
        assert field(driver, "name").value == "Mosel Wein"


async def test_only_what_is_different_is_changed_after_a_dry_run(aggregator: Scripted) -> None:
    aggregator.script.preview = types_pb2.Preview(
        lines=[types_pb2.PreviewLine(act="change", to="Herr Voss")], lines_total=1
    )
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("E")
        await form_open(driver)
        await fill(driver, contact="Herr Voss")
        await driver.press("ctrl+s")
        await driver.see("Change Brook & Sons", "nothing → Herr Voss")
        await driver.press("y")
        await driver.see("Brook & Sons was changed.")
    tried, done = aggregator.asked(Update)
    assert tried == Update(id=1, contact="Herr Voss", dry_run=True)
    assert done == Update(id=1, contact="Herr Voss")


async def test_another_cycle_holds_from_the_day_given(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("E")
        await form_open(driver)
        field(driver, "cycle_unit").take_focus()
        await driver.press("right")
        await fill(
            driver, cycle_count="2", currency="chf", time_zone="Europe/Zurich", cycle_from="2026-12-01"
        )
        await driver.press("ctrl+s")
        await driver.see("Change Brook & Sons")
        await driver.press("escape")
        await driver.see("Nothing was done.")
    [tried] = aggregator.asked(Update)
    assert tried == Update(
        id=1,
        cycle_unit="week",
        cycle_count=2,
        currency="CHF",
        time_zone="Europe/Zurich",
        cycle_from="2026-12-01",
        dry_run=True,
    )


async def test_an_emptied_close_after_means_wait(aggregator: Scripted) -> None:
    aggregator.script.clients[0].close_after_days = 5
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("E")
        await form_open(driver)
        await fill(driver, close_after_days="")
        await driver.press("ctrl+s")
        await driver.see("Change Brook & Sons")
    assert aggregator.asked(Update) == [Update(id=1, wait=True, dry_run=True)]


async def test_an_edit_without_a_difference_asks_nothing(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("E")
        await form_open(driver)
        await driver.press("ctrl+s")
        await driver.see("✖ Nothing is different yet.")
        await fill(driver, cycle_from="2026-12-01")
        await driver.press("ctrl+s")
        await driver.see("✖ Says from when a change holds")
    assert not aggregator.asked(Update)


async def test_disabling_names_the_buckets_that_would_not_be_billed_any_more(aggregator: Scripted) -> None:
    ending = types_pb2.PreviewLine(act="end")
    setattr(ending, "from", "vm memory")
    aggregator.script.preview = types_pb2.Preview(
        lines=[ending],
        lines_total=1,
        money=[types_pb2.Money(currency="EUR", amount="-75.00")],
        notes=["usage before 2026-12-01 is billed"],
    )
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("x")
        await driver.see("Disable Brook & Sons", "All its buckets end at that midnight.")
        await fill(driver, on="2026-12-01")
        await driver.press("ctrl+s")
        await driver.see("Not billed any more: vm memory.", "About EUR 75.00 less would be billed")
        await driver.press("y")
        await driver.see("Brook & Sons: disabled from 2026-12-01 on.")
    tried, done = aggregator.asked(Enable)
    assert tried == Enable(id=1, enabled=False, on="2026-12-01", dry_run=True)
    assert done == Enable(id=1, enabled=False, on="2026-12-01")


async def test_a_disabled_client_is_enabled_by_the_same_key(aggregator: Scripted) -> None:
    aggregator.script.clients[0].enabled = False
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("x")
        await driver.see("Enable Brook & Sons")
        await fill(driver, on="tomorrow")
        await driver.press("ctrl+s")
        await driver.see("✖ 'tomorrow' is not a day")
        await fill(driver, on="")
        await driver.press("ctrl+s")
        await driver.see("Billed again: no bucket is concerned.")
        await driver.press("n")
        await driver.see("Nothing was done.")
    assert aggregator.asked(Enable) == [Enable(id=1, enabled=True, dry_run=True)]


async def test_a_client_is_erased_only_by_its_name(aggregator: Scripted) -> None:
    aggregator.script.answers["EraseClient"] = inventory_pb2.Client(id=1, name="erased-1", erased=True)
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("X")
        await driver.see("for good", "Its name becomes erased-1", "Nothing brings the name back")
        await driver.press("y", "enter")
        await driver.see("That is not it.")
        assert not aggregator.asked(client_acts_pb2.EraseClientRequest)
        await driver.press("backspace", *"Brook & Sons", "enter")
        await driver.see("Client 1 is now erased-1.")
    assert aggregator.asked(client_acts_pb2.EraseClientRequest) == [
        client_acts_pb2.EraseClientRequest(id=1, name="Brook & Sons")
    ]


async def test_an_erased_client_stays_erased(aggregator: Scripted) -> None:
    aggregator.script.clients[0].erased = True
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("X")
        await driver.see("This client is erased already.")
        await driver.press("E")
        await driver.see("name and contact stay as they are")


async def test_what_if_of_a_client_asks_for_all_its_buckets(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("w")
        await driver.see("What-if › Brook & Sons")
        await fill(driver, base="-5%")
        await driver.see("EUR before", "EUR after", "less")
    asked = aggregator.asked(analysis_pb2.WhatIfRequest)[-1]
    assert asked.client_id == 1
    assert asked.base_percent == "-5"


@pytest.mark.parametrize(
    ("key", "method"),
    [
        ("n", "CreateClient"),
        ("E", "UpdateClient"),
        ("x", "SetClientEnabled"),
        ("X", "EraseClient"),
        ("w", "WhatIf"),
    ],
)
async def test_a_key_without_the_right_says_so(aggregator: Scripted, key: str, method: str) -> None:
    aggregator.script.methods = ("Inventory/ListClients",)
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press(key)
        await driver.see("The key ops has the role viewer, which may not do that.")
        assert len(driver.app.screen_stack) == 1
    assert method not in {type(request).__name__.removesuffix("Request") for request in aggregator.requests}


async def test_acts_on_an_empty_list_say_that_there_is_nothing(aggregator: Scripted) -> None:
    aggregator.script.clients = []
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity is not None, "who we are")
        await driver.press("2")
        await driver.see("No clients yet", "n makes the first one")
        await driver.press("E")
        await driver.see("There is nothing here to act on: no clients.")
        await driver.press("n")
        await form_open(driver)
        assert field(driver, "currency").value == "EUR"


async def test_clients_are_exported_as_they_are_listed(
    aggregator: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with driven(aggregator) as driver:
        await on_clients(driver)
        await driver.press("slash", *"anker", "enter")
        await driver.see("filter: anker", "Zum Anker GmbH")
        await driver.press("e", "enter")
        await driver.see("1 row")
    [written] = tmp_path.glob("ullage-clients-*.csv")
    assert "Zum Anker GmbH" in written.read_text("utf-8")

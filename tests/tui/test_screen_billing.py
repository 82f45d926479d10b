"""The billing screen: what it lists, how one part follows the other, and what it asks the aggregator for."""

import csv
from pathlib import Path

import grpc
import pytest

from tests.tui import builders
from tests.tui.builders import month_of
from tests.tui.driving import Driver, driven
from tests.tui.estate_billing import period
from tests.tui.scripted import Scripted
from tui.messages import GoTo
from tui.screens.billing import BillingScreen
from ullage.v1 import billing_pb2, closing_pb2

EVERYBODY = (
    "Closing/ListPeriods",
    "Closing/GetChecklist",
    "Closing/Explain",
    "Closing/Verify",
    "Admin/ListJobs",
)


async def opened(driver: Driver) -> BillingScreen:
    """With its periods and the readings of the first one."""
    await driver.press("6")
    await driver.see("Periods  12", "Readings  Brook & Sons, 2026-11-01 – 11-30  2")
    screen = driver.app.screen
    assert isinstance(screen, BillingScreen)
    return screen


async def test_periods_stand_above_the_readings_of_the_one_under_the_cursor(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Nov 2026", "all ~ provisional", "○ open", "~EUR", "~ no", "98 %")
        await driver.press("j")
        await driver.see("Readings  Ahlers Logistik, 2026-11-01 – 11-30  3")
    asked = aggregator.asked(closing_pb2.ListPeriodsRequest)[-1]
    assert (asked.month, asked.state, asked.overdue) == ("2026-11", 0, False)
    asked_readings = aggregator.asked(billing_pb2.ListReadingsRequest)[-1]
    assert (asked_readings.client_id, asked_readings.month) == (2, "2026-11")


async def test_readings_of_another_period_that_ends_in_the_same_month_are_not_among_them(
    aggregator: Scripted,
) -> None:
    readings = aggregator.script.readings
    of = next(one for one in readings if one.client_id == 1 and month_of(one) == "2026-11")
    other = billing_pb2.Reading()
    other.CopyFrom(of)
    other.bucket_name = "of another period"
    other.period_start.seconds += 13 * 86_400
    readings.append(other)
    async with driven(aggregator) as driver:
        await opened(driver)
        assert "of another" not in driver.seen()


async def test_the_month_is_chosen_and_what_may_change_is_told_from_what_is_final(
    aggregator: Scripted,
) -> None:
    aggregator.script.clients[0].currency = "CHF"
    async with driven(aggregator, size=(120, 40)) as driver:
        await driver.press("6")
        await driver.see("Nov 2026")
        await driver.press("comma")
        await driver.see("Oct 2026", "◔ ended", "▲ overdue", "3 open", "ready", "in 4 h", "CHF", "EUR")
        await driver.press("comma")
        await driver.see("Sep 2026", "✔ finalised", "(final)", "✔ yes")
        assert "~EUR" not in driver.seen()
        await driver.press("full_stop", "full_stop", "full_stop")
        await driver.see("is the newest that is shown here")

        def order() -> list[str]:
            line = next(one for one in driver.lines() if "CHF" in one and "EUR" in one)
            return sorted(("CHF", "EUR"), key=line.index)

        await driver.see("CHF", "EUR 7,")
        before = order()
        await driver.press("c")
        await driver.until(lambda: order() != before, "the other currency first")
        assert set(driver.app.desk.currencies) == {"CHF", "EUR"}
    months = [one.month for one in aggregator.asked(closing_pb2.ListPeriodsRequest)]
    assert list(dict.fromkeys(months)) == ["2026-11", "2026-10", "2026-09"]


@pytest.mark.parametrize(
    ("key", "state", "overdue", "month", "title"),
    [
        ("o", billing_pb2.PERIOD_STATE_OPEN, False, "", "Periods  open ×  12"),
        ("n", billing_pb2.PERIOD_STATE_ENDED, False, "", "Periods  ended ×  12"),
        ("d", billing_pb2.PERIOD_STATE_ENDED, True, "", "Periods  overdue ×  1"),
        ("f", billing_pb2.PERIOD_STATE_FINALISED, False, "2026-11", "Periods  finalised ×  0"),
    ],
)
async def test_states_are_chips_and_what_waits_is_shown_of_all_months(
    aggregator: Scripted, key: str, state: int, overdue: bool, month: str, title: str
) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("f", key)
        await driver.see(title)
        asked = aggregator.asked(closing_pb2.ListPeriodsRequest)[-1]
        assert (asked.state, asked.overdue, asked.month) == (state, overdue, month)
        await driver.see("Nov 2026" if month else "All months")
        await driver.press("escape")
        await driver.see("Periods  12", "Nov 2026")


async def test_a_month_chosen_ends_the_view_of_all_months(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("f", "n")
        await driver.see("Periods  ended ×")
        await driver.press("comma")
        await driver.see("Oct 2026", "Periods  12")
        assert aggregator.asked(closing_pb2.ListPeriodsRequest)[-1].month == "2026-10"


async def test_the_views_follow_one_another(aggregator: Scripted) -> None:
    async with driven(aggregator, size=(120, 40)) as driver:
        await opened(driver)
        await driver.press("v")
        await driver.see("[readings]", "Readings  30", "Kestrel Health")
        assert aggregator.asked(billing_pb2.ListReadingsRequest)[-1].month == "2026-11"
        await driver.press("t")
        await driver.see("source: ")
        assert aggregator.asked(billing_pb2.ListReadingsRequest)[-1].source_type
        await driver.press("v")
        await driver.see("[adjustments]", "Adjustments  2", "+1.25", "~EUR -2.00", "2 batches of agent hv-02")
        await driver.press("v")
        await driver.see("[too late]", "Too late  2", "its period is long final", "raw readings are gone")
        await driver.press("v")
        await driver.see("[by client]", "Periods  12")


async def test_escape_goes_back_a_step_at_a_time(aggregator: Scripted) -> None:
    async with driven(aggregator, size=(120, 40)) as driver:
        await opened(driver)
        await driver.press("v", "t")
        await driver.see("source: ")
        await driver.press("escape")
        await driver.see("Readings  30")
        await driver.press("escape")
        await driver.see("[by client]")
        await driver.press("escape")
        await driver.see("Revenue by")


async def test_late_lists_are_restricted_to_a_client_and_not_searched(aggregator: Scripted) -> None:
    async with driven(aggregator, size=(120, 40)) as driver:
        await opened(driver)
        await driver.press("v", "v", "slash")
        await driver.see("This list is not searched by name")
        await driver.press("f", "c")
        await driver.see("of Brook & Sons ×", "No adjustments: nothing came late")
        assert aggregator.asked(closing_pb2.ListAdjustmentsRequest)[-1].client_id == 1
        await driver.press("v")
        await driver.see("Too late  of Brook & Sons ×")
        assert aggregator.asked(closing_pb2.ListTooLateRequest)[-1].client_id == 1
        await driver.press("escape")
        await driver.until(
            lambda: aggregator.asked(closing_pb2.ListTooLateRequest)[-1].client_id == 0, "all clients again"
        )


async def test_an_adjustment_opens_the_reading_it_corrects(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("v", "v")
        await driver.see("Adjustments  2")
        await driver.press("enter")
        await driver.see("Kestrel Health › vm vcpu › 2026-09-01 – 09-30", "✔ finalised")


async def test_what_came_too_late_opens_its_asset_or_says_that_it_is_forgotten(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("v", "v", "v")
        await driver.see("Too late  2")
        await driver.press("j", "enter")
        await driver.see("Nobody knows any more whose reading that was.")
        await driver.press("k", "enter")
        await driver.see("Assets › ")


async def test_periods_are_searched_sorted_and_exported_as_the_command_does(
    aggregator: Scripted, tmp_path: Path
) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("slash", *"al", "enter")
        await driver.see("filter: al", "Almond & Pine")
        await driver.press("s")
        await driver.see("by client ▲")
        asked = aggregator.asked(closing_pb2.ListPeriodsRequest)[-1]
        assert (asked.search, asked.page.sort) == ("al", "client_name")
        await driver.press("e")
        await driver.see("Export periods")
        driver.app.screen.query_one("#export-name").value = str(tmp_path / "p.csv")  # type: ignore[attr-defined]
        await driver.press("enter")
        await driver.until((tmp_path / "p.csv").exists, "the file")
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["client"] < rows[-1]["client"]
    assert {"client", "first_day", "state", "open_items", "overdue"} <= set(rows[0])


async def test_a_client_is_jumped_to_by_a_part_of_its_name(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        driver.app.post_message(GoTo("billing", search="quill"))
        await driver.see("filter: quill", "Readings  Quill Press")


async def test_keys_act_on_the_list_that_has_them(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("tab", "s")
        await driver.see("Readings  Brook & Sons, 2026-11-01 – 11-30  2  by bucket ▲")
        assert aggregator.asked(billing_pb2.ListReadingsRequest)[-1].page.sort == "bucket_name"


async def test_a_period_that_is_not_over_or_final_already_says_why_it_cannot_be_closed(
    aggregator: Scripted,
) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        for key in ("C", "F"):
            await driver.press(key)
            await driver.see("Brook & Sons, 2026-11-01 – 11-30 is still open")
        await driver.press("comma", "comma")
        await driver.see("✔ finalised")
        await driver.press("F")
        await driver.see("is final: nothing is left to do.")
        await driver.press("v", "C")
        await driver.see("Periods are in the list by client: v goes there.")
    assert aggregator.asked(closing_pb2.FinaliseRequest) == []


async def test_finalising_asks_for_the_name_after_a_dry_run(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("comma")
        await driver.see("Oct 2026", "◔ ended")
        await driver.press("j", "F")
        await driver.see(
            "Finalise Ahlers Logistik",
            "3 readings and 1 adjustment",
            "cannot be undone",
            "Type Ahlers Logistik",
        )
        await driver.press("y", "enter")
        await driver.see("That is not it")
        assert [one.dry_run for one in aggregator.asked(closing_pb2.FinaliseRequest)] == [True]
        await driver.press("backspace", *"Ahlers Logistik", "enter")
        await driver.see("Ahlers Logistik, 2026-10-01 – 10-31 is final")
    asked = aggregator.asked(closing_pb2.FinaliseRequest)
    assert [(one.client_id, one.first_day, one.dry_run) for one in asked] == [
        (2, "2026-10-01", True),
        (2, "2026-10-01", False),
    ]


async def test_cancelling_finalises_nothing(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("comma")
        await driver.see("Oct 2026", "◔ ended")
        await driver.press("j", "F")
        await driver.see("Type Ahlers Logistik")
        await driver.press("escape")
        await driver.see("Periods  12")
    assert [one.dry_run for one in aggregator.asked(closing_pb2.FinaliseRequest)] == [True]


async def test_explaining_and_verifying_need_a_reading(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("i")
        await driver.see("A reading is explained: tab goes to the readings below")
        await driver.press("V")
        await driver.see("Only what is final has evidence")
        await driver.press("tab", "i")
        await driver.see("Brook & Sons/vm vcpu › 2026-11-01 – 11-30 › Explain", "Assets  2")
    assert aggregator.asked(closing_pb2.VerifyRequest) == []


async def test_a_final_period_is_verified_as_a_whole(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("comma", "comma")
        await driver.see("Sep 2026", "✔ finalised", "Readings  Brook & Sons, 2026-09-01 – 09-30")
        await driver.press("V")
        await driver.see("› Verify", "no step failed", "– not possible", "raw readings are")
    asked = aggregator.asked(closing_pb2.VerifyRequest)[0]
    assert (asked.client_id, asked.bucket_id, asked.first_day) == (1, 0, "2026-09-01")


async def test_a_key_without_the_right_to_bill_is_told_so(aggregator: Scripted) -> None:
    aggregator.script.methods = (*EVERYBODY, "Billing/ListReadings")
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity, "who we are")
        await opened(driver)
        assert "R Run" not in driver.seen()
        for key in ("R", "F", "W"):
            await driver.press(key)
            await driver.see("has the role viewer, which may not do that")
    assert aggregator.asked(billing_pb2.RunBillingRequest) == []


async def test_a_client_sees_its_readings_alone(aggregator: Scripted) -> None:
    aggregator.script.methods = ("Billing/ListReadings",)
    aggregator.script.role = "client"
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity, "who we are")
        await driver.press("6")
        await driver.see("[readings]", "Readings  30")
        await driver.press("v", "v", "v")
        await driver.see("[readings]")
    assert aggregator.asked(closing_pb2.ListPeriodsRequest) == []


async def test_an_empty_month_says_where_to_look(aggregator: Scripted) -> None:
    aggregator.script.answers["ListPeriods"] = closing_pb2.ListPeriodsReply()
    async with driven(aggregator) as driver:
        await driver.press("6")
        await driver.see("No periods end in this month.", "f shows those of all months")
        await driver.press("C")
        await driver.see("There is no period here.")


async def test_an_error_is_said_and_asked_again(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        aggregator.script.failure = (grpc.StatusCode.INTERNAL, "the table is on fire")
        await driver.press("6")
        await driver.see("The table is on fire", "r tries again")
        aggregator.script.failure = None
        await driver.press("r")
        await driver.see("Periods  12")


async def test_more_periods_than_a_page_are_added_up_over_all_pages(aggregator: Scripted) -> None:
    script = aggregator.script
    script.clients = [builders.client(number, f"client {number:03d}") for number in range(1, 451)]
    script.readings, script.buckets = [], []
    made = [period(script, client, 0) for client in script.clients]
    for one in made:
        one.total.amount = "2.50"

    def answer(request: closing_pb2.ListPeriodsRequest) -> closing_pb2.ListPeriodsReply:
        start, size = int(request.page.after or 0), request.page.size
        reply = closing_pb2.ListPeriodsReply(periods=made[start : start + size])
        reply.page.total = len(made)
        reply.page.next = str(start + size) if start + size < len(made) else ""
        return reply

    script.answers["ListPeriods"] = answer
    async with driven(aggregator) as driver:
        await driver.press("6")
        await driver.see("Periods  1–200 of 450", "EUR 1,125.00")


async def test_sums_of_many_currencies_fit_and_c_brings_the_next_one_first(aggregator: Scripted) -> None:
    for client, code in zip(aggregator.script.clients, ("CHF", "GBP", "USD"), strict=False):
        client.currency = code
    async with driven(aggregator) as driver:
        await driver.press("6")
        await driver.see("EUR 5,810.00 (all ~)  c: 3 others", "~ provisional")
        await driver.press("c")
        await driver.until(lambda: "EUR 5,810.00 (all ~)" not in driver.seen(), "another currency first")
        await driver.see("c: 3 others")
    async with driven(aggregator, size=(160, 40)) as driver:
        await driver.press("6")
        await driver.see("CHF 500.00 (all ~", "EUR 5,810.00", "GBP 762.00", "USD 512.00")

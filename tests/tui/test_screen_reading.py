"""A reading and where its figure comes from: parts that add up, levels down to raw readings, verification."""

import csv
from pathlib import Path

import grpc
import pytest

from tests.tui import estate_billing
from tests.tui.driving import Driver, driven
from tests.tui.scripted import Scripted
from tui.messages import OpenPeriod, OpenReading
from ullage.v1 import billing_pb2, closing_pb2
from ullage.wire import to_time

OPEN, ENDED, FINAL = range(3)


async def opened(driver: Driver, aggregator: Scripted, back: int = OPEN, at: int = 0) -> billing_pb2.Reading:
    """The first reading of the month so many months back, changed before if the test wants."""
    await driver.until(lambda: driver.app.desk.who, "the connection")
    of = [one for one in aggregator.script.readings if one.state == estate_billing.STATES[back]][at]
    bucket = next(one for one in aggregator.script.buckets if one.id == of.bucket_id)
    bucket.ClearField("all_terms")
    bucket.all_terms.add(
        id=1, starts_on="2026-01-01", commit="100", base_price="2.5", overage_price="4", aggregation="avg"
    )
    driver.app.post_message(OpenReading(of))
    await driver.see(f"Billing › {of.client_name} › {of.bucket_name}", "Segments  1")
    return of


async def test_the_parts_of_a_cost_add_up_to_it(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, aggregator)
        await driver.see("○ open, ~ provisional", "80.125 vCPU (avg)", "100 vCPU, 80 % of it")
        parts = {line.split()[0]: line for line in driver.lines() if line.strip()}
        for name, figure in (("used", "200.31"), ("buffer", "49.69"), ("overage", "0.00"), ("limit", "0.00")):
            assert figure in parts[name]
        assert "= ~EUR 250.00  provisional" in parts["cost"]
        # Where one part ends the next one begins.
        assert parts["used"].rstrip().count("█") > parts["buffer"].count("░") > 0
        await driver.see("5,120 measured", "40 absent (gone", "92 a gap (nothing is known)")
        await driver.see("Terms: since 2026-01-01, avg, commit 100 vCPU at EUR 2.5")


async def test_a_maximum_takes_away_and_the_parts_still_add_up(aggregator: Scripted) -> None:
    of = next(one for one in aggregator.script.readings if one.state == billing_pb2.PERIOD_STATE_OPEN)
    of.used, of.buffer, of.overage, of.limit, of.cost = "200.00", "0.00", "100.00", "-50.00", "250.00"
    async with driven(aggregator) as driver:
        await opened(driver, aggregator)
        await driver.see("-50.00  cut at the maximum", "▓", "▒")


async def test_a_segment_opens_its_terms(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, aggregator)
        await driver.see("Terms: since")
        await driver.press("enter")
        await driver.see(
            "Terms of 11-01 – 11-30", "Base price", "EUR 2.5 a vCPU, up to the commit", "Prorated"
        )
        await driver.press("escape")
        await driver.see("Segments  1")


async def test_adjustments_stand_below_the_reading_they_correct(aggregator: Scripted) -> None:
    first = aggregator.script.buckets[0]
    async with driven(aggregator, size=(120, 40)) as driver:
        of = await opened(driver, aggregator, FINAL)
        assert of.bucket_id == first.id
        await driver.see("Adjustments of this period, and in it  1", "+1.25", "1 adjustment", "2 batches")
        await driver.press("tab", "enter")
        await driver.see("This reading is the one that it corrects.")


async def test_an_adjustment_leads_from_the_period_it_stands_in_to_the_one_it_corrects(
    aggregator: Scripted,
) -> None:
    async with driven(aggregator, size=(120, 40)) as driver:
        await opened(driver, aggregator, ENDED)
        await driver.see("Adjustments of this period, and in it  1")
        await driver.press("tab", "enter")
        await driver.see("Kestrel Health › vm vcpu › 2026-09-01 – 09-30")


async def test_a_reading_that_is_gone_says_so(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        of = await opened(driver, aggregator)
        aggregator.script.readings.remove(of)
        aggregator.tell("reading")
        await driver.see("! This reading is there no more")


async def test_what_could_not_be_refreshed_stays_and_says_so(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, aggregator)
        aggregator.script.failure = (grpc.StatusCode.INTERNAL, "no space left")
        await driver.press("r")
        await driver.see("✖ not refreshed: The aggregator could not do it: No space left.", "200.31")


async def test_the_bucket_is_one_key_away(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        of = await opened(driver, aggregator)
        await driver.see("Terms: since")
        await driver.press("v")
        await driver.see(f"Buckets › {of.client_name} › {of.bucket_name}")


async def test_only_a_final_reading_is_verified(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, aggregator, ENDED)
        await driver.press("V")
        await driver.see("Only final readings have evidence; this one is ended.")
    assert aggregator.asked(closing_pb2.VerifyRequest) == []


async def test_a_final_reading_is_verified_in_three_steps_and_remembers_it(aggregator: Scripted) -> None:
    async with driven(aggregator, size=(120, 40)) as driver:
        of = await opened(driver, aggregator, FINAL)
        await driver.see("kept; V verifies it")
        aggregator.script.streams["Verify"] = [estate_billing.verification(of)]
        await driver.press("V")
        await driver.see(
            "✔ 1 final reading: no step failed.", "✔ ok", "– not possible: raw readings are kept no more"
        )
        await driver.press("escape")
        await driver.see("✔ verified (2 of 3 steps)")
    asked = aggregator.asked(closing_pb2.VerifyRequest)
    assert [(one.bucket_id, one.client_id, one.first_day) for one in asked] == [
        (of.bucket_id, of.client_id, "2026-09-01")
    ]


async def test_a_step_that_failed_is_not_overlooked(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        of = await opened(driver, aggregator, FINAL)
        aggregator.script.streams["Verify"] = [estate_billing.verification(of, rating="failed")]
        await driver.press("V")
        await driver.see("✖ 1 of 1 final reading cannot be defended", "✖ failed: 250.00 is stored, 240.00")
        await driver.press("enter")
        await driver.see("Verified: vm vcpu", "y copies")


async def test_nothing_to_verify_and_a_broken_verification_say_so(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, aggregator, FINAL)
        aggregator.script.streams["Verify"] = []
        await driver.press("V")
        await driver.see("Nothing is final here")
        await driver.press("escape")
        await driver.see("Segments  1")
        aggregator.script.failure = (grpc.StatusCode.INTERNAL, "torn page")
        await driver.press("V")
        await driver.see("✖ Broke off after no final readings", "Torn page", "r tries again")


async def test_a_figure_is_explained_down_to_raw_readings_and_back(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        of = await opened(driver, aggregator, FINAL)
        await driver.press("i")
        await driver.see(
            "EUR 250.00, from its evidence",
            "1. 745 slots of 60 minutes",
            "Assets  2",
            "EUR 150.00",
            "› Explain",
        )
        await driver.press("enter")
        await driver.see("Slots  5", "held (as before)", "◀ decides", "mixed series, spread")
        await driver.press("j", "enter")
        await driver.see("Raw readings  3", "hv-01", "! Raw readings before 2026-08-01")
        await driver.press("enter")
        await driver.see("Raw reading, as its agent sent it", "17,179,869,185 steps of ram", "y copies")
        await driver.press("escape")
        for title in ("Slots  5", "Assets  2", "Segments  1"):
            await driver.press("escape")
            await driver.see(title)
    asked = aggregator.asked(closing_pb2.ExplainRequest)
    assert [(one.asset_id, one.HasField("slot")) for one in asked[:3]] == [(0, False), (1, False), (1, True)]
    assert {(one.bucket_id, one.first_day) for one in asked} == {(of.bucket_id, "2026-09-01")}
    assert to_time(asked[2].slot).hour == 23


async def test_what_is_not_final_is_explained_as_worked_out_now(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, aggregator)
        await driver.press("i")
        await driver.see("worked out now, not final", "~EUR 150.00")
        await driver.press("v")
        await driver.see("7. Cost: 200.31 used + 49.69 buffer", "y copies")


@pytest.mark.parametrize(
    ("downwards", "columns"),
    [
        (0, {"asset", "share", "gap"}),
        (1, {"start", "value", "decides"}),
        (2, {"ticked_at", "stored_at", "agent"}),
    ],
)
async def test_each_level_is_exported(
    aggregator: Scripted, tmp_path: Path, downwards: int, columns: set[str]
) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, aggregator)
        await driver.press("i")
        for title in ("Assets  2", "Slots  5", "Raw readings  3")[: downwards + 1]:
            await driver.see(title)
            if not title.startswith(("Assets  2", "Slots  5", "Raw")[downwards]):
                await driver.press("enter")
        await driver.press("e")
        await driver.see("Export ")
        driver.app.screen.query_one("#export-name").value = str(tmp_path / "level.csv")  # type: ignore[attr-defined]
        await driver.press("enter")
        await driver.until((tmp_path / "level.csv").exists, "the file")
    with (tmp_path / "level.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert columns <= set(rows[0])


async def test_sorting_and_filtering_a_level_asks_nobody(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, aggregator)
        await driver.press("i")
        await driver.see("Assets  2")
        asked = len(aggregator.asked(closing_pb2.ExplainRequest))
        await driver.press("s")
        await driver.see("by asset ▲")
        await driver.press("slash", *aggregator.script.assets[1].name, "enter")
        await driver.see("Assets  1")
        assert len(aggregator.asked(closing_pb2.ExplainRequest)) == asked


async def test_an_explanation_that_fails_says_why(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, aggregator)
        aggregator.script.failure = (grpc.StatusCode.FAILED_PRECONDITION, "the bucket has no terms any more")
        await driver.press("i")
        await driver.see("✖ The bucket has no terms any more.", "r tries again")


async def test_a_checklist_opens_from_anywhere(aggregator: Scripted) -> None:
    script = aggregator.script
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.who, "the connection")
        driver.app.post_message(OpenPeriod(estate_billing.period(script, script.clients[0], 1)))
        await driver.see("Brook & Sons › 2026-10-01 – 10-31 › Close", "Checklist  4")

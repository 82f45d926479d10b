"""Projections: what is shown of them, over and new, the calculation as a job, one with its record, what-if and export."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.estate_analysis import running
from tests.tui.scripted import Scripted
from tui.screens.projection import ProjectionScreen
from tui.widgets.list_table import ListTable
from ullage.v1 import admin_pb2, analysis_pb2, billing_pb2, insight_pb2, inventory_pb2


def items(driver: Driver) -> list[Any]:
    return driver.app.screen.query_one(ListTable).table.items


def line_with(driver: Driver, words: str) -> str:
    return next(line for line in driver.lines() if words in line)


@pytest.fixture
def few(aggregator: Scripted) -> Scripted:
    """Three buckets of one client: over and new, over as before, on track without a range; and one without a commit."""
    of = aggregator.script.clients[0]
    made = []
    for number, (name, percent) in enumerate(
        (("fresh", "112"), ("known", "130"), ("calm", "86.25"), ("free", "")), start=1
    ):
        bucket = builders.bucket(number, name, of, percent_of_commit=percent)
        if not percent:
            bucket.terms.commit = "0"
        made.append(bucket)
    aggregator.script.buckets = made
    aggregator.script.projections = [
        billing_pb2.Projection(
            bucket_id=one.id,
            bucket_name=one.name,
            client_id=of.id,
            client_name=of.name,
            symbol="GiB",
            period_start=aggregator.script.projections[0].period_start,
            period_end=aggregator.script.projections[0].period_end,
            current_quantity="80.125",
            projected_quantity=one.percent_of_commit or "50",
            currency="EUR",
            projected_cost="298.00",
            percent_of_commit=one.percent_of_commit,
            calculated_at=aggregator.script.projections[0].calculated_at,
            method="run-rate" if one.name == "calm" else "paths",
            low_quantity="" if one.name == "calm" else "81",
            high_quantity="" if one.name == "calm" else "131",
            low_cost="" if one.name == "calm" else "250.00",
            high_cost="" if one.name == "calm" else "360.00",
            track_record="" if one.name == "calm" else "4.2",
        )
        for one in made
    ]
    aggregator.script.dashboard.new_overages.append(insight_pb2.NewOverage(bucket_id=1))
    return aggregator


async def test_projections_stand_worst_first_with_range_cost_and_what_is_new(few: Scripted) -> None:
    async with driven(few, size=(120, 40)) as driver:
        await driver.press("7")
        await driver.see("Projections  4", "▲ new 112 %")
        assert [one.bucket_name for one in items(driver)] == ["known", "fresh", "calm", "free"]
        assert "▲ over 130 %" in line_with(driver, "known")
        assert "112 (81–131) GiB" in line_with(driver, "fresh")
        assert "EUR 298.00" in line_with(driver, "fresh")
        assert "± 4.2 %" in line_with(driver, "fresh")
        calm = line_with(driver, "calm")
        assert "on track 86 %" in calm
        assert "86.3 GiB" in calm
        assert "—" in line_with(driver, "free")
        assert "11 min ago" in calm


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
async def test_what_matters_is_on_a_narrow_terminal_too(few: Scripted, size: tuple[int, int]) -> None:
    async with driven(few, size=size) as driver:
        await driver.press("7")
        await driver.see("▲ new 112 %", "on track 86 %", "112 (81–131) GiB")


async def test_a_range_of_thousands_keeps_its_unit_on_a_narrow_terminal(few: Scripted) -> None:
    first = few.script.projections[0]
    first.projected_quantity, first.low_quantity, first.high_quantity = "5472.4", "5418.8", "6161.3"
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("5.47k (5.42–6.16k) GiB")


async def test_f_shows_only_what_is_over_and_esc_all_again(few: Scripted) -> None:
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("Projections  4")
        await driver.press("f")
        await driver.see("over their commit ×  2")
        await driver.press("escape")
        await driver.see("Projections  4")
        await driver.press("f")
        await driver.see("over their commit ×")
        await driver.press("f")
        await driver.see("Projections  4")
    assert [one.over for one in few.asked(billing_pb2.ListProjectionsRequest)] == [
        *(False, True, False),
        *(True, False),
    ]


async def test_search_and_order_are_asked_of_the_aggregator(few: Scripted) -> None:
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("Projections  4")
        await driver.press("s")
        await driver.see("by client ▲")
        await driver.press("slash", *"cal", "enter")
        await driver.see("filter: cal")
        await driver.until(lambda: len(items(driver)) == 1, "what matches")
    asked = few.asked(billing_pb2.ListProjectionsRequest)
    assert (asked[0].page.sort, asked[0].page.descending) == ("percent_of_commit", True)
    assert (asked[-1].page.sort, asked[-1].page.descending, asked[-1].search) == ("client_name", False, "cal")


async def test_without_projections_it_says_what_to_do(aggregator: Scripted) -> None:
    aggregator.script.projections = []
    async with driven(aggregator) as driver:
        await driver.press("7")
        await driver.see("No projections: no period is open", "R calculates them")
        await driver.press("w")
        await driver.see("There is nothing here to act on")


async def test_an_error_is_said_and_r_tries_again(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.see("412", "● live")
        aggregator.script.failure = (grpc.StatusCode.INTERNAL, "error 4711")
        await driver.press("7")
        await driver.see("Error 4711", "r tries again")
        aggregator.script.failure = None
        await driver.press("r")
        await driver.see("Projections  30")


# Calculating.


async def test_recalculating_is_a_job_with_progress_and_the_screen_stays_usable(few: Scripted) -> None:
    async def calculate(request: billing_pb2.RunProjectionRequest) -> billing_pb2.Run:
        few.script.answers["ListJobs"] = running(12, 48)
        await asyncio.wait_for(looked.wait(), 20)
        few.script.projections[0].percent_of_commit = "140"
        few.script.answers["ListJobs"] = finished
        return finished.jobs[0].last_run

    finished = admin_pb2.ListJobsReply(jobs=[builders.job("projection", "")])
    finished.jobs[0].last_run.counts.clear()
    finished.jobs[0].last_run.counts["projections"] = 4
    few.script.answers["RunProjection"] = calculate
    looked = asyncio.Event()
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("Projections  4")
        await driver.press("R")
        await driver.see("projection: 12 of 48")
        await driver.press("j", "j")
        assert driver.app.screen.query_one(ListTable).table.cursor_row == 2
        await driver.press("R")
        await driver.see("Projecting is running already")
        looked.set()
        await driver.see("✔ Projecting is done", "▲ new 140 %", "Projected: 4 projections.")
    assert len(few.asked(billing_pb2.RunProjectionRequest)) == 1


async def test_a_calculation_that_failed_says_why(few: Scripted) -> None:
    few.script.answers["RunProjection"] = billing_pb2.Run(
        id=9, job="projection", state="failed", error="the database is away"
    )
    timetable = admin_pb2.ListJobsReply(jobs=[builders.job("projection", "")])
    few.script.answers["ListJobs"] = lambda request: timetable
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("Projections  4")
        await driver.press("R")
        await driver.see("Projecting failed: The database is away.")


async def test_a_run_of_somebody_else_is_followed(few: Scripted) -> None:
    few.script.answers["ListJobs"] = running(3, 9)
    few.script.answers["GetRun"] = running(3, 9).jobs[0].last_run
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("▶ ", "projection: 3 of 9")
        few.script.answers["GetRun"] = builders.job("projection", "").last_run
        few.script.answers["ListJobs"] = admin_pb2.ListJobsReply(jobs=[builders.job("projection", "")])
        await driver.see("✔ Projecting is done")
    assert few.asked(billing_pb2.RunProjectionRequest) == []


async def test_a_skipped_run_waits_for_the_one_under_way(few: Scripted) -> None:
    def skipped(request: billing_pb2.RunProjectionRequest) -> billing_pb2.Run:
        few.script.answers["ListJobs"] = running(5, 6)
        few.script.answers["GetRun"] = running(5, 6).jobs[0].last_run
        return billing_pb2.Run(job="projection", state="skipped")

    few.script.answers["RunProjection"] = skipped
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("Projections  4")
        await driver.press("R")
        await driver.see("projection: 5 of 6")
        few.script.answers["GetRun"] = builders.job("projection", "").last_run
        few.script.answers["ListJobs"] = admin_pb2.ListJobsReply(jobs=[builders.job("projection", "")])
        await driver.see("✔ Projecting is done")


async def test_a_key_without_the_right_does_not_calculate_and_says_why(few: Scripted) -> None:
    few.script.methods = ("Billing/ListProjections", "Insight/GetDashboard", "Admin/WhoAmI")
    async with driven(few) as driver:
        await driver.press("7")
        await driver.until(lambda: driver.app.desk.identity, "who we are")
        await driver.see("Projections  4")
        await driver.press("R")
        await driver.see("has the role viewer, which may not do that")
        await driver.press("w")
    assert few.asked(billing_pb2.RunProjectionRequest) == []
    assert few.asked(analysis_pb2.WhatIfRequest) == []


# One of them.


async def test_a_projection_opens_with_words_chart_and_record(few: Scripted) -> None:
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("▲ new 112 %")
        await driver.press("j", "enter")
        await driver.see(
            "Projections › Brook & Sons › fresh", "▲ over at the end of the period: ends at 112 %"
        )
        await driver.see("commit 100 GiB", "81 – 131 GiB", "EUR 250.00 – 360.00", "half were within 4.2 %")
        await driver.see(
            "8 of 10 draws end in the range", "median error 3.5 %", "2026-10-01", "+3.5 %", "68 % passed"
        )
        await driver.press("escape")
        await driver.see("Projections  4")


async def test_a_projection_without_range_commit_or_record_says_so(few: Scripted) -> None:
    few.script.answers["GetTrackRecord"] = analysis_pb2.TrackRecord()
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("Projections  4")
        await driver.press("j", "j", "enter")
        await driver.see("on track: ends at 86 %", "a range needs 14 days of history", "not known")
        await driver.see("No record yet", "none yet")
        await driver.press("escape", "j", "enter")
        await driver.see("no commit: nothing to be over")


async def test_a_projection_of_a_sum_says_from_when_it_is_over(few: Scripted) -> None:
    few.script.buckets[0].terms.aggregation = "sum"
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("▲ new 112 %")
        await driver.press("j", "enter")
        await driver.see("▲ over from about 27 Nov: ends at 112 %")


async def test_a_projection_follows_the_news_and_says_when_its_period_has_ended(few: Scripted) -> None:
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("▲ new 112 %")
        await driver.press("j", "enter")
        await driver.see("ends at 112 %")
        few.script.projections[0].percent_of_commit = "119"
        few.tell("projection")
        await driver.see("ends at 119 %")
        del few.script.projections[0]
        few.tell("projection")
        await driver.see("This period has ended")


async def test_a_record_that_does_not_come_is_said(few: Scripted) -> None:
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("▲ new 112 %")
        few.script.failure = (grpc.StatusCode.INTERNAL, "error 4712")
        await driver.press("enter")
        await driver.see("Error 4712", "Projections › Brook & Sons › known")


@pytest.mark.parametrize("record", [True, False])
async def test_enter_leads_from_a_projection_to_its_bucket(few: Scripted, record: bool) -> None:
    if not record:
        few.script.answers["GetTrackRecord"] = analysis_pb2.TrackRecord()
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("▲ new 112 %")
        await driver.press("enter")
        await driver.see("median error 3.5 %" if record else "No record yet", "avg of ram")
        await driver.press("enter")
        await driver.see("Buckets › Brook & Sons › known")
        await driver.press("escape")
        await driver.until(lambda: isinstance(driver.app.screen, ProjectionScreen), "the projection")


async def test_w_asks_what_if_of_the_bucket_from_list_and_projection(few: Scripted) -> None:
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("▲ new 112 %")
        await driver.press("w")
        await driver.see("What-if › Brook & Sons › known")
        await driver.press("escape", "enter")
        await driver.see("avg of ram")
        await driver.press("w")
        await driver.see("What-if › Brook & Sons › known")
        await driver.press(*"80")
        await driver.until(lambda: few.asked(analysis_pb2.WhatIfRequest), "the question")
    asked = few.asked(analysis_pb2.WhatIfRequest)[-1]
    assert (asked.bucket_id, asked.client_id) == (2, 0)


async def test_the_list_and_the_record_are_exported_with_the_columns_of_the_commands(
    few: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with driven(few) as driver:
        await driver.press("7")
        await driver.see("▲ new 112 %")
        await driver.press("f")
        await driver.see("over their commit ×")
        await driver.press("e", "enter")
        await driver.see("2 rows in")
        await driver.press("enter")
        await driver.see("median error 3.5 %")
        await driver.press("e", "enter")
        await driver.until(lambda: len(list(tmp_path.glob("*.csv"))) == 2, "the second file")
    listed, record = sorted(tmp_path.glob("*.csv"))
    assert listed.read_text("utf-8").splitlines()[0].startswith("client_id,client,bucket_id,bucket,unit_type")
    assert len(listed.read_text("utf-8").splitlines()) == 3
    assert record.read_text("utf-8").splitlines()[0] == (
        "period_start,share,projected,became,percent_error,within_range"
    )
    assert len(record.read_text("utf-8").splitlines()) == 7


async def test_hostile_names_are_text(few: Scripted) -> None:
    for one, name in zip(few.script.projections, builders.HOSTILE[4:], strict=False):
        one.client_name = one.bucket_name = one.symbol = one.method = name
    async with driven(few, size=(120, 40)) as driver:
        await driver.press("7")
        await driver.see("Projections  4", "[/x] [red]")
        for _ in few.script.projections:
            await driver.press("enter")
            await driver.see("Track record")
            await driver.press("escape", "j")
        assert driver.app.is_running
    assert few.asked(inventory_pb2.GetBucketRequest)

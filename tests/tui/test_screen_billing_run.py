"""Running billing from its screen: asked first, followed while everything else stays usable, its end readable."""

import grpc

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.scripted import Scripted
from tui.widgets.run_line import counts_words
from ullage.v1 import admin_pb2, billing_pb2, closing_pb2
from ullage.wire import from_time


def run(state: str, **more: object) -> billing_pb2.Run:
    """The eighth run of billing, a quarter through."""
    message = billing_pb2.Run(
        id=8,
        job="billing",
        state=state,
        started_at=from_time(builders.ago(minutes=1)),
        counts={"pairs": 12},
        done=12,
        total=48,
    )
    if state != "running":
        message.ended_at.CopyFrom(from_time(builders.NOW))  # type: ignore[arg-type]
    message.MergeFrom(billing_pb2.Run(**more))  # type: ignore[arg-type]
    return message


def jobs(last: billing_pb2.Run) -> list[admin_pb2.Job]:
    """A timetable with billing alone."""
    return [admin_pb2.Job(name="billing", last_run=last)]


async def opened(driver: Driver) -> None:
    await driver.press("6")
    await driver.see("Periods  12")


def test_one_of_a_kind_is_counted_as_one() -> None:
    assert counts_words({"readings": 1, "pairs": 3, "changed": 0}) == "3 pairs, 1 reading"


async def test_the_line_says_when_billing_ran_last_and_what_it_did(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("✔ Billing is done, 11 min ago at 08:54:12 UTC: 3 pairs, 24 readings")


async def test_a_run_is_asked_for_and_rates_what_changed(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("R")
        await driver.see("Run billing", "only what changed", "an ended period becomes final")
        await driver.press("escape")
        assert aggregator.asked(billing_pb2.RunBillingRequest) == []
        await driver.press("R")
        await driver.see("Everything again takes longer")
        await driver.press("enter")
        await driver.see("Billing is done: 3 pairs, 24 readings.")
    assert [one.all for one in aggregator.asked(billing_pb2.RunBillingRequest)] == [False]


async def test_everything_can_be_rated_again(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("R")
        await driver.see("only what changed", "Everything again takes longer")
        await driver.press("right")
        await driver.see("everything again")
        await driver.press("ctrl+s")
        await driver.until(lambda: aggregator.asked(billing_pb2.RunBillingRequest), "the call")
    assert [one.all for one in aggregator.asked(billing_pb2.RunBillingRequest)] == [True]


async def test_a_run_tells_how_far_it_is_while_the_screen_stays_usable(aggregator: Scripted) -> None:
    script = aggregator.script
    script.run_seconds = 2.5
    script.jobs = jobs(run("done"))
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("R")
        await driver.see("Everything again takes longer")
        await driver.press("enter")
        await driver.until(lambda: aggregator.asked(billing_pb2.RunBillingRequest), "the call")
        script.jobs = jobs(run("running", seconds_left=125))
        await driver.see("██░░░░░░░░ billing: 12 of 48, pairs 12; about 2 min left")
        await driver.press("j")
        await driver.see("Readings  Ahlers Logistik")
        await driver.press("R")
        await driver.see("Billing is running already: the line at the top follows it.")
        script.jobs = jobs(run("done"))
        await driver.see("Billing is done: 3 pairs, 24 readings.", "✔ Billing is done")
    assert len(aggregator.asked(billing_pb2.RunBillingRequest)) == 1


async def test_a_run_that_somebody_else_started_is_followed(aggregator: Scripted) -> None:
    script = aggregator.script
    script.jobs = jobs(run("running"))
    script.answers["GetRun"] = run("running")
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("billing: 12 of 48, pairs 12 (started elsewhere)")
        await driver.press("R")
        await driver.see("Billing is running already")
        script.answers["GetRun"] = run("done")
        script.jobs = jobs(run("done"))
        await driver.see("✔ Billing is done, now at 09:05:12 UTC: 12 pairs")
    assert {one.id for one in aggregator.asked(closing_pb2.GetRunRequest)} == {8}
    assert aggregator.asked(billing_pb2.RunBillingRequest) == []


async def test_a_run_under_way_by_the_time_of_the_answer_is_followed(aggregator: Scripted) -> None:
    script = aggregator.script
    script.run_state = "skipped"
    script.answers["GetRun"] = run("done")
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("✔ Billing is done")
        await driver.press("R")
        await driver.see("Everything again takes longer")
        script.jobs = jobs(run("done", counts={"pairs": 77}))
        await driver.press("enter")
        await driver.see("Another run was under way", "77 pairs")


async def test_a_run_that_failed_says_why_and_stays_readable(aggregator: Scripted) -> None:
    aggregator.script.jobs = jobs(run("failed", error="the disk is full"))
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("✖ Billing failed, now at 09:05:12 UTC: The disk is full.")
        await driver.press("j")
        await driver.see("Readings  Ahlers Logistik", "✖ Billing failed")


async def test_a_call_that_is_refused_says_so_in_the_line(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.press("R")
        await driver.see("Everything again takes longer")
        aggregator.script.failure = (grpc.StatusCode.FAILED_PRECONDITION, "the database is read-only")
        await driver.press("enter")
        await driver.see("✖ The database is read-only.")


async def test_news_of_the_job_reach_the_line(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("24 readings")
        aggregator.script.jobs = jobs(run("done", counts={"pairs": 99}))
        aggregator.tell("job")
        await driver.see("99 pairs")


async def test_billing_that_never_ran_says_what_to_do(aggregator: Scripted) -> None:
    aggregator.script.jobs = [admin_pb2.Job(name="billing")]
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Billing has not run yet; R runs it.")

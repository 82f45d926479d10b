"""How periods become final on the command line: what is asked, what is shown, and what nobody may do by accident."""

import asyncio
import signal
from pathlib import Path

import grpc
import pytest

from tests.tui import builders
from tests.tui.commands import Command, finish, start
from tests.tui.scripted import Scripted
from ullage.v1 import admin_pb2, billing_pb2, closing_pb2, types_pb2
from ullage.wire import from_time

ESCAPE = "\x1b[2Jacme"


def period(month: int, **more: object) -> closing_pb2.Period:
    """An ended period of Quill Press with two open items."""
    message = closing_pb2.Period(
        client_id=12,
        client_name="Quill Press",
        start=from_time(builders.MONTH_START),
        end=from_time(builders.MONTH_END),
        first_day=f"2026-{month:02d}-01",
        last_day=f"2026-{month:02d}-28",
        state=billing_pb2.PERIOD_STATE_ENDED,
        buckets=3,
        total=types_pb2.Money(currency="EUR", amount="750.00"),
        open_items=2,
        closes_at=from_time(builders.NOW),
        overdue=True,
    )
    message.MergeFrom(closing_pb2.Period(**more))  # type: ignore[arg-type]
    return message


ITEMS = [
    closing_pb2.CheckItem(
        kind="agent-silent", subject="agent:12", text=f"{ESCAPE} is silent", open=True, can_acknowledge=True
    ),
    closing_pb2.CheckItem(
        kind="coverage",
        subject="bucket:7",
        text="80 % is known",
        can_acknowledge=True,
        acknowledged_by="ops",
        acknowledged_at=from_time(builders.NOW),
        reason="host was sold",
    ),
]


@pytest.fixture(autouse=True)
def closing(aggregator: Scripted) -> None:
    """Three periods, a checklist with an open item, and a dry run that would finalise."""
    aggregator.script.answers.update(
        ListPeriods=closing_pb2.ListPeriodsReply(
            periods=[
                period(11, state=billing_pb2.PERIOD_STATE_OPEN),
                period(10),
                period(9, state=billing_pb2.PERIOD_STATE_FINALISED),
            ]
        ),
        GetChecklist=closing_pb2.Checklist(period=period(10), items=ITEMS),
        AcknowledgeItems=closing_pb2.Checklist(period=period(10), items=ITEMS, ready=True),
        Finalise=closing_pb2.FinaliseReply(
            period=period(10),
            readings=3,
            adjustments=1,
            total=types_pb2.Money(currency="EUR", amount="755.00"),
        ),
    )


async def test_status_lists_periods_and_asks_with_its_filters(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage(
        *("billing", "status", "--client", "quill press", "--state", "ended", "--overdue", "--format", "json")
    )
    assert [(row["first_day"], row["state"], row["open_items"]) for row in done.json] == [
        ("2026-11-01", "open", None),
        ("2026-10-01", "ended", 2),
        ("2026-09-01", "finalised", 2),
    ]
    assert (done.json[1]["total"], done.json[1]["overdue"]) == ("750.00", True)
    asked = aggregator.asked(closing_pb2.ListPeriodsRequest)[0]
    assert (asked.client_id, asked.state, asked.overdue) == (12, billing_pb2.PERIOD_STATE_ENDED, True)
    await ullage(
        *("billing", "status", "--month", "2026-10", "--search", "QUILL", "--sort", "total", "--descending")
    )
    asked = aggregator.asked(closing_pb2.ListPeriodsRequest)[-1]
    assert (asked.month, asked.search, asked.page.sort, asked.page.descending) == (
        "2026-10",
        "QUILL",
        "total",
        True,
    )
    table, as_csv = await asyncio.gather(
        *(ullage("billing", "status", "--format", form) for form in ("table", "csv"))
    )
    assert (table.out.count("Quill Press"), len(as_csv.csv)) == (3, 3)


async def test_close_shows_what_is_open_and_says_what_to_do(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage("billing", "close", "Quill Press", "--day", "2026-10-13")
    assert (done.code, "agent-silent agent:12" in done.out, "\x1b" in done.out) == (0, True, False)
    assert "Quill Press, 2026-10-01 to 2026-10-28: 1 item open." in done.err
    assert "ullage billing acknowledge 12 --day 2026-10-01 --item" in done.err
    assert "finalised by itself after 2026-11-21 09:05 UTC" in done.err
    assert aggregator.asked(closing_pb2.GetChecklistRequest)[0].first_day == "2026-10-01"
    as_json = (await ullage("billing", "close", "12", "--format", "json")).json
    assert [item["state"] for item in as_json["items"]] == ["open", "acknowledged"]
    assert (as_json["ready"], as_json["period"]["total"]) == (False, "750.00")
    assert aggregator.asked(closing_pb2.GetChecklistRequest)[1].first_day == ""


async def test_a_day_of_no_period_is_refused_before_anything_is_asked_of_it(
    ullage: Command, aggregator: Scripted
) -> None:
    done = await ullage("billing", "close", "12", "--day", "2020-01-01")
    assert (done.code, done.out) == (1, "")
    assert "No period of that client holds 2020-01-01" in done.err
    assert aggregator.asked(closing_pb2.GetChecklistRequest) == []


async def test_items_are_acknowledged_with_their_reason(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage(
        *("billing", "acknowledge", "12", "--item", "agent-silent agent:12", "--reason", "sold")
    )
    assert (done.code, "ullage billing finalise 12 --day 2026-10-01" in done.err) == (0, True)
    taken = await ullage("billing", "acknowledge", "12", "--all", "--withdraw")
    assert taken.code == 0
    first, second = aggregator.asked(closing_pb2.AcknowledgeItemsRequest)
    assert (list(first.items), first.reason, first.withdraw) == (["agent-silent agent:12"], "sold", False)
    assert (list(second.items), second.withdraw) == ([], True)


@pytest.mark.parametrize(
    "arguments",
    [
        "billing acknowledge 12",
        "billing acknowledge 12 --all",
        "billing acknowledge 12 --all --item x --reason y",
        "billing close 12 --day october",
        "billing verify --day 2026-10-01",
        "billing explain 1 --slot 2026-10-01",
        "billing explain 1 --asset 1 --slot 2026-10-01T00:00",
        "billing status --state closed",
        "billing export out --format pdf",
        "what-if --commit 80",
        "what-if --all",
        "what-if --all --client 1 --commit 80",
        "what-if --all --commit 80 --commit-percent 10",
        "what-if --all --commit-percent -101",
        "over-under list --month 2026-13",
        "over-under trend --months 37",
        "right-size list --readings 2",
    ],
)
async def test_wrong_usage_is_two_and_asks_nobody(
    ullage: Command, aggregator: Scripted, arguments: str
) -> None:
    done = await ullage(*arguments.split())
    assert (done.code, done.out) == (2, "")
    assert aggregator.requests == []


async def test_nothing_is_finalised_without_a_word(ullage: Command, aggregator: Scripted) -> None:
    refused = await ullage("billing", "finalise", "Quill Press")
    assert (refused.code, "repeat with --yes" in refused.err) == (2, True)
    assert aggregator.requests == []
    dry = await ullage("billing", "finalise", "12", "--dry-run", "--format", "json")
    assert (dry.json["dry_run"], dry.json["readings"], dry.json["total"]) == (True, 3, "755.00")
    assert "Nothing was done" in dry.err
    done = await ullage("billing", "finalise", "12", "--day", "2026-10-28", "--yes")
    assert (done.code, "2026-10-01 to 2026-10-28 of Quill Press is final." in done.err) == (0, True)
    asked = aggregator.asked(closing_pb2.FinaliseRequest)
    assert [(one.client_id, one.first_day, one.dry_run) for one in asked] == [
        (12, "", True),
        (12, "2026-10-01", False),
    ]


async def test_a_refusal_to_finalise_names_what_is_open(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.failure = (grpc.StatusCode.FAILED_PRECONDITION, "open: agent-silent agent:12")
    done = await ullage("billing", "finalise", "12", "--yes")
    assert (done.code, done.err) == (1, "ullage: Open: agent-silent agent:12.\n")


def running(seconds_left: int | None) -> admin_pb2.ListJobsReply:
    """Billing is a quarter through."""
    run = billing_pb2.Run(id=8, job="billing", state="running", counts={"pairs": 12}, done=12, total=48)
    if seconds_left is not None:
        run.seconds_left = seconds_left
    return admin_pb2.ListJobsReply(jobs=[admin_pb2.Job(name="billing", last_run=run)])


@pytest.mark.parametrize("words", [("billing", "run"), ("jobs", "run", "billing")])
async def test_a_run_says_how_far_it_is(
    ullage: Command, aggregator: Scripted, words: tuple[str, ...]
) -> None:
    aggregator.script.run_seconds = 1.3
    aggregator.script.jobs = list(running(125).jobs)
    done = await ullage(*words, "--format", "json")
    assert (done.code, done.json[0]["state"]) == (0, "done")
    assert done.err == "billing: 12 of 48, pairs 12; about 2 min left\n"


async def test_jobs_that_run_now_are_said(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.jobs = list(running(None).jobs)
    done = await ullage("jobs", "list", "--format", "json")
    assert (done.json[0]["last_done"], done.json[0]["last_total"], done.json[0]["seconds_left"]) == (
        12,
        48,
        None,
    )
    assert done.err == "Runs now: billing: 12 of 48, pairs 12.\n"


async def test_a_failed_run_says_why(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.answers["RunBilling"] = billing_pb2.Run()
    aggregator.script.run_state = "failed"
    done = await ullage("billing", "run")
    assert (done.code, "The run 7 failed." in done.err) == (1, True)


async def test_ctrl_c_leaves_the_run_going_and_says_so(aggregator: Scripted, tmp_path: Path) -> None:
    aggregator.script.run_seconds = 20.0
    process = await start("billing", "run", environment=aggregator.environment(tmp_path))
    await aggregator.called.wait()
    process.send_signal(signal.SIGINT)
    done = await finish(process)
    assert (done.code, done.out) == (130, "")
    assert "The run goes on in the aggregator; `ullage jobs list` says how far billing is." in done.err


async def test_a_run_whose_connection_is_lost_may_go_on(aggregator: Scripted, tmp_path: Path) -> None:
    aggregator.script.run_seconds = 20.0
    process = await start("billing", "run", environment=aggregator.environment(tmp_path))
    await aggregator.called.wait()
    await aggregator.stop()
    done = await finish(process)
    assert (done.code, "If the run had begun it goes on" in done.err) == (3, True)

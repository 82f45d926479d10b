"""The commands that change something: what they ask of the aggregator, and what they say of it."""

import asyncio

import pytest

from tests.tui.commands import Command
from tests.tui.scripted import Scripted
from ullage.v1 import asset_acts_pb2, billing_pb2, inventory_pb2


async def test_a_client_is_created_and_comes_back_as_a_row(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage(
        "clients", "create", "Café Nord", "--currency", "eur", "--anchor", "2026-01-31", "--format", "json"
    )
    assert (done.code, done.json[0]["name"]) == (0, "Café Nord")
    asked = aggregator.asked(inventory_pb2.CreateClientRequest)[0]
    assert (asked.currency, asked.cycle_unit, asked.cycle_count) == ("EUR", "month", 1)
    assert (asked.cycle_anchor, asked.time_zone) == ("2026-01-31", "UTC")


async def test_a_bucket_is_created_with_terms_and_filters(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage(
        *[
            "buckets",
            "create",
            "mem",
            "--client",
            "1",
            "--source",
            "vm",
            "--unit",
            "ram",
            "--aggregation",
            "avg",
        ],
        *["--commit", "64", "--base", "2.5000000001", "--overage", "4", "--starts-on", "2026-01-01"],
        *(
            "--filter",
            "name glob 'web and *' and label:env equals prod",
            "--filter",
            "address cidr 10.0.0.0/8",
        ),
    )
    assert done.code == 0
    asked = aggregator.asked(inventory_pb2.CreateBucketRequest)[0]
    assert (asked.terms.commit, asked.terms.base_price, asked.terms.aggregation) == (
        "64",
        "2.5000000001",
        "avg",
    )
    assert [[c.pattern for c in one.conditions] for one in asked.filters] == [
        ["web and *", "prod"],
        ["10.0.0.0/8"],
    ]


async def test_a_rule_is_created_for_a_client_named(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage(
        "assignment-rules",
        "create",
        "--client",
        "Quill Press",
        "--priority",
        "-3",
        "--filter",
        "name regex ^q",
    )
    assert done.code == 0
    asked = aggregator.asked(inventory_pb2.CreateAssignmentRuleRequest)[0]
    assert (asked.client_id, asked.priority, asked.filter.conditions[0].pattern) == (12, -3, "^q")


async def test_assets_are_assigned_and_let_go(ullage: Command, aggregator: Scripted) -> None:
    given = await ullage("assets", "assign", "8", "16", "--to", "2")
    assert (given.code, given.err) == (0, "2 of 2 assets changed.\n")
    ended = await ullage("assets", "assign", "8", "--end")
    assert ended.err == "1 of 1 asset changed.\n"
    assert aggregator.script.assets[7].client_id == 0


@pytest.mark.parametrize(("state", "code"), [("done", 0), ("skipped", 0), ("failed", 1)])
async def test_a_run_that_failed_is_a_failure(
    ullage: Command, aggregator: Scripted, state: str, code: int
) -> None:
    aggregator.script.run_state = state
    job, billing = await asyncio.gather(
        ullage("jobs", "run", "rollup", "--format", "json"), ullage("billing", "run", "--all")
    )
    assert (job.code, billing.code) == (code, code)
    assert job.json[0]["state"] == state
    assert aggregator.asked(billing_pb2.RunBillingRequest)[0].all


async def test_a_job_that_is_not_there_is_refused(ullage: Command) -> None:
    done = await ullage("jobs", "run", "nonsense")
    assert (done.code, done.out) == (1, "")
    assert "there is no job nonsense" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("assets", "show", "9" * 20),
        ("audit", "undo", "9" * 20),
        ("clients", "edit", "1", "--close-after", "99999999999"),
        ("assignment-rules", "edit", "1", "--priority", "-99999999999"),
    ],
)
async def test_a_number_that_no_message_can_carry_is_a_wrong_value(
    ullage: Command, arguments: tuple[str, ...]
) -> None:
    done = await ullage(*arguments)
    assert done.code == 2
    assert "is too large" in done.err


async def test_a_name_of_many_digits_is_no_id(ullage: Command) -> None:
    done = await ullage("clients", "show", "9" * 20)
    assert (done.code, "There is no client" in done.err) == (1, True)


async def test_a_rule_is_tried_before_it_is_made(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage(
        *("assignment-rules", "create", "--client", "Quill Press", "--filter", "name glob q-*", "--dry-run")
    )
    assert done.code == 0
    assert aggregator.asked(inventory_pb2.CreateAssignmentRuleRequest)[0].dry_run
    assert "Nothing was done: this was a dry run." in done.err


async def test_a_merge_promises_no_way_back(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.answers["MergeAssets"] = asset_acts_pb2.ActReply(changed=1, audit_group=5)
    done = await ullage("assets", "merge", "212", "--into", "17", "--yes")
    assert done.code == 0
    assert "audit undo" not in done.err
    assert "audit show" in done.err

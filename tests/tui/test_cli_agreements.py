"""``ullage clients``, ``buckets``, ``unit-types`` and ``assignment-rules``: what is agreed, and how it is changed."""

import pytest

from tests.tui.commands import Command
from tests.tui.scripted import Scripted
from ullage.v1 import (
    agreements_pb2,
    asset_acts_pb2,
    client_acts_pb2,
    inventory_pb2,
    types_pb2,
    unit_types_pb2,
)

PREVIEW = types_pb2.Preview(
    assets=4, series=4, money=[types_pb2.Money(currency="EUR", amount="10.00")], notes=["cut to the hour"]
)


async def test_a_client_is_shown_by_its_name(ullage: Command) -> None:
    as_json = await ullage("clients", "show", "brook & sons", "--format", "json")
    assert (as_json.json["id"], as_json.json["close_after_days"]) == (1, None)
    as_table = await ullage("clients", "show", "1")
    assert "Europe/Berlin" in as_table.out
    assert (await ullage("clients", "show", "1", "--format", "csv")).csv[0]["name"] == "Brook & Sons"


async def test_only_what_is_given_of_a_client_is_changed(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.answers["UpdateClient"] = inventory_pb2.UpdateClientReply(
        client=aggregator.script.clients[0], preview=PREVIEW
    )
    done = await ullage("clients", "edit", "1", "--contact", "", "--currency", "usd", "--format", "json")
    assert (done.code, done.json[0]["id"]) == (0, 1)
    assert (
        done.err == "About EUR 10.00 more will be billed for time that is not finalised.\nCut to the hour.\n"
    )
    [asked] = aggregator.asked(client_acts_pb2.UpdateClientRequest)
    assert (asked.HasField("contact"), asked.HasField("name"), asked.currency) == (True, False, "USD")
    dry = await ullage("clients", "edit", "1", "--wait", "--dry-run")
    assert "About EUR 10.00 more would be billed" in dry.out
    assert aggregator.asked(client_acts_pb2.UpdateClientRequest)[1].dry_run


@pytest.mark.parametrize(("verb", "enabled"), [("enable", True), ("disable", False)])
async def test_a_client_is_switched_at_a_midnight(
    ullage: Command, aggregator: Scripted, verb: str, enabled: bool
) -> None:
    done = await ullage("clients", verb, "Quill Press", "--on", "2026-12-01")
    assert done.code == 0
    [asked] = aggregator.asked(client_acts_pb2.SetClientEnabledRequest)
    assert (asked.id, asked.enabled, asked.on) == (12, enabled, "2026-12-01")


async def test_nobody_is_erased_by_mistake(ullage: Command, aggregator: Scripted) -> None:
    refused = await ullage("clients", "erase", "12", "--name", "Quill Press")
    assert (refused.code, aggregator.requests) == (2, [])
    done = await ullage("clients", "erase", "12", "--name", "Quill Press", "--yes")
    assert done.code == 0
    [asked] = aggregator.asked(client_acts_pb2.EraseClientRequest)
    assert (asked.id, asked.name) == (12, "Quill Press")


async def test_a_bucket_can_have_everything_that_terms_can_say(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.preview = PREVIEW
    done = await ullage(
        *("buckets", "create", "mem", "--client", "1", "--source", "vm", "--unit", "ram"),
        *("--aggregation", "p99.9", "--base", "2", "--overage", "4", "--starts-on", "2026-01-01"),
        *("--ends-on", "2027-01-01", "--package", "10", "--minimum", "50", "--maximum", "900"),
        *("--tier", "0:4", "--tier", "100:3.5", "--gap", "hold 6", "--prorate", "--dry-run"),
    )
    assert "4 assets" in done.out
    terms = aggregator.asked(inventory_pb2.CreateBucketRequest)[0].terms
    assert (terms.aggregation, terms.ends_on, terms.gap_rule) == ("p99.9", "2027-01-01", "hold 6")
    assert (terms.package, terms.minimum, terms.maximum, terms.prorate) == ("10", "50", "900", True)
    assert [(tier.above, tier.price) for tier in terms.tiers] == [("0", "4"), ("100", "3.5")]


async def test_a_bucket_is_shown_with_its_terms(ullage: Command, aggregator: Scripted) -> None:
    bucket = aggregator.script.buckets[0]
    as_table = await ullage("buckets", "show", f"{bucket.client_name}/{bucket.name}")
    assert "2026-01-01" in as_table.out
    as_json = await ullage("buckets", "show", "1", "--format", "json")
    assert as_json.json["all_terms"][0]["commit"] == "60"
    listed = await ullage("buckets", "terms", "list", "1", "--format", "csv")
    assert listed.csv[0]["overage_price"] == "4.5"


async def test_terms_keep_what_is_not_given(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage("buckets", "terms", "set", "1", "--starts-on", "2027-01-01", "--commit", "80")
    assert done.code == 0
    terms = aggregator.asked(agreements_pb2.SetTermsRequest)[0].terms
    assert (terms.starts_on, terms.commit, terms.base_price, terms.aggregation) == (
        "2027-01-01",
        "80",
        "2.25",
        "p95",
    )


async def test_the_first_terms_must_be_whole(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage("buckets", "terms", "set", "1", "--starts-on", "2020-01-01", "--base", "80")
    assert (done.code, done.out) == (1, "")
    assert "give --overage, --aggregation" in done.err
    assert aggregator.asked(agreements_pb2.SetTermsRequest) == []


async def test_terms_are_deleted_by_their_first_day(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage("buckets", "terms", "delete", "1", "--starts-on", "2027-01-01", "--dry-run")
    assert done.code == 0
    [asked] = aggregator.asked(agreements_pb2.DeleteTermsRequest)
    assert (asked.bucket_id, asked.starts_on, asked.dry_run) == (1, "2027-01-01", True)


async def test_filters_of_a_bucket_are_replaced_only_when_given(
    ullage: Command, aggregator: Scripted
) -> None:
    for options in (("--name", "x"), ("--filter", "name glob web-*"), ("--no-filter",)):
        assert (await ullage("buckets", "edit", "1", *options)).code == 0
    asked = aggregator.asked(agreements_pb2.UpdateBucketRequest)
    assert [(one.set_filters, len(one.filters)) for one in asked] == [(False, 0), (True, 1), (True, 0)]
    assert (asked[0].name, asked[1].HasField("name")) == ("x", False)


async def test_buckets_are_reviewed_and_switched_many_at_a_time(
    ullage: Command, aggregator: Scripted
) -> None:
    answers = aggregator.script.answers
    answers["ReviewBuckets"] = answers["SetBucketsEnabled"] = asset_acts_pb2.ActReply(
        changed=2, audit_group=8
    )
    reviewed = await ullage("buckets", "review", "1", "2")
    assert reviewed.err == "2 of 2 buckets changed.\nWhat it was before: ullage audit show 8\n"
    assert (await ullage("buckets", "disable", "1", "2", "--on", "2026-12-01")).code == 0
    assert (await ullage("buckets", "enable", "1")).code == 0
    off, on = aggregator.asked(agreements_pb2.SetBucketsEnabledRequest)
    assert (list(off.ids), off.enabled, off.on, on.enabled) == ([1, 2], False, "2026-12-01", True)


async def test_a_unit_type_is_made_shown_and_edited(ullage: Command, aggregator: Scripted) -> None:
    answers = aggregator.script.answers
    answers["CreateUnitType"] = aggregator.script.unit_types[0]
    made = await ullage(
        *("unit-types", "create", "gpu", "--symbol", "GiB", "--description", "GPU memory", "--kind", "level"),
        *("--slot", "5", "--gap-hold", "0", "--format", "json"),
    )
    assert made.code == 0
    [asked] = aggregator.asked(unit_types_pb2.CreateUnitTypeRequest)
    assert (asked.slot_minutes, asked.HasField("gap_hold"), asked.level_value) == (5, True, "mean")
    answers["UpdateUnitType"] = inventory_pb2.UpdateUnitTypeReply(
        unit_type=aggregator.script.unit_types[0], preview=PREVIEW
    )
    edited = await ullage("unit-types", "edit", "ram", "--level-value", "high", "--dry-run")
    assert "4 assets" in edited.out
    shown = await ullage("unit-types", "show", "ram", "--format", "json")
    assert shown.json["divisor"] == 1 << 30
    missing = await ullage("unit-types", "show", "parsec")
    assert (missing.code, "unit-types list" in missing.err) == (1, True)


TEMPLATE = unit_types_pb2.Template(
    id=4,
    source_type="vm",
    aggregation="avg",
    commit="0",
    prices=[unit_types_pb2.TemplatePrice(currency="EUR", base_price="2.5", overage_price="4")],
    enabled=True,
)


async def test_templates_are_made_changed_in_part_and_deleted(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.unit_types[0].templates.append(TEMPLATE)
    listed = await ullage("unit-types", "template", "list", "--format", "json")
    assert (listed.json[0]["unit_type"], listed.json[0]["prices"][0]["base"]) == ("ram", "2.75")
    made = await ullage(
        *("unit-types", "template", "create", "ram", "--source", "vm", "--aggregation", "max"),
        *("--price", "eur:1:2", "--price", "USD:1.1:2.2", "--filter", "label:env equals prod", "--dry-run"),
    )
    assert made.code == 0
    created = aggregator.asked(unit_types_pb2.CreateTemplateRequest)[0]
    assert [price.currency for price in created.template.prices] == ["EUR", "USD"]
    edited = await ullage("unit-types", "template", "edit", "4", "--commit", "10", "--disable")
    assert edited.code == 0
    changed = aggregator.asked(unit_types_pb2.UpdateTemplateRequest)[0].template
    assert (changed.id, changed.commit, changed.enabled, changed.aggregation) == (4, "10", False, "avg")
    assert changed.prices[0].base_price == "2.5"
    assert (await ullage("unit-types", "template", "edit", "5", "--disable")).code == 1
    assert (await ullage("unit-types", "template", "delete", "4")).code == 2
    assert (await ullage("unit-types", "template", "delete", "4", "--yes")).code == 0
    assert aggregator.asked(unit_types_pb2.DeleteTemplateRequest)[0].id == 4


async def test_provisioning_says_what_it_did_not_guess(ullage: Command, aggregator: Scripted) -> None:
    problem = unit_types_pb2.ProvisioningProblem(
        client_id=1, client_name="Brook", source_type="vm", unit_type="ram", reason="no-price", assets=3
    )
    aggregator.script.answers["Provision"] = unit_types_pb2.ProvisionReply(
        created=2, preview=PREVIEW, problems=[problem]
    )
    dry = await ullage("unit-types", "provision", "--client", "brook & sons", "--dry-run")
    assert (dry.code, "2 buckets would be made." in dry.err, "no-price" in dry.err) == (0, True, True)
    done = await ullage("unit-types", "provision", "--format", "json")
    assert (done.json["created"], done.json["problems"][0]["assets"]) == (2, 3)
    first, second = aggregator.asked(unit_types_pb2.ProvisionRequest)
    assert (first.dry_run, first.client_id, second.dry_run, second.client_id) == (True, 1, False, 0)


async def test_rules_are_changed_in_part_and_deleted(ullage: Command, aggregator: Scripted) -> None:
    answers = aggregator.script.answers
    answers["UpdateAssignmentRule"] = answers["DeleteAssignmentRule"] = (
        inventory_pb2.UpdateAssignmentRuleReply(preview=PREVIEW)
    )
    edited = await ullage("assignment-rules", "edit", "1", "--priority", "9", "--dry-run")
    assert "4 assets" in edited.out
    asked = aggregator.asked(inventory_pb2.UpdateAssignmentRuleRequest)[0]
    assert (asked.priority, asked.filter.conditions[0].pattern) == (9, "brook-*")
    assert (await ullage("assignment-rules", "edit", "7", "--priority", "9")).code == 1
    deleted = await ullage("assignment-rules", "delete", "1", "--confirm", "4")
    assert deleted.err.startswith("Rule 1 is deleted.\n")
    assert aggregator.asked(inventory_pb2.DeleteAssignmentRuleRequest)[0].confirmed_assets == 4


async def test_a_suppression_is_looked_at_before_it_holds(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.preview = PREVIEW
    done = await ullage(
        *("suppressions", "add", "name", "glob", "*", "--reason", "x", "--dry-run", "--confirm", "4")
    )
    assert (done.code, "4 assets" in done.out) == (0, True)
    asked = aggregator.asked(inventory_pb2.CreateSuppressionRequest)[0]
    assert (asked.dry_run, asked.confirmed_assets) == (True, 4)


@pytest.mark.parametrize(
    "words",
    [
        "clients edit 1",
        "clients edit 1 --wait --close-after 3",
        "clients disable 1 --on tomorrow",
        "clients erase 1",
        "buckets edit 1",
        "buckets edit 1 --no-filter --filter name",
        "buckets terms set 1 --starts-on 2026-01-01 --tier 4",
        "buckets terms set 1 --starts-on 2026-01-01 --aggregation p100.5x",
        "buckets terms set 1 --starts-on 2026-01-01 --gap forever",
        "unit-types edit ram",
        "unit-types template create ram --source vm --aggregation avg --price EUR:1",
        "assignment-rules edit 1",
        "keys create x --role client",
        "keys create x --role viewer --client 1",
        "agents token create",
        "agents token create --site a --agent b",
        "audit list --since yesterday",
        "completion tcsh",
    ],
)
async def test_wrong_usage_is_two_and_asks_nobody(ullage: Command, aggregator: Scripted, words: str) -> None:
    done = await ullage(*words.split())
    assert (done.code, done.out, aggregator.requests) == (2, "", [])

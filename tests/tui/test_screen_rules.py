"""Suppressions and unit types: what they show, and each act as it reaches the aggregator."""

import pytest

from tests.tui.driving import Driver, driven
from tests.tui.scripted import Script, Scripted
from ullage.v1 import inventory_pb2, types_pb2, unit_types_pb2


@pytest.fixture
def script(script: Script) -> Script:
    """One unit type without a template, one with."""
    for unit in script.unit_types:
        if unit.name == "ram":
            unit.ClearField("templates")
    return script


async def jump(driver: Driver, words: str, *seen: str) -> None:
    """By way of the palette, as a person does."""
    await driver.until(lambda: driver.app.desk.who, "the connection")
    await driver.press("colon", *words)
    await driver.until(lambda: words[:4] in driver.seen().casefold(), "the palette")
    await driver.pilot.pause(0.4)
    await driver.press("enter")
    await driver.see(*seen)


async def test_suppressions_say_what_they_dropped(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await jump(driver, "suppressions", "Suppressions  1", "test-*", "glob", "48,211", "3 min ago")
        await driver.press("enter")
        await driver.see("Drops assets whose name glob test-*", "12 assets, 48,211 readings", "by ops")


async def test_a_suppression_is_added_after_a_dry_run(aggregator: Scripted) -> None:
    aggregator.script.preview = types_pb2.Preview(assets=4, series=12, readings=900)
    async with driven(aggregator) as driver:
        await jump(driver, "suppressions", "test-*")
        await driver.press("n")
        await driver.see("New suppression", "Pattern")
        await driver.press("enter", "enter", "enter", *"ci-*", "enter", *"runners", "enter")
        await driver.see("4 assets, 12 series, 900 readings")
        asked = aggregator.asked(inventory_pb2.CreateSuppressionRequest)
        assert [one.dry_run for one in asked] == [True]
        await driver.press("y")
        await driver.see("Suppressed: ci-*")
    asked = aggregator.asked(inventory_pb2.CreateSuppressionRequest)
    assert [one.dry_run for one in asked] == [True, False]
    assert asked[1].condition.field == "name"
    assert asked[1].condition.operator == types_pb2.OPERATOR_GLOB
    assert (asked[1].condition.pattern, asked[1].reason) == ("ci-*", "runners")


async def test_enter_at_the_dry_run_cancels(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await jump(driver, "suppressions", "test-*")
        await driver.press("n")
        await driver.see("New suppression")
        await driver.press("enter", "enter", "enter", *"x*", "enter", *"why", "enter")
        await driver.see("Nothing that is metered is concerned.")
        await driver.press("enter")
        await driver.see("Nothing was done.")
        await driver.press("escape")
        await driver.until(lambda: "New suppression" not in driver.seen(), "the end of the form")
    assert [one.dry_run for one in aggregator.asked(inventory_pb2.CreateSuppressionRequest)] == [True]


async def test_a_form_that_lacks_something_says_what(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await jump(driver, "suppressions", "test-*")
        await driver.press("n")
        await driver.see("New suppression")
        await driver.press("ctrl+s")
        await driver.see("Pattern is missing.")
    assert not aggregator.asked(inventory_pb2.CreateSuppressionRequest)


async def test_a_suppression_is_ended_when_the_person_says_so(aggregator: Scripted) -> None:
    aggregator.script.answers["EndSuppression"] = aggregator.script.suppressions[0]
    async with driven(aggregator) as driver:
        await jump(driver, "suppressions", "test-*")
        await driver.press("x")
        await driver.see("cannot be brought back")
        await driver.press("escape")
        assert not aggregator.asked(inventory_pb2.EndSuppressionRequest)
        await driver.press("x")
        await driver.see("cannot be brought back")
        await driver.press("y")
        await driver.see("is let in again")
    assert [one.id for one in aggregator.asked(inventory_pb2.EndSuppressionRequest)] == [3]


async def test_those_that_have_ended_are_asked_for_with_v(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await jump(driver, "suppressions", "test-*")
        await driver.press("v")
        await driver.see("with ended ones ×")
        await driver.press("escape")
        await driver.until(lambda: "ended ones" not in driver.seen(), "only those that hold")
    assert [one.ended for one in aggregator.asked(inventory_pb2.ListSuppressionsRequest)][-2:] == [
        True,
        False,
    ]


async def test_without_the_right_the_key_says_why(aggregator: Scripted) -> None:
    aggregator.script.methods = ("Inventory/ListSuppressions", "Insight/GetDashboard")
    async with driven(aggregator) as driver:
        await jump(driver, "suppressions", "test-*")
        assert "New" not in driver.lines()[-1]
        await driver.press("n")
        await driver.see("The key ops has the role viewer, which may not do that.")


async def test_no_suppressions_and_no_unit_types_say_what_that_means(aggregator: Scripted) -> None:
    aggregator.script.suppressions, aggregator.script.unit_types = [], []
    async with driven(aggregator) as driver:
        await jump(driver, "suppressions", "No suppressions: everything that agents send is stored.")
        await jump(driver, "unit", "No unit types.")


async def test_unit_types_show_their_templates(aggregator: Scripted) -> None:
    async with driven(aggregator, size=(120, 30)) as driver:
        await jump(driver, "unit", "Unit types  2", "net-out", "EUR 0.02", "p95", "label:tier = gold", "off")
        await driver.press("j", "enter")
        await driver.see("1,073,741,824 steps make one GiB", "EUR:0.02:0.03, USD:0.025:0.04")


async def test_a_unit_type_is_edited_after_a_dry_run(aggregator: Scripted) -> None:
    aggregator.script.answers["UpdateUnitType"] = inventory_pb2.UpdateUnitTypeReply(
        unit_type=aggregator.script.unit_types[1]
    )
    async with driven(aggregator) as driver:
        await jump(driver, "unit", "net-out")
        await driver.press("E")
        await driver.see("Unit type ram", "Value of a slot")
        await driver.press("enter", "end", *" used", "ctrl+s")
        await driver.see("Edit the unit type ram", "Nothing that is metered")
        await driver.press("y")
        await driver.see("changed.")
    asked = aggregator.asked(unit_types_pb2.UpdateUnitTypeRequest)
    assert [one.dry_run for one in asked] == [True, False]
    assert asked[1].description == "memory assigned used"
    assert asked[1].level_value == "mean"


async def test_a_template_is_made_and_bad_prices_are_told(aggregator: Scripted) -> None:
    aggregator.script.answers["CreateTemplate"] = unit_types_pb2.UpdateTemplateReply(
        template=unit_types_pb2.Template(id=9, enabled=True)
    )
    async with driven(aggregator) as driver:
        await jump(driver, "unit", "net-out")
        await driver.press("n")
        await driver.see("Template of ram")
        await driver.press(*"vm", "enter", "enter", "enter", "enter", *"2.50", "ctrl+s")
        await driver.see("is not CODE:BASE:OVERAGE")
        await driver.press("home", *"EUR:", "end", *":4", "ctrl+s")
        await driver.see("New template of ram")
        await driver.press("y")
        await driver.see("Template 9 is in force.")
    asked = aggregator.asked(unit_types_pb2.CreateTemplateRequest)
    assert [one.dry_run for one in asked] == [True, False]
    made = asked[1].template
    assert (made.unit_type, made.source_type, made.aggregation) == ("ram", "vm", "avg")
    assert [(p.currency, p.base_price, p.overage_price) for p in made.prices] == [("EUR", "2.50", "4")]


@pytest.mark.parametrize(("key", "enabled"), [("x", False)])
async def test_a_template_is_disabled(aggregator: Scripted, key: str, enabled: bool) -> None:
    aggregator.script.answers["UpdateTemplate"] = lambda request: unit_types_pb2.UpdateTemplateReply(
        template=request.template
    )
    async with driven(aggregator) as driver:
        await jump(driver, "unit", "net-out")
        await driver.press(key)
        await driver.see("has no template; n makes one")
        await driver.press("j", key)
        await driver.see("Disable the template of net-out")
        await driver.press("y")
        await driver.see("Template 7 is disabled.")
    asked = aggregator.asked(unit_types_pb2.UpdateTemplateRequest)
    assert [(one.dry_run, one.template.enabled) for one in asked] == [(True, enabled), (False, enabled)]


async def test_deleting_a_template_wants_the_word(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await jump(driver, "unit", "net-out")
        await driver.press("j", "X")
        await driver.see("Type delete")
        await driver.press(*"dele", "enter")
        await driver.see("That is not it.")
        assert not aggregator.asked(unit_types_pb2.DeleteTemplateRequest)
        await driver.press(*"te", "enter")
        await driver.see("Template 7 is deleted.")
    assert [one.id for one in aggregator.asked(unit_types_pb2.DeleteTemplateRequest)] == [7]


async def test_provisioning_says_what_it_would_make_and_what_it_did_not_guess(aggregator: Scripted) -> None:
    aggregator.script.answers["Provision"] = unit_types_pb2.ProvisionReply(
        created=2,
        preview=types_pb2.Preview(
            lines=[types_pb2.PreviewLine(act="create", to="Acme/net-out")], lines_total=1
        ),
        problems=[
            unit_types_pb2.ProvisioningProblem(
                client_name="Quill Press", source_type="vm", unit_type="net-out", reason="no-price", assets=3
            )
        ],
    )
    async with driven(aggregator) as driver:
        await jump(driver, "unit", "net-out")
        await driver.press("R")
        await driver.see(
            "2 buckets would be made.", "Acme/net-out", "Quill Press: vm net-out, 3 assets: no-price"
        )
        await driver.press("y")
        await driver.see("2 buckets made.")
    assert [one.dry_run for one in aggregator.asked(unit_types_pb2.ProvisionRequest)] == [True, False]


async def test_prices_in_other_currencies_are_counted_beside_the_first(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await jump(driver, "unit-types", "EUR 0.02", "EUR 0.03 +1")

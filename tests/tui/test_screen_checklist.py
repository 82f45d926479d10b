"""The close checklist: what keeps a period open, where that leads, and acknowledging it with a reason."""

import grpc

from tests.tui import estate_billing
from tests.tui.answers import Refused
from tests.tui.driving import Driver, driven
from tests.tui.scripted import Scripted
from ullage.v1 import billing_pb2, closing_pb2, inventory_pb2


async def opened(driver: Driver, *moves: str) -> None:
    """That of October, of the first client or the one that the moves lead to."""
    await driver.press("6")
    await driver.see("Periods  12")
    await driver.press("comma")
    await driver.see("Oct 2026", "◔ ended")
    await driver.press(*moves, "C")


async def test_items_say_what_is_open_and_what_somebody_let_pass(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see(
            "Brook & Sons › 2026-10-01 – 10-31 › Close",
            "✖ Not ready: 2 items to put right",
            "◌ waits",
            "✖ open",
            "✔ acknowledged",
            "silent agent",
        )
        await driver.see("It passes by itself and cannot be acknowledged.")
        await driver.press("j", "j")
        await driver.see("Acknowledged by ops 2 h ago: the host was sold", "A withdraws")
    asked = aggregator.asked(closing_pb2.GetChecklistRequest)[0]
    assert (asked.client_id, asked.first_day) == (1, "2026-10-01")


async def test_a_period_without_items_is_ready(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, "j")
        await driver.see("✔ Ready: nothing is open.", "Nothing is on the checklist")
        await driver.press("A")
        await driver.see("There is nothing here to act on: no items.")
        await driver.press("F")
        await driver.see("Type Ahlers Logistik")
        await driver.press(*"Ahlers Logistik", "enter")
        await driver.see("is final: EUR")
    asked = aggregator.asked(closing_pb2.FinaliseRequest)
    assert [(one.client_id, one.dry_run) for one in asked] == [(2, True), (2, False)]


async def test_a_period_that_is_not_ready_is_not_finalised(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Not ready")
        await driver.press("F")
        await driver.see("It is not ready: the items that are open come first.")
    assert aggregator.asked(closing_pb2.FinaliseRequest) == []


async def test_what_passes_by_itself_cannot_be_acknowledged(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Checklist  4")
        await driver.press("A")
        await driver.see("This passes by itself")
    assert aggregator.asked(closing_pb2.AcknowledgeItemsRequest) == []


async def test_one_item_is_acknowledged_with_its_reason(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Checklist  4")
        await driver.press("j", "A")
        await driver.see("Acknowledge 1 item of Brook & Sons", "Kept with the period")
        await driver.press("ctrl+s")
        await driver.see("Reason is missing.")
        await driver.press(*"sold", "ctrl+s")
        await driver.see("Acknowledged: 1 item")
    asked = aggregator.asked(closing_pb2.AcknowledgeItemsRequest)
    assert [(list(one.items), one.reason, one.withdraw) for one in asked] == [
        (["agent-silent agent:2"], "sold", False)
    ]


async def test_cancelling_acknowledges_nothing(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Checklist  4")
        await driver.press("j", "A")
        await driver.see("Kept with the period")
        await driver.press(*"sold", "escape")
        await driver.see("Checklist  4")
    assert aggregator.asked(closing_pb2.AcknowledgeItemsRequest) == []


async def test_all_that_can_be_is_one_choice(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Checklist  4")
        await driver.press("j", "A")
        await driver.see("Kept with the period", "agent-silent agent:2")
        await driver.press(*"sold", "enter")
        await driver.see("Which of them it is the reason of.")
        await driver.press("right", "ctrl+s")
        await driver.see("Acknowledged: 2 items")
    asked = aggregator.asked(closing_pb2.AcknowledgeItemsRequest)
    assert [list(one.items) for one in asked] == [["agent-silent agent:2", "unbound asset:7"]]


async def test_marked_items_are_acknowledged_together(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Checklist  4")
        await driver.press("asterisk")
        await driver.see("4 marked")
        await driver.press("A")
        await driver.see("Acknowledge 2 items", "Kept with the period")
        await driver.press(*"both", "ctrl+s")
        await driver.see("Acknowledged: 2 items")
        assert "marked" not in driver.seen()
    asked = aggregator.asked(closing_pb2.AcknowledgeItemsRequest)
    assert [list(one.items) for one in asked] == [["agent-silent agent:2", "unbound asset:7"]]


async def test_an_acknowledgement_is_withdrawn_after_a_question(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Checklist  4")
        await driver.press("j", "j", "A")
        await driver.see("Withdraw the acknowledgement of 1 item")
        await driver.press("enter")
        await driver.see("Checklist  4")
        assert aggregator.asked(closing_pb2.AcknowledgeItemsRequest) == []
        await driver.press("A")
        await driver.see("Withdraw the acknowledgement of 1 item")
        await driver.press("y")
        await driver.see("Withdrawn for 1 item")
    asked = aggregator.asked(closing_pb2.AcknowledgeItemsRequest)
    assert [(list(one.items), one.withdraw) for one in asked] == [(["coverage bucket:5"], True)]


async def test_a_refusal_leaves_the_form_as_it_was(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Checklist  4")
        await driver.press("j", "A")
        await driver.see("Kept with the period")
        aggregator.script.failure = (grpc.StatusCode.INVALID_ARGUMENT, "reason: too short")
        await driver.press(*"no", "ctrl+s")
        await driver.see("Reason: too short.")
        aggregator.script.failure = None
        await driver.press("ctrl+s")
        await driver.see("Acknowledged: 1 item")


async def test_items_lead_to_what_they_are_about(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Checklist  4")
        await driver.press("enter")
        await driver.see("This item is about the period itself")
        await driver.press("j", "j", "enter")
        bucket = aggregator.script.buckets[4]
        await driver.see(f"Buckets › {bucket.client_name}")
        await driver.press("escape")
        await driver.see("Checklist  4")
        await driver.press("j", "enter")
        await driver.see(f"Assets › {aggregator.script.assets[6].name}")
    assert aggregator.asked(inventory_pb2.GetAssetRequest)[0].id == 7


async def test_a_silent_agent_is_found_among_the_agents(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Checklist  4")
        await driver.press("j", "enter")
        await driver.see("filter: hv-02")


async def test_a_key_that_may_not_bill_is_told_so(aggregator: Scripted) -> None:
    aggregator.script.methods = ("Closing/ListPeriods", "Closing/GetChecklist", "Billing/ListReadings")
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity, "who we are")
        await opened(driver)
        await driver.see("Checklist  4")
        for key in ("A", "F"):
            await driver.press(key)
            await driver.see("which may not do that")


async def test_news_bring_the_list_up_to_date(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Checklist  4")
        script = aggregator.script
        script.answers["GetChecklist"] = lambda request: closing_pb2.Checklist(
            period=estate_billing.period(script, script.clients[0], 1), items=[], ready=True
        )
        aggregator.tell("reading")
        await driver.see("✔ Ready: nothing is open.")


async def test_what_became_final_has_no_checklist_any_more_and_says_so(aggregator: Scripted) -> None:
    script = aggregator.script
    async with driven(aggregator) as driver:
        await opened(driver)
        await driver.see("Checklist  4")
        final = estate_billing.period(script, script.clients[0], 1)
        final.state = billing_pb2.PERIOD_STATE_FINALISED
        script.answers["ListPeriods"] = closing_pb2.ListPeriodsReply(periods=[final])

        def refuse(request: closing_pb2.GetChecklistRequest) -> closing_pb2.Checklist:
            raise Refused(f"the period from {request.first_day} is finalised")

        script.answers["GetChecklist"] = refuse
        aggregator.tell("reading")
        await driver.see("✔ It is final.", "✔ finalised", "Nothing is on the checklist")
        await driver.press("F")
        await driver.see("is final: nothing is left to do.")

"""Triage: what is alike stands together with what is suggested for it, and two keys deal with all of it."""

import unicodedata

import grpc
import pytest

from tests.tui import builders, estate_triage
from tests.tui.driving import Driver, driven
from tests.tui.estate_triage import Kind, monday
from tests.tui.scripted import Scripted
from tests.tui.triaging import go_to, here, ids_of, names, opened, screen
from tui.screens.unbound import EMPTY
from ullage.v1 import analysis_pb2, asset_acts_pb2, audit_pb2, inventory_pb2, types_pb2

Bind = asset_acts_pb2.BindAssetsRequest


# What is shown.


async def test_alike_assets_stand_together_best_money_first_and_those_without_a_suggestion_last(
    triage: Driver,
) -> None:
    starts = [name.partition("-")[0] for name in names(triage)]
    assert list(dict.fromkeys(starts)) == ["pg", "web", "fw", "lab", "printer", "runner"]
    assert names(triage)[:8] == [f"pg-{n}-data" for n in range(1, 9)]
    await triage.see("┌  8 pg-1-data", "│    pg-2-data", "└    pg-8-data", "┌ 12 web-01.brook")
    await triage.see("Ahlers Logistik", "88 %", "33", "EUR 40.00", "5 min ago")


async def test_the_line_above_says_what_is_not_billed_in_all(triage: Driver, new: Scripted) -> None:
    await triage.see(
        "Not billed this period: EUR 544.00 + USD 27.30", "16 unpriced", "9 over 30 d", "Unbound assets  40"
    )
    assert new.asked(analysis_pb2.ListLeakageRequest)


async def test_where_the_whole_may_not_be_asked_for_the_page_is_added_up(new: Scripted) -> None:
    del new.script.answers["ListLeakage"]
    new.script.answers["ListLeakage"] = _refuse
    async with driven(new) as driver:
        await opened(driver)
        await driver.see("Not billed, of this page alone: EUR 544.00 + USD 27.30")


def _refuse(request: object) -> analysis_pb2.ListLeakageReply:
    raise RuntimeError("not for you")


async def test_the_panel_says_what_why_and_what_the_next_key_does(triage: Driver) -> None:
    await triage.see("→ Ahlers Logistik › vm", "88 %, likely: like old-01, old-02 and 14 others")
    await triage.see("a accepts for these 8 · EUR 320.00 not billed this period · 33 days")
    await go_to(triage, "lab-01")
    await triage.see("→ Zum Anker GmbH › as its filters say", "74 %, perhaps", "no price known")
    await go_to(triage, "runner-7f3a9c01")
    await triage.see("No suggestion", "unassigned: container of hv-03, 2 of 3 series unbound")
    await triage.see("o assign  b bind  n new bucket  d disregard  ! suppress  + marks the 7 alike")


async def test_rows_never_wait_for_suggestions(new: Scripted) -> None:
    async with driven(new) as driver:
        held = new.script.answers.pop("SuggestBindings")
        new.script.answers["SuggestBindings"] = _refuse_suggestions
        await driver.press("4")
        await driver.see(
            "Unbound assets  40", "web-01.brook", "not known", "✖ The aggregator could not do it"
        )
        new.script.answers["SuggestBindings"] = held
        await driver.press("r")
        await driver.see("┌  8 pg-1-data", "Brook & Sons")


def _refuse_suggestions(request: object) -> asset_acts_pb2.SuggestBindingsReply:
    raise RuntimeError("out of order")


async def test_nothing_moves_under_somebody_who_was_quicker_than_the_suggestions(new: Scripted) -> None:
    held = new.script.answers.pop("SuggestBindings")
    new.script.answers["SuggestBindings"] = _refuse_suggestions
    async with driven(new) as driver:
        await driver.press("4")
        await driver.see("not known")
        await driver.press("j", "j")
        before, row = names(driver), here(driver)
        new.script.answers["SuggestBindings"] = held
        new.tell("asset")
        await driver.see("Brook & Sons", "Ahlers Logistik")
        assert (names(driver), here(driver)) == (before, row)
        await driver.press("r")
        await driver.until(lambda: names(driver)[:2] == ["pg-1-data", "pg-2-data"], "the order after r")
        assert here(driver) == row


async def test_what_is_new_goes_to_what_it_is_like_and_leaves_the_rest_where_it_was(
    triage: Driver, new: Scripted
) -> None:
    before = names(triage)
    await go_to(triage, "web-02.brook")
    new.script.assets.append(
        builders.asset(900, "runner-7f3a9c99", source_type="container", series_unbound=1)
    )
    new.tell("asset")
    await triage.until(lambda: len(names(triage)) == 41, "the new one")
    assert [name for name in names(triage) if name != "runner-7f3a9c99"] == before
    assert here(triage) == "web-02.brook"


async def test_there_is_room_for_more_in_a_wide_terminal(new: Scripted) -> None:
    async with driven(new, size=(120, 40)) as driver:
        await opened(driver)
        await driver.see("Known as", "10.4.0.17", "volume of site:fra1")
    async with driven(new, size=(110, 30)) as driver:
        await opened(driver)
        await driver.see("Client", "unassigned", "Source", "2 of 3")


@pytest.mark.parametrize("size", [(60, 20), (40, 10), (160, 50)])
async def test_it_draws_at_every_size(new: Scripted, size: tuple[int, int]) -> None:
    async with driven(new, size=size) as driver:
        await driver.press("4")
        await driver.until(lambda: len(names(driver)) == 40, "the rows")
        await driver.press("j", "plus", "v", "escape", "v")
        assert driver.lines()


async def test_an_empty_list_says_that_everything_is_billed(aggregator: Scripted) -> None:
    aggregator.script.assets = []
    async with driven(aggregator) as driver:
        await driver.press("4")
        await driver.see(EMPTY)
        await driver.press("plus")
        await driver.see("There is nothing here to mark.")
        await driver.press("a")
        await driver.see("There is nothing here to act on")


async def test_hostile_names_and_reasons_are_shown_harmless(new: Scripted) -> None:
    for place, text in enumerate(builders.HOSTILE):
        new.script.assets[place].name = text
        new.script.assets[place].description = text
    made = estate_triage.suggestion(101, new.script.clients[0], [], reason=builders.HOSTILE[4])
    made.client_name = builders.HOSTILE[0]
    estate_triage.answer_with(new.script, {101: made})
    async with driven(new, size=(120, 50)) as driver:
        await driver.press("4")
        await driver.until(lambda: len(names(driver)) == 40, "the rows")
        await driver.see("[/x] [red]boom[/]")
        drawn = driver.seen()
        assert not [c for c in drawn if unicodedata.category(c)[0] == "C" and c != "\n"]


async def test_news_wait_while_rows_are_marked_and_are_asked_for_afterwards(
    triage: Driver, new: Scripted
) -> None:
    await triage.press("space")
    new.script.assets.pop()
    new.tell("asset")
    await triage.pilot.pause(1.0)
    assert len(names(triage)) == 40
    await triage.press("escape")
    await triage.until(lambda: len(names(triage)) == 39, "what was missed")


# Accepting.


async def test_two_keys_accept_for_all_that_are_alike_and_the_cursor_goes_on(
    triage: Driver, new: Scripted
) -> None:
    wanted = ids_of(new, "pg-")
    await triage.press("a")
    await triage.see("Accept for 8 assets what is suggested", "8 → Ahlers Logistik", "EUR 222.00 more")
    asked = new.asked(Bind)
    assert [(set(one.asset_ids), one.suggested, one.dry_run) for one in asked] == [(wanted, True, True)]
    await triage.press("y")
    await triage.see("8 accepted: Ahlers Logistik, EUR 222.00 more. z takes it back.")
    await triage.until(lambda: len(names(triage)) == 32, "the rows to go")
    assert [(set(one.asset_ids), one.dry_run) for one in new.asked(Bind)][1:] == [(wanted, False)]
    assert here(triage) == "web-01.brook"
    await triage.see("a accepts for these 12", "Unbound assets  32")


async def test_from_the_middle_of_a_group_all_of_it_is_meant_and_the_next_group_is_next(
    triage: Driver, new: Scripted
) -> None:
    await go_to(triage, "web-05.brook")
    await triage.press("a")
    await triage.see("for 12 assets")
    await triage.press("y")
    await triage.until(lambda: len(names(triage)) == 28, "the rows to go")
    await triage.until(lambda: here(triage) == "fw-ext-1", "the next group")


async def test_cancelling_does_nothing(triage: Driver, new: Scripted) -> None:
    await triage.press("a")
    await triage.see("would be billed")
    await triage.press("escape")
    assert [one.dry_run for one in new.asked(Bind)] == [True]
    assert len(names(triage)) == 40


async def test_marked_rows_are_accepted_each_with_its_own_and_the_title_says_who_is_left_out(
    triage: Driver, new: Scripted
) -> None:
    await triage.press("space")
    for name in ("web-01.brook", "printer", "runner-7f3a9c01"):
        await go_to(triage, name)
        await triage.press("space")
    await triage.see("a accepts for 2 of 4 marked")
    await triage.press("a")
    await triage.see(
        "for 2 assets what is suggested; 2 without suggestion left out", "1 → Ahlers", "1 → Brook & Sons"
    )
    await triage.press("y")
    await triage.see("2 accepted: 2 clients")
    assert {*new.asked(Bind)[-1].asset_ids} == {102 + 1, 101}
    assert not screen(triage).triage_table.table.marked


async def test_all_suggestions_of_the_page_are_three_keys(triage: Driver, new: Scripted) -> None:
    await triage.press("asterisk")
    await triage.see("a accepts for 32 of 40 marked")
    await triage.press("a")
    await triage.see("for 32 assets what is suggested; 8 without suggestion left out")
    await triage.press("y")
    await triage.until(lambda: len(names(triage)) == 8, "what is left")
    assert len(new.asked(Bind)[-1].asset_ids) == 32


async def test_a_large_act_asks_for_the_number(triage: Driver, new: Scripted) -> None:
    def bind(request: Bind) -> asset_acts_pb2.ActReply:
        return asset_acts_pb2.ActReply(changed=8, preview=types_pb2.Preview(assets=8, confirm_assets=8))

    new.script.answers["BindAssets"] = bind
    await triage.press("a")
    await triage.see("more than a tenth of all", "Type 8 and press enter")
    await triage.press("8", "enter")
    await triage.see("8 accepted")
    assert [one.confirmed_assets for one in new.asked(Bind)] == [0, 8]


async def test_what_has_no_suggestion_says_what_to_do_instead(triage: Driver, new: Scripted) -> None:
    await go_to(triage, "printer")
    await triage.press("a")
    await triage.see("Nothing is suggested here: o assigns, b binds")
    assert not new.asked(Bind)


async def test_a_refusal_is_shown_and_nothing_is_lost(triage: Driver, new: Scripted) -> None:
    new.script.failure = (grpc.StatusCode.FAILED_PRECONDITION, "time of Ahlers before now is finalised")
    await triage.press("a")
    await triage.see("✖ Time of Ahlers before now is finalised.")
    new.script.failure = None
    await triage.press("escape")
    assert len(names(triage)) == 40


async def test_the_last_one_leaves_the_sentence_that_everything_is_billed(new: Scripted) -> None:
    monday(new.script, [Kind("web-{}", 3, client=1, buckets=(1,), money="1.00")])
    async with driven(new) as driver:
        await driver.press("4")
        await driver.see("a accepts for these 3")
        await driver.press("a")
        await driver.see("would be billed")
        await driver.press("y")
        await driver.see(EMPTY, "Not billed this period: nothing")
        assert "that has a price" not in driver.seen()


async def test_undo_takes_back_all_of_it_and_goes_there(triage: Driver, new: Scripted) -> None:
    before = list(new.script.assets)
    await triage.press("a")
    await triage.see("would be billed")
    await triage.press("y")
    await triage.until(lambda: len(names(triage)) == 32, "the rows to go")
    new.script.answers["ListAudit"] = audit_pb2.ListAuditReply(
        entries=[audit_pb2.AuditEntry(group_id=71, act="Inventory/BindAssets", reversible=True)]
    )

    def undo(request: audit_pb2.UndoAuditRequest) -> audit_pb2.UndoAuditReply:
        if not request.dry_run:
            new.script.assets = before
        return audit_pb2.UndoAuditReply(entries=[audit_pb2.AuditEntry(action="delete", table="binding")])

    new.script.answers["UndoAudit"] = undo
    await triage.press("z")
    await triage.see("Take back: bind assets", "1 change would be set back")
    await triage.press("y")
    await triage.until(lambda: here(triage) == "pg-1-data", "what came back")
    assert names(triage)[:9] == [*(f"pg-{n}-data" for n in range(1, 9)), "web-01.brook"]
    assert [one.group_id for one in new.asked(audit_pb2.UndoAuditRequest)] == [71, 71]


async def test_a_key_without_the_right_is_not_offered_and_says_why(new: Scripted) -> None:
    new.script.methods = ("Inventory/ListAssets", "Inventory/SuggestBindings", "Analysis/ListLeakage")
    async with driven(new) as driver:
        await driver.press("4")
        await driver.see("8 assets alike · EUR 320.00 not billed this period · 33 days")
        await driver.until(lambda: "a Accept" not in driver.lines()[-1], "the line of keys")
        for key in ("a", "n", "o", "d"):
            await driver.press(key)
            await driver.see("has the role viewer, which may not do that")
    assert not new.asked(Bind)
    assert not new.asked(inventory_pb2.CreateBucketRequest)

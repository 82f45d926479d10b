"""API keys and the audit log: what they show, and each act as it reaches the aggregator."""

from pathlib import Path

import grpc
import pytest

from tests.tui.driving import Driver, driven
from tests.tui.scripted import Scripted
from tui.messages import GoTo
from ullage.v1 import audit_pb2, keys_pb2, types_pb2

SECRET = "ullage_0123456789abcdefSECRET"


async def go(driver: Driver, screen: str, *seen: str) -> None:
    """To a screen without a digit."""
    await driver.until(lambda: driver.app.desk.who, "the connection")
    driver.app.post_message(GoTo(screen))
    await driver.see(*seen)


async def test_keys_are_listed_without_secrets(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await go(
            driver, "keys", "API keys  3", "wallboard", "viewer", "brook-portal", "Brook & Sons", "2 min ago"
        )
        await driver.press("j", "enter")
        await driver.see("Role: viewer (sees everything, changes nothing)", "Begins with: ullage_ab12")


async def test_a_new_key_is_shown_once(aggregator: Scripted) -> None:
    aggregator.script.answers["CreateKey"] = lambda request: keys_pb2.CreateKeyReply(
        api_key=keys_pb2.ApiKey(id=9, name=request.name, role=request.role), key=SECRET
    )
    async with driven(aggregator) as driver:
        await go(driver, "keys", "wallboard")
        await driver.press("n")
        await driver.see("New API key", "shown once")
        await driver.press(*"grafana", "enter", "o", "ctrl+s")
        await driver.see("Shown this once and stored nowhere:", SECRET, "grafana, role operator")
        await driver.press("escape")
        await driver.until(lambda: SECRET not in driver.seen(), "the end of the key on view")
    asked = aggregator.asked(keys_pb2.CreateKeyRequest)
    assert [(one.name, one.role, one.client_id) for one in asked] == [("grafana", "operator", 0)]


async def test_a_clients_key_needs_its_client(aggregator: Scripted) -> None:
    aggregator.script.answers["CreateKey"] = keys_pb2.CreateKeyReply(key=SECRET)
    async with driven(aggregator) as driver:
        await go(driver, "keys", "wallboard")
        await driver.press("n")
        await driver.see("New API key")
        await driver.press(*"portal", "enter", "c", "ctrl+s")
        await driver.see("needs the client that it sees")
        assert not aggregator.asked(keys_pb2.CreateKeyRequest)
        await driver.press(*"nord")
        await driver.see("Nordlicht Energie")
        await driver.press("enter")
        await driver.see(SECRET)
    assert [one.client_id for one in aggregator.asked(keys_pb2.CreateKeyRequest)] == [3]


async def test_a_key_is_disabled_after_a_question(aggregator: Scripted) -> None:
    aggregator.script.answers["SetKeyEnabled"] = keys_pb2.ApiKey(name="wallboard")
    async with driven(aggregator) as driver:
        await go(driver, "keys", "wallboard")
        await driver.press("x")
        await driver.see("This is the key that you use yourself")
        await driver.press("enter", "j", "x")
        await driver.see("Disable the API key wallboard", "Whoever uses it is refused")
        assert not aggregator.asked(keys_pb2.SetKeyEnabledRequest)
        await driver.press("y")
        await driver.see("wallboard is disabled.")
    assert [(one.id, one.enabled) for one in aggregator.asked(keys_pb2.SetKeyEnabledRequest)] == [(2, False)]


async def test_an_error_of_the_aggregator_stays_in_the_form(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await go(driver, "keys", "wallboard")
        await driver.press("n")
        await driver.see("New API key")
        aggregator.script.failure = (
            grpc.StatusCode.INVALID_ARGUMENT,
            "name: there is a key wallboard already",
        )
        await driver.press(*"wallboard", "ctrl+s")
        await driver.see("✖ Name: there is a key wallboard already.", "New API key")


async def test_a_change_opens_with_old_and_new_values(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await go(driver, "audit", "Audit  4", "assign assets", "bucket_terms")
        await driver.press("j", "enter")
        await driver.see("update of asset 40", "assign assets, by ops", "rebind: false → true")


async def test_the_log_is_restricted_to_what_the_row_says(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await go(driver, "audit", "Audit  4")
        await driver.press("v")
        await driver.see("group: 12 ×  2")
        await driver.press("escape")
        await driver.see("Audit  4")
        await driver.press("f")
        await driver.see("Show only", "changes of the table assignment")
        await driver.press("t")
        await driver.see("table: assignment ×  1")
    assert [one.table for one in aggregator.asked(audit_pb2.ListAuditRequest)][-1] == "assignment"


async def test_an_act_is_undone_after_it_was_shown(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await go(driver, "audit", "Audit  4")
        await driver.press("u")
        await driver.see("Take back: assign assets", "2 changes would be set back.", "newer assignment")
        await driver.press("y")
        await driver.see("2 changes set back, as group 99.")
    asked = aggregator.asked(audit_pb2.UndoAuditRequest)
    assert [(one.group_id, one.dry_run) for one in asked] == [(12, True), (12, False)]


async def test_what_cannot_be_undone_says_why(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await go(driver, "audit", "Audit  4")
        await driver.press("j", "j", "u")
        await driver.see("What set terms did is not taken back")
        await driver.press("j", "u")
        await driver.see("taken back already, by group 11")
    assert not aggregator.asked(audit_pb2.UndoAuditRequest)


async def test_z_takes_back_the_last_act_of_this_key_from_any_screen(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity, "who we are")
        await driver.press("3")
        await driver.see("Assets  60")
        await driver.press("z")
        await driver.see("Take back: assign assets")
        await driver.press("enter")
        await driver.until(lambda: "Take back" not in driver.seen(), "the end of the question")
        await driver.press("z")
        await driver.see("Take back: assign assets")
        await driver.press("y")
        await driver.see("2 changes set back")
        await driver.press("Z")
        await driver.see("There is nothing of this key to do again.")
    asked = aggregator.asked(audit_pb2.UndoAuditRequest)
    assert [one.dry_run for one in asked] == [True, True, False]


@pytest.mark.parametrize(("ending", "holds"), [(".csv", "group_id,at,actor"), (".json", '"act": "Inventory')])
async def test_what_is_filtered_is_exported(
    aggregator: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, holds: str
) -> None:
    monkeypatch.chdir(tmp_path)
    async with driven(aggregator) as driver:
        await go(driver, "audit", "Audit  4")
        await driver.press("v")
        await driver.see("group: 12 ×")
        await driver.press("e")
        await driver.see("Export audit", "everything that is filtered")
        await driver.press(*["backspace"] * 4, *ending, "enter")
        await driver.see("2 rows in")
    written = next(tmp_path.iterdir())
    assert written.suffix == ending
    assert written.stat().st_mode & 0o077 == 0
    text = written.read_text("utf-8")
    assert holds in text
    assert "bucket_terms" not in text


async def test_an_export_never_replaces_a_file(
    aggregator: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("mine")
    async with driven(aggregator) as driver:
        await go(driver, "audit", "Audit  4")
        await driver.press("e")
        await driver.see("Export audit")
        await driver.press("ctrl+u", *"mine.csv", "enter")
        await driver.see("exists already")
        await driver.press("ctrl+u", *"mine.doc", "enter")
        await driver.see("must end with one of .csv")
        await driver.press("escape")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]
    assert (tmp_path / "mine.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("links", "back", "again"),
    [
        # (group, what it takes back, what took it back), the newest first.
        ([(20, 0, 0)], "Take back: create client 20", ""),
        ([(21, 20, 0), (20, 0, 21), (19, 0, 0)], "Take back: create client 19", "Do again: create client 20"),
        ([(22, 21, 0), (21, 20, 22), (20, 0, 21), (19, 0, 0)], "Take back: create client 20", ""),
        ([(22, 0, 0), (21, 20, 0), (20, 0, 21)], "Take back: create client 22", "Do again: create client 20"),
    ],
)
async def test_what_was_done_again_is_taken_back_and_not_done_a_third_time(
    aggregator: Scripted, links: list[tuple[int, int, int]], back: str, again: str
) -> None:
    entries = [
        audit_pb2.AuditEntry(
            id=group,
            group_id=group,
            act=f"undo {undoes}" if undoes else f"Inventory/create client {group}",
            undoes=undoes,
            undone_by=undone_by,
            reversible=not undone_by,
            new_values='{"ended_by": "ops", "ended_at": null}',
        )
        for group, undoes, undone_by in links
    ]
    pages = {"": (entries[:1], "2"), "2": (entries[1:], "")}

    def listed(request: audit_pb2.ListAuditRequest) -> audit_pb2.ListAuditReply:
        found, onward = pages[request.page.after]
        return audit_pb2.ListAuditReply(entries=found, page=types_pb2.PageInfo(next=onward))

    aggregator.script.answers["ListAudit"] = listed
    aggregator.script.answers["UndoAudit"] = audit_pb2.UndoAuditReply(entries=entries[:1])
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity, "who we are")
        await driver.press("z")
        await driver.see(back, "ended_by ops, ended_at —")
        await driver.press("escape", "Z")
        await driver.see(again or "There is nothing of this key to do again.")


async def test_taking_back_an_older_act_than_the_last_one_says_so(aggregator: Scripted) -> None:
    entries = [
        audit_pb2.AuditEntry(id=9, group_id=9, act="Inventory/SetTerms", reversible=False),
        audit_pb2.AuditEntry(id=8, group_id=8, act="Inventory/AssignAssets", reversible=True),
    ]
    aggregator.script.answers["ListAudit"] = audit_pb2.ListAuditReply(entries=entries)
    aggregator.script.answers["UndoAudit"] = audit_pb2.UndoAuditReply(entries=entries[1:])
    async with driven(aggregator) as driver:
        await driver.until(lambda: driver.app.desk.identity, "who we are")
        await driver.press("z")
        await driver.see("Take back: assign assets", "▲ The last act, set terms", "This is an older")
        await driver.press("escape")
        del entries[0]
        aggregator.script.answers["ListAudit"] = audit_pb2.ListAuditReply(entries=entries)
        await driver.press("z")
        await driver.see("Take back: assign assets")
        assert "an older" not in driver.seen()


async def test_where_no_change_is_found_the_filters_can_still_be_typed(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await go(driver, "audit", "Audit  4")
        await driver.press("slash", *"nobody", "enter")
        await driver.see("Nothing matches")
        await driver.press("f")
        await driver.see("Show only", "what I type …")
        assert "changes of" not in driver.seen()

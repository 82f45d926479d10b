"""``ullage keys``, ``audit``, ``agents`` and ``quarantine``: who may, who did, who sends."""

import stat
from pathlib import Path

import pytest

from tests.tui import builders
from tests.tui.commands import Command
from tests.tui.scripted import Scripted
from ullage.v1 import admin_pb2, agents_pb2, audit_pb2, keys_pb2
from ullage.wire import from_time

SECRET = "ullage_" + "s" * 32
KEY = keys_pb2.ApiKey(id=5, name="wall", prefix="ullage_ssss", role="viewer", enabled=True)


@pytest.fixture(autouse=True)
def keys(aggregator: Scripted) -> None:
    aggregator.script.answers |= {
        "ListKeys": keys_pb2.ListKeysReply(keys=[KEY]),
        "CreateKey": keys_pb2.CreateKeyReply(api_key=KEY, key=SECRET),
        "SetKeyEnabled": KEY,
    }


async def test_a_new_key_is_alone_on_stdout(ullage: Command) -> None:
    done = await ullage("keys", "create", "wall", "--role", "viewer")
    assert (done.code, done.out) == (0, f"{SECRET}\n")
    assert SECRET not in done.err
    as_json = await ullage("keys", "create", "wall", "--role", "viewer", "--format", "json")
    assert (as_json.json["key"], as_json.json["id"]) == (SECRET, 5)


async def test_a_new_key_goes_into_a_file_of_its_owner(ullage: Command, tmp_path: Path) -> None:
    out = tmp_path / "wall.key"
    done = await ullage("keys", "create", "wall", "--role", "viewer", "--out", str(out))
    assert done.code == 0
    assert SECRET not in done.out + done.err
    assert out.read_text() == f"{SECRET}\n"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


async def test_a_key_that_cannot_be_kept_is_not_made(
    ullage: Command, aggregator: Scripted, tmp_path: Path
) -> None:
    out = tmp_path / "wall.key"
    out.write_text("another")
    done = await ullage("keys", "create", "wall", "--role", "viewer", "--out", str(out))
    assert (done.code, out.read_text()) == (1, "another")
    assert "Nothing was created" in done.err
    assert aggregator.requests == []


async def test_a_refused_key_leaves_no_file(ullage: Command, aggregator: Scripted, tmp_path: Path) -> None:
    out = tmp_path / "wall.key"
    done = await ullage(
        *("keys", "create", "wall", "--role", "client", "--client", "nobody", "--out", str(out))
    )
    assert (done.code, out.exists()) == (1, False)


async def test_keys_are_listed_and_switched_by_name(ullage: Command, aggregator: Scripted) -> None:
    assert (await ullage("keys", "list", "--format", "json")).json[0]["name"] == "wall"
    assert (await ullage("keys", "disable", "wall")).code == 0
    assert (await ullage("keys", "enable", "5")).code == 0
    off, on = aggregator.asked(keys_pb2.SetKeyEnabledRequest)
    assert (off.id, off.enabled, on.id, on.enabled) == (5, False, 5, True)
    assert (await ullage("keys", "disable", "other")).code == 1


ENTRY = audit_pb2.AuditEntry(
    id=1,
    group_id=4711,
    at=from_time(builders.NOW),
    actor="ops",
    action="update",
    table="asset",
    record_id="17",
    old_values='{"client_id": 1}',
    new_values='{"client_id": 2}',
    act="AssignAssets",
    reversible=True,
)


async def test_changes_are_listed_by_record_and_key(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.answers["ListAudit"] = audit_pb2.ListAuditReply(entries=[ENTRY])
    done = await ullage(
        *("audit", "list", "--table", "asset", "--record", "17", "--by", "ops", "--since", "2026-11-01"),
        *("--format", "json"),
    )
    assert (done.json[0]["group_id"], done.json[0]["act"]) == (4711, "AssignAssets")
    asked = aggregator.asked(audit_pb2.ListAuditRequest)[0]
    assert (asked.table, asked.record_id, asked.actor, asked.page.size) == ("asset", "17", "ops", 100)
    assert asked.since.ToJsonString() == "2026-11-01T00:00:00Z"
    assert not asked.HasField("until")
    shown = await ullage("audit", "show", "4711")
    assert '{"client_id": 2}' in shown.out
    assert aggregator.asked(audit_pb2.ListAuditRequest)[1].group_id == 4711


async def test_an_act_is_undone_after_a_look(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.answers["UndoAudit"] = lambda request: audit_pb2.UndoAuditReply(
        group=None if request.dry_run else audit_pb2.AuditGroup(id=4712),
        entries=[ENTRY],
        notes=["412 readings were dropped and are gone"],
    )
    looked = await ullage("audit", "undo", "4711", "--dry-run")
    assert "1 change would be set back" in looked.err
    assert "412 readings were dropped" in looked.err
    unasked = await ullage("audit", "undo", "4711")
    assert (unasked.code, "Set back 1 change?" in unasked.err) == (2, True)
    done = await ullage("audit", "undo", "4711", "--yes", "--format", "json")
    assert (done.json["group_id"], done.json["entries"][0]["id"]) == (4712, 1)
    assert [one.dry_run for one in aggregator.asked(audit_pb2.UndoAuditRequest)] == [True, True, False]


async def test_agents_are_named_and_their_state_is_set(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.answers |= {
        "SetAgentsState": agents_pb2.SetAgentsStateReply(changed=2),
        "GetAgent": builders.agent(2, "hv-02", certificate_until=from_time(builders.NOW)),
    }
    shown = await ullage("agents", "show", "HV-02", "--format", "json")
    assert shown.json["certificate_until"] == "2026-11-21T09:05:12Z"
    assert aggregator.asked(agents_pb2.GetAgentRequest)[0].id == 2
    for verb, state in (("retire", "retired"), ("hold", "held"), ("activate", "active")):
        done = await ullage("agents", verb, "hv-01", "3", "--reason", "scrapped")
        assert done.err == f"2 of 2 agents changed to {state}.\n"
    assert (await ullage("agents", "revoke", "hv-01")).code == 2
    assert (await ullage("agents", "revoke", "hv-01", "--yes")).code == 0
    asked = aggregator.asked(agents_pb2.SetAgentsStateRequest)
    assert [one.state for one in asked] == ["retired", "held", "active", "revoked"]
    assert (list(asked[0].ids), asked[0].reason) == ([1, 3], "scrapped")
    missing = await ullage("agents", "show", "hv-77")
    assert (missing.code, "agents list" in missing.err) == (1, True)


async def test_agents_of_one_name_are_told_apart(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.agents = [builders.agent(1, "hv"), builders.agent(2, "hv", site="muc1")]
    done = await ullage("agents", "retire", "hv")
    assert (done.code, "1 (site fra1), 2 (site muc1)" in done.err) == (1, True)


async def test_a_token_is_shown_once_listed_and_revoked(
    ullage: Command, aggregator: Scripted, tmp_path: Path
) -> None:
    made = agents_pb2.EnrolmentToken(id=9, site="fra1", state="open", expires_at=from_time(builders.NOW))
    aggregator.script.answers |= {
        "CreateEnrolmentToken": agents_pb2.CreateEnrolmentTokenReply(
            token="secret-token", enrolment_token=made, ca_fingerprint="ab:cd"
        ),
        "ListEnrolmentTokens": agents_pb2.ListEnrolmentTokensReply(tokens=[made]),
        "RevokeEnrolmentToken": made,
    }
    done = await ullage("agents", "token", "create", "--site", "fra1", "--minutes", "90")
    assert (done.code, done.out) == (0, "secret-token\n")
    assert "ab:cd" in done.err
    out = tmp_path / "token"
    filed = await ullage("agents", "token", "create", "--for", "hv-02", "--out", str(out))
    assert (filed.code, out.read_text(), "secret" in filed.out + filed.err) == (0, "secret-token\n", False)
    first, second = aggregator.asked(agents_pb2.CreateEnrolmentTokenRequest)
    assert (first.site, first.seconds, second.agent_id) == ("fra1", 5400, 2)
    assert (await ullage("agents", "token", "list", "--all", "--format", "json")).json[0]["id"] == 9
    assert (await ullage("agents", "token", "revoke", "9")).code == 0


async def test_single_quarantined_readings_are_listed_and_settled_from_stdin(
    ullage: Command, aggregator: Scripted
) -> None:
    aggregator.script.answers["ListQuarantined"] = admin_pb2.ListQuarantinedReply(
        readings=[admin_pb2.Quarantined(id=8, agent_name="hv-01", reason="future", value=3)]
    )
    shown = await ullage(
        *("quarantine", "show", "--agent", "hv-01", "--reason", "future", "--format", "json")
    )
    assert (shown.json[0]["id"], shown.json[0]["value"]) == (8, 3)
    asked = aggregator.asked(admin_pb2.ListQuarantinedRequest)[0]
    assert (asked.agent_id, asked.reason) == (1, "future")
    released = await ullage("quarantine", "release", "-", stdin="8\n9\n")
    assert released.code == 0
    assert list(aggregator.asked(admin_pb2.SettleQuarantineRequest)[0].ids) == [8, 9]
    assert (await ullage("quarantine", "discard", "8")).code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_shells_are_told_how_to_complete(ullage: Command, shell: str) -> None:
    done = await ullage("completion", shell)
    assert (done.code, "_ULLAGE_COMPLETE" in done.out) == (0, True)

"""Agents, jobs, quarantine and tokens: what they show, and each act as it reaches the aggregator."""

import pytest

from tests.tui import builders
from tests.tui.driving import Driver, driven
from tests.tui.scripted import Scripted
from ullage.v1 import admin_pb2, agents_pb2, types_pb2
from ullage.wire import from_time


async def open_view(driver: Driver, view: str) -> None:
    """To one of the four lists."""
    await driver.until(lambda: driver.app.desk.who, "the connection")
    await driver.press("9")
    await driver.see("Agents  ")
    for _ in range(("agents", "jobs", "quarantine", "tokens").index(view)):
        await driver.press("v")
    titles = {
        "agents": "Agents  ",
        "jobs": "Jobs  ",
        "quarantine": "Quarantine  ",
        "tokens": "Enrolment tokens  ",
    }
    await driver.see(titles[view])


async def test_agents_say_how_they_are(aggregator: Scripted) -> None:
    aggregator.script.agents = [
        builders.agent(1, "hv-01"),
        builders.agent(2, "hv-02", connected=False, last_batch=from_time(builders.ago(hours=3))),
        builders.agent(
            3,
            "hv-03",
            heartbeat_at=from_time(builders.ago(seconds=5)),
            spool_state="full",
            spool_bytes=900 << 20,
            spool_bytes_max=1024 << 20,
            unacknowledged=40,
            oldest_unacknowledged=from_time(builders.ago(minutes=50)),
            clock_offset_ms=-4200,
        ),
        builders.agent(4, "hv-04", state="held", state_reason="two hosts share it"),
    ]
    async with driven(aggregator, size=(120, 30)) as driver:
        await open_view(driver, "agents")
        await driver.see("● connected", "✖ silent", "▲ full 87 %", "50 min", "▲ -4,200 ms", "‖ held")
        await driver.see("✔ healthy", "totals add up")
        await driver.press("j", "j", "j", "enter")
        await driver.see("held", "two hosts share it")


async def test_totals_that_do_not_add_up_are_told(aggregator: Scripted) -> None:
    aggregator.script.dashboard.health.unbalanced_agents = 1
    async with driven(aggregator, size=(120, 30)) as driver:
        await open_view(driver, "agents")
        await driver.see("✖ totals do not add up")


@pytest.mark.parametrize(("key", "state"), [("r", "retired"), ("h", "held"), ("a", "active")])
async def test_agents_are_retired_held_and_activated(aggregator: Scripted, key: str, state: str) -> None:
    aggregator.script.answers["SetAgentsState"] = agents_pb2.SetAgentsStateReply(changed=2)
    async with driven(aggregator) as driver:
        await open_view(driver, "agents")
        await driver.press("space", "space", "x")
        await driver.see("2 agents", "retire: the host is gone")
        await driver.press(key)
        await driver.see("Reason")
        await driver.press(*"scrapped", "enter")
        await driver.see("Do it  y")
        assert not aggregator.asked(agents_pb2.SetAgentsStateRequest)
        await driver.press("y")
        await driver.see(f"2 of 2 agents now {state}.")
    asked = aggregator.asked(agents_pb2.SetAgentsStateRequest)
    assert [(list(one.ids), one.state, one.reason) for one in asked] == [([1, 2], state, "scrapped")]


async def test_revoking_wants_the_word(aggregator: Scripted) -> None:
    aggregator.script.answers["SetAgentsState"] = agents_pb2.SetAgentsStateReply(changed=1)
    async with driven(aggregator) as driver:
        await open_view(driver, "agents")
        await driver.press("X")
        await driver.see("Revoke hv-01")
        await driver.press(*"stolen", "enter")
        await driver.see("Type revoke")
        await driver.press(*"revoke", "enter")
        await driver.see("1 of 1 agent now revoked.")
    assert [one.state for one in aggregator.asked(agents_pb2.SetAgentsStateRequest)] == ["revoked"]


async def test_a_host_is_let_in_by_a_token_that_is_shown_once(aggregator: Scripted) -> None:
    aggregator.script.answers["CreateEnrolmentToken"] = agents_pb2.CreateEnrolmentTokenReply(
        token="enrol-once-0123456789", ca_fingerprint="ab:cd"
    )
    async with driven(aggregator) as driver:
        await open_view(driver, "agents")
        await driver.press("n")
        await driver.see("Let a host in")
        await driver.press("ctrl+s")
        await driver.see("Either a site")
        await driver.press(*"fra1", "enter", *"hv-07", "ctrl+s")
        await driver.see("Shown this once", "enrol-once-0123456789", "--fingerprint ab:cd")
        await driver.press("escape")
    asked = aggregator.asked(agents_pb2.CreateEnrolmentTokenRequest)
    assert [(one.site, one.host_name, one.agent_id, one.seconds) for one in asked] == [
        ("fra1", "hv-07", 0, 3600)
    ]


async def test_a_token_is_revoked(aggregator: Scripted) -> None:
    token = agents_pb2.EnrolmentToken(
        id=5, site="fra1", state="open", expires_at=from_time(builders.ago(minutes=-40)), created_by="ops"
    )
    aggregator.script.answers["ListEnrolmentTokens"] = agents_pb2.ListEnrolmentTokensReply(tokens=[token])
    aggregator.script.answers["RevokeEnrolmentToken"] = agents_pb2.EnrolmentToken(id=5, state="revoked")
    async with driven(aggregator) as driver:
        await open_view(driver, "tokens")
        await driver.see("open, 40 min left", "any host")
        await driver.press("X")
        await driver.see("Nobody can enrol with it any more.")
        await driver.press("y")
        await driver.see("Token 5 is revoked.")
    assert [one.id for one in aggregator.asked(agents_pb2.RevokeEnrolmentTokenRequest)] == [5]


async def test_jobs_say_what_they_did_and_run_on_request(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await open_view(driver, "jobs")
        await driver.see("rollup", "12 min ago", "in 48 min", "✔ done in 1 min: 3 pairs, 24 readings")
        await driver.press("j", "R")
        await driver.see("Run billing now", "It runs by itself every 3,600 s")
        assert not aggregator.asked(admin_pb2.RunJobRequest)
        await driver.press("y")
        await driver.see("Billing: done.")
    assert [one.name for one in aggregator.asked(admin_pb2.RunJobRequest)] == ["billing"]


async def test_a_job_that_fails_says_why(aggregator: Scripted) -> None:
    aggregator.script.run_state = "failed"
    async with driven(aggregator) as driver:
        await open_view(driver, "jobs")
        await driver.press("R")
        await driver.see("Run rollup now")
        await driver.press("y")
        await driver.see("Rollup: failed.")


@pytest.mark.parametrize(
    ("key", "keys", "said"), [("a", ["y"], "taken in"), ("d", [*"discard", "enter"], "discarded")]
)
async def test_quarantine_is_settled(aggregator: Scripted, key: str, keys: list[str], said: str) -> None:
    aggregator.script.quarantine = [
        admin_pb2.QuarantineGroup(
            agent_id=2,
            agent_name="hv-02",
            reason="negative",
            readings=7,
            newest=from_time(builders.ago(minutes=9)),
            example_source_type="vm",
            example_external_id="vm-1",
            example_unit_type="ram",
            example_value=-5,
        )
    ]
    reply = admin_pb2.SettleQuarantineReply(settled=6, kept=1)
    aggregator.script.answers["ReleaseQuarantine"] = aggregator.script.answers["DiscardQuarantine"] = reply
    aggregator.script.answers["ListQuarantined"] = admin_pb2.ListQuarantinedReply(
        readings=[
            admin_pb2.Quarantined(id=31, source_type="vm", external_id="vm-1", unit_type="ram", value=-5)
        ],
        page=types_pb2.PageInfo(total=7),
    )
    async with driven(aggregator) as driver:
        await open_view(driver, "quarantine")
        await driver.see("hv-02", "negative", "9 min ago")
        await driver.press("enter")
        await driver.see("31: vm vm-1 ram = -5", "and 6 more")
        await driver.press("escape", key)
        await driver.see("7 quarantined readings")
        assert not aggregator.asked(admin_pb2.SettleQuarantineRequest)
        await driver.press(*keys)
        await driver.see(f"6 readings {said}.", "1 reading cannot be taken")
    asked = aggregator.asked(admin_pb2.SettleQuarantineRequest)
    assert [(one.agent_id, one.reason) for one in asked] == [(2, "negative")]


async def test_an_empty_quarantine_says_what_that_means(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await open_view(driver, "quarantine")
        await driver.see("Nothing in quarantine")


async def test_a_key_for_another_list_says_so(aggregator: Scripted) -> None:
    async with driven(aggregator) as driver:
        await open_view(driver, "agents")
        await driver.press("R")
        await driver.see("Running is for the list of jobs; v goes there.")


@pytest.mark.parametrize(
    ("view", "offered", "elsewhere"),
    [
        ("agents", ("x Retire/hold", "X Revoke"), ("R", "a", "d")),
        ("jobs", ("R Run job",), ("x", "X", "a", "d")),
        ("quarantine", ("a Take in", "d Discard"), ("x", "X", "R")),
        ("tokens", ("X Revoke",), ("x", "R", "a", "d")),
    ],
)
async def test_the_keys_of_a_list_stand_at_its_foot_and_others_say_where_they_belong(
    aggregator: Scripted, view: str, offered: tuple[str, ...], elsewhere: tuple[str, ...]
) -> None:
    async with driven(aggregator) as driver:
        await open_view(driver, view)
        await driver.see(*offered)
        for key in elsewhere:
            driver.app.clear_notifications()
            await driver.press(key)
            await driver.see("v goes there.")


async def test_much_that_is_wrong_hides_neither_runs_nor_totals_and_is_told_in_full(
    aggregator: Scripted,
) -> None:
    health = aggregator.script.dashboard.health
    health.state = "warning"
    health.problems[:] = ["one thing " + "and more of it " * 8, "the last of all"]
    async with driven(aggregator) as driver:
        await open_view(driver, "agents")
        await driver.see("▲ warning", "last reading", "totals add up")
        assert "the last of all" not in driver.seen()
        await driver.press("i")
        await driver.see("Health", "State: warning", "the last of all")

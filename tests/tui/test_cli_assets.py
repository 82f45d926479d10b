"""``ullage assets``: what is decided about many at a time, and how they are named."""

import grpc
import pytest

from tests.tui import builders
from tests.tui.commands import Command
from tests.tui.scripted import Scripted
from ullage.v1 import asset_acts_pb2, inventory_pb2, types_pb2
from ullage.wire import from_time

PREVIEW = types_pb2.Preview(
    assets=2,
    series=6,
    readings=4100,
    money=[types_pb2.Money(currency="EUR", amount="-12.50"), types_pb2.Money(currency="USD", amount="3.00")],
    unpriced=1,
    lines=[
        types_pb2.PreviewLine(
            act="bind",
            asset_id=8,
            asset_name="=web\x1b[2J",
            unit_type="ram",
            to="vm memory",
            money=types_pb2.Money(currency="EUR", amount="-12.50"),
        )
    ],
    lines_total=3,
    notes=["max: each client pays what it had"],
    confirm_assets=2,
)
# A command, the method it calls, and what the request must say beside the ids.
ACTS = (
    ("ack", "AcknowledgeAssets", {"withdraw": False}),
    ("ack --withdraw", "AcknowledgeAssets", {"withdraw": True}),
    ("describe --text rack", "DescribeAssets", {"description": "rack"}),
    ("release --confirm 9", "ReleaseAssets", {"confirmed_assets": 9}),
    ("enable", "SetAssetsEnabled", {"enabled": True}),
    ("disable --confirm 2", "SetAssetsEnabled", {"enabled": False, "confirmed_assets": 2}),
    ("disregard --from-now", "DisregardAssets", {"from_now": True}),
    ("restore", "RestoreAssets", {"confirmed_assets": 0}),
    ("bind --to 3 --to 4 --backdate", "BindAssets", {"bucket_ids": [3, 4], "backdate": True}),
    ("unbind --from 3", "UnbindAssets", {"bucket_ids": [3]}),
)
REQUESTS = {
    name: getattr(asset_acts_pb2, f"{name}Request")
    for name in (
        "AcknowledgeAssets",
        "DescribeAssets",
        "ReleaseAssets",
        "SetAssetsEnabled",
        "DisregardAssets",
        "RestoreAssets",
        "BindAssets",
        "UnbindAssets",
    )
}


@pytest.mark.parametrize(("words", "method", "said"), ACTS)
async def test_an_act_reaches_all_its_assets_in_one_call(
    ullage: Command, aggregator: Scripted, words: str, method: str, said: dict[str, object]
) -> None:
    aggregator.script.answers[method] = asset_acts_pb2.ActReply(changed=2, audit_group=4711)
    verb, *options = words.split()
    done = await ullage("assets", verb, "8", "16", *options)
    assert (done.code, done.out) == (0, "")
    assert done.err == "2 of 2 assets changed.\nTo take it back: ullage audit undo 4711\n"
    [asked] = aggregator.asked(REQUESTS[method])
    assert list(asked.asset_ids) == [8, 16]
    assert {
        name: (list(v) if isinstance(said[name], list) else v)
        for name in said
        for v in [getattr(asked, name)]
    } == said


async def test_what_an_act_changed_is_data_for_programs(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.answers["RestoreAssets"] = asset_acts_pb2.ActReply(
        changed=1, audit_group=7, preview=PREVIEW
    )
    done = await ullage("assets", "restore", "8", "--format", "json")
    assert (done.json["changed"], done.json["audit_group"]) == (1, 7)
    assert done.json["money"] == {"EUR": "-12.50", "USD": "3.00"}
    assert "About EUR 12.50 less will be billed" in done.err
    as_csv = await ullage("assets", "restore", "8", "--format", "csv")
    assert as_csv.csv == [{"changed": "1", "audit_group": "7"}]


async def test_a_dry_run_is_read_by_people(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.preview = PREVIEW
    done = await ullage("assets", "assign", "8", "16", "--to", "2", "--dry-run")
    assert done.code == 0
    for words in (
        "2 assets, 6 series, 4,100 readings of time that is not finalised.",
        "About EUR 12.50 less would be billed",
        "About USD 3.00 more would be billed",
        "1 series have no price yet",
        "Max: each client pays what it had.",
        "vm memory",
    ):
        assert words in done.out
    assert "\x1b" not in done.out
    assert "repeat with --confirm 2" in done.err
    assert "1 of 3 lines are shown" in done.err
    [asked] = aggregator.asked(inventory_pb2.AssignAssetsRequest)
    assert asked.dry_run


async def test_a_dry_run_is_read_by_programs(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.preview = PREVIEW
    as_json = await ullage("assets", "assign", "8", "--to", "2", "--dry-run", "--format", "json")
    assert (as_json.json["dry_run"], as_json.json["would_change"]) == (True, 1)
    assert as_json.json["lines"][0]["asset"] == "=web\x1b[2J"
    as_csv = await ullage("assets", "assign", "8", "--to", "2", "--dry-run", "--format", "csv")
    assert as_csv.csv[0]["asset"].startswith("'=web")
    assert as_csv.csv[0]["money"] == "-12.50"


async def test_an_act_that_must_be_confirmed_says_with_which_option(
    ullage: Command, aggregator: Scripted
) -> None:
    aggregator.script.failure = (
        grpc.StatusCode.FAILED_PRECONDITION,
        "this concerns 295 of 295 assets; look at the dry run, then repeat it with 295 confirmed",
    )
    done = await ullage("assets", "disable", "1")
    assert (done.code, "--confirm N" in done.err) == (1, True)


async def test_ids_are_read_from_stdin_one_a_line(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage("assets", "assign", "-", "--to", "2", stdin="8\n\n16 # the old one\n8\n")
    assert (done.code, done.err) == (0, "2 of 2 assets changed.\n")
    assert list(aggregator.asked(inventory_pb2.AssignAssetsRequest)[0].asset_ids) == [8, 16]


async def test_a_line_that_is_no_id_is_named_and_nothing_is_done(
    ullage: Command, aggregator: Scripted
) -> None:
    done = await ullage("assets", "assign", "-", "--to", "2", stdin="8\nweb-01\x1b[2J\n")
    assert (done.code, done.out) == (2, "")
    assert "stdin, line 2" in done.err
    assert "\x1b" not in done.err
    assert aggregator.requests == []


async def test_nothing_on_stdin_is_nothing_to_do(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage("assets", "ack", "-", stdin="")
    assert (done.code, aggregator.requests) == (0, [])


async def test_what_filters_find_is_shown_and_done_with_yes(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.assets = [
        *(builders.asset(n, f"web-{n}") for n in range(1, 31)),
        builders.asset(99, "web-99", client_id=1, client_name="Brook & Sons"),
    ]
    wanted = ("assets", "assign", "--search", "web-", "--unassigned", "--to", "quill press")
    asked = await ullage(*wanted)
    assert (asked.code, asked.out) == (2, "")
    assert "web-20" in asked.err
    assert "… and 10 more." in asked.err
    assert "no terminal to ask on: repeat with --yes" in asked.err
    assert aggregator.asked(inventory_pb2.AssignAssetsRequest) == []
    done = await ullage(*wanted, "--yes")
    assert done.code == 0
    [request] = aggregator.asked(inventory_pb2.AssignAssetsRequest)
    assert (list(request.asset_ids), request.client_id) == (list(range(1, 31)), 12)


async def test_filters_that_find_nothing_do_nothing(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage("assets", "disable", "--search", "no such thing", "--yes")
    assert (done.code, done.err) == (0, "No assets match: nothing to do.\n")
    assert aggregator.asked(asset_acts_pb2.SetAssetsEnabledRequest) == []


@pytest.mark.parametrize(
    "words",
    [
        "ack",
        "ack 1 --new",
        "ack x",
        "ack 99999999999999999999",
        "move 1 --to 2",
        "move 1 --to 2 --at 2026-11-15T00:00",
        "bind 1",
        "merge 1",
        "usage 1 --days 32",
    ],
)
async def test_wrong_usage_asks_nobody(ullage: Command, aggregator: Scripted, words: str) -> None:
    done = await ullage("assets", *words.split())
    assert (done.code, done.out, aggregator.requests) == (2, "", [])


async def test_every_filter_is_asked_of_the_aggregator(ullage: Command, aggregator: Scripted) -> None:
    bucket = aggregator.script.buckets[0]
    done = await ullage(
        *("assets", "list", "--disregarded", "--disabled", "--by-hand", "--agent", "hv-01"),
        *("--label", "env=prod", "--bucket", f"{bucket.client_name}/{bucket.name.upper()}"),
        *("--sort", "name", "--descending"),
    )
    assert done.code == 0
    asked = aggregator.asked(inventory_pb2.ListAssetsRequest)[-1]
    assert (asked.disregarded, asked.disabled, asked.by_hand) == (True, True, True)
    assert (asked.agent, asked.label, asked.page.sort, asked.page.descending) == (
        "hv-01",
        "env=prod",
        "name",
        True,
    )
    named = next(one for one in aggregator.script.buckets if one.id == asked.bucket_id)
    assert (named.client_name, named.name) == (bucket.client_name, bucket.name)


async def test_a_bucket_that_is_not_there_is_refused(ullage: Command) -> None:
    done = await ullage("assets", "list", "--bucket", "Brook & Sons/nothing")
    assert done.code == 1
    assert "give its id or CLIENT/NAME" in done.err


async def test_the_list_of_the_unbound_says_what_is_not_billed(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.assets = [
        builders.asset(
            1,
            "web",
            series_unbound=2,
            unbound_since=from_time(builders.ago(days=3)),
            days_unbound=3,
            unbound_money=types_pb2.Money(currency="EUR", amount="41.20"),
        )
    ]
    done = await ullage("assets", "list", "--unbound")
    assert "not billed" in done.out
    assert "41.20" in done.out


async def test_a_move_happens_at_a_moment(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage("assets", "move", "8", "--to", "2", "--at", "2026-11-15T01:00+01:00")
    assert done.code == 0
    asked = aggregator.asked(inventory_pb2.AssignAssetsRequest)[0]
    assert getattr(asked, "from").ToJsonString() == "2026-11-15T00:00:00Z"


async def test_two_assets_become_one_only_when_that_is_meant(ullage: Command, aggregator: Scripted) -> None:
    asked = await ullage("assets", "merge", "212", "--into", "17")
    assert (asked.code, aggregator.requests) == (2, [])
    aggregator.script.answers["MergeAssets"] = asset_acts_pb2.ActReply(changed=1, audit_group=5)
    done = await ullage("assets", "merge", "212", "--into", "17", "--yes")
    assert done.code == 0
    request = aggregator.asked(asset_acts_pb2.MergeAssetsRequest)[0]
    assert (request.asset_id, request.into_id) == (212, 17)


async def test_usage_is_a_row_for_each_unit_type_and_day(ullage: Command) -> None:
    done = await ullage("assets", "usage", "1", "--days", "7", "--format", "csv")
    assert len(done.csv) == 21
    assert {row["unit_type"] for row in done.csv} == {"ram", "vcpu", "net-out"}


SUGGESTIONS = asset_acts_pb2.SuggestBindingsReply(
    suggestions=[
        asset_acts_pb2.Suggestion(
            asset_id=number,
            client_id=1,
            client_name="Brook & Sons",
            buckets=[asset_acts_pb2.SuggestedBucket(bucket_id=3, bucket_name="vm ram", unit_type="ram")],
            reason="like web-01 and 3 others of Brook & Sons: same name pattern",
            confidence=90 if number < 3 else 40,
            group="web-*",
        )
        for number in (1, 2, 3)
    ]
)


async def test_suggestions_say_why(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.answers["SuggestBindings"] = SUGGESTIONS
    done = await ullage("assets", "suggest", "1", "2", "3", "4", "--format", "json")
    assert [row["confidence"] for row in done.json] == [90, 90, 40]
    assert "same name pattern" in done.json[0]["reason"]
    assert done.err == "For 1 asset nothing similar enough is bound.\n"


async def test_suggestions_are_asked_for_in_pages(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.assets = [builders.asset(n, f"a{n}", series_unbound=1) for n in range(1, 1202)]
    done = await ullage("assets", "suggest")
    assert done.code == 0
    pages = aggregator.asked(asset_acts_pb2.SuggestBindingsRequest)
    assert [len(page.asset_ids) for page in pages] == [500, 500, 201]


async def test_suggestions_are_accepted_in_one_call_after_a_look(
    ullage: Command, aggregator: Scripted
) -> None:
    aggregator.script.answers["SuggestBindings"] = SUGGESTIONS
    aggregator.script.answers["BindAssets"] = lambda request: asset_acts_pb2.ActReply(
        changed=len(request.asset_ids), preview=PREVIEW, audit_group=0 if request.dry_run else 9
    )
    wanted = ("assets", "accept", "1", "2", "3", "--confidence", "80")
    looked = await ullage(*wanted, "--dry-run")
    assert looked.code == 0
    assert "2 assets, 6 series" in looked.out
    assert "vm ram" in looked.err
    unasked = await ullage(*wanted)
    assert unasked.code == 2
    assert "Bind 2 assets so?" in unasked.err
    done = await ullage(*wanted, "--yes")
    assert (done.code, "ullage audit undo 9" in done.err) == (0, True)
    requests = aggregator.asked(asset_acts_pb2.BindAssetsRequest)
    assert [one.dry_run for one in requests] == [True, True, False]
    assert (list(requests[-1].asset_ids), requests[-1].suggested) == ([1, 2], True)

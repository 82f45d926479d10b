"""``ullage <noun> list`` and what holds for every command: forms, filters, exit codes."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tui import builders
from tests.tui.commands import Command, finish, start
from tests.tui.scripted import Scripted
from ullage.v1 import inventory_pb2, types_pb2

LISTS = (
    "clients",
    "assets",
    "buckets",
    "billing",
    "projections",
    "unit-types",
    "agents",
    "jobs",
    "assignment-rules",
)


@pytest.mark.parametrize("noun", LISTS)
async def test_every_list_says_the_same_in_every_form(ullage: Command, noun: str) -> None:
    as_json, as_lines, as_csv, as_table = await asyncio.gather(
        *(ullage(noun, "list", "--format", form) for form in ("json", "jsonl", "csv", "table"))
    )
    assert [done.code for done in (as_json, as_lines, as_csv, as_table)] == [0, 0, 0, 0]
    assert as_json.json
    assert [json.loads(line) for line in as_lines.out.splitlines()] == as_json.json
    assert [list(row) for row in as_csv.csv] == [list(row) for row in as_json.json]
    assert len(as_table.out.splitlines()) == len(as_json.json) + 2


async def test_decimals_are_texts_and_times_are_utc_in_json(ullage: Command) -> None:
    first = (await ullage("clients", "list", "--format", "json")).json[0]
    assert first["projected_cost"] == "1423.44"
    assert first["period_start"] == "2026-10-31T23:00:00Z"
    assert first["id"] == 1


async def test_a_list_pages_through_everything(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.assets = [builders.asset(n, f"a{n}") for n in range(1, 1202)]
    done = await ullage("assets", "list", "--format", "json")
    assert [row["id"] for row in done.json] == list(range(1, 1202))
    assert done.err == ""
    assert len(aggregator.asked(inventory_pb2.ListAssetsRequest)) == 3


async def test_a_limit_never_cuts_in_silence(ullage: Command) -> None:
    done = await ullage("assets", "list", "--limit", "7", "--format", "jsonl")
    assert len(done.out.splitlines()) == 7
    assert "7 of 60 assets" in done.err


async def test_an_empty_list_is_empty_data_and_a_word(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.assets = []
    as_json, as_csv, as_table = await asyncio.gather(
        *(ullage("assets", "list", "--format", form) for form in ("json", "csv", "table"))
    )
    assert (as_json.json, as_json.err) == ([], "No assets.\n")
    assert as_csv.out.startswith("id,client,")
    assert as_table.out == ""


async def test_filters_are_asked_of_the_aggregator(ullage: Command, aggregator: Scripted) -> None:
    done = await ullage(
        *[
            "assets",
            "list",
            "--unbound",
            "--unassigned",
            "--new",
            "--source",
            "vm",
            "--search",
            "web",
            "--format",
            "json",
        ],
        "--client",
        "brook & sons",
    )
    assert (done.code, done.json) == (0, [])
    asked = aggregator.asked(inventory_pb2.ListAssetsRequest)[-1]
    assert (asked.unbound, asked.unassigned, asked.unacknowledged) == (True, True, True)
    assert (asked.source_type, asked.search, asked.client_id) == ("vm", "web", 1)


async def test_a_client_that_is_not_there_is_refused(ullage: Command) -> None:
    done = await ullage("assets", "list", "--client", "nobody")
    assert (done.code, done.out) == (1, "")
    assert "no client named 'nobody'" in done.err


@pytest.mark.parametrize("name", builders.HOSTILE)
async def test_no_form_lets_a_name_act_on_terminal_or_spreadsheet(
    ullage: Command, aggregator: Scripted, name: str
) -> None:
    aggregator.script.assets = [builders.asset(1, name)]
    as_json, as_csv, as_table = await asyncio.gather(
        *(ullage("assets", "list", "--format", form) for form in ("json", "csv", "table"))
    )
    for done in (as_json, as_csv, as_table):
        assert not {"\x1b", "\x07", "\x9b", "\u202e", "\t"} & set(done.out)
    assert as_json.json[0]["name"] == name
    assert len(as_table.out.splitlines()) == 3
    assert len(as_csv.csv) == 1


@pytest.mark.parametrize("start_of_name", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"])
async def test_a_formula_is_a_text_in_csv(ullage: Command, aggregator: Scripted, start_of_name: str) -> None:
    aggregator.script.assets = [builders.asset(1, start_of_name)]
    row = (await ullage("assets", "list", "--format", "csv")).csv[0]
    assert row["name"].startswith("'")


async def test_a_negative_figure_stays_a_figure_in_csv(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.readings = [builders.reading(aggregator.script.buckets[0], 1, cost="-5.00")]
    assert (await ullage("billing", "list", "--format", "csv")).csv[0]["cost"] == "-5.00"


async def test_an_asset_is_shown_with_its_series(ullage: Command) -> None:
    as_json, as_table, as_csv = await asyncio.gather(
        *(ullage("assets", "show", "1", "--format", form) for form in ("json", "table", "csv"))
    )
    assert [series["unit_type"] for series in as_json.json["series"]] == ["ram", "vcpu", "net-out"]
    assert as_json.json["agents"] == ["hv-03"]
    assert "0.0312" in as_table.out
    assert len(as_csv.csv) == 3


async def test_an_asset_that_is_not_there_is_refused(ullage: Command) -> None:
    done = await ullage("assets", "show", "999")
    assert (done.code, done.err) == (1, "ullage: There is no asset 999.\n")


async def test_the_dashboard_is_a_row_for_each_figure(ullage: Command, aggregator: Scripted) -> None:
    dashboard = aggregator.script.dashboard
    dashboard.status_last_period.over = 2
    money = types_pb2.Money(currency="EUR", amount="812.50")
    dashboard.average_per_client.append(money)
    dashboard.revenue_by_source.add(source_type="vm", revenue=money, provisional=True)
    figures = (await ullage("dashboard", "--format", "json")).json
    assert {"figure": "unbound", "of": "", "value": 7, "unit": ""} in figures
    assert {"figure": "clients last period", "of": "over", "value": 2, "unit": ""} in figures
    assert {"figure": "average per client", "of": "", "value": "812.50", "unit": "EUR"} in figures
    by_source = {"figure": "revenue by source", "of": "vm (provisional)", "value": "812.50", "unit": "EUR"}
    assert by_source in figures
    assert {"figure": "projected revenue", "of": "", "value": "48210.75", "unit": "EUR"} in figures


@pytest.mark.parametrize(
    "arguments",
    [
        "assets list --format xml",
        "assets list --limit 0",
        "assets assign 1",
        "assets assign 1 --to 2 --end",
        "assets show x",
        "clients create a --currency EUR --anchor 2026-02-30",
        "buckets create a --client 1 --source vm --unit ram --aggregation avg --base -1 --overage 1 --starts-on 2026-01-01",
        "assignment-rules create --client 1 --filter name",
        "assignment-rules create --client 1 --filter 'name like x'",
        "nonsense",
    ],
)
async def test_wrong_usage_is_two_and_asks_nobody(
    ullage: Command, aggregator: Scripted, arguments: str
) -> None:
    done = await ullage(*arguments.split())
    assert (done.code, done.out) == (2, "")
    assert "Error:" in done.err
    assert aggregator.requests == []


async def test_missing_settings_are_two_and_all_said(tmp_path: Path) -> None:
    done = await finish(await start("clients", "list", environment={"HOME": str(tmp_path)}))
    assert (done.code, done.out, done.err.count(" is missing: ")) == (2, "", 3)


async def test_an_aggregator_that_is_away_is_three(ullage: Command, aggregator: Scripted) -> None:
    await aggregator.stop()
    done = await ullage("clients", "list")
    assert (done.code, done.out) == (3, "")
    assert "Nothing listens" in done.err


async def test_a_refused_key_is_one(ullage: Command) -> None:
    done = await ullage("clients", "list", ULLAGE_KEY="ullage_wrong0123456789abcdef")
    assert (done.code, done.out) == (1, "")
    assert "key was refused" in done.err
    assert "wrong0123" not in done.err


async def test_ctrl_c_is_130(aggregator: Scripted, tmp_path: Path) -> None:
    aggregator.script.delay_seconds = 20.0
    process = await start("clients", "list", environment=aggregator.environment(tmp_path))
    await aggregator.called.wait()
    process.send_signal(signal.SIGINT)
    assert (await finish(process)).code == 130


async def test_a_reader_that_stops_reading_is_no_error(aggregator: Scripted, tmp_path: Path) -> None:
    aggregator.script.assets = [builders.asset(n, "x" * 200) for n in range(1, 1000)]
    process = await start("assets", "list", "--format", "jsonl", environment=aggregator.environment(tmp_path))
    assert process.stdout is not None
    await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]
    assert process.stderr is not None
    assert b"Traceback" not in await process.stderr.read()
    assert await process.wait() in {0, 1}


async def test_commands_do_not_load_the_screens() -> None:
    program = (
        "import sys; from tui.__main__ import cli; "
        "print([m for m in ('textual', 'stamina') if m in sys.modules])"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().strip() == "[]"


async def test_help_teaches_settings_examples_and_codes(ullage: Command) -> None:
    done = await ullage("--help")
    assert done.code == 0
    for words in (
        "ULLAGE_KEY_FILE",
        "ullage assets list --unbound",
        "3 aggregator not reachable",
        "config.toml",
    ):
        assert words in done.out

"""Files in and out: what is sent, what is said of errors, and what a contract counts against what is metered."""

from pathlib import Path

import grpc
import pytest

from tests.tui.commands import Command
from tests.tui.scripted import Scripted
from ullage.v1 import exchange_pb2, types_pb2

PLACES = (
    ("clients", exchange_pb2.TABLE_CLIENTS),
    ("buckets", exchange_pb2.TABLE_BUCKETS),
    ("assets assignments", exchange_pb2.TABLE_ASSIGNMENTS),
    ("clients contracts", exchange_pb2.TABLE_CONTRACTS),
)
FILE = b"name,currency\nacme,EUR\n"


@pytest.mark.parametrize(("place", "table"), PLACES)
async def test_a_file_is_sent_whole_as_it_is(
    ullage: Command, aggregator: Scripted, tmp_path: Path, place: str, table: int
) -> None:
    aggregator.script.answers["Import"] = exchange_pb2.ImportReply(
        created=2, unchanged=1, preview=types_pb2.Preview(assets=3, series=9), audit_group=8
    )
    path = tmp_path / "in.csv"
    path.write_bytes(b"\xef\xbb\xbf" + FILE)
    dry = await ullage(*place.split(), "import", str(path), "--dry-run")
    assert (dry.code, "3 assets, 9 series" in dry.out) == (0, True)
    assert "Would be: 2 created, 0 changed, 1 as they were." in dry.err
    done = await ullage(*place.split(), "import", "-", "--format", "json", stdin=FILE.decode())
    assert (done.json["created"], done.json["audit_group"]) == (2, 8)
    assert "ullage audit show 8" in done.err
    first, second = aggregator.asked(exchange_pb2.ImportRequest)
    assert (first.table, first.dry_run, first.file) == (table, True, b"\xef\xbb\xbf" + FILE)
    assert (second.dry_run, second.file) == (False, FILE)


async def test_every_error_is_said_with_its_line(
    ullage: Command, aggregator: Scripted, tmp_path: Path
) -> None:
    aggregator.script.answers["Import"] = exchange_pb2.ImportReply(
        errors=[
            exchange_pb2.ImportError(line=3, column="currency", text="there is no currency \x1b[2JXXX"),
            exchange_pb2.ImportError(line=7, text="has too few columns"),
        ],
        errors_total=1200,
    )
    path = tmp_path / "in.csv"
    path.write_bytes(FILE)
    done = await ullage("clients", "import", str(path))
    assert (done.code, done.out) == (1, "")
    assert f"{path}:3: currency: there is no currency" in done.err
    assert f"{path}:7: has too few columns" in done.err
    assert f"1,200 errors in {path}: nothing was imported" in done.err
    assert "\x1b" not in done.err
    as_csv = await ullage("clients", "import", str(path), "--format", "csv")
    assert (as_csv.code, [row["line"] for row in as_csv.csv]) == (1, ["3", "7"])
    as_json = await ullage("clients", "import", str(path), "--format", "json")
    assert (as_json.code, as_json.json["errors_total"]) == (1, 1200)


async def test_a_file_that_is_not_there_or_too_large_asks_nobody(
    ullage: Command, aggregator: Scripted, tmp_path: Path
) -> None:
    missing = await ullage("buckets", "import", str(tmp_path / "none.csv"))
    assert (missing.code, "cannot be read" in missing.err) == (2, True)
    large = tmp_path / "large.csv"
    large.write_bytes(b"x" * (4 * 1024 * 1024 + 1))
    refused = await ullage("buckets", "import", str(large))
    assert (refused.code, "larger than 4 MiB" in refused.err) == (2, True)
    assert aggregator.requests == []


@pytest.mark.parametrize(("place", "table"), PLACES)
async def test_an_export_is_what_the_aggregator_writes(
    ullage: Command, aggregator: Scripted, tmp_path: Path, place: str, table: int
) -> None:
    aggregator.script.export = [FILE[:9], FILE[9:]]
    done = await ullage(*place.split(), "export", "--client", "Quill Press")
    assert (done.code, done.out.encode()) == (0, FILE)
    out = tmp_path / "out.csv"
    filed = await ullage(*place.split(), "export", "--out", str(out))
    assert (filed.code, out.read_bytes()) == (0, FILE)
    first, second = aggregator.asked(exchange_pb2.ExportRequest)
    assert (first.table, first.client_id, second.client_id) == (table, 12, 0)


async def test_a_failed_export_leaves_the_file_that_was_there(
    ullage: Command, aggregator: Scripted, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    out.write_text("of yesterday")
    aggregator.script.failure = (grpc.StatusCode.INTERNAL, "error 4711")
    done = await ullage("clients", "export", "--out", str(out))
    assert (done.code, out.read_text()) == (1, "of yesterday")
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


async def test_contracts_are_compared_with_meters(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.answers["ListReconciliation"] = exchange_pb2.ListReconciliationReply(
        rows=[
            exchange_pb2.Reconciliation(
                client_id=1,
                client_name="acme",
                source_type="vm",
                unit_type="vm-count",
                contracted="712",
                metered="680",
                difference="-32",
                unbound="4",
            ),
            exchange_pb2.Reconciliation(client_id=1, client_name="acme", contracted="3"),
        ]
    )
    done = await ullage("clients", "reconcile", "--client", "1", "--differing", "--format", "json")
    assert [(row["contracted"], row["metered"], row["difference"]) for row in done.json] == [
        ("712", "680", "-32"),
        ("3", None, None),
    ]
    asked = aggregator.asked(exchange_pb2.ListReconciliationRequest)[0]
    assert (asked.client_id, asked.differing) == (1, True)
    assert (await ullage("clients", "reconcile", "--format", "csv")).csv[0]["difference"] == "-32"

"""Files of readings: totals to the last digit, what is provisional and what final, names that are up to no good."""

import csv
import io
import json
import zipfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from aggregator.errors import Invalid, NotFound
from aggregator.rpc import caller
from aggregator.rpc.closing import ClosingService
from aggregator.rpc.server import Context
from aggregator.store.database import Database
from tests.bills import reading, run
from tests.builders import World
from ullage.v1 import closing_pb2

JANUARY, FEBRUARY, MARCH = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3))
HOSTILE = ["=cmd|' /C calc'!A1", "+1", "-2", "@sum", "\t=1", 'a","b', "a\nb", "'=1", "ünïcode 🙂"]


@pytest.fixture(autouse=True)
def everybody() -> None:
    caller.become(caller.Caller("key", "billing"))


async def exported(db: Database, context: Context, **asked: Any) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Files by name, and the manifest, which comes last."""
    files: dict[str, bytes] = {}
    name = ""
    request = closing_pb2.ExportReadingsRequest(**{"day": "2026-02-14", **asked})
    async for chunk in ClosingService(db).ExportReadings(request, context):
        name = chunk.file_name or name
        assert (name not in files) == bool(chunk.file_name)
        files[name] = files.get(name, b"") + chunk.data
    assert name.endswith("manifest.json")
    return files, json.loads(files.pop(name))


def rows(file: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.decode(), newline="")))


def cells(file: bytes) -> list[dict[str, tuple[str, str]]]:
    """Of a workbook, by row and column letter: type and text."""
    book = zipfile.ZipFile(io.BytesIO(file))
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    shared = [
        "".join(t.text or "" for t in item.iter(f"{{{space['m']}}}t"))
        for item in ET.fromstring(book.read("xl/sharedStrings.xml"))  # noqa: S314 - our own file
    ]
    sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314
    assert not list(sheet.iter(f"{{{space['m']}}}f")), "a formula"
    found = []
    for row in sheet.iter(f"{{{space['m']}}}row"):
        line = {}
        for cell in row:
            value = cell.find("m:v", space)
            text = "" if value is None else value.text or ""
            kind = cell.get("t", "n")
            line[cell.get("r", "").rstrip("0123456789")] = (kind, shared[int(text)] if kind == "s" else text)
        found.append(line)
    return found


async def two_clients(world: World) -> dict[str, Decimal]:
    """A client with final readings and an adjustment, one with a provisional reading in yen; totals by currency."""
    acme, tokyo = await world.client("acme"), await world.client("tokyo", currency="JPY")
    hosts, vms = await world.bucket(acme), await world.bucket(acme, source_type="vm", base="0.0123456789")
    yen = await world.bucket(tokyo)
    euros = await reading(world, hosts, FEBRUARY, MARCH, quantity="123.4567", finalised_at=MARCH)
    euros += await reading(world, vms, FEBRUARY, MARCH, quantity="33.33", finalised_at=MARCH)
    await reading(world, vms, JANUARY, FEBRUARY, finalised_at=FEBRUARY)
    yens = await reading(world, yen, FEBRUARY, MARCH)
    await world.insert(
        "adjustment", bucket_id=vms, period_start=JANUARY, period_end=FEBRUARY, in_start=FEBRUARY, in_end=MARCH,
        delta_quantity=Decimal("-0.0001"), currency="EUR", amount=Decimal("-12345678901234567.89"), cutoff=MARCH,
        run_id=await run(world, "billing", started_at=MARCH), reason="2 batches of agent 1", finalised_at=MARCH,
    )  # fmt: skip
    return {"EUR": euros - Decimal("12345678901234567.89"), "JPY": yens}


async def test_totals_are_those_of_the_readings_to_the_last_digit(
    db: Database, world: World, context: Context
) -> None:
    totals = await two_clients(world)
    files, manifest = await exported(db, context)
    assert sorted(files) == ["readings-2026-02-14-host-provisional.csv", "readings-2026-02-14-vm-final.csv"]
    assert manifest["totals"] == {currency: str(total) for currency, total in totals.items()}
    assert (manifest["rows"], manifest["readings"], manifest["adjustments"]) == (4, 3, 1)
    assert (manifest["state"], manifest["day"], manifest["open_period"]) == (
        "provisional",
        "2026-02-14",
        False,
    )
    for entry in manifest["files"]:
        file = files[entry["name"]]
        assert (entry["bytes"], entry["sha256"]) == (len(file), sha256(file).hexdigest())
        lines = rows(file)
        assert len(lines) == entry["rows"]
        for currency, total in entry["totals"].items():
            assert sum(Decimal(line["cost"]) for line in lines if line["currency"] == currency) == Decimal(
                total
            )


async def test_adjustments_are_rows_of_their_own_kind(db: Database, world: World, context: Context) -> None:
    await two_clients(world)
    files, _ = await exported(db, context, source_type="vm")
    [plain, adjusted] = rows(files["readings-2026-02-14-vm-final.csv"])
    assert (plain["kind"], plain["state"], plain["adjusts"]) == ("reading", "final", "")
    parts = [Decimal(plain[name]) for name in ("used", "buffer", "overage", "limit")]
    assert sum(parts) == Decimal(plain["cost"])
    assert (plain["first_day"], plain["last_day"]) == ("2026-02-01", "2026-02-28")
    assert (adjusted["kind"], adjusted["adjusts"], adjusted["quantity"], adjusted["cost"], adjusted["used"]) == (
        "adjustment", "2026-01-01", "-0.0001", "-12345678901234567.89", "",
    )  # fmt: skip


async def test_a_spreadsheet_has_the_same_rows_and_rounds_nothing(
    db: Database, world: World, context: Context
) -> None:
    await two_clients(world)
    (text, _), (sheets, manifest) = await exported(db, context), await exported(db, context, format="xlsx")
    assert manifest["totals"] == (await exported(db, context))[1]["totals"]
    for name, file in sheets.items():
        lines = rows(text[name.replace(".xlsx", ".csv")])
        head, *found = cells(file)
        columns = {letter: name for letter, (_, name) in head.items()}
        assert list(columns.values()) == list(lines[0])
        for line, row in zip(lines, found, strict=True):
            given = {columns[letter]: (kind, value) for letter, (kind, value) in row.items()}
            for column, value in line.items():
                kind, cell = given.get(column, ("s", ""))
                assert Decimal(cell) == Decimal(value) if kind == "n" else cell == value
    assert ("s", "-12345678901234567.89") in [c for row in cells(sheets[name]) for c in row.values()]


async def test_no_name_becomes_a_formula(db: Database, world: World, context: Context) -> None:
    for place, name in enumerate(HOSTILE):
        bucket = await world.bucket(await world.client(f"{name}{place}"), name=name)
        await reading(world, bucket, FEBRUARY, MARCH)
    files, _ = await exported(db, context)
    lines = rows(files["readings-2026-02-14-host-provisional.csv"])
    assert not [
        line["bucket"] for line in lines if line["bucket"].startswith(("=", "+", "-", "@", "\t", "\r"))
    ]
    unescaped = {b.removeprefix("'") for b in (line["bucket"] for line in lines)}
    assert unescaped == set(HOSTILE)
    sheets, _ = await exported(db, context, format="xlsx")
    names = {row["E"] for row in cells(sheets["readings-2026-02-14-host-provisional.xlsx"])[1:]}
    assert names == {("s", name) for name in HOSTILE}


async def test_the_open_period_is_the_default_and_provisional(
    db: Database, world: World, context: Context
) -> None:
    now = (await world.one("select date_trunc('month', now())"))[0]
    following = (now.replace(day=28) + (MARCH - FEBRUARY) / 4).replace(day=1)
    cost = await reading(world, await world.bucket(await world.client()), now, following)
    files, manifest = await exported(db, context, day="")
    [line] = rows(next(iter(files.values())))
    assert (line["state"], Decimal(line["cost"])) == ("provisional", cost)
    assert manifest["open_period"]


async def test_a_month_is_all_periods_that_count_for_it(db: Database, world: World, context: Context) -> None:
    """As lists of readings and Over/Under have it: by a period's last day, whatever the cycle."""
    monthly = await world.bucket(await world.client("monthly"))
    weekly = await world.bucket(
        await world.client("weekly", cycle_unit="week", cycle_anchor=date(2026, 1, 26))
    )
    late = await world.bucket(await world.client("late", cycle_anchor=date(2024, 1, 15)))
    days = [datetime(2026, 1, 26, tzinfo=UTC) + timedelta(weeks=week) for week in range(6)]
    expected = await reading(world, monthly, FEBRUARY, MARCH)
    await reading(world, monthly, JANUARY, FEBRUARY)
    for start, end in pairwise(days):
        # The week from 23 February ends on 1 March, which is not February's.
        cost = await reading(world, weekly, start, end, quantity=f"{start.day}")
        expected += cost if end <= MARCH else 0
    middle = datetime(2026, 2, 15, tzinfo=UTC)
    expected += await reading(world, late, datetime(2026, 1, 15, tzinfo=UTC), middle)
    await reading(world, late, middle, datetime(2026, 3, 15, tzinfo=UTC))
    files, manifest = await exported(db, context, day="", month="2026-02")
    lines = [line for file in files.values() for line in rows(file)]
    assert sorted(line["last_day"] for line in lines) == [
        *("2026-02-01", "2026-02-08", "2026-02-14", "2026-02-15", "2026-02-22", "2026-02-28"),
    ]
    assert manifest["totals"] == {"EUR": f"{expected:f}"}
    assert (manifest["day"], manifest["month"], manifest["open_period"]) == (None, "2026-02", False)
    assert all("-2026-02-" in name for name in files)


async def test_without_readings_there_is_a_manifest_that_says_so(
    db: Database, world: World, context: Context
) -> None:
    await world.client()
    files, manifest = await exported(db, context)
    assert (files, manifest["rows"], manifest["totals"], manifest["state"]) == ({}, 0, {}, "provisional")


async def test_a_client_sees_its_own_alone(db: Database, world: World, context: Context) -> None:
    await two_clients(world)
    acme = (await world.one("select id from client where name = 'acme'"))[0]
    caller.become(caller.Caller("key", "client", client_id=acme))
    _, manifest = await exported(db, context)
    assert list(manifest["totals"]) == ["EUR"]
    with pytest.raises(NotFound):
        await exported(db, context, client_id=acme + 1)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"format": "pdf"}, "format"),
        ({"day": "yesterday"}, "day"),
        ({"day": "0001-01-01"}, "day"),
        ({"source_type": "nonsense"}, "source_type"),
        ({"month": "2026-02"}, "month"),
        ({"day": "", "month": "2026-13"}, "month"),
        ({"day": "", "month": "9999-12"}, "month"),
    ],
)
async def test_what_is_wrong_is_named(
    db: Database, world: World, context: Context, asked: dict[str, str], field: str
) -> None:
    await world.client()
    with pytest.raises(Invalid, match=f"^{field}: "):
        await exported(db, context, **asked)


async def test_verify_and_explain_know_whose_figures_they_are(
    db: Database, world: World, context: Context
) -> None:
    acme, other = await world.client("acme"), await world.client("other")
    bucket = await world.bucket(acme)
    await reading(world, bucket, JANUARY, FEBRUARY, finalised_at=FEBRUARY)
    service = ClosingService(db)

    async def verified(**asked: Any) -> list[closing_pb2.Verification]:
        return [v async for v in service.Verify(closing_pb2.VerifyRequest(**asked), context)]

    [found] = await verified(client_id=acme)
    assert (found.bucket_id, found.hash.state, found.readings.state) == (bucket, "failed", "not-possible")
    assert len(await verified(bucket_id=bucket, first_day="2026-01-01")) == 1
    assert await verified(client_id=acme, first_day="2026-02-01") == []
    for wrong in ({"client_id": 99}, {"client_id": other, "bucket_id": bucket}, {"bucket_id": 99}):
        with pytest.raises(NotFound):
            await verified(**wrong)
    with pytest.raises(Invalid, match="client_id"):
        await verified()
    told = await service.Explain(
        closing_pb2.ExplainRequest(bucket_id=bucket, first_day="2026-01-01"), context
    )
    assert told.reading.bucket_id == bucket
    assert not told.from_evidence
    assert "no evidence" in told.notes[0]
    caller.become(caller.Caller("key", "client", client_id=other))
    with pytest.raises(NotFound):
        await service.Explain(closing_pb2.ExplainRequest(bucket_id=bucket), context)
    with pytest.raises(NotFound):
        await verified(bucket_id=bucket)

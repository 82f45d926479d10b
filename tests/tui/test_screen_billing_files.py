"""Readings as files from the terminal: what is asked for, what the manifest says, and that nothing is ever replaced."""

import hashlib
import json
from pathlib import Path

import grpc
import pytest

from tests.tui.driving import Driver, driven
from tests.tui.scripted import Scripted
from tui.dialogs.fields import FieldInput
from ullage.v1 import closing_pb2

NAME = "readings-2026-11-30-vm-provisional.csv"
MANIFEST = "readings-2026-11-30-manifest.json"
DATA = b"kind,state\r\nreading,provisional\r\n"


def chunks(*, state: str = "provisional", digest: str = "") -> list[closing_pb2.FileChunk]:
    """A file in two pieces, and the manifest."""
    entry = {
        "name": NAME,
        "rows": 2,
        "sha256": digest or hashlib.sha256(DATA).hexdigest(),
        "totals": {"EUR": "1234.50", "CHF": "20.00"},
    }
    manifest = {"state": state, "files": [entry], "rows": 2, "totals": entry["totals"]}
    return [
        closing_pb2.FileChunk(file_name=NAME, data=DATA[:10]),
        closing_pb2.FileChunk(data=DATA[10:]),
        closing_pb2.FileChunk(file_name=MANIFEST, data=json.dumps(manifest).encode()),
    ]


async def opened(driver: Driver, folder: Path) -> None:
    """The form, with the folder filled in."""
    await driver.press("6")
    await driver.see("Readings  Brook & Sons")
    await driver.press("W")
    await driver.see("Files per source type", "2026-11", "all clients", "what the screen shows")
    fill(driver, folder=str(folder))


def fill(driver: Driver, **values: str) -> None:
    """Types into fields."""
    for field in driver.app.screen.query(FieldInput):
        if field.field.name in values:
            field.query_one("Input").value = values[field.field.name]  # type: ignore[attr-defined]


async def test_files_are_written_and_their_totals_shown(aggregator: Scripted, tmp_path: Path) -> None:
    aggregator.script.streams["ExportReadings"] = list(chunks())
    async with driven(aggregator) as driver:
        await opened(driver, tmp_path / "out")
        await driver.press("ctrl+s")
        await driver.see(
            "✔ 1 file and the manifest", "2 rows, CHF 20.00, EUR 1,234.50", "they are provisional"
        )
        await driver.press("escape")
        await driver.see("The files are written.")
    assert (tmp_path / "out" / NAME).read_bytes() == DATA
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [MANIFEST, NAME]
    asked = aggregator.asked(closing_pb2.ExportReadingsRequest)
    assert [(one.client_id, one.day, one.month, one.format, one.source_type) for one in asked] == [
        (0, "", "2026-11", "csv", "")
    ]


async def test_one_client_one_source_and_a_workbook_can_be_asked_for(
    aggregator: Scripted, tmp_path: Path
) -> None:
    aggregator.script.streams["ExportReadings"] = list(chunks(state="final"))
    async with driven(aggregator) as driver:
        await opened(driver, tmp_path / "out")
        fill(driver, source="vm", period="2026-10-05")
        await driver.press("enter")
        await driver.press("right")
        await driver.see("‹ Brook & Sons ›")
        await driver.press("enter", "enter", "right")
        await driver.see("‹ xlsx ›")
        await driver.press("ctrl+s")
        await driver.see("All figures are final.")
    asked = aggregator.asked(closing_pb2.ExportReadingsRequest)
    assert [(one.client_id, one.day, one.month, one.format, one.source_type) for one in asked] == [
        (1, "2026-10-05", "", "xlsx", "vm")
    ]


async def test_cancelling_the_form_asks_nobody(aggregator: Scripted, tmp_path: Path) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, tmp_path / "out")
        await driver.press("escape")
        await driver.see("Periods  12")
    assert aggregator.asked(closing_pb2.ExportReadingsRequest) == []
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_is_there_is_not_replaced_and_the_form_comes_back(
    aggregator: Scripted, tmp_path: Path
) -> None:
    aggregator.script.streams["ExportReadings"] = list(chunks())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / NAME).write_text("mine")
    async with driven(aggregator) as driver:
        await opened(driver, tmp_path / "out")
        await driver.press("ctrl+s")
        await driver.see("is there already", "esc goes back to the form")
        await driver.press("escape")
        await driver.see("Files per source type", "what the screen shows")
        fill(driver, folder=str(tmp_path / "other"))
        await driver.press("ctrl+s")
        await driver.see("✔ 1 file and the manifest")
    assert [one.name for one in (tmp_path / "out").iterdir()] == [NAME]
    assert (tmp_path / "out" / NAME).read_text() == "mine"
    assert (tmp_path / "other" / NAME).read_bytes() == DATA


async def test_a_file_that_is_not_as_the_manifest_says_is_not_kept(
    aggregator: Scripted, tmp_path: Path
) -> None:
    aggregator.script.streams["ExportReadings"] = list(chunks(digest="0" * 64))
    async with driven(aggregator) as driver:
        await opened(driver, tmp_path / "out")
        await driver.press("ctrl+s")
        await driver.see("is not as the manifest says")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("period", ["", "October", "2026-02-30", "2026-13"])
async def test_what_is_no_period_is_said_before_anything_is_asked(
    aggregator: Scripted, tmp_path: Path, period: str
) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, tmp_path / "out")
        fill(driver, period=period)
        await driver.press("ctrl+s")
        await driver.see("That is no month and no day")
    assert aggregator.asked(closing_pb2.ExportReadingsRequest) == []


async def test_a_refusal_is_shown(aggregator: Scripted, tmp_path: Path) -> None:
    async with driven(aggregator) as driver:
        await opened(driver, tmp_path / "out")
        aggregator.script.failure = (
            grpc.StatusCode.INVALID_ARGUMENT,
            "source_type: there is no such source type",
        )
        await driver.press("ctrl+s")
        await driver.see("✖ Source_type: there is no such source type.")
    assert list(tmp_path.iterdir()) == []

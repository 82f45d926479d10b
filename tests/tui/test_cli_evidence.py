"""Figures defended on the command line: verified, explained, corrected, and exported whole or not at all."""

import hashlib
import json
from pathlib import Path

import grpc
import pytest

from tests.tui import builders
from tests.tui.commands import Command
from tests.tui.scripted import Scripted
from ullage.v1 import closing_pb2, types_pb2
from ullage.wire import from_time

ESCAPE = "\x1b[2Jacme"


def step(state: str, text: str = "") -> closing_pb2.Step:
    return closing_pb2.Step(state=state, text=text)


def verification(rating: str) -> closing_pb2.Verification:
    """The readings are kept no more."""
    return closing_pb2.Verification(
        bucket_id=7,
        bucket_name=ESCAPE,
        period_start=from_time(builders.MONTH_START),
        hash=step("ok"),
        rating=step(rating, "250.00 is stored, 240.00 comes out" if rating == "failed" else ""),
        readings=step("not-possible", "raw readings are kept no more"),
    )


async def test_figures_that_hold_are_zero(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.streams["Verify"] = [verification("ok"), verification("ok")]
    done = await ullage("billing", "verify", "--client", "12", "--format", "jsonl")
    assert (done.code, len(done.out.splitlines())) == (0, 2)
    first = json.loads(done.out.splitlines()[0])
    assert (first["readings"], first["readings_text"]) == ("not-possible", "raw readings are kept no more")
    assert done.err.endswith("2 finalised readings: no step failed.\n")
    assert aggregator.asked(closing_pb2.VerifyRequest)[0].client_id == 12


async def test_a_step_that_failed_is_one(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.streams["Verify"] = [verification("ok"), verification("failed")]
    done = await ullage("billing", "verify", "--client", "1")
    assert (done.code, "240.00 comes out" in done.out, "\x1b" in done.out) == (1, True, False)
    assert "1 of 2 finalised readings cannot be defended" in done.err


async def test_without_a_client_all_are_verified(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.streams["Verify"] = [verification("ok")]
    done = await ullage("billing", "verify")
    assert (done.code, "12 finalised readings: no step failed.\n" in done.err) == (0, True)
    asked = aggregator.asked(closing_pb2.VerifyRequest)
    assert sorted(one.client_id for one in asked) == list(range(1, 13))


async def test_a_day_is_one_of_the_buckets_client(ullage: Command, aggregator: Scripted) -> None:
    client = aggregator.script.buckets[6].client_id
    aggregator.script.answers["ListPeriods"] = closing_pb2.ListPeriodsReply(
        periods=[closing_pb2.Period(client_id=client, first_day="2026-10-01", last_day="2026-10-31")]
    )
    assert (await ullage("billing", "verify", "--bucket", "7", "--day", "2026-10-09")).code == 0
    assert (await ullage("billing", "explain", "7", "--day", "2026-10-09")).code == 0
    asked = aggregator.asked(closing_pb2.VerifyRequest)[0]
    assert (asked.client_id, asked.bucket_id, asked.first_day) == (client, 7, "2026-10-01")
    assert aggregator.asked(closing_pb2.ExplainRequest)[0].first_day == "2026-10-01"


def explanation(aggregator: Scripted, **more: object) -> closing_pb2.Explanation:
    """From evidence, with one asset."""
    message = closing_pb2.Explanation(
        reading=builders.reading(aggregator.script.buckets[0], 1),
        steps=["80.1250 GiB is the mean of 745 slots", f"{ESCAPE} costs 2.5"],
        assets=[
            closing_pb2.ExplainedAsset(
                asset_id=99,
                name=ESCAPE,
                quantity="80.1250",
                share=types_pb2.Money(currency="EUR", amount="250.00"),
                measured=700,
                absent=40,
                gap=5,
            )
        ],
        from_evidence=True,
        notes=["raw readings are kept no more"],
    )
    message.MergeFrom(closing_pb2.Explanation(**more))  # type: ignore[arg-type]
    return message


async def test_an_explanation_is_sentences_then_rows(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.answers["Explain"] = explanation(aggregator)
    done = await ullage("billing", "explain", "1")
    lines = done.out.splitlines()
    assert (done.code, "from its evidence" in lines[0], "250.00 EUR" in lines[0]) == (0, True, True)
    assert lines[1] == "  1. 80.1250 GiB is the mean of 745 slots"
    assert ("  Assets" in lines, lines[-1]) == (True, "  Raw readings are kept no more.")
    assert "\x1b" not in done.out
    assert "--asset ID" in done.err


async def test_an_explanation_goes_down_to_raw_readings(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.answers["Explain"] = explanation(
        aggregator,
        slots=[
            closing_pb2.ExplainedSlot(
                start=from_time(builders.NOW), value="1717986918", state="held", decides=True
            )
        ],
        raw=[
            closing_pb2.RawReading(
                since=from_time(builders.ago(minutes=5)),
                ticked_at=from_time(builders.NOW),
                stored_at=from_time(builders.NOW),
                agent=ESCAPE,
                value=1717986918,
                unit_type="ram",
            )
        ],
    )
    place = ("billing", "explain", "1", "--asset", "99", "--slot", "2026-11-21T09:00Z", "--format")
    as_json = (await ullage(*place, "json")).json
    assert (as_json["slots"][0]["state"], as_json["slots"][0]["value"]) == ("held", "1717986918")
    assert (as_json["raw"][0]["value"], as_json["assets"][0]["share"]) == (1717986918, "250.00")
    as_csv = await ullage(*place, "csv")
    assert [row["unit_type"] for row in as_csv.csv] == ["ram"]
    table = await ullage(*place, "table")
    assert ("Slots" in table.out, "Raw readings" in table.out, "\x1b" in table.out) == (True, True, False)
    asked = aggregator.asked(closing_pb2.ExplainRequest)[0]
    assert (asked.asset_id, asked.slot.ToJsonString()) == (99, "2026-11-21T09:00:00Z")


async def test_corrections_are_listed(ullage: Command, aggregator: Scripted) -> None:
    aggregator.script.answers["ListAdjustments"] = closing_pb2.ListAdjustmentsReply(
        adjustments=[
            closing_pb2.Adjustment(
                id=1,
                bucket_id=7,
                client_name=ESCAPE,
                of_start=from_time(builders.MONTH_START),
                delta_quantity="-1.5",
                amount=types_pb2.Money(currency="EUR", amount="-3.75"),
                reason="batch 7 of hv-03",
            )
        ]
    )
    aggregator.script.answers["ListTooLate"] = closing_pb2.ListTooLateReply(
        readings=[closing_pb2.TooLate(id=1, agent_name=ESCAPE, value=5, unit_type="ram", reason="look-back")]
    )
    adjusted = await ullage("billing", "adjustments", "--bucket", "7", "--format", "csv")
    assert (adjusted.csv[0]["amount"], adjusted.csv[0]["delta_quantity"]) == ("-3.75", "-1.5")
    assert aggregator.asked(closing_pb2.ListAdjustmentsRequest)[0].bucket_id == 7
    late = await ullage("billing", "too-late", "--client", "Quill Press", "--format", "json")
    assert (late.json[0]["reason"], late.json[0]["asset_id"]) == ("look-back", None)
    assert aggregator.asked(closing_pb2.ListTooLateRequest)[0].client_id == 12
    for done in (adjusted, late, await ullage("billing", "adjustments"), await ullage("billing", "too-late")):
        assert (done.code, "\x1b" in done.out) == (0, False)


VM = b"client,cost\r\nacme,250.00\r\n"
NAME = "vm-2026-10.csv"


def manifest(content: bytes = VM, **more: object) -> bytes:
    listed = {"name": NAME, "rows": 1, "sha256": hashlib.sha256(content).hexdigest(), **more}
    return json.dumps({"files": [listed]}).encode()


def chunks(*files: tuple[str, bytes]) -> list[closing_pb2.FileChunk]:
    """Each file in pieces of ten bytes."""
    sent = []
    for name, content in files:
        for start in range(0, max(len(content), 1), 10):
            piece = content[start : start + 10]
            sent.append(closing_pb2.FileChunk(file_name="" if start else name, data=piece))
    return sent


async def test_an_export_is_files_and_a_manifest(
    ullage: Command, aggregator: Scripted, tmp_path: Path
) -> None:
    aggregator.script.streams["ExportReadings"] = [*chunks((NAME, VM), ("manifest.json", manifest()))]
    out = tmp_path / "october"
    done = await ullage(
        *("billing", "export", str(out), "--day", "2026-10-31", "--client", "12", "--source", "vm")
    )
    assert (done.code, done.out.splitlines()) == (0, [str(out / NAME), str(out / "manifest.json")])
    assert done.err == "1 row in 1 file, each as the manifest says.\n"
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", NAME]
    assert (out / NAME).read_bytes() == VM
    asked = aggregator.asked(closing_pb2.ExportReadingsRequest)[0]
    assert (asked.client_id, asked.day, asked.format, asked.source_type) == (12, "2026-10-31", "csv", "vm")
    again = await ullage("billing", "export", str(out))
    assert (again.code, "is there already" in again.err) == (1, True)
    assert (out / NAME).read_bytes() == VM


@pytest.mark.parametrize(
    "sent",
    [
        chunks((NAME, VM), ("manifest.json", manifest(b"other"))),
        chunks((NAME, VM), ("manifest.json", manifest(name="host.csv"))),
        chunks((NAME, VM), ("manifest.json", b"{")),
        chunks((NAME, VM)),
        chunks(("../escape.csv", VM), ("manifest.json", manifest(name="../escape.csv"))),
        chunks((NAME, VM), (NAME, VM)),
        [closing_pb2.FileChunk(data=VM)],
        [],
    ],
    ids=["hash", "missing", "broken", "none", "folder", "twice", "nameless", "nothing"],
)
async def test_an_export_that_is_not_as_its_manifest_says_leaves_nothing(
    ullage: Command, aggregator: Scripted, tmp_path: Path, sent: list[closing_pb2.FileChunk]
) -> None:
    aggregator.script.streams["ExportReadings"] = [*sent]
    out = tmp_path / "out"
    done = await ullage("billing", "export", str(out))
    assert (done.code, done.out) == (1, "")
    assert list(out.iterdir()) == []
    assert not (tmp_path / "escape.csv").exists()


async def test_an_export_that_breaks_off_leaves_nothing(
    ullage: Command, aggregator: Scripted, tmp_path: Path
) -> None:
    aggregator.script.failure = (grpc.StatusCode.INTERNAL, "error 4711")
    done = await ullage("billing", "export", str(tmp_path / "out"))
    assert (done.code, list((tmp_path / "out").iterdir())) == (1, [])
    unwritable = await ullage("billing", "export", str(tmp_path / "no" / "such"))
    assert (unwritable.code, "cannot be written" in unwritable.err) == (1, True)

"""What readings say about agreements on the command line: comparisons, commits that fit, other terms, revenue, leakage."""

import asyncio

import pytest
from google.protobuf.message import Message

from tests.tui import builders
from tests.tui.commands import Command
from tests.tui.scripted import Scripted
from ullage.v1 import analysis_pb2, billing_pb2, types_pb2
from ullage.wire import from_time

ESCAPE = "\x1b[2Jacme"


def eur(amount: str) -> types_pb2.Money:
    return types_pb2.Money(currency="EUR", amount=amount)


# One row of everything, with a name that would clear the screen.
ANSWERS: dict[str, Message] = {
    "GetOverUnder": analysis_pb2.OverUnder(
        month="2026-10",
        rows=[
            analysis_pb2.OverUnderRow(
                client_id=1,
                client_name=ESCAPE,
                unit_types="3 GiB, 2 vCPU",
                status="over",
                cost=eur("262.00"),
                committed=eur("250.00"),
                overage=eur("12.00"),
                delta_units="3 GiB",
                percent_unused="0",
            ),
            analysis_pb2.OverUnderRow(client_id=2, client_name="no commit", cost=eur("3.00")),
        ],
        overage=[eur("12.00")],
        buffer=[eur("0.00")],
        provisional=True,
    ),
    "GetTrend": analysis_pb2.Trend(
        points=[analysis_pb2.TrendPoint(month="2026-10", overage=eur("12.00"), cost=eur("262.00"))]
    ),
    "ListRightSize": analysis_pb2.ListRightSizeReply(
        rows=[
            analysis_pb2.RightSize(
                client_name=ESCAPE,
                bucket_id=7,
                commit="100",
                best_commit="80.1250",
                cost=eur("750.00"),
                best_cost=eur("601.00"),
                difference=eur("-149.00"),
                readings=3,
            )
        ]
    ),
    "WhatIf": analysis_pb2.WhatIfReply(
        rows=[
            analysis_pb2.WhatIfRow(
                bucket_id=7,
                client_name=ESCAPE,
                period_start=from_time(builders.MONTH_START),
                quantity="80.1250",
                before=eur("250.00"),
                after=eur("201.00"),
            )
        ],
        before=[eur("250.00")],
        after=[eur("201.00")],
        notes=["2 readings have no evidence"],
    ),
    "GetRevenue": analysis_pb2.Revenue(
        points=[
            analysis_pb2.RevenuePoint(
                month="2026-10", revenue=eur("900.00"), clients=3, average_per_client=eur("300.00")
            ),
            analysis_pb2.RevenuePoint(month="2026-10", source_type=ESCAPE, revenue=eur("900.00")),
        ]
    ),
    "ListLeakage": analysis_pb2.ListLeakageReply(
        rows=[analysis_pb2.Leakage(age="30", client_name=ESCAPE, assets=4, money=eur("61.20"), unpriced=2)]
    ),
    "GetTrackRecord": analysis_pb2.TrackRecord(
        points=[
            analysis_pb2.TrackPoint(
                period_start=from_time(builders.MONTH_START),
                share=50,
                projected="86.25",
                became="84.00",
                percent_error="2.68",
                within_range=True,
            )
        ],
        median_error="2.68",
    ),
}


@pytest.fixture(autouse=True)
def analysis(aggregator: Scripted) -> None:
    """The aggregator knows them."""
    aggregator.script.answers.update(ANSWERS)


PLACES = (
    "over-under list",
    "over-under list --by bucket",
    "over-under list --by unit-type",
    "over-under trend",
    "right-size list",
    "revenue list",
    "leakage list",
    "projections track-record 7",
    "what-if --all --commit 80",
)


@pytest.mark.parametrize("place", PLACES)
async def test_every_form_is_clean_and_says_the_same(ullage: Command, place: str) -> None:
    as_json, as_lines, as_csv, as_table = await asyncio.gather(
        *(ullage(*place.split(), "--format", form) for form in ("json", "jsonl", "csv", "table"))
    )
    for done in (as_json, as_lines, as_csv, as_table):
        assert (done.code, "\x1b" in done.out + done.err) == (0, False)
    rows = as_json.json["rows"] if place.startswith("what-if") else as_json.json
    assert [list(row) for row in as_csv.csv] == [list(row) for row in rows]
    assert len(as_table.out.splitlines()) == len(rows) + 2


async def test_over_under_asks_with_its_filters_and_says_the_sums(
    ullage: Command, aggregator: Scripted
) -> None:
    done = await ullage(
        *("over-under", "list", "--by", "bucket", "--month", "2026-10", "--status", "over"),
        *("--client", "quill press", "--unit", "ram", "--format", "json"),
    )
    assert [(row["status"], row["overage"], row["committed"]) for row in done.json] == [
        ("over", "12.00", "250.00"),
        (None, None, None),
    ]
    assert done.err == "2026-10 (provisional): EUR 12.00 overage, EUR 0.00 buffer.\n"
    asked = aggregator.asked(analysis_pb2.GetOverUnderRequest)[0]
    assert (asked.by, asked.month, asked.status, asked.client_id, asked.unit_type) == (
        *("bucket", "2026-10", "over"),
        *(12, "ram"),
    )


async def test_other_terms_are_asked_as_figures_or_per_cent(ullage: Command, aggregator: Scripted) -> None:
    await ullage(
        *["what-if", "--bucket", "7", "--commit", "80", "--base", "2.25", "--tier", "0:4", "--tier", "100:3"]
    )
    done = await ullage(
        *["what-if", "--client", "12", "--commit-percent", "-10", "--overage-percent", "5", "--readings", "6"]
    )
    first, second = aggregator.asked(analysis_pb2.WhatIfRequest)
    assert (first.bucket_id, first.terms.commit, first.terms.base_price) == (7, "80", "2.25")
    assert [(tier.above, tier.price) for tier in first.terms.tiers] == [("0", "4"), ("100", "3")]
    assert (second.client_id, second.commit_percent, second.overage_percent) == (12, "-10", "5")
    assert (second.base_percent, second.readings, second.terms.commit) == ("", 6, "")
    assert "EUR 250.00 before, EUR 201.00 after: EUR 49.00 less." in done.err
    assert "2 readings have no evidence." in done.err


async def test_other_questions_carry_their_filters(ullage: Command, aggregator: Scripted) -> None:
    await ullage(*["over-under", "trend", "--bucket", "7", "--months", "6"])
    await ullage(
        *["right-size", "list", "--client", "12", "--unit", "ram", "--readings", "6", "--limit", "5"]
    )
    await ullage(*["revenue", "list", "--months", "3"])
    leak = await ullage(*["leakage", "list", "--client", "12"])
    track = await ullage(*["projections", "track-record", "7"])
    trend = aggregator.asked(analysis_pb2.GetTrendRequest)[0]
    fit = aggregator.asked(analysis_pb2.ListRightSizeRequest)[0]
    assert (trend.bucket_id, trend.months) == (7, 6)
    assert (fit.client_id, fit.unit_type, fit.readings, fit.limit) == (12, "ram", 6, 5)
    assert aggregator.asked(analysis_pb2.GetRevenueRequest)[0].months == 3
    assert aggregator.asked(analysis_pb2.ListLeakageRequest)[0].client_id == 12
    assert leak.err == "2 series have no price yet and are not in these sums.\n"
    assert track.err == "Median error: 2.7 %.\n"


async def test_projections_have_range_method_and_record(ullage: Command, aggregator: Scripted) -> None:
    known, unknown = aggregator.script.projections[:2]
    known.MergeFrom(
        billing_pb2.Projection(
            low_quantity="80",
            high_quantity="90",
            low_cost="240",
            high_cost="260",
            method="paths",
            track_record="4.2",
        )
    )
    for name in ("low_quantity", "high_quantity", "low_cost", "high_cost", "method", "track_record"):
        unknown.ClearField(name)
    del aggregator.script.projections[2:]
    found = (await ullage("projections", "list", "--format", "json")).json
    assert [(row["low"], row["high"], row["method"], row["median_error"]) for row in found] == [
        ("80", "90", "paths", "4.2"),
        (None, None, None, None),
    ]
    await ullage(
        *("projections", "list", "--over", "--search", "web", "--sort", "percent_of_commit", "--descending")
    )
    asked = aggregator.asked(billing_pb2.ListProjectionsRequest)[-1]
    assert (asked.over, asked.search) == (True, "web")
    assert (asked.page.sort, asked.page.descending) == ("percent_of_commit", True)


async def test_readings_have_limit_coverage_and_segments(ullage: Command, aggregator: Scripted) -> None:
    reading = builders.reading(
        aggregator.script.buckets[0],
        1,
        limit="-12.50",
        coverage=billing_pb2.Coverage(percent="79.17", measured=19, gap=5),
        segments=[billing_pb2.ReadingSegment(fraction="8/15", cost="120.00")],
    )
    aggregator.script.readings = [reading, builders.reading(aggregator.script.buckets[0], 0)]
    found = (await ullage("billing", "list", "--state", "ended", "--format", "json")).json
    assert [(row["limit"], row["coverage"], row["slots"]["gap"]) for row in found] == [("-12.50", "79.17", 5)]
    assert found[0]["segments"][0]["fraction"] == "8/15"
    await ullage(
        *("billing", "list", "--month", "2026-10", "--search", "web", "--source", "vm"),
        *("--sort", "cost", "--descending"),
    )
    asked = aggregator.asked(billing_pb2.ListReadingsRequest)[-1]
    assert (asked.month, asked.search, asked.source_type) == ("2026-10", "web", "vm")
    assert (asked.page.sort, asked.page.descending) == ("cost", True)
    refused = await ullage("billing", "list", "--month", "october")
    assert (refused.code, refused.out) == (2, "")

"""Simulated agents against a served aggregator: whatever they do on the wire, what they sealed is stored once."""

from typing import Any

import pytest

from aggregator.bench import ingest, rollup
from aggregator.bench.site import Site, site
from aggregator.errors import Conflict

AGENTS, SERIES, TICKS = 6, 12, 60
WORDS = [
    *("--agents", str(AGENTS), "--series", str(SERIES), "--interval", "60", "--duration", str(60 * TICKS)),
    *("--flat-out", "--batch-readings", "12"),
]


def simulated(own: Site, *words: str) -> dict[str, Any]:
    own.certify(AGENTS)
    with own.serving() as serving:
        return own.simulate(serving.address, [*WORDS, *words])


def test_what_faulty_agents_sealed_is_stored_once(dsn: str) -> None:
    with site(dsn) as own:
        report = simulated(
            own, "--replay", "0.2", "--reorder", "0.2", "--drop-acks", "0.05", "--kill", "0.05"
        )
        own.check(report["oracle"])
    assert report["oracle"]["readings"] == AGENTS * SERIES * TICKS
    # The run has really contained what it was asked for.
    for name in ("replayed", "reordered", "dropped_acks", "killed", "duplicate", "gap", "reconnects"):
        assert report[name] > 0, name


def test_a_second_run_of_the_same_agents_continues_them(dsn: str) -> None:
    with site(dsn) as own:
        own.certify(AGENTS)
        with own.serving() as serving:
            first = own.simulate(serving.address, [*WORDS, "--seed", "1"])["oracle"]
            second = own.simulate(serving.address, [*WORDS, "--seed", "2"])["oracle"]
        own.check({name: first[name] + second[name] for name in first})


def test_a_reading_too_few_is_told(dsn: str) -> None:
    with site(dsn) as own:
        oracle = simulated(own)["oracle"]
        with pytest.raises(Conflict, match="sealed"):
            own.check({**oracle, "readings": oracle["readings"] + 1})


def test_bench_reports_its_figures_with_what_they_were_measured_on(dsn: str) -> None:
    size = ingest.Size(readings=4_000, agents=4, series=20, batch_readings=20, window=4)
    report = ingest.measure(dsn, size, [1, 2])
    for name in (
        "readings_per_second",
        "batches_per_second",
        "ratio_to_copy",
        "bytes_per_reading",
        "rss_mib",
    ):
        assert report[name] > 0
    assert [run["simulate"]["oracle"]["readings"] for run in report["runs"]] == [4_000, 8_000]
    assert {"cpu", "cores"} <= report["machine"].keys()
    assert {"postgres", "fsync", "grpcio"} <= report["versions"].keys()


def test_bench_rolls_up_every_reading_of_the_hours_it_filled(dsn: str) -> None:
    report = rollup.measure(dsn, rollup.Size(agents=2, series=5, hours=2), [1])
    assert report["readings"] == report["again"]["readings"] == 2 * 5 * 2 * 60
    assert report["slots"] == 2 * 2

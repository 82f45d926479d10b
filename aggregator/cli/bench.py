"""`bench …`: what this machine can do, measured on a scratch database and printed as JSON."""

import json
from pathlib import Path

import click

from aggregator.errors import Invalid

SCALES_MAX = 3

_dsn_option = click.option(
    "--dsn-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="File with the DSN of a server; a scratch database is made there and dropped. Default: an embedded server.",
)
_scales_option = click.option(
    "--scales",
    default="1",
    show_default=True,
    help="Times the work, such as 1,4,16; with several the exponent of time over work is told.",
)


@click.group()
def bench() -> None:
    """Measure this machine with the real programs: TLS on, the server's durability as it is set.

    Needs no configuration. Agents are played by `ullage-agent simulate`, which must be installed too.
    """


@bench.command("ingest")
@_dsn_option
@_scales_option
@click.option("--readings", type=click.IntRange(1_000), default=2_000_000, show_default=True, help="At 1×.")
@click.option("--agents", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option(
    "--series", type=click.IntRange(1, 5_000), default=100, show_default=True, help="Per tick and agent."
)
@click.option("--batch-readings", type=click.IntRange(1, 20_000), default=1_000, show_default=True)
@click.option("--window", type=click.IntRange(1, 64), default=8, show_default=True, help="Per agent.")
def bench_ingest(
    dsn_file: Path | None,
    scales: str,
    readings: int,
    agents: int,
    series: int,
    batch_readings: int,
    window: int,
) -> None:
    """Measure how fast readings are taken in, against a plain COPY of the same rows.

    \b
    Example:
      ullage-aggregator bench ingest --dsn-file dsn --series 100 --batch-readings 100
    """
    from aggregator.bench.ingest import Size, measure

    size = Size(readings=readings, agents=agents, series=series, batch_readings=batch_readings, window=window)
    click.echo(json.dumps(measure(_dsn(dsn_file), size, _scales(scales))))


@bench.command("rollup")
@_dsn_option
@_scales_option
@click.option("--agents", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--series", type=click.IntRange(1, 5_000), default=100, show_default=True, help="Per agent.")
@click.option("--hours", type=click.IntRange(1, 1_000), default=6, show_default=True, help="At 1×.")
def bench_rollup(dsn_file: Path | None, scales: str, agents: int, series: int, hours: int) -> None:
    """Measure how fast touched hours are rolled up."""
    from aggregator.bench.rollup import Size, measure

    size = Size(agents=agents, series=series, hours=hours)
    click.echo(json.dumps(measure(_dsn(dsn_file), size, _scales(scales))))


@bench.command("billing")
@_dsn_option
@_scales_option
@click.option("--buckets", type=click.IntRange(1, 100_000), default=4_000, show_default=True, help="At 1×.")
@click.option(
    "--series", type=click.IntRange(1, 1_000_000), default=20_000, show_default=True, help="In these buckets."
)
@click.option("--hours", type=click.IntRange(1, 744), default=720, show_default=True)
def bench_billing(dsn_file: Path | None, scales: str, buckets: int, series: int, hours: int) -> None:
    """Measure how fast a month is rated, and how fast a run is in which nothing changed."""
    from aggregator.bench.billing import Size, measure

    size = Size(buckets=buckets, series=series, hours=hours)
    click.echo(json.dumps(measure(_dsn(dsn_file), size, _scales(scales))))


@bench.command("queries")
@_dsn_option
@_scales_option
@click.option(
    "--assets", type=click.IntRange(100, 2_000_000), default=100_000, show_default=True, help="At 1×."
)
@click.option("--repeats", type=click.IntRange(1, 1_000), default=20, show_default=True, help="Of each call.")
def bench_queries(dsn_file: Path | None, scales: str, assets: int, repeats: int) -> None:
    """Measure lists, dashboard, suggestions, dry runs and rebinding on a large world.

    \b
    Example (a table on standard error, JSON on standard output):
      ullage-aggregator bench queries --dsn-file dsn --assets 25000 --scales 1,4
    """
    from aggregator.bench.queries import Size, measure, table

    report = measure(_dsn(dsn_file), Size(assets=assets, repeats=repeats), _scales(scales))
    click.echo(table(report), err=True)
    click.echo(json.dumps(report))


@bench.command("projection")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed draws the same worlds.")
@click.option("--worlds", type=click.IntRange(1, 1_000_000), default=2_000, show_default=True)
def bench_projection(seed: int, worlds: int) -> None:
    """Measure how far projections are from what became of the period, against the run rate.

    Needs no database. A third of the worlds cannot be foreseen: random walks and steps.

    \b
    Example (a table on standard error, JSON on standard output):
      ullage-aggregator bench projection --seed 7 --worlds 500
    """
    from aggregator.bench.backtest import measure, table

    report = measure(seed=seed, worlds=worlds)
    click.echo(table(report), err=True)
    click.echo(json.dumps(report))


def _dsn(file: Path | None) -> str | None:
    return file.read_text("utf-8").strip() if file else None


def _scales(text: str) -> list[int]:
    try:
        scales = [int(part) for part in text.split(",")]
    except ValueError:
        scales = []
    if not scales or min(scales) < 1 or len(scales) > SCALES_MAX:
        raise Invalid("scales", f"one to {SCALES_MAX} whole numbers with commas between them, such as 1,4,16")
    return scales

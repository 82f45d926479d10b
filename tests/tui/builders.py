"""Messages for tests: each builder takes what matters to the test and fills in the rest. Time stands at NOW."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from google.protobuf.message import Message

from ullage.v1 import (
    admin_pb2,
    agents_pb2,
    agreements_pb2,
    billing_pb2,
    insight_pb2,
    inventory_pb2,
    types_pb2,
)
from ullage.wire import from_time, to_time

Built = TypeVar("Built", bound=Message)

NOW = datetime(2026, 11, 21, 9, 5, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
MONTH_START = datetime(2026, 11, 1, tzinfo=BERLIN)
MONTH_END = datetime(2026, 12, 1, tzinfo=BERLIN)
# What an agent could call its assets: a title, the clipboard, a cleared screen, C1, markup, bidi, a line, 10 kB.
HOSTILE = (
    "\x1b]0;owned\x07",
    "\x1b]52;c;aGVsbG8=\x07",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "[/x] [red]boom[/] [@click=app.quit]x[/] [link=https://evil.example]y",
    "\u202egnp.exe\u202c\u2066",
    "two\nlines\r\tand a tab",
    "zalgo" + "\u0301" * 40,
    '=HYPERLINK("https://evil.example")',
    "x" * 10_000,
)


def ago(**span: float) -> datetime:
    """Before NOW."""
    return NOW - timedelta(**span)


def client(number: int, name: str, **more: object) -> inventory_pb2.Client:
    """A client with monthly periods in EUR."""
    message = inventory_pb2.Client(
        id=number,
        name=name,
        currency="EUR",
        time_zone="Europe/Berlin",
        cycle_unit="month",
        cycle_count=1,
        cycle_anchor="2025-01-01",
        enabled=True,
        created_at=from_time(ago(days=400 - number)),
        buckets=2,
        assets=12,
        projected_cost="1234.50",
        period_start=from_time(MONTH_START),
        period_end=from_time(MONTH_END),
    )
    return _with(message, more)


def asset(number: int, name: str, **more: object) -> inventory_pb2.Asset:
    """An acknowledged VM of nobody, seen a minute ago."""
    message = inventory_pb2.Asset(
        id=number,
        source_type="vm",
        external_id=f"4c4c4544-0042-{number:04d}",
        name=name,
        address="10.4.0.17",
        scope="site:fra1",
        acknowledged=True,
        enabled=True,
        created_at=from_time(ago(days=200)),
        last_seen=from_time(ago(minutes=5)),
        series=3,
    )
    return _with(message, more)


def bucket(number: int, name: str, of: inventory_pb2.Client, **more: object) -> inventory_pb2.Bucket:
    """A bucket on the memory of VMs, commit 100 GiB, used at 80."""
    terms = agreements_pb2.Terms(
        starts_on="2026-01-01", commit="100", base_price="2.5", overage_price="4", aggregation="avg"
    )
    message = inventory_pb2.Bucket(
        id=number,
        client_id=of.id,
        client_name=of.name,
        name=name,
        source_type="vm",
        unit_type="ram",
        symbol="GiB",
        priority=10,
        reviewed=True,
        enabled=True,
        created_at=from_time(ago(days=300)),
        terms=terms,
        all_terms=[terms],
        currency=of.currency,
        current_usage="80.1250",
        current_cost="250.00",
        projected_usage="86.2500",
        projected_cost="250.00",
        percent_of_commit="86.25",
        status="on-track",
        usage_as_of=from_time(ago(minutes=5)),
        series=7,
    )
    return _with(message, more)


def reading(of: inventory_pb2.Bucket, months_back: int, **more: object) -> billing_pb2.Reading:
    """A reading of the period that many months before the open one."""
    start = datetime(2026, 11 - months_back, 1, tzinfo=BERLIN)
    end = datetime(2026, 12 - months_back, 1, tzinfo=BERLIN)
    message = billing_pb2.Reading(
        bucket_id=of.id,
        bucket_name=of.name,
        client_id=of.client_id,
        client_name=of.client_name,
        source_type=of.source_type,
        unit_type=of.unit_type,
        symbol=of.symbol,
        aggregation=of.terms.aggregation,
        period_start=from_time(start),
        period_end=from_time(end),
        state=billing_pb2.PERIOD_STATE_ENDED if months_back else billing_pb2.PERIOD_STATE_OPEN,
        quantity="80.1250",
        commit=of.terms.commit,
        overage_units="0",
        currency=of.currency,
        used="200.31",
        buffer="49.69",
        overage="0.00",
        cost="250.00",
        cutoff=from_time(ago(minutes=12)),
        as_of=from_time(min(end, ago(minutes=5))),
        percent_of_commit="80.13",
    )
    return _with(message, more)


def month_of(of: billing_pb2.Reading) -> str:
    """The reporting month: that of the last day, in Berlin."""
    return (to_time(of.period_end).astimezone(BERLIN) - timedelta(seconds=1)).strftime("%Y-%m")


def detail(
    of: inventory_pb2.Asset, bound: inventory_pb2.Bucket | None = None, agents: Sequence[str] = ("hv-03",)
) -> inventory_pb2.AssetDetail:
    """Three series of a VM, the first bound where there is a bucket."""
    series = [
        inventory_pb2.Series(
            id=1, unit_type="ram", symbol="GiB", latest="16", latest_at=from_time(ago(seconds=40))
        ),
        inventory_pb2.Series(
            id=2, unit_type="vcpu", symbol="vCPU", latest="4", latest_at=from_time(ago(seconds=40))
        ),
        inventory_pb2.Series(
            id=3, unit_type="net-out", symbol="GiB", latest="0.0312", latest_at=from_time(ago(seconds=40))
        ),
    ]
    if bound is not None:
        series[0].bindings.add(
            bucket_id=bound.id,
            bucket_name=bound.name,
            client_id=bound.client_id,
            **{"from": from_time(ago(days=90))},
        )
    message = inventory_pb2.AssetDetail(asset=of, series=series, agents=agents)
    if of.client_id:
        message.assignments.add(
            client_id=of.client_id, client_name=of.client_name, **{"from": from_time(ago(days=90))}
        )
    return message


def usage(of: inventory_pb2.AssetDetail, days: int = 30) -> inventory_pb2.AssetUsage:
    """A wave per series, with a gap of three days in the middle."""
    message = inventory_pb2.AssetUsage(as_of=from_time(ago(minutes=5)))
    today = NOW.replace(hour=0, minute=0, second=0)
    for number, series in enumerate(of.series):
        kind = "amount" if series.unit_type.startswith("net") else "level"
        days_of = message.series.add(unit_type=series.unit_type, symbol=series.symbol, kind=kind)
        for index in range(days):
            value = "" if 13 <= index < 16 else str(8 + 4 * number + (index * 7 + number * 3) % 11)
            days_of.days.add(at=from_time(today - timedelta(days=days - 1 - index)), value=value)
    return message


def health(**more: object) -> insight_pb2.Health:
    """All is well."""
    message = insight_pb2.Health(
        state="ok",
        database="TimescaleDB 2.19.3, PostgreSQL 17.11",
        last_reading=from_time(ago(seconds=34)),
        last_rollup=from_time(ago(seconds=50)),
        last_billing=from_time(ago(minutes=12)),
        last_projection=from_time(ago(minutes=11)),
        agents=12,
    )
    return _with(message, more)


def dashboard(**more: object) -> insight_pb2.Dashboard:
    """A year of revenue in EUR, three top clients, one new overage."""
    message = insight_pb2.Dashboard(
        clients=12,
        assets=412,
        buckets=38,
        unassigned=9,
        unbound=7,
        unacknowledged=14,
        projected_revenue=[types_pb2.Money(currency="EUR", amount="48210.75")],
        month_over_month=[insight_pb2.MonthOverMonth(currency="EUR", percent="4.2", provisional=True)],
        health=health(),
    )
    shares = (
        ("Brook & Sons", "12044.10", "25"),
        ("Ahlers Logistik", "9310.00", "19.3"),
        ("Nordlicht", "7702.55", "16"),
    )
    for number, (name, amount, share) in enumerate(shares, start=1):
        message.top_clients.add(
            client_id=number,
            client_name=name,
            projected=types_pb2.Money(currency="EUR", amount=amount),
            share=share,
        )
    for month in range(12):
        message.revenue.add(
            month=f"2025-{12:02d}" if month == 0 else f"2026-{month:02d}",
            revenue=types_pb2.Money(currency="EUR", amount=f"{36_000 + month * 910 + (month % 3) * 700}.00"),
            provisional=month > 9,
        )
    message.new_overages.add(
        client_id=2,
        client_name="Ahlers Logistik",
        bucket_id=3,
        bucket_name="vm memory",
        percent_of_commit="112.4",
    )
    message.status_last_period.CopyFrom(insight_pb2.ClientStatus(over=4, under=3, mixed=2, even=1, none=2))
    for source, amount in (("vm", "24004.10"), ("volume", "11310.00"), ("host", "10485.90")):
        message.revenue_by_source.add(
            source_type=source, revenue=types_pb2.Money(currency="EUR", amount=amount), provisional=True
        )
    message.average_per_client.add(currency="EUR", amount="3816.67")
    return _with(message, more)


def agent(number: int, name: str, **more: object) -> agents_pb2.Agent:
    """A connected agent."""
    message = agents_pb2.Agent(
        id=number,
        uuid=f"00000000-0000-4000-8000-{number:012d}",
        name=name,
        site="fra1",
        state="active",
        version="0.1.0",
        last_batch=from_time(ago(seconds=34)),
        batches=1440,
        readings=51_840,
        connected=True,
    )
    return _with(message, more)


def job(name: str, schedule: str) -> admin_pb2.Job:
    """A job that ran well."""
    run = billing_pb2.Run(
        id=7,
        job=name,
        started_at=from_time(ago(minutes=12)),
        ended_at=from_time(ago(minutes=11)),
        state="done",
        counts={"pairs": 3, "readings": 24},
    )
    return admin_pb2.Job(
        name=name,
        description=f"does the {name}",
        schedule=schedule,
        next_run=from_time(NOW + timedelta(minutes=48)),
        last_run=run,
    )


def _with(message: Built, more: dict[str, object]) -> Built:
    """The message with the named fields replaced; None leaves a field unset."""
    for name in more:
        message.ClearField(name)
    message.MergeFrom(type(message)(**more))
    return message

"""A deterministic estate of a dozen clients for screens and their pictures."""

import random

from tests.tui import (
    builders,
    estate_admin,
    estate_agreements,
    estate_analysis,
    estate_billing,
    estate_rules,
    estate_triage,
)
from tests.tui.scripted import Script
from ullage.v1 import billing_pb2, inventory_pb2, types_pb2
from ullage.wire import from_time

NAMES = (
    "Brook & Sons",
    "Ahlers Logistik",
    "Nordlicht Energie",
    "Fabrique Müller",
    "Zum Anker GmbH",
    "Kestrel Health",
    "Öresund Foto",
    "Tideway Legal",
    "Papierhaus Voss",
    "Almond & Pine",
    "Hafenbäckerei",
    "Quill Press",
)
SOURCES = ("vm", "volume", "interface", "host", "container", "database")


def estate(seed: int = 1, assets: int = 60) -> Script:
    """Clients, their assets and buckets, readings of three months, and the dashboard over them."""
    dice = random.Random(seed)
    script = Script(dashboard=builders.dashboard())
    script.clients = [
        builders.client(
            number,
            name,
            assets=dice.randrange(3, 60),
            buckets=dice.randrange(1, 6),
            projected_cost=f"{dice.randrange(100_00, 12_000_00) / 100:.2f}",
            enabled=number != 9,
        )
        for number, name in enumerate(NAMES, start=1)
    ]
    script.buckets = [_bucket(dice, number, script) for number in range(1, 31)]
    script.readings = [
        builders.reading(
            bucket, back, **({"overage": "12.00", "cost": "262.00"} if dice.random() < 0.2 else {})
        )
        for bucket in script.buckets
        for back in range(3)
    ]
    script.projections = [_projection(bucket) for bucket in script.buckets]
    script.assets = [_asset(dice, number, script) for number in range(1, assets + 1)]
    script.unit_types = [
        inventory_pb2.UnitType(
            id=3,
            name="ram",
            symbol="GiB",
            description="memory assigned",
            kind="level",
            divisor=1 << 30,
            per="total",
            precision=4,
            slot_minutes=60,
        )
    ]
    script.agents = [builders.agent(number, f"hv-{number:02d}") for number in range(1, 4)]
    script.jobs = [builders.job("rollup", "every 60 s"), builders.job("billing", "every 3,600 s")]
    script.rules = [
        inventory_pb2.AssignmentRule(
            id=1,
            client_id=1,
            priority=5,
            filter=types_pb2.Filter(
                conditions=[
                    types_pb2.Condition(field="name", operator=types_pb2.OPERATOR_GLOB, pattern="brook-*")
                ]
            ),
        )
    ]
    for part in (
        estate_triage,
        estate_agreements,
        estate_billing,
        estate_analysis,
        estate_admin,
        estate_rules,
    ):
        part.furnish(script)
    return script


def _bucket(dice: random.Random, number: int, script: Script) -> inventory_pb2.Bucket:
    of = script.clients[(number * 5) % len(script.clients)]
    source, unit, symbol = dice.choice(
        (
            ("vm", "ram", "GiB"),
            ("vm", "vcpu", "vCPU"),
            ("volume", "disk-used", "GiB"),
            ("interface", "rate-out", "Mbit/s"),
        )
    )
    reach = dice.randrange(30, 130)
    return builders.bucket(
        number,
        f"{source} {unit}",
        of,
        source_type=source,
        unit_type=unit,
        symbol=symbol,
        current_usage=f"{reach * 0.9:.4f}",
        projected_cost=f"{250 + max(0, reach - 100) * 4:.2f}",
        percent_of_commit=str(reach),
        status="over" if reach > 100 else "on-track",
        reviewed=number % 7 != 0,
        filters=[
            types_pb2.Filter(
                conditions=[
                    types_pb2.Condition(field="name", operator=types_pb2.OPERATOR_GLOB, pattern="web-*")
                ]
            )
        ],
    )


def _projection(bucket: inventory_pb2.Bucket) -> billing_pb2.Projection:
    return billing_pb2.Projection(
        bucket_id=bucket.id,
        bucket_name=bucket.name,
        client_id=bucket.client_id,
        client_name=bucket.client_name,
        unit_type=bucket.unit_type,
        symbol=bucket.symbol,
        period_start=from_time(builders.MONTH_START),
        period_end=from_time(builders.MONTH_END),
        current_quantity=bucket.current_usage,
        projected_quantity=bucket.projected_usage,
        currency=bucket.currency,
        projected_cost=bucket.projected_cost,
        percent_of_commit=bucket.percent_of_commit,
        calculated_at=from_time(builders.ago(minutes=11)),
    )


def _asset(dice: random.Random, number: int, script: Script) -> inventory_pb2.Asset:
    of = dice.choice(script.clients)
    assigned = number % 8 != 0
    unbound = number % 9 == 0
    source = dice.choice(SOURCES)
    return builders.asset(
        number,
        f"{dice.choice(('web', 'db', 'mail', 'files', 'build'))}-{dice.randrange(100):02d}.{source[:2]}{number}",
        source_type=source,
        description=dice.choice(("", "", "old rack", "migrated from hv-01", "nightly backups")),
        client_id=of.id if assigned else 0,
        client_name=of.name if assigned else "",
        acknowledged=number % 11 != 0,
        enabled=number % 23 != 0,
        labels={"env": dice.choice(("prod", "test"))},
        created_at=from_time(builders.ago(days=dice.randrange(1, 700))),
        last_seen=from_time(builders.ago(minutes=dice.randrange(1, 4000))),
        series=3,
        series_unbound=dice.randrange(1, 4) if unbound else 0,
        unbound_money=types_pb2.Money(currency="EUR", amount=f"{number * 7}.40") if unbound else None,
        unbound_since=from_time(builders.ago(days=dice.randrange(1, 40))) if unbound else None,
    )

"""What the scripted aggregator knows of unit types, templates and suppressions."""

from tests.tui import builders
from tests.tui.scripted import Script
from ullage.v1 import inventory_pb2, types_pb2, unit_types_pb2
from ullage.wire import from_time


def furnish(script: Script) -> None:
    """Adds it to the estate."""
    script.unit_types.append(
        inventory_pb2.UnitType(
            id=4,
            name="net-out",
            symbol="GiB",
            description="sent to other networks",
            kind="amount",
            divisor=1 << 30,
            per="total",
            precision=4,
            slot_minutes=5,
            in_use=True,
            templates=[template(7)],
        )
    )
    script.suppressions.append(suppression(3, "test-*", "build machines, nobody pays for them"))


def template(number: int, *, enabled: bool = True) -> unit_types_pb2.Template:
    """Of traffic of VMs, with prices in two currencies."""
    return unit_types_pb2.Template(
        id=number,
        unit_type="net-out",
        source_type="vm",
        filter=types_pb2.Filter(
            conditions=[
                types_pb2.Condition(field="label:tier", operator=types_pb2.OPERATOR_EQUALS, pattern="gold")
            ]
        ),
        aggregation="p95",
        commit="500",
        prices=[
            unit_types_pb2.TemplatePrice(currency="EUR", base_price="0.02", overage_price="0.03"),
            unit_types_pb2.TemplatePrice(currency="USD", base_price="0.025", overage_price="0.04"),
        ],
        enabled=enabled,
    )


def suppression(number: int, pattern: str, reason: str) -> inventory_pb2.Suppression:
    """Of names, with what it dropped."""
    return inventory_pb2.Suppression(
        id=number,
        condition=types_pb2.Condition(field="name", operator=types_pb2.OPERATOR_GLOB, pattern=pattern),
        reason=reason,
        created_at=from_time(builders.ago(days=40)),
        created_by="ops",
        assets=12,
        readings=48_211,
        last_hit=from_time(builders.ago(minutes=3)),
    )

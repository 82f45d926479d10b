"""What a reading says of its parts and of what is known, as messages."""

from collections.abc import Mapping
from typing import Any

from aggregator.domain.gap import percent_covered
from aggregator.domain.slot import slot_start
from ullage.v1 import billing_pb2
from ullage.wire import from_decimal, from_time


def coverage(*, measured: int, absent: int, gap: int, spread: int) -> billing_pb2.Coverage:
    """With its per cent."""
    return billing_pb2.Coverage(
        percent=from_decimal(percent_covered(measured=measured, absent=absent, gap=gap)),
        measured=measured,
        absent=absent,
        gap=gap,
        spread=spread,
    )


def segment(part: Mapping[str, Any]) -> billing_pb2.ReadingSegment:
    """As store/billing.py keeps it: decimals are texts already."""
    return billing_pb2.ReadingSegment(
        terms_id=part["terms_id"],
        starts_at=from_time(slot_start(part["from_slot"])),
        ends_at=from_time(slot_start(part["to_slot"])),
        fraction=part["fraction"],
        quantity=part["quantity"],
        commit=part["commit"],
        overage_units=part["overage_units"],
        used=part["used"],
        buffer=part["buffer"],
        overage=part["overage"],
        limit=part["limit_amount"],
        cost=part["cost"],
        coverage=coverage(
            measured=part["measured"], absent=part["absent"], gap=part["gap"], spread=part["spread"]
        ),
    )

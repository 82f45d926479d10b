"""What a finalised reading comes to by now, against what was billed for it: the line that corrects it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

AGENTS_NAMED_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """A finalised reading with the adjustments of it that are final too."""

    bucket_id: int
    period_start: datetime
    currency: str
    cutoff: datetime
    quantity: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An adjustment: what is added to what was billed, below zero taken from it."""

    bucket_id: int
    currency: str
    delta_quantity: Decimal
    amount: Decimal
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LateBatches:
    """Batches of an agent that were stored after a cutoff."""

    name: str
    batches: int
    first_at: datetime
    last_at: datetime


def line(billed: Billed, *, quantity: Decimal, cost: Decimal) -> Line | None:
    """What corrects the reading if it comes to so much by now; None where nobody owes anything."""
    amount = cost - billed.cost
    if not amount:
        return None
    return Line(
        bucket_id=billed.bucket_id,
        currency=billed.currency,
        delta_quantity=quantity - billed.quantity,
        amount=amount,
    )


def because(late: Sequence[LateBatches]) -> str:
    """What brought it about, in words."""
    if not late:
        return "bindings, merged assets or gap rules changed since it was finalised"
    named = "; ".join(
        f"{one.batches:,} late {'batch' if one.batches == 1 else 'batches'} of agent {one.name}, stored "
        f"{one.first_at:%Y-%m-%d %H:%M} to {one.last_at:%Y-%m-%d %H:%M} UTC"
        for one in late[:AGENTS_NAMED_MAX]
    )
    return named + ("; and of more agents" if len(late) > AGENTS_NAMED_MAX else "")

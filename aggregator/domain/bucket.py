"""A bucket as somebody asks for it: what it collects and the first terms it agrees on, checked and with real types."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from aggregator.domain.match import Filter
from aggregator.domain.terms import Aggregation


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstTerms:
    """From a local midnight of the client on; ``commit`` in billed units, 0 for none; prices of one billed unit."""

    starts_on: date
    commit: Decimal
    base_price: Decimal
    overage_price: Decimal
    aggregation: Aggregation


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBucket:
    """Without a filter it takes every asset of its client with this source type and unit type."""

    client_id: int
    name: str
    source_type_id: int
    unit_type_id: int
    priority: int
    filters: Sequence[Filter]
    terms: FirstTerms

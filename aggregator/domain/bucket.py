"""A bucket as somebody asks for it: what it collects and the first terms it agrees on, checked and with real types."""

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.domain.match import Filter
from aggregator.domain.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBucket:
    """Without a filter it takes every asset of its client with this source type and unit type.

    ``template_id``: the template that it was provisioned by; such a bucket nobody has ``reviewed`` yet.
    """

    client_id: int
    name: str
    source_type_id: int
    unit_type_id: int
    priority: int
    filters: Sequence[Filter]
    terms: Terms
    template_id: int | None = None
    reviewed: bool = True

"""How a move in mid-period divides what is counted, in words, by how buckets aggregate."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from aggregator.domain.terms import Aggregation

NAMED_MAX = 5

_DIVIDED = "divided at that time, each pays for its part"
_EACH = "not divided, each pays for all it had"
_LAST = "not divided, only who has it at the end of the period pays"

_SAID: Mapping[Aggregation, str] = {
    Aggregation.SUM: _DIVIDED,
    Aggregation.AVG: _DIVIDED,
    Aggregation.LAST: _LAST,
}


def how_divided(buckets: Iterable[tuple[str, str, Decimal | None]]) -> list[str]:
    """One sentence per aggregation of the buckets (name, aggregation, percentile) that gain or lose by a move."""
    named: dict[str, list[str]] = {}
    said: dict[str, str] = {}
    for name, aggregation, percentile in buckets:
        text = aggregation if percentile is None else f"p{percentile.normalize():f}"
        named.setdefault(text, []).append(name)
        said[text] = _SAID.get(Aggregation(aggregation), _EACH)
    return [f"{text} ({_list(names)}): {said[text]}" for text, names in sorted(named.items())]


def _list(names: list[str]) -> str:
    unique = sorted(set(names))
    more = len(unique) - NAMED_MAX
    shown = ", ".join(unique[:NAMED_MAX])
    return f"{shown} and {more} more" if more > 0 else shown

"""Which suppression keeps an asset out. Compiled once for many assets; what is dropped is counted elsewhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aggregator.domain.match import Condition, Facts, PatternError, compile_conditions

# Every asset of every dictionary is held against each of them.
SUPPRESSIONS_MAX = 1_000
REASON_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class Suppression:
    """A rule that holds: assets that fit the condition are dropped at ingest."""

    id: int
    condition: Condition


def compile_suppressions(suppressions: Sequence[Suppression]) -> Callable[[Facts], int]:
    """The id of the oldest suppression that an asset fits, 0 for none.

    A pattern that cannot be compiled any more matches nothing: rather an asset too many than a server that takes nothing in.
    """
    rules = []
    for one in sorted(suppressions, key=lambda suppression: suppression.id):
        try:
            rules.append((one.id, compile_conditions([one.condition])))
        except PatternError:
            continue

    def find(facts: Facts) -> int:
        return next((number for number, fits in rules if fits(facts)), 0)

    return find

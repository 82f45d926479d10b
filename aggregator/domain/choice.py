"""Which of many rules or buckets an asset may fit, found without asking each: an index over what they need.

Leaves out only what cannot fit; whether the rest does is for the matcher to say.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from aggregator.domain.match import Facts, Need

# Every asset of a source type has it: worth little as a place to look under.
_COMMON_FIELD = "source_type"


class Asked(Protocol):
    """Whatever has conditions: per alternative what an asset needs to fit it."""

    @property
    def id(self) -> int:
        """Names it among the others."""

    @property
    def needs(self) -> Sequence[Sequence[Need]]:
        """As ``match.needs`` says."""


A = TypeVar("A", bound=Asked)


class Choice(Generic[A]):
    """An index, made once and asked for each asset."""

    def __init__(self, items: Iterable[A]) -> None:
        self._always: list[A] = []
        self._whole: dict[str, dict[str, list[A]]] = {}
        self._begins: dict[str, dict[str, list[A]]] = {}
        for item in items:
            for alternative in item.needs:
                self._add(item, _best(alternative))
        self._lengths = {name: sorted({len(text) for text in texts}) for name, texts in self._begins.items()}

    def possible(self, facts: Facts) -> Iterator[A]:
        """Those that the asset may fit, each once, in no order."""
        found = {item.id: item for item in self._always}
        for name, texts in self._whole.items():
            if (value := facts.value(name)) is not None:
                for item in texts.get(value, ()):
                    found[item.id] = item
        for name, texts in self._begins.items():
            if (value := facts.value(name)) is not None:
                for length in self._lengths[name]:
                    for item in texts.get(value[:length], ()):
                        found[item.id] = item
        return iter(found.values())

    def _add(self, item: A, need: Need | None) -> None:
        if need is None:
            self._always.append(item)
        else:
            texts = (self._whole if need.whole else self._begins).setdefault(need.field, {})
            texts.setdefault(need.text, []).append(item)


def _best(needs: Sequence[Need]) -> Need | None:
    """The one that leaves out most: a whole value before a beginning, the longer before the shorter."""
    rank: Callable[[Need], tuple[bool, bool, int]] = lambda need: (  # noqa: E731 - says what max is by
        need.field != _COMMON_FIELD,
        need.whole,
        len(need.text),
    )
    return max(needs, key=rank, default=None)

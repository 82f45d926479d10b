"""Whose an asset probably is and which buckets it belongs to, judged by the assets that are like it.

Assets are alike by traits: the pattern of the name (numbers folded), its first word, labels, the agent, the network. A trait
speaks for a client as far as the assets with it are that client's; one that many clients share says little, so that a name
such as `web-1`, which everybody has, decides nothing. No suggestion rather than a bad one. Knows nothing of where assets are
kept; what a trait is, is said by the database (migration 0013).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

# What must be spoken for a client at least, and how much of all that was said, in per cent.
STRENGTH_MIN = Fraction(2)
CONFIDENCE_PERCENT_MIN = 70
# So many of the assets that are most like it say which buckets.
LIKE_MAX = 20
_WEIGHTS: Mapping[str, int] = {"pattern": 4, "stem": 2, "label": 2, "agent": 2, "network": 2}
_LABELS_WEIGHT_MAX = 4
_WORDS = {
    "pattern": "same name pattern",
    "stem": "same first word of the name",
    "label": "same label",
    "agent": "same agent",
    "network": "same network",
}
# Where numbers are folded to `#`: a whole part of a name with two numbers apart, or with one and then hexadecimal digits.
_ID_IN_NAME = re.compile(
    r"(?<![^\W_])(?<!#)(?:[^\W\d_]*#[^\W\d_]+#[^\W_#]*(?:#[^\W_#]*)*|#[a-f]+)(?![^\W_]|#)"
)
_PERCENT = 100
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, order=True)
class Trait:
    """What an asset may have in common with others: its kind, and a value that starts with the source type."""

    kind: str
    value: str

    @property
    def words(self) -> str:
        """For a reason."""
        shown = f" {self.value.partition(' ')[2]}" if self.kind == "label" else ""
        return _WORDS[self.kind] + shown


# Per trait and client the assets that have the trait and are the client's.
Neighbours = Mapping[Trait, Mapping[int, Sequence[int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An asset to find an owner for. ``client_id`` is whose it is already; ``unit_types`` those bound to nothing."""

    id: int
    client_id: int | None
    unit_types: Sequence[int]
    traits: Sequence[Trait]


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """The client for which most speaks, the assets of it that are most alike, best first, and the traits that say so.

    ``votes``: how alike each of them is, in millionths: whole numbers, because there are many to add.
    """

    client_id: int
    confidence: int
    like: Sequence[int]
    votes: Mapping[int, int]
    traits: Sequence[Trait]


def likeness(subject: Subject, neighbours: Neighbours) -> Likeness | None:
    """Whose assets are like it; None where nothing speaks clearly. Of an asset with a client only that one is asked for."""
    spoken: defaultdict[int, Fraction] = defaultdict(Fraction)
    speakers: defaultdict[int, dict[Trait, Fraction]] = defaultdict(dict)
    heard: list[tuple[Fraction, Mapping[int, Sequence[int]]]] = []
    of_labels = sum(1 for trait in subject.traits if trait.kind == "label" and neighbours.get(trait))
    for trait in subject.traits:
        by_client = {
            client: [asset for asset in assets if asset != subject.id]
            for client, assets in neighbours.get(trait, {}).items()
            if subject.client_id in (None, client)
        }
        count = sum(map(len, by_client.values()))
        if not count:
            continue
        weight = _weight(trait, count=count, most=max(map(len, by_client.values())), of_labels=of_labels)
        heard.append((weight, by_client))
        for client, assets in by_client.items():
            part = weight * Fraction(len(assets), count)
            spoken[client] += part
            speakers[client][trait] = part
    if not spoken:
        return None
    best = max(spoken, key=lambda client: (spoken[client], -client))
    confidence = int(spoken[best] * _PERCENT / sum(spoken.values()))
    if spoken[best] < STRENGTH_MIN or confidence < CONFIDENCE_PERCENT_MIN:
        return None
    votes: Counter[int] = Counter()
    for weight, of_clients in heard:
        vote = int(weight * _MILLION)
        for asset in of_clients.get(best, ()):
            votes[asset] += vote
    like = sorted(votes, key=lambda asset: (-votes[asset], asset))[:LIKE_MAX]
    said = sorted(speakers[best], key=lambda trait: (-speakers[best][trait], trait))
    return Likeness(
        client_id=best,
        confidence=confidence,
        like=like,
        votes={asset: votes[asset] for asset in like},
        traits=[trait for trait in said if 4 * speakers[best][trait] >= speakers[best][said[0]]],
    )


def _weight(trait: Trait, *, count: int, most: int, of_labels: int) -> Fraction:
    """What a trait says that ``count`` assets have, ``most`` of them one client's: by its purity, less where few have it."""
    weight = Fraction(_WEIGHTS[trait.kind])
    if trait.kind == "label":
        weight = min(weight, Fraction(_LABELS_WEIGHT_MAX, of_labels))
    return weight * Fraction(most * most, count * (count + 2))


def buckets_like(subject: Subject, found: Likeness, bound: Mapping[int, Mapping[int, int]]) -> dict[int, int]:
    """By unit type the bucket to which nearly all like assets are bound; ``bound``: by asset and unit type."""
    chosen: dict[int, int] = {}
    for unit_type in subject.unit_types:
        tally: Counter[int] = Counter()
        for asset in found.like:
            bucket = bound.get(asset, {}).get(unit_type)
            if bucket is not None:
                tally[bucket] += found.votes[asset]
        if tally:
            bucket, most = max(tally.items(), key=lambda item: (item[1], -item[0]))
            if most * _PERCENT >= CONFIDENCE_PERCENT_MIN * tally.total():
                chosen[unit_type] = bucket
    return chosen


def pattern_of(subject: Subject) -> str:
    """The pattern of its name, by which suggestions are accepted many at a time; its own id where it has none.

    Parts of a name that are no word but an id (``7f9c4d``, ``x2x4q``, each part of a UUID) say nothing of what it is, as its
    numbers do.
    """
    pattern = next((trait.value for trait in subject.traits if trait.kind == "pattern"), "")
    return _ID_IN_NAME.sub("#", pattern) or f"#{subject.id}"


def reason(found: Likeness, *, names: Sequence[str], client_name: str) -> str:
    """In words: "like web-01, web-02 and 14 others of acme: same name pattern, same agent"."""
    shown, others = list(names[:2]), len(found.like) - min(2, len(found.like))
    some = ", ".join(shown) if others or len(shown) < 2 else " and ".join(shown)
    more = f" and {others} other{'s' if others > 1 else ''}" if others else ""
    return f"like {some}{more} of {client_name}: {', '.join(trait.words for trait in found.traits)}"

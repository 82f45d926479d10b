"""What a collector returns: the present state of its source, never a difference.

Turning cumulative counters into amounts is the business of amounts.py.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Protocol

TEXT_CHARACTERS_MAX = 128
LABELS_MAX = 16
# What every language reads from a JSON number without loss; the aggregator takes nothing above it.
VALUE_MAX = 2**53
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_HASH_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Asset:
    """A metered thing as its own host knows it. Made by ``asset``, which makes its texts fit to travel."""

    source_type: str
    external_id: str
    name: str
    address: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Its identity on this host."""
        return (self.source_type, self.external_id)


@dataclass(frozen=True, slots=True)
class Level:
    """How much there is now, in whole steps of the unit type."""

    asset: Asset
    unit_type: str
    value: int


@dataclass(frozen=True, slots=True)
class Counter:
    """A cumulative counter of one object, in whole steps; an asset's amount is the sum over its objects' differences.

    ``identity`` changes when the object is another one, even under the same name; the boot id is added by the agent.
    ``started_us``: the CLOCK_BOOTTIME, in microseconds, at which the counter stood at 0, or an earlier moment of this
    boot when only that is known (0: it began with or after the boot). None: unknown.
    """

    asset: Asset
    unit_type: str
    value: int
    identity: str
    started_us: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one collector saw at one moment.

    ``incomplete`` says in words what could not be read. The levels that were read still count, but the collector has
    failed at this tick: what is missing is unknown, not gone.
    """

    levels: tuple[Level, ...] = ()
    counters: tuple[Counter, ...] = ()
    incomplete: str = ""


class Collector(Protocol):
    """Reads one source. Made once; ``collect`` runs in a thread and may raise anything: then it has failed."""

    @property
    def source_types(self) -> tuple[str, ...]:
        """What it would report; named as failed when it fails."""

    def collect(self) -> Snapshot:
        """The present state."""


def asset(
    source_type: str,
    external_id: str,
    *,
    name: str = "",
    address: str = "",
    labels: dict[str, str] | None = None,
) -> Asset:
    """An asset with texts that can travel: valid Unicode, composed, at most ``TEXT_CHARACTERS_MAX`` characters.

    An external id that has to be changed for that ends in a hash of what it was, so that two stay two. Empty labels
    are left out; the name defaults to the external id.
    """
    kept = sorted((key, value) for key, value in (labels or {}).items() if value)[:LABELS_MAX]
    return Asset(
        source_type,
        _identity(external_id),
        _text(name or external_id),
        _text(address),
        tuple((_text(key), _text(value)) for key, value in kept),
    )


def _text(text: str) -> str:
    if len(text) <= TEXT_CHARACTERS_MAX and text.isascii() and text.isprintable():
        return text
    composed = unicodedata.normalize("NFC", text[: 4 * TEXT_CHARACTERS_MAX])
    return "".join(
        _REPLACEMENT if unicodedata.category(character).startswith("C") else character
        for character in composed[:TEXT_CHARACTERS_MAX]
    )


def _identity(text: str) -> str:
    cleaned = _text(text)
    if len(text) <= TEXT_CHARACTERS_MAX and cleaned.count(_REPLACEMENT) == text.count(_REPLACEMENT):
        return cleaned
    # File names are bytes: what is not UTF-8 arrives as lone surrogates.
    tail = "~" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_CHARACTERS]
    return cleaned[: TEXT_CHARACTERS_MAX - len(tail)] + tail

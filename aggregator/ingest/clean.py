"""Makes an agent's texts harmless: composed (NFC), short, and without control, format, private or unassigned characters."""

import unicodedata
from collections.abc import Mapping
from hashlib import sha256

from aggregator.ingest.limits import LABEL_CHARACTERS_MAX, LABELS_MAX, NAME_CHARACTERS_MAX

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_HASH_CHARACTERS = 16


def clean_name(text: str, *, characters_max: int = NAME_CHARACTERS_MAX) -> str:
    """The text with every character of a Unicode category C* replaced by U+FFFD, cut to ``characters_max``."""
    if len(text) <= characters_max and text.isascii() and text.isprintable():
        return text
    # Cut before composing as well: ordering a long run of combining marks takes quadratic time.
    composed = unicodedata.normalize("NFC", text[: 4 * characters_max])
    return "".join(
        REPLACEMENT if unicodedata.category(character).startswith("C") else character
        for character in composed[:characters_max]
    )


def clean_identity(text: str) -> str:
    """An external id cleaned like a name; where that loses something, it ends in a hash of the whole.

    Two mount points that differ only after the 128th character, or in characters that are not shown, stay two. Empty for
    an empty text.
    """
    cleaned = clean_name(text)
    if len(text) <= NAME_CHARACTERS_MAX and cleaned.count(REPLACEMENT) == text.count(REPLACEMENT):
        return cleaned
    tail = "~" + sha256(text.encode()).hexdigest()[:_HASH_CHARACTERS]
    return cleaned[: NAME_CHARACTERS_MAX - len(tail)] + tail


def clean_labels(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """At most ``LABELS_MAX`` labels, the first by key. Of two keys that are cleaned to the same the later one stays."""
    kept = sorted(labels.items())[:LABELS_MAX]
    cleaned = {clean_name(key): clean_name(value, characters_max=LABEL_CHARACTERS_MAX) for key, value in kept}
    return tuple(cleaned.items())

"""What a name given by an operator may look like."""

import unicodedata

from aggregator.errors import Invalid

NAME_CHARACTERS_MAX = 128


def valid_name(field: str, name: str) -> None:
    """Raises ``Invalid`` naming ``field`` for a name that is empty, long, padded or cannot be shown as it is."""
    if not name or len(name) > NAME_CHARACTERS_MAX:
        raise Invalid(field, f"must have 1 to {NAME_CHARACTERS_MAX} characters")
    if name != name.strip() or unicodedata.normalize("NFC", name) != name:
        raise Invalid(field, "must not start or end with a space, and be normalised (NFC)")
    if any(unicodedata.category(character).startswith("C") for character in name):
        raise Invalid(field, "must not contain control or formatting characters")

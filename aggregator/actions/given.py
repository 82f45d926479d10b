"""Reads what somebody gave into what the domain works with; whatever cannot be read is ``Invalid``, naming the field.

Knows single values, not what they are for.
"""

import unicodedata
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from aggregator.actions.names import valid_name
from aggregator.domain.match import Condition, Filter, PatternError, compile_conditions
from aggregator.errors import Invalid
from ullage.wire import to_decimal

YEAR_MIN = 1970
YEAR_MAX = 2100
PRIORITY_MAX = 1_000_000
FILTERS_MAX = 50
PRICE_PLACES_MAX = 10
QUANTITY_PLACES_MAX = 12
# Above any figure that is meant, and far below where a bill would overflow its columns.
NUMBER_MAX = Decimal(10) ** 15
NUMBER_CHARACTERS_MAX = 40


def name(field: str, text: str) -> str:
    """The name without spaces around it, normalised."""
    cleaned = unicodedata.normalize("NFC", text).strip()
    valid_name(field, cleaned)
    return cleaned


def text(field: str, given: str, *, characters_max: int) -> str:
    """One line in the caller's words, normalised, without spaces around it; may be empty."""
    cleaned = unicodedata.normalize("NFC", given).strip()
    if len(cleaned) > characters_max:
        raise Invalid(field, f"has {len(cleaned)} characters; shorten it to {characters_max}")
    if any(unicodedata.category(character).startswith("C") for character in cleaned):
        raise Invalid(field, "must not contain control or formatting characters; write it in one line")
    return cleaned


def day(field: str, text: str) -> date:
    """A day written like 2026-01-31."""
    try:
        read = date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(field, "is not a day; write it like 2026-01-31") from error
    if not YEAR_MIN <= read.year <= YEAR_MAX:
        raise Invalid(field, f"must lie in the years {YEAR_MIN} to {YEAR_MAX}")
    return read


def month(field: str, text: str) -> date:
    """The first day of a month written like 2026-01."""
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise Invalid(field, "is not a month; write it like 2026-01") from error
    return day(field, first.isoformat())


def number(field: str, text: str, *, places_max: int) -> Decimal:
    """A number of at least 0 with at most that many decimal places."""
    try:
        read = to_decimal(text) if len(text) <= NUMBER_CHARACTERS_MAX else None
    except ValueError as error:
        raise Invalid(field, "is not a number; write it like 1234.56") from error
    if read is None:
        raise Invalid(field, f"needs a number of at most {NUMBER_CHARACTERS_MAX} characters, like 1234.56")
    if not 0 <= read <= NUMBER_MAX:
        raise Invalid(field, f"must lie between 0 and {NUMBER_MAX:f}")
    exponent = read.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > places_max:
        raise Invalid(field, f"may have at most {places_max} decimal places")
    return read


def priority(field: str, value: int) -> int:
    """Which of two that match comes first; the higher wins."""
    if not -PRIORITY_MAX <= value <= PRIORITY_MAX:
        raise Invalid(field, f"must lie between -{PRIORITY_MAX} and {PRIORITY_MAX}")
    return value


def conditions(field: str, given: Sequence[Condition]) -> tuple[Condition, ...]:
    """Conditions that can be compiled."""
    try:
        compile_conditions(given)
    except PatternError as error:
        raise Invalid(f"{field}.{error.field}", error.text) from error
    return tuple(given)


def filters(field: str, given: Sequence[Filter]) -> tuple[Filter, ...]:
    """Filters that can be compiled; fields count from 1, as people do."""
    if len(given) > FILTERS_MAX:
        raise Invalid(field, f"has {len(given)} filters; at most {FILTERS_MAX} are taken")
    for place, one in enumerate(given, start=1):
        conditions(f"{field}[{place}]", one.conditions)
    return tuple(given)

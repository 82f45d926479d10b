"""Reads what somebody gave about a unit type; whatever cannot be is ``Invalid``, naming the field."""

from collections.abc import Collection

from aggregator.actions import given
from aggregator.domain.unit_type import (
    DESCRIPTION_CHARACTERS_MAX,
    DIVISOR_MAX,
    GAP_HOLD_MAX,
    KINDS,
    LEVEL_VALUES,
    PERS,
    PRECISION_MAX,
    SLOT_MINUTES,
    SYMBOL_CHARACTERS_MAX,
    UnitType,
)
from aggregator.errors import Invalid


def unit_type(asked: UnitType) -> UnitType:
    """The same, cleaned and checked."""
    if asked.per == "second" and asked.kind == "level":
        raise Invalid("per", "second is of amounts alone: a level is at a moment already; use total")
    if asked.kind == "amount" and asked.level_value not in {"", "mean"}:
        raise Invalid("level_value", "is of levels alone; an amount always counts its total")
    symbol = given.text("symbol", asked.symbol, characters_max=SYMBOL_CHARACTERS_MAX)
    if not symbol:
        raise Invalid("symbol", "is missing; write what stands behind a quantity, like GiB")
    return UnitType(
        name=given.name("name", asked.name),
        symbol=symbol,
        description=given.text("description", asked.description, characters_max=DESCRIPTION_CHARACTERS_MAX),
        kind=_one_of("kind", asked.kind, KINDS),
        divisor=_between("divisor", asked.divisor, 1, DIVISOR_MAX),
        per=_one_of("per", asked.per, PERS),
        precision=_between("precision", asked.precision, 0, PRECISION_MAX),
        slot_minutes=_slot_minutes(asked.slot_minutes),
        level_value=_one_of("level_value", asked.level_value or "mean", LEVEL_VALUES),
        gap_hold=_between("gap_hold", asked.gap_hold, 0, GAP_HOLD_MAX),
    )


def _slot_minutes(minutes: int) -> int:
    if minutes not in SLOT_MINUTES:
        raise Invalid("slot_minutes", f"must be {' or '.join(map(str, SLOT_MINUTES))}")
    return minutes


def _one_of(field: str, text: str, known: Collection[str]) -> str:
    if text not in known:
        raise Invalid(field, f"must be one of {', '.join(known)}")
    return text


def _between(field: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise Invalid(field, f"must lie between {least} and {most}")
    return value

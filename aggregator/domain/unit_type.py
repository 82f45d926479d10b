"""A unit type as somebody asks for it: what a quantity counts, checked and with real types."""

from dataclasses import dataclass

KINDS = ("level", "amount")
PERS = ("total", "second")
SLOT_MINUTES = (60, 5)
LEVEL_VALUES = ("mean", "high", "last")
SYMBOL_CHARACTERS_MAX = 32
DESCRIPTION_CHARACTERS_MAX = 500
DIVISOR_MAX = 10**15
PRECISION_MAX = 12
GAP_HOLD_MAX = 288
GAP_HOLD_USUAL = 3
UNIT_TYPES_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitType:
    """``divisor``: steps of a billed unit. ``gap_hold``: slots over which a level is carried into a gap, 0: `zero`."""

    name: str
    symbol: str
    description: str
    kind: str
    divisor: int
    per: str
    precision: int
    slot_minutes: int
    level_value: str
    gap_hold: int

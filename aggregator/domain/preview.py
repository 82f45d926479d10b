"""What an act would do, without doing it: how many, whom, and about how much money.

Knows neither where the plans come from nor what a message looks like.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

LINES_MAX = 100
# An act on more than this share of all assets (and on more than a few) is done only when somebody named their number.
CONFIRM_ABOVE_PER_CENT = 10
CONFIRM_ABOVE_ASSETS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine:
    """What would happen to one asset or one of its series.

    ``act`` is bind, take, release, assign, unassign, drop, create, change or end. ``unit_type`` is empty where all series
    are meant, names are empty for none, ``money`` is None where it is not known or does not apply.
    """

    act: str
    asset_id: int = 0
    asset_name: str = ""
    unit_type: str = ""
    from_name: str = ""
    to_name: str = ""
    currency: str = ""
    money: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """An estimate: ``money`` per currency is what would be billed more (or, negative, less) in unfinalised time.

    ``unpriced`` counts series that ``money`` says nothing of. ``lines`` are the first ``LINES_MAX`` of ``lines_total``.
    ``confirm_assets`` is what has to be confirmed by repeating it, 0 when nothing has.
    """

    assets: int = 0
    series: int = 0
    readings: int = 0
    money: Mapping[str, Decimal] = field(default_factory=dict)
    unpriced: int = 0
    lines: Sequence[PreviewLine] = ()
    lines_total: int = 0
    notes: Sequence[str] = ()
    confirm_assets: int = 0


def to_confirm(assets: int, *, total_assets: int) -> int:
    """The number that has to be confirmed before an act on so many of all assets; 0: none."""
    many = assets > CONFIRM_ABOVE_ASSETS and assets * 100 > total_assets * CONFIRM_ABOVE_PER_CENT
    return assets if many else 0

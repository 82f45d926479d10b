"""What is not billed this period in all, in one line: by currency, how much of it is old, and what has no price."""

from collections.abc import Iterable
from decimal import Decimal

from rich.text import Text

from tui.format import decimal
from tui.screens.triage import Asset, worth, worth_words
from tui.theme import ATTENTION
from ullage.v1 import analysis_pb2

# The ages of the aggregator's table that are worth a look.
_OLD = frozenset({"90", "older"})


def leakage_words(leakage: analysis_pb2.ListLeakageReply) -> Text:
    """Of everything that is unbound, whatever filters and page are on view."""
    money: dict[str, Decimal] = {}
    for row in leakage.rows:
        amount = decimal(row.money.amount)
        if amount and row.money.currency:
            money[row.money.currency] = money.get(row.money.currency, Decimal(0)) + amount
    return _line(
        "Not billed this period",
        money,
        assets=sum(row.assets for row in leakage.rows),
        unpriced=sum(row.unpriced for row in leakage.rows),
        old=sum(row.assets for row in leakage.rows if row.age in _OLD),
    )


def page_words(rows: Iterable[Asset]) -> Text:
    """Of the page on view alone: what is said where the whole cannot be asked for."""
    known = list(rows)
    return _line(
        "Not billed, of this page alone",
        worth(known),
        assets=len(known),
        unpriced=sum(not row.unbound_money.amount for row in known),
        old=sum(row.days_unbound > 30 for row in known),
    )


def _line(words: str, money: dict[str, Decimal], *, assets: int, unpriced: int, old: int) -> Text:
    line = Text(f"{words}: ", no_wrap=True, overflow="ellipsis")
    line.append(worth_words(money) or ("nothing that has a price" if assets else "nothing"), "bold")
    if unpriced:
        line.append(f" · {unpriced:,} unpriced", ATTENTION)
    if old:
        line.append(f" · {old:,} over 30 d", ATTENTION)
    return line

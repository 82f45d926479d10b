"""What-if in figures: what was typed, read; what the aggregator answers, as lines to be listed; and terms made of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import click

from tui.cli.output import Row
from tui.cli.values import parse_amount, parse_percent
from tui.failures import CallFailed, Kind, sentence
from tui.format import decimal, moment, money, quantity
from tui.widgets.usage_bar import BeforeAfter
from ullage.v1 import agreements_pb2, analysis_pb2, inventory_pb2
from ullage.wire import from_decimal

READINGS_MAX = 36
# Field of the form, field of the terms, field of the request that carries per cent.
_FIGURES = (
    ("commit", "commit", "commit_percent"),
    ("base", "base_price", "base_percent"),
    ("overage", "overage_price", "overage_percent"),
)
COLUMNS_EXPORTED = (
    "client",
    "bucket_id",
    "bucket",
    "period_start",
    "readings",
    "quantity",
    "before",
    "after",
    "difference",
    "currency",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One reading of a bucket, or all of its readings together: what they cost, and would have."""

    bucket_id: int
    bucket_name: str
    client_name: str
    readings: int
    # Of one reading; of several None and empty.
    period_start: datetime | None
    quantity: str
    currency: str
    before: Decimal
    after: Decimal

    @property
    def difference(self) -> Decimal:
        """Above 0: it would have cost more."""
        return self.after - self.before


def read_figures(figures: dict[str, str]) -> tuple[agreements_pb2.Terms, dict[str, str], int]:
    """Terms with the figures given, per cents by field of the request, and readings (0: as many as usual).

    A figure with ``%`` is a change. Raises ``CallFailed`` with what belongs in the field.
    """
    terms, percents = agreements_pb2.Terms(), {}
    for name, field, percent_field in _FIGURES:
        given = figures.get(name, "").replace(" ", "")
        try:
            if given.endswith("%"):
                percents[percent_field] = from_decimal(parse_percent(given[:-1].removeprefix("+")))
            elif given:
                setattr(terms, field, from_decimal(parse_amount(given)))
        except click.BadParameter as error:
            hint = " For a change in per cent write -10%." if given.startswith(("+", "-")) else ""
            raise CallFailed(Kind.REFUSED, sentence(f"{name}: {error.message}") + hint) from None
    readings = figures.get("readings", "").strip()
    if readings and not (readings.isdecimal() and 1 <= int(readings) <= READINGS_MAX):
        raise CallFailed(Kind.REFUSED, f"Readings: give a number from 1 to {READINGS_MAX}.")
    return terms, percents, int(readings or 0)


def changed_terms(held: agreements_pb2.Terms, figures: dict[str, str]) -> agreements_pb2.Terms:
    """The terms held with the figures in their place, per cents worked out. Raises ``CallFailed``."""
    wanted, percents, _ = read_figures(figures)
    made = agreements_pb2.Terms()
    made.CopyFrom(held)
    for _, field, percent_field in _FIGURES:
        figure = decimal(getattr(wanted, field))
        if percent_field in percents:
            before = decimal(getattr(held, field)) or Decimal(0)
            figure = before * (100 + Decimal(percents[percent_field])) / 100
        if figure is not None:
            setattr(made, field, from_decimal(figure))
            if field == "overage_price":
                # As what-if itself: the one price takes the place of the tiers.
                made.ClearField("tiers")
    return made


def agreed_words(bucket: inventory_pb2.Bucket) -> dict[str, str]:
    """What is agreed now, by field; of several overage prices that there are tiers."""
    terms = bucket.terms
    return {
        "commit": quantity(terms.commit, bucket.symbol),
        "base": money(terms.base_price, bucket.currency),
        "overage": "by tiers" if terms.tiers else money(terms.overage_price, bucket.currency),
    }


def lines_of(rows: Iterable[analysis_pb2.WhatIfRow], *, by_reading: bool) -> list[Line]:
    """A line a reading, newest first; or a line for each bucket and currency, most difference first."""
    found = [_line(row) for row in rows]
    if by_reading:
        return sorted(found, key=lambda one: one.period_start.timestamp() if one.period_start else 0)[::-1]
    summed: dict[tuple[int, str], Line] = {}
    for one in found:
        held = summed.get((one.bucket_id, one.currency))
        if held is None:
            summed[one.bucket_id, one.currency] = replace(one, period_start=None, quantity="")
        else:
            summed[one.bucket_id, one.currency] = replace(
                held,
                readings=held.readings + 1,
                before=held.before + one.before,
                after=held.after + one.after,
            )
    return sorted(summed.values(), key=lambda one: -abs(one.difference))


def _line(row: analysis_pb2.WhatIfRow) -> Line:
    return Line(
        bucket_id=row.bucket_id,
        bucket_name=row.bucket_name,
        client_name=row.client_name,
        readings=1,
        period_start=moment(row.period_start),
        quantity=row.quantity,
        currency=row.before.currency or row.after.currency,
        before=decimal(row.before.amount) or Decimal(0),
        after=decimal(row.after.amount) or Decimal(0),
    )


def line_row(line: Line) -> Row:
    """As the headless twin writes it."""
    return {
        "client": line.client_name,
        "bucket_id": line.bucket_id,
        "bucket": line.bucket_name,
        "period_start": line.period_start,
        "readings": line.readings,
        "quantity": decimal(line.quantity),
        "before": line.before,
        "after": line.after,
        "difference": line.difference,
        "currency": line.currency,
    }


def sums_of(reply: analysis_pb2.WhatIfReply) -> list[BeforeAfter]:
    """As the aggregator added them up, over all readings."""
    after = {one.currency: decimal(one.amount) for one in reply.after}
    return [
        BeforeAfter(one.currency, decimal(one.amount) or Decimal(0), after.get(one.currency) or Decimal(0))
        for one in reply.before
    ]

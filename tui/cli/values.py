"""What people write on the command line, read: filters, amounts, days and moments."""

import re
import shlex
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import click
from google.protobuf.timestamp_pb2 import Timestamp

from ullage.v1 import types_pb2
from ullage.wire import to_decimal

OPERATORS = {
    "equals": types_pb2.OPERATOR_EQUALS,
    "glob": types_pb2.OPERATOR_GLOB,
    "regex": types_pb2.OPERATOR_REGEX,
    "cidr": types_pb2.OPERATOR_CIDR,
}
FILTER_HELP = (
    "FIELD OPERATOR PATTERN, several joined by 'and', for example \"name glob web-* and label:env equals prod\". "
    "Fields: source_type, external_id, name, address, agent, site, label:KEY. "
    "Operators: equals, glob, regex, cidr."
)
_WORDS = {operator: word for word, operator in OPERATORS.items()}
_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_AGGREGATION = re.compile(r"^p\d{1,2}(\.\d{1,3})?$")
_AGGREGATIONS = ("sum", "avg", "max", "min", "sum_of_max", "last", "count")


class Whole(click.ParamType[int]):
    """A whole number of at least ``least``, and not too large for a message's field of 32 or 64 bits."""

    name = "integer"

    def __init__(self, least: int | None = None, *, bits: int = 64) -> None:
        self._least = least
        self._beyond = 1 << (bits - 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Fails with what is wrong with it."""
        number = int(click.INT.convert(value, param, ctx))
        if self._least is not None and number < self._least:
            self.fail(f"{number} is not in the range x>={self._least}.", param, ctx)
        if not -self._beyond <= number < self._beyond:
            self.fail(f"{number} is too large; the largest is {self._beyond - 1}", param, ctx)
        return number


def operator_words(operator: types_pb2.Operator.ValueType) -> str:
    """As options take it; of an operator that this version does not know "unknown"."""
    return _WORDS.get(operator, "unknown")


def filter_words(filtered: types_pb2.Filter) -> str:
    """As ``--filter`` takes it: ``name glob web-* and label:env equals prod``."""
    return " and ".join(
        f"{_quoted(condition.field)} {operator_words(condition.operator)} {_quoted(condition.pattern)}"
        for condition in filtered.conditions
    )


def _quoted(word: str) -> str:
    """In quotes only where ``parse_filter`` would otherwise read it as something else."""
    return shlex.quote(word) if not word or any(c.isspace() or c in "'\"\\" for c in word) else word


def parse_filter(written: str) -> types_pb2.Filter:
    """``name glob web-* and address cidr 10.0.0.0/8``: every condition must hold. Words with spaces are quoted."""
    try:
        words = shlex.split(written)
    except ValueError as error:
        raise click.BadParameter(f"{error}: {written}") from None
    conditions: list[types_pb2.Condition] = []
    for start in range(0, len(words), 4):
        group = words[start : start + 4]
        if len(group) < 3 or (len(group) == 4 and (group[3] != "and" or start + 4 == len(words))):
            raise click.BadParameter(f"{written!r} is not FIELD OPERATOR PATTERN [and …]")
        operator = OPERATORS.get(group[1])
        if operator is None:
            raise click.BadParameter(f"{group[1]!r} is not one of {', '.join(OPERATORS)}")
        conditions.append(types_pb2.Condition(field=group[0], operator=operator, pattern=group[2]))
    if not conditions:
        raise click.BadParameter("a filter needs at least one condition")
    return types_pb2.Filter(conditions=conditions)


def parse_amount(written: str) -> Decimal:
    """A decimal that is not negative, in plain notation."""
    try:
        amount = to_decimal(written)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if amount is None or amount < 0:
        raise click.BadParameter(f"{written!r} is not a number of 0 or more")
    return amount


def parse_percent(written: str) -> Decimal:
    """Per cent by which something changes: -10 takes a tenth away; less than -100 would leave less than nothing."""
    try:
        change = to_decimal(written)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if change is None or change < -100:
        raise click.BadParameter(f"{written!r} is not a number of -100 or more")
    return change


def parse_day(written: str) -> str:
    """A day of the calendar, ``YYYY-MM-DD``, as it was written."""
    try:
        if not _DAY.match(written):
            raise ValueError
        date.fromisoformat(written)
    except ValueError:
        raise click.BadParameter(f"{written!r} is not a day like 2026-01-31") from None
    return written


def parse_moment(written: str) -> Timestamp:
    """A moment with its zone, or a day, which begins at midnight UTC."""
    try:
        moment = datetime.fromisoformat(written)
        if _DAY.match(written):
            moment = moment.replace(tzinfo=UTC)
        if moment.tzinfo is None:
            raise ValueError
        stamp = Timestamp()
        stamp.FromDatetime(moment)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{written!r} is not a moment like 2026-01-31T14:00Z (with a zone) or a day like 2026-01-31"
        ) from None
    return stamp


def parse_aggregation(written: str) -> str:
    """One of the aggregations, or a percentile such as p95 or p99.9."""
    if written not in _AGGREGATIONS and not _AGGREGATION.match(written):
        raise click.BadParameter(
            f"{written!r} is not one of {', '.join(_AGGREGATIONS)}, or a percentile such as p95"
        )
    return written


def parse_tier(written: str) -> tuple[Decimal, Decimal]:
    """``ABOVE:PRICE``: what overage units above so many cost."""
    above, colon, price = written.partition(":")
    if not colon:
        raise click.BadParameter(f"{written!r} is not ABOVE:PRICE, for example 100:3.50")
    return parse_amount(above), parse_amount(price)


def parse_gap_rule(written: str) -> str:
    """``hold N`` or ``zero``, as the contract says it."""
    words = written.replace(":", " ").split()
    if words == ["zero"]:
        return "zero"
    if len(words) == 2 and words[0] == "hold" and words[1].isdigit():
        return f"hold {int(words[1])}"
    raise click.BadParameter(f"{written!r} is neither 'zero' nor 'hold N', for example 'hold 3'")

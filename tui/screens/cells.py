"""Cells that several screens share: a state is always a word, colour only repeats it."""

from datetime import datetime

from rich.text import Text

from tui.format import NONE, ago, day, decimal, moment, money, of_commit, quantity, text
from tui.theme import ATTENTION, BAD, FAINT, GOOD
from tui.widgets.chart_scale import short
from ullage.v1 import agreements_pb2, inventory_pb2, types_pb2

_OPERATORS = {
    types_pb2.OPERATOR_EQUALS: "=",
    types_pb2.OPERATOR_GLOB: "like",
    types_pb2.OPERATOR_REGEX: "matches",
    types_pb2.OPERATOR_CIDR: "within",
}


def either(value: bool, *, bad: bool = False) -> Text:
    """yes or no; ``bad`` says that no is worth a look."""
    return Text("yes") if value else Text("no", ATTENTION if bad else FAINT)


def acknowledged(asset: inventory_pb2.Asset) -> Text:
    """``new`` until somebody acknowledged it."""
    return Text("yes", FAINT) if asset.acknowledged else Text("new", ATTENTION)


def client_name(asset: inventory_pb2.Asset) -> Text:
    """``unassigned`` without a client."""
    return text(asset.client_name) if asset.client_id else Text("unassigned", ATTENTION)


def seen(asset: inventory_pb2.Asset, now: datetime) -> Text:
    """How long ago it was last seen."""
    return Text(ago(moment(asset.last_seen), now))


def created(at: datetime | None) -> Text:
    """The day."""
    return Text(day(at), FAINT)


def fitted(figure: str, symbol: str = "", *, width: int) -> Text:
    """Whole where there is room, else in three digits; a figure without its unit says nothing."""
    value = decimal(figure)
    if value is None:
        return Text(NONE, FAINT)
    whole = quantity(figure, symbol, short=True)
    return text(whole if len(whole) <= width else f"{short(value)} {symbol}".strip())


def usage(bucket: inventory_pb2.Bucket, *, width: int = 40) -> Text:
    """Of the open period."""
    return fitted(bucket.current_usage, bucket.symbol, width=width)


def commit(terms: agreements_pb2.Terms, symbol: str, *, width: int = 0) -> Text:
    """A dash for none: 0 means that nothing was contracted. ``width`` 0: with all digits."""
    if decimal(terms.commit) is None or terms.commit.strip("0.") == "":
        return Text(NONE, FAINT)
    return fitted(terms.commit, symbol, width=width) if width else Text(quantity(terms.commit, symbol))


def projected_cost(bucket: inventory_pb2.Bucket) -> Text:
    """Of the open period."""
    return Text(money(bucket.projected_cost, bucket.currency))


def status(bucket: inventory_pb2.Bucket) -> Text:
    """Over, on track, or neither; with the per cent of the commit that the projection reaches."""
    reach = of_commit(bucket.percent_of_commit)
    match bucket.status:
        case "over":
            return Text(f"▲ over {reach}", BAD)
        case "on-track":
            return Text(f"on track {reach}", GOOD)
        case _:
            return Text(NONE, FAINT)


def filter_words(filtered: types_pb2.Filter) -> str:
    """``name like web-* and label:env = prod``."""
    return " and ".join(
        f"{c.field} {_OPERATORS.get(c.operator, '?')} {c.pattern}" for c in filtered.conditions
    )

"""What an asset's past looks like: whose it was and what billed it, as lines on one scale of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.text import Text

from tui.format import day, moment, text
from tui.widgets.row_table import Column
from ullage.v1 import inventory_pb2

BAR_CELLS = 16
_HELD, _NOT_HELD = "━", "·"


@dataclass(frozen=True, slots=True)
class Held:
    """A line: an assignment or a binding, half open. ``bar`` shows when, on the scale of all lines."""

    what: str
    to: str
    client_id: int
    bucket_id: int
    since: datetime | None
    until: datetime | None
    by: str
    bar: str = ""


COLUMNS: Sequence[Column[Held]] = (
    Column("What", lambda h, now: text(h.what), 10),
    Column("To", lambda h, now: text(h.to), 14, share=1),
    Column("From", lambda h, now: Text(day(h.since) if h.since else "beginning"), 10),
    Column("Until", lambda h, now: Text(day(h.until) if h.until else "now"), 10),
    Column("By", lambda h, now: Text(h.by), 6),
    Column("Timeline", lambda h, now: Text(h.bar), BAR_CELLS, above=78),
)


def history(detail: inventory_pb2.AssetDetail, now: datetime) -> list[Held]:
    """Assignments, then bindings by unit type, each newest first."""
    lines = [_held("assigned", one.client_name, one, 0, "rule") for one in reversed(detail.assignments)]
    for series in detail.series:
        lines += [
            _held(series.unit_type, one.bucket_name, one, one.bucket_id, "filter")
            for one in reversed(series.bindings)
        ]
    begin = beginning(detail, lines)
    return [] if begin is None else [_drawn(line, begin, now) for line in lines]


def beginning(detail: inventory_pb2.AssetDetail, lines: Sequence[Held]) -> datetime | None:
    """Where the scale of time begins: with the asset or the oldest line; None where there is no line."""
    created = moment(detail.asset.created_at)
    known = [at for at in (created, *(line.since for line in lines)) if at is not None]
    return min(known) if lines and known else None


def _held(what: str, to: str, one: Any, bucket_id: int, otherwise: str) -> Held:
    since, until = moment(getattr(one, "from")), moment(one.to)
    by = "hand" if one.by_hand else otherwise
    return Held(what, to, one.client_id, bucket_id, since, until, by)


def _drawn(line: Held, begin: datetime, now: datetime) -> Held:
    """With its bar: every line holds in the cell that it begins in, however short it is."""
    whole = (now - begin).total_seconds() or 1.0
    first = int(((line.since or begin) - begin).total_seconds() / whole * BAR_CELLS)
    last = int((min(line.until or now, now) - begin).total_seconds() / whole * BAR_CELLS)
    first = min(max(first, 0), BAR_CELLS - 1)
    last = min(max(last, first + 1), BAR_CELLS)
    bar = _NOT_HELD * first + _HELD * (last - first) + _NOT_HELD * (BAR_CELLS - last)
    return Held(line.what, line.to, line.client_id, line.bucket_id, line.since, line.until, line.by, bar)

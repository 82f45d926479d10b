"""The lists of Over/Under: their columns, what each column means, and in which order rows stand.

Overage is what was billed above the commit, buffer what was paid for and not used. Three lenses on what to do about it:
delivery (units), growth (overage), and what may be lost at renewal (buffer).
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from rich.text import Text

from tui.client import Page
from tui.format import NONE, decimal, money, percent, quantity, text
from tui.screens.cells import fitted
from tui.theme import ATTENTION, BAD, FAINT, STATES
from tui.widgets.row_table import Column
from ullage.v1 import analysis_pb2, types_pb2

Row = analysis_pb2.OverUnderRow
RightSize = analysis_pb2.RightSize

PROVISIONAL = "~"
LONG = "*"


def amount(row: Row, value: types_pb2.Money, style: str = "") -> Text:
    """Without its currency, which stands beside the cost; faint where there is nothing, a dash without a commit."""
    found = decimal(value.amount)
    if found is None or not row.status:
        return Text(NONE, FAINT)
    return Text(f"{found:,f}", style if found else FAINT)


def with_currency(value: types_pb2.Money, style: str = "") -> Text:
    """``EUR 1,234.00``."""
    found = decimal(value.amount)
    return Text(money(value.amount, value.currency), style if found else FAINT)


def versus(row: Row) -> Decimal | None:
    """Overage less buffer: usage against what was agreed, in money; None without a commit."""
    over, under = decimal(row.overage.amount), decimal(row.buffer.amount)
    return None if over is None or under is None or not row.status else over - under


def state(row: Row) -> Text:
    """A dash without a commit."""
    words, style = STATES.get(row.status, (NONE, FAINT))
    return Text(words, style)


def _cost(row: Row) -> Text:
    shown = money(row.cost.amount, row.cost.currency)
    return Text(f"{PROVISIONAL if row.provisional else ''}{shown}", "bold")


def _versus(row: Row) -> Text:
    value = versus(row)
    if value is None:
        return Text(NONE, FAINT)
    return Text(f"{value:+,f}" if value else f"{value:,f}", "" if value else FAINT)


def _client(row: Row) -> Text:
    return text(f"{LONG if row.long_period else ''}{row.client_name}")


def _delta(row: Row) -> Text:
    """``+1,234 GiB``: units with their sign, rounded; several kinds one after the other."""
    told = []
    for part in row.delta_units.split(", "):
        number, _, symbol = part.partition(" ")
        value = decimal(number)
        shown = part if value is None else quantity(number, symbol, short=True)
        told.append(f"+{shown}" if value is not None and value > 0 else shown)
    return text(", ".join(told) or NONE)


_STATUS: Column[Row] = Column(
    "Status",
    lambda r, now: state(r),
    8,
    sort="status",
    explains="over: only overage; under: only buffer; mixed: buckets of both; even: neither.",
)
_COST: Column[Row] = Column(
    "Final cost",
    lambda r, now: _cost(r),
    14,
    right=True,
    sort="cost",
    explains="All of the month's periods, also of buckets without a commit; ~ may still change.",
)
_VERSUS: Column[Row] = Column(
    "vs commit",
    lambda r, now: _versus(r),
    10,
    right=True,
    sort="versus",
    above=70,
    explains="Overage less buffer: usage against what was agreed, in money.",
)
_COMMITTED: Column[Row] = Column(
    "Committed",
    lambda r, now: amount(r, r.committed),
    11,
    right=True,
    sort="committed",
    above=110,
    explains="What the commits cost, used or not.",
)
_UNUSED: Column[Row] = Column(
    "Unused",
    lambda r, now: Text(percent(r.percent_unused)),
    6,
    right=True,
    sort="percent_unused",
    above=100,
    explains="Share of the commit that was not used.",
)


def _money_columns(over: str, under: str) -> tuple[Column[Row], Column[Row]]:
    return (
        Column(
            "Overage",
            lambda r, now: amount(r, r.overage, BAD),
            10,
            right=True,
            sort="overage",
            explains=over,
        ),
        Column(
            "Buffer",
            lambda r, now: amount(r, r.buffer, ATTENTION),
            10,
            right=True,
            sort="buffer",
            explains=under,
        ),
    )


_OVER, _UNDER = "Money billed above the commit.", "Money paid for capacity that was not used."
BY_CLIENT: Sequence[Column[Row]] = (
    Column(
        "Client",
        lambda r, now: _client(r),
        11,
        share=2,
        sort="client_name",
        explains="Whose month it is; * marks periods longer than a month.",
    ),
    Column(
        "Types",
        lambda r, now: text(r.unit_types),
        7,
        share=1,
        above=70,
        explains="What is metered for the client; t narrows everything to one of them.",
    ),
    _STATUS,
    _COST,
    _COMMITTED,
    _VERSUS,
    *_money_columns(_OVER, _UNDER),
    _UNUSED,
)
BY_BUCKET: Sequence[Column[Row]] = (
    Column(
        "Client", lambda r, now: _client(r), 10, share=1, sort="client_name", explains="Whose bucket it is."
    ),
    Column(
        "Bucket",
        lambda r, now: text(r.bucket_name),
        9,
        share=1,
        sort="bucket_name",
        explains="What was agreed.",
    ),
    Column("Unit", lambda r, now: text(r.unit_types), 10, above=110, explains="What is metered."),
    _STATUS,
    _COST,
    _COMMITTED,
    _VERSUS,
    *_money_columns(_OVER, _UNDER),
    _UNUSED,
)
BY_UNIT: Sequence[Column[Row]] = (
    Column(
        "Unit type",
        lambda r, now: text(f"{LONG if r.long_period else ''}{r.unit_types}"),
        10,
        share=1,
        sort="unit_types",
        explains="enter: the clients that use it.",
    ),
    _STATUS,
    Column(
        "Δ units",
        lambda r, now: _delta(r),
        16,
        share=1,
        right=True,
        explains="Usage less commit, in units: what is really delivered.",
    ),
    *_money_columns(
        "Growth: what clients bought above their commits. They may want a larger one.",
        "At risk at renewal: what clients pay for and do not use.",
    ),
    _COST,
    _COMMITTED,
    _UNUSED,
)


def saves(row: RightSize) -> Decimal | None:
    """What the client would have saved with the best commit; 0: there is no better one."""
    apart = decimal(row.difference.amount)
    return None if apart is None else max(-apart, Decimal(0))


def _saves(row: RightSize) -> Text:
    found = saves(row)
    return Text(NONE, FAINT) if not found else Text(f"{found:,f}", "bold")


RIGHT_SIZE: Sequence[Column[RightSize]] = (
    Column(
        "Client",
        lambda r, now: text(r.client_name),
        8,
        share=2,
        sort="client_name",
        explains="Who pays for it.",
    ),
    Column(
        "Bucket",
        lambda r, now: text(r.bucket_name),
        10,
        share=1,
        sort="bucket_name",
        above=100,
        explains="Where.",
    ),
    Column(
        "Unit", lambda r, now: text(r.unit_type), 7, sort="unit_type", above=70, explains="What is metered."
    ),
    Column(
        "Commit",
        lambda r, now: fitted(r.commit, r.symbol, width=12),
        12,
        right=True,
        sort="commit",
        explains="What is agreed on now, for each period.",
    ),
    Column(
        "Buffer",
        lambda r, now: with_currency(r.buffer, ATTENTION),
        13,
        right=True,
        sort="buffer",
        explains="What was paid for and not used, over the readings looked at.",
    ),
    Column(
        "Units",
        lambda r, now: fitted(r.buffer_units, width=6),
        6,
        right=True,
        sort="buffer_units",
        above=70,
        explains="The same in units, over the readings looked at.",
    ),
    Column(
        "Unused",
        lambda r, now: Text(percent(r.percent_unused)),
        6,
        right=True,
        sort="percent_unused",
        explains="Share of the commits that was not used.",
    ),
    Column(
        "Best",
        lambda r, now: fitted(r.best_commit, width=6),
        6,
        right=True,
        sort="best_commit",
        explains="The commit with which these readings would have cost least; w tries it.",
    ),
    Column(
        "Saves",
        lambda r, now: _saves(r),
        9,
        right=True,
        sort="saves",
        explains="What the client would have saved with it, and you would have given up.",
    ),
    Column(
        "Readings",
        lambda r, now: Text(f"{r.readings}", FAINT),
        8,
        right=True,
        sort="readings",
        above=110,
        explains="How many of the last readings there were to look at.",
    ),
)


def in_order(rows: Iterable[Any], page: Page, currency: str) -> list[Any]:
    """Currencies one after another, that on view first; in each by the column asked for, else what matters most first."""
    found = list(rows)
    if page.sort:
        found.sort(key=lambda row: _key(row, page.sort), reverse=page.descending)
    elif found and isinstance(found[0], Row):
        found.sort(key=lambda row: -_weight(row))
    return sorted(found, key=lambda row: (currency_of(row) != currency, currency_of(row)))


def currency_of(row: Any) -> str:
    """A row's money is all of one currency."""
    return next((one.currency for one in (row.cost, row.buffer) if one.currency), "")


def _weight(row: Row) -> Decimal:
    return (decimal(row.overage.amount) or Decimal(0)) + (decimal(row.buffer.amount) or Decimal(0))


_WORKED_OUT: dict[str, Callable[[Any], Decimal | None]] = {"versus": versus, "saves": saves}
_TEXTS = frozenset({"client_name", "bucket_name", "unit_types", "unit_type", "status"})


def _key(row: Any, name: str) -> tuple[int, Decimal, str]:
    """What is not known comes first."""
    if name in _TEXTS:
        return (1, Decimal(0), getattr(row, name).casefold())
    if name in _WORKED_OUT:
        value = _WORKED_OUT[name](row)
    else:
        field = getattr(row, name)
        value = decimal(field.amount) if isinstance(field, types_pb2.Money) else decimal(str(field))
    return (0, Decimal(0), "") if value is None else (1, value, "")

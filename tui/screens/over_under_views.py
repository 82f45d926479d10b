"""The views of Over/Under in their order: names, what each is for, what it says when it is empty, what its rows lead to."""

from dataclasses import dataclass
from typing import Any

from textual.message import Message

from tui.dialogs.choose import Choice
from ullage.v1 import analysis_pb2

# As the contract names them; the last view is not of one month.
BY = ("client", "bucket", "unit-type")
TITLES = ("By client", "By bucket", "By unit type", "Right-size")
CLIENTS, BUCKETS, UNIT_TYPES, RIGHT_SIZE = range(len(TITLES))
LENSES = (
    "Overage: billed above the commit. Buffer: paid, not used.  ← → columns",
    "Most overage and buffer first.  ← → explain the columns",
    "What is delivered, what was sold on top, what is at risk.  ← → columns",
    "Paid for and not used: talk to them before they find out.  ← → columns",
)
# Of the chips, in their order; empty: all.
STATUSES = ("", "over", "under", "mixed", "even")
ALL = "all"
NOTHING = (
    "No billing readings found for this period.\n\n"
    ", and . go to other months, p chooses one; 6 then R rates what was measured"
)
NOTHING_TO_SIZE = (
    "No candidates: of a bucket with a commit at least three readings are needed.\n\n"
    "They come with its periods"
)
_STATUS_WORDS = {
    "": "all",
    "over": "over commit",
    "under": "under commit",
    "mixed": "mixed: buckets over and buckets under",
    "even": "even: neither overage nor buffer",
}


@dataclass
class OpenBucketOf(Message):
    """Show the bucket of a row, which knows only its id."""

    bucket_id: int


@dataclass
class UseUnit(Message):
    """Show the clients of one unit type."""

    unit: str


@dataclass
class Summed(Message):
    """What the aggregator found for the month."""

    found: analysis_pb2.OverUnder


def empty_words(noun: str, *, status: str) -> str:
    """Why there are no rows, and what can be done."""
    return f"No {noun} match this filter.\n\nf chooses another status" if status else NOTHING


def status_choices() -> list[Choice]:
    """A letter each."""
    return [Choice(one or ALL, _STATUS_WORDS[one], key=(one or ALL)[0]) for one in STATUSES]


def units_of(row: Any) -> list[str]:
    """The unit types of a row of any view; none of no row."""
    named = "" if row is None else getattr(row, "unit_types", "") or getattr(row, "unit_type", "")
    return [one.strip() for one in named.split(",") if one.strip()]

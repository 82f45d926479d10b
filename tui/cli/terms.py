"""The dated terms of buckets: options that say them, and ``ullage buckets terms``."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from tui.cli import rows
from tui.cli.output import Row
from tui.cli.values import (
    parse_aggregation,
    parse_amount,
    parse_day,
    parse_gap_rule,
    parse_tier,
)
from ullage.v1 import agreements_pb2
from ullage.wire import from_decimal

TERMS_COLUMNS = (
    "starts_on",
    "ends_on",
    "commit",
    "base_price",
    "overage_price",
    "aggregation",
    "minimum",
    "maximum",
    "gap_rule",
    "prorate",
    "finalised",
)
_AMOUNTS = {
    "commit": "commit",
    "base": "base_price",
    "overage": "overage_price",
    "package": "package",
    "minimum": "minimum",
    "maximum": "maximum",
}


_MORE = (
    click.option(
        "--package", type=parse_amount, metavar="AMOUNT", help="Overage in whole packages of so many."
    ),
    click.option("--minimum", type=parse_amount, metavar="AMOUNT", help="Money a period at least."),
    click.option("--maximum", type=parse_amount, metavar="AMOUNT", help="Money a period at most."),
    click.option(
        "--tier",
        "tiers",
        type=parse_tier,
        multiple=True,
        metavar="ABOVE:PRICE",
        help="Overage price by tiers, e.g. --tier 0:4 --tier 100:3.",
    ),
    click.option(
        "--gap",
        type=parse_gap_rule,
        metavar="RULE",
        help="What a level is worth where nothing is known: 'hold N' slots, or zero.",
    ),
    click.option(
        "--prorate/--no-prorate",
        default=None,
        help="Divide commit, minimum and maximum by time in a part of a period.",
    ),
)


def terms_options(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds one option per field of terms; ``read_terms`` takes what they were given."""
    options = (
        click.option(
            "--starts-on",
            type=parse_day,
            metavar="YYYY-MM-DD",
            required=True,
            help="First day of the terms, in the client's zone.",
        ),
        click.option(
            "--ends-on", type=parse_day, metavar="YYYY-MM-DD", help="First day on which they do not hold."
        ),
        click.option(
            "--commit",
            type=parse_amount,
            metavar="AMOUNT",
            default="0" if required else None,
            show_default=required,
            help="Quantity contracted for a period; 0: none.",
        ),
        click.option(
            "--base",
            type=parse_amount,
            metavar="AMOUNT",
            required=required,
            help="Price of a unit up to the commit.",
        ),
        click.option(
            "--overage",
            type=parse_amount,
            metavar="AMOUNT",
            required=required,
            help="Price of a unit above it.",
        ),
        click.option(
            "--aggregation",
            type=parse_aggregation,
            metavar="HOW",
            required=required,
            help="How a period's slots become one quantity: sum, avg, max, min, sum_of_max, last, count, "
            "or a percentile such as p95.",
        ),
        *_MORE,
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def read_terms(held: agreements_pb2.Terms, given: Mapping[str, Any]) -> agreements_pb2.Terms:
    """``held`` with what the options gave in its place."""
    terms = agreements_pb2.Terms()
    terms.CopyFrom(held)
    for field in ("id", "finalised", "ends_on"):
        terms.ClearField(field)
    terms.starts_on = given["starts_on"]
    terms.ends_on = given["ends_on"] or ""
    fill_terms(terms, given)
    return terms


def fill_terms(terms: agreements_pb2.Terms, given: Mapping[str, Any]) -> None:
    """Sets what the options gave; of options that a command does not have, nothing."""
    for option, field in _AMOUNTS.items():
        if given.get(option) is not None:
            setattr(terms, field, from_decimal(given[option]))
    if given.get("aggregation") is not None:
        terms.aggregation = given["aggregation"]
    if given.get("gap") is not None:
        terms.gap_rule = given["gap"]
    if given.get("prorate") is not None:
        terms.prorate = given["prorate"]
    if given.get("tiers"):
        terms.ClearField("tiers")
        for above, price in given["tiers"]:
            terms.tiers.add(above=from_decimal(above), price=from_decimal(price))


def terms_rows(all_terms: Iterable[agreements_pb2.Terms]) -> tuple[list[Row], tuple[str, ...]]:
    """A row for each, and the columns of a table."""
    return [rows.terms_row(terms) for terms in all_terms], TERMS_COLUMNS

"""Terms of buckets as fields of a form: how they are written, read, prefilled, set and taken away."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from tui.cli.terms import fill_terms
from tui.cli.values import parse_aggregation, parse_amount, parse_day, parse_gap_rule, parse_tier
from tui.desk import Desk
from tui.dialogs.act import Act, Trial
from tui.dialogs.fields import Field
from tui.dialogs.form import Form, Values
from tui.format import clean, day, decimal, moment, number
from tui.screens.given import read
from ullage.v1 import agreements_pb2, inventory_pb2

Terms = agreements_pb2.Terms
# A bucket's preview looks at everything that its filters match.
ACT_SECONDS_MAX = 120.0
AGGREGATION_HINT = (
    "How a period's slots become one quantity: sum, avg, max, min, sum_of_max, last, count, or p95, p99.9 …"
)
Read = TypeVar("Read")


def tiers_words(terms: Terms) -> str:
    """``0:4, 100:3``: from how many overage units on a unit costs what; empty: one overage price."""
    return ", ".join(f"{plain(tier.above)}:{plain(tier.price)}" for tier in terms.tiers)


def plain(field: str) -> str:
    """A decimal without zeros behind the last digit that counts and without separators, as forms take it."""
    value = decimal(field)
    return "" if value is None else number(value).replace(",", "")


def terms_fields(
    terms: Terms, *, starts_on: str, ends_on: str = "", symbol: str = "", currency: str = ""
) -> list[Field]:
    """One for each part of terms, filled with these but for their days; names are those of the aggregator's errors."""
    unit, money = clean(symbol, 16) or "units", clean(currency, 3) or "the client's currency"

    def field(name: str, label: str, value: str, hint: str, *, required: bool = False) -> Field:
        return Field(f"terms.{name}", label, value, hint, required=required)

    return [
        field(
            "starts_on", "Starts on", starts_on, "First day, 2026-01-31, in the client's zone.", required=True
        ),
        field(
            "commit",
            "Commit",
            plain(terms.commit) or "0",
            f"{unit} contracted for a period. 0: none.",
            required=True,
        ),
        field(
            "base_price",
            "Base price",
            plain(terms.base_price),
            f"Of a unit up to the commit, in {money}.",
            required=True,
        ),
        field(
            "overage_price",
            "Overage price",
            plain(terms.overage_price),
            f"Of a unit above the commit, in {money}.",
            required=True,
        ),
        field("aggregation", "Aggregation", terms.aggregation or "avg", AGGREGATION_HINT, required=True),
        field(
            "ends_on",
            "Ends on",
            ends_on,
            "First day on which they do not hold any more. Empty: until others start.",
        ),
        field(
            "package",
            "Package",
            plain(terms.package),
            f"Overage is raised to whole packages of so many {unit}. Empty: none.",
        ),
        field("minimum", "Minimum", plain(terms.minimum), f"{money} a period at least. Empty: none."),
        field("maximum", "Maximum", plain(terms.maximum), f"{money} a period at most. Empty: none."),
        field(
            "tiers",
            "Tiers",
            tiers_words(terms),
            "Overage price by tiers: above:price, above:price, such as 0:4, 100:3. Empty: the one overage price.",
        ),
        field(
            "gap_rule",
            "Gap rule",
            terms.gap_rule,
            "What a level is worth where nothing is known: hold N (slots) or zero. Empty: as the unit type says.",
        ),
        Field(
            "terms.prorate",
            "Prorate",
            "yes" if terms.prorate else "no",
            "Whether commit, minimum and maximum are divided by time in a part of a period.",
            choices=(("no", "no"), ("yes", "yes, by time")),
        ),
    ]


def _read(values: Values, name: str, parse: Callable[[str], Read]) -> Read | None:
    return read(values, f"terms.{name}", parse)


def read_terms(values: Values) -> Terms:
    """What the fields of ``terms_fields`` say. Raises ``FormError`` for the first that cannot be read."""
    terms = Terms(starts_on=_read(values, "starts_on", parse_day) or "")
    amounts = ("commit", "base_price", "overage_price", "package", "minimum", "maximum")
    parts = {name: _read(values, name, parse_amount) for name in amounts}
    fill_terms(
        terms,
        {
            **parts,
            "base": parts["base_price"],
            "overage": parts["overage_price"],
            "aggregation": _read(values, "aggregation", parse_aggregation),
            "gap": _read(values, "gap_rule", parse_gap_rule),
            "prorate": values["terms.prorate"] == "yes",
            "tiers": _read(
                values, "tiers", lambda given: [parse_tier(one.strip()) for one in given.split(",")]
            ),
        },
    )
    terms.ends_on = _read(values, "ends_on", parse_day) or ""
    return terms


def terms_form(
    desk: Desk,
    bucket: inventory_pb2.Bucket,
    client: inventory_pb2.Client,
    *,
    terms: Terms | None = None,
    starts_on: str = "",
) -> Form:
    """New terms, prefilled from ``terms``, else from those in force; they start with the client's next period.

    With ``starts_on`` those that start then are replaced.
    """
    start = starts_on or day(moment(client.period_end), client.time_zone)
    filling = bucket.terms if terms is None else terms
    fields = terms_fields(
        filling,
        starts_on=start,
        # Terms that follow others do not end where those did.
        ends_on=filling.ends_on if starts_on else "",
        symbol=bucket.symbol,
        currency=bucket.currency,
    )
    name = clean(bucket.name, 50)

    def act(values: Values) -> Act:
        wanted = read_terms(values)

        async def call(trial: Trial) -> inventory_pb2.UpdateBucketReply:
            request = agreements_pb2.SetTermsRequest(bucket_id=bucket.id, terms=wanted, dry_run=trial.dry_run)
            return await desk.aggregator.ask(
                desk.aggregator.inventory.SetTerms, request, seconds=ACT_SECONDS_MAX
            )

        return Act(
            f"Terms of {name} from {wanted.starts_on} on",
            call,
            undoable=False,
            done=lambda reply: f"{name} has new terms from {wanted.starts_on} on.",
        )

    return Form(
        title=f"{'Change the' if starts_on else 'New'} terms of {name}",
        says=f"For {clean(client.name, 40)}. ctrl+s shows what it would do.",
        fields=fields,
        act=act,
    )


def delete_terms(desk: Desk, bucket: inventory_pb2.Bucket, terms: Terms) -> Act:
    """Takes away terms that no finalised reading used; those before them hold on."""
    name = clean(bucket.name, 50)

    async def call(trial: Trial) -> inventory_pb2.UpdateBucketReply:
        request = agreements_pb2.DeleteTermsRequest(
            bucket_id=bucket.id, starts_on=terms.starts_on, dry_run=trial.dry_run
        )
        return await desk.aggregator.ask(
            desk.aggregator.inventory.DeleteTerms, request, seconds=ACT_SECONDS_MAX
        )

    return Act(
        f"Delete the terms of {name} that start on {terms.starts_on}",
        call,
        warns="The terms before them hold on. Deleted terms cannot be brought back by undo, only set again.",
        word=terms.starts_on,
        undoable=False,
        done=lambda reply: f"{name} has no terms any more that start on {terms.starts_on}.",
    )


def held_until(terms: Sequence[Terms], place: int) -> str:
    """First day on which these terms do not hold any more: their own end or the start of the next; empty: open."""
    following = terms[place + 1].starts_on if place + 1 < len(terms) else ""
    own = terms[place].ends_on
    return min(own, following) if own and following else own or following

"""The lists on the screen of one bucket: what it cost in each period, and its terms over time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.text import Text

from tui.cli.billing import READING_COLUMNS, reading_row
from tui.cli.rows import terms_row
from tui.cli.terms import TERMS_COLUMNS
from tui.client import PAGE_ROWS_MAX, Page
from tui.desk import Desk
from tui.format import NONE, clean, days, decimal, moment, money, of_commit, quantity
from tui.messages import OpenReading, ShowText
from tui.screens.billing_cells import period_state
from tui.screens.bucket_terms import held_until, plain, tiers_words
from tui.screens.listing import local_page
from tui.theme import BAD, FAINT, GOOD
from tui.widgets.list_table import Export, Listing, ListTable
from tui.widgets.row_table import Column
from ullage.v1 import agreements_pb2, billing_pb2, inventory_pb2, types_pb2

Reading = billing_pb2.Reading
Bucket = inventory_pb2.Bucket


def _part(amount: str, style: str) -> Text:
    """Money that matters only when there is some."""
    value = decimal(amount)
    return Text(NONE if value is None else f"{value:,f}", style if value else FAINT)


def history(
    desk: Desk, bucket: Bucket, zone: Callable[[], str], told: Callable[[Sequence[Reading]], None]
) -> ListTable[Reading]:
    """Its billing readings; ``told`` hears the newest whenever they arrive, ``zone`` is where its days begin."""

    def period(reading: Reading) -> str:
        return days(moment(reading.period_start), moment(reading.period_end), zone())

    async def fetch(page: Page, search: str) -> tuple[Sequence[Reading], types_pb2.PageInfo]:
        if search:
            # The aggregator finds names, which are all the same here.
            newest = await desk.aggregator.readings(
                replace(page, size=PAGE_ROWS_MAX, after=""), bucket_id=bucket.id
            )
            found = [one for one in newest.readings if search.casefold() in period(one).casefold()]
            return found, types_pb2.PageInfo(total=len(found))
        reply = await desk.aggregator.readings(page, bucket_id=bucket.id)
        if not (page.after or page.sort):
            told(reply.readings)
        return reply.readings, reply.page

    columns: Sequence[Column[Reading]] = (
        Column("Period", lambda r, now: Text(period(r)), 18, sort="period_start"),
        Column("State", lambda r, now: period_state(r.state), 11, above=76),
        Column(
            "Usage",
            lambda r, now: Text(quantity(r.quantity, r.symbol)),
            12,
            share=1,
            right=True,
            sort="quantity",
        ),
        Column("Commit", lambda r, now: Text(quantity(r.commit, r.symbol)), 12, right=True, above=120),
        Column("% commit", lambda r, now: Text(of_commit(r.percent_of_commit)), 8, right=True, above=100),
        Column("Used", lambda r, now: _part(r.used, ""), 10, right=True, above=110),
        Column("Overage", lambda r, now: _part(r.overage, BAD), 9, right=True),
        Column("Buffer", lambda r, now: _part(r.buffer, ""), 9, right=True, above=72),
        Column("Cost", lambda r, now: Text(money(r.cost, r.currency), "bold"), 12, right=True, sort="cost"),
    )
    listing: Listing[Reading] = Listing(
        noun="billing readings",
        columns=columns,
        fetch=fetch,
        key=lambda reading: reading.period_start.seconds,
        opens=OpenReading,
        empty="No billing readings yet: the next billing run makes the first one.",
        export=Export("billing-readings", READING_COLUMNS, reading_row),
    )
    return ListTable(listing, heading="Billing history", clock=desk.clock)


@dataclass(frozen=True, slots=True)
class DatedTerms:
    """Terms with the first day on which they do not hold any more (empty: open) and whether they hold now."""

    terms: agreements_pb2.Terms
    until: str
    now: bool

    @property
    def starts_on(self) -> str:
        """First day."""
        return self.terms.starts_on

    @property
    def state(self) -> str:
        """In a word."""
        return "now" if self.now else "final" if self.terms.finalised else ""


def more_words(terms: agreements_pb2.Terms) -> str:
    """What is agreed besides commit and two prices; empty: nothing."""
    tiers = tiers_words(terms)
    words = (
        f"tiers {tiers}" if tiers else "",
        f"packages of {plain(terms.package)}" if terms.package else "",
        f"at least {plain(terms.minimum)}" if terms.minimum else "",
        f"at most {plain(terms.maximum)}" if terms.maximum else "",
        f"gaps {terms.gap_rule}" if terms.gap_rule else "",
        "prorated" if terms.prorate else "",
    )
    return clean("; ".join(word for word in words if word))


def dated(bucket: Bucket) -> list[DatedTerms]:
    """All its terms, newest first."""
    terms = list(bucket.all_terms)
    return [
        DatedTerms(one, held_until(terms, place), one.starts_on == bucket.terms.starts_on)
        for place, one in enumerate(terms)
    ][::-1]


def _figure(field: str) -> Text:
    shown = quantity(field)
    return Text(shown) if shown != "0" else Text(NONE, FAINT)


TERMS_SHOWN: Sequence[Column[DatedTerms]] = (
    Column("From", lambda t, now: Text(clean(t.terms.starts_on, 10)), 10, sort="starts_on"),
    Column("Until", lambda t, now: Text(clean(t.until, 10) or NONE), 10, above=76),
    Column("Commit", lambda t, now: _figure(t.terms.commit), 10, right=True),
    Column("Base", lambda t, now: Text(plain(t.terms.base_price) or NONE), 8, right=True),
    Column("Overage", lambda t, now: Text(plain(t.terms.overage_price) or NONE), 8, right=True),
    Column("Agg", lambda t, now: Text(clean(t.terms.aggregation, 10)), 5),
    Column("State", lambda t, now: Text(t.state, GOOD if t.now else FAINT), 5, above=70),
    Column("Besides", lambda t, now: Text(more_words(t.terms)), 8, share=1),
)


def terms_list(desk: Desk, bucket_id: int) -> ListTable[DatedTerms]:
    """Its terms, newest first; a row shows all of them."""

    async def fetch(page: Page, search: str) -> tuple[Sequence[DatedTerms], types_pb2.PageInfo]:
        bucket = await desk.aggregator.bucket(bucket_id)
        return local_page(dated(bucket), page, search, "starts_on", "until", "state")

    listing: Listing[DatedTerms] = Listing(
        noun="terms",
        columns=TERMS_SHOWN,
        fetch=fetch,
        key=lambda one: one.terms.starts_on,
        opens=_opened,
        empty="No terms.\n\nT sets the first ones",
        export=Export("terms", TERMS_COLUMNS, lambda one: terms_row(one.terms)),
    )
    return ListTable(listing, heading="Terms", clock=desk.clock)


def _opened(one: DatedTerms) -> ShowText:
    """Everything that they say, a line each."""
    terms = one.terms
    facts = (
        ("From", terms.starts_on),
        ("Until", one.until or "others start"),
        ("Commit", plain(terms.commit)),
        ("Base price", plain(terms.base_price)),
        ("Overage price", plain(terms.overage_price)),
        ("Tiers", tiers_words(terms) or "none"),
        ("Aggregation", terms.aggregation),
        ("Package", plain(terms.package) or "none"),
        ("Minimum", plain(terms.minimum) or "none"),
        ("Maximum", plain(terms.maximum) or "none"),
        ("Gap rule", terms.gap_rule or "as the unit type says"),
        ("Prorate", "yes, by time" if terms.prorate else "no"),
        (
            "State",
            "used by a finalised reading: can only be followed" if terms.finalised else "can be changed",
        ),
    )
    lines = [f"{label:<14} {clean(value)}" for label, value in facts]
    return ShowText(f"Terms from {clean(terms.starts_on, 10)} on", lines, copies="\n".join(lines))

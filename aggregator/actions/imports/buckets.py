"""Buckets from a file, each with one dated terms: new names are created, known ones get what the line says otherwise."""

from dataclasses import fields

from aggregator.actions.create_bucket import create_bucket
from aggregator.actions.csv_rows import Columns, Row
from aggregator.actions.given_terms import GivenTerms, read_terms
from aggregator.actions.imports.importer import Done, Importer
from aggregator.actions.set_terms import set_terms
from aggregator.actions.update_bucket import update_bucket
from aggregator.domain.filter_text import read_filters
from aggregator.domain.match import Filter
from aggregator.domain.preview import Preview
from aggregator.domain.terms import Terms
from aggregator.errors import Invalid, NotFound
from aggregator.store import agreements, exchange
from aggregator.store.exchange import BucketLine

_TOLD = ("id", "enabled", "reviewed")
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0", "")


class Buckets(Importer):
    """One line a bucket, by client and name; a second line of terms is for a second file."""

    columns = Columns(
        required=(
            "client",
            "name",
            "source_type",
            "unit_type",
            "starts_on",
            "commit",
            "base_price",
            "overage_price",
            "aggregation",
        ),
        optional=(
            "priority",
            "filters",
            "package",
            "minimum",
            "maximum",
            "tiers",
            "gap_rule",
            "prorate",
            *_TOLD,
        ),
        numbers=frozenset(
            {"priority", "commit", "base_price", "overage_price", "package", "minimum", "maximum"}
        ),
    )
    keys = ("client", "name")

    async def take(self, row: Row) -> Done:
        """Created when the client has no bucket of the name; else name, filters, priority and terms follow the line."""
        terms = _terms(row)
        filters, priority = _filters(row["filters"]), _priority(row["priority"])
        async with self.db.transaction() as conn:
            client_id = (await exchange.clients_by_name(conn, [row["client"]])).get(row["client"])
            if client_id is None:
                raise NotFound("client", row["client"])
            known = await exchange.bucket_by_name(conn, client_id=client_id, name=row["name"])
        if known is None:
            confirmed = 0
            for dry_run in (True, False):
                made = await create_bucket(
                    self.db,
                    client_id=client_id,
                    name=row["name"],
                    source_type=row["source_type"],
                    unit_type=row["unit_type"],
                    priority=priority or 0,
                    filters=filters,
                    terms=terms,
                    dry_run=dry_run,
                    confirmed_assets=confirmed,
                )
                # Whoever writes a line for each bucket has confirmed what it takes.
                confirmed = made.preview.confirm_assets
            self.note(made.preview)
            return Done.CREATED
        return await self._change(row, known, terms, filters, priority)

    async def _change(
        self, row: Row, known: BucketLine, terms: GivenTerms, filters: list[Filter], priority: int | None
    ) -> Done:
        for column in ("source_type", "unit_type"):
            if row[column] != getattr(known, column):
                raise Invalid(
                    column, f"is {getattr(known, column)} for this bucket for good; name another bucket"
                )
        changed = False
        moves = filters != exchange.filters_of(known)
        if moves or priority not in (None, known.priority):
            changed = True
            confirmed = 0
            preview = Preview()
            for dry_run in (True, False):
                preview = await update_bucket(
                    self.db,
                    known.id,
                    priority=priority,
                    filters=filters if moves else None,
                    dry_run=dry_run,
                    confirmed_assets=confirmed,
                )
                confirmed = preview.confirm_assets
            self.note(preview)
        if not await self._has(known.id, read_terms("terms", terms)):
            changed = True
            self.note(await set_terms(self.db, known.id, terms))
        return Done.CHANGED if changed else Done.UNCHANGED

    async def _has(self, bucket_id: int, wanted: Terms) -> bool:
        async with self.db.transaction() as conn:
            own = (await agreements.terms(conn, [bucket_id])).get(bucket_id, ())
        # A line says nothing of where terms end: that is said by disabling and by the next terms.
        told = [field.name for field in fields(Terms) if field.name not in ("id", "ends_on")]
        return any(all(getattr(one, name) == getattr(wanted, name) for name in told) for one in own)


def _terms(row: Row) -> GivenTerms:
    prorate = row["prorate"].lower()
    if prorate not in (*_YES, *_NO):
        raise Invalid("prorate", "must be yes or no")
    terms = GivenTerms(
        starts_on=row["starts_on"],
        commit=row["commit"],
        base_price=row["base_price"],
        overage_price=row["overage_price"],
        aggregation=row["aggregation"],
        package=row["package"],
        minimum=row["minimum"],
        maximum=row["maximum"],
        tiers=_tiers(row["tiers"]),
        gap_rule=row["gap_rule"],
        prorate=prorate in _YES,
    )
    try:
        read_terms("terms", terms)
    except Invalid as error:
        raise Invalid(
            error.field.removeprefix("terms."), str(error).removeprefix(f"{error.field}: ")
        ) from error
    return terms


def _tiers(text: str) -> list[tuple[str, str]]:
    """Of ``0: 2; 100: 1.50``: the bound and the price above it."""
    tiers = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        above, colon, price = part.partition(":")
        if not colon:
            raise Invalid("tiers", "must look like 0: 2; 100: 1.50 (units above: price)")
        tiers.append((above.strip(), price.strip()))
    return tiers


def _filters(text: str) -> list[Filter]:
    try:
        return read_filters(text)
    except ValueError as error:
        raise Invalid("filters", str(error)) from error


def _priority(text: str) -> int | None:
    if not text:
        return None
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        raise Invalid("priority", "is not a whole number")
    return int(text)

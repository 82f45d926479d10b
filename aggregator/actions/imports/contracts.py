"""Contracted counts from a file: what each named client's contract counts, replacing all that it counted before."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime

from aggregator.actions import given
from aggregator.actions.csv_rows import Columns, Row
from aggregator.actions.imports.importer import Done, Importer, Wrong
from aggregator.errors import Invalid, NotFound
from aggregator.store import exchange, inventory
from aggregator.store.database import Database
from aggregator.store.exchange import Count


class Contracts(Importer):
    """One line a client, source type and unit type; without a unit type assets are counted."""

    columns = Columns(
        required=("client", "source_type", "quantity"),
        optional=("unit_type", "as_of", "id"),
        numbers=frozenset({"quantity"}),
    )
    keys = ("client", "source_type", "unit_type")

    def __init__(self, db: Database, now: datetime) -> None:
        super().__init__(db, now)
        self._taken: list[Count] = []

    async def take(self, row: Row) -> Done:
        """Created or changed; an unchanged line leaves the count as it was."""
        async with self.db.transaction() as conn:
            client_id = (await exchange.clients_by_name(conn, [row["client"]])).get(row["client"])
            if client_id is None:
                raise NotFound("client", row["client"])
            unit = row["unit_type"]
            count = Count(
                client_id=client_id,
                source_type_id=_id_of("source_type", row["source_type"], await inventory.source_types(conn)),
                unit_type_id=_id_of("unit_type", unit, await inventory.unit_types(conn)) if unit else None,
                quantity=given.number("quantity", row["quantity"], places_max=given.QUANTITY_PLACES_MAX),
                as_of=given.day("as_of", row["as_of"]) if row["as_of"] else self.now.date(),
            )
            done = Done[(await exchange.save_count(conn, count)).upper()]
        self._taken.append(count)
        return done

    async def finish(self) -> AsyncIterator[tuple[int, Done | Wrong]]:
        """Removes what the named clients' contracts count no more."""
        if self._taken:
            async with self.db.transaction() as conn:
                removed = await exchange.remove_other_counts(conn, self._taken)
            for _ in range(removed):
                yield 0, Done.CHANGED


def _id_of(column: str, name: str, known: Mapping[str, int]) -> int:
    if name not in known:
        raise Invalid(column, f"must be one of {', '.join(known)}")
    return known[name]

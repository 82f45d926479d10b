"""Clients from a file: new names are created; of known ones contact and closing are changed, never the cycle in passing."""

from aggregator.actions.create_client import create_client
from aggregator.actions.csv_rows import Columns, Row
from aggregator.actions.imports.importer import Done, Importer
from aggregator.actions.update_client import client_change, update_client
from aggregator.errors import Invalid
from aggregator.store import exchange
from aggregator.store.exchange import ClientLine

# Exported, and of no meaning in an import: an id is this database's own.
_TOLD = ("id", "enabled")
_FIXED = ("currency", "time_zone", "cycle_unit", "cycle_count", "cycle_anchor")


class Clients(Importer):
    """One line a client, by name."""

    columns = Columns(
        required=("name", "currency", "time_zone"),
        optional=("cycle_unit", "cycle_count", "cycle_anchor", "close_after_days", "contact", *_TOLD),
        numbers=frozenset({"close_after_days", "cycle_count"}),
    )
    keys = ("name",)

    async def take(self, row: Row) -> Done:
        """Created when nobody has the name, changed where the line says something else."""
        close_after_days = _count("close_after_days", row["close_after_days"])
        known = await self._known(row["name"])
        if known is None:
            await create_client(
                self.db,
                name=row["name"],
                currency=row["currency"],
                time_zone=row["time_zone"],
                cycle_unit=row["cycle_unit"] or "month",
                cycle_count=_count("cycle_count", row["cycle_count"]) or 1,
                cycle_anchor=row["cycle_anchor"] or self.now.date().replace(day=1).isoformat(),
                contact=row["contact"],
                close_after_days=close_after_days,
            )
            return Done.CREATED
        _refuse_other_cycle(row, known)
        if (row["contact"], close_after_days) == (known.contact, known.close_after_days):
            return Done.UNCHANGED
        change = client_change(
            contact=row["contact"], close_after_days=close_after_days, wait=close_after_days is None
        )
        await update_client(self.db, known.id, change)
        return Done.CHANGED

    async def _known(self, name: str) -> ClientLine | None:
        async with self.db.transaction() as conn:
            client_id = (await exchange.clients_by_name(conn, [name])).get(name)
            if client_id is None:
                return None
            async for line in exchange.client_lines(conn, client_id=client_id):
                return line
        return None


def _refuse_other_cycle(row: Row, known: ClientLine) -> None:
    for column in _FIXED:
        value = getattr(known, column)
        if row[column] and row[column] != str(value):
            raise Invalid(
                column,
                f"is {value} for this client; change it with `ullage clients edit`, which says from when it holds",
            )


def _count(column: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise Invalid(column, "is not a whole number")
    return int(text)
